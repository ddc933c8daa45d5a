/* One struct exchange per request. It outlives its connection when the client leaves while a
 * handler runs: handlers borrow from it, so it goes only when both are done.
 *
 * Memory: heads are copied (bounded by head_bytes_max), bodies are collected up to the operation's
 * own maximum, and all bodies together up to `bodies_max_mb`. */
#include "gateway/gateway.h"
#include "base/log.h"
#include "gen/aws_error.h"
#include "http/http.h"
#include "observe/log_writer.h"
#include "wire/json.h"
#include "wire/op.h"
#include "wire/sigv4.h"
#include <sys/mman.h>

enum { HEAD_MAX = 65536, ARENA_MIN = 4 << 20 };

struct gateway {
    struct api *api;
    struct http_server *http;
    uint64_t bodies_bytes, bodies_max;
    unsigned exchanges;
    void (*idle)(void *arg);
    void *idle_arg;
};

struct exchange {
    struct request rq;
    struct gateway *gateway;
    struct http_exchange *x; /* NULL: the client left */
    struct buf body;
    struct json_check *check; /* of an event's body, while it comes in */
    struct work work;
    struct err err;
    bool running; /* a handler has it */
    bool answered;
    bool download; /* not an operation: a code link */
    void *map;     /* download: the zip */
    uint64_t map_bytes;
    uint64_t started_us;
};

static void
exchange_free(struct exchange *e)
{
    struct gateway *g = e->gateway;

    ASSERT(!e->running && !e->x);
    g->bodies_bytes -= e->body.len;
    buf_done(&e->body);
    buf_done(&e->rq.body_out);
    json_check_free(e->check);
    arena_free(e->rq.arena);
    free(e);
    g->exchanges--;
    if (g->exchanges == 0 && g->idle) {
        void (*idle)(void *arg) = g->idle;

        g->idle = NULL;
        idle(g->idle_arg);
    }
}

static void
maybe_free(struct exchange *e)
{
    if (!e->running && !e->x)
        exchange_free(e);
}

/* ---- answering ---- */

static void
release_body(void *arg)
{
    free(arg);
}

static void
send_answer(struct exchange *e)
{
    struct request *rq = &e->rq;
    struct http_header headers[RQ_HEADERS_OUT_MAX + 1];
    struct str body;
    size_t n = 0;

    log_event(LOG_request, "req=%s op=%s status=%d ms=%.1f", rq->id, rq->op ? rq->op->name : "-",
              rq->status, (double)(clock_us() - e->started_us) / 1000.0);
    e->answered = true;
    if (!e->x)
        return;
    headers[n++] = (struct http_header){STR("x-amzn-RequestId"), str_of(rq->id)};
    for (size_t i = 0; i < rq->headers_out_len; i++)
        headers[n++] = (struct http_header){rq->headers_out[i].name, rq->headers_out[i].value};
    body = buf_view(&rq->body_out);
    if (rq->body_out.at) { /* large answers are not copied again */
        char *owned = rq->body_out.at;

        rq->body_out = BUF_MAX(rq->body_out.max);
        http_respond_owned(e->x, rq->status, headers, n, body, release_body, owned);
    } else {
        http_respond(e->x, rq->status, headers, n, body);
    }
}

/* Failures that are ours are told in our log, in full; the client gets a general text. */
static void
fail(struct exchange *e, const struct err *err)
{
    if (err->kind == ERR_INTERNAL)
        log_event(LOG_request_failed, "req=%s op=%s why=\"%s\"", e->rq.id,
                  e->rq.op ? e->rq.op->name : "-", err->text);
    rq_fail(&e->rq, err);
    send_answer(e);
}

/* rq->finish: an operation on the loop is done. */
static void
on_finish(struct request *rq)
{
    struct exchange *e = CONTAINER_OF(rq, struct exchange, rq);

    send_answer(e);
    e->running = false;
    maybe_free(e);
}

/* ---- running ---- */

static void
work_run(struct work *w)
{
    struct exchange *e = CONTAINER_OF(w, struct exchange, work);

    (void)op_run(&e->rq, &e->err);
}

static void
work_done(struct work *w)
{
    struct exchange *e = CONTAINER_OF(w, struct exchange, work);

    if (e->err.kind) {
        fail(e, &e->err);
    } else {
        if (e->rq.after)
            e->rq.after(&e->rq);
        send_answer(e);
    }
    e->running = false;
    maybe_free(e);
}

