/* The Runtime API over HTTP. A connection's tag is its runtime, set when it was accepted from the
 * listener inside that sandbox. Everything here comes from user code and may be hostile:
 * connections per runtime, bodies and header values are bounded, and only the one exchange that
 * answers the current invocation may buffer a body. */
#include "rapi/rapi_internal.h"
#include "base/log.h"
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define BASE "/2018-06-01"
enum { LISTENER_PAUSE_US = 50 * 1000 };
static const char json_type[] = "application/json";

struct post { /* http_arg of a request that brings a body */
    enum rapi_call call;
    struct buf body;
    char request_id[64]; /* whose answer it is */
    char type[128];
    char content_type[256];
    bool streaming;
};

static void
respond_json(struct http_exchange *x, int status, const char *body)
{
    struct http_header type = {STR("Content-Type"), str_of(json_type)};

    http_respond(x, status, &type, 1, str_of(body));
}

static void
respond_error(struct http_exchange *x, int status, const char *type, const char *message)
{
    char body[400];

    snprintf(body, sizeof(body), "{\"errorMessage\":\"%s\",\"errorType\":\"%s\"}", message, type);
    respond_json(x, status, body);
}

static void
respond_forbidden(struct http_exchange *x, const struct rapi_runtime *rt, enum rapi_call call)
{
    char message[200];

    snprintf(message, sizeof(message),
             "State transition from %s to %s failed for runtime. Error: State transition is not "
             "allowed",
             rapi_state_name(rt->state), rapi_call_name(call));
    respond_error(x, 403, "InvalidStateTransition", message);
}

static void
add_header(struct http_header *headers, size_t *len, const char *name, struct str value)
{
    /* A caller's value that cannot be a header (control bytes) is left out rather than smuggled. */
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.at[i] < 0x20 || value.at[i] == 0x7f)
            return;
    if (value.len)
        headers[(*len)++] = (struct http_header){str_of(name), value};
}

void
rapi_http_deliver(struct rapi_runtime *rt)
{
    const struct rapi_invocation *inv = rt->inv;
    struct http_exchange *x = rt->next;
    struct http_header headers[8];
    char deadline[24];
    size_t n = 0;

    rt->next = NULL;
    snprintf(deadline, sizeof(deadline), "%llu", (unsigned long long)inv->deadline_ms);
    add_header(headers, &n, "Content-Type", str_of(json_type));
    add_header(headers, &n, "Lambda-Runtime-Aws-Request-Id", str_of(inv->request_id));
    add_header(headers, &n, "Lambda-Runtime-Deadline-Ms", str_of(deadline));
    add_header(headers, &n, "Lambda-Runtime-Invoked-Function-Arn", inv->function_arn);
    add_header(headers, &n, "Lambda-Runtime-Trace-Id", inv->trace_id);
    add_header(headers, &n, "Lambda-Runtime-Client-Context", inv->client_context);
    add_header(headers, &n, "Lambda-Runtime-Cognito-Identity", inv->cognito_identity);
    add_header(headers, &n, "Lambda-Runtime-Aws-Tenant-Id", inv->tenant_id);
    http_respond(x, 200, headers, n, inv->payload);
}

static void
on_next_call(struct rapi_runtime *rt, struct http_exchange *x)
{
    if (!rapi_allowed(rt, RAPI_CALL_NEXT)) {
        respond_forbidden(x, rt, RAPI_CALL_NEXT);
        return;
    }
    if (rt->next) /* one long poll at a time: the newer one is the live one */
        respond_forbidden(rt->next, rt, RAPI_CALL_NEXT);
    rt->next = x;
    rapi_next(rt);
}

/* "/2018-06-01/runtime/invocation/ID/response" → ID and which of the two. */
static bool
parse_invocation_path(struct str path, struct str *ret_id, enum rapi_call *ret_call)
{
    struct str prefix = STR(BASE "/runtime/invocation/"), rest;
    ssize_t slash;

    if (!str_starts(path, prefix))
        return false;
    rest = (struct str){path.at + prefix.len, path.len - prefix.len};
    slash = str_find(rest, '/');
    if (slash < 0)
        return false;
    *ret_id = (struct str){rest.at, (size_t)slash};
    rest = (struct str){rest.at + slash + 1, rest.len - (size_t)slash - 1};
    if (str_is(rest, "response"))
        *ret_call = RAPI_CALL_RESPONSE;
    else if (str_is(rest, "error"))
        *ret_call = RAPI_CALL_ERROR;
    else
        return false;
    return true;
}

