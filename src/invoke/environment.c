/* One execution environment: a sandbox, the runtime in it, and the invocation that it serves.
 *
 * Its life (ENV_STATES), after AWS's INIT / INVOKE / reset:
 *
 *   POOLED → ASSIGNING ┐
 *             BUILDING ┴→ INIT ─ok→ IDLE ⇄ BUSY
 *                └─failed→ EMPTY ─assigned→ LATE_INIT ─ok→ BUSY
 *   BUSY, LATE_INIT ─timeout, exit, broken→ RESET → EMPTY       (/tmp survives)
 *   any → GOING → freed in on_gone()
 *
 * A failed INIT is nobody's error yet: the runtime gets a second try inside the invocation that
 * comes next, on that invocation's time ("suppressed init"); what fails there is answered.
 *
 * Surprises: the answer, the exit of the process and its last log bytes reach us through three
 * different fds in any order, so the log pipes are drained before anything is reported. */
#include "invoke/internal.h"
#include "base/log.h"
#include <fcntl.h>
#include <signal.h>
#include <time.h>

static void on_deadline(struct timer *t);

static void
set_error(struct invocation *inv, const char *type, struct str payload)
{
    if (inv->answered)
        return;
    inv->answered = true;
    inv->function_error = true;
    (void)str_copy(inv->error_type, sizeof(inv->error_type), str_of(type)); /* ours all fit */
    buf_reset(&inv->payload);
    buf_str(&inv->payload, payload);
}

static void
set_platform_error(struct invocation *inv, const char *type, const char *what)
{
    char body[512];

    snprintf(body, sizeof(body),
             "{\"errorType\":\"%s\",\"errorMessage\":\"RequestId: %s Error: %s\"}", type,
             inv->request_id, what);
    set_error(inv, type, str_of(body));
}

/* "Runtime exited with error: exit status 1", as AWS words it. */
static void
describe_exit(const struct sandbox_exit *how, char text[240])
{
    if (how->exited && how->code == 0)
        snprintf(text, 240, "Runtime exited without providing a reason");
    else if (how->exited)
        snprintf(text, 240, "Runtime exited with error: exit status %d", how->code);
    else {
        const char *name = sigdescr_np(how->signo);
        char lower[64];

        snprintf(lower, sizeof(lower), "%s", name ? name : "unknown signal");
        if (lower[0] >= 'A' && lower[0] <= 'Z')
            lower[0] = (char)(lower[0] - 'A' + 'a');
        snprintf(text, 240, "Runtime exited with error: signal: %s", lower);
    }
}

/* What the platform calls this end of a runtime, and the text about it. */
static const char *
classify_exit(const struct environment *env, const struct sandbox_exit *how, char text[240])
{
    if (how->why && env->fn->runtime.info->family == RUNTIME_PROVIDED) {
        snprintf(text, 240,
                 "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]");
        return "Runtime.InvalidEntrypoint";
    }
    if (how->why) /* an interpreter that was there when we looked */
        log_event(LOG_sandbox_failed, "fn=%.*s why=\"%s\"", STR_FMT(env->fn->name), how->why->text);
    describe_exit(how, text);
    return how->oom ? "Runtime.OutOfMemory" : "Runtime.ExitError";
}

/* The invocation is over: its last lines, its answer if still owed, then the environment is free.
 */
static void
finish(struct environment *env, const char *status)
{
    struct invocation *inv = env->inv;

    ASSERT(inv && inv->answered);
    if (env->ending)
        env->fn->ending--;
    env->ending = false;
    timer_stop(&env->deadline);
    capture_drain(env->capture, status ? CAPTURE_OVER : CAPTURE_TURN);
    report_end(env, status);
    env->inv = NULL;
    inv->env = NULL;
    if (inv->on_done)
        invocation_tell(inv, NULL);
    invocation_free(inv);
}

