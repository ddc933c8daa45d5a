/* The Runtime API as a runtime sees it: real sockets, each call in each state, exact answers. */
#include "help.h"
#include <sys/resource.h>

#define BASE "/2018-06-01/runtime/"

static int listener = -1;
static struct sockaddr_in address;

static int
setup_http(void **state)
{
    socklen_t len = sizeof(address);
    struct err err = {0};

    setup(state);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* blocking: rapi must see to it */
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 128), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(rapi_runtime_listen(rt, listener, &err), 0);
    assert_int_equal(rapi_runtime_start(rt, NULL, &err), 0);
    return 0;
}

static int
teardown_http(void **state)
{
    teardown(state);
    close(listener);
    return 0;
}

static void
connect_peer(struct peer *p)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    peer_open(p, fd);
}

/* `headers`: lines with \r\n, or "". A body of SIZE_MAX: none at all. */
static void
ask(struct peer *p, const char *method, const char *path, const char *headers, struct str body)
{
    AUTO_BUF struct buf b = BUF_MAX(16 << 20);

    buf_fmt(&b, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n%s", method, path, headers);
    if (body.at)
        buf_fmt(&b, "Content-Length: %zu\r\n", body.len);
    buf_z(&b, "\r\n");
    buf_str(&b, body);
    peer_send(p, b.at, b.len);
}

/* One answer, taken out of the peer's input. */
struct answer {
    int status;
    char head[2048];
    struct buf body;
};

static bool
answer_is_whole(void *arg)
{
    struct peer *p = arg;
    char *end = p->in.len ? strstr(p->in.at, "\r\n\r\n") : NULL, *length;

    if (p->eof && !end)
        fail_msg("the connection ended without an answer");
    length = end ? strstr(p->in.at, "Content-Length: ") : NULL;
    return length && length < end &&
           p->in.len >= (size_t)(end + 4 - p->in.at) + strtoul(length + 16, NULL, 10);
}

static void
take(struct peer *p, struct answer *ret)
{
    size_t head, body;

    run_until(answer_is_whole, p);
    head = (size_t)(strstr(p->in.at, "\r\n\r\n") + 4 - p->in.at);
    body = strtoul(strstr(p->in.at, "Content-Length: ") + 16, NULL, 10);
    assert_true(str_copy(ret->head, sizeof(ret->head), (struct str){p->in.at, head}));
    ret->status = (int)strtol(ret->head + 9, NULL, 10);
    ret->body = BUF_MAX(16 << 20);
    buf_add(&ret->body, p->in.at + head, body);
    buf_shift(&p->in, head + body);
}

static bool
has_header(const struct answer *a, const char *line)
{
    char wanted[300];

    snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
    return strstr(a->head, wanted) != NULL;
}

static void
expect(struct peer *p, int status, const char *body)
{
    struct answer a;

    take(p, &a);
    if (a.status != status || !str_is(buf_view(&a.body), body))
        fail_msg("got  %d '%s'\nwant %d '%s'", a.status, a.body.at, status, body);
    if (status >= 400 && body[0] == '{')
        assert_true(has_header(&a, "Content-Type: application/json"));
    buf_done(&a.body);
}

static const char ok[] = "{\"status\":\"OK\"}\n";
static const char bad_id[] =
    "{\"errorMessage\":\"Invalid request ID\",\"errorType\":\"InvalidRequestID\"}";

static const char *
transition(const char *from, const char *to)
{
    static char text[300];

    snprintf(text, sizeof(text),
             "{\"errorMessage\":\"State transition from %s to %s failed for runtime. Error: State "
             "transition is not allowed\",\"errorType\":\"InvalidStateTransition\"}",
             from, to);
    return text;
}

static void
get_next(struct peer *p)
{
    ask(p, "GET", BASE "invocation/next", "", STR_NULL);
}

static void
post(struct peer *p, const char *path, const char *headers, const char *body)
{
    ask(p, "POST", path, headers, str_of(body));
}

#define RESPONSE BASE "invocation/" ID "/response"
#define ERROR BASE "invocation/" ID "/error"
#define OTHER_ID BASE "invocation/11111111-e9f4-11e8-9739-2dfe598c3fcd/response"

static bool
is_ready(void *arg)
{
    return rt->state == RAPI_READY;
}

/* Bring the runtime into a state by the calls that lead there, on a fresh connection. */
static void
bring(struct peer *p, enum rapi_state state)
{
    struct answer a;
    struct err err = {0};

    assert_int_equal(rapi_runtime_start(rt, NULL, &err), 0);
    connect_peer(p);
    if (state == RAPI_STARTED)
        return;
    if (state == RAPI_NONE) {
        rapi_runtime_stop(rt);
    } else if (state == RAPI_UNASSIGNED) { /* generic: it has connections too, but nothing to say */
        AUTO_FD int frames = -1;

        assert_int_equal(rapi_runtime_prestart(rt, &frames, &err), 0);
        connect_peer(p);
    } else if (state == RAPI_INIT_ERROR) {
        post(p, BASE "init/error", "", "{}");
        expect(p, 202, ok);
    } else {
        get_next(p);
        run_until(is_ready, NULL);
        if (state == RAPI_READY)
            return;
        deliver();
        take(p, &a);
        buf_done(&a.body);
        if (state == RAPI_RESPONSE_SENT) {
            post(p, RESPONSE, "", "1");
            expect(p, 202, ok);
        }
    }
    assert_int_equal(rt->state, state);
}

static void
each_call_in_each_state(void **state)
{
    enum { HOLDS = 1, AGAIN = 200 };
    static const struct {
        const char *name;
        int next, response, error, other, init_error;
    } want[] = {
        [RAPI_NONE] = {"None", 403, 400, 400, 400, 403},
        [RAPI_UNASSIGNED] = {"Unassigned", 403, 400, 400, 400, 403},
        [RAPI_STARTED] = {"Started", HOLDS, 400, 400, 400, 202},
        [RAPI_READY] = {"Ready", HOLDS, 400, 400, 400, 403},
        [RAPI_RUNNING] = {"Running", AGAIN, 202, 202, 400, 403},
        [RAPI_RESPONSE_SENT] = {"RuntimeResponseSentState", HOLDS, 400, 400, 400, 403},
        [RAPI_INIT_ERROR] = {"InitError", 403, 400, 400, 400, 403},
    };
    struct peer first, p;

    for (size_t s = 0; s < ARRAY_LEN(want); s++) {
        static const char *const paths[] = {RESPONSE, ERROR, OTHER_ID, BASE "init/error"};
        const int statuses[] = {want[s].response, want[s].error, want[s].other, want[s].init_error};

        for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
            unsigned before = got.response + got.error + got.init_error;
            unsigned after;

            bring(&first, (enum rapi_state)s);
            before = got.response + got.error + got.init_error;
            connect_peer(&p);
            post(&p, paths[i], "", "{\"x\":1}");
            expect(&p, statuses[i],
                   statuses[i] == 202   ? ok
                   : statuses[i] == 400 ? bad_id
                                        : transition(want[s].name, "InitError"));
            after = got.response + got.error + got.init_error;
            assert_int_equal(after - before, statuses[i] == 202);
            peer_close(&p);
            peer_close(&first);
        }
        bring(&first, (enum rapi_state)s);
        connect_peer(&p);
        get_next(&p);
        if (want[s].next == 403) {
            expect(&p, 403, transition(want[s].name, "Ready"));
        } else if (want[s].next == AGAIN) {
            struct answer a;

            take(&p, &a);
            assert_int_equal(a.status, 200);
            assert_true(str_eq(buf_view(&a.body), invocation.payload));
            buf_done(&a.body);
        } else {
            turns(20);
            assert_int_equal(p.in.len, 0); /* a long poll */
            assert_int_equal(rt->state, RAPI_READY);
        }
        peer_close(&p);
        peer_close(&first);
    }
}

