/* Admission and placement.
 *
 * An invocation takes the most recently used idle environment of its version: one hot environment
 * is faster than many lukewarm ones, and the others get old enough to be reclaimed. Without an idle
 * one it waits, and a new environment is started for it; whichever becomes free first serves the
 * first in line. When the machine is full, the least recently used idle environment of anybody
 * makes room.
 *
 * Bounds: the account's concurrency (running and waiting together, 429 above), the machine's
 * environments (bounded wait, then 429), the memory floor. */
#include "invoke/internal.h"
#include "base/log.h"
#include "gen/lambda.h"
#include <fcntl.h>

enum { PRESSURE_EVERY_US = 1000000, GOING_MAX_US = 5000000 };

/* ---- invocations ---- */

void
invocation_tell(struct invocation *inv, const struct err *error)
{
    struct invoke_result result = {
        .error = error,
        .function_error = inv->function_error,
        .payload = buf_view(&inv->payload),
        .version = inv->fn->version,
        .tail = inv->want_tail ? buf_view(&inv->tail) : STR_NULL,
        .trace_id = str_of(inv->trace_id),
    };
    void (*on_done)(void *arg, const struct invoke_result *result) = inv->on_done;

    if (!on_done)
        return;
    inv->on_done = NULL;
    inv->event.payload = STR_NULL; /* the caller's memory may go now */
    inv->event.client_context = STR_NULL;
    if (inv->function_error && !error)
        inv->fn->invoker->stats.errors++;
    on_done(inv->arg, &result);
}

static void
check_stopped(struct invoker *v)
{
    if (v->stopping && v->inflight == 0 && v->environments == 0 && v->on_idle) {
        void (*on_idle)(void *arg) = v->on_idle;

        v->on_idle = NULL;
        timer_stop(&v->grace);
        timer_stop(&v->pressure);
        on_idle(v->on_idle_arg);
    }
}

void
invocation_free(struct invocation *inv)
{
    struct invoker *v = inv->fn->invoker;

    ASSERT(!inv->on_done);
    timer_stop(&inv->queue_timer);
    function_unref(inv->fn);
    buf_done(&inv->payload);
    buf_done(&inv->tail);
    free(inv->function_arn);
    if (inv->all_prev)
        inv->all_prev->all_next = inv->all_next;
    else
        v->invocations = inv->all_next;
    if (inv->all_next)
        inv->all_next->all_prev = inv->all_prev;
    free(inv);
    v->inflight--;
    check_stopped(v);
}

static void
throttle(struct invocation *inv, const char *why)
{
    struct err err = {0};

    inv->fn->invoker->stats.throttles++;
    err_set(&err, ERR_THROTTLED, "%s", why);
    invocation_tell(inv, &err);
    invocation_free(inv);
}

static void
remove_waiter(struct function *fn, struct invocation *inv)
{
    struct invocation **at = &fn->waiters, *before = NULL;

    while (*at != inv) {
        before = *at;
        at = &(*at)->next;
    }
    *at = inv->next;
    if (fn->waiters_tail == inv)
        fn->waiters_tail = before;
    fn->waiting--;
}

static void
on_waited_long(struct timer *t)
{
    struct invocation *inv = CONTAINER_OF(t, struct invocation, queue_timer);

    /* Environments on their way up are progress: only a full machine is a reason to give up. */
    if (inv->fn->starting > 0 || inv->fn->state == FN_LOADING) {
        timer_set(inv->fn->invoker->c.loop, t,
                  (uint64_t)inv->fn->invoker->c.settings->queue_ms * 1000, on_waited_long);
        return;
    }
    remove_waiter(inv->fn, inv);
    throttle(inv, "ConcurrentInvocationLimitExceeded");
}

/* A version-1 trace header of our own: not sampled. */
static void
make_trace(char *at, size_t size)
{
    char root[25], parent[17];

    random_hex(root, 24);
    random_hex(parent, 16);
    snprintf(at, size, "Root=1-%08llx-%s;Parent=%s;Sampled=0",
             (unsigned long long)(clock_wall_ms() / 1000), root, parent);
}

