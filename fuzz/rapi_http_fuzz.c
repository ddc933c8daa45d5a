/* Bytes of user code over two HTTP connections into a runtime that is delivered to whenever it
 * asks. 0xFF changes the connection, 0xFE lets the loop run, 0xFD ends the connection; these bytes
 * do not occur in requests otherwise. Checked: the order of events and that no exchange is left. */
#include "rapi/rapi_internal.h"
#include "base/log.h"
#include <sys/socket.h>

#define ID "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

static struct loop *loop;
static struct rapi *rapi;
static struct rapi_runtime *rt;
static bool delivered, initialised;
static int turns_left;

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
    ASSERT(!delivered);
    delivered = initialised = true;
    rapi_runtime_deliver(rt, &invocation);
}

static void
on_answer(void *arg, struct str type, struct str payload)
{
    ASSERT(delivered && rt->state == RAPI_RESPONSE_SENT && payload.len <= RAPI_RESPONSE_MAX);
    delivered = false;
    if (payload.len > 0 && payload.at[0] == 'R') {
        struct err err = {0};

        initialised = false;
        ASSERT(rapi_runtime_start(rt, NULL, &err) == 0);
    }
    touch(type);
    touch(payload);
}

static void
on_init_error(void *arg, struct str type, struct str body)
{
    ASSERT(!initialised && rt->state == RAPI_INIT_ERROR);
    touch(type);
    touch(body);
}

static void
on_broken(void *arg, const char *why)
{
    ASSERT(!"there are no frames");
}

static const struct rapi_events events = {
    .on_next = on_next,
    .on_response = on_answer,
    .on_error = on_answer,
    .on_init_error = on_init_error,
    .on_broken = on_broken,
};

static uint64_t
on_idle(void *arg)
{
    if (--turns_left < 0)
        loop_stop(loop);
    return 0;
}

static void
run(int turns)
{
    turns_left = turns;
    loop_run(loop);
}

static int
adopt(void)
{
    struct err err = {0};
    int pair[2];

    ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    ASSERT(http_server_adopt(rapi->http, pair[0], rt, &err) == 0);
    return pair[1];
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct err err = {0};
    int fds[2], now = 0;

    if (!loop) {
        log_set_level(LOG_LEVEL_ERROR);
        loop = loop_new(0, 1);
        ASSERT(rapi_new(loop, 16, &rapi, &err) == 0);
        loop_on_idle(loop, on_idle, NULL);
    }
    delivered = initialised = false;
    rt = rapi_runtime_new(rapi, &events, NULL);
    ASSERT(rapi_runtime_start(rt, NULL, &err) == 0);
    fds[0] = adopt();
    fds[1] = adopt();
    for (size_t i = 0; i < len;) {
        char sink[8192];
        size_t n = 0;

        while (i + n < len && at[i + n] < 0xFD)
            n++;
        if (n > 0) {
            ssize_t sent = send(fds[now], at + i, n, MSG_DONTWAIT | MSG_NOSIGNAL);

            i += sent > 0 ? (size_t)sent : n; /* what nobody reads is lost */
            run(2);
        } else if (at[i++] == 0xFF) {
            now = !now;
        } else if (at[i - 1] == 0xFD) {
            close(fds[now]);
            run(2);
            fds[now] = adopt();
        } else {
            run(1);
        }
        for (int k = 0; k < 2; k++)
            while (recv(fds[k], sink, sizeof(sink), MSG_DONTWAIT) > 0)
                ;
    }
    run(3);
    close(fds[0]);
    close(fds[1]);
    run(3);
    ASSERT(!rt->next && !rt->answering);
    rapi_runtime_free(rt);
    ASSERT(http_server_connections(rapi->http) == 0);
    return 0;
}