static void
work_download(struct work *w)
{
    struct exchange *e = CONTAINER_OF(w, struct exchange, work);
    AUTO_FD int fd = -1;

    if (lambda_code_download(e->rq.api, e->rq.path, e->rq.query, &fd, &e->map_bytes, &e->err) < 0)
        return;
    e->map = mmap(NULL, e->map_bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (e->map == MAP_FAILED) {
        e->map = NULL;
        err_sys(&e->err, "map a package");
    }
}

struct mapping {
    void *at;
    uint64_t len;
};

static void
release_mapping(void *arg)
{
    struct mapping *m = arg;

    munmap(m->at, m->len);
    free(m);
}

static void
download_done(struct work *w)
{
    struct exchange *e = CONTAINER_OF(w, struct exchange, work);
    struct mapping *m = xmalloc(sizeof(*m));
    struct http_header headers[] = {{STR("Content-Type"), STR("application/zip")},
                                    {STR("x-amzn-RequestId"), str_of(e->rq.id)}};

    *m = (struct mapping){e->map, e->map_bytes};
    e->answered = true;
    if (e->x && e->map) {
        http_respond_owned(e->x, 200, headers, 2, (struct str){e->map, e->map_bytes},
                           release_mapping, m);
    } else {
        if (e->map)
            release_mapping(m);
        else
            free(m);
        if (e->err.kind == ERR_INTERNAL)
            log_event(LOG_request_failed, "req=%s op=download why=\"%s\"", e->rq.id, e->err.text);
        if (e->x)
            http_respond(e->x,
                         e->err.kind == ERR_DENIED      ? 403
                         : e->err.kind == ERR_NOT_FOUND ? 404
                                                        : 500,
                         headers + 1, 1,
                         e->err.kind == ERR_INTERNAL ? STR("An internal error occurred.")
                                                     : str_of(e->err.text));
    }
    e->running = false;
    maybe_free(e);
}

static void
run(struct exchange *e)
{
    struct request *rq = &e->rq;
    struct err err = {0};
    int rc;

    e->running = true;
    rq->body = buf_view(&e->body);
    if (e->download || !rq->op->on_loop) {
        e->work = e->download ? (struct work){.work = work_download, .done = download_done}
                              : (struct work){.work = work_run, .done = work_done};
        if (loop_work(rq->api->loop, &e->work, &err) < 0) {
            err.wire = AWS_SERVICE_UNAVAILABLE_EXCEPTION;
            fail(e, &err);
            e->running = false;
        }
        return;
    }
    rc = op_run(rq, &err);
    if (rc == RQ_LATER)
        return; /* it may be answered, and gone, already */
    if (rc < 0)
        fail(e, &err);
    else
        send_answer(e);
    e->running = false;
    maybe_free(e);
}

/* ---- the request's head ---- */

static struct str
host_of(const struct http_exchange *x)
{
    struct str host = http_header_get(x, "Host");

    for (size_t i = 0; i < host.len; i++) { /* it goes into links: only what a host can hold */
        char c = host.at[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              memchr(".-_:[]", c, 6)))
            return STR("localhost");
    }
    return host.len ? host : STR("localhost");
}

static bool
ends_with(struct str s, struct str end)
{
    return s.len > end.len && str_eq_nocase((struct str){s.at + s.len - end.len, end.len}, end);
}

/* Names that only this machine or its network gives out. A page of evil.example may have
 * evil.example resolve to 127.0.0.1 once it is loaded, and then the browser lets it read our
 * answers ("DNS rebinding"); all that gives it away is the name in Host. */
static bool
local_name(struct str host)
{
    static const char *const ends[] = {
        ".localhost", ".local",     ".internal",
        ".test",      ".home.arpa", ".amazonaws.com" /* clients that were told by /etc/hosts */};
    bool digits = true, dot = false;

    if (host.len == 0 || host.at[0] == '[')
        return true;
    for (size_t i = 0; i < host.len; i++) {
        if (host.at[i] == ':') {
            host.len = i;
            break;
        }
        dot |= host.at[i] == '.';
        digits &= host.at[i] == '.' || (host.at[i] >= '0' && host.at[i] <= '9');
    }
    if (!dot || digits) /* localhost, a container's or machine's own name; an address */
        return true;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (ends_with(host, str_of(ends[i])))
            return true;
    return false;
}

/* Requests are not authenticated, and a browser sends them for whichever page asks it to. So what a
 * page of another origin causes is refused before it is routed; a client that isn't a browser sends
 * none of these headers, and calls us by a name of its own choice. */
