/* What the files of invoke/ share: a version of a function with its environments and waiters
 * (struct function), one environment, one invocation. See README.md for who owns what.
 *
 *   invoker ── functions (by key) ──┬── environments: idle (last in, first out) | others
 *                                   └── waiters: invocations without an environment, in order
 */
#pragma once

#include "invoke/invoke.h"
#include "observe/capture.h"
#include "observe/log_writer.h"
#include "rapi/rapi.h"
#include "rapi/runtimes.h"
#include "sandbox/sandbox.h"
#include <pthread.h>
#include <uthash.h>

struct function;
struct pool;
struct environment;
struct invocation;

enum { TAIL_MAX = 4096, REQUEST_ID_MAX = UUID_LEN };

/* ---- function.c: one version as the invoke path needs it; immutable once loaded ---- */

enum function_state { FN_LOADING, FN_READY, FN_BROKEN };

struct function {
    unsigned refs; /* the table, each environment, each invocation */
    char *key;     /* "account:region:name:version" */
    enum function_state state;
    struct err why; /* FN_BROKEN */
    bool stale;     /* forgotten: no new invocations, idle environments go */
    struct invoker *invoker;
    struct arena *arena; /* everything below */
    struct str account, region, name, version, handler, runtime_id;
    uint32_t version_number;
    struct str log_group, log_format;
    uint32_t memory_mb, tmp_mb;
    uint64_t timeout_ms;
    char package[SHA256_HEX_LEN + 1];
    struct runtime_choice runtime;
    struct runtime_env
        env; /* template; the log stream and credentials are each environment's own */

    struct environment *idle; /* newest first: the hottest is reused */
    struct invocation *waiters, *waiters_tail;
    unsigned waiting, starting, environments;
    unsigned ending;    /* environments that have answered and are about to ask for the next one */
    struct timer hurry; /* how long a waiter relies on those */
    bool hurried;
    unsigned lost; /* environments that went while they were made, since one was ready */
    bool starving; /* in invoker->starving: has waiters, machine is full */
    struct function *starving_next;
    struct work work; /* loading */
    UT_hash_handle hh;
    struct function *all_prev, *all_next; /* in invoker->loaded, stale ones included */
};

/* The cached version, loading it when need be; a reference for the caller. */
struct function *function_get(struct invoker *v, struct str account, struct str region,
                              struct str name, uint32_t version);
void function_ref(struct function *fn);
void function_unref(struct function *fn);
void function_forget(struct invoker *v, struct str account, struct str region, struct str name);

/* ---- invocation: from invoke_start to its last log line ---- */

struct invocation {
    struct function *fn; /* a reference */
    struct environment *env;
    struct invocation *next;                /* among the function's waiters */
    struct invocation *all_prev, *all_next; /* in invoker->invocations */
    struct timer queue_timer;
    void (*on_done)(void *arg, const struct invoke_result *result); /* NULL once called */
    void *arg;
    char request_id[REQUEST_ID_MAX + 1];
    char trace_id[256];
    char *function_arn;
    struct rapi_invocation event; /* borrows the caller's payload until on_done */
    bool want_tail;
    uint64_t started_us; /* START */
    /* the answer, kept until it may be told */
    bool answered, function_error;
    struct buf payload;
    char error_type[64]; /* for REPORT; "" on success */
    struct buf tail;
};

/* Tell the caller; the answer is in inv (or `error`). */
void invocation_tell(struct invocation *inv, const struct err *error);
void invocation_free(struct invocation *inv);

/* ---- environment.c: one sandbox and the runtime inside it ---- */

/* clang-format off */
#define ENV_STATES(S)                                                                  \
    S(POOLED)   /* generic, in a pool: being made, or ready for a function */          \
    S(ASSIGNING)/* it has its function; its code is being mounted */                   \
    S(BUILDING) /* sandbox asked for; the runtime's start is queued behind it */       \
    S(INIT)     /* runtime loads the handler, on nobody's time */                      \
    S(IDLE)     /* runtime waits in next; in fn->idle */                               \
    S(EMPTY)    /* no runtime (init failed, reset); in fn->idle: the next one inits */ \
    S(LATE_INIT)/* initialising within an invocation, on its time */                   \
    S(BUSY)     /* has an invocation */                                                \
    S(RESET)    /* everything in it was killed; its exit is awaited */                 \
    S(GOING)    /* being taken down */
/* clang-format on */
enum env_state {
#define S(state) ENV_##state,
    ENV_STATES(S)
#undef S
};

