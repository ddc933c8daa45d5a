/* A configuration file. Whatever it holds: loaded, or refused with a text and nothing left behind.
 */
#include "base/settings.h"
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static int file = -1;
    static char path[64];
    char *argv[] = {"lambentd", "--config", path, NULL};
    enum settings_action action;
    struct settings s = {0};
    struct err err = {0};

    if (file < 0) {
        file = memfd_create("config", 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    }
    ASSERT(ftruncate(file, 0) == 0 && pwrite(file, at, len, 0) == (ssize_t)len);
    if (settings_load(&s, 3, argv, &action, &err) < 0) {
        ASSERT(err.kind && err.text[0] && !s.data_dir);
        return 0;
    }
    ASSERT(!err.kind && s.data_dir && s.workers >= 1 && s.workers <= 64);
    ASSERT(settings_reload(&s, 3, argv, &err) == 0);
    settings_done(&s);
    return 0;
}
