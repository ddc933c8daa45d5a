/* Frames on the inherited socket: order, pieces, every kind of nonsense, both directions in bulk.
 */
#include "help.h"

enum { INVOKE = 1, NEXT, RESPONSE, ERROR, INIT_ERROR, ASSIGN, PREPARED };
enum { FRAME_BODY_MAX = RAPI_RESPONSE_MAX + 65536 };

static struct peer peer;

static void
start_frames(void)
{
    struct err err = {0};
    int fd;

    assert_int_equal(rapi_runtime_start(rt, &fd, &err), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    peer_open(&peer, fd);
}

static int
setup_frames(void **state)
{
    setup(state);
    start_frames();
    return 0;
}

static int
teardown_frames(void **state)
{
    peer_close(&peer);
    return teardown(state);
}

static void
restart(void)
{
    peer_close(&peer);
    start_frames();
}

static void
add_u32(struct buf *b, size_t n)
{
    uint32_t v = (uint32_t)n;

    assert_true(buf_add(b, &v, 4));
}

/* Fields that are NULL are left out. */
static void
add_frame(struct buf *b, uint32_t type, const char *field1, const char *field2, struct str rest)
{
    add_u32(b, (field1 ? 4 + strlen(field1) : 0) + (field2 ? 4 + strlen(field2) : 0) + rest.len);
    add_u32(b, type);
    if (field1) {
        add_u32(b, strlen(field1));
        buf_z(b, field1);
    }
    if (field2) {
        add_u32(b, strlen(field2));
        buf_z(b, field2);
    }
    assert_true(buf_str(b, rest));
}

static void
send_frame(uint32_t type, const char *field1, const char *field2, struct str rest)
{
    AUTO_BUF struct buf b = BUF_MAX(16 << 20);

    add_frame(&b, type, field1, field2, rest);
    peer_send(&peer, b.at, b.len);
}

static bool
frame_is_whole(void *arg)
{
    uint32_t len;

    if (peer.in.len < 8)
        return false;
    memcpy(&len, peer.in.at, 4);
    return peer.in.len >= 8 + (size_t)len;
}

static struct str
take_field(struct str *rest)
{
    struct str field;
    uint32_t len;

    assert_true(rest->len >= 4);
    memcpy(&len, rest->at, 4);
    assert_true(len <= rest->len - 4);
    field = (struct str){rest->at + 4, len};
    *rest = (struct str){rest->at + 4 + len, rest->len - 4 - len};
    return field;
}

/* The next INVOKE must be exactly `invocation`. */
static void
take_invoke(void)
{
    const struct str want[] = {str_of(invocation.request_id), invocation.function_arn,
                               invocation.trace_id,           invocation.client_context,
                               invocation.cognito_identity,   invocation.tenant_id};
    struct str rest;
    uint64_t deadline;
    uint32_t words[2];

    run_until(frame_is_whole, NULL);
    memcpy(words, peer.in.at, 8);
    assert_int_equal(words[1], INVOKE);
    rest = (struct str){peer.in.at + 8, words[0]};
    memcpy(&deadline, rest.at, 8);
    assert_int_equal(deadline, invocation.deadline_ms);
    rest = (struct str){rest.at + 8, rest.len - 8};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_true(str_eq(take_field(&rest), want[i]));
    assert_true(str_eq(rest, invocation.payload));
    buf_shift(&peer.in, 8 + (size_t)words[0]);
}

static void
bring_to_running(void)
{
    send_frame(NEXT, NULL, NULL, STR_NULL);
    until(&got.next);
    deliver();
    take_invoke();
}

/* ---- the usual ---- */

static void
an_invocation_and_its_answer(void **state)
{
    send_frame(NEXT, NULL, NULL, STR_NULL);
    until(&got.next);
    invocation.trace_id = STR("Root=1-x");
    invocation.client_context = STR("{}");
    invocation.cognito_identity = STR("{\"i\":1}");
    invocation.tenant_id = STR("t");
    deliver();
    take_invoke();
    send_frame(RESPONSE, ID, "text/plain", STR("hello"));
    until(&got.response);
    assert_string_equal(got.type, "text/plain");
    assert_string_equal(got.payload.at, "hello");
    assert_int_equal(got.next, 0);
    send_frame(NEXT, NULL, NULL, STR_NULL);
    until(&got.next);
    deliver();
    take_invoke();
    send_frame(ERROR, ID, "Runtime.Bad<>", STR("{\"e\":1}"));
    until(&got.error);
    assert_string_equal(got.type, "Runtime.Unknown");
    assert_string_equal(got.payload.at, "{\"e\":1}");
}

static void
answer_and_next_come_in_one_write(void **state)
{
    AUTO_BUF struct buf b = BUF_MAX(1 << 20);

    deliver_now();
    send_frame(NEXT, NULL, NULL, STR_NULL);
    for (int i = 0; i < 50; i++) {
        take_invoke();
        buf_reset(&b);
        add_frame(&b, RESPONSE, ID, "", STR("1"));
        add_frame(&b, NEXT, NULL, NULL, STR_NULL);
        peer_send(&peer, b.at, b.len);
        until(&got.response);
    }
    assert_int_equal(got.next, 51);
    assert_int_equal(got.broken, 0);
}

static void
an_empty_error_gets_a_body(void **state)
{
    bring_to_running();
    send_frame(ERROR, ID, "Function.Bad", STR(""));
    until(&got.error);
    assert_string_equal(got.payload.at,
                        "{\"errorType\":\"Function.Bad\",\"errorMessage\":\"RequestId: " ID
                        " Error: Unknown application error occurred\"}");
}

static void
an_init_error_comes_instead_of_next(void **state)
{
    send_frame(INIT_ERROR, "Runtime.ImportModuleError", NULL, STR("{\"m\":1}"));
    until(&got.init_error);
    assert_string_equal(got.type, "Runtime.ImportModuleError");
    assert_string_equal(got.payload.at, "{\"m\":1}");
    send_frame(NEXT, NULL, NULL, STR_NULL);
    until(&got.broken);
}

/* ---- pieces ---- */

static void
frames_may_be_split_at_every_byte(void **state)
{
    AUTO_BUF struct buf b = BUF_MAX(1 << 20);

    deliver_now();
    add_frame(&b, RESPONSE, ID, "t", STR("payload"));
    add_frame(&b, NEXT, NULL, NULL, STR_NULL);
    send_frame(NEXT, NULL, NULL, STR_NULL);
    for (size_t cut = 0; cut <= b.len; cut++) {
        take_invoke();
        peer_send(&peer, b.at, cut);
        turns(4); /* the first part was read */
        peer_send(&peer, b.at + cut, b.len - cut);
        until(&got.response);
        assert_string_equal(got.payload.at, "payload");
    }
    for (size_t i = 0; i < b.len; i++) { /* and at all of them */
        peer_send(&peer, b.at + i, 1);
        turns(2);
    }
    until(&got.response);
    assert_int_equal(got.broken, 0);
}

static void
large_payloads_both_ways_with_slow_readers(void **state)
{
    AUTO_FREE char *event = xmalloc(6 << 20), *answer = xmalloc(RAPI_RESPONSE_MAX);

    for (size_t i = 0; i < 6 << 20; i++)
        event[i] = (char)(i * 2654435761u >> 24);
    for (size_t i = 0; i < RAPI_RESPONSE_MAX; i++)
        answer[i] = (char)(i * 40503u >> 8);
    invocation.payload = (struct str){event, 6 << 20};
    deliver_now();
    for (int i = 0; i < 2; i++) {
        peer.reading = false;
        peer_send_some(&peer);
        send_frame(NEXT, NULL, NULL, STR_NULL);
        until(&got.next);
        turns(20);
        peer.reading = true;
        peer_send_some(&peer);
        take_invoke();
        send_frame(RESPONSE, ID, "", (struct str){answer, RAPI_RESPONSE_MAX});
        until(&got.response);
        assert_int_equal(got.payload.len, RAPI_RESPONSE_MAX);
        assert_memory_equal(got.payload.at, answer, RAPI_RESPONSE_MAX);
        assert_null(rt->in.at); /* an idle runtime holds no large buffer */
        assert_null(rt->out.at);
    }
}

static void
long_headers_do_not_fit_the_stack_and_still_arrive(void **state)
{
    AUTO_FREE char *context = xmalloc(200000);

    memset(context, 'c', 200000);
    invocation.client_context = (struct str){context, 200000};
    deliver_now();
    send_frame(NEXT, NULL, NULL, STR_NULL);
    take_invoke();
    restart();
    invocation.payload = STR(""); /* and an empty event */
    send_frame(NEXT, NULL, NULL, STR_NULL);
    take_invoke();
    restart();
    invocation.payload = STR_NULL;
    send_frame(NEXT, NULL, NULL, STR_NULL);
    take_invoke();
}

static void
an_answer_over_the_limit_is_too_large(void **state)
{
    AUTO_FREE char *answer = xmalloc(RAPI_RESPONSE_MAX + 1);

    memset(answer, 'x', RAPI_RESPONSE_MAX + 1);
    bring_to_running();
    send_frame(RESPONSE, ID, "", (struct str){answer, RAPI_RESPONSE_MAX + 1});
    until(&got.error);
    assert_string_equal(got.type, "Function.ResponseSizeTooLarge");
    assert_non_null(strstr(got.payload.at, "(6291557 bytes)"));
    assert_int_equal(got.broken, 0);
}

/* ---- nonsense ---- */

static void
must_break(const void *at, size_t len, const char *why)
{
    unsigned answers = got.response + got.error + got.init_error;

    peer_send(&peer, at, len);
    until(&got.broken);
    if (strcmp(got.why, why) != 0)
        fail_msg("'%s' instead of '%s'", got.why, why);
    assert_int_equal(rt->state, RAPI_NONE);
    assert_int_equal(got.response + got.error + got.init_error, answers);
    run_until(peer_ended, &peer);
    restart();
}

static void
frames_out_of_order_end_the_runtime(void **state)
{
    static const struct {
        uint32_t type;
        const char *field1, *field2, *why;
    } cases[] = {
        {NEXT, NULL, NULL, "NEXT out of order"},
        {RESPONSE, ID, "", "answer to an invocation it does not have"},
        {ERROR, ID, "", "answer to an invocation it does not have"},
        {INIT_ERROR, "Runtime.X", NULL, "INIT_ERROR out of order"},
        {INVOKE, ID, NULL, "unknown frame"},
        {0, NULL, NULL, "unknown frame"},
        {ASSIGN, NULL, NULL, "unknown frame"},
        {PREPARED, NULL, NULL, "PREPARED out of order"},
        {8, NULL, NULL, "unknown frame"},
        {255, NULL, NULL, "unknown frame"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf b = BUF_MAX(4096);

        add_frame(&b, cases[i].type, cases[i].field1, cases[i].field2, STR_NULL);
        /* while it waits for an event */
        send_frame(NEXT, NULL, NULL, STR_NULL);
        until(&got.next);
        must_break(b.at, b.len, cases[i].why);
        /* while it has answered */
        if (cases[i].type != NEXT) {
            bring_to_running();
            send_frame(RESPONSE, ID, "", STR("1"));
            until(&got.response);
            must_break(b.at, b.len, cases[i].why);
        }
        /* while it has one: these are right */
        if (cases[i].type != RESPONSE && cases[i].type != ERROR) {
            bring_to_running();
            must_break(b.at, b.len, cases[i].why);
        }
        /* at the start: these are */
        if (cases[i].type != NEXT && cases[i].type != INIT_ERROR)
            must_break(b.at, b.len, cases[i].why);
    }
}

static void
wrong_ids_end_the_runtime(void **state)
{
    static const char *const ids[] = {"", "8476a536-e9f4-11e8-9739-2dfe598c3fce", ID "0",
                                      "8476A536-E9F4-11E8-9739-2DFE598C3FCD"};

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        AUTO_BUF struct buf b = BUF_MAX(4096);

        bring_to_running();
        add_frame(&b, RESPONSE, ids[i], "", STR("x"));
        must_break(b.at, b.len, "answer to an invocation it does not have");
    }
}

static void
next_with_a_body_ends_the_runtime(void **state)
{
    AUTO_BUF struct buf b = BUF_MAX(4096);

    add_frame(&b, NEXT, NULL, NULL, STR("x"));
    must_break(b.at, b.len, "NEXT out of order");
}

static void
hostile_lengths_end_the_runtime(void **state)
{
    static const uint32_t lengths[] = {FRAME_BODY_MAX + 1, 0x7fffffff, 0x80000000, 0xffffffff};
    static const uint32_t fields[] = {1,          5,          0x7fffffff, 0x80000000,
                                      0xfffffffb, 0xfffffffc, 0xffffffff};

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        uint32_t words[2] = {lengths[i], RESPONSE};

        bring_to_running();
        must_break(words, sizeof(words), "malformed header");
    }
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) { /* fields longer than their frame */
        uint32_t first[3] = {4, RESPONSE, fields[i]}, init[3] = {4, INIT_ERROR, fields[i]};
        uint32_t second[4] = {8, ERROR, 0, fields[i]};

        bring_to_running();
        must_break(first, sizeof(first), "malformed frame");
        bring_to_running();
        must_break(second, sizeof(second), "malformed frame");
        must_break(init, sizeof(init), "INIT_ERROR out of order");
    }
    for (uint32_t len = 0; len < 4; len++) { /* no room for a field */
        uint32_t words[3] = {len, RESPONSE, 0};

        bring_to_running();
        must_break(words, 8 + len, "malformed frame");
    }
    for (int i = 5; i < 8; i++) { /* reserved bytes */
        char bytes[8] = {0, 0, 0, 0, NEXT};

        bytes[i] = 1;
        must_break(bytes, sizeof(bytes), "malformed header");
    }
}