void
invoke_start(struct invoker *v, const struct invoke_request *in,
             void (*on_done)(void *arg, const struct invoke_result *result), void *arg)
{
    struct function *fn;
    struct invocation *inv;
    struct err err = {0};

    if (v->stopping) {
        err_set(&err, ERR_UNAVAILABLE, "Lambent is stopping");
        on_done(arg, &(struct invoke_result){.error = &err});
        return;
    }
    fn = function_get(v, in->account, in->region, in->name, in->version);
    inv = xcalloc(1, sizeof(*inv));
    inv->fn = fn;
    inv->on_done = on_done;
    inv->arg = arg;
    inv->want_tail = in->want_tail;
    inv->payload = BUF_MAX(RAPI_RESPONSE_MAX + 4096);
    inv->tail = BUF_MAX(4 * TAIL_MAX);
    ASSERT(str_copy(inv->request_id, sizeof(inv->request_id), str_of(in->request_id)));
    if (!in->trace_id.len || !str_copy(inv->trace_id, sizeof(inv->trace_id), in->trace_id))
        make_trace(inv->trace_id, sizeof(inv->trace_id));
    inv->function_arn = xstrndup(in->function_arn.at, in->function_arn.len);
    inv->event = (struct rapi_invocation){
        .request_id = inv->request_id,
        .function_arn = str_of(inv->function_arn),
        .trace_id = str_of(inv->trace_id),
        .client_context = in->client_context,
        .payload = in->payload,
    };
    inv->all_next = v->invocations;
    if (v->invocations)
        v->invocations->all_prev = inv;
    v->invocations = inv;
    v->inflight++;
    v->stats.invocations++;
    if (fn->state == FN_BROKEN) {
        err = fn->why;
        invocation_tell(inv, &err);
        invocation_free(inv);
        return;
    }
    if (v->inflight > (uint64_t)v->c.settings->concurrency) {
        throttle(inv, "ConcurrentInvocationLimitExceeded");
        return;
    }
    if (fn->state == FN_READY && fn->idle && !fn->waiters) {
        struct environment *env = fn->idle;

        place_unidle(env);
        if (environment_assign(env, inv))
            return;
    }
    if (fn->waiters)
        fn->waiters_tail->next = inv;
    else
        fn->waiters = inv;
    fn->waiters_tail = inv;
    fn->waiting++;
    timer_set(v->c.loop, &inv->queue_timer, (uint64_t)v->c.settings->queue_ms * 1000,
              on_waited_long);
    place_pump(fn);
}

/* ---- the idle lists ---- */

static void
lru_remove(struct invoker *v, struct environment *env)
{
    if (env->lru_prev)
        env->lru_prev->lru_next = env->lru_next;
    else
        v->lru = env->lru_next;
    if (env->lru_next)
        env->lru_next->lru_prev = env->lru_prev;
    else
        v->lru_tail = env->lru_prev;
    env->lru_prev = env->lru_next = NULL;
}

void
place_unidle(struct environment *env)
{
    struct function *fn = env->fn;

    if (env->prev)
        env->prev->next = env->next;
    else
        fn->idle = env->next;
    if (env->next)
        env->next->prev = env->prev;
    env->prev = env->next = NULL;
    lru_remove(fn->invoker, env);
    fn->invoker->idle_len--;
}

static void
serve_starving(struct invoker *v)
{
    unsigned turns = 0;

    for (struct function *f = v->starving; f; f = f->starving_next)
        turns++;
    while (turns-- > 0 && v->starving) {
        struct function *fn = v->starving;

        v->starving = fn->starving_next;
        if (!v->starving)
            v->starving_tail = NULL;
        fn->starving_next = NULL;
        fn->starving = false;
        place_pump(fn); /* joins the end of the line again if there still is no room */
        function_unref(fn);
    }
}

static struct invocation *
take_waiter(struct function *fn)
{
    struct invocation *inv = fn->waiters;

    if (!inv)
        return NULL;
    fn->waiters = inv->next;
    if (!fn->waiters)
        fn->waiters_tail = NULL;
    inv->next = NULL;
    fn->waiting--;
    timer_stop(&inv->queue_timer);
    return inv;
}

/* The environment it was taken off the line for turned out to be useless: it is first again. */
static void
put_back(struct function *fn, struct invocation *inv)
{
    inv->next = fn->waiters;
    fn->waiters = inv;
    if (!inv->next)
        fn->waiters_tail = inv;
    fn->waiting++;
    timer_set(fn->invoker->c.loop, &inv->queue_timer,
              (uint64_t)fn->invoker->c.settings->queue_ms * 1000, on_waited_long);
}

