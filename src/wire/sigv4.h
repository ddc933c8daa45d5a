/* AWS Signature Version 4: who says that a request is theirs, and for which region and service.
 * Only the credential scope is read here; the signature itself is not checked. Thread: any. The
 * parts are views into the request. */
#pragma once

#include "wire/request.h"

struct sigv4_scope {
    struct str access_key; /* 1 to 128 of A-Z a-z 0-9 _ - */
    struct str date;       /* YYYYMMDD */
    struct str region;     /* us-east-1 */
    struct str service;    /* lambda */
};

/* "AKID/20261121/us-east-1/lambda/aws4_request". Errors: DENIED,
 * AWS_INCOMPLETE_SIGNATURE_EXCEPTION. */
int sigv4_scope_parse(struct str credential, struct sigv4_scope *ret, struct err *err);
/* The value of an Authorization header. Errors: as above. */
int sigv4_header_parse(struct str authorization, struct sigv4_scope *ret, struct err *err);
/* From the Authorization header, else the X-Amz-Credential parameter. 1: found. 0: the request has
 * neither, it is anonymous. Errors: as above. */
int sigv4_find(struct request *rq, struct sigv4_scope *ret, struct err *err);