/* A good RESPONSE with each of its bytes changed: an answer, a broken runtime, or more bytes
 * awaited; never another invocation's. */
static void
each_byte_of_a_frame_may_be_wrong(void **state)
{
    AUTO_BUF struct buf good = BUF_MAX(4096);

    add_frame(&good, RESPONSE, ID, "", STR("x"));
    for (size_t i = 0; i < good.len; i++) {
        AUTO_BUF struct buf b = BUF_MAX(4096);
        bool of_payload = i == good.len - 1;

        got.response = got.error = got.broken = 0;
        buf_str(&b, buf_view(&good));
        b.at[i] ^= 0x41;
        bring_to_running();
        peer_send(&peer, b.at, b.len);
        turns(10);
        assert_int_equal(got.response, of_payload);
        assert_true(got.broken <= 1);
        if (!got.broken && !got.response && !got.error) { /* it waits for a longer frame */
            assert_true(i < 4);
            assert_int_equal(rt->state, RAPI_RUNNING);
        }
        restart();
    }
}

static void
after_a_broken_frame_nothing_counts(void **state)
{
    AUTO_BUF struct buf b = BUF_MAX(4096);

    bring_to_running();
    add_frame(&b, 77, NULL, NULL, STR_NULL);
    add_frame(&b, RESPONSE, ID, "", STR("x"));
    add_frame(&b, NEXT, NULL, NULL, STR_NULL);
    must_break(b.at, b.len, "unknown frame");
    assert_int_equal(got.response + got.next, 0);
}

