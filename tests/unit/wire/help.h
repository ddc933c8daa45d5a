/* A request made by hand, and what came of it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gen/lambda.h"
#include "gen/logs.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s: %s", #call, err_kind_name(err.kind), err.text);                      \
    } while (0)

#define assert_str(s, z)                                                                           \
    do {                                                                                           \
        struct str got_ = (s);                                                                     \
        if (!str_is(got_, (z)))                                                                    \
            fail_msg("got  '%.*s'\nwant '%s'", STR_FMT(got_), (z));                                \
    } while (0)

static inline struct request *
request_new(const char *method, const char *path, const char *query, const char *body)
{
    struct request *rq = xcalloc(1, sizeof(*rq));

    rq->arena = arena_new(4u << 20);
    rq->method = str_of(method);
    rq->path = str_of(path);
    rq->query = str_of(query);
    rq->body = str_of(body);
    return rq;
}

static inline void
request_free(struct request *rq)
{
    buf_done(&rq->body_out);
    arena_free(rq->arena);
    free(rq);
}
AUTO_DEFINE(struct request *, request_free)

/* Route, run, and answer a failure as the gateway does. Returns what op_run() did. */
static inline int
request_run(struct request *rq)
{
    struct err err = {0};
    int rc;

    if (!op_route(rq, NULL)) {
        rq_fail_unknown(rq);
        return -ERR_NOT_FOUND;
    }
    rc = op_run(rq, &err);
    if (rc < 0)
        rq_fail(rq, &err);
    return rc;
}

static inline struct str
header_out(const struct request *rq, const char *name)
{
    for (size_t i = 0; i < rq->headers_out_len; i++)
        if (str_eq_nocase(rq->headers_out[i].name, str_of(name)))
            return rq->headers_out[i].value;
    return STR_NULL;
}
