/* What every wire format needs of a shape: slots, text forms (labels, headers, query), times,
 * patterns. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <math.h>

#include "gen/aws_error.h"
#include "wire/shape.h"
#include "wire/shape_slots.h"

bool
utf8_check(struct str s)
{
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.at[i];
        uint32_t point;
        size_t more;

        if (c < 0x80) {
            i++;
            continue;
        }
        if (c >= 0xc2 && c < 0xe0) {
            point = c & 0x1fu;
            more = 1;
        } else if (c >= 0xe0 && c < 0xf0) {
            point = c & 0x0fu;
            more = 2;
        } else if (c >= 0xf0 && c < 0xf5) {
            point = c & 0x07u;
            more = 3;
        } else {
            return false;
        }
        if (s.len - i <= more)
            return false;
        for (size_t k = 1; k <= more; k++) {
            unsigned char d = (unsigned char)s.at[i + k];

            if ((d & 0xc0) != 0x80)
                return false;
            point = point << 6 | (d & 0x3fu);
        }
        /* Overlong forms, surrogates, beyond Unicode. */
        if ((more == 2 && point < 0x800) || (more == 3 && (point < 0x10000 || point > 0x10ffff)) ||
            (point >= 0xd800 && point < 0xe000))
            return false;
        i += more + 1;
    }
    return true;
}

size_t
utf8_points(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.at[i] & 0xc0) != 0x80;
    return n;
}

/* ---- slots ---- */

size_t
shape_slot_size(const struct shape *shape)
{
    switch (shape->type) {
    case SHAPE_STRING:
    case SHAPE_BLOB:
        return sizeof(struct str);
    case SHAPE_BOOLEAN:
        return sizeof(struct opt_bool);
    case SHAPE_INTEGER:
    case SHAPE_LONG:
        return sizeof(struct opt_int);
    case SHAPE_DOUBLE:
    case SHAPE_TIMESTAMP:
        return sizeof(struct opt_double);
    case SHAPE_STRUCTURE:
        return shape->size;
    case SHAPE_LIST:
    case SHAPE_MAP:
        return sizeof(struct shape_items);
    }
    ASSERT(!"shape type");
    return 0;
}

bool
shape_is_set(const struct shape *shape, const void *slot, bool by_value)
{
    switch (shape->type) {
    case SHAPE_STRING:
    case SHAPE_BLOB:
        return ((const struct str *)slot)->at != NULL;
    case SHAPE_BOOLEAN:
        return ((const struct opt_bool *)slot)->set;
    case SHAPE_INTEGER:
    case SHAPE_LONG:
        return ((const struct opt_int *)slot)->set;
    case SHAPE_DOUBLE:
    case SHAPE_TIMESTAMP:
        return ((const struct opt_double *)slot)->set;
    case SHAPE_STRUCTURE:
        return by_value || *(void *const *)slot != NULL;
    case SHAPE_LIST:
    case SHAPE_MAP:
        return ((const struct shape_items *)slot)->set;
    }
    ASSERT(!"shape type");
    return false;
}

int
shape_full(struct err *err)
{
    return err_set(err, ERR_TOO_LARGE, "The request needs more memory than one request may use");
}

/* ---- times ---- */

/* Days from 1970-01-01 to a civil date, and back; valid for all years that we let in. */
static int64_t
days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t era;
    unsigned doy, doe, yoe;

    year -= month <= 2;
    era = (year >= 0 ? year : year - 399) / 400;
    yoe = (unsigned)(year - era * 400);
    doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + (int64_t)doe - 719468;
}

static bool
digits(struct str *s, unsigned n, unsigned *ret)
{
    unsigned v = 0;

    if (s->len < n)
        return false;
    for (unsigned i = 0; i < n; i++) {
        if (s->at[i] < '0' || s->at[i] > '9')
            return false;
        v = v * 10 + (unsigned)(s->at[i] - '0');
    }
    s->at += n;
    s->len -= n;
    *ret = v;
    return true;
}

static bool
literal(struct str *s, char c)
{
    if (s->len == 0 || s->at[0] != c)
        return false;
    s->at++;
    s->len--;
    return true;
}