static void
next_brings_the_event_and_its_headers(void **state)
{
    struct peer p;
    struct answer a;

    connect_peer(&p);
    get_next(&p);
    until(&got.next);
    invocation.trace_id =
        STR("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1");
    invocation.client_context = STR("{\"a\":\"\xc3\xa9\"}");
    invocation.cognito_identity = STR("{\"cognitoIdentityId\":\"i\"}");
    invocation.tenant_id = STR("evil\r\nX: y");
    deliver();
    take(&p, &a);
    assert_int_equal(a.status, 200);
    assert_true(has_header(&a, "Content-Type: application/json"));
    assert_true(has_header(&a, "Lambda-Runtime-Aws-Request-Id: " ID));
    assert_true(has_header(&a, "Lambda-Runtime-Deadline-Ms: 1542409706888"));
    assert_true(has_header(&a, "Lambda-Runtime-Invoked-Function-Arn: "
                               "arn:aws:lambda:us-east-1:000000000000:function:f"));
    assert_true(has_header(
        &a, "Lambda-Runtime-Trace-Id: "
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"));
    assert_true(has_header(&a, "Lambda-Runtime-Client-Context: {\"a\":\"\xc3\xa9\"}"));
    assert_true(has_header(&a, "Lambda-Runtime-Cognito-Identity: {\"cognitoIdentityId\":\"i\"}"));
    assert_null(strstr(a.head, "X: y"));
    assert_null(strstr(a.head, "Tenant"));
    assert_true(str_eq(buf_view(&a.body), invocation.payload));
    buf_done(&a.body);
    /* What is empty is left out. */
    post(&p, RESPONSE, "", "null");
    expect(&p, 202, ok);
    invocation.trace_id = invocation.client_context = invocation.cognito_identity = STR("");
    invocation.tenant_id = STR("t1");
    deliver_now();
    get_next(&p);
    take(&p, &a);
    assert_null(strstr(a.head, "Trace"));
    assert_null(strstr(a.head, "Context"));
    assert_null(strstr(a.head, "Cognito"));
    assert_true(has_header(&a, "Lambda-Runtime-Aws-Tenant-Id: t1"));
    buf_done(&a.body);
    peer_close(&p);
}

static void
an_answer_reaches_the_caller_byte_by_byte(void **state)
{
    struct peer p;

    bring(&p, RAPI_RUNNING);
    ask(&p, "POST", RESPONSE, "Content-Type: application/x-own; a=b\r\n",
        (struct str){"\0\xff \n\r\n", 6});
    expect(&p, 202, ok);
    assert_int_equal(got.response, 1);
    assert_string_equal(got.type, "application/x-own; a=b");
    assert_int_equal(got.payload.len, 6);
    assert_memory_equal(got.payload.at, "\0\xff \n\r\n", 6);
    post(&p, RESPONSE, "", "twice");
    expect(&p, 400, bad_id);
    assert_int_equal(got.response, 1);
    peer_close(&p);
}

static void
the_newer_of_two_nexts_is_served(void **state)
{
    struct peer a, b;
    struct answer got_b;

    connect_peer(&a);
    connect_peer(&b);
    get_next(&a);
    until(&got.next);
    get_next(&b);
    expect(&a, 403, transition("Ready", "Ready"));
    assert_int_equal(got.next, 0); /* it is ready once */
    deliver();
    take(&b, &got_b);
    assert_int_equal(got_b.status, 200);
    buf_done(&got_b.body);
    peer_close(&a);
    peer_close(&b);
}

static void
an_event_waits_for_a_poll_whose_connection_broke(void **state)
{
    struct peer a, b;
    struct answer answer;

    connect_peer(&a);
    get_next(&a);
    until(&got.next);
    peer_close(&a);
    while (rt->next)
        turns(1);
    deliver(); /* nobody listens */
    assert_int_equal(rt->state, RAPI_RUNNING);
    connect_peer(&b);
    for (int i = 0; i < 3; i++) { /* as often as it asks */
        get_next(&b);
        take(&b, &answer);
        assert_int_equal(answer.status, 200);
        assert_true(has_header(&answer, "Lambda-Runtime-Aws-Request-Id: " ID));
        buf_done(&answer.body);
    }
    assert_int_equal(got.next, 0);
    post(&b, RESPONSE, "", "1");
    expect(&b, 202, ok);
    peer_close(&b);
}

static void
a_late_answer_is_for_nobody(void **state)
{
    struct peer p, q;
    struct err err = {0};

    bring(&p, RAPI_RUNNING);
    assert_int_equal(rapi_runtime_start(rt, NULL, &err), 0); /* it timed out; the next process */
    run_until(peer_ended, &p);
    connect_peer(&q);
    post(&q, RESPONSE, "", "too late");
    expect(&q, 400, bad_id);
    assert_int_equal(got.response, 0);
    peer_close(&p);
    peer_close(&q);
}

static char *
filled(size_t len)
{
    char *at = xmalloc(len + 1);

    memset(at, 'x', len);
    at[len] = '\0';
    return at;
}

static void
too_large(bool chunked, size_t len, const char *count)
{
    AUTO_FREE char *body = filled(len);
    struct peer p;
    char want[300];

    bring(&p, RAPI_RUNNING);
    if (chunked) {
        char size[32];

        post(&p, RESPONSE, "Transfer-Encoding: chunked\r\n", NULL);
        snprintf(size, sizeof(size), "%zx\r\n", len);
        peer_send(&p, size, strlen(size));
        peer_send(&p, body, len);
        peer_send(&p, "\r\n0\r\n\r\n", 7);
    } else {
        ask(&p, "POST", RESPONSE, "", (struct str){body, len});
    }
    expect(&p, 413,
           "{\"errorMessage\":\"Exceeded maximum allowed payload size (6291556 bytes).\","
           "\"errorType\":\"RequestEntityTooLarge\"}");
    assert_int_equal(got.error, 1);
    assert_int_equal(got.response, 0);
    assert_string_equal(got.type, "Function.ResponseSizeTooLarge");
    if (count) {
        snprintf(
            want, sizeof(want),
            "{\"errorType\":\"Function.ResponseSizeTooLarge\",\"errorMessage\":\"Response "
            "payload size (%s bytes) exceeded maximum allowed payload size (6291556 bytes).\"}",
            count);
        assert_string_equal(got.payload.at, want);
    }
    assert_int_equal(rt->state, RAPI_RESPONSE_SENT);
    peer_close(&p);
}

static void
an_oversized_answer_with_its_length(void **state)
{
    too_large(false, RAPI_RESPONSE_MAX + 1, "6291557");
}

static void
an_oversized_answer_in_chunks(void **state)
{
    too_large(true, RAPI_RESPONSE_MAX + 1, NULL);
}

static void
the_largest_answer_is_taken_whole(void **state)
{
    AUTO_FREE char *body = filled(RAPI_RESPONSE_MAX);
    struct peer p;

    bring(&p, RAPI_RUNNING);
    ask(&p, "POST", RESPONSE, "", (struct str){body, RAPI_RESPONSE_MAX});
    expect(&p, 202, ok);
    assert_int_equal(got.response, 1);
    assert_int_equal(got.payload.len, RAPI_RESPONSE_MAX);
    assert_memory_equal(got.payload.at, body, RAPI_RESPONSE_MAX);
    peer_close(&p);
}

static void
a_slow_reader_gets_a_large_event(void **state)
{
    AUTO_FREE char *body = filled(6 << 20);
    struct peer p;
    struct answer a;

    for (size_t i = 0; i < 6 << 20; i++)
        body[i] = (char)(i * 2654435761u >> 24);
    invocation.payload = (struct str){body, 6 << 20};
    connect_peer(&p);
    deliver_now();
    p.reading = false;
    get_next(&p);
    until(&got.next);
    turns(50);
    p.reading = true;
    peer_send_some(&p);
    take(&p, &a);
    assert_true(str_eq(buf_view(&a.body), invocation.payload));
    buf_done(&a.body);
    peer_close(&p);
}

static void
error_types_are_cleaned(void **state)
{
    static const char *const types[][2] = {
        {"Runtime.UnknownReason", "Runtime.UnknownReason"},
        {"Function.Ab", "Function.Ab"},
        {"Function.A", "Function.Unknown"},
        {"Function.lower", "Function.Unknown"},
        {"Function.With2Digits", "Function.Unknown"},
        {"Function.", "Function.Unknown"},
        {"Function", "Runtime.Unknown"},
        {"runtime.Exit", "Runtime.Unknown"},
        {"ValueError", "Runtime.Unknown"},
        {"Runtime.A\",\"x\":\"", "Runtime.Unknown"},
        {"", "Runtime.Unknown"},
    };
    struct peer p;
    char headers[400], want[300];

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        bring(&p, RAPI_RUNNING);
        snprintf(headers, sizeof(headers), "Lambda-Runtime-Function-Error-Type: %s\r\n",
                 types[i][0]);
        post(&p, ERROR, headers, i % 2 ? "" : "{\"any\": 1}");
        expect(&p, 202, ok);
        assert_string_equal(got.type, types[i][1]);
        snprintf(want, sizeof(want),
                 "{\"errorType\":\"%s\",\"errorMessage\":\"RequestId: " ID
                 " Error: Unknown application error occurred\"}",
                 types[i][1]);
        assert_string_equal(got.payload.at, i % 2 ? want : "{\"any\": 1}");
        peer_close(&p);
    }
    bring(&p, RAPI_RUNNING);
    post(&p, ERROR, "", "{}");
    expect(&p, 202, ok);
    assert_string_equal(got.type, "Runtime.Unknown");
    peer_close(&p);
}

static void
an_init_error_is_passed_on(void **state)
{
    struct peer p;

    connect_peer(&p);
    post(&p, BASE "init/error", "Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError\r\n",
         "{\"errorMessage\":\"no module\"}");
    expect(&p, 202, ok);
    assert_int_equal(got.init_error, 1);
    assert_string_equal(got.type, "Runtime.ImportModuleError");
    assert_string_equal(got.payload.at, "{\"errorMessage\":\"no module\"}");
    get_next(&p);
    expect(&p, 403, transition("InitError", "Ready"));
    peer_close(&p);
}

/* ---- streamed answers, collected ---- */

#define STREAM                                                                                     \
    "Lambda-Runtime-Function-Response-Mode: Streaming\r\nTransfer-Encoding: chunked\r\n"           \
    "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n"

static void
a_streamed_answer_is_collected(void **state)
{
    struct peer p;

    bring(&p, RAPI_RUNNING);
    post(&p, RESPONSE, STREAM "Content-Type: text/plain\r\n", NULL);
    peer_send(&p, "5\r\nhello\r\n", 10);
    turns(10);
    assert_int_equal(got.response, 0);
    peer_send(&p, "7\r\n, world\r\n0\r\n\r\n", 17);
    expect(&p, 202, ok);
    assert_int_equal(got.response, 1);
    assert_string_equal(got.payload.at, "hello, world");
    assert_string_equal(got.type, "text/plain");
    peer_close(&p);
}

static void
stop_and_start(void)
{
    struct err err = {0};

    rapi_runtime_stop(rt);
    assert_int_equal(rapi_runtime_start(rt, NULL, &err), 0);
}

static void
error_trailers(const char *trailers, const char *type, const char *body)
{
    struct peer p;

    bring(&p, RAPI_RUNNING);
    got.error = 0;
    post(&p, RESPONSE, STREAM, NULL);
    peer_send(&p, "5\r\nhello\r\n0\r\n", 13);
    peer_send(&p, trailers, strlen(trailers));
    peer_send(&p, "\r\n", 2);
    expect(&p, 202, ok);
    assert_int_equal(got.response, 0);
    assert_int_equal(got.error, 1);
    assert_string_equal(got.type, type);
    assert_string_equal(got.payload.at, body);
    peer_close(&p);
}

static void
a_stream_may_end_in_an_error(void **state)
{
    static const char missing[] =
        "{\"errorType\":\"Function.Broke\",\"errorMessage\":\"RequestId: " ID
        " Error: Unknown application error occurred\"}";

    error_trailers("Lambda-Runtime-Function-Error-Type: Function.Broke\r\n"
                   "Lambda-Runtime-Function-Error-Body: eyJhIjoxfQ==\r\n",
                   "Function.Broke", "{\"a\":1}");
    error_trailers("Lambda-Runtime-Function-Error-Type: Function.Broke\r\n", "Function.Broke",
                   missing);
    error_trailers("Lambda-Runtime-Function-Error-Type: Function.Broke\r\n"
                   "Lambda-Runtime-Function-Error-Body: not base64!\r\n",
                   "Function.Broke", missing);
    /* The trailer's memory goes when the callback drops the connection. */
    got.in_answer = stop_and_start;
    error_trailers("Lambda-Runtime-Function-Error-Type: Function.Broke\r\n"
                   "Lambda-Runtime-Function-Error-Body: eyJhIjoxfQ==\r\n",
                   "Function.Broke", "{\"a\":1}");
}

static void
trailers_of_a_buffered_answer_mean_nothing(void **state)
{
    static const char rest[] = "5\r\nhello\r\n0\r\nLambda-Runtime-Function-Error-Type: X\r\n\r\n";
    struct peer p;

    bring(&p, RAPI_RUNNING);
    post(&p, RESPONSE,
         "Lambda-Runtime-Function-Response-Mode: buffered\r\nTransfer-Encoding: chunked\r\n", NULL);
    peer_send(&p, rest, sizeof(rest) - 1);
    expect(&p, 202, ok);
    assert_int_equal(got.response, 1);
    assert_string_equal(got.payload.at, "hello");
    peer_close(&p);
}

static void
an_unknown_mode_is_an_error(void **state)
{
    struct peer p;

    bring(&p, RAPI_RUNNING);
    post(&p, RESPONSE, "Lambda-Runtime-Function-Response-Mode: sideways\r\n", "1");
    expect(&p, 400,
           "{\"errorMessage\":\"Invalid function response mode\",\"errorType\":"
           "\"InvalidFunctionResponseMode\"}");
    assert_int_equal(got.error, 1);
    assert_string_equal(got.type, "Runtime.InvalidResponseModeHeader");
    assert_int_equal(rt->state, RAPI_RESPONSE_SENT);
    peer_close(&p);
}

static void
a_stream_that_is_cut_off_is_a_truncated_response(void **state)
{
    struct peer p;

    bring(&p, RAPI_RUNNING);
    post(&p, RESPONSE, STREAM, NULL);
    peer_send(&p, "5\r\nhello\r\n", 10);
    turns(10);
    peer_close(&p);
    until(&got.error);
    assert_string_equal(got.type, "Runtime.TruncatedResponse");
    assert_int_equal(got.response, 0);
    assert_null(rt->answering);
}

static void
a_streamed_error_that_was_cut_off_ended_the_daemon(void **state)
{
    static const char *const paths[] = {BASE "init/error", ERROR};
    struct peer p;

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) { /* the mode means nothing here */
        bring(&p, i == 0 ? RAPI_STARTED : RAPI_RUNNING);
        post(&p, paths[i], STREAM, NULL);
        peer_send(&p, "5\r\nhello\r\n", 10);
        turns(10);
        peer_close(&p);
        while (http_server_connections(rapi->http) > 0)
            turns(1);
        assert_int_equal(got.error + got.init_error, 0);
        assert_int_equal(rt->state, i == 0 ? RAPI_STARTED : RAPI_RUNNING);
    }
}

