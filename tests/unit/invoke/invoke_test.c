/* Invocations from admission to their last log line, over every end that a sandbox or a runtime can
 * come to. See help.h for who plays what; its teardown() checks that every count is back at zero.
 */
#include "help.h"

#define MS "[0-9]+\\.[0-9]{2} ms"
#define REPORT_HEAD(id)                                                                            \
    "^REPORT RequestId: " id "\tDuration: " MS                                                     \
    "\tBilled Duration: [0-9]+ ms\tMemory Size: 128 MB\tMax Memory Used: 39 MB\t"

/* ---- starting and reusing ---- */

static void
a_cold_start_is_reported_as_aws_does(void **state)
{
    struct call *c = invoke_with("{\"a\":1}", true);
    struct sandbox *sb = box_up(0);

    answer(sb, "\"hello\"");
    assert_int_equal(c->done, 0); /* a tail is complete with its REPORT only */
    say(sb, NEXT);
    assert_int_equal(c->done, 1);
    assert_int_equal(c->kind, ERR_NONE);
    assert_false(c->function_error);
    assert_string_equal(c->payload, "\"hello\"");
    assert_string_equal(c->version, "$LATEST");
    assert_int_equal(lines.len, 4);
    assert_string_equal(lines.at[0],
                        "INIT_START Runtime Version: python:3.12.v1\tRuntime Version ARN: "
                        "arn:aws:lambda:us-east-1::runtime:00ff");
    assert_string_equal(lines.at[1],
                        "START RequestId: 8476a536-e9f4-11e8-9739-2dfe598c3f00 Version: $LATEST");
    assert_string_equal(lines.at[2], "END RequestId: 8476a536-e9f4-11e8-9739-2dfe598c3f00");
    assert_like(lines.at[3],
                REPORT_HEAD("8476a536-e9f4-11e8-9739-2dfe598c3f00") "Init Duration: " MS "\t$");
    assert_like(c->tail, "^START RequestId: .*\nEND RequestId: .*\nREPORT RequestId: .*\t\n$");
}

static void
a_warm_start_has_no_init_and_answers_at_once(void **state)
{
    struct call *c = invoke();
    struct sandbox *sb = box_up(0);

    answer(sb, "1");
    assert_int_equal(c->done, 1); /* before the runtime asks for more */
    say(sb, NEXT);
    c = invoke();
    answer(sb, "2");
    say(sb, NEXT);
    assert_string_equal(c->payload, "2");
    assert_int_equal(boxes_len, 1);
    assert_int_equal(sb->starts, 1);
    assert_int_equal(logged("^INIT_START"), 1);
    assert_like(lines.at[lines.len - 1], REPORT_HEAD("[0-9a-f-]+") "$");
    assert_int_equal(world.loads, 1);
}

static void
the_newest_idle_environment_is_used_first(void **state)
{
    struct sandbox *a, *b;

    (void)invoke();
    (void)invoke();
    a = box_up(0);
    b = box_up(1);
    answer(a, "1");
    answer(b, "1");
    say(a, NEXT);
    say(b, NEXT);
    assert_int_equal(invoker->idle_len, 2);
    (void)invoke();
    assert_true(has_event(b));
    assert_false(has_event(a));
    answer(b, "1");
    say(b, NEXT);
}

static void
whoever_is_free_first_serves_the_first_in_line(void **state)
{
    struct call *first = invoke(), *second;
    struct sandbox *a = box_up(0), *b;

    second = invoke();
    b = box(1);
    answer(a, "1");
    say(a, NEXT); /* the second sandbox is not there yet */
    answer(a, "2");
    assert_string_equal(first->payload, "1");
    assert_string_equal(second->payload, "2");
    say(a, NEXT);
    box_ready(b);
    say(b, NEXT);
    assert_int_equal(invoker->idle_len, 2);
}

