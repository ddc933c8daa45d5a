/* Running functions: find the version, admit, place on an environment, deliver, report. Every
 * source of events (the API today; queues, URLs, schedules later) is a caller of invoke_start() and
 * knows nothing of sandboxes.
 *
 * Thread: loop. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/settings.h"
#include "loop/loop.h"

struct invoker;
struct spawner;
struct store;
struct rapi;
struct log_writer;

/* What a caller asks for. All borrowed until on_done was called. */
struct invoke_request {
    struct str account, region, name;
    uint32_t version;        /* 0: $LATEST */
    struct str function_arn; /* as invoked, with the qualifier if there was one */
    const char *request_id;
    struct str payload;        /* valid JSON */
    struct str client_context; /* JSON, or absent */
    struct str trace_id;       /* absent: made here */
    bool want_tail;
};

/* Borrowed: valid during on_done. */
struct invoke_result {
    const struct err *error; /* NULL: the function ran. Kinds: NOT_FOUND, CONFLICT (state),
                                THROTTLED (wire holds the reason), INTERNAL, UNAVAILABLE */
    bool function_error;     /* payload is an error object */
    struct str payload;
    struct str version;  /* that ran: "$LATEST" or a number */
    struct str tail;     /* last 4 KB of the invocation's log, if wanted */
    struct str trace_id; /* as handed to the runtime */
};

/* on_done is called exactly once, possibly before this returns. */
void invoke_start(struct invoker *v, const struct invoke_request *in,
                  void (*on_done)(void *arg, const struct invoke_result *result), void *arg);

/* The store's rows of this function changed: later invocations see them; environments of the old
 * ones finish what they run and go. */
void invoke_forget(struct invoker *v, struct str account, struct str region, struct str name);

/* It is likely to be invoked soon: load it, and have a generic environment ready for its runtime.
 */
void invoke_prepare(struct invoker *v, struct str account, struct str region, struct str name,
                    uint32_t version);

/* The same for a runtime's identifier alone; one that can't be run here is passed over. */
void invoke_prepare_runtime(struct invoker *v, struct str id);

struct invoker_config {
    struct loop *loop;
    const struct settings *settings; /* borrowed, may be reloaded between callbacks */
    struct store *store;
    struct spawner *spawner;
    struct rapi *rapi;
    struct log_writer *logs;
};
struct invoker *invoker_new(const struct invoker_config *config);
/* The spawner is able (again) / lost all sandboxes. */
void invoker_spawner_ready(struct invoker *v);
/* Refuse new invocations; `idle(arg)` once none runs and every environment is gone. Running ones
 * get up to grace_ms, then they fail. */
void invoker_stop(struct invoker *v, uint64_t grace_ms, void (*idle)(void *arg), void *arg);
void invoker_free(struct invoker *v); /* after `idle` */

struct invoker_stats {
    unsigned running, environments, idle, frozen, pooled;
    uint64_t invocations, cold_starts, errors, throttles;
};
struct invoker_stats invoker_stats(const struct invoker *v);
/* Whether a loaded function uses this package: it must not be swept. Thread: any. */
bool invoker_uses_package(void *invoker, struct str sha256_hex);
