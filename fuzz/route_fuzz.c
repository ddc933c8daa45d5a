/* A request's first lines: "METHOD PATH?QUERY\nheader: value\n…\n\nbody". Routing, binding of
 * labels, queries and headers, and validation; two handlers exist, so that both ways through are
 * taken. */
#include "gen/lambda.h"
#include "gen/logs.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
lambda_list_event_source_mappings(struct request *rq,
                                  const struct lambda_list_event_source_mappings_in *in,
                                  struct lambda_list_event_source_mappings_out *ret,
                                  struct err *err)
{
    ret->next_marker = in->marker;
    return RQ_DONE;
}

int
lambda_list_durable_executions_by_function(
    struct request *rq, const struct lambda_list_durable_executions_by_function_in *in,
    struct lambda_list_durable_executions_by_function_out *ret, struct err *err)
{
    return RQ_DONE;
}

int
lambda_untag_resource(struct request *rq, const struct lambda_untag_resource_in *in,
                      struct lambda_untag_resource_out *ret, struct err *err)
{
    return RQ_DONE;
}

int
lambda_invoke(struct request *rq, const struct lambda_invoke_in *in, struct lambda_invoke_out *ret,
              struct err *err)
{
    ret->log_result = in->client_context;
    ret->payload = in->payload;
    return RQ_DONE;
}

int
logs_filter_log_events(struct request *rq, const struct logs_filter_log_events_in *in,
                       struct logs_filter_log_events_out *ret, struct err *err)
{
    ret->next_token = in->next_token;
    return RQ_DONE;
}

static struct str
take_until(struct str *rest, char c)
{
    ssize_t end = str_find(*rest, c);
    struct str part = {rest->at, end < 0 ? rest->len : (size_t)end};

    rest->at += part.len + (end >= 0);
    rest->len -= part.len + (end >= 0);
    return part;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free) struct arena *a = arena_new(1u << 20);
    struct str rest = {(const char *)data, size}, line;
    struct request rq = {.arena = a, .body_out = BUF_MAX(1u << 20)};
    struct header headers[8];
    struct err err = {0};
    int rc;

    if (size > 65536)
        return 0;
    rq.method = take_until(&rest, ' ');
    line = take_until(&rest, '\n');
    rq.path = take_until(&line, '?');
    rq.query = line;
    rq.headers = headers;
    while (rest.len > 0 && rq.headers_len < ARRAY_LEN(headers)) {
        line = take_until(&rest, '\n');
        if (line.len == 0)
            break;
        headers[rq.headers_len].name = take_until(&line, ':');
        headers[rq.headers_len++].value = line;
    }
    rq.body = rest;
    if (op_route(&rq, NULL)) {
        rc = op_run(&rq, &err);
        ASSERT(rc == RQ_DONE || rc == -(int)err.kind);
        if (rc < 0)
            rq_fail(&rq, &err);
    } else {
        rq_fail_unknown(&rq);
    }
    ASSERT(rq.status >= 200 && rq.status < 600);
    if (rq.status >= 400) {
        struct err bad = {0};

        ASSERT(json_check(buf_view(&rq.body_out), &bad) == 0);
    }
    buf_done(&rq.body_out);
    return 0;
}