static void
a_large_event_reaches_a_slow_runtime_whole(void **state)
{
    static char payload[3 << 20];
    struct call *c;
    struct sandbox *sb;
    size_t got = 0;
    char room[65536];

    memset(payload, '1', sizeof(payload) - 1);
    c = invoke_with(payload, false);
    sb = box_up(0);
    while (got < sizeof(payload) - 1 + 24) {
        ssize_t n = recv(sb->frames, room, sizeof(room), MSG_DONTWAIT);

        if (n > 0)
            got += (size_t)n;
        else
            turns();
    }
    (void)c;
    box_exit(sb, EXIT(0));
}

/* ---- what functions do wrong ---- */

static void
a_failed_init_is_tried_again_within_the_invocation(void **state)
{
    const char *type[] = {"Runtime.ImportModuleError"};
    struct call *c = invoke();
    struct sandbox *sb = box(0);

    box_ready(sb);
    put_frame(sb, INIT_ERROR, type, 1, STR("{\"errorType\":\"first\"}"));
    box_exit(sb, EXIT(1));
    assert_int_equal(c->done, 0); /* nobody's error yet */
    assert_int_equal(sb->starts, 2);
    assert_int_equal(logged("^INIT_REPORT Init Duration: " MS
                            "\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError$"),
                     1);
    assert_like(lines.at[lines.len - 1], "^START RequestId: ");
    put_frame(sb, INIT_ERROR, type, 1, STR("{\"errorType\":\"second\"}"));
    box_exit(sb, EXIT(1));
    assert_true(c->function_error);
    assert_string_equal(c->payload, "{\"errorType\":\"second\"}");
    assert_int_equal(
        logged("^INIT_REPORT Init Duration: " MS
               "\tPhase: invoke\tStatus: error\tError Type: Runtime.ImportModuleError$"),
        1);
    assert_like(lines.at[lines.len - 1], REPORT_HEAD("[0-9a-f-]+") "Status: error\tError Type: "
                                                                   "Runtime.ImportModuleError$");
    assert_int_equal(boxes_len, 1);
}

static void
an_init_that_works_the_second_time_serves(void **state)
{
    struct call *c = invoke();
    struct sandbox *sb = box(0);

    box_ready(sb);
    box_exit(sb, EXIT(3));
    assert_int_equal(logged("Status: error\tError Type: Runtime.ExitError$"), 1);
    say(sb, NEXT);
    answer(sb, "7");
    say(sb, NEXT);
    assert_string_equal(c->payload, "7");
    assert_like(lines.at[lines.len - 1],
                REPORT_HEAD("[0-9a-f-]+") "$"); /* its init was billed as duration */
}

static void
an_init_that_takes_too_long_is_killed_and_tried_again(void **state)
{
    struct call *c;
    struct sandbox *sb;

    settings.init_ms = 100;
    c = invoke();
    sb = box(0);
    box_ready(sb);
    until(&sb->kills, 1);
    assert_int_equal(logged("^INIT_REPORT Init Duration: " MS "\tPhase: init\tStatus: timeout$"),
                     1);
    box_exit(sb, KILLED);
    assert_int_equal(sb->starts, 2);
    say(sb, NEXT);
    answer(sb, "7");
    say(sb, NEXT);
    assert_string_equal(c->payload, "7");
}

static void
a_timeout_resets_and_the_next_invocation_inits_anew(void **state)
{
    struct call *c;
    struct sandbox *sb;

    world.timeout_s = 1;
    c = invoke_with("{}", true);
    sb = box_up(0);
    (void)get_event(sb);
    until(&c->done, 1);
    assert_true(c->function_error);
    assert_string_equal(
        c->payload,
        "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"RequestId: "
        "8476a536-e9f4-11e8-9739-2dfe598c3f00 Error: Task timed out after 1.00 seconds\"}");
    assert_like(c->tail,
                "\n[0-9-]{10}T[0-9:.]{12}Z 8476a536-e9f4-11e8-9739-2dfe598c3f00 Task timed out "
                "after 1.00 seconds\n+END RequestId: ");
    assert_like(lines.at[lines.len - 1],
                "\tDuration: 1000.00 ms\tBilled Duration: 1[0-9]{3} ms\t.*\tStatus: timeout$");
    assert_int_equal(sb->kills, 1);
    c = invoke(); /* while it is being reset: another is started, but this one is free first */
    box_exit(sb, KILLED);
    assert_int_equal(sb->starts, 2);
    say(sb, NEXT);
    answer(sb, "2");
    say(sb, NEXT);
    assert_string_equal(c->payload, "2");
}