/* ---- who leaves, who is slow ---- */

static void
a_client_may_leave_at_each_byte(void **state)
{
    static const char request[] =
        "POST " RESPONSE " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    struct peer first, p;

    bring(&first, RAPI_RUNNING);
    for (size_t cut = 0; cut < sizeof(request) - 1; cut++) {
        connect_peer(&p);
        peer_send(&p, request, cut);
        turns(6);
        if (cut % 2) /* in order, or with a reset */
            (void)setsockopt(p.io.fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
                             sizeof(struct linger));
        peer_close(&p);
        while (http_server_connections(rapi->http) > 1)
            turns(1);
        assert_null(rt->answering);
        assert_int_equal(rt->state, RAPI_RUNNING);
    }
    post(&first, RESPONSE, "", "after all"); /* nothing was lost by it */
    expect(&first, 202, ok);
    assert_int_equal(got.response, 1);
    assert_int_equal(got.error, 0);
    peer_close(&first);
}

static void
a_slow_body_holds_the_answer_but_not_other_calls(void **state)
{
    struct peer slow, p;
    struct answer a;

    bring(&slow, RAPI_RUNNING);
    ask(&slow, "POST", RESPONSE, "Content-Length: 4\r\n", STR_NULL);
    peer_send(&slow, "slo", 3);
    turns(10);
    connect_peer(&p);
    post(&p, RESPONSE, "", "fast");
    expect(&p, 403, transition("Running", "InvocationResponse"));
    post(&p, ERROR, "", "fast");
    expect(&p, 403, transition("Running", "InvocationErrorResponse"));
    get_next(&p);
    take(&p, &a);
    assert_int_equal(a.status, 200);
    buf_done(&a.body);
    ask(&p, "GET", "/2018-06-01/ping", "", STR_NULL);
    expect(&p, 200, "pong");
    peer_send(&slow, "w", 1);
    expect(&slow, 202, ok);
    assert_string_equal(got.payload.at, "slow");
    peer_close(&p);
    peer_close(&slow);
}