static void
begin_post(struct rapi_runtime *rt, struct http_exchange *x, enum rapi_call call)
{
    struct str mode = http_header_get(x, "Lambda-Runtime-Function-Response-Mode");
    struct post *post;

    if (rt->answering || !rapi_allowed(rt, call)) {
        respond_forbidden(x, rt, call);
        return;
    }
    if (call == RAPI_CALL_RESPONSE && mode.at && !str_eq_nocase(mode, STR("streaming")) &&
        !str_eq_nocase(mode, STR("buffered"))) {
        respond_error(x, 400, "InvalidFunctionResponseMode", "Invalid function response mode");
        rapi_error(rt, STR("Runtime.InvalidResponseModeHeader"),
                   STR("{\"errorType\":\"Runtime.InvalidResponseModeHeader\",\"errorMessage\":"
                       "\"Invalid function response mode\"}"));
        return;
    }
    post = xcalloc(1, sizeof(*post));
    post->call = call;
    post->body = BUF_MAX(RAPI_RESPONSE_MAX);
    post->streaming = call == RAPI_CALL_RESPONSE && str_eq_nocase(mode, STR("streaming"));
    if (rt->inv)
        (void)str_copy(post->request_id, sizeof(post->request_id), str_of(rt->inv->request_id));
    (void)str_copy(
        post->type, sizeof(post->type),
        http_header_get(x, "Lambda-Runtime-Function-Error-Type")); /* too long: unknown */
    (void)str_copy(post->content_type, sizeof(post->content_type),
                   http_header_get(x, "Content-Type"));
    http_set_arg(x, post);
    http_body_max(x, RAPI_RESPONSE_MAX);
    rt->answering = x;
}

static void
on_head(void *server_arg, struct http_exchange *x)
{
    struct rapi_runtime *rt = http_conn_tag(x);
    struct str path = http_path(x), method = http_method(x), id;
    enum rapi_call call;

    if (str_is(method, "GET")) {
        if (str_is(path, BASE "/runtime/invocation/next"))
            on_next_call(rt, x);
        else if (str_is(path, BASE "/ping"))
            http_respond(x, 200, NULL, 0, STR("pong"));
        else
            http_respond(x, 404, NULL, 0, STR("404 page not found\n"));
    } else if (!str_is(method, "POST")) {
        http_respond(x, 405, NULL, 0, STR_NULL);
    } else if (str_is(path, BASE "/runtime/init/error")) {
        begin_post(rt, x, RAPI_CALL_INIT_ERROR);
    } else if (parse_invocation_path(path, &id, &call)) {
        /* The id is checked first: a late answer to an invocation that timed out is an
         * InvalidRequestID, whatever state the runtime is in now. */
        if (!rt->inv || !str_is(id, rt->inv->request_id))
            respond_error(x, 400, "InvalidRequestID", "Invalid request ID");
        else
            begin_post(rt, x, call);
    } else {
        http_respond(x, 404, NULL, 0, STR("404 page not found\n"));
    }
}

static void
on_body(void *server_arg, struct http_exchange *x, struct str piece)
{
    struct post *post = http_arg(x);

    if (post)
        buf_str(&post->body, piece); /* http_body_max() keeps it within the buffer */
}

/* Still? Other connections, and frames, moved the machine while this body came in. */
static bool
still_allowed(const struct rapi_runtime *rt, const struct post *post)
{
    return rapi_allowed(rt, post->call) && (post->call == RAPI_CALL_INIT_ERROR ||
                                            str_is(str_of(post->request_id), rt->inv->request_id));
}

/* A streamed answer that is collected for a buffered caller may still end in an error, told by
 * trailers: the type in clear, the body in base64. */
static bool
trailer_error(struct http_exchange *x, struct post *post)
{
    struct str type = http_trailer_get(x, "Lambda-Runtime-Function-Error-Type");
    struct str body = http_trailer_get(x, "Lambda-Runtime-Function-Error-Body");
    ssize_t n;

    if (!post->streaming || !type.at || type.len == 0)
        return false;
    buf_reset(&post->body);
    if (body.len && buf_reserve(&post->body, body.len)) {
        n = base64_decode(body, (uint8_t *)post->body.at);
        post->body.len = n > 0 ? (size_t)n : 0;
    }
    /* The trailer goes with the exchange, which a callback may drop. Too long: unknown. */
    (void)str_copy(post->type, sizeof(post->type), type);
    return true;
}

static void
on_end(void *server_arg, struct http_exchange *x)
{
    struct rapi_runtime *rt = http_conn_tag(x);
    struct post *post = http_arg(x);

    if (!post || rt->answering != x)
        return; /* answered at its head */
    rt->answering = NULL;
    http_set_arg(x, NULL);
    if (!still_allowed(rt, post)) {
        respond_forbidden(x, rt, post->call);
    } else {
        bool failed = post->call == RAPI_CALL_ERROR ||
                      (post->call == RAPI_CALL_RESPONSE && trailer_error(x, post));
        struct str body = buf_view(&post->body);

        respond_json(x, 202, "{\"status\":\"OK\"}\n");
        if (post->call == RAPI_CALL_INIT_ERROR)
            rapi_init_error(rt, str_of(post->type), body);
        else if (failed)
            rapi_error(rt, str_of(post->type), body);
        else
            rapi_response(rt, str_of(post->content_type), body);
    }
    buf_done(&post->body);
    free(post);
}

