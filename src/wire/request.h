/* One HTTP exchange as the API layer sees it: no sockets, no library types. `gateway/` makes it and
 * sends its answer; `wire/` parses and writes bodies; handlers in `api/` see typed structures.
 *
 * Ownership: everything reachable from a request lives in rq->arena, or is borrowed from its owner
 * in gateway (head and body) for the request's whole life.
 * Thread: a request is on the loop, or on one worker, never both. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"

struct api;
struct op; /* a row of the generated operation table: wire/op.h */

struct header {
    struct str name, value; /* names as received; compare with str_eq_nocase */
};

enum { RQ_HEADERS_OUT_MAX = 24 };

struct request {
    struct arena *arena;
    char id[UUID_LEN + 1]; /* x-amzn-RequestId */

    /* in */
    struct str method;
    struct str path;  /* as received, still percent-encoded, without the query */
    struct str query; /* as received, without '?' */
    const struct header *headers;
    size_t headers_len;
    struct str body;

    /* who, where: from the credential scope, or the configuration's defaults */
    struct str account; /* 12 digits */
    struct str region;

    const struct op *op;
    struct str labels[8]; /* decoded URI labels, in the order of the operation's template */
    struct api *api;      /* what handlers reach the store and the invoker by (api/api.h) */
    char base_url[128];   /* "http://HOST" as the client addressed us, for links in answers */

    /* Of operations whose body is an event (raw, on the loop): whether it is one JSON value,
     * checked while it came in. `body_why` says what is wrong with it. */
    bool body_checked, body_empty;
    struct str body_why;

    /* out */
    int status;
    struct header headers_out[RQ_HEADERS_OUT_MAX];
    size_t headers_out_len;
    struct buf body_out;
    /* Overrides err->text on the wire when the message is longer than that holds. */
    struct str message;
    struct str reason; /* TooManyRequestsException's Reason; absent: none */

    /* The gateway's: send what is in out. For operations that answered RQ_LATER. Thread: loop. */
    void (*finish)(struct request *rq);
    /* A handler's: runs on the loop after the handler (on its worker) succeeded and before the
     * answer is sent, so that the client's next call finds what this one changed. */
    void (*after)(struct request *rq);
    void *after_arg;
};

/* The value of a request header or query parameter (decoded), STR_NULL when absent. */
struct str rq_header(const struct request *rq, const char *name);
struct str rq_query(struct request *rq, const char *name);
/* Whether a bare or empty query key stands there ("?acl"). */
bool rq_query_has(const struct request *rq, const char *name);
/* Every value of a repeated parameter, in order. Errors: INVALID, TOO_LARGE. */
int rq_query_all(struct request *rq, const char *name, struct str **ret, size_t *ret_len,
                 struct err *err);
/* Walk over a query: the next pair, still encoded; "key" alone has an empty value. */
bool rq_query_next(struct str *rest, struct str *ret_key, struct str *ret_value);
/* Percent-decoding; `plus`: '+' is a blank (queries). False: a bad escape, or the arena is full. */
bool rq_decode(struct arena *arena, struct str encoded, bool plus, struct str *ret);
/* Set a response header (replaces one of the same name); name is static, value must live as long as
 * the request. */
void rq_set_header(struct request *rq, const char *name, struct str value);