static void
a_crash_names_its_exit_status(void **state)
{
    struct call *c = invoke_with("{}", true);
    struct sandbox *sb = box_up(0);

    (void)get_event(sb);
    assert_int_equal(write(sb->out, "last words\n", 11), 11);
    box_exit(sb, EXIT(5)); /* told before the pipe was read */
    assert_string_equal(
        c->payload, "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"RequestId: "
                    "8476a536-e9f4-11e8-9739-2dfe598c3f00 Error: Runtime exited with error: exit "
                    "status 5\"}");
    assert_like(c->tail,
                "\nlast words\nRequestId: .* Error: Runtime exited with error: exit status "
                "5\nRuntime.ExitError\n+END .*\tStatus: error\tError Type: Runtime.ExitError\n$");
    assert_int_equal(invoker->idle_len, 1); /* empty, for the next one */
}

static void
an_exit_without_reason_a_signal_and_an_oom_are_told_apart(void **state)
{
    struct call *c = invoke();
    struct sandbox *sb = box_up(0);

    (void)get_event(sb);
    box_exit(sb, EXIT(0));
    assert_like(c->payload,
                "\"Runtime.ExitError\".* Error: Runtime exited without providing a reason\"}$");
    c = invoke();
    turns();
    say(sb, NEXT);
    (void)get_event(sb);
    box_exit(sb, (struct sandbox_exit){.signo = SIGSEGV});
    assert_like(c->payload,
                "\"Runtime.ExitError\".*exited with error: signal: segmentation fault\"}$");
    c = invoke();
    turns();
    say(sb, NEXT);
    (void)get_event(sb);
    box_exit(sb, (struct sandbox_exit){.signo = SIGKILL, .oom = true});
    assert_like(c->payload, "\"Runtime.OutOfMemory\".*exited with error: signal: killed\"}$");
    assert_int_equal(sb->starts, 3);
}

static void
an_answer_stands_when_the_runtime_dies_after_it(void **state)
{
    struct call *c = invoke_with("{}", true);
    struct sandbox *sb = box_up(0);

    answer(sb, "42");
    box_exit(sb, EXIT(1));
    assert_false(c->function_error);
    assert_string_equal(c->payload, "42");
    assert_like(lines.at[lines.len - 1], "Status: error\tError Type: Runtime.ExitError$");
}

static void
a_handler_error_keeps_the_environment(void **state)
{
    struct call *c = invoke();
    struct sandbox *sb = box_up(0);
    const char *fields[] = {get_event(sb), "Runtime.Unknown"};

    put_frame(sb, ERROR, fields, 2, STR("{\"errorMessage\":\"no\"}"));
    say(sb, NEXT);
    assert_true(c->function_error);
    assert_string_equal(c->payload, "{\"errorMessage\":\"no\"}");
    assert_int_equal(invoker->idle_len, 1);
    assert_int_equal(sb->kills, 0);
    assert_int_equal(invoker_stats(invoker).errors, 1);
}

static void
an_answer_over_6_mb_is_an_error_of_the_function(void **state)
{
    struct call *c = invoke();
    struct sandbox *sb = box_up(0);
    const char *fields[] = {get_event(sb), "application/json"};
    size_t len = RAPI_RESPONSE_MAX + 1;
    char *body = xmalloc(len);

    memset(body, '1', len);
    put_frame(sb, RESPONSE, fields, 2, (struct str){body, len});
    free(body);
    say(sb, NEXT);
    assert_string_equal(
        c->payload, "{\"errorType\":\"Function.ResponseSizeTooLarge\",\"errorMessage\":\"Response "
                    "payload size (6291557 bytes) exceeded maximum allowed payload size (6291556 "
                    "bytes).\"}");
    assert_true(c->function_error);
    assert_int_equal(invoker->idle_len, 1);
}