static void
a_body_that_outlives_its_invocation_is_refused(void **state)
{
    struct peer slow;

    bring(&slow, RAPI_RUNNING);
    ask(&slow, "POST", RESPONSE, "Content-Length: 4\r\n", STR_NULL);
    turns(10);
    /* As frames on the other transport would do it: answered, asked, delivered anew. */
    rapi_response(rt, STR("x"), STR("by frames"));
    rapi_next(rt);
    invocation.request_id = "99999999-e9f4-11e8-9739-2dfe598c3fcd";
    deliver();
    peer_send(&slow, "slow", 4);
    expect(&slow, 403, transition("Running", "InvocationResponse"));
    assert_int_equal(got.response, 1);
    assert_string_equal(got.payload.at, "by frames");
    peer_close(&slow);
}

/* A daemon must survive this: init/error begins, next overtakes it, then it turns out too large. */
static void
an_oversized_init_error_after_next_ended_the_daemon(void **state)
{
    AUTO_FREE char *body = filled(RAPI_RESPONSE_MAX + 1);
    struct peer slow, p;
    char size[32];

    connect_peer(&slow);
    post(&slow, BASE "init/error", "Transfer-Encoding: chunked\r\n", NULL);
    turns(10);
    connect_peer(&p);
    get_next(&p);
    until(&got.next);
    snprintf(size, sizeof(size), "%x\r\n", RAPI_RESPONSE_MAX + 1);
    peer_send(&slow, size, strlen(size));
    peer_send(&slow, body, RAPI_RESPONSE_MAX + 1);
    expect(&slow, 413,
           "{\"errorMessage\":\"Exceeded maximum allowed payload size (6291556 bytes).\","
           "\"errorType\":\"RequestEntityTooLarge\"}");
    assert_int_equal(got.init_error, 0);
    assert_int_equal(rt->state, RAPI_READY);
    peer_close(&p);
    peer_close(&slow);
}