/* 2024-01-31T12:34:56[.789](Z|+hh:mm|-hh:mm) */
static bool
iso_parse(struct str s, double *ret)
{
    static const unsigned char month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year, month, day, hour, minute, second, off_hour = 0, off_minute = 0;
    double fraction = 0, scale = 0.1;
    int sign = 1;

    if (!digits(&s, 4, &year) || !literal(&s, '-') || !digits(&s, 2, &month) || !literal(&s, '-') ||
        !digits(&s, 2, &day) || (!literal(&s, 'T') && !literal(&s, 't')) || !digits(&s, 2, &hour) ||
        !literal(&s, ':') || !digits(&s, 2, &minute) || !literal(&s, ':') ||
        !digits(&s, 2, &second))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    if (literal(&s, '.')) {
        unsigned digit, n = 0;

        for (; n < 12 && digits(&s, 1, &digit); n++, scale /= 10)
            fraction += digit * scale;
        if (n == 0)
            return false;
    }
    if (!literal(&s, 'Z') && !literal(&s, 'z')) {
        if (literal(&s, '-'))
            sign = -1;
        else if (!literal(&s, '+'))
            return false;
        if (!digits(&s, 2, &off_hour) || !literal(&s, ':') || !digits(&s, 2, &off_minute) ||
            off_hour > 23 || off_minute > 59)
            return false;
    }
    if (s.len > 0)
        return false;
    *ret = (double)(days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second -
                    sign * (int64_t)(off_hour * 3600 + off_minute * 60)) +
           fraction;
    return true;
}

/* Years 0000 to 9999; milliseconds only if there are any. */
static bool
iso_write(double value, char *to, size_t size)
{
    int64_t ms, days, seconds, era;
    unsigned doe, yoe, doy, mp, day, month, of_day, rest;

    if (!(value > -62167219200.0 && value < 253402300799.9))
        return false;
    ms = llround(value * 1000);
    seconds = ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000);
    rest = (unsigned)(ms - seconds * 1000);
    days = seconds >= 0 ? seconds / 86400 : -((-seconds + 86399) / 86400);
    of_day = (unsigned)(seconds - days * 86400);
    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    doe = (unsigned)(days - era * 146097);
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    day = doy - (153 * mp + 2) / 5 + 1;
    month = mp < 10 ? mp + 3 : mp - 9;
    if (rest)
        snprintf(to, size, "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ",
                 (int)(yoe + era * 400 + (month <= 2)), month, day, of_day / 3600, of_day / 60 % 60,
                 of_day % 60, rest);
    else
        snprintf(to, size, "%04d-%02u-%02uT%02u:%02u:%02uZ", (int)(yoe + era * 400 + (month <= 2)),
                 month, day, of_day / 3600, of_day / 60 % 60, of_day % 60);
    return true;
}

void
number_write(double value, char *to, size_t size)
{
    /* The shortest form that reads back as the same number. */
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(to, size, "%.*g", precision, value);
        if (strtod(to, NULL) == value)
            return;
    }
}

bool
time_write(double value, bool iso, char *to, size_t size)
{
    size_t len;

    if (iso)
        return iso_write(value, to, size);
    if (!(value > -1e12 && value < 1e12))
        return false;
    snprintf(to, size, "%.3f", value);
    len = strlen(to);
    while (to[len - 1] == '0')
        to[--len] = '\0';
    if (to[len - 1] == '.')
        to[--len] = '\0';
    return true;
}

bool
time_parse(struct str text, double *ret)
{
    return iso_parse(text, ret);
}

/* ---- text: labels, headers, query parameters ---- */

static int
unexpected(struct err *err, const char *what)
{
    return err_wire(err, ERR_INVALID, AWS_SERIALIZATION_EXCEPTION,
                    "STRING_VALUE can not be converted to %s", what);
}

