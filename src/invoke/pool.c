/* Generic environments, made ahead: a sandbox without code and, for managed runtimes, an
 * interpreter that has its bootstrap loaded and waits to be told which function it is. What is slow
 * about a cold start (namespaces, control groups, starting an interpreter) then lies off the path
 * of the request; what is left is mounting the code and importing the handler.
 *
 * One pool per interpreter, made when the first function that needs it is loaded. Its size follows
 * demand: it grows with the environments taken in a second, and shrinks back to `pool_min` when
 * none are. It is refilled a moment after something was taken, so that building does not compete
 * with the invocation that emptied it. Under memory pressure pools go first: they serve nobody yet.
 *
 * A function whose own variables must be there when its interpreter starts (NODE_OPTIONS,
 * LD_PRELOAD …) cannot use a generic one and is started in place. */
#include "invoke/internal.h"
#include "base/log.h"

enum {
    REFILL_AFTER_US = 5000,
    TICK_US = 1000000,
    BUILDING_MAX = 4,
    FAILURES_MAX = 5,
    REST_TICKS = 60
};

/* Read by the dynamic linker, the C library or an interpreter before our bootstrap gets a word. */
static const char *const early_prefixes[] = {
    "LD_",  "NODE_",    "PYTHON",  "MALLOC_",     "GLIBC_", "GCONV_", "LC_",  "UV_",
    "V8_",  "OPENSSL_", "SSL_",    "RUBY",        "GEM_",   "JAVA_",  "LANG", "TZ",
    "RES_", "LOCPATH",  "NLSPATH", "HOSTALIASES", "TMPDIR", "PATH",   "HOME"};

static bool
starts_in_place(const struct function *fn)
{
    for (size_t i = 0; i < fn->env.variables_len; i++) {
        struct str name = fn->env.variables[i].name;

        if (str_is(name, "AWS_LAMBDA_EXEC_WRAPPER"))
            return true;
        for (size_t k = 0; k < ARRAY_LEN(early_prefixes); k++)
            if (str_starts(name, str_of(early_prefixes[k])))
                return fn->runtime.frames; /* without an interpreter nothing has started early */
    }
    return false;
}

static unsigned
wanted(const struct pool *p)
{
    const struct settings *s = p->invoker->c.settings;
    unsigned want = MAX(p->target, (unsigned)MIN(s->pool_min, s->pool_max));

    if (p->invoker->stopping || p->failures >= FAILURES_MAX)
        return 0;
    return MIN(want, (unsigned)s->pool_max);
}

static void on_refill(struct timer *t);

static void
refill_soon(struct pool *p)
{
    if (!p->refill.loop && p->ready_len + p->building < wanted(p))
        timer_set(p->invoker->c.loop, &p->refill, REFILL_AFTER_US, on_refill);
}

static void
on_refill(struct timer *t)
{
    struct pool *p = CONTAINER_OF(t, struct pool, refill);
    struct invoker *v = p->invoker;

    while (p->ready_len + p->building < wanted(p) && p->building < BUILDING_MAX) {
        struct err err = {0};

        /* Never at the expense of an environment that somebody waits for. */
        if (v->starving || v->environments + 1 >= (unsigned)v->c.settings->environments_max)
            return;
        if (!environment_new_generic(p, &err)) {
            log_event(LOG_sandbox_failed, "step=pool why=\"%s\", trying again", err.text);
            return; /* the tick tries again */
        }
    }
}

static void
on_tick(struct timer *t)
{
    struct invoker *v = CONTAINER_OF(t, struct invoker, pool_tick);
    struct pool *p, *next;

    HASH_ITER (hh, v->pools, p, next) {
        unsigned demand = 2 * p->taken;

        p->taken = 0;
        if (p->failures >= FAILURES_MAX && ++p->rested >= REST_TICKS) {
            p->failures = FAILURES_MAX - 1; /* one more try a minute */
            p->rested = 0;
        }
        if (demand >= p->target)
            p->target = demand;
        else
            p->target -= (p->target - demand + 7) / 8; /* forgets in about half a minute */
        while (p->ready_len > wanted(p) + BUILDING_MAX)
            environment_destroy(p->ready, NULL);
        refill_soon(p);
    }
    if (v->pools && !v->stopping)
        timer_set(v->c.loop, &v->pool_tick, TICK_US, on_tick);
}