static void
answer_now(struct invocation *inv)
{
    inv->env->ending = true;
    inv->fn->ending++;
    if (!inv->want_tail) /* a tail is only complete with its REPORT */
        invocation_tell(inv, NULL);
}

/* No longer on its way up: the function may count it among the built ones. */
static void
started(struct environment *env)
{
    if (env->starting)
        env->fn->starting--;
    env->starting = false;
}

/* ---- starting a runtime ---- */

static int
make_pipe(int ret[2], struct err *err)
{
    if (pipe2(ret, O_CLOEXEC) < 0)
        return err_sys(err, "make a log pipe");
    return 0;
}

/* What this environment's runtime is started with; everything lies in the arena. */
static int
build_start(struct environment *env, struct arena *a, char ***ret_envp, char ***ret_argv,
            struct err *err)
{
    struct runtime_env re = env->fn->env;
    char access_key[24], secret[44], token[132];

    /* Well-formed but worthless: our own services do not check them on loopback. */
    memcpy(access_key, "ASIA", 4);
    random_hex(access_key + 4, 16);
    for (char *c = access_key; *c; c++)
        if (*c >= 'a')
            *c = (char)(*c - 'a' + 'A');
    random_hex(secret, 40);
    random_hex(token, 128);
    re.access_key_id = arena_str(a, str_of(access_key));
    re.secret_access_key = arena_str(a, str_of(secret));
    re.session_token = arena_str(a, str_of(token));
    re.log_stream = str_of(env->log_stream);
    return runtime_env_build(&env->fn->runtime, &re, a, ret_envp, ret_argv, err);
}

/* Pipes for its logs, a socket for its frames, and the process. `generic`: it only prepares. */
static int
start_process(struct environment *env, const struct runtime_choice *rt, char **argv, char **envp,
              bool generic, struct err *err)
{
    AUTO_FD int out_w = -1, log_w = -1, frames = -1;
    int out[2] = {-1, -1}, log[2] = {-1, -1}, rc;

    rc = make_pipe(out, err);
    if (rc >= 0 && rt->frames)
        rc = make_pipe(log, err);
    out_w = out[1];
    log_w = log[1];
    if (rc >= 0)
        rc = capture_open(env->capture, out[0], log[0], err);
    if (rc >= 0 && generic)
        rc = rapi_runtime_prestart(env->runtime, &frames, err);
    else if (rc >= 0)
        rc = rapi_runtime_start(env->runtime, rt->frames ? &frames : NULL, err);
    if (rc >= 0)
        rc = sandbox_start(env->sandbox, argv, envp, out_w, log_w, frames, err);
    if (rc >= 0)
        env->alive = true;
    return rc;
}

static void
init_begins(struct environment *env)
{
    env->init_started_us = clock_us();
    free(env->init_error_body);
    env->init_error_body = NULL;
    env->init_error_type[0] = '\0';
}

static int
start_runtime(struct environment *env, struct err *err)
{
    AUTO(arena_free) struct arena *a = arena_new(1 << 20);
    char **argv, **envp;
    int rc = build_start(env, a, &envp, &argv, err);

    if (rc >= 0)
        rc = start_process(env, &env->fn->runtime, argv, envp, false, err);
    if (rc >= 0)
        init_begins(env);
    return rc;
}

/* ---- the runtime is done for ---- */

/* An invocation is told what its function did, or that we failed. The kinds of errors in between
 * mean something else to its caller: NOT_FOUND a function, THROTTLED a limit. */
static struct err
as_ours(const struct err *why)
{
    struct err ours = *why;

    if (ours.kind != ERR_UNAVAILABLE)
        ours.kind = ERR_INTERNAL;
    return ours;
}

enum { RESET_MAX_US = 5000000 };