/* ---- generic runtimes ---- */

static void
start_generic(void)
{
    struct err err = {0};
    int fd;

    peer_close(&peer);
    assert_int_equal(rapi_runtime_prestart(rt, &fd, &err), 0);
    peer_open(&peer, fd);
}

static char *const variables[] = {"A=1", "EMPTY=", "TEXT=\xc3\xa9 \n", NULL};

static void
a_generic_runtime_is_told_what_it_is(void **state)
{
    struct err err = {0};
    uint32_t words[2];
    struct str rest;

    start_generic();
    send_frame(PREPARED, NULL, NULL, STR_NULL);
    until(&got.prepared);
    assert_int_equal(rapi_runtime_assign(rt, variables, &err), 0);
    run_until(frame_is_whole, NULL);
    memcpy(words, peer.in.at, 8);
    assert_int_equal(words[1], ASSIGN);
    rest = (struct str){peer.in.at + 8, words[0]};
    for (size_t i = 0; variables[i]; i++)
        assert_true(str_is(take_field(&rest), variables[i]));
    assert_int_equal(rest.len, 0);
    buf_shift(&peer.in, peer.in.len);
    bring_to_running();
}

static void
a_generic_runtime_may_only_be_prepared(void **state)
{
    static const uint32_t types[] = {NEXT, RESPONSE, INIT_ERROR};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        start_generic();
        send_frame(types[i], types[i] == NEXT ? NULL : ID, types[i] == RESPONSE ? "" : NULL,
                   STR_NULL);
        until(&got.broken);
        assert_int_equal(got.next + got.response + got.init_error, 0);
    }
    start_generic();
    send_frame(PREPARED, NULL, NULL, STR("x"));
    until(&got.broken);
    assert_int_equal(got.prepared, 0);
}

