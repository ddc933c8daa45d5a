/* The invoker on a loop, with everything below it played by the test: sandboxes come up, run and
 * die when the test says so; runtimes speak real frames over the socket that they were started
 * with; the store has one document; log lines are kept in memory. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "invoke/internal.h"
#include "store/store.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <regex.h>
#include <signal.h>
#include <sys/socket.h>

enum { BOXES_MAX = 64, LINES_MAX = 512, CALLS_MAX = 64 };
#define REQUEST_ID "8476a536-e9f4-11e8-9739-2dfe598c3f%02x"

static struct loop *loop;
static struct rapi *rapi;
static struct invoker *invoker;
static struct settings settings;

/* ---- what the store and the runtimes table say ---- */

static struct {
    const char *state; /* "" : no such function */
    unsigned timeout_s, loads;
    const char *variables; /* JSON */
    enum err_kind resolve;
    bool frames;
} world;

int
txn_begin(struct store *st, bool writing, struct txn **ret, struct err *err)
{
    return 0;
}

void
txn_end(struct txn *t)
{
}

int
store_function_get(struct txn *t, struct arena *a, struct str account, struct str region,
                   struct str name, uint32_t version, struct function_row *ret, struct err *err)
{
    world.loads++;
    if (!world.state[0])
        return err_set(err, ERR_NOT_FOUND, "no function");
    *ret = (struct function_row){
        .account = account,
        .region = region,
        .name = name,
        .doc =
            arena_fmt(a,
                      "{\"FunctionName\":\"%.*s\",\"Runtime\":\"python3.12\",\"Handler\":\"a.b\","
                      "\"MemorySize\":128,\"Timeout\":%u,\"State\":\"%s\","
                      "\"Environment\":{\"Variables\":%s}}",
                      STR_FMT(name), world.timeout_s, world.state, world.variables),
        .package = STR("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")};
    return 0;
}

int
runtime_resolve(struct str id, struct runtime_choice *ret, struct err *err)
{
    static const struct runtime_info info = {
        STR("python3.12"), RUNTIME_PYTHON, 312, "python:3.12.v1", "", "", ""};

    if (world.resolve)
        return err_set(err, world.resolve, "python3.12 is not installed: install python3");
    *ret = (struct runtime_choice){.info = &info,
                                   .frames = world.frames,
                                   .folder = "python",
                                   .exact = true,
                                   .interpreter = "/usr/bin/python3",
                                   .version_label = info.label,
                                   .version_sha256 = "00ff"};
    return 0;
}

int
runtime_env_build(const struct runtime_choice *rt, const struct runtime_env *in, struct arena *a,
                  char ***ret_envp, char ***ret_argv, struct err *err)
{
    static char *envp[] = {(char *)"A=1", NULL}, *argv[] = {(char *)"/usr/bin/python3", NULL};

    *ret_envp = envp;
    *ret_argv = argv;
    return 0;
}

/* ---- the log ---- */

static struct {
    char *at[LINES_MAX];
    size_t len;
} lines;

void
log_writer_add(struct log_writer *l, struct str account, struct str region, struct str group,
               struct str stream, int64_t time_ms, struct str message)
{
    assert_true(lines.len < LINES_MAX);
    assert_true(str_is(group, "/aws/lambda/f"));
    lines.at[lines.len++] = xstrndup(message.at, message.len);
}

static bool
like(const char *text, const char *pattern)
{
    regex_t re;
    bool good;

    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    good = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return good;
}

#define assert_like(text, pattern)                                                                 \
    do {                                                                                           \
        if (!like((text), (pattern)))                                                              \
            fail_msg("'%s' is not like '%s'", (text), (pattern));                                  \
    } while (0)

/* How many lines of the log are like this. */
static inline unsigned
logged(const char *pattern)
{
    unsigned n = 0;

    for (size_t i = 0; i < lines.len; i++)
        n += like(lines.at[i], pattern);
    return n;
}

/* ---- sandboxes ---- */

struct sandbox {
    const struct sandbox_events *events;
    void *arg;
    struct sandbox_spec spec;
    int listener, frames, out;
    unsigned starts, kills;
    bool assigning, running, frozen, destroyed, gone;
};