static void
a_runtime_that_breaks_the_protocol_is_killed(void **state)
{
    struct call *c = invoke();
    struct sandbox *sb = box_up(0);

    (void)get_event(sb);
    say(sb, 99);
    assert_int_equal(sb->kills, 1);
    box_exit(sb, KILLED);
    assert_like(c->payload, "Runtime exited with error: signal: killed");
}

static void
a_runtime_that_breaks_the_protocol_while_idle_gets_no_event(void **state)
{
    struct call *c = invoke();
    struct sandbox *sb = box_up(0);

    answer(sb, "1");
    say(sb, NEXT);
    say(sb, 99); /* a thread that the function left running */
    assert_int_equal(sb->kills, 1);
    assert_int_equal(invoker->idle_len, 0);
    c = invoke();
    box_exit(sb, KILLED);
    say(sb, NEXT);
    answer(sb, "2");
    assert_string_equal(c->payload, "2");
}

/* ---- being idle ---- */

static void
an_idle_environment_is_frozen_then_taken_down(void **state)
{
    struct sandbox *sb;
    bool *frozen, *gone;

    settings.freeze_ms = 1;
    settings.reclaim_ms = 300;
    (void)invoke();
    sb = box_up(0);
    answer(sb, "1");
    say(sb, NEXT);
    frozen = &sb->frozen;
    run_until(is_set, frozen);
    assert_int_equal(invoker->frozen_len, 1);
    (void)invoke();
    assert_false(sb->frozen);
    assert_int_equal(invoker->frozen_len, 0);
    answer(sb, "1");
    say(sb, NEXT);
    gone = &sb->gone;
    run_until(is_set, gone);
    assert_int_equal(invoker->environments, 0);
}

static void
an_idle_runtime_that_dies_is_started_anew(void **state)
{
    struct call *c = invoke();
    struct sandbox *sb = box_up(0);

    answer(sb, "1");
    say(sb, NEXT);
    box_exit(sb, KILLED);
    c = invoke();
    turns();
    assert_int_equal(sb->starts, 2);
    say(sb, NEXT);
    answer(sb, "2");
    say(sb, NEXT);
    assert_string_equal(c->payload, "2");
}

/* Its init was killed a moment ago, which nobody has told yet. */
static void
an_idle_environment_that_cannot_be_thawed_costs_no_invocation(void **state)
{
    struct call *c = invoke();
    struct sandbox *sb = box_up(0);

    settings.freeze_ms = 0;
    answer(sb, "1");
    say(sb, NEXT);
    run_until(is_set, &sb->frozen);
    wrong.thaw = ERR_NOT_FOUND;
    c = invoke();
    wrong.thaw = ERR_NONE;
    answer(box_up(1), "2");
    assert_string_equal(c->payload, "2");
    assert_int_equal(logged("^START"), 2); /* it began once */
}

static void
an_environment_that_cannot_be_started_is_never_function_not_found(void **state)
{
    struct call *c = invoke();
    struct sandbox *sb = box_up(0);

    answer(sb, "1");
    say(sb, NEXT);
    box_exit(sb, KILLED);
    wrong.start = ERR_NOT_FOUND; /* as the sandbox layer calls a sandbox that is gone */
    c = invoke();
    until(&c->done, 1);
    assert_int_equal(c->kind, ERR_INTERNAL);
    assert_int_equal(boxes_len, 2);
}

/* ---- limits ---- */

static void
over_the_concurrency_is_throttled(void **state)
{
    struct call *c;

    settings.concurrency = 1;
    (void)invoke();
    c = invoke();
    assert_int_equal(c->done, 1);
    assert_int_equal(c->kind, ERR_THROTTLED);
    assert_string_equal(c->error, "ConcurrentInvocationLimitExceeded");
    assert_int_equal(invoker_stats(invoker).throttles, 1);
    answer(box_up(0), "1");
}

static void
a_full_machine_makes_one_wait_then_throttles(void **state)
{
    struct call *a, *b;
    struct sandbox *sb;

    settings.environments_max = 1;
    settings.queue_ms = 100;
    a = invoke();
    sb = box_up(0);
    (void)get_event(sb);
    b = invoke();
    until(&b->done, 1);
    assert_int_equal(b->kind, ERR_THROTTLED);
    assert_int_equal(boxes_len, 1);
    assert_int_equal(a->done, 0);
    box_exit(sb, EXIT(0));
}