static void
one_runtime_has_a_bounded_number_of_connections(void **state)
{
    struct peer p[RAPI_CONNECTIONS_PER_RUNTIME + 5];

    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        connect_peer(&p[i]);
    run_until(peer_ended, &p[ARRAY_LEN(p) - 1]);
    assert_int_equal(http_server_connections(rapi->http), RAPI_CONNECTIONS_PER_RUNTIME);
    ask(&p[0], "GET", "/2018-06-01/ping", "", STR_NULL);
    expect(&p[0], 200, "pong");
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        peer_close(&p[i]);
}

static unsigned rounds;

static uint64_t
count_rounds(void *arg)
{
    rounds++;
    return UINT64_MAX;
}

static bool
listening_paused(void *arg)
{
    return rt->listener_pause.loop != NULL;
}

static bool
listening_again(void *arg)
{
    return rt->listener.events == EPOLLIN;
}

static void
a_lack_of_descriptors_kept_the_loop_spinning(void **state)
{
    struct rlimit before, none;
    struct peer p;

    connect_peer(&p); /* by the kernel alone: nobody has accepted it yet */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = (rlim_t)p.io.fd + 1, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    run_until(listening_paused, NULL);
    rounds = 0;
    loop_on_idle(loop, count_rounds, NULL);
    run_until(listening_again, NULL);
    run_until(listening_paused, NULL);
    run_until(listening_again, NULL);
    loop_off_idle(loop, count_rounds, NULL);
    assert_true(rounds < 50);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    ask(&p, "GET", "/2018-06-01/ping", "", STR_NULL);
    expect(&p, 200, "pong"); /* it waited in the backlog */
    peer_close(&p);
}

