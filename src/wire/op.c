/* Routing, running and failing of operations; see op.h. What differs between protocols stands in
 * the table below: rest_json.c, aws_json.c. */
#include "gen/aws_error.h"
#include "wire/json.h"
#include "wire/op.h"
#include "wire/protocol.h"

/* clang-format off */
static const struct protocol_calls protocols[] = {
    [PROTOCOL_REST_JSON_1]  = {"restJson1",  "application/json",           rest_json_read, rest_json_write, rest_json_error},
    [PROTOCOL_AWS_JSON_1_0] = {"awsJson1_0", "application/x-amz-json-1.0", aws_json_read,  aws_json_write,  aws_json_error},
    [PROTOCOL_AWS_JSON_1_1] = {"awsJson1_1", "application/x-amz-json-1.1", aws_json_read,  aws_json_write,  aws_json_error},
};
/* clang-format on */

enum { BODY_OUT_MAX = 8 * 1024 * 1024 };

const char *
protocol_name(enum protocol protocol)
{
    ASSERT((size_t)protocol < ARRAY_LEN(protocols));
    return protocols[protocol].name;
}

static bool
is_rest(const struct service *service)
{
    return service->protocol == PROTOCOL_REST_JSON_1;
}

const struct service *
service_find(struct str name)
{
    for (size_t i = 0; i < wire_services_len; i++)
        if (str_is(name, wire_services[i]->name))
            return wire_services[i];
    return NULL;
}

const struct service *
service_find_signing(struct str signing)
{
    for (size_t i = 0; i < wire_services_len; i++)
        if (str_is(signing, wire_services[i]->signing))
            return wire_services[i];
    return NULL;
}

/* ---- routing ---- */

/* Segments of a path, still encoded. A slash at the end makes no further segment. Returns how many,
 * or -1 if they are too many or one is empty. */
static int
path_split(struct str path, struct str *segments)
{
    int n = 0;

    if (path.len == 0 || path.at[0] != '/')
        return -1;
    path.at++;
    path.len--;
    while (path.len > 0) {
        ssize_t end = str_find(path, '/');
        size_t len = end < 0 ? path.len : (size_t)end;

        if (n == OP_SEGMENTS_MAX || len == 0)
            return -1;
        segments[n++] = (struct str){path.at, len};
        path.at += len;
        path.len -= len;
        if (end >= 0) {
            path.at++;
            path.len--;
        }
    }
    return n;
}

static bool
query_matches(struct request *rq, const struct op *op)
{
    for (unsigned i = 0; i < op->query_len; i++)
        if (!str_eq(rq_query(rq, op->query[i].name), str_of(op->query[i].value)))
            return false;
    return true;
}

static const struct op *
route_rest(struct request *rq, const struct service *service, const struct str *segments, int n)
{
    for (size_t i = service->route_first[n]; i < service->route_first[n + 1]; i++) {
        const struct op *op = &service->ops[service->routes[i]];
        bool good = true;
        size_t label = 0;

        for (int k = n - 1; k >= 0 && good; k--) { /* the last segment differs most */
            const struct op_segment *s = &op->segments[k];

            good = s->label ||
                   (s->len == segments[k].len && memcmp(s->at, segments[k].at, s->len) == 0);
        }
        if (!good || !str_is(rq->method, op->method) || !query_matches(rq, op))
            continue;
        for (int k = 0; k < n && good; k++)
            if (op->segments[k].label)
                good = rq_decode(rq->arena, segments[k], false, &rq->labels[label++]);
        return good ? op : NULL;
    }
    return NULL;
}

/* "Logs_20140328.CreateLogGroup" */
static const struct op *
route_target(struct str target, const struct service *only)
{
    ssize_t dot = str_find(target, '.');
    struct str prefix = {target.at, dot < 0 ? 0 : (size_t)dot};
    struct str name = {target.at + dot + 1, target.len - (size_t)(dot + 1)};

    if (dot < 0)
        return NULL;
    for (size_t i = 0; i < wire_services_len; i++) {
        const struct service *service = wire_services[i];

        if (is_rest(service) || (only && only != service) || !str_is(prefix, service->target))
            continue;
        for (size_t k = 0; k < service->ops_len; k++)
            if (str_is(name, service->ops[k].name))
                return &service->ops[k];
    }
    return NULL;
}