void
pool_prepare(struct invoker *v, const struct runtime_choice *runtime)
{
    char key[RUNTIME_PATH_MAX + 64];
    struct pool *p;
    int n = snprintf(key, sizeof(key), "%s:%s", runtime->folder, runtime->interpreter);

    if (v->c.settings->pool_max == 0 || v->stopping)
        return;
    HASH_FIND(hh, v->pools, key, (size_t)n, p);
    if (!p) {
        p = xcalloc(1, sizeof(*p));
        p->invoker = v;
        p->key = xstrndup(key, (size_t)n);
        p->runtime = *runtime;
        HASH_ADD_KEYPTR(hh, v->pools, p->key, (size_t)n, p);
        if (!v->pool_tick.loop)
            timer_set(v->c.loop, &v->pool_tick, TICK_US, on_tick);
    }
    refill_soon(p);
}

struct environment *
pool_take(struct function *fn)
{
    char key[RUNTIME_PATH_MAX + 64];
    struct environment *env;
    struct pool *p;
    int n = snprintf(key, sizeof(key), "%s:%s", fn->runtime.folder, fn->runtime.interpreter);

    HASH_FIND(hh, fn->invoker->pools, key, (size_t)n, p);
    if (!p)
        return NULL;
    p->taken++;
    if (starts_in_place(fn))
        return NULL;
    env = p->ready;
    if (env) {
        pool_remove(env);
        env->pool = NULL;
    }
    refill_soon(p); /* after: it counts what is left */
    return env;
}

void
pool_ready(struct environment *env)
{
    struct pool *p = env->pool;

    ASSERT(!env->pooled);
    p->building--;
    p->failures = 0;
    env->pooled = true;
    env->next = p->ready;
    if (p->ready)
        p->ready->prev = env;
    p->ready = env;
    p->ready_len++;
    refill_soon(p);
}

void
pool_remove(struct environment *env)
{
    struct pool *p = env->pool;

    ASSERT(env->pooled);
    if (env->prev)
        env->prev->next = env->next;
    else
        p->ready = env->next;
    if (env->next)
        env->next->prev = env->prev;
    env->prev = env->next = NULL;
    env->pooled = false;
    p->ready_len--;
}

void
pool_lost(struct environment *env, bool failed)
{
    struct pool *p = env->pool;

    if (env->pooled)
        pool_remove(env);
    else
        p->building--;
    if (failed && ++p->failures == FAILURES_MAX)
        log_event(LOG_sandbox_failed,
                  "step=pool runtime=%s why=\"%d in a row failed\", going on without",
                  p->runtime.interpreter, FAILURES_MAX);
}

bool
pool_make_room(struct invoker *v)
{
    struct pool *p, *next;

    HASH_ITER (hh, v->pools, p, next) {
        if (p->ready) {
            p->target = 0;
            environment_destroy(p->ready, NULL);
            return true;
        }
    }
    return false;
}

unsigned
pools_ready(const struct invoker *v)
{
    unsigned n = 0;

    for (struct pool *p = v->pools; p; p = p->hh.next)
        n += p->ready_len;
    return n;
}

void
pools_stop(struct invoker *v)
{
    struct pool *p, *next;

    timer_stop(&v->pool_tick);
    HASH_ITER (hh, v->pools, p, next) {
        timer_stop(&p->refill);
        while (p->ready)
            environment_destroy(p->ready, NULL);
    }
}

void
pools_free(struct invoker *v)
{
    struct pool *p, *next;

    timer_stop(&v->pool_tick);
    HASH_ITER (hh, v->pools, p, next) {
        timer_stop(&p->refill);
        HASH_DEL(v->pools, p);
        free(p->key);
        free(p);
    }
}