static struct sandbox boxes[BOXES_MAX];
static unsigned boxes_len;
/* What goes wrong; ERR_NONE: nothing. */
static struct {
    enum err_kind make, start, kill, freeze, thaw, assign;
} wrong;
static bool linger; /* a destroyed sandbox goes only when the test says so */

static int
maybe(enum err_kind kind, const char *what, struct err *err)
{
    return kind ? err_set(err, kind, "cannot %s", what) : 0;
}

static void
box_close(struct sandbox *sb)
{
    if (sb->frames >= 0)
        close(TAKE_FD(sb->frames));
    if (sb->out >= 0)
        close(TAKE_FD(sb->out));
}

static void
box_gone(struct sandbox *sb, enum err_kind kind)
{
    struct err why = {0};

    if (sb->gone)
        return;
    if (kind)
        err_set(&why, kind, "the sandbox came to an end");
    sb->gone = true;
    box_close(sb);
    sb->events->on_gone(sb->arg, kind ? &why : NULL);
    close(TAKE_FD(sb->listener));
}

static void
post_gone(void *arg)
{
    box_gone(arg, ERR_NONE);
}

int
sandbox_new(struct spawner *sp, const struct sandbox_spec *spec,
            const struct sandbox_events *events, void *arg, struct sandbox **ret, struct err *err)
{
    struct sandbox *sb = &boxes[boxes_len];

    if (maybe(wrong.make, "make", err) < 0)
        return -(int)err->kind;
    assert_true(boxes_len < BOXES_MAX);
    boxes_len++;
    *sb = (struct sandbox){.events = events, .arg = arg, .spec = *spec, .frames = -1, .out = -1};
    sb->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(sb->listener >= 0);
    assert_int_equal(listen(sb->listener, 8), 0);
    *ret = sb;
    return 0;
}

int
sandbox_assign(struct sandbox *sb, const struct sandbox_spec *spec, struct err *err)
{
    sb->spec = *spec;
    sb->assigning = true;
    return maybe(wrong.assign, "assign", err);
}

int
sandbox_start(struct sandbox *sb, char *const argv[], char *const envp[], int out_fd, int log_fd,
              int frames_fd, struct err *err)
{
    if (maybe(wrong.start, "start", err) < 0)
        return -(int)err->kind;
    assert_false(sb->destroyed);
    box_close(sb);
    sb->starts++;
    sb->running = true;
    sb->out = fcntl(out_fd, F_DUPFD_CLOEXEC, 0);
    if (frames_fd >= 0)
        sb->frames = fcntl(frames_fd, F_DUPFD_CLOEXEC, 0);
    return 0;
}

int
sandbox_kill(struct sandbox *sb, struct err *err)
{
    sb->kills++;
    return maybe(wrong.kill, "kill", err);
}

int
sandbox_freeze(struct sandbox *sb, struct err *err)
{
    if (maybe(wrong.freeze, "freeze", err) < 0)
        return -(int)err->kind;
    sb->frozen = true;
    return 0;
}

int
sandbox_thaw(struct sandbox *sb, struct err *err)
{
    if (maybe(wrong.thaw, "thaw", err) < 0)
        return -(int)err->kind;
    sb->frozen = false;
    return 0;
}

int
sandbox_set_cpu(struct sandbox *sb, uint32_t cpu_permille, struct err *err)
{
    return 0;
}

uint64_t
sandbox_memory_peak(const struct sandbox *sb)
{
    return 39u << 20;
}

void
sandbox_destroy(struct sandbox *sb)
{
    if (sb->destroyed || sb->gone)
        return;
    sb->destroyed = true;
    if (!linger)
        loop_post(loop, post_gone, sb);
}

/* ---- running the loop ---- */

#include "../run_loop.h"

static bool
turned(void *arg)
{
    return --*(int *)arg < 0;
}

static void
on_nothing(struct timer *t)
{
    timer_set(loop, t, 0, on_nothing);
}

/* Enough rounds for all that is ready to be done. */
static inline void
turns(void)
{
    struct timer t = {0};
    int n = 12;

    timer_set(loop, &t, 0, on_nothing);
    run_until(turned, &n);
    timer_stop(&t);
}

