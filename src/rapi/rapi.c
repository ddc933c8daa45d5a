/* The runtime's state machine, after AWS's emulator:
 *
 *   Started ─next→ Ready ─deliver→ Running ─response|error→ ResponseSent ─next→ Ready
 *      └─init/error→ InitError                └─next: the same event again
 *
 * Both transports ask rapi_allowed() first and then call the verb. */
#include "rapi/rapi_internal.h"

static const char *const state_names[] = {
#define S(state, text) [RAPI_##state] = text,
    RAPI_STATES(S)
#undef S
};

/* clang-format off */
static const bool allowed[][4] = {
    /*                       next   response error  init/error */
    [RAPI_NONE]          = { false, false,   false, false },
    [RAPI_UNASSIGNED]    = { false, false,   false, false },
    [RAPI_STARTED]       = { true,  false,   false, true  },
    [RAPI_READY]         = { true,  false,   false, false },
    [RAPI_RUNNING]       = { true,  true,    true,  false },
    [RAPI_RESPONSE_SENT] = { true,  false,   false, false },
    [RAPI_INIT_ERROR]    = { false, false,   false, false },
};
/* clang-format on */

bool
rapi_allowed(const struct rapi_runtime *rt, enum rapi_call call)
{
    return allowed[rt->state][call];
}

const char *
rapi_state_name(enum rapi_state state)
{
    return state_names[state];
}

const char *
rapi_call_name(enum rapi_call call)
{
    static const char *const names[] = {
        [RAPI_CALL_NEXT] = "Ready",
        [RAPI_CALL_RESPONSE] = "InvocationResponse",
        [RAPI_CALL_ERROR] = "InvocationErrorResponse",
        [RAPI_CALL_INIT_ERROR] = "InitError",
    };
    return names[call];
}

void
rapi_next(struct rapi_runtime *rt)
{
    bool again = rt->state == RAPI_RUNNING, fresh = rt->state != RAPI_READY;

    ASSERT(rapi_allowed(rt, RAPI_CALL_NEXT));
    if (again) { /* a runtime that lost the event asks once more */
        if (rt->next)
            rapi_http_deliver(rt);
        return;
    }
    rt->state = RAPI_READY;
    if (fresh)
        rt->events->on_next(rt->arg);
}

void
rapi_response(struct rapi_runtime *rt, struct str content_type, struct str payload)
{
    ASSERT(rapi_allowed(rt, RAPI_CALL_RESPONSE));
    rt->state = RAPI_RESPONSE_SENT;
    rt->inv = NULL;
    rt->events->on_response(rt->arg, content_type, payload);
}

/* The type travels into log lines and metrics: only AWS's form of it may. */
static struct str
clean_type(struct str type)
{
    struct str rest = type;
    bool function = str_starts(type, STR("Function."));

    if (function || str_starts(type, STR("Runtime."))) {
        size_t prefix = function ? 9 : 8;

        rest = (struct str){type.at + prefix, type.len - prefix};
        if (rest.len > 1 && rest.len < 100 && rest.at[0] >= 'A' && rest.at[0] <= 'Z') {
            size_t i = 1;

            while (i < rest.len && ((rest.at[i] >= 'a' && rest.at[i] <= 'z') ||
                                    (rest.at[i] >= 'A' && rest.at[i] <= 'Z')))
                i++;
            if (i == rest.len)
                return type;
        }
    }
    return function ? STR("Function.Unknown") : STR("Runtime.Unknown");
}

/* The body of an error that came without one. The type is clean: nothing in it needs escaping. */
static struct str
default_body(char room[static 400], struct str type, const struct rapi_invocation *inv)
{
    int n = snprintf(room, 400,
                     "{\"errorType\":\"%.*s\",\"errorMessage\":\"RequestId: %s Error: Unknown "
                     "application error occurred\"}",
                     STR_FMT(type), inv ? inv->request_id : "");

    return (struct str){room, (size_t)MIN(n, 399)};
}

void
rapi_error(struct rapi_runtime *rt, struct str type, struct str body)
{
    char room[400];

    ASSERT(rapi_allowed(rt, RAPI_CALL_ERROR));
    type = clean_type(type);
    if (body.len == 0)
        body = default_body(room, type, rt->inv);
    rt->state = RAPI_RESPONSE_SENT;
    rt->inv = NULL;
    rt->events->on_error(rt->arg, type, body);
}