/* ---- callbacks that stop and start ---- */

static void
callbacks_may_stop_and_start_the_runtime(void **state)
{
    static const char *const paths[] = {RESPONSE, ERROR, BASE "init/error"};
    struct peer p;

    got.in_answer = stop_and_start;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        bring(&p, i == 2 ? RAPI_STARTED : RAPI_RUNNING);
        post(&p, paths[i], "Content-Type: text/own\r\n", "borrowed bytes");
        run_until(peer_ended, &p);
        assert_string_equal(got.payload.at, "borrowed bytes");
        assert_int_equal(rt->state, RAPI_STARTED);
        peer_close(&p);
    }
    got.in_next = stop_and_start;
    connect_peer(&p);
    get_next(&p);
    run_until(peer_ended, &p);
    assert_int_equal(rt->state, RAPI_STARTED);
    assert_null(rt->next);
    peer_close(&p);
    got.in_next = NULL;
    bring(&p, RAPI_RUNNING); /* and the runtime works on */
    peer_close(&p);
}

static void
stopping_closes_what_is_held(void **state)
{
    struct peer a, b, c;
    struct err err = {0};

    bring(&a, RAPI_RUNNING);
    ask(&a, "POST", RESPONSE, "Content-Length: 4\r\n", STR_NULL);
    connect_peer(&b);
    connect_peer(&c);
    turns(10);
    rapi_runtime_stop(rt);
    assert_int_equal(http_server_connections(rapi->http), 0);
    run_until(peer_ended, &a);
    run_until(peer_ended, &b);
    assert_int_equal(rapi_runtime_start(rt, NULL, &err), 0);
    peer_close(&a);
    peer_close(&b);
    peer_close(&c);
}