static bool
reached(void *arg)
{
    unsigned **pair = arg;

    return *pair[0] >= *pair[1];
}

/* Until a counter is there (it may be there already). */
static inline void
until(unsigned *count, unsigned wanted)
{
    unsigned *pair[] = {count, &wanted};

    run_until(reached, pair);
}

/* ---- invocations ---- */

struct call {
    unsigned done;
    enum err_kind kind;
    uint32_t wire;
    char error[240], payload[600], version[16], tail[4200];
    bool function_error;
    size_t payload_len;
};
static struct call calls[CALLS_MAX];
static unsigned calls_len;

static void
on_done(void *arg, const struct invoke_result *result)
{
    struct call *c = arg;

    assert_int_equal(c->done, 0); /* exactly once */
    c->done++;
    if (result->error) {
        c->kind = result->error->kind;
        c->wire = result->error->wire;
        snprintf(c->error, sizeof(c->error), "%s", result->error->text);
        return;
    }
    c->function_error = result->function_error;
    c->payload_len = result->payload.len;
    snprintf(c->payload, sizeof(c->payload), "%.*s", (int)MIN(result->payload.len, (size_t)599),
             result->payload.at);
    (void)str_copy(c->version, sizeof(c->version), result->version);
    (void)str_copy(c->tail, sizeof(c->tail), result->tail);
}

static inline struct call *
invoke_with(const char *payload, bool tail)
{
    struct call *c = &calls[calls_len];
    char id[UUID_LEN + 1];
    struct invoke_request in = {.account = STR("000000000000"),
                                .region = STR("us-east-1"),
                                .name = STR("f"),
                                .function_arn =
                                    STR("arn:aws:lambda:us-east-1:000000000000:function:f"),
                                .request_id = id,
                                .payload = str_of(payload),
                                .want_tail = tail};

    assert_true(calls_len < CALLS_MAX);
    snprintf(id, sizeof(id), REQUEST_ID, calls_len++);
    memset(c, 0, sizeof(*c));
    invoke_start(invoker, &in, on_done, c);
    return c;
}

static inline struct call *
invoke(void)
{
    return invoke_with("{}", false);
}

static inline void
forget_f(void)
{
    invoke_forget(invoker, STR("000000000000"), STR("us-east-1"), STR("f"));
}

/* Until a sandbox of this number was asked for. */
static inline struct sandbox *
box(unsigned n)
{
    until(&boxes_len, n + 1);
    return &boxes[n];
}

/* ---- the runtime's side ---- */

enum { NEXT = 2, RESPONSE = 3, ERROR = 4, INIT_ERROR = 5, PREPARED = 7 };

static inline void
put_frame(struct sandbox *sb, int type, const char *const *fields, size_t fields_len,
          struct str body)
{
    AUTO_BUF struct buf b = BUF_MAX(16 << 20);
    uint32_t len;

    buf_add(&b, "\0\0\0\0\0\0\0\0", 8);
    for (size_t i = 0; i < fields_len; i++) {
        len = (uint32_t)strlen(fields[i]);
        buf_add(&b, &len, 4);
        buf_z(&b, fields[i]);
    }
    buf_str(&b, body);
    len = (uint32_t)b.len - 8;
    memcpy(b.at, &len, 4);
    b.at[4] = (char)type;
    for (size_t at = 0; at < b.len;) { /* a large one needs the other side to read */
        ssize_t n = send(sb->frames, b.at + at, b.len - at, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0)
            turns();
        else
            at += (size_t)n;
    }
    turns();
}

static inline void
say(struct sandbox *sb, int type)
{
    put_frame(sb, type, NULL, 0, STR(""));
}

/* Read the event that it was given, and return the request's id. */
static inline const char *
get_event(struct sandbox *sb)
{
    static char id[UUID_LEN + 1], frame[8192];
    ssize_t n;

    turns();
    n = recv(sb->frames, frame, sizeof(frame), MSG_DONTWAIT);
    if (n < 24 + UUID_LEN)
        fail_msg("there is no event (%zd bytes)", n);
    assert_int_equal(frame[4], 1);
    memcpy(id, frame + 20, UUID_LEN); /* header 8, deadline 8, length 4 */
    return id;
}