/* A function of the same name, elsewhere. */
static struct call *
invoke_other(void)
{
    struct invoke_request in = {.account = STR("000000000000"),
                                .region = STR("eu-west-1"),
                                .name = STR("f"),
                                .function_arn = STR("arn"),
                                .request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fff",
                                .payload = STR("{}")};
    struct call *c = &calls[calls_len++];

    memset(c, 0, sizeof(*c));
    invoke_start(invoker, &in, on_done, c);
    return c;
}

static void
another_functions_idle_environment_makes_room(void **state)
{
    struct call *c;
    struct sandbox *sb;

    settings.environments_max = 1;
    (void)invoke();
    sb = box_up(0);
    answer(sb, "1");
    say(sb, NEXT);
    forget_f(); /* stands for another function: what was idle goes */
    (void)invoke();
    sb = box_up(1);
    assert_true(boxes[0].gone);
    answer(sb, "1");
    say(sb, NEXT);
    c = invoke_other();
    sb = box_up(2);
    assert_true(boxes[1].gone);
    answer(sb, "3");
    assert_string_equal(c->payload, "3");
}

static void
one_that_waits_takes_the_room_of_one(void **state)
{
    struct call *c;

    settings.environments_max = 2;
    (void)invoke();
    (void)invoke();
    for (unsigned i = 0; i < 2; i++)
        answer(box_up(i), "1");
    say(&boxes[0], NEXT);
    say(&boxes[1], NEXT);
    linger = true;
    c = invoke_other();
    run_until(is_set, &boxes[0].destroyed); /* the least recently used */
    invoker_spawner_ready(invoker);         /* as each that becomes idle, it looks for room again */
    assert_false(boxes[1].destroyed);
    box_gone(&boxes[0], ERR_NONE);
    answer(box_up(2), "3");
    assert_string_equal(c->payload, "3");
    assert_false(boxes[1].destroyed);
}

/* ---- sandboxes that fail ---- */

static void
a_sandbox_that_cannot_be_built_fails_one_invocation(void **state)
{
    struct call *a = invoke(), *b = invoke();

    (void)box(1);
    box_gone(&boxes[0], ERR_INTERNAL);
    assert_int_equal(a->kind, ERR_INTERNAL);
    assert_int_equal(b->done, 0);
    turns();
    assert_int_equal(boxes_len, 2);
    box_up(1);
    answer(&boxes[1], "1");
    assert_string_equal(b->payload, "1");
}

static void
a_runtime_that_cannot_be_started_makes_no_flood_of_sandboxes(void **state)
{
    struct call *c;

    wrong.start = ERR_INTERNAL;
    c = invoke();
    until(&c->done, 1);
    assert_int_equal(c->kind, ERR_INTERNAL);
    assert_int_equal(boxes_len, 1);
}

static void
a_sandbox_that_dies_in_each_init_is_not_built_for_ever(void **state)
{
    struct call *c = invoke();
    unsigned n = 0;

    while (!c->done) {
        box_ready(box(n));
        assert_true(n < 5);
        box_gone(&boxes[n++], ERR_UNAVAILABLE);
        turns();
    }
    assert_int_equal(c->kind, ERR_UNAVAILABLE);
    assert_int_equal(n, 3);
}

static void
a_lost_spawner_takes_what_runs_and_what_waits_is_served_later(void **state)
{
    struct call *runs = invoke(), *waits;

    (void)get_event(box_up(0));
    waits = invoke();
    (void)box(1);
    wrong.make = ERR_UNAVAILABLE;
    box_gone(&boxes[0], ERR_UNAVAILABLE);
    box_gone(&boxes[1], ERR_UNAVAILABLE);
    assert_int_equal(runs->kind, ERR_UNAVAILABLE);
    assert_int_equal(waits->done, 0);
    assert_int_equal(invoker->environments, 0);
    wrong.make = ERR_NONE;
    invoker_spawner_ready(invoker);
    answer(box_up(2), "1");
    assert_string_equal(waits->payload, "1");
}