static bool
frames_closed(void *arg)
{
    return !rt->frames.loop;
}

static void
a_generic_runtime_that_died_before_its_assignment_ended_the_daemon(void **state)
{
    struct err err = {0};

    start_generic();
    send_frame(PREPARED, NULL, NULL, STR_NULL);
    until(&got.prepared);
    assert_int_equal(shutdown(peer.io.fd, SHUT_RDWR), 0);
    run_until(frames_closed, NULL);
    assert_int_equal(rapi_runtime_assign(rt, variables, &err), -ERR_UNAVAILABLE);
    restart();
    bring_to_running();
}

static void
an_environment_too_large_for_its_frame_is_refused(void **state)
{
    AUTO_FREE char *huge = xmalloc(2 << 20);
    struct err err = {0};

    memset(huge, 'x', 2 << 20);
    huge[(2 << 20) - 1] = '\0';
    start_generic();
    send_frame(PREPARED, NULL, NULL, STR_NULL);
    until(&got.prepared);
    assert_int_equal(rapi_runtime_assign(rt, (char *const[]){huge, NULL}, &err), -ERR_TOO_LARGE);
    huge[500000] = '\0'; /* more than the socket takes at once */
    err_clear(&err);
    assert_int_equal(rapi_runtime_assign(rt, (char *const[]){huge, NULL}, &err), 0);
    run_until(frame_is_whole, NULL);
    assert_int_equal(peer.in.len, 8 + 4 + 500000);
}