static inline bool
has_event(struct sandbox *sb)
{
    char c;

    turns();
    return recv(sb->frames, &c, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
}

static inline void
answer(struct sandbox *sb, const char *body)
{
    const char *fields[] = {get_event(sb), "application/json"};

    put_frame(sb, RESPONSE, fields, 2, str_of(body));
}

static inline void
box_ready(struct sandbox *sb)
{
    sb->events->on_ready(sb->arg, sb->listener);
}

static inline void
box_exit(struct sandbox *sb, struct sandbox_exit how)
{
    sb->running = false;
    box_close(sb);
    sb->events->on_exit(sb->arg, &how);
    turns();
}

#define EXIT(status) ((struct sandbox_exit){.exited = true, .code = (status)})
#define KILLED ((struct sandbox_exit){.signo = SIGKILL})

/* From asked for to waiting in next. */
static inline struct sandbox *
box_up(unsigned n)
{
    struct sandbox *sb = box(n);

    box_ready(sb);
    say(sb, NEXT);
    return sb;
}

/* ---- fixture ---- */

static bool idle;

static void
on_stopped(void *arg)
{
    idle = true;
}

static inline void
stop(uint64_t grace_ms)
{
    invoker_stop(invoker, grace_ms, on_stopped, NULL);
}

static inline int
setup(void **state)
{
    struct err err = {0};

    loop = loop_new(1, 64);
    assert_int_equal(rapi_new(loop, 1000, &rapi, &err), 0);
    memset(&settings, 0, sizeof(settings));
    settings.environments_max = 20;
    settings.concurrency = 30;
    settings.init_ms = 20000;
    settings.freeze_ms = 600000;
    settings.reclaim_ms = 600000;
    settings.queue_ms = 20000;
    settings.pids_max = 64;
    memset(&world, 0, sizeof(world));
    world.state = "Active";
    world.timeout_s = 20;
    world.variables = "{}";
    world.frames = true;
    memset(&wrong, 0, sizeof(wrong));
    boxes_len = calls_len = 0;
    linger = idle = false;
    invoker =
        invoker_new(&(struct invoker_config){.loop = loop, .settings = &settings, .rapi = rapi});
    return 0;
}

/* Every test ends in an orderly stop, after which nothing may be left. */
static inline int
teardown(void **state)
{
    linger = false;
    memset(&wrong, 0, sizeof(wrong));
    if (!invoker->stopping)
        stop(0);
    for (unsigned i = 0; i < boxes_len; i++)
        if (boxes[i].destroyed && !boxes[i].gone)
            loop_post(loop, post_gone, &boxes[i]);
    run_until(is_set, &idle);
    for (unsigned i = 0; i < calls_len; i++)
        assert_int_equal(calls[i].done, 1);
    for (unsigned i = 0; i < boxes_len; i++)
        assert_true(boxes[i].gone);
    assert_int_equal(invoker->inflight, 0);
    assert_int_equal(invoker->environments, 0);
    assert_int_equal(invoker->idle_len, 0);
    assert_int_equal(invoker->frozen_len, 0);
    assert_int_equal(invoker->going, 0);
    assert_int_equal(pools_ready(invoker), 0);
    assert_null(invoker->all);
    assert_null(invoker->invocations);
    assert_null(invoker->lru);
    assert_null(invoker->lru_tail);
    assert_null(invoker->starving);
    for (struct pool *p = invoker->pools; p; p = p->hh.next)
        assert_int_equal(p->building, 0);
    for (struct function *fn = invoker->loaded; fn; fn = fn->all_next) {
        assert_int_equal(fn->waiting, 0);
        assert_int_equal(fn->starting, 0);
        assert_int_equal(fn->environments, 0);
        assert_int_equal(fn->refs, 1); /* the table's */
    }
    invoker_free(invoker);
    rapi_free(rapi);
    loop_free(loop);
    while (lines.len > 0)
        free(lines.at[--lines.len]);
    return 0;
}

#define TEST_CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