void
place_free(struct environment *env)
{
    struct function *fn = env->fn;
    struct invoker *v = fn->invoker;
    struct invocation *inv = take_waiter(fn);

    if (inv && environment_assign(env, inv))
        return;
    if (inv) {
        put_back(fn, inv);
        place_pump(fn);
        return;
    }
    env->next = fn->idle;
    if (fn->idle)
        fn->idle->prev = env;
    fn->idle = env;
    env->lru_prev = v->lru_tail;
    if (v->lru_tail)
        v->lru_tail->lru_next = env;
    else
        v->lru = env;
    v->lru_tail = env;
    v->idle_len++;
    if (fn->stale || v->stopping) { /* nobody will want it again */
        environment_destroy(env, NULL);
        return;
    }
    environment_rest(env);
    if (v->starving)
        serve_starving(v);
}

/* ---- new environments ---- */

static uint64_t
memory_available_mb(void)
{
    char text[512];
    const char *at;
    AUTO_FD int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (n <= 0)
        return UINT64_MAX;
    text[n] = '\0';
    at = strstr(text, "MemAvailable:");
    return at ? strtoull(at + 13, NULL, 10) / 1024 : UINT64_MAX;
}

/* Take down what is least missed: a generic environment, else the least recently used idle one;
 * false if there is none. */
static bool
make_room(struct invoker *v, const char *why)
{
    if (pool_make_room(v))
        return true;
    if (!v->lru)
        return false;
    log_event(LOG_environment_reclaim, "fn=%.*s why=%s", STR_FMT(v->lru->fn->name), why);
    environment_destroy(v->lru, NULL);
    return true;
}

static void
on_pressure(struct timer *t)
{
    struct invoker *v = CONTAINER_OF(t, struct invoker, pressure);
    unsigned goes = v->idle_len / 10 + 1;

    if (memory_available_mb() < (uint64_t)v->c.settings->memory_floor_mb)
        while (goes-- > 0 && make_room(v, "memory"))
            ;
    if (v->environments > 0)
        timer_set(v->c.loop, &v->pressure, PRESSURE_EVERY_US, on_pressure);
}

static void
starve(struct function *fn)
{
    struct invoker *v = fn->invoker;

    if (fn->starving)
        return;
    fn->starving = true;
    function_ref(fn);
    if (v->starving_tail)
        v->starving_tail->starving_next = fn;
    else
        v->starving = fn;
    v->starving_tail = fn;
}

static void
fail_waiters(struct function *fn, const struct err *why)
{
    struct invocation *inv;
    struct err told = *why;

    while ((inv = take_waiter(fn))) {
        invocation_tell(inv, &told);
        invocation_free(inv);
    }
}

/* A client that calls again at once is often faster than a runtime that still has to ask for its
 * next invocation: a moment's patience saves an environment. Not more, for the runtime may as well
 * go on working after its answer. */
enum { HURRY_AFTER_US = 5000 };

static void
on_hurry(struct timer *t)
{
    struct function *fn = CONTAINER_OF(t, struct function, hurry);

    fn->hurried = true;
    place_pump(fn); /* whoever waits keeps it alive, and nobody waits no more than that */
}

/* Environments that will serve a waiter without our doing. */
static unsigned
coming(struct function *fn)
{
    if (fn->waiting == 0)
        fn->hurried = false;
    if (fn->ending == 0 || fn->hurried)
        return fn->starting;
    if (fn->waiting > fn->starting && !fn->hurry.loop)
        timer_set(fn->invoker->c.loop, &fn->hurry, HURRY_AFTER_US, on_hurry);
    return fn->starting + fn->ending;
}

void
place_pump(struct function *fn)
{
    struct invoker *v = fn->invoker;

    if (fn->state != FN_READY)
        return;
    function_ref(fn);
    while (fn->waiters && fn->idle) {
        struct environment *env = fn->idle;
        struct invocation *inv = take_waiter(fn);

        place_unidle(env);
        if (!environment_assign(env, inv))
            put_back(fn, inv);
    }
    while (fn->waiting > coming(fn)) {
        struct err err = {0};

        if (v->environments >= (unsigned)v->c.settings->environments_max) {
            if (v->going < fn->waiting - fn->starting) /* else what goes already is enough */
                (void)make_room(v, "room"); /* its end (or any other's) comes back to us */
            starve(fn);
            break;
        }
        if (!environment_new(fn, &err)) {
            if (err.kind == ERR_UNAVAILABLE || err.kind == ERR_THROTTLED)
                starve(fn); /* the spawner is coming back, or is full */
            else
                fail_waiters(fn, &err);
            break;
        }
        if (!v->pressure.loop)
            timer_set(v->c.loop, &v->pressure, PRESSURE_EVERY_US, on_pressure);
    }
    function_unref(fn);
}

