/* Invoke: the one operation that runs on the loop. The event is passed through untouched: the
 * gateway checked that it is JSON while it came in. */
#include "api/lambda/lambda.h"
#include "base/log.h"
#include "gen/aws_error.h"
#include "wire/json.h"
#include <jansson.h>

struct call { /* in the request's arena */
    struct request *rq;
    struct function_id id;
    struct work work;
    struct err err;
};

static void
fail(struct request *rq, struct call *call, const struct err *error)
{
    struct err told = *error;

    if (told.kind == ERR_NOT_FOUND && !told.wire) {
        err_clear(&told);
        function_id_not_found(rq, &call->id, &told);
    } else if (told.kind == ERR_THROTTLED) {
        rq->reason = arena_str(rq->arena, str_of(error->text));
        err_clear(&told);
        err_wire(&told, ERR_THROTTLED, AWS_LAMBDA_TOO_MANY_REQUESTS_EXCEPTION, "Rate Exceeded.");
        rq_set_header(rq, "Retry-After", STR("1"));
    } else if (told.kind == ERR_UNAVAILABLE) {
        told.wire = AWS_SERVICE_UNAVAILABLE_EXCEPTION;
    } else if (told.kind == ERR_INTERNAL && !told.wire) { /* the client is sent to our log */
        log_event(LOG_request_failed, "req=%s op=Invoke why=\"%s\"", rq->id, told.text);
    }
    rq_fail(rq, &told);
    rq->finish(rq);
}

static void
on_invoked(void *arg, const struct invoke_result *result)
{
    struct call *call = arg;
    struct request *rq = call->rq;
    struct lambda_invoke_out out = {0};
    struct err err = {0};

    if (result->error) {
        fail(rq, call, result->error);
        return;
    }
    out.status_code = OPT_INT(200);
    out.payload = result->payload;
    out.executed_version = result->version;
    if (result->function_error)
        out.function_error = STR("Unhandled");
    if (result->tail.at) {
        char *text = arena_alloc(rq->arena, base64_len(result->tail.len) + 1);

        if (text) {
            base64_encode(result->tail.at, result->tail.len, text);
            out.log_result = str_of(text);
        }
    }
    rq_set_header(rq, "x-amzn-Remapped-Content-Length", STR("0"));
    rq_set_header(rq, "X-Amzn-Trace-Id", arena_str(rq->arena, result->trace_id));
    if (lambda_invoke_answer(rq, &out, &err) < 0)
        rq_fail(rq, &err);
    rq->finish(rq);
}

/* base64 of a JSON object, bounded by the model. */
static int
client_context(struct request *rq, struct str encoded, struct str *ret, struct err *err)
{
    uint8_t *plain = arena_alloc(rq->arena, encoded.len + 4);
    ssize_t n = plain ? base64_decode(encoded, plain) : -1;
    json_error_t at;
    json_t *doc = n > 0 ? json_loadb((char *)plain, (size_t)n, 0, &at) : NULL;
    bool object = json_is_object(doc);

    json_decref(doc);
    if (!object)
        return err_wire(err, ERR_INVALID, AWS_LAMBDA_INVALID_REQUEST_CONTENT_EXCEPTION,
                        "Client context must be a valid Base64-encoded JSON object.");
    *ret = (struct str){(char *)plain, (size_t)n};
    return 0;
}

/* ---- DryRun: does it exist? (thread: a worker, then the loop) ---- */

static void
work_dry_run(struct work *w)
{
    struct call *call = CONTAINER_OF(w, struct call, work);
    struct request *rq = call->rq;
    AUTO(txn_end) struct txn *t = NULL;
    struct function_row row;

    if (txn_begin(rq->api->store, false, &t, &call->err) >= 0)
        (void)store_function_get(t, rq->arena, rq->account, rq->region, call->id.name,
                                 call->id.version, &row, &call->err);
}

static void
dry_run_done(struct work *w)
{
    struct call *call = CONTAINER_OF(w, struct call, work);
    struct request *rq = call->rq;
    struct lambda_invoke_out out = {.status_code = OPT_INT(204)};
    struct err err = {0};

    if (call->err.kind) {
        fail(rq, call, &call->err);
        return;
    }
    if (lambda_invoke_answer(rq, &out, &err) < 0)
        rq_fail(rq, &err);
    rq->finish(rq);
}

int
lambda_invoke(struct request *rq, const struct lambda_invoke_in *in, struct lambda_invoke_out *ret,
              struct err *err)
{
    struct call *call = ARENA_NEW(rq->arena, typeof(*call));
    struct invoke_request run = {0};
    struct str request_id = rq_header(rq, "x-amzn-RequestId");
    int rc;

    if (!call)
        return err_set(err, ERR_TOO_LARGE, "The request is too large");
    call->rq = rq;
    rc = function_id_parse(rq, in->function_name, in->qualifier, &call->id, err);
    if (rc < 0)
        return rc;
    if (request_id.at) {
        if (!uuid_check(request_id))
            return err_wire(err, ERR_INVALID, AWS_LAMBDA_INVALID_REQUEST_CONTENT_EXCEPTION,
                            "The value of header x-amzn-RequestId is not a UUID.");
        ASSERT(str_copy(rq->id, sizeof(rq->id), request_id));
    }
    if (in->tenant_id.at)
        return err_set(
            err, ERR_INVALID,
            "The function is not enabled for tenant isolation: do not send X-Amz-Tenant-Id.");
    if (in->durable_execution_name.at)
        return err_set(err, ERR_NOT_IMPLEMENTED, "Lambent does not run durable functions yet.");
    if (in->client_context.at)
        rc = client_context(rq, in->client_context, &run.client_context, err);
    if (rc < 0)
        return rc;
    if (rq->body_why.at) {
        rq->message = arena_fmt(rq->arena,
                                "Could not parse request body into json: Could not parse payload "
                                "into json: %.*s",
                                STR_FMT(rq->body_why));
        return err_wire(err, ERR_INVALID, AWS_LAMBDA_INVALID_REQUEST_CONTENT_EXCEPTION,
                        "Could not parse request body into json");
    }
    ASSERT(rq->body_checked);
    if (str_is(in->invocation_type, "DryRun")) {
        call->work = (struct work){.work = work_dry_run, .done = dry_run_done};
        rc = loop_work(rq->api->loop, &call->work, err);
        return rc < 0 ? rc : RQ_LATER;
    }
    if (str_is(in->invocation_type, "Event"))
        return err_set(err, ERR_NOT_IMPLEMENTED,
                       "Lambent does not invoke asynchronously yet: use InvocationType "
                       "RequestResponse.");
    run.account = rq->account;
    run.region = rq->region;
    run.name = call->id.name;
    run.version = call->id.version;
    run.function_arn = call->id.full_arn;
    run.request_id = rq->id;
    run.payload = rq->body_empty ? STR("{}") : rq->body;
    run.trace_id = rq_header(rq, "X-Amzn-Trace-Id");
    run.want_tail = str_is(in->log_type, "Tail");
    invoke_start(rq->api->invoker, &run, on_invoked, call);
    return RQ_LATER;
}