/* ---- ends ---- */

static void
the_end_of_file_alone_is_no_event(void **state)
{
    bring_to_running();
    send_frame(RESPONSE, ID, "", STR("last"));
    peer_send(&peer, "\5\0\0", 3); /* part of a header */
    assert_int_equal(shutdown(peer.io.fd, SHUT_WR), 0);
    run_until(peer_ended, &peer);
    assert_int_equal(got.response, 1);
    assert_string_equal(got.payload.at, "last");
    assert_int_equal(got.broken, 0);
    assert_null(rt->frames.loop);
    restart();
    send_frame(NEXT, NULL, NULL, STR_NULL);
    until(&got.next);
    assert_int_equal(shutdown(peer.io.fd, SHUT_WR), 0);
    run_until(peer_ended, &peer);
    deliver(); /* nobody is there: no harm */
    assert_int_equal(rt->state, RAPI_RUNNING);
    rapi_runtime_stop(rt);
}

static unsigned loop_rounds;

static uint64_t
count_rounds(void *arg)
{
    loop_rounds++;
    return UINT64_MAX;
}

static void
on_100_ms(struct timer *t)
{
    got.next = 1;
}

static void
a_runtime_that_shut_its_reading_side_kept_the_loop_spinning(void **state)
{
    struct timer t = {0};

    send_frame(NEXT, NULL, NULL, STR_NULL);
    until(&got.next);
    peer.reading = false;
    peer_send_some(&peer);
    assert_int_equal(shutdown(peer.io.fd, SHUT_RD), 0);
    deliver();
    loop_rounds = 0;
    loop_on_idle(loop, count_rounds, NULL);
    timer_set(loop, &t, 100000, on_100_ms); /* the measure is rounds, not time */
    until(&got.next);
    loop_off_idle(loop, count_rounds, NULL);
    assert_true(loop_rounds < 50);
    assert_int_equal(rt->state, RAPI_RUNNING); /* its deadline ends it */
    assert_null(rt->out.at);
}