/* Kill what is left inside and wait for the exit; then the environment is EMPTY. */
static void
reset(struct environment *env)
{
    struct err err = {0};

    started(env);
    rapi_runtime_stop(env->runtime);
    timer_stop(&env->deadline);
    if (!env->alive) {
        env->state = ENV_EMPTY;
        (void)sandbox_kill(env->sandbox,
                           &err); /* its children; failing, they die with the sandbox */
        place_free(env);
        return;
    }
    env->state = ENV_RESET;
    timer_set(env->invoker->c.loop, &env->deadline, RESET_MAX_US, on_deadline);
    if (sandbox_kill(env->sandbox, &err) < 0) {
        log_event(LOG_sandbox_failed, "step=kill why=\"%s\", taking it down", err.text);
        environment_destroy(env, NULL);
    }
}

/* INIT ended badly; `type` names how. */
static void
init_failed(struct environment *env, const char *status, const char *type)
{
    struct invocation *inv = env->inv;

    capture_drain(env->capture, CAPTURE_OVER);
    report_init_failed(env, env->state == ENV_LATE_INIT ? "invoke" : "init", status, type);
    if (env->state == ENV_LATE_INIT && !inv->answered) {
        if (env->init_error_body)
            set_error(inv, type, str_of(env->init_error_body));
        else
            set_platform_error(inv, type, "Runtime exited without providing a reason");
    }
    if (env->state == ENV_LATE_INIT)
        finish(env, "error");
    reset(env);
}

/* ---- what the runtime says ---- */

static void
on_next(void *arg)
{
    struct environment *env = arg;
    struct err err = {0};

    switch (env->state) {
    case ENV_BUILDING: /* its `next` overtook the sandbox's own ready message */
    case ENV_INIT:
        timer_stop(&env->deadline);
        env->fn->lost = 0;
        env->init_us = clock_us() - env->init_started_us;
        /* INIT runs with all the CPU there is; from here on it is proportional to memory. */
        if (sandbox_set_cpu(env->sandbox, env->fn->memory_mb * 1000 / 1769, &err) < 0)
            log_event(LOG_sandbox_failed, "step=cpu why=\"%s\", going on without", err.text);
        env->state = ENV_IDLE;
        started(env);
        place_free(env);
        break;
    case ENV_LATE_INIT:
        if (sandbox_set_cpu(env->sandbox, env->fn->memory_mb * 1000 / 1769, &err) < 0)
            log_event(LOG_sandbox_failed, "step=cpu why=\"%s\", going on without", err.text);
        env->state = ENV_BUSY;
        rapi_runtime_deliver(env->runtime, &env->inv->event);
        break;
    case ENV_BUSY:
        finish(env, NULL);
        env->state = ENV_IDLE;
        place_free(env);
        break;
    case ENV_POOLED:
    case ENV_ASSIGNING:
    case ENV_IDLE:
    case ENV_EMPTY:
    case ENV_RESET:
    case ENV_GOING:
        break;
    }
}

static void
on_prepared(void *arg)
{
    struct environment *env = arg;

    if (env->state == ENV_POOLED && !env->pooled) {
        timer_stop(&env->deadline);
        pool_ready(env);
    }
}

static void
on_response(void *arg, struct str content_type, struct str payload)
{
    struct environment *env = arg;
    struct invocation *inv = env->inv;

    if (env->state != ENV_BUSY)
        return;
    inv->answered = true;
    buf_reset(&inv->payload);
    buf_str(&inv->payload, payload);
    answer_now(inv);
}

static void
on_error(void *arg, struct str type, struct str body)
{
    struct environment *env = arg;

    if (env->state != ENV_BUSY)
        return;
    env->inv->answered = true;
    env->inv->function_error = true;
    buf_reset(&env->inv->payload);
    buf_str(&env->inv->payload, body);
    answer_now(env->inv);
}

enum { INIT_EXIT_GRACE_US = 1000000 };