static void
on_too_large(void *server_arg, struct http_exchange *x)
{
    struct rapi_runtime *rt = http_conn_tag(x);
    struct post *post = http_arg(x);
    char message[100];

    snprintf(message, sizeof(message), "Exceeded maximum allowed payload size (%d bytes).",
             RAPI_RESPONSE_MAX);
    respond_error(x, 413, "RequestEntityTooLarge", message);
    if (post && rt->answering == x) {
        int64_t length = http_content_length(x);

        rt->answering = NULL;
        http_set_arg(x, NULL);
        if (!still_allowed(rt, post))
            ; /* somebody else was quicker */
        else if (post->call == RAPI_CALL_INIT_ERROR)
            rapi_init_error(rt, str_of(post->type), STR_NULL);
        else
            rapi_too_large(rt, length > 0 ? (uint64_t)length : (uint64_t)post->body.len + 1);
        buf_done(&post->body);
        free(post);
    }
}

static void
on_gone(void *server_arg, struct http_exchange *x, bool sent)
{
    struct rapi_runtime *rt = http_conn_tag(x);
    struct post *post = http_arg(x);

    if (rt->next == x)
        rt->next = NULL;
    if (rt->answering == x)
        rt->answering = NULL;
    if (!post)
        return;
    /* A stream that was cut off can't be sent again; anything else the runtime may repeat. (When
     * the runtime was stopped, nothing is allowed any more.) */
    if (post->streaming && still_allowed(rt, post))
        rapi_error(rt, STR("Runtime.TruncatedResponse"), STR_NULL);
    buf_done(&post->body);
    free(post);
}

static void
on_listener_pause(struct timer *t)
{
    io_set(&CONTAINER_OF(t, struct rapi_runtime, listener_pause)->listener, EPOLLIN);
}

static void
on_connection(struct io *io, uint32_t events)
{
    struct rapi_runtime *rt = CONTAINER_OF(io, struct rapi_runtime, listener);

    for (int i = 0; i < 16; i++) { /* level-triggered: the rest comes in the next turn */
        struct err err = {0};
        int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            /* Who knocks waits in the backlog. Without the pause the loop would spin. */
            io_set(&rt->listener, 0);
            timer_set(rt->rapi->loop, &rt->listener_pause, LISTENER_PAUSE_US, on_listener_pause);
        }
        if (fd < 0)
            return;
        /* Over a limit is told by the server, once a second: user code must not fill our log. */
        if (http_server_adopt(rt->rapi->http, fd, rt, &err) < 0 && err.kind != ERR_UNAVAILABLE)
            log_event(LOG_connection_refused, "server=rapi why=\"%s\"", err.text);
    }
}

int
rapi_runtime_listen(struct rapi_runtime *rt, int listener_fd, struct err *err)
{
    int flags = fcntl(listener_fd, F_GETFL);

    if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(listener_fd, F_SETFL, flags | O_NONBLOCK) < 0))
        return err_sys(err, "Runtime API's listener"); /* accept() must not hold up the loop */
    io_close(&rt->listener);
    timer_stop(&rt->listener_pause);
    return io_open(rt->rapi->loop, &rt->listener, listener_fd, EPOLLIN, on_connection, err);
}

void
rapi_http_drop(struct rapi_runtime *rt)
{
    http_server_drop_tag(rt->rapi->http, rt);
    ASSERT(!rt->next && !rt->answering);
}

int
rapi_http_new(struct rapi *r, unsigned connections_max, struct err *err)
{
    static const struct http_handlers handlers = {
        .on_head = on_head,
        .on_body = on_body,
        .on_end = on_end,
        .on_gone = on_gone,
        .on_too_large = on_too_large,
    };
    struct http_config config = {
        .name = "rapi",
        .connections_max = connections_max,
        .per_tag_max = RAPI_CONNECTIONS_PER_RUNTIME,
        /* A frozen runtime's connection is silent for hours: only destruction ends it. */
        .idle_ms = 0,
        .head_ms = 0,
        .body_ms = 0,
        .head_bytes_max = 32768,
        .drain_max = 16u << 20, /* an answer over the limit is sent whole before its 413 is read */
        .eof_is_gone = true,    /* its `next` must not swallow an invocation */
    };

    return http_server_new(r->loop, &config, &handlers, r, &r->http, err);
}