static void
idle_empty_and_resetting_environments_may_be_lost_too(void **state)
{
    struct call *c;

    world.timeout_s = 1;
    for (int i = 0; i < 3; i++)
        (void)invoke();
    for (unsigned i = 0; i < 3; i++)
        box_up(i);
    answer(&boxes[0], "1");
    say(&boxes[0], NEXT); /* idle */
    (void)get_event(&boxes[1]);
    box_exit(&boxes[1], EXIT(1)); /* empty */
    c = &calls[2];
    until(&c->done, 1); /* resetting */
    for (unsigned i = 0; i < 3; i++)
        box_gone(&boxes[i], ERR_UNAVAILABLE);
    assert_int_equal(invoker->environments, 0);
    assert_int_equal(invoker->idle_len, 0);
}

static void
a_kill_that_fails_takes_the_environment_down(void **state)
{
    struct call *c;
    struct sandbox *sb;

    world.timeout_s = 1;
    wrong.kill = ERR_UNAVAILABLE;
    c = invoke();
    sb = box_up(0);
    until(&c->done, 1);
    run_until(is_set, &sb->gone);
    assert_int_equal(invoker->environments, 0);
}

static void
a_reset_that_never_ends_is_cut_short(void **state)
{
    struct call *c;
    struct sandbox *sb;

    world.timeout_s = 1;
    c = invoke();
    sb = box_up(0);
    until(&c->done, 1);
    run_until(is_set, &sb->gone); /* its exit is never told */
}

/* ---- changes ---- */

static void
an_update_lets_what_runs_finish_and_drops_what_idles(void **state)
{
    struct call *old, *new;
    struct str package = STR("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");

    old = invoke();
    (void)invoke();
    box_up(0);
    box_up(1);
    answer(&boxes[1], "1");
    say(&boxes[1], NEXT);
    forget_f();
    turns();
    assert_true(boxes[1].gone);
    assert_false(boxes[0].destroyed);
    /* Its code must not be swept away under it, though no table knows the function any more. */
    assert_true(invoker_uses_package(invoker, package));
    new = invoke();
    answer(box_up(2), "\"new\"");
    assert_string_equal(new->payload, "\"new\"");
    answer(&boxes[0], "\"old\"");
    assert_string_equal(old->payload, "\"old\"");
    say(&boxes[0], NEXT);
    assert_true(boxes[0].gone);
    assert_int_equal(world.loads, 2);
}

static void
an_update_while_loading_or_starting_serves_who_waits(void **state)
{
    struct call *a = invoke(), *b;

    forget_f(); /* it loads */
    (void)box(0);
    b = invoke();
    (void)box(1);
    forget_f(); /* both start */
    box_up(0);
    box_up(1);
    answer(&boxes[0], "1");
    answer(&boxes[1], "2");
    assert_int_equal(a->done + b->done, 2);
    say(&boxes[0], NEXT);
    say(&boxes[1], NEXT);
    assert_int_equal(invoker->environments, 0);
    assert_false(invoker_uses_package(
        invoker, STR("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")));
}

static void
a_function_that_cannot_be_loaded_is_looked_for_again(void **state)
{
    struct call *c;

    world.state = "";
    c = invoke();
    until(&c->done, 1);
    assert_int_equal(c->kind, ERR_NOT_FOUND);
    world.state = "Pending";
    c = invoke();
    until(&c->done, 1);
    assert_int_equal(c->kind, ERR_CONFLICT);
    assert_string_equal(c->error, "The operation cannot be performed at this time. The function is "
                                  "currently in the following state: Pending");
    world.state = "Active";
    world.resolve = ERR_NOT_FOUND;
    c = invoke();
    until(&c->done, 1);
    assert_string_equal(c->error, "python3.12 is not installed: install python3");
    assert_true(c->wire != 0); /* not the same as a function that is not there */
    world.resolve = ERR_NONE;
    c = invoke();
    answer(box_up(0), "1");
    assert_string_equal(c->payload, "1");
}

