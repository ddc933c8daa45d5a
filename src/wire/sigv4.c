/* See sigv4.h. Strict on purpose: the region and service found here choose what the request may
 * reach and become part of ARNs and paths of the store. */
#include "gen/aws_error.h"
#include "wire/sigv4.h"

enum { CREDENTIAL_MAX = 320, AUTHORIZATION_MAX = 8192 };

static int
incomplete(struct err *err, const char *text)
{
    return err_wire(err, ERR_DENIED, AWS_INCOMPLETE_SIGNATURE_EXCEPTION, "%s", text);
}

static bool
is_made_of(struct str s, size_t max, const char *more)
{
    if (s.len == 0 || s.len > max)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && (c == '\0' || !strchr(more, c)))
            return false;
    }
    return true;
}

/* The part in front of the next '/', which is taken too. */
static bool
next_part(struct str *rest, struct str *ret)
{
    ssize_t end = str_find(*rest, '/');

    if (end < 0)
        return false;
    *ret = (struct str){rest->at, (size_t)end};
    rest->at += end + 1;
    rest->len -= (size_t)end + 1;
    return true;
}

int
sigv4_scope_parse(struct str credential, struct sigv4_scope *ret, struct err *err)
{
    struct sigv4_scope scope;
    struct str rest = credential;
    int64_t date;

    if (credential.len > CREDENTIAL_MAX || !next_part(&rest, &scope.access_key) ||
        !next_part(&rest, &scope.date) || !next_part(&rest, &scope.region) ||
        !next_part(&rest, &scope.service) || !str_is(rest, "aws4_request"))
        return incomplete(err, "Credential must have the form "
                               "ACCESS_KEY/YYYYMMDD/REGION/SERVICE/aws4_request");
    if (!is_made_of(scope.access_key, 128, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-"))
        return incomplete(err, "Credential has a malformed access key");
    if (scope.date.len != 8 || !str_int(scope.date, 0, 99991231, &date) || scope.date.at[0] == '-')
        return incomplete(err, "Credential has a malformed date");
    if (!is_made_of(scope.region, 64, "-"))
        return incomplete(err, "Credential has a malformed region");
    if (!is_made_of(scope.service, 64, "-"))
        return incomplete(err, "Credential has a malformed service");
    *ret = scope;
    return 0;
}

int
sigv4_header_parse(struct str authorization, struct sigv4_scope *ret, struct err *err)
{
    static const char algorithm[] = "AWS4-HMAC-SHA256";
    struct str rest = authorization;

    if (rest.len > AUTHORIZATION_MAX || !str_starts(rest, STR(algorithm)) ||
        rest.len == sizeof(algorithm) - 1 || rest.at[sizeof(algorithm) - 1] != ' ')
        return incomplete(err, "Authorization header requires the algorithm AWS4-HMAC-SHA256");
    rest.at += sizeof(algorithm);
    rest.len -= sizeof(algorithm);
    while (rest.len > 0) {
        ssize_t end = str_find(rest, ',');
        struct str part = {rest.at, end < 0 ? rest.len : (size_t)end};

        rest.at += part.len + (end >= 0);
        rest.len -= part.len + (end >= 0);
        while (part.len > 0 && part.at[0] == ' ') {
            part.at++;
            part.len--;
        }
        while (part.len > 0 && part.at[part.len - 1] == ' ')
            part.len--;
        if (str_starts(part, STR("Credential="))) {
            part.at += strlen("Credential=");
            part.len -= strlen("Credential=");
            return sigv4_scope_parse(part, ret, err);
        }
    }
    return incomplete(err, "Authorization header requires 'Credential' parameter.");
}

int
sigv4_find(struct request *rq, struct sigv4_scope *ret, struct err *err)
{
    struct str text = rq_header(rq, "Authorization");
    int rc;

    if (text.at) {
        rc = sigv4_header_parse(text, ret, err);
    } else {
        text = rq_query(rq, "X-Amz-Credential");
        if (!text.at)
            return 0;
        rc = sigv4_scope_parse(text, ret, err);
    }
    return rc < 0 ? rc : 1;
}