static void
on_init_error(void *arg, struct str type, struct str body)
{
    struct environment *env = arg;

    if (env->state != ENV_INIT && env->state != ENV_BUILDING && env->state != ENV_LATE_INIT)
        return;
    free(env->init_error_body);
    env->init_error_body = xstrndup(body.at, body.len);
    (void)str_copy(env->init_error_type, sizeof(env->init_error_type), type);
    /* It exits by itself, after its last log lines; one that doesn't is killed soon. */
    timer_set(env->invoker->c.loop, &env->deadline, INIT_EXIT_GRACE_US, on_deadline);
}

static void
on_broken(void *arg, const char *why)
{
    struct environment *env = arg;
    struct err err = {0};

    log_event(LOG_environment_reset, "fn=%.*s why=\"%s\"",
              STR_FMT(env->fn ? env->fn->name : STR("-")), why);
    if (env->state ==
        ENV_IDLE) { /* user code may write there at any time: nothing may be given to it */
        place_unidle(env);
        reset(env);
        return;
    }
    if (sandbox_kill(env->sandbox, &err) <
        0) /* else its exit is reported and answered as any other */
        environment_destroy(env, &err);
}

static const struct rapi_events runtime_events = {
    .on_next = on_next,
    .on_response = on_response,
    .on_error = on_error,
    .on_init_error = on_init_error,
    .on_broken = on_broken,
    .on_prepared = on_prepared,
};

/* ---- deadlines ---- */

