#include "base/id.h"
#include <openssl/evp.h>
#include <sys/random.h>

static void
from_kernel(uint8_t *at, size_t len)
{
    while (len > 0) {
        ssize_t n = getrandom(at, MIN(len, (size_t)256), 0);

        ASSERT(n > 0 || errno == EINTR);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}

/* Ids are made several times an invocation: one system call fetches enough for many. What was
 * handed out is wiped. A process that forks must not use this on both sides; none of ours does. */
void
random_bytes(void *at, size_t len)
{
    static _Thread_local uint8_t stock[256];
    static _Thread_local size_t left;

    if (len > sizeof(stock)) {
        from_kernel(at, len);
        return;
    }
    if (left < len) {
        from_kernel(stock, sizeof(stock));
        left = sizeof(stock);
    }
    left -= len;
    memcpy(at, stock + left, len);
    explicit_bzero(stock + left, len);
}

void
hex_encode(const uint8_t *at, size_t len, char *ret)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        ret[2 * i] = digits[at[i] >> 4];
        ret[2 * i + 1] = digits[at[i] & 15];
    }
    ret[2 * len] = '\0';
}

void
random_hex(char *at, size_t hex_len)
{
    uint8_t bytes[64];

    ASSERT(hex_len <= 2 * sizeof(bytes) && hex_len % 2 == 0);
    random_bytes(bytes, hex_len / 2);
    hex_encode(bytes, hex_len / 2, at);
}

void
uuid_make(char *at)
{
    char hex[33];
    uint8_t b[16];

    random_bytes(b, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    hex_encode(b, sizeof(b), hex);
    snprintf(at, UUID_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

bool
uuid_check(struct str s)
{
    if (s.len != UUID_LEN)
        return false;
    for (size_t i = 0; i < UUID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = s.at[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

        if (dash ? c != '-' : !hex)
            return false;
    }
    return true;
}

void
sha256(const void *at, size_t len, uint8_t ret[32])
{
    ASSERT(EVP_Digest(at, len, ret, NULL, EVP_sha256(), NULL) == 1);
}

void
base64_encode(const void *at, size_t len, char *ret)
{
    ASSERT(len <= INT32_MAX / 2);
    EVP_EncodeBlock((unsigned char *)ret, at, (int)len);
}

ssize_t
base64_decode(struct str s, uint8_t *ret)
{
    size_t pad = 0;
    int n;

    if (s.len == 0)
        return 0;
    if (s.len % 4 != 0 || s.len > INT32_MAX / 2)
        return -1;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '+' || c == '/';

        if (!ok && !(c == '=' && i + 2 >= s.len))
            return -1;
    }
    if (s.at[s.len - 1] == '=')
        pad = s.at[s.len - 2] == '=' ? 2 : 1;
    else if (s.at[s.len - 2] == '=')
        return -1;
    n = EVP_DecodeBlock(ret, (const unsigned char *)s.at, (int)s.len); /* counts the padding too */
    return n < 0 ? -1 : (ssize_t)((size_t)n - pad);
}
