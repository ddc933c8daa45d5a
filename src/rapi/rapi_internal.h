/* Shared by the transports (http.c, frames.c) and the state machine (rapi.c). */
#pragma once

#include "base/id.h"
#include "http/http.h"
#include "rapi/rapi.h"

/* clang-format off */
/* name, as AWS prints it in InvalidStateTransition */
#define RAPI_STATES(S)                                                          \
    S(NONE,           "None")                  /* no process */                 \
    S(UNASSIGNED,     "Unassigned")            /* generic: has no function yet */ \
    S(STARTED,        "Started")               /* initialising */               \
    S(READY,          "Ready")                 /* waits in next */              \
    S(RUNNING,        "Running")               /* has an invocation */          \
    S(RESPONSE_SENT,  "RuntimeResponseSentState") /* answered, next not called */ \
    S(INIT_ERROR,     "InitError")             /* reported, about to exit */
/* clang-format on */
enum rapi_state {
#define S(state, text) RAPI_##state,
    RAPI_STATES(S)
#undef S
};

enum rapi_call { RAPI_CALL_NEXT, RAPI_CALL_RESPONSE, RAPI_CALL_ERROR, RAPI_CALL_INIT_ERROR };

struct rapi {
    struct loop *loop;
    struct http_server *http;
};

struct rapi_runtime {
    struct rapi *rapi;
    const struct rapi_events *events;
    void *arg;
    enum rapi_state state;
    const struct rapi_invocation *inv; /* in RUNNING */
    /* HTTP */
    struct io listener;
    struct timer listener_pause;
    struct http_exchange *next;      /* held until there is an invocation */
    struct http_exchange *answering; /* the one whose body is the answer */
    /* frames */
    struct io frames; /* .loop NULL: none */
    struct buf in, out;
    uint32_t frames_generation; /* grows with each close: a callback may close and open anew */
};

/* Is this call allowed now? The table of execution.md section 2. */
bool rapi_allowed(const struct rapi_runtime *rt, enum rapi_call call);
const char *rapi_state_name(enum rapi_state state);
const char *rapi_call_name(enum rapi_call call);

/* Drive the machine; the call must be allowed. */
void rapi_next(struct rapi_runtime *rt);
void rapi_response(struct rapi_runtime *rt, struct str content_type, struct str payload);
void rapi_error(struct rapi_runtime *rt, struct str type, struct str body);
void rapi_init_error(struct rapi_runtime *rt, struct str type, struct str body);
void rapi_too_large(struct rapi_runtime *rt, uint64_t bytes);

/* http.c */
int rapi_http_new(struct rapi *r, unsigned connections_max, struct err *err);
void rapi_http_deliver(struct rapi_runtime *rt); /* rt->next is set */
void rapi_http_drop(struct rapi_runtime *rt);

/* frames.c */
int rapi_frames_open(struct rapi_runtime *rt, int *ret_fd, struct err *err);
void rapi_frames_close(struct rapi_runtime *rt);
void rapi_frames_deliver(struct rapi_runtime *rt);
int rapi_frames_assign(struct rapi_runtime *rt, char *const envp[], struct err *err);