static int
refuse_strangers(const struct http_exchange *x, struct err *err)
{
    struct str host = http_header_get(x, "Host"), origin = http_header_get(x, "Origin");
    struct str site = http_header_get(x, "Sec-Fetch-Site");
    ssize_t slashes = str_find(origin, '/');

    if (!local_name(host))
        return err_set(err, ERR_DENIED,
                       "Host '%.*s' is not a name of this machine: use localhost or 127.0.0.1",
                       (int)MIN(host_of(x).len, (size_t)80), host_of(x).at);
    if (str_is(site, "cross-site") || str_is(site, "same-site") ||
        (origin.at &&
         (slashes < 0 || (size_t)slashes + 2 > origin.len ||
          !str_eq_nocase((struct str){origin.at + slashes + 2, origin.len - (size_t)slashes - 2},
                         host))))
        return err_set(err, ERR_DENIED, "web pages of other origins may not use this API");
    return 0;
}

static bool
copy_head(struct exchange *e, struct http_exchange *x)
{
    struct request *rq = &e->rq;
    const struct http_header *in;
    struct header *headers;
    size_t n;

    in = http_headers(x, &n);
    headers = ARENA_ARRAY(rq->arena, struct header, n + 1);
    if (!headers)
        return false;
    for (size_t i = 0; i < n; i++) {
        headers[i].name = arena_str(rq->arena, in[i].name);
        headers[i].value = arena_str(rq->arena, in[i].value);
    }
    rq->headers = headers;
    rq->headers_len = n;
    rq->method = arena_str(rq->arena, http_method(x));
    rq->path = arena_str(rq->arena, http_path(x));
    rq->query = arena_str(rq->arena, http_query(x));
    return !arena_full(rq->arena);
}

static void
on_health(struct exchange *e)
{
    struct invoker_stats s = invoker_stats(e->rq.api->invoker);

    buf_fmt(&e->rq.body_out,
            "{\"status\":\"ok\",\"version\":\"%s\",\"running\":%u,\"environments\":%u,\"idle\":%u,"
            "\"frozen\":%u,\"pooled\":%u,\"invocations\":%llu,\"cold_starts\":%llu,\"errors\":%llu,"
            "\"throttles\":%llu,\"log_lines_dropped\":%llu}\n",
            LAMBENT_VERSION, s.running, s.environments, s.idle, s.frozen, s.pooled,
            (unsigned long long)s.invocations, (unsigned long long)s.cold_starts,
            (unsigned long long)s.errors, (unsigned long long)s.throttles,
            (unsigned long long)log_writer_dropped(e->rq.api->logs));
    e->rq.status = 200;
    rq_set_header(&e->rq, "Content-Type", STR("application/json"));
    send_answer(e);
}

static void
on_head(void *server_arg, struct http_exchange *x)
{
    struct gateway *g = server_arg;
    struct api *api = g->api;
    struct exchange *e = xcalloc(1, sizeof(*e));
    struct request *rq = &e->rq;
    const struct service *service = NULL;
    struct sigv4_scope scope;
    size_t arena_max = ARENA_MIN;
    struct err err = {0};
    int rc;

    e->gateway = g;
    e->x = x;
    e->started_us = clock_us();
    g->exchanges++;
    http_set_arg(x, e);
    rq->arena = arena_new((size_t)1 << 30); /* the real bound is set below, by the operation */
    rq->body_out = BUF_MAX(64u << 20);
    rq->api = api;
    rq->finish = on_finish;
    uuid_make(rq->id);
    if (!copy_head(e, x)) {
        rq_fail_unknown(rq);
        send_answer(e);
        return;
    }
    snprintf(rq->base_url, sizeof(rq->base_url), "http://%.*s",
             (int)MIN(host_of(x).len, (size_t)100), host_of(x).at);
    rq->account = str_of(api->settings->account);
    rq->region = str_of(api->settings->region);
    if (refuse_strangers(x, &err) < 0) {
        fail(e, &err);
        return;
    }
    rc = sigv4_find(rq, &scope, &err);
    if (rc < 0) {
        fail(e, &err);
        return;
    }
    if (rc > 0) {
        rq->region = scope.region;
        service = service_find_signing(scope.service);
    }
    if (str_is(rq->path, "/_lambent/health") && str_is(rq->method, "GET")) {
        on_health(e);
        return;
    }
    if (str_starts(rq->path, STR("/_lambent/code/")) && str_is(rq->method, "GET")) {
        e->download = true;
        return;
    }
    rq->op = op_route(rq, service);
    if (!rq->op && service)
        rq->op = op_route(rq, NULL);
    if (!rq->op) {
        rq_fail_unknown(rq);
        send_answer(e);
        return;
    }
    /* A document is parsed into at most a few times its own size. */
    arena_max += 3 * (size_t)rq->op->body_max;
    arena_limit(rq->arena, arena_max);
    e->body = BUF_MAX(rq->op->body_max + 1u);
    http_body_max(x, rq->op->body_max);
    if (rq->op->on_loop && rq->op->raw_body)
        e->check = json_check_new();
}

