/* Bytes of a managed runtime into its frame socket, in pieces. Checked: the order of events, that
 * an answer is only ever the delivered invocation's, that nothing follows a broken frame. */
#include "rapi/rapi_internal.h"
#include <sys/epoll.h>
#include <sys/socket.h>

#define ID "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

static struct loop *loop;
static struct rapi *rapi;
static struct rapi_runtime *rt;
static bool delivered, over;
static unsigned restarts_left;
static int peer = -1;

static const struct rapi_invocation invocation = {
    .request_id = ID, .deadline_ms = 1, .function_arn = {"arn", 3}, .payload = {"{}", 2}};

static void
touch(struct str s)
{
    static volatile uint8_t sum;

    for (size_t i = 0; i < s.len; i++)
        sum = (uint8_t)(sum + s.at[i]);
}

static void
on_next(void *arg)
{
    ASSERT(!delivered && !over);
    delivered = true;
    rapi_runtime_deliver(rt, &invocation);
}

static void
on_answer(void *arg, struct str type, struct str payload)
{
    ASSERT(delivered && !over);
    ASSERT(payload.len <= RAPI_RESPONSE_MAX + 65536);
    delivered = false;
    /* Some answers make the callback start the next process; the bytes stay readable. */
    if (payload.len > 0 && payload.at[0] == 'R' && restarts_left > 0) {
        struct err err = {0};

        restarts_left--;
        close(peer);
        ASSERT(rapi_runtime_start(rt, &peer, &err) == 0);
    }
    touch(type);
    touch(payload);
}

static void
on_init_error(void *arg, struct str type, struct str body)
{
    ASSERT(!delivered && !over && rt->state == RAPI_INIT_ERROR);
    touch(type);
    touch(body);
}

static void
on_broken(void *arg, const char *why)
{
    ASSERT(!over && why && !rt->frames.loop && rt->state == RAPI_NONE && !rt->inv);
    over = true;
}

static const struct rapi_events events = {
    .on_next = on_next,
    .on_response = on_answer,
    .on_error = on_answer,
    .on_init_error = on_init_error,
    .on_broken = on_broken,
};

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct err err = {0};
    size_t step;

    if (len < 1)
        return 0;
    if (!loop) {
        loop = loop_new(0, 1);
        ASSERT(rapi_new(loop, 16, &rapi, &err) == 0);
    }
    delivered = over = false;
    restarts_left = 3;
    step = at[0] == 0 ? len : at[0]; /* bytes a write */
    rt = rapi_runtime_new(rapi, &events, NULL);
    ASSERT(rapi_runtime_start(rt, &peer, &err) == 0);
    for (size_t done = 1; done < len;) {
        ssize_t n = send(peer, at + done, MIN(step, len - done), MSG_DONTWAIT | MSG_NOSIGNAL);
        char sink[4096];

        if (n <= 0)
            break;
        done += (size_t)n;
        for (int i = 0; i < 64 && rt->frames.loop; i++) {
            uint32_t generation = rt->frames_generation;

            rt->frames.on_ready(&rt->frames, EPOLLIN | (rt->out.len ? (uint32_t)EPOLLOUT : 0u));
            if (rt->frames_generation == generation && rt->in.len < 8 + (64u << 10) && i > 1)
                break;
        }
        while (recv(peer, sink, sizeof(sink), MSG_DONTWAIT) > 0)
            ;
    }
    rapi_runtime_free(rt);
    close(peer);
    return 0;
}
