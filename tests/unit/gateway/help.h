/* The gateway with the real handlers and a store of its own, on a loop that a test runs as far as
 * it needs; an HTTP client over loopback; an invoker that only remembers what it was asked. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/api.h"
#include "gateway/gateway.h"
#include "observe/log_writer.h"
#include "store/files.h"
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <regex.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Two zips of one file, a.py. */
#define ZIP_1                                                                                      \
    "UEsDBBQAAAAAAAAAIVhq3gF4HAAAABwAAAAEAAAAYS5weWRlZiBoYW5kbGVyKGUsIGMpOiByZXR1cm4gMQpQSwECFAMU" \
    "AAAAAAAAACFYat4BeBwAAAAcAAAABAAAAAAAAAAAAAAApAEAAAAAYS5weVBLBQYAAAAAAQABADIAAAA+AAAAAAA="
#define ZIP_2                                                                                      \
    "UEsDBBQAAAAAAAAAIVipjSxTHAAAABwAAAAEAAAAYS5weWRlZiBoYW5kbGVyKGUsIGMpOiByZXR1cm4gMgpQSwECFAMU" \
    "AAAAAAAAACFYqY0sUxwAAAAcAAAABAAAAAAAAAAAAAAApAEAAAAAYS5weVBLBQYAAAAAAQABADIAAAA+AAAAAAA="
#define FUNCTIONS "/2015-03-31/functions"
#define JSON "Content-Type: application/json\r\n"

static struct loop *loop;
static struct settings settings;
static struct api api;
static struct gateway *gateway;
static char dir[64];
static uint16_t port;

/* ---- the invoker ---- */

static struct {
    unsigned started, forgotten, prepared;
    void (*on_done)(void *arg, const struct invoke_result *result);
    void *arg;
    struct invoke_request rq; /* borrowed, as from the real one */
} invoked;

void
invoke_start(struct invoker *v, const struct invoke_request *in,
             void (*on_done)(void *arg, const struct invoke_result *result), void *arg)
{
    invoked.started++;
    invoked.on_done = on_done;
    invoked.arg = arg;
    invoked.rq = *in;
}

void
invoke_forget(struct invoker *v, struct str account, struct str region, struct str name)
{
    invoked.forgotten++;
}

void
invoke_prepare(struct invoker *v, struct str account, struct str region, struct str name,
               uint32_t version)
{
    invoked.prepared++;
}

struct invoker_stats
invoker_stats(const struct invoker *v)
{
    return (struct invoker_stats){.running = 3, .invocations = 7};
}

uint64_t
log_writer_dropped(const struct log_writer *l)
{
    return 0;
}

/* ---- running the loop ---- */

#include "../run_loop.h"

/* ---- a client ---- */

struct client {
    struct io io;
    struct buf in, out;
    bool done; /* a whole answer, or the end */
};

static bool
whole_answer(const struct buf *in)
{
    const char *end = in->at ? strstr(in->at, "\r\n\r\n") : NULL, *length;

    if (!end)
        return false;
    length = strcasestr(in->at, "\r\ncontent-length:");
    if (!length || length > end)
        return true; /* 204 */
    return in->len - (size_t)(end + 4 - in->at) >= strtoul(length + 17, NULL, 10);
}