static void
a_waiter_relies_on_one_that_has_answered(void **state)
{
    struct call *c;
    struct sandbox *sb;

    settings.pool_max = 0;
    (void)invoke();
    sb = box_up(0);
    answer(sb, "1");
    c = invoke(); /* before the runtime has asked for its next one */
    assert_int_equal(boxes_len, 1);
    say(sb, NEXT);
    answer(sb, "2");
    assert_string_equal(c->payload, "2");
}

static void
a_waiter_does_not_rely_for_long(void **state)
{
    settings.pool_max = 0;
    (void)invoke();
    answer(box_up(0), "1"); /* and works on, without asking for more */
    (void)invoke();
    (void)box(1); /* so another is made */
}

/* ---- pools ---- */

static void
a_pool_is_filled_taken_from_and_refilled(void **state)
{
    struct call *c;
    struct sandbox *sb;

    settings.pool_min = settings.pool_max = 1;
    c = invoke();
    sb = box_up(0); /* the first comes before its pool */
    answer(sb, "1");
    sb = box(1);
    assert_string_equal(sb->spec.package, "");
    box_ready(sb);
    say(sb, PREPARED);
    assert_int_equal(pools_ready(invoker), 1);
    c = invoke();
    run_until(is_set, &sb->assigning); /* the first has answered, but does not ask for more */
    sb->events->on_assigned(sb->arg);
    {
        char frame[64];

        turns();
        assert_true(recv(sb->frames, frame, sizeof(frame), MSG_DONTWAIT) > 8);
        assert_int_equal(frame[4], 6); /* ASSIGN */
    }
    say(sb, NEXT);
    answer(sb, "2");
    assert_string_equal(c->payload, "2");
    assert_int_equal(sb->starts, 1);
    (void)box(2); /* the refill */
    box_ready(&boxes[2]);
    say(&boxes[2], PREPARED);
    assert_int_equal(pools_ready(invoker), 1);
}

static void
a_prepared_runtime_that_dies_while_it_is_assigned_is_replaced(void **state)
{
    struct call *c;
    struct sandbox *sb;

    settings.pool_min = settings.pool_max = 1;
    (void)invoke();
    answer(box_up(0), "1");
    sb = box(1);
    box_ready(sb);
    say(sb, PREPARED);
    c = invoke();
    close(TAKE_FD(sb->frames)); /* its socket ends, its exit is told later */
    turns();
    sb->events->on_assigned(sb->arg);
    turns();
    assert_true(sb->destroyed);
    assert_int_equal(c->done, 0);
    for (unsigned i = 2; !c->done; i++) { /* one of the next is started in place */
        struct sandbox *next = box(i);

        if (next->spec.package[0])
            answer(box_up(i), "2");
    }
    assert_string_equal(c->payload, "2");
}

static void
a_pool_that_cannot_start_its_runtimes_counts_right(void **state)
{
    struct call *c;

    settings.pool_min = settings.pool_max = 2;
    c = invoke();
    (void)box(0);
    wrong.start = ERR_INTERNAL;
    answer(box_up(0), "1");
    (void)box(1); /* a generic one was tried */
    turns();
    assert_int_equal(invoker->pools->building, 0);
    assert_int_equal(invoker->pools->failures, 1);
    assert_int_equal(c->done, 1);
}

static void
early_variables_start_in_place(void **state)
{
    settings.pool_min = settings.pool_max = 1;
    world.variables = "{\"PYTHONPATH\":\"/var/task/lib\"}";
    (void)invoke();
    answer(box_up(0), "1");
    box_ready(box(1));
    say(&boxes[1], PREPARED);
    (void)invoke();
    assert_false(boxes[1].assigning);
    answer(box_up(2), "2");
    assert_string_not_equal(boxes[2].spec.package, "");
}

/* ---- stopping ---- */

static void
a_stop_waits_for_what_runs(void **state)
{
    struct call *c = invoke(), *late;
    struct sandbox *sb = box_up(0);

    (void)get_event(sb);
    stop(20000);
    late = invoke();
    assert_int_equal(late->kind, ERR_UNAVAILABLE);
    turns();
    assert_false(idle);
    box_exit(sb, EXIT(1));
    assert_int_equal(c->done, 1);
    run_until(is_set, &idle);
}

