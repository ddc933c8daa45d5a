/* Folders for tests: made beneath $TMPDIR, removed with everything in them. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "base/base.h"

static inline char *
folder_make(char room[64])
{
    const char *tmp = getenv("TMPDIR");

    snprintf(room, 64, "%.40s/cli-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    ASSERT(mkdtemp(room));
    return room;
}

static inline int
folder_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static inline void
folder_remove(const char *path)
{
    ASSERT(nftw(path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* A file, with the folders above it. */
static inline void
file_make(const char *folder, const char *name, mode_t mode, const char *text)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    for (char *c = path + strlen(folder) + 1; (c = strchr(c, '/')); c++) {
        *c = '\0';
        ASSERT(mkdir(path, 0755) == 0 || errno == EEXIST);
        *c = '/';
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ASSERT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    ASSERT(fchmod(fd, mode) == 0 && close(fd) == 0);
}
