/* Identifiers and digests. Randomness is getrandom(2)'s unless a test seeds it. Thread: any. */
#pragma once

#include "base/base.h"

enum { UUID_LEN = 36, SHA256_HEX_LEN = 64 };

void random_bytes(void *at, size_t len);
void random_hex(char *at, size_t hex_len); /* writes hex_len digits and a NUL */
/* A random version-4 UUID in lower case; room for UUID_LEN + 1. */
void uuid_make(char *at);
bool uuid_check(struct str s);

void sha256(const void *at, size_t len, uint8_t ret[32]);
void hex_encode(const uint8_t *at, size_t len, char *ret); /* 2 * len digits and a NUL */

/* Standard alphabet with padding. The encoded length without the NUL is base64_len(len). */
static inline size_t
base64_len(size_t len)
{
    return (len + 2) / 3 * 4;
}
void base64_encode(const void *at, size_t len, char *ret);
/* Strict: no blanks, right padding. Returns the number of bytes, or -1. `ret` has room for
 * s.len / 4 * 3. */
ssize_t base64_decode(struct str s, uint8_t *ret);
