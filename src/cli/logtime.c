#include <time.h>

#include "cli/logtime.h"

int64_t
logtime_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool
relative(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                 {"h", 3600000}, {"d", 86400000}, {"w", 604800000}};
    size_t digits = strspn(text, "0123456789");
    int64_t n;

    if (!str_int((struct str){text, digits}, 0, 1000000000, &n))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(text + digits, units[i].unit) == 0) {
            *ret_ms = n * units[i].ms;
            return true;
        }
    }
    return false;
}

bool
logtime_since(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
                                          "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    int64_t back_ms;

    if (relative(text, &back_ms)) {
        *ret_ms = MAX(now_ms - back_ms, (int64_t)0);
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *rest = strptime(text, formats[i], &tm);
        bool utc;

        if (!rest)
            continue;
        if (*rest == '.')
            rest += 1 + strspn(rest + 1, "0123456789");
        utc = strcmp(rest, "Z") == 0 || strcmp(rest, "+0000") == 0 || strcmp(rest, "+00:00") == 0;
        if (*rest && !utc)
            return false;
        *ret_ms = (int64_t)(utc ? timegm(&tm) : mktime(&tm)) * 1000;
        return *ret_ms >= 0;
    }
    return false;
}

const char *
logtime_write(int64_t at_ms, bool local, char room[40])
{
    time_t at = (time_t)(at_ms / 1000), now = time(NULL);
    struct tm tm, today;
    size_t n;

    if (!local) {
        gmtime_r(&at, &tm);
        n = strftime(room, 40, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(room + n, 40 - n, ".%03dZ", (int)(at_ms % 1000));
        return room;
    }
    localtime_r(&at, &tm);
    localtime_r(&now, &today);
    n = strftime(room, 40,
                 tm.tm_yday == today.tm_yday && tm.tm_year == today.tm_year ? "%H:%M:%S"
                                                                            : "%Y-%m-%d %H:%M:%S",
                 &tm);
    snprintf(room + n, 40 - n, ".%03d", (int)(at_ms % 1000));
    return room;
}