/* ---- its body ---- */

static void
on_body(void *server_arg, struct http_exchange *x, struct str piece)
{
    struct gateway *g = server_arg;
    struct exchange *e = http_arg(x);
    struct err err = {0};

    if (e->answered)
        return;
    if (g->bodies_bytes + piece.len > g->bodies_max) {
        err_set(&err, ERR_UNAVAILABLE, "too many large requests at once: try again");
        err.wire = AWS_SERVICE_UNAVAILABLE_EXCEPTION;
        fail(e, &err);
        return;
    }
    g->bodies_bytes += piece.len;
    ASSERT(buf_str(&e->body, piece)); /* http_body_max() keeps it within */
    if (e->check && !e->rq.body_why.at && json_check_feed(e->check, piece, &err) < 0)
        e->rq.body_why = arena_str(e->rq.arena, str_of(err.text));
}

static void
on_end(void *server_arg, struct http_exchange *x)
{
    struct exchange *e = http_arg(x);
    struct err err = {0};

    if (e->answered)
        return;
    if (e->check) {
        e->rq.body_checked = true;
        e->rq.body_empty = json_check_empty(e->check);
        if (!e->rq.body_why.at && !e->rq.body_empty && json_check_end(e->check, &err) < 0)
            e->rq.body_why = arena_str(e->rq.arena, str_of(err.text));
        json_check_free(e->check);
        e->check = NULL;
    }
    run(e);
}

static void
on_too_large(void *server_arg, struct http_exchange *x)
{
    struct exchange *e = http_arg(x);
    int64_t length = http_content_length(x);
    struct err err = {0};

    if (e->answered)
        return;
    if (e->rq.op && strcmp(e->rq.op->name, "Invoke") == 0 && length > 0)
        err_wire(&err, ERR_TOO_LARGE, AWS_LAMBDA_REQUEST_TOO_LARGE_EXCEPTION,
                 "%lld byte payload is too large for the RequestResponse invocation type (limit %u "
                 "bytes)",
                 (long long)length, e->rq.op->body_max);
    else
        rq_fail_too_large(&e->rq);
    if (err.kind)
        rq_fail(&e->rq, &err);
    send_answer(e);
}

static void
on_gone(void *server_arg, struct http_exchange *x, bool sent)
{
    struct exchange *e = http_arg(x);

    if (!e)
        return;
    e->x = NULL;
    maybe_free(e);
}

/* ---- the server ---- */

int
gateway_new(struct api *api, struct gateway **ret, struct err *err)
{
    static const struct http_handlers handlers = {
        .on_head = on_head,
        .on_body = on_body,
        .on_end = on_end,
        .on_gone = on_gone,
        .on_too_large = on_too_large,
    };
    struct http_config config = {
        .name = "gateway",
        .connections_max = (unsigned)api->settings->connections_max,
        .idle_ms = (unsigned)api->settings->idle_ms,
        .head_ms = (unsigned)api->settings->head_ms,
        .body_ms = (unsigned)api->settings->body_ms,
        .head_bytes_max = HEAD_MAX,
        .drain_max =
            80u << 20, /* clients send a whole package before they read why it is refused */
    };
    struct gateway *g = xcalloc(1, sizeof(*g));
    int rc;

    g->api = api;
    g->bodies_max = (uint64_t)api->settings->bodies_max_mb << 20;
    rc = http_server_new(api->loop, &config, &handlers, g, &g->http, err);
    if (rc < 0) {
        free(g);
        return rc;
    }
    *ret = g;
    return 0;
}

int
gateway_listen(struct gateway *g, int listen_fd, struct err *err)
{
    return http_server_listen(g->http, listen_fd, err);
}

void
gateway_quiesce(struct gateway *g)
{
    http_server_quiesce(g->http);
}

void
gateway_drain(struct gateway *g, void (*idle)(void *arg), void *arg)
{
    if (g->exchanges == 0) {
        idle(arg);
        return;
    }
    g->idle = idle;
    g->idle_arg = arg;
}

void
gateway_free(struct gateway *g)
{
    if (!g)
        return;
    http_server_free(g->http);
    free(g);
}