static void
stop_and_start(void)
{
    rapi_runtime_stop(rt);
    peer_close(&peer);
    start_frames();
}

static void
callbacks_may_stop_and_start_the_runtime(void **state)
{
    static const uint32_t types[] = {RESPONSE, ERROR};

    got.in_answer = stop_and_start;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        AUTO_BUF struct buf b = BUF_MAX(4096);

        bring_to_running();
        add_frame(&b, types[i], ID, "Function.Own", STR("borrowed bytes"));
        add_frame(&b, NEXT, NULL, NULL, STR_NULL); /* of the process that is gone */
        peer_send(&peer, b.at, b.len);
        until(types[i] == RESPONSE ? &got.response : &got.error);
        assert_string_equal(got.payload.at, "borrowed bytes");
        assert_string_equal(got.type, "Function.Own");
        turns(5);
        assert_int_equal(rt->state, RAPI_STARTED);
        assert_int_equal(got.next, 0);
    }
    send_frame(INIT_ERROR, "Runtime.X", NULL, STR("borrowed too"));
    until(&got.init_error);
    assert_string_equal(got.payload.at, "borrowed too");
    got.in_answer = NULL;
    got.in_next = stop_and_start;
    send_frame(NEXT, NULL, NULL, STR_NULL);
    until(&got.next);
    assert_int_equal(rt->state, RAPI_STARTED);
    got.in_next = NULL;
    bring_to_running(); /* and the new one works */
}

static void
stopping_closes_the_socket(void **state)
{
    bring_to_running();
    rapi_runtime_stop(rt);
    run_until(peer_ended, &peer);
    assert_int_equal(peer.in.len, 0);
}

#define TEST_CASE(fn) cmocka_unit_test_setup_teardown(fn, setup_frames, teardown_frames)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(an_invocation_and_its_answer),
        TEST_CASE(answer_and_next_come_in_one_write),
        TEST_CASE(an_empty_error_gets_a_body),
        TEST_CASE(an_init_error_comes_instead_of_next),
        TEST_CASE(frames_may_be_split_at_every_byte),
        TEST_CASE(large_payloads_both_ways_with_slow_readers),
        TEST_CASE(long_headers_do_not_fit_the_stack_and_still_arrive),
        TEST_CASE(an_answer_over_the_limit_is_too_large),
        TEST_CASE(frames_out_of_order_end_the_runtime),
        TEST_CASE(wrong_ids_end_the_runtime),
        TEST_CASE(next_with_a_body_ends_the_runtime),
        TEST_CASE(hostile_lengths_end_the_runtime),
        TEST_CASE(each_byte_of_a_frame_may_be_wrong),
        TEST_CASE(after_a_broken_frame_nothing_counts),
        TEST_CASE(a_generic_runtime_is_told_what_it_is),
        TEST_CASE(a_generic_runtime_may_only_be_prepared),
        TEST_CASE(a_generic_runtime_that_died_before_its_assignment_ended_the_daemon),
        TEST_CASE(an_environment_too_large_for_its_frame_is_refused),
        TEST_CASE(the_end_of_file_alone_is_no_event),
        TEST_CASE(a_runtime_that_shut_its_reading_side_kept_the_loop_spinning),
        TEST_CASE(callbacks_may_stop_and_start_the_runtime),
        TEST_CASE(stopping_closes_the_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