static void
on_deadline(struct timer *t)
{
    struct environment *env = CONTAINER_OF(t, struct environment, deadline);
    struct invocation *inv = env->inv;
    struct err err = {0};
    char text[160], stamp[40];
    uint64_t wall = clock_wall_ms();
    time_t s = (time_t)(wall / 1000);
    struct tm tm;

    if (env->state == ENV_POOLED || env->state == ENV_ASSIGNING || env->state == ENV_RESET) {
        err_set(&err, ERR_INTERNAL, "nothing came of a sandbox within %s",
                env->state == ENV_RESET ? "the time to kill what ran in it"
                                        : "the time to start it");
        log_event(LOG_sandbox_failed, "why=\"%s\", taking it down", err.text);
        environment_destroy(env, env->state == ENV_RESET ? NULL : &err);
        return;
    }
    if (env->init_error_body && env->state != ENV_BUSY) { /* reported its error, but stays */
        if (sandbox_kill(env->sandbox, &err) < 0)         /* else its exit is reported next */
            environment_destroy(env, &err);
        return;
    }
    if (env->state == ENV_BUILDING || env->state == ENV_INIT) {
        capture_drain(env->capture, CAPTURE_OVER);
        report_init_failed(env, "init", "timeout", NULL);
        reset(env);
        return;
    }
    if (env->state != ENV_BUSY && env->state != ENV_LATE_INIT)
        return;
    capture_drain(env->capture, CAPTURE_OVER);
    gmtime_r(&s, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    if (!inv->answered) {
        snprintf(text, sizeof(text), "Task timed out after %llu.%02llu seconds",
                 (unsigned long long)(env->fn->timeout_ms / 1000),
                 (unsigned long long)(env->fn->timeout_ms % 1000 / 10));
        set_platform_error(inv, "Sandbox.Timedout", text);
        inv->error_type[0] = '\0'; /* REPORT says Status: timeout and no more */
    }
    snprintf(text, sizeof(text), "%s.%03uZ %s Task timed out after %llu.%02llu seconds\n", stamp,
             (unsigned)(wall % 1000), inv->request_id,
             (unsigned long long)(env->fn->timeout_ms / 1000),
             (unsigned long long)(env->fn->timeout_ms % 1000 / 10));
    report_line(env, (int64_t)wall, str_of(text));
    if (env->state == ENV_LATE_INIT)
        report_init_failed(env, "invoke", "timeout", NULL);
    log_event(LOG_environment_reset, "fn=%.*s req=%s why=timeout", STR_FMT(env->fn->name),
              inv->request_id);
    finish(env, "timeout");
    reset(env);
}

/* Two steps of being idle: frozen soon, taken down much later. */
static void
on_idle_due(struct timer *t)
{
    struct environment *env = CONTAINER_OF(t, struct environment, idle);
    const struct settings *s = env->invoker->c.settings;
    uint64_t rested_ms = (loop_now_us(env->invoker->c.loop) - env->idle_since_us) / 1000;
    struct err err = {0};

    if (rested_ms >= (uint64_t)s->reclaim_ms) {
        log_event(LOG_environment_reclaim, "fn=%.*s why=idle", STR_FMT(env->fn->name));
        environment_destroy(env, NULL);
        return;
    }
    if (!env->frozen) {
        if (sandbox_freeze(env->sandbox, &err) < 0) {
            log_event(LOG_sandbox_failed, "step=freeze why=\"%s\", taking it down", err.text);
            environment_destroy(env, NULL);
            return;
        }
        env->frozen = true;
        env->invoker->frozen_len++;
    }
    timer_set(env->invoker->c.loop, &env->idle, ((uint64_t)s->reclaim_ms - rested_ms) * 1000,
              on_idle_due);
}

void
environment_rest(struct environment *env)
{
    const struct settings *s = env->invoker->c.settings;

    env->idle_since_us = loop_now_us(env->invoker->c.loop);
    timer_set(env->invoker->c.loop, &env->idle, (uint64_t)MIN(s->freeze_ms, s->reclaim_ms) * 1000,
              on_idle_due);
}

static int
thaw(struct environment *env, struct err *err)
{
    int rc;

    if (!env->frozen)
        return 0;
    rc = sandbox_thaw(env->sandbox, err);
    env->frozen = false;
    env->invoker->frozen_len--;
    return rc;
}

bool
environment_assign(struct environment *env, struct invocation *inv)
{
    struct err err = {0};
    bool empty = env->state == ENV_EMPTY;
    uint64_t timeout_us = env->fn->timeout_ms * 1000;

    ASSERT(env->state == ENV_IDLE || env->state == ENV_EMPTY);
    timer_stop(&env->idle);
    env->inv = inv;
    inv->env = env;
    inv->started_us = clock_us();
    inv->event.deadline_ms = clock_wall_ms() + env->fn->timeout_ms;
    env->state = empty ? ENV_LATE_INIT : ENV_BUSY;
    if (thaw(env, &err) < 0 || (empty && sandbox_set_cpu(env->sandbox, 0, &err) < 0) ||
        (empty && start_runtime(env, &err) < 0)) {
        log_event(LOG_sandbox_failed, "step=assign why=\"%s\", using another", err.text);
        env->inv = NULL;
        inv->env = NULL;
        environment_destroy(env, NULL);
        return false;
    }
    report_start(env);
    timer_set(env->invoker->c.loop, &env->deadline, timeout_us, on_deadline);
    if (!empty)
        rapi_runtime_deliver(env->runtime, &inv->event);
    return true;
}

/* ---- what the sandbox says ---- */

static void
on_ready(void *arg, int listener_fd)
{
    struct environment *env = arg;
    struct err err = {0};

    if (env->state == ENV_BUILDING)
        env->state = ENV_INIT;
    if (rapi_runtime_listen(env->runtime, listener_fd, &err) < 0) {
        log_event(LOG_sandbox_failed, "step=listen why=\"%s\"", err.text);
        environment_destroy(env, &err);
    } else if (env->state == ENV_POOLED && !env->pool->runtime.frames) {
        timer_stop(&env->deadline);
        pool_ready(env); /* nothing of a custom runtime can start before its code is there */
    }
}

/* The code is in place: the generic environment becomes the function's. */
static void
on_assigned(void *arg)
{
    struct environment *env = arg;
    AUTO(arena_free) struct arena *a = NULL;
    char **argv, **envp;
    struct err err = {0};
    int rc;

    if (env->state != ENV_ASSIGNING)
        return;
    env->state = ENV_INIT;
    if (!env->fn->runtime.frames) {
        uint64_t began_us = env->init_started_us;

        rc = start_runtime(env, &err);
        env->init_started_us = began_us;
    } else {
        a = arena_new(1 << 20);
        rc = build_start(env, a, &envp, &argv, &err);
        if (rc >= 0)
            rc = rapi_runtime_assign(env->runtime, envp, &err);
    }
    if (rc < 0)
        environment_destroy(env, &err);
}

static void
on_exit_process(void *arg, const struct sandbox_exit *how)
{
    struct environment *env = arg;
    struct invocation *inv = env->inv;
    char what[240], text[400];
    const char *type;

    if (env->state == ENV_GOING) /* as was asked; a generic one has no function to speak of */
        return;
    if (env->state == ENV_POOLED || env->state == ENV_ASSIGNING) { /* an interpreter of ours died */
        struct err why = {0};

        env->alive = false;
        /* Once taken it is still no fault of the function's: another is tried. */
        err_set(&why, env->state == ENV_POOLED ? ERR_INTERNAL : ERR_UNAVAILABLE,
                "a prepared runtime ended by itself");
        environment_destroy(env, &why);
        return;
    }
    env->alive = false;
    type = classify_exit(env, how, what);
    log_event(LOG_runtime_exit, "fn=%.*s how=\"%s\" oom=%d", STR_FMT(env->fn->name), what,
              how->oom);
    switch (env->state) {
    case ENV_BUILDING:
    case ENV_INIT:
    case ENV_LATE_INIT:
        capture_drain(env->capture, CAPTURE_OVER);
        if (env->init_error_body && env->init_error_type[0])
            type = env->init_error_type;
        if (!env->init_error_body) {
            const char *id = inv ? inv->request_id : "";

            /* AWS names the request only when there is one. */
            if (inv) {
                snprintf(text, sizeof(text), "RequestId: %s Error: %s\n%s\n", id, what, type);
                report_line(env, (int64_t)clock_wall_ms(), str_of(text));
                set_platform_error(inv, type, what);
            }
        }
        init_failed(env, "error", type);
        break;
    case ENV_BUSY:
        capture_drain(env->capture, CAPTURE_OVER);
        snprintf(text, sizeof(text), "RequestId: %s Error: %s\n%s\n", inv->request_id, what, type);
        report_line(env, (int64_t)clock_wall_ms(), str_of(text));
        set_platform_error(inv, type, what);
        if (!inv->error_type[0])
            (void)str_copy(inv->error_type, sizeof(inv->error_type), str_of(type));
        finish(env, "error");
        reset(env);
        break;
    case ENV_RESET:
        timer_stop(&env->deadline);
        capture_drain(env->capture, CAPTURE_OVER);
        env->state = ENV_EMPTY;
        place_free(env);
        break;
    case ENV_IDLE: /* something it left running took it down; the next invocation inits anew */
        rapi_runtime_stop(env->runtime);
        env->state = ENV_EMPTY;
        break;
    case ENV_POOLED:
    case ENV_ASSIGNING:
    case ENV_EMPTY:
    case ENV_GOING:
        break;
    }
}

static void
free_environment(struct environment *env)
{
    if (env->frozen)
        env->invoker->frozen_len--;
    timer_stop(&env->deadline);
    timer_stop(&env->idle);
    capture_free(env->capture);
    rapi_runtime_free(env->runtime);
    free(env->init_error_body);
    if (env->all_prev)
        env->all_prev->all_next = env->all_next;
    else
        env->invoker->all = env->all_next;
    if (env->all_next)
        env->all_next->all_prev = env->all_prev;
    if (env->state == ENV_GOING)
        env->invoker->going--;
    env->invoker->environments--;
    free(env);
}

/* A generic one that never had a function. */
static void
generic_gone(struct environment *env, const struct err *why)
{
    struct invoker *v = env->invoker;

    if (env->state == ENV_POOLED)                             /* by itself: nobody destroyed it */
        pool_lost(env, !why || why->kind != ERR_UNAVAILABLE); /* a lost spawner is not its fault */
    if (why)
        log_event(LOG_sandbox_failed, "step=pool why=\"%s\"", why->text);
    free_environment(env);
    place_room(v);
}

static void
on_gone(void *arg, const struct err *why)
{
    struct environment *env = arg;
    struct function *fn = env->fn;
    struct err lost = {0}; /* only one on its way up was awaited by somebody */

    if (!fn) {
        generic_gone(env, why);
        return;
    }
    if (why)
        log_event(LOG_sandbox_failed, "fn=%.*s why=\"%s\"", STR_FMT(fn->name), why->text);
    if (env->inv && !env->inv->answered) {
        if (why) {
            struct err ours = as_ours(why);

            invocation_tell(env->inv, &ours);
        } else { /* its init was killed from outside: to the caller, the runtime was */
            set_platform_error(env->inv, "Runtime.ExitError",
                               "Runtime exited with error: signal: killed");
        }
        env->inv->answered = true;
    }
    if (env->inv)
        finish(env, "error");
    if (env->starting && env->failure.kind)
        lost = as_ours(&env->failure);
    else if (env->starting && why)
        lost = as_ours(why);
    else if (env->starting && env->state != ENV_GOING)
        err_set(&lost, ERR_INTERNAL, "the sandbox was killed while it was being built");
    if (env->state == ENV_IDLE || env->state == ENV_EMPTY)
        place_unidle(env);
    started(env);
    fn->environments--;
    free_environment(env);
    place_gone(fn, lost.kind ? &lost : NULL);
}

static const struct sandbox_events sandbox_events_table = {
    .on_ready = on_ready,
    .on_exit = on_exit_process,
    .on_gone = on_gone,
    .on_assigned = on_assigned,
};

static void
on_log(void *arg, int64_t time_ms, struct str text)
{
    struct environment *env = arg;

    if (str_ends(text, STR("\n"))) /* a framed record brings the line's end, a line does not */
        text.len--;
    if (env->fn) /* what an interpreter says before it has a function is nobody's log */
        report_line(env, time_ms, text);
}

static void
name_log_stream(struct environment *env)
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    char hex[33], day[16];
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(day, sizeof(day), "%Y/%m/%d", &tm);
    random_hex(hex, 32);
    snprintf(env->log_stream, sizeof(env->log_stream), "%s/[%.*s]%s", day,
             STR_FMT(env->fn->version), hex);
}

