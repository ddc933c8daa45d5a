/* Headers and query parameters of a request, and its answer's headers. */
#include <strings.h>

#include "wire/request.h"

struct str
rq_header(const struct request *rq, const char *name)
{
    struct str wanted = str_of(name);

    for (size_t i = 0; i < rq->headers_len; i++)
        if (str_eq_nocase(rq->headers[i].name, wanted))
            return rq->headers[i].value;
    return STR_NULL;
}

static int
hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool
rq_decode(struct arena *arena, struct str encoded, bool plus, struct str *ret)
{
    char *to = arena_alloc(arena, encoded.len + 1);
    size_t n = 0;

    if (!to)
        return false;
    for (size_t i = 0; i < encoded.len; i++) {
        char c = encoded.at[i];

        if (c == '%') {
            int high, low;

            if (encoded.len - i < 3)
                return false;
            high = hex_value(encoded.at[i + 1]);
            low = hex_value(encoded.at[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        to[n++] = c;
    }
    *ret = (struct str){to, n};
    return true;
}

/* Compares without decoding into memory: most parameters are not the one that is looked for. */
static bool
key_is(struct str encoded, struct str name)
{
    size_t n = 0;

    for (size_t i = 0; i < encoded.len; i++, n++) {
        char c = encoded.at[i];

        if (c == '%' && encoded.len - i >= 3) {
            int high = hex_value(encoded.at[i + 1]), low = hex_value(encoded.at[i + 2]);

            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (n >= name.len || name.at[n] != c)
            return false;
    }
    return n == name.len;
}

bool
rq_query_next(struct str *rest, struct str *ret_key, struct str *ret_value)
{
    struct str part;
    ssize_t end, equals;

    if (rest->len == 0)
        return false;
    end = str_find(*rest, '&');
    part = (struct str){rest->at, end < 0 ? rest->len : (size_t)end};
    rest->at += part.len;
    rest->len -= part.len;
    if (end >= 0) {
        rest->at++;
        rest->len--;
    }
    equals = str_find(part, '=');
    *ret_key = (struct str){part.at, equals < 0 ? part.len : (size_t)equals};
    *ret_value = equals < 0 ? (struct str){"", 0}
                            : (struct str){part.at + equals + 1, part.len - (size_t)equals - 1};
    return true;
}

struct str
rq_query(struct request *rq, const char *name)
{
    struct str rest = rq->query, key, value, decoded;

    while (rq_query_next(&rest, &key, &value))
        if (key_is(key, str_of(name)))
            return rq_decode(rq->arena, value, true, &decoded) ? decoded : STR_NULL;
    return STR_NULL;
}

bool
rq_query_has(const struct request *rq, const char *name)
{
    struct str rest = rq->query, key, value;

    while (rq_query_next(&rest, &key, &value))
        if (value.len == 0 && key_is(key, str_of(name)))
            return true;
    return false;
}

int
rq_query_all(struct request *rq, const char *name, struct str **ret, size_t *ret_len,
             struct err *err)
{
    struct str rest = rq->query, key, value;
    size_t n = 0;

    *ret = NULL;
    *ret_len = 0;
    while (rq_query_next(&rest, &key, &value))
        n += key_is(key, str_of(name));
    if (n == 0)
        return 0;
    *ret = ARENA_ARRAY(rq->arena, struct str, n);
    if (!*ret)
        return err_set(err, ERR_TOO_LARGE, "The query is too large");
    rest = rq->query;
    while (*ret_len < n && rq_query_next(&rest, &key, &value))
        if (key_is(key, str_of(name)) && !rq_decode(rq->arena, value, true, &(*ret)[(*ret_len)++]))
            return err_set(err, ERR_INVALID, "The query parameter %s is not percent-encoded", name);
    return 0;
}

void
rq_set_header(struct request *rq, const char *name, struct str value)
{
    struct str wanted = str_of(name);

    for (size_t i = 0; i < rq->headers_out_len; i++)
        if (str_eq_nocase(rq->headers_out[i].name, wanted)) {
            rq->headers_out[i].value = value;
            return;
        }
    ASSERT(rq->headers_out_len < RQ_HEADERS_OUT_MAX); /* names are ours: their number is known */
    rq->headers_out[rq->headers_out_len++] = (struct header){wanted, value};
}