const struct op *
op_route(struct request *rq, const struct service *service)
{
    struct str segments[OP_SEGMENTS_MAX], target;
    int n;

    rq->op = NULL;
    target = service && is_rest(service) ? STR_NULL : rq_header(rq, "X-Amz-Target");
    if (target.at || (service && !is_rest(service))) {
        if (target.at && str_is(rq->method, "POST"))
            rq->op = route_target(target, service);
        return rq->op;
    }
    n = path_split(rq->path, segments);
    if (n < 0)
        return NULL;
    for (size_t i = 0; i < wire_services_len && !rq->op; i++)
        if (service ? wire_services[i] == service : is_rest(wire_services[i]))
            rq->op = route_rest(rq, wire_services[i], segments, n);
    return rq->op;
}

/* ---- running ---- */

int
op_run(struct request *rq, struct err *err)
{
    ASSERT(rq->op);
    return rq->op->run(rq, err);
}

int
op_begin(struct request *rq, const struct op *op, void **ret_in, void **ret_out, struct err *err)
{
    void *in, *out;
    int rc;

    if (!op->handler)
        return err_set(err, ERR_NOT_IMPLEMENTED, "Lambent does not implement %s:%s yet.",
                       op->service->name, op->name);
    in = arena_alloc(rq->arena, MAX(op->in->size, 1u));
    out = arena_alloc(rq->arena, MAX(op->out->size, 1u));
    if (!in || !out)
        return err_set(err, ERR_TOO_LARGE,
                       "The request needs more memory than one request may use");
    rc = protocols[op->service->protocol].read(rq, op, in, err);
    if (rc < 0)
        return rc;
    rc = shape_validate(op->in, in, op->service->validation_error, rq->arena, &rq->message, err);
    if (rc < 0)
        return rc;
    *ret_in = in;
    *ret_out = out;
    return 0;
}

int
op_answer(struct request *rq, const struct op *op, const void *out, struct err *err)
{
    const struct protocol_calls *calls = &protocols[op->service->protocol];

    if (rq->body_out.max == 0)
        rq->body_out.max = BODY_OUT_MAX;
    buf_reset(&rq->body_out);
    rq->status = op->code;
    if (!calls->write(rq, op, calls->content_type, out))
        return err_set(err, ERR_INTERNAL, "%s:%s: the answer is larger than %zu bytes",
                       op->service->name, op->name, rq->body_out.max);
    return RQ_DONE;
}

/* ---- failing ---- */

const struct aws_error_row *
rq_error(const struct request *rq, const struct err *err)
{
    static const uint32_t common[] = {
        [ERR_INVALID] = AWS_INVALID_PARAMETER_VALUE,
        [ERR_NOT_FOUND] = AWS_RESOURCE_NOT_FOUND,
        [ERR_CONFLICT] = AWS_CONFLICT,
        [ERR_PRECONDITION] = AWS_INVALID_PARAMETER_VALUE,
        [ERR_DENIED] = AWS_ACCESS_DENIED_EXCEPTION,
        [ERR_TOO_LARGE] = AWS_REQUEST_ENTITY_TOO_LARGE_EXCEPTION,
        [ERR_THROTTLED] = AWS_THROTTLING_EXCEPTION,
        [ERR_TIMEOUT] = AWS_SERVICE_UNAVAILABLE_EXCEPTION,
        [ERR_NOT_IMPLEMENTED] = AWS_NOT_IMPLEMENTED_EXCEPTION,
        [ERR_UNAVAILABLE] = AWS_SERVICE_UNAVAILABLE_EXCEPTION,
        [ERR_INTERNAL] = AWS_INTERNAL_FAILURE,
    };
    _Static_assert(ARRAY_LEN(common) == ERR_INTERNAL + 1, "one for each kind");

    ASSERT(err->kind > ERR_NONE && err->kind <= ERR_INTERNAL);
    if (err->wire)
        return aws_error_find(err->wire);
    return aws_error_find(rq->op ? rq->op->service->errors_by_kind[err->kind] : common[err->kind]);
}