static struct sandbox_spec
spec_of(const struct function *fn)
{
    struct sandbox_spec spec = {
        .memory_mb = fn->memory_mb,
        .tmp_mb = fn->tmp_mb,
        .pids_max = (uint32_t)fn->invoker->c.settings->pids_max,
    };

    memcpy(spec.package, fn->package, sizeof(spec.package));
    (void)str_copy(spec.runtime, sizeof(spec.runtime),
                   str_of(fn->runtime.folder)); /* ours, short */
    return spec;
}

/* The sandbox and what we hold beside it; `env->state` is set. NULL: err is set. */
static struct environment *
make(struct invoker *v, const struct sandbox_spec *spec, enum env_state state, struct err *err)
{
    struct environment *env = xcalloc(1, sizeof(*env));

    env->invoker = v;
    env->state = state;
    env->capture = capture_new(v->c.loop, on_log, env);
    env->runtime = rapi_runtime_new(v->c.rapi, &runtime_events, env);
    if (sandbox_new(v->c.spawner, spec, &sandbox_events_table, env, &env->sandbox, err) < 0) {
        capture_free(env->capture);
        rapi_runtime_free(env->runtime);
        free(env);
        return NULL;
    }
    env->all_next = v->all;
    if (v->all)
        v->all->all_prev = env;
    v->all = env;
    v->environments++;
    return env;
}

