/* Tags of a function, kept as a JSON object beside its document. */
#include "api/lambda/lambda.h"
#include "wire/json.h"
#include <jansson.h>

enum { TAGS_MAX = 50, KEY_MAX = 128, VALUE_MAX = 256, PLACE_MAX = 100 };

/* Characters of UTF-8, which is how AWS counts. */
static size_t
characters(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.at[i] & 0xc0) != 0x80;
    return n;
}

int
tags_write(struct request *rq, const struct lambda_tags *tags, struct str *ret, struct err *err)
{
    AUTO_BUF struct buf text = BUF_MAX(1 << 20);

    if (tags->len > TAGS_MAX)
        return err_set(err, ERR_INVALID, "A resource has at most %d tags, not %zu.", TAGS_MAX,
                       tags->len);
    for (size_t i = 0; i < tags->len; i++) {
        struct str key = tags->at[i].key;

        if (characters(key) < 1 || characters(key) > KEY_MAX || str_starts(key, STR("aws:")))
            return err_set(
                err, ERR_INVALID,
                "A tag's key has 1 to %d characters and does not begin with aws:, unlike "
                "'%.*s'.",
                KEY_MAX, (int)MIN(key.len, (size_t)PLACE_MAX), key.at);
        if (characters(tags->at[i].value) > VALUE_MAX)
            return err_set(err, ERR_INVALID, "The value of tag '%.*s' has more than %d characters.",
                           (int)MIN(key.len, (size_t)PLACE_MAX), key.at, VALUE_MAX);
    }
    buf_c(&text, '{');
    for (size_t i = 0; i < tags->len; i++) {
        if (i)
            buf_c(&text, ',');
        json_put_string(&text, tags->at[i].key);
        buf_c(&text, ':');
        json_put_string(&text, tags->at[i].value);
    }
    buf_c(&text, '}');
    *ret = text.overflow ? STR_NULL : arena_str(rq->arena, buf_view(&text));
    return ret->at ? 0 : err_set(err, ERR_TOO_LARGE, "The request is too large");
}

int
tags_read(struct request *rq, struct str text, struct lambda_tags *ret, struct err *err)
{
    json_error_t at;
    json_t *doc = json_loadb(text.at, text.len, 0, &at), *value;
    const char *key;
    size_t n = 0;

    if (!doc)
        return err_set(err, ERR_INTERNAL, "stored tags: %s", at.text);
    ret->at = ARENA_ARRAY(rq->arena, typeof(*ret->at), MAX(json_object_size(doc), (size_t)1));
    if (!ret->at) {
        json_decref(doc);
        return err_set(err, ERR_TOO_LARGE, "The answer is too large");
    }
    json_object_foreach(doc, key, value)
    {
        ret->at[n].key = arena_str(rq->arena, str_of(key));
        ret->at[n++].value = arena_str(rq->arena, str_of(json_string_value(value)));
    }
    ret->len = n;
    ret->set = true;
    json_decref(doc);
    return 0;
}