struct environment {
    struct invoker *invoker;
    struct function *fn; /* a reference; NULL in a pool */
    struct pool *pool;   /* in POOLED */
    bool pooled;         /* ready, in pool->ready */
    enum env_state state;
    struct sandbox *sandbox;
    struct rapi_runtime *runtime;
    struct capture *capture;
    struct invocation *inv;
    struct timer deadline; /* of init or invocation */
    struct timer idle;     /* freeze, then reclaim */
    uint64_t idle_since_us;
    uint64_t init_started_us, init_us; /* init_us: told in the first REPORT, then 0 */
    bool frozen, alive;                /* alive: a runtime process is there */
    bool starting;                     /* counted in fn->starting */
    bool ending;                       /* counted in fn->ending */
    struct err failure;                /* why it could not be built */
    char *init_error_body;             /* what the runtime said of its failed init */
    char init_error_type[64];
    char log_stream[128];
    /* in fn->idle, or pool->ready */
    struct environment *prev, *next;
    /* in invoker->lru: idle ones, least recently used first */
    struct environment *lru_prev, *lru_next;
    /* in invoker->all */
    struct environment *all_prev, *all_next;
};

/* Build one for fn and start its runtime. NULL: err is set. */
struct environment *environment_new(struct function *fn, struct err *err);
/* A generic one for the pool; pool_ready() or pool_lost() follows. NULL: err is set. */
struct environment *environment_new_generic(struct pool *p, struct err *err);
/* Give an idle or empty one an invocation. False: it turned out to be useless and is going; the
 * invocation is nobody's and has not begun. */
bool environment_assign(struct environment *env, struct invocation *inv);
/* It became idle: freeze it soon, take it down much later. */
void environment_rest(struct environment *env);
/* Take down an environment that serves nobody, or fail what it serves with `why`. */
void environment_destroy(struct environment *env, const struct err *why);

/* ---- pool.c: generic environments, ready for any function of one interpreter ---- */

struct pool {
    struct invoker *invoker;
    char *key; /* folder and interpreter */
    struct runtime_choice runtime;
    struct environment *ready; /* newest first */
    unsigned ready_len, building;
    unsigned target;   /* by demand */
    unsigned taken;    /* since the last tick, and those asked for in vain */
    unsigned failures; /* to build, in a row */
    unsigned rested;   /* ticks since they were too many */
    struct timer refill;
    UT_hash_handle hh;
};

/* A function with this runtime is about to be used: have a pool for it. */
void pool_prepare(struct invoker *v, const struct runtime_choice *runtime);
/* One that fn may have, or NULL. */
struct environment *pool_take(struct function *fn);
void pool_ready(struct environment *env);
void pool_remove(struct environment *env);
/* It is gone before it was taken. */
void pool_lost(struct environment *env, bool failed);
/* Take down one that nobody uses; false if there is none. */
bool pool_make_room(struct invoker *v);
unsigned pools_ready(const struct invoker *v);
void pools_stop(struct invoker *v);
void pools_free(struct invoker *v);

/* ---- invoke.c: placement; environments tell it ---- */

struct invoker {
    struct invoker_config c;
    struct function *functions; /* uthash */
    struct pool *pools;         /* uthash */
    struct timer pool_tick;
    struct function *loaded;       /* all that live: `functions`, and stale ones still in use */
    pthread_mutex_t packages_lock; /* guards `loaded` and their packages */
    struct environment *all;
    struct invocation *invocations;
    struct environment *lru, *lru_tail;
    struct function *starving, *starving_tail;
    unsigned environments, inflight, idle_len, frozen_len;
    unsigned going; /* of environments: being taken down, their room comes soon */
    struct timer pressure;
    bool stopping;
    struct timer grace;
    void (*on_idle)(void *arg);
    void *on_idle_arg;
    struct invoker_stats stats;
};

/* A free environment (IDLE or EMPTY): serve a waiter, or rest. */
void place_free(struct environment *env);
/* It left the idle list (assigned or going). */
void place_unidle(struct environment *env);
/* It is gone for good; `why`: it could not even be built. */
void place_gone(struct function *fn, const struct err *why);
/* An environment that was nobody's is gone: others may have its place. */
void place_room(struct invoker *v);
/* Serve waiters of fn: idle ones first, then new environments. */
void place_pump(struct function *fn);

/* ---- report.c: AWS's log lines ---- */
void report_line(struct environment *env, int64_t time_ms, struct str text);
void report_init_start(struct environment *env);
void report_init_failed(struct environment *env, const char *phase, const char *status,
                        const char *error_type);
void report_start(struct environment *env);
/* END and REPORT; status NULL (success), "timeout" or "error". */
void report_end(struct environment *env, const char *status);
