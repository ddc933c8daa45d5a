/* Payload validation, in pieces whose lengths come from the input: the verdict must not depend on
 * where the text is cut, and what is
 * accepted as a document must be accepted as a payload. */
#include <jansson.h>

#include "wire/json.h"
#include "wire/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(json_check_free) struct json_check *c = json_check_new();
    AUTO_BUF struct buf out = BUF_MAX(1 << 20);
    struct str text = {(const char *)data + 1, size - 1};
    struct err err = {0}, whole = {0};
    bool good = true;
    size_t step;
    json_t *json;

    if (size < 1 || size > 65536)
        return 0;
    step = data[0] % 17 + 1;
    for (size_t at = 0; at < text.len && good; at += step)
        good = json_check_feed(c, (struct str){text.at + at, MIN(step, text.len - at)}, &err) == 0;
    good = good && json_check_end(c, &err) == 0;
    ASSERT(good == (json_check(text, &whole) == 0));

    err_clear(&err);
    if (shape_load(text, &json, &err) == 0) {
        ASSERT(good || !strncmp(whole.text, "nested", 6));
        json_decref(json);
    }
    /* Any bytes as a string are JSON. */
    err_clear(&err);
    ASSERT(json_put_string(&out, text));
    ASSERT(json_check(buf_view(&out), &err) == 0);
    return 0;
}
