/* Credential scopes from a header (first byte odd) or a query. */
#include "wire/sigv4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free) struct arena *a = arena_new(1u << 20);
    struct str text = {(const char *)data + 1, size - 1};
    struct header header = {STR("Authorization"), text};
    struct request rq = {.arena = a, .headers = &header};
    struct sigv4_scope scope;
    struct err err = {0};

    if (size < 1 || size > 65536)
        return 0;
    if (data[0] % 2)
        rq.headers_len = 1;
    else
        rq.query = text;
    if (sigv4_find(&rq, &scope, &err) == 1) {
        ASSERT(scope.access_key.len > 0 && scope.access_key.len <= 128);
        ASSERT(scope.date.len == 8);
        ASSERT(scope.region.len > 0 && scope.region.len <= 64);
        ASSERT(scope.service.len > 0 && scope.service.len <= 64);
        ASSERT(!memchr(scope.region.at, '/', scope.region.len) &&
               !memchr(scope.region.at, '.', scope.region.len));
    }
    return 0;
}