static void
on_client(struct io *io, uint32_t events)
{
    struct client *c = CONTAINER_OF(io, struct client, io);
    ssize_t n;

    if ((events & EPOLLOUT) && c->out.len > 0) {
        n = send(io->fd, c->out.at, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            buf_shift(&c->out, (size_t)n);
        else if (errno != EAGAIN)
            buf_reset(&c->out); /* answered without being read to the end */
        io_set(io, c->out.len ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    assert_true(buf_reserve(&c->in, 65536));
    n = recv(io->fd, c->in.at + c->in.len, c->in.cap - c->in.len - 1, MSG_DONTWAIT);
    if (n > 0) {
        c->in.len += (size_t)n;
        c->in.at[c->in.len] = '\0';
        c->done = whole_answer(&c->in);
    } else if (n == 0 || errno != EAGAIN) {
        c->done = true;
        io_close(io);
    }
}

static void
client_open(struct client *c)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct err err = {0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    *c = (struct client){.in = BUF_MAX(32 << 20), .out = BUF_MAX(32 << 20)};
    assert_int_equal(io_open(loop, &c->io, fd, EPOLLIN | EPOLLOUT, on_client, &err), 0);
}

static void
client_close(struct client *c)
{
    io_close(&c->io);
    close(c->io.fd);
    buf_done(&c->in);
    buf_done(&c->out);
}

static void
client_put(struct client *c, const char *method, const char *path, const char *headers,
           struct str body)
{
    buf_fmt(&c->out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:4566\r\n%s", method, path, headers);
    if (body.at)
        buf_fmt(&c->out, "Content-Length: %zu\r\n", body.len);
    buf_z(&c->out, "\r\n");
    assert_true(buf_str(&c->out, body));
    io_set(&c->io, EPOLLIN | EPOLLOUT);
}

/* The last answer. */
static struct {
    int status;
    char head[4096];
    struct buf body;
    json_t *json; /* the body, where it is JSON */
} got;

static void
take_answer(struct client *c)
{
    const char *end = c->in.at ? strstr(c->in.at, "\r\n\r\n") : NULL;
    json_error_t at;

    assert_non_null(end);
    json_decref(got.json);
    got.status = (int)strtol(c->in.at + 9, NULL, 10);
    snprintf(got.head, sizeof(got.head), "%.*s", (int)(end + 2 - c->in.at), c->in.at);
    buf_reset(&got.body);
    buf_add(&got.body, end + 4, c->in.len - (size_t)(end + 4 - c->in.at));
    got.json = got.body.len ? json_loadb(got.body.at, got.body.len, JSON_DECODE_ANY, &at) : NULL;
}

static inline int
ask_with(const char *method, const char *path, const char *headers, struct str body)
{
    struct client c;

    client_open(&c);
    client_put(&c, method, path, headers, body);
    run_until(is_set, &c.done);
    take_answer(&c);
    client_close(&c);
    return got.status;
}

static inline int
ask(const char *method, const char *path, const char *body)
{
    return ask_with(method, path, JSON, body ? str_of(body) : STR_NULL);
}

/* A member of the answer, "a.b" inside of objects; NULL if it is not a string there. */
static inline const char *
member(const char *path)
{
    json_t *at = got.json;
    char name[64];

    while (at && *path) {
        size_t n = strcspn(path, ".");

        snprintf(name, sizeof(name), "%.*s", (int)n, path);
        at = json_object_get(at, name);
        path += n + (path[n] == '.');
    }
    return json_string_value(at);
}

/* A header of the answer, "" if there is none. */
static inline const char *
header(const char *name)
{
    static char value[4096];
    char wanted[100];
    const char *at;

    snprintf(wanted, sizeof(wanted), "\r\n%s: ", name);
    at = strcasestr(got.head, wanted);
    value[0] = '\0';
    if (at)
        snprintf(value, sizeof(value), "%.*s", (int)strcspn(at + strlen(wanted), "\r"),
                 at + strlen(wanted));
    return value;
}

static inline void
assert_error(int status, const char *type, const char *where, const char *message)
{
    assert_int_equal(got.status, status);
    assert_string_equal(header("x-amzn-ErrorType"), type);
    assert_non_null(member(where));
    assert_string_equal(member(where), message);
    assert_int_equal(strlen(header("x-amzn-RequestId")), UUID_LEN);
}

/* ---- fixture ---- */

static inline bool
settled(void *arg)
{
    return api.settling == 0;
}

static inline int
setup(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_len = sizeof(at);
    struct err err = {0};
    char data[80];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(dir, sizeof(dir), "%s/lambent-gateway-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(data, sizeof(data), "%s/data", dir);
    memset(&settings, 0, sizeof(settings));
    settings.account = (char *)"000000000000";
    settings.region = (char *)"us-east-1";
    settings.connections_max = 100;
    settings.bodies_max_mb = 80;
    settings.zip_max = 52428800;
    settings.unzipped_max = 262144000;
    settings.files_max = 1000;
    memset(&invoked, 0, sizeof(invoked));
    memset(&got, 0, sizeof(got));
    got.body = BUF_MAX(32 << 20);
    loop = loop_new(2, 64);
    api = (struct api){.loop = loop, .settings = &settings};
    random_bytes(api.link_key, sizeof(api.link_key));
    if (store_open(data, &api.store, &err) < 0 || gateway_new(&api, &gateway, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &at_len), 0);
    port = ntohs(at.sin_port);
    assert_int_equal(gateway_listen(gateway, fd, &err), 0);
    return 0;
}

static bool drained;

static void
on_drained(void *arg)
{
    drained = true;
}

static inline int
teardown(void **state)
{
    char *name = strrchr(dir, '/');
    struct err err = {0};
    int parent;

    run_until(settled, NULL);
    drained = false;
    gateway_quiesce(gateway);
    gateway_drain(gateway, on_drained, NULL);
    run_until(is_set, &drained); /* no exchange is left */
    gateway_free(gateway);
    loop_free(loop);
    store_close(api.store);
    json_decref(got.json);
    buf_done(&got.body);
    *name = '\0';
    parent = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(tree_remove(parent, name + 1, &err), 0);
    close(parent);
    return 0;
}

#define TEST_CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
