#include "base/log.h"
#include <pthread.h>
#include <stdarg.h>
#include <strings.h>
#include <time.h>

static const struct {
    const char *name;
    enum log_level level;
} events[] = {
#define E(name, level) [LOG_##name] = {#name, LOG_LEVEL_##level},
    LOG_EVENTS(E)
#undef E
};
static const char *const level_names[] = {"debug", "info", "warn", "error"};

enum { LINE_MAX_BYTES = 1024, RECENT = 32 };

static _Atomic enum log_level threshold = LOG_LEVEL_INFO; /* a reload sets it while workers log */
static const char *program = "lambent";
static pthread_mutex_t recent_lock = PTHREAD_MUTEX_INITIALIZER;
static char recent[RECENT][LINE_MAX_BYTES];
static unsigned recent_next;

void
log_event(enum log_event event, const char *fmt, ...)
{
    char line[LINE_MAX_BYTES];
    struct timespec now;
    struct tm tm;
    va_list args;
    size_t n;
    int wrote;

    ASSERT((size_t)event < ARRAY_LEN(events));
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    n = strftime(line, sizeof(line), "time=%Y-%m-%dT%H:%M:%S", &tm);
    wrote = snprintf(line + n, sizeof(line) - n, ".%03ldZ level=%s prog=%s event=%s ",
                     now.tv_nsec / 1000000, level_names[events[event].level], program,
                     events[event].name);
    n += (size_t)wrote;
    va_start(args, fmt);
    wrote = vsnprintf(line + n, sizeof(line) - n - 1, fmt, args);
    va_end(args);
    if (wrote > 0)
        n = MIN(n + (size_t)wrote, sizeof(line) - 2);
    for (size_t i = 0; i < n; i++) /* one event stays one line, whatever a key's value holds */
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    while (n > 0 && line[n - 1] == ' ')
        n--;
    line[n] = '\n';
    line[n + 1] = '\0';

    pthread_mutex_lock(&recent_lock);
    memcpy(recent[recent_next++ % RECENT], line, n + 2);
    pthread_mutex_unlock(&recent_lock);
    if (events[event].level >= threshold)
        (void)!write(STDERR_FILENO, line, n + 1); /* nowhere left to report that it failed */
}

void
log_set_level(enum log_level level)
{
    threshold = level;
}

bool
log_level_parse(struct str name, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (str_eq_nocase(name, str_of(level_names[i]))) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void
log_set_program(const char *name)
{
    program = name;
}

void
log_dump_recent(int fd)
{
    for (unsigned i = 0; i < RECENT; i++) {
        const char *line = recent[(recent_next + i) % RECENT];
        size_t len = strnlen(line, LINE_MAX_BYTES);

        if (len)
            (void)!write(fd, line, len);
    }
}
