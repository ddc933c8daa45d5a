/* See json.h. yajl does the lexing; ours is what it does not do: bounded depth, and an answer
 * whether the one value is complete.
 *
 * yajl copies a piece's unfinished token into a buffer of its own, so a payload that is one 6 MB
 * string costs up to 6 MB while it is checked: bounded by the body's own bound. */
#include <yajl/yajl_parse.h>

#include "wire/json.h"

struct json_check {
    yajl_handle yajl;
    unsigned depth;
    bool any;  /* a byte was fed */
    bool deep; /* gave up because of the depth */
    bool failed;
};

static int
on_scalar(void *arg)
{
    return 1;
}
static int
on_boolean(void *arg, int value)
{
    return 1;
}
/* As text: yajl would refuse or round what does not fit its own types. */
static int
on_text(void *arg, const char *at, size_t len)
{
    return 1;
}
static int
on_bytes(void *arg, const unsigned char *at, size_t len)
{
    return 1;
}
static int
on_open(void *arg)
{
    struct json_check *c = arg;

    c->deep = ++c->depth > JSON_DEPTH_MAX;
    return !c->deep;
}
static int
on_close(void *arg)
{
    struct json_check *c = arg;

    c->depth--;
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_scalar,
    .yajl_boolean = on_boolean,
    .yajl_number = on_text,
    .yajl_string = on_bytes,
    .yajl_start_map = on_open,
    .yajl_map_key = on_bytes,
    .yajl_end_map = on_close,
    .yajl_start_array = on_open,
    .yajl_end_array = on_close,
};

struct json_check *
json_check_new(void)
{
    struct json_check *c = xcalloc(1, sizeof(*c));

    c->yajl = yajl_alloc(&callbacks, NULL, c);
    if (!c->yajl)
        panic(__FILE__, __LINE__, "out of memory");
    return c;
}

void
json_check_free(struct json_check *c)
{
    if (!c)
        return;
    yajl_free(c->yajl);
    free(c);
}

bool
json_check_empty(const struct json_check *c)
{
    return !c->any;
}

/* What is wrong, without yajl's multi-line quotation of the text: payloads belong into no log. */
static int
invalid(struct json_check *c, struct err *err)
{
    c->failed = true;
    if (c->deep)
        return err_set(err, ERR_INVALID, "nested deeper than %d", JSON_DEPTH_MAX);
    return err_set(err, ERR_INVALID, "unexpected character or value at byte %zu of the last piece",
                   yajl_get_bytes_consumed(c->yajl));
}

int
json_check_feed(struct json_check *c, struct str piece, struct err *err)
{
    if (c->failed)
        return err_set(err, ERR_INVALID, "not JSON");
    if (piece.len == 0)
        return 0;
    c->any = true;
    if (yajl_parse(c->yajl, (const unsigned char *)piece.at, piece.len) != yajl_status_ok)
        return invalid(c, err);
    return 0;
}

int
json_check_end(struct json_check *c, struct err *err)
{
    if (c->failed)
        return err_set(err, ERR_INVALID, "not JSON");
    if (yajl_complete_parse(c->yajl) != yajl_status_ok) {
        c->failed = true;
        return err_set(err, ERR_INVALID, "unexpected end of the text");
    }
    return 0;
}

int
json_check(struct str text, struct err *err)
{
    AUTO(json_check_free) struct json_check *c = json_check_new();

    if (json_check_feed(c, text, err) < 0)
        return -(int)err->kind;
    return json_check_end(c, err);
}

/* ---- writing ---- */

/* Length of the well-formed UTF-8 sequence at `at`, 0 if there is none. */
static size_t
sequence_len(const unsigned char *at, size_t len)
{
    unsigned char c = at[0];
    size_t n = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : c >= 0xe0 && c < 0xf0 ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;

    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && at[1] < 0xa0) || (c == 0xed && at[1] > 0x9f) || (c == 0xf0 && at[1] < 0x90) ||
        (c == 0xf4 && at[1] > 0x8f))
        return 0;
    return n;
}

bool
json_put_string(struct buf *to, struct str text)
{
    const unsigned char *at = (const unsigned char *)text.at;
    size_t start = 0, i = 0;

    if (!buf_c(to, '"'))
        return false;
    while (i < text.len) {
        unsigned char c = at[i];
        size_t n = 1;
        char room[8];

        if (c >= 0x20 && c != '"' && c != '\\' && c < 0x7f) {
            i++;
            continue;
        }
        if (c >= 0x80) {
            n = sequence_len(at + i, text.len - i);
            if (n > 0) {
                i += n;
                continue;
            }
            n = 1;
            str_copy(room, sizeof(room), STR("\xef\xbf\xbd"));
        } else if (c == '"' || c == '\\') {
            snprintf(room, sizeof(room), "\\%c", c);
        } else if (c == '\n' || c == '\r' || c == '\t') {
            snprintf(room, sizeof(room), "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        } else {
            snprintf(room, sizeof(room), "\\u%04x", c);
        }
        if (!buf_add(to, at + start, i - start) || !buf_z(to, room))
            return false;
        i += n;
        start = i;
    }
    return buf_add(to, at ? (const char *)at + start : "", i - start) && buf_c(to, '"');
}

bool
json_put_comma(struct buf *to)
{
    char last = to->len > 0 ? to->at[to->len - 1] : '{';

    return last == '{' || last == '[' || last == ':' || buf_c(to, ',');
}

bool
json_put_key(struct buf *to, const char *key)
{
    return json_put_comma(to) && json_put_string(to, str_of(key)) && buf_c(to, ':');
}

bool
json_put_str(struct buf *to, const char *key, struct str value)
{
    return !value.at || (json_put_key(to, key) && json_put_string(to, value));
}

bool
json_put_int(struct buf *to, const char *key, int64_t value)
{
    return json_put_key(to, key) && buf_fmt(to, "%lld", (long long)value);
}

bool
json_put_bool(struct buf *to, const char *key, bool value)
{
    return json_put_key(to, key) && buf_z(to, value ? "true" : "false");
}