/* From now on it is fn's: on its way up, and counted. */
static void
belong(struct environment *env, struct function *fn)
{
    env->fn = fn;
    function_ref(fn);
    env->starting = true;
    fn->starting++;
    fn->environments++;
    fn->invoker->stats.cold_starts++;
    name_log_stream(env);
    report_init_start(env);
    init_begins(env);
    timer_set(fn->invoker->c.loop, &env->deadline,
              (uint64_t)fn->invoker->c.settings->init_ms * 1000, on_deadline);
}

struct environment *
environment_new(struct function *fn, struct err *err)
{
    struct environment *env = pool_take(fn);
    struct sandbox_spec spec = spec_of(fn);
    int rc;

    if (env) {
        env->state = ENV_ASSIGNING;
        belong(env, fn);
        rc = sandbox_assign(env->sandbox, &spec, err);
    } else {
        env = make(fn->invoker, &spec, ENV_BUILDING, err);
        if (!env)
            return NULL;
        belong(env, fn);
        rc = start_runtime(env, err);
    }
    if (rc < 0) { /* on_gone tells whoever waits */
        environment_destroy(env, err);
        err_clear(err);
    }
    return env;
}

enum { GENERIC_MAX_US = 30000000 };

struct environment *
environment_new_generic(struct pool *p, struct err *err)
{
    struct invoker *v = p->invoker;
    AUTO(arena_free) struct arena *a = arena_new(1 << 20);
    /* Limits as wide as they get; the function's own come with its code. */
    struct sandbox_spec spec = {
        .memory_mb = 10240, .tmp_mb = 512, .pids_max = (uint32_t)v->c.settings->pids_max};
    struct runtime_env re = {.memory_mb = 10240, .runtime_api = STR("127.0.0.1:9001")};
    struct environment *env;
    char **argv, **envp, **waiting;
    size_t n = 0;
    int rc = 0;

    (void)str_copy(spec.runtime, sizeof(spec.runtime), str_of(p->runtime.folder));
    env = make(v, &spec, ENV_POOLED, err);
    if (!env)
        return NULL;
    env->pool = p;
    if (p->runtime.frames) {
        rc = runtime_env_build(&p->runtime, &re, a, &envp, &argv, err);
        if (rc >= 0) {
            while (argv[n])
                n++;
            waiting = ARENA_ARRAY(a, char *, n + 2);
            ASSERT(waiting);
            memcpy(waiting, argv, n * sizeof(*argv));
            waiting[n] = (char[]){"wait"}; /* the bootstrap: prepare, then wait for ASSIGN */
            rc = start_process(env, &p->runtime, waiting, envp, true, err);
        }
    }
    p->building++; /* which pool_ready() or pool_lost() takes back */
    if (rc < 0) {
        environment_destroy(env, err);
        return NULL;
    }
    timer_set(v->c.loop, &env->deadline, GENERIC_MAX_US, on_deadline);
    return env;
}

void
environment_destroy(struct environment *env, const struct err *why)
{
    struct invocation *inv = env->inv;

    if (env->state == ENV_GOING)
        return;
    if (env->state == ENV_POOLED)
        pool_lost(env, why && why->kind != ERR_UNAVAILABLE);
    if (inv && !inv->answered) {
        struct err ours = {0};

        if (why)
            ours = as_ours(why);
        else
            err_set(&ours, ERR_INTERNAL, "the environment was taken down");
        invocation_tell(inv, &ours);
        inv->answered = true;
    }
    if (inv)
        finish(env, "error");
    if (env->state == ENV_IDLE || env->state == ENV_EMPTY)
        place_unidle(env);
    if (why && env->starting)
        env->failure = *why; /* and it counts as starting until it is gone, else another would be
                                started, to fail alike, before its waiter was told */
    else
        started(env);
    env->state = ENV_GOING;
    env->invoker->going++;
    timer_stop(&env->deadline);
    timer_stop(&env->idle);
    rapi_runtime_stop(env->runtime);
    sandbox_destroy(env->sandbox);
}