void
place_room(struct invoker *v)
{
    if (v->starving)
        serve_starving(v);
    check_stopped(v);
}

void
place_gone(struct function *fn, const struct err *why)
{
    struct invoker *v = fn->invoker;

    /* A lost spawner takes all that it was making, once: those are made again. A function whose
     * sandbox is lost each time is told so. */
    if (why && (why->kind != ERR_UNAVAILABLE || ++fn->lost > 2 * fn->waiting)) {
        struct invocation *inv = take_waiter(fn);
        struct err told = *why;

        if (inv) { /* one environment was to serve one invocation */
            invocation_tell(inv, &told);
            invocation_free(inv);
        }
    }
    place_pump(fn);
    function_unref(fn);
    place_room(v);
}

/* ---- the invoker ---- */

struct invoker *
invoker_new(const struct invoker_config *config)
{
    struct invoker *v = xcalloc(1, sizeof(*v));

    v->c = *config;
    pthread_mutex_init(&v->packages_lock, NULL);
    return v;
}

void
invoke_prepare(struct invoker *v, struct str account, struct str region, struct str name,
               uint32_t version)
{
    if (!v->stopping)
        function_unref(function_get(v, account, region, name, version));
}

void
invoke_prepare_runtime(struct invoker *v, struct str id)
{
    struct runtime_choice choice;
    struct err ignored = {0}; /* whoever invokes such a function is told */

    if (runtime_resolve(id, &choice, &ignored) >= 0)
        pool_prepare(v, &choice);
}

void
invoke_forget(struct invoker *v, struct str account, struct str region, struct str name)
{
    function_forget(v, account, region, name);
}

void
invoker_spawner_ready(struct invoker *v)
{
    if (v->starving)
        serve_starving(v);
}

/* The spawner has not taken everything down: it dies with the process, and the rest with it. */
static void
on_going_over(struct timer *t)
{
    struct invoker *v = CONTAINER_OF(t, struct invoker, grace);
    void (*on_idle)(void *arg) = v->on_idle;

    v->on_idle = NULL;
    timer_stop(&v->pressure);
    if (on_idle)
        on_idle(v->on_idle_arg);
}

/* All that is left fails now, whoever waits included. */
static void
on_grace_over(struct timer *t)
{
    struct invoker *v = CONTAINER_OF(t, struct invoker, grace);
    struct err why = {0};

    err_set(&why, ERR_UNAVAILABLE, "Lambent stopped before the invocation was done");
    timer_set(v->c.loop, t, GOING_MAX_US, on_going_over);
    for (struct invocation *inv = v->invocations, *next; inv; inv = next) {
        next = inv->all_next;
        if (inv->env)
            continue; /* with its environment, below */
        remove_waiter(inv->fn, inv);
        invocation_tell(inv, &why);
        invocation_free(inv);
    }
    for (struct environment *env = v->all; env; env = env->all_next)
        environment_destroy(env, &why); /* it is freed later, in on_gone() */
}

void
invoker_stop(struct invoker *v, uint64_t grace_ms, void (*idle)(void *arg), void *arg)
{
    v->stopping = true;
    v->on_idle = idle;
    v->on_idle_arg = arg;
    pools_stop(v);
    while (v->lru)
        environment_destroy(v->lru, NULL);
    timer_set(v->c.loop, &v->grace, grace_ms * 1000, on_grace_over);
    check_stopped(v);
}

void
invoker_free(struct invoker *v)
{
    struct function *fn, *next;

    if (!v)
        return;
    HASH_ITER (hh, v->functions, fn, next) {
        HASH_DEL(v->functions, fn);
        if (fn->refs == 1) /* after a grace that ran out, the rest is the process's end */
            function_unref(fn);
    }
    pools_free(v);
    pthread_mutex_destroy(&v->packages_lock);
    free(v);
}

struct invoker_stats
invoker_stats(const struct invoker *v)
{
    struct invoker_stats s = v->stats;

    s.environments = v->environments;
    s.idle = v->idle_len;
    s.frozen = v->frozen_len;
    s.running = v->inflight;
    s.pooled = pools_ready(v);
    return s;
}
