/* The Runtime API: one state machine per execution environment, spoken to over HTTP
 * (/2018-06-01/runtime/…, on the listener inside the sandbox) or over frames (docs/PROTOCOL.md, a
 * socketpair that managed runtimes inherit). Whoever calls is known from the connection: there is
 * nothing to spoof.
 *
 * Thread: loop. Callbacks may call every function here except rapi_runtime_free(). */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"

struct rapi;
struct rapi_runtime;

/* 6 MB and 100 bytes: what AWS lets a runtime answer. */
enum { RAPI_RESPONSE_MAX = 6291556, RAPI_CONNECTIONS_PER_RUNTIME = 64 };

/* What `next` tells a runtime. Borrowed from rapi_runtime_deliver() until its answer came or
 * rapi_runtime_stop(). Empty strings are left out. */
struct rapi_invocation {
    const char *request_id;
    uint64_t deadline_ms; /* Unix epoch */
    struct str function_arn, trace_id, client_context, cognito_identity, tenant_id;
    struct str payload;
};

struct rapi_events {
    /* The runtime asks for its next invocation: it is initialised, or done with the last one. */
    void (*on_next)(void *arg);
    /* The answer of the delivered invocation; bytes borrowed for the call. */
    void (*on_response)(void *arg, struct str content_type, struct str payload);
    /* The handler failed (or its answer was too large). `type` as the runtime gave it, cleaned. */
    void (*on_error)(void *arg, struct str type, struct str body);
    void (*on_init_error)(void *arg, struct str type, struct str body);
    /* A runtime started by rapi_runtime_prestart() is ready to be told what it is. */
    void (*on_prepared)(void *arg);
    /* It broke the frame protocol: nothing it says counts any more; kill it. */
    void (*on_broken)(void *arg, const char *why);
};

/* connections_max: HTTP connections from all sandboxes together. */
int rapi_new(struct loop *loop, unsigned connections_max, struct rapi **ret, struct err *err);
void rapi_free(struct rapi *r); /* every runtime must be freed */

struct rapi_runtime *rapi_runtime_new(struct rapi *r, const struct rapi_events *events, void *arg);
void rapi_runtime_free(struct rapi_runtime *rt);

/* Serve HTTP from this listening socket (borrowed; must outlive rapi_runtime_free). */
int rapi_runtime_listen(struct rapi_runtime *rt, int listener_fd, struct err *err);
/* A new runtime process is about to start: state Started, old connections are closed. With
 * `ret_frames_fd` a socketpair is made; the caller closes that end after handing it over. */
int rapi_runtime_start(struct rapi_runtime *rt, int *ret_frames_fd, struct err *err);
/* The same for a generic process that does not know its function yet: nothing is allowed it but to
 * say that it is prepared. */
int rapi_runtime_prestart(struct rapi_runtime *rt, int *ret_frames_fd, struct err *err);
/* Tell a prepared one its environment ("NAME=VALUE", NULL-terminated, the whole of it); state
 * Started. Errors: TOO_LARGE; UNAVAILABLE: it died, or broke the protocol, meanwhile. */
int rapi_runtime_assign(struct rapi_runtime *rt, char *const envp[], struct err *err);
/* The process is gone or going: forget its connections and its invocation. */
void rapi_runtime_stop(struct rapi_runtime *rt);
/* Hand it an invocation. The runtime must have asked (on_next), nothing may be under way. */
void rapi_runtime_deliver(struct rapi_runtime *rt, const struct rapi_invocation *inv);