static void
other_paths_and_methods(void **state)
{
    static const struct {
        const char *method, *path;
        int status;
    } cases[] = {
        {"GET", "/2018-06-01/ping", 200},
        {"GET", "/", 404},
        {"GET", "/2018-06-01/runtime/invocation/next/", 404},
        {"GET", "/2018-06-01/runtime/restore/next", 404},
        {"GET", "/2015-03-31/functions", 404},
        {"POST", "/2018-06-01/runtime/invocation/", 404},
        {"POST", "/2018-06-01/runtime/invocation//response", 400},
        {"POST", "/2018-06-01/runtime/invocation/" ID "/respond", 404},
        {"POST", "/2018-06-01/runtime/invocation/" ID "/response/", 404},
        {"POST", "/2018-06-01/runtime/invocation/next", 404},
        {"DELETE", "/2018-06-01/runtime/invocation/next", 405},
        {"PUT", RESPONSE, 405},
    };
    struct peer p;
    struct answer a;

    bring(&p, RAPI_RUNNING);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ask(&p, cases[i].method, cases[i].path, "", STR(""));
        take(&p, &a);
        if (a.status != cases[i].status)
            fail_msg("%s %s: %d", cases[i].method, cases[i].path, a.status);
        buf_done(&a.body);
    }
    assert_int_equal(rt->state, RAPI_RUNNING);
    peer_close(&p);
}