void
rq_fail(struct request *rq, const struct err *err)
{
    const struct aws_error_row *error = rq_error(rq, err);
    enum protocol protocol = rq->op ? rq->op->service->protocol : PROTOCOL_REST_JSON_1;
    struct str message = rq->message.at ? rq->message : str_of(err->text);

    if (err->kind == ERR_INTERNAL && err->wire == 0)
        message = STR("An internal error occurred. The server's log has the details.");
    if (!rq->op && rq_header(rq, "X-Amz-Target").at)
        protocol = PROTOCOL_AWS_JSON_1_1;
    if (rq->body_out.max == 0)
        rq->body_out.max = BODY_OUT_MAX;
    buf_reset(&rq->body_out);
    rq->status = error->status;
    /* What REST services answer as 403, 404 or 429 before they look at the operation, the awsJson
     * ones answer as 400. */
    if (protocol != PROTOCOL_REST_JSON_1 && !error->service && !error->server &&
        error->status != 413)
        rq->status = 400;
    rq_set_header(rq, "Content-Type", str_of(protocols[protocol].content_type));
    rq_set_header(rq, "x-amzn-ErrorType", str_of(error->name));
    if (!protocols[protocol].error(rq, error, message)) {
        /* The message has no room: the name alone still tells the client what to do. */
        buf_reset(&rq->body_out);
        (void)protocols[protocol].error(rq, error, STR(""));
    }
}

void
rq_fail_unknown(struct request *rq)
{
    struct err err = {0};

    (void)err_wire(&err, ERR_NOT_FOUND, AWS_UNKNOWN_OPERATION_EXCEPTION,
                   "No operation of AWS answers to this method and path");
    rq_fail(rq, &err);
}

void
rq_fail_too_large(struct request *rq)
{
    struct err err = {0};
    const char *name = rq->op ? rq->op->name : "";

    /* AWS calls the action by its name in policies here. */
    (void)err_wire(&err, ERR_TOO_LARGE, AWS_REQUEST_ENTITY_TOO_LARGE_EXCEPTION,
                   "Request must be smaller than %u bytes for the %s operation",
                   rq->op ? rq->op->body_max : 0u,
                   !strcmp(name, "Invoke") ? "InvokeFunction" : name);
    rq_fail(rq, &err);
}

/* ---- describing ---- */

bool
op_describe_json(struct buf *to)
{
    buf_z(to, "{\"operations\":[");
    for (size_t i = 0; i < wire_services_len; i++) {
        const struct service *service = wire_services[i];

        for (size_t k = 0; k < service->ops_len; k++) {
            const struct op *op = &service->ops[k];

            json_put_comma(to);
            buf_c(to, '{');
            json_put_str(to, "service", str_of(service->name));
            json_put_str(to, "operation", str_of(op->name));
            json_put_str(to, "protocol", str_of(protocol_name(service->protocol)));
            json_put_str(to, "method", str_of(op->method));
            json_put_str(to, "uri", str_of(op->uri));
            json_put_bool(to, "implemented", op->handler != NULL);
            buf_c(to, '}');
        }
    }
    return buf_z(to, "]}");
}

bool
op_describe_text(struct buf *to)
{
    for (size_t i = 0; i < wire_services_len; i++) {
        const struct service *service = wire_services[i];
        size_t done = 0;

        for (size_t k = 0; k < service->ops_len; k++)
            done += service->ops[k].handler != NULL;
        buf_fmt(to, "%s (%s, %s): %zu of %zu operations\n", service->name, service->version,
                protocol_name(service->protocol), done, service->ops_len);
        for (size_t k = 0; k < service->ops_len; k++) {
            const struct op *op = &service->ops[k];

            buf_fmt(to, "  %-3s  %-40s %-6s %s\n", op->handler ? "yes" : "no", op->name, op->method,
                    op->uri);
        }
    }
    return !to->overflow;
}