int
shape_parse_text(const struct shape *shape, bool iso_time, struct str text, struct arena *arena,
                 void *slot, struct err *err)
{
    ASSERT(text.at);
    switch (shape->type) {
    case SHAPE_STRING: {
        struct str *ret = slot;

        if (!utf8_check(text) || memchr(text.at, 0, text.len))
            return err_wire(err, ERR_INVALID, AWS_SERIALIZATION_EXCEPTION,
                            "A text of the request is not valid UTF-8");
        *ret = arena_str(arena, text);
        return ret->at ? 0 : shape_full(err);
    }
    case SHAPE_BLOB: {
        struct str *ret = slot;
        uint8_t *bytes = arena_alloc(arena, text.len / 4 * 3 + 1);
        ssize_t n;

        if (!bytes)
            return shape_full(err);
        n = base64_decode(text, bytes);
        if (n < 0)
            return err_wire(err, ERR_INVALID, AWS_SERIALIZATION_EXCEPTION,
                            "A blob is not valid base64");
        *ret = (struct str){(const char *)bytes, (size_t)n};
        return 0;
    }
    case SHAPE_BOOLEAN: {
        struct opt_bool *ret = slot;

        if (!str_is(text, "true") && !str_is(text, "false"))
            return unexpected(err, "a Boolean");
        *ret = OPT_BOOL(text.at[0] == 't');
        return 0;
    }
    case SHAPE_INTEGER:
    case SHAPE_LONG: {
        struct opt_int *ret = slot;
        bool is_long = shape->type == SHAPE_LONG;
        int64_t value;

        if (!str_int(text, is_long ? INT64_MIN : INT32_MIN, is_long ? INT64_MAX : INT32_MAX,
                     &value))
            return unexpected(err, is_long ? "a Long" : "an Integer");
        *ret = OPT_INT(value);
        return 0;
    }
    case SHAPE_DOUBLE: {
        struct opt_double *ret = slot;
        char room[64], *end;
        double value;

        if (text.len == 0 || text.at[0] == ' ' || !str_copy(room, sizeof(room), text))
            return unexpected(err, "a Double");
        value = strtod(room, &end);
        if (*end || (size_t)(end - room) != text.len || !isfinite(value))
            return unexpected(err, "a Double");
        *ret = OPT_DOUBLE(value);
        return 0;
    }
    case SHAPE_TIMESTAMP: {
        struct opt_double *ret = slot;
        double value;
        int64_t seconds;

        if (iso_time ? iso_parse(text, &value) : str_int(text, INT32_MIN, INT64_MAX / 4, &seconds))
            *ret = OPT_DOUBLE(iso_time ? value : (double)seconds);
        else
            return unexpected(err, "a Timestamp");
        return 0;
    }
    case SHAPE_STRUCTURE:
    case SHAPE_LIST:
    case SHAPE_MAP:
        break;
    }
    ASSERT(!"a simple shape");
    return 0;
}

struct str
shape_text(const struct shape *shape, bool iso_time, const void *slot, struct arena *arena)
{
    char room[64];

    if (!shape_is_set(shape, slot, false))
        return STR_NULL;
    switch (shape->type) {
    case SHAPE_STRING:
        return *(const struct str *)slot;
    case SHAPE_BLOB: {
        struct str blob = *(const struct str *)slot;
        char *text = arena_alloc(arena, base64_len(blob.len) + 1);

        if (!text)
            return STR_NULL;
        base64_encode(blob.at, blob.len, text);
        return str_of(text);
    }
    case SHAPE_BOOLEAN:
        return ((const struct opt_bool *)slot)->value ? STR("true") : STR("false");
    case SHAPE_INTEGER:
    case SHAPE_LONG:
        return arena_fmt(arena, "%lld", (long long)((const struct opt_int *)slot)->value);
    case SHAPE_DOUBLE:
        number_write(((const struct opt_double *)slot)->value, room, sizeof(room));
        return arena_str(arena, str_of(room));
    case SHAPE_TIMESTAMP:
        if (!time_write(((const struct opt_double *)slot)->value, iso_time, room, sizeof(room)))
            return STR_NULL;
        return arena_str(arena, str_of(room));
    case SHAPE_STRUCTURE:
    case SHAPE_LIST:
    case SHAPE_MAP:
        break;
    }
    ASSERT(!"a simple shape");
    return STR_NULL;
}

/* ---- patterns ---- */

/* The model's patterns describe the whole value, as Java's matches() does. UTF-8 is checked by
 * PCRE2 itself: invalid text does not match. */
static pcre2_code *
pattern_code(struct pattern *p)
{
    pcre2_code *code = atomic_load_explicit(&p->code, memory_order_acquire), *made;
    void *seen = NULL;
    int number;
    PCRE2_SIZE at;

    if (code)
        return code;
    made = pcre2_compile((PCRE2_SPTR)p->text, strlen(p->text),
                         PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | PCRE2_DOLLAR_ENDONLY,
                         &number, &at, NULL);
    ASSERT(made); /* the unit tests compile every pattern of every model */
    if (atomic_compare_exchange_strong(&p->code, &seen, made))
        return made;
    pcre2_code_free(made); /* another thread was first */
    return seen;
}

bool
pattern_matches(struct pattern *p, struct str s)
{
    pcre2_code *code = pattern_code(p);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    int rc;

    ASSERT(data && limits);
    /* Enough for every pattern of the models on the longest value that its length allows; what a
     * hostile value could make them cost is milliseconds. */
    pcre2_set_match_limit(limits, 200000);
    pcre2_set_depth_limit(limits, 2000);
    rc = pcre2_match(code, (PCRE2_SPTR)(s.at ? s.at : ""), s.len, 0, 0, data, limits);
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    return rc >= 0;
}
