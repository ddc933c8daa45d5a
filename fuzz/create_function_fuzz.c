/* A body of CreateFunction: parse, validate, write, and parse what was written again. */
#include "gen/lambda.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free) struct arena *a = arena_new(8u << 20);
    AUTO_BUF struct buf first = BUF_MAX(16u << 20), second = BUF_MAX(16u << 20);
    struct lambda_create_function_in in = {0}, again = {0};
    struct str message = STR_NULL;
    struct err err = {0};

    if (size > 65536)
        return 0;
    if (lambda_create_function_in_parse((struct str){(const char *)data, size}, a, &in, &err) < 0)
        return 0;
    if (shape_validate(&lambda_create_function_in_shape, &in, AWS_VALIDATION_EXCEPTION, a, &message,
                       &err) < 0)
        ASSERT(message.len > 20 || arena_full(a));
    err_clear(&err);
    ASSERT(lambda_create_function_in_write(&in, &first));
    if (lambda_create_function_in_parse(buf_view(&first), a, &again, &err) < 0) {
        ASSERT(arena_full(a));
        return 0;
    }
    ASSERT(lambda_create_function_in_write(&again, &second));
    ASSERT(str_eq(buf_view(&first), buf_view(&second)));
    return 0;
}