void
rapi_init_error(struct rapi_runtime *rt, struct str type, struct str body)
{
    char room[400];

    ASSERT(rapi_allowed(rt, RAPI_CALL_INIT_ERROR));
    type = clean_type(type);
    if (body.len == 0)
        body = default_body(room, type, NULL);
    rt->state = RAPI_INIT_ERROR;
    rt->events->on_init_error(rt->arg, type, body);
}

void
rapi_too_large(struct rapi_runtime *rt, uint64_t bytes)
{
    char body[200];

    snprintf(body, sizeof(body),
             "{\"errorType\":\"Function.ResponseSizeTooLarge\",\"errorMessage\":\"Response payload "
             "size (%llu bytes) exceeded maximum allowed payload size (%d bytes).\"}",
             (unsigned long long)bytes, RAPI_RESPONSE_MAX);
    rapi_error(rt, STR("Function.ResponseSizeTooLarge"), str_of(body));
}

int
rapi_new(struct loop *loop, unsigned connections_max, struct rapi **ret, struct err *err)
{
    struct rapi *r = xcalloc(1, sizeof(*r));
    int rc;

    r->loop = loop;
    rc = rapi_http_new(r, connections_max, err);
    if (rc < 0) {
        free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

void
rapi_free(struct rapi *r)
{
    if (!r)
        return;
    http_server_free(r->http);
    free(r);
}

struct rapi_runtime *
rapi_runtime_new(struct rapi *r, const struct rapi_events *events, void *arg)
{
    struct rapi_runtime *rt = xcalloc(1, sizeof(*rt));

    rt->rapi = r;
    rt->events = events;
    rt->arg = arg;
    rt->in = BUF_MAX(RAPI_RESPONSE_MAX + 131072);
    rt->out = BUF_MAX(RAPI_RESPONSE_MAX + 1048576 + 131072);
    return rt;
}

void
rapi_runtime_free(struct rapi_runtime *rt)
{
    if (!rt)
        return;
    rapi_runtime_stop(rt);
    io_close(&rt->listener);
    timer_stop(&rt->listener_pause);
    free(rt);
}

int
rapi_runtime_start(struct rapi_runtime *rt, int *ret_frames_fd, struct err *err)
{
    rapi_runtime_stop(rt);
    if (ret_frames_fd) {
        int rc = rapi_frames_open(rt, ret_frames_fd, err);

        if (rc < 0)
            return rc;
    }
    rt->state = RAPI_STARTED;
    return 0;
}

int
rapi_runtime_prestart(struct rapi_runtime *rt, int *ret_frames_fd, struct err *err)
{
    int rc = rapi_runtime_start(rt, ret_frames_fd, err);

    if (rc >= 0)
        rt->state = RAPI_UNASSIGNED;
    return rc;
}

int
rapi_runtime_assign(struct rapi_runtime *rt, char *const envp[], struct err *err)
{
    int rc;

    /* It may have died since it was prepared, and its end of file came before word of its exit. */
    if (rt->state != RAPI_UNASSIGNED || !rt->frames.loop)
        return err_set(err, ERR_UNAVAILABLE, "the prepared runtime is gone");
    rc = rapi_frames_assign(rt, envp, err);
    if (rc >= 0)
        rt->state = RAPI_STARTED;
    return rc;
}

void
rapi_runtime_stop(struct rapi_runtime *rt)
{
    rt->state = RAPI_NONE;
    rt->inv = NULL;
    rapi_frames_close(rt);
    rapi_http_drop(rt);
}

void
rapi_runtime_deliver(struct rapi_runtime *rt, const struct rapi_invocation *inv)
{
    ASSERT(rt->state == RAPI_READY && !rt->inv);
    rt->state = RAPI_RUNNING;
    rt->inv = inv;
    if (rt->next)
        rapi_http_deliver(rt);
    else if (rt->frames.loop)
        rapi_frames_deliver(rt);
    /* else: its `next` connection broke meanwhile; the event waits for it to ask again */
}
