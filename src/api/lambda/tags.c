/* Tags of a function, kept as a JSON object beside its document. */
#include "api/lambda/lambda.h"
#include "wire/json.h"
#include <jansson.h>

struct str
tags_write(struct request *rq, const struct lambda_tags *tags)
{
    AUTO_BUF struct buf text = BUF_MAX(1 << 20);

    buf_c(&text, '{');
    for (size_t i = 0; i < tags->len; i++) {
        if (i)
            buf_c(&text, ',');
        json_put_string(&text, tags->at[i].key);
        buf_c(&text, ':');
        json_put_string(&text, tags->at[i].value);
    }
    buf_c(&text, '}');
    return arena_str(rq->arena, buf_view(&text));
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