static void
a_stop_fails_what_outlives_its_grace(void **state)
{
    struct call *runs = invoke(), *starts, *waits;

    (void)get_event(box_up(0));
    starts = invoke();
    (void)box(1);
    forget_f();
    waits = invoke();
    settings.environments_max = 2;
    linger = true;
    stop(50);
    until(&waits->done, 1);
    assert_int_equal(runs->done + starts->done, 2);
    assert_int_equal(runs->kind, ERR_UNAVAILABLE);
    assert_int_equal(starts->kind, ERR_UNAVAILABLE);
    assert_int_equal(waits->kind, ERR_UNAVAILABLE);
    assert_false(idle); /* the sandboxes are going */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(a_cold_start_is_reported_as_aws_does),
        TEST_CASE(a_warm_start_has_no_init_and_answers_at_once),
        TEST_CASE(the_newest_idle_environment_is_used_first),
        TEST_CASE(whoever_is_free_first_serves_the_first_in_line),
        TEST_CASE(a_large_event_reaches_a_slow_runtime_whole),
        TEST_CASE(a_failed_init_is_tried_again_within_the_invocation),
        TEST_CASE(an_init_that_works_the_second_time_serves),
        TEST_CASE(an_init_that_takes_too_long_is_killed_and_tried_again),
        TEST_CASE(a_timeout_resets_and_the_next_invocation_inits_anew),
        TEST_CASE(a_crash_names_its_exit_status),
        TEST_CASE(an_exit_without_reason_a_signal_and_an_oom_are_told_apart),
        TEST_CASE(an_answer_stands_when_the_runtime_dies_after_it),
        TEST_CASE(a_handler_error_keeps_the_environment),
        TEST_CASE(an_answer_over_6_mb_is_an_error_of_the_function),
        TEST_CASE(a_runtime_that_breaks_the_protocol_is_killed),
        TEST_CASE(a_runtime_that_breaks_the_protocol_while_idle_gets_no_event),
        TEST_CASE(an_idle_environment_is_frozen_then_taken_down),
        TEST_CASE(an_idle_runtime_that_dies_is_started_anew),
        TEST_CASE(an_idle_environment_that_cannot_be_thawed_costs_no_invocation),
        TEST_CASE(an_environment_that_cannot_be_started_is_never_function_not_found),
        TEST_CASE(over_the_concurrency_is_throttled),
        TEST_CASE(a_full_machine_makes_one_wait_then_throttles),
        TEST_CASE(another_functions_idle_environment_makes_room),
        TEST_CASE(one_that_waits_takes_the_room_of_one),
        TEST_CASE(a_sandbox_that_cannot_be_built_fails_one_invocation),
        TEST_CASE(a_runtime_that_cannot_be_started_makes_no_flood_of_sandboxes),
        TEST_CASE(a_sandbox_that_dies_in_each_init_is_not_built_for_ever),
        TEST_CASE(a_lost_spawner_takes_what_runs_and_what_waits_is_served_later),
        TEST_CASE(idle_empty_and_resetting_environments_may_be_lost_too),
        TEST_CASE(a_kill_that_fails_takes_the_environment_down),
        TEST_CASE(a_reset_that_never_ends_is_cut_short),
        TEST_CASE(an_update_lets_what_runs_finish_and_drops_what_idles),
        TEST_CASE(an_update_while_loading_or_starting_serves_who_waits),
        TEST_CASE(a_function_that_cannot_be_loaded_is_looked_for_again),
        TEST_CASE(a_waiter_relies_on_one_that_has_answered),
        TEST_CASE(a_waiter_does_not_rely_for_long),
        TEST_CASE(a_pool_is_filled_taken_from_and_refilled),
        TEST_CASE(a_prepared_runtime_that_dies_while_it_is_assigned_is_replaced),
        TEST_CASE(a_pool_that_cannot_start_its_runtimes_counts_right),
        TEST_CASE(early_variables_start_in_place),
        TEST_CASE(a_stop_waits_for_what_runs),
        TEST_CASE(a_stop_fails_what_outlives_its_grace),
    };

    return cmocka_run_group_tests_name("invoke", tests, NULL, NULL);
}
