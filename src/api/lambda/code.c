/* Code packages: from the request into the store, and out again by a signed link. */
#include "api/lambda/lambda.h"
#include "gen/aws_error.h"
#include <openssl/hmac.h>
#include <openssl/crypto.h>

enum { LINK_SECONDS = 600, MAC_HEX = 64 };
#define LINK_PREFIX "/_lambent/code/"

int
code_put(struct request *rq, struct str zip_file, struct str s3_bucket, struct str s3_key,
         struct str image_uri, struct package_info *ret, struct err *err)
{
    const struct settings *s = rq->api->settings;
    struct package_limits limits = {
        .zip_max = (uint64_t)s->zip_max,
        .unzipped_max = (uint64_t)s->unzipped_max,
        .files_max = (uint64_t)s->files_max,
    };
    int rc;

    if (image_uri.at)
        return err_set(
            err, ERR_INVALID,
            "Please don't provide ImageUri when updating a function with packageType Zip.");
    if (zip_file.at && (s3_bucket.at || s3_key.at))
        return err_set(
            err, ERR_INVALID,
            "Please do not provide other FunctionCode parameters when providing a ZipFile.");
    if (s3_bucket.at || s3_key.at)
        return err_set(err, ERR_NOT_IMPLEMENTED,
                       "Lambent does not read code from S3 yet: send the package as ZipFile.");
    if (!zip_file.at)
        return err_set(err, ERR_INVALID, "Please provide a source for function code.");
    rc = store_package_put(rq->api->store, zip_file, &limits, ret, err);
    if (rc == -ERR_TOO_LARGE) /* AWS answers sizes as invalid parameters */
        err->kind = ERR_INVALID;
    return rc < 0 ? -(int)err->kind : 0;
}

void
code_apply(struct request *rq, const struct package_info *info, struct function_doc *doc)
{
    char text[64];

    base64_encode(info->sha256, sizeof(info->sha256), text);
    doc->config.code_sha256 = arena_str(rq->arena, str_of(text));
    doc->config.code_size = OPT_INT((int64_t)info->zip_bytes);
    doc->row.package = arena_str(rq->arena, str_of(info->sha256_hex));
}

/* ---- links ---- */

static void
sign(const struct api *api, struct str package_hex, int64_t expires_s, char ret[MAC_HEX + 1])
{
    uint8_t mac[32];
    char text[128];
    unsigned len = sizeof(mac);
    int n = snprintf(text, sizeof(text), "%.*s %lld", STR_FMT(package_hex), (long long)expires_s);

    ASSERT(HMAC(EVP_sha256(), api->link_key, sizeof(api->link_key), (uint8_t *)text, (size_t)n, mac,
                &len));
    hex_encode(mac, sizeof(mac), ret);
}

struct str
lambda_code_link(struct request *rq, struct str package_hex)
{
    int64_t expires_s = (int64_t)(clock_wall_ms() / 1000) + LINK_SECONDS;
    char mac[MAC_HEX + 1];

    sign(rq->api, package_hex, expires_s, mac);
    return arena_fmt(rq->arena, "%s" LINK_PREFIX "%.*s.zip?Expires=%lld&Signature=%s", rq->base_url,
                     STR_FMT(package_hex), (long long)expires_s, mac);
}

int
lambda_code_download(struct api *api, struct str path, struct str query, int *ret_fd,
                     uint64_t *ret_size, struct err *err)
{
    struct str hex = path, given = STR_NULL, rest = query;
    int64_t expires_s = 0;
    char mac[MAC_HEX + 1];

    if (!str_starts(path, STR(LINK_PREFIX)) || !str_ends(path, STR(".zip")))
        return err_set(err, ERR_NOT_FOUND, "There is nothing here");
    hex.at += sizeof(LINK_PREFIX) - 1;
    hex.len -= sizeof(LINK_PREFIX) - 1 + 4;
    while (rest.len) {
        ssize_t amp = str_find(rest, '&');
        struct str part = {rest.at, amp < 0 ? rest.len : (size_t)amp};

        if (str_starts(part, STR("Expires=")))
            (void)str_int((struct str){part.at + 8, part.len - 8}, 0, INT64_MAX, &expires_s);
        if (str_starts(part, STR("Signature=")))
            given = (struct str){part.at + 10, part.len - 10};
        rest = amp < 0 ? STR_NULL : (struct str){rest.at + amp + 1, rest.len - (size_t)amp - 1};
    }
    if (hex.len != SHA256_HEX_LEN)
        return err_set(err, ERR_NOT_FOUND, "There is nothing here");
    sign(api, hex, expires_s, mac);
    if (given.len != MAC_HEX || CRYPTO_memcmp(given.at, mac, MAC_HEX) != 0)
        return err_set(err, ERR_DENIED, "The link's signature does not match");
    if (expires_s < (int64_t)(clock_wall_ms() / 1000))
        return err_set(err, ERR_DENIED, "Request has expired");
    return store_package_open(api->store, hex, ret_fd, ret_size, err);
}