#define TEST_CASE(fn) cmocka_unit_test_setup_teardown(fn, setup_http, teardown_http)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(each_call_in_each_state),
        TEST_CASE(next_brings_the_event_and_its_headers),
        TEST_CASE(an_answer_reaches_the_caller_byte_by_byte),
        TEST_CASE(the_newer_of_two_nexts_is_served),
        TEST_CASE(an_event_waits_for_a_poll_whose_connection_broke),
        TEST_CASE(a_late_answer_is_for_nobody),
        TEST_CASE(an_oversized_answer_with_its_length),
        TEST_CASE(an_oversized_answer_in_chunks),
        TEST_CASE(the_largest_answer_is_taken_whole),
        TEST_CASE(a_slow_reader_gets_a_large_event),
        TEST_CASE(error_types_are_cleaned),
        TEST_CASE(an_init_error_is_passed_on),
        TEST_CASE(a_streamed_answer_is_collected),
        TEST_CASE(a_stream_may_end_in_an_error),
        TEST_CASE(trailers_of_a_buffered_answer_mean_nothing),
        TEST_CASE(an_unknown_mode_is_an_error),
        TEST_CASE(a_stream_that_is_cut_off_is_a_truncated_response),
        TEST_CASE(a_streamed_error_that_was_cut_off_ended_the_daemon),
        TEST_CASE(a_client_may_leave_at_each_byte),
        TEST_CASE(a_slow_body_holds_the_answer_but_not_other_calls),
        TEST_CASE(a_body_that_outlives_its_invocation_is_refused),
        TEST_CASE(an_oversized_init_error_after_next_ended_the_daemon),
        TEST_CASE(one_runtime_has_a_bounded_number_of_connections),
        TEST_CASE(a_lack_of_descriptors_kept_the_loop_spinning),
        TEST_CASE(callbacks_may_stop_and_start_the_runtime),
        TEST_CASE(stopping_closes_what_is_held),
        TEST_CASE(other_paths_and_methods),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
