/* The stopwatch of script/bench: times HTTP requests, processes and framed echoes on one clock.
 *
 * bench.py decides what is measured and when; this program does what must not have an interpreter
 * between the two readings of the clock. It reads one command per line and answers each with one
 * line, "ok NANOSECONDS…" or "error TEXT". Words are separated by single blanks and hold none
 * themselves.
 *
 *   target NAME http PORT PATH BODY   POST over a connection of its own, opened now and kept
 *   target NAME echo SOCKET BODY      one frame (docs/PROTOCOL.md's form) there and back
 *   target NAME spawn PROGRAM ARG…    posix_spawn to exit, with hardly any environment
 *   forget NAME
 *   sample COUNT NAME…                the targets in turn, COUNT rounds, one after the other
 *   load NAME CLIENTS MS              an http target; CLIENTS connections, none of them ever idle
 *   spread CLIENTS NAME…              http targets, each asked once, CLIENTS of them at a time
 *   churn NAME CLIENTS COUNT          a spawn target, COUNT processes, CLIENTS of them at a time
 *
 * The last three answer with how long all took, then each sample.
 *
 * Surprises: a connection per target, because connecting is not part of an invocation; an answer
 * other than 200, or with a function error, ends the run, because a fast failure is no result. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    TARGETS_MAX = 4096,
    WORDS_MAX = 2048,
    LINE_MAX_LEN = 65536,
    ANSWER_MAX = 65536,
    CLIENTS_MAX = 1024,
    SAMPLES_MAX = 4 << 20,
    FRAME_HEADER_LEN = 8,
    PATIENCE_S = 60 /* for one answer */
};

enum target_kind { TARGET_NONE, TARGET_HTTP, TARGET_ECHO, TARGET_SPAWN };

struct target {
    enum target_kind kind;
    char *name;
    int fd;
    int port;
    char *request; /* bytes to send */
    size_t request_len;
    char **argv; /* TARGET_SPAWN */
};

/* One answer while it arrives. */
struct answer {
    size_t len, whole; /* whole: 0 while unknown */
    char bytes[ANSWER_MAX];
};

struct client {
    int fd;
    uint64_t started_ns;
    struct answer answer;
};

static struct target targets[TARGETS_MAX];
static size_t targets_len;
static uint64_t *samples;
static size_t samples_len;
static char trouble[512];

__attribute__((format(printf, 1, 2))) static int
fail(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(trouble, sizeof(trouble), format, ap);
    va_end(ap);
    for (char *c = trouble; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' '; /* an answer is one line */
    return -1;
}

static uint64_t
now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int
note(uint64_t ns)
{
    if (samples_len == SAMPLES_MAX)
        return fail("more than %d samples", SAMPLES_MAX);
    samples[samples_len++] = ns;
    return 0;
}

/* ---- connections ---- */

static int
be_patient(int fd)
{
    struct timeval tv = {.tv_sec = PATIENCE_S};

    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
        return fail("setsockopt: %s", strerror(errno));
    return 0;
}

static int
dial_port(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0)
        return fail("socket: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0) {
        (void)close(fd);
        return fail("connect to port %d: %s", port, strerror(errno));
    }
    if (be_patient(fd) < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int
dial_socket(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(to.sun_path))
        return fail("socket path too long");
    memcpy(to.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail("socket: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        (void)close(fd);
        return fail("connect to %s: %s", path, strerror(errno));
    }
    if (be_patient(fd) < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int
write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail("send: %s", strerror(errno));
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

/* ---- answers ---- */

/* The value of a header, which must be there for `need`. Heads are short, so a search is good
 * enough. */
static const char *
header(const char *head, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
            return line + 3 + len;
    return NULL;
}

/* 1: complete and good. 0: more to come. */
static int
answer_check(struct answer *a)
{
    if (!a->whole) {
        char *end = memmem(a->bytes, a->len, "\r\n\r\n", 4);
        const char *length;
        bool good;

        if (!end)
            return a->len < ANSWER_MAX ? 0 : fail("endless head");
        end[2] = '\0'; /* for the searches; nobody reads it again */
        length = header(a->bytes, "Content-Length");
        good =
            strncmp(a->bytes, "HTTP/1.1 200", 12) == 0 && !header(a->bytes, "X-Amz-Function-Error");
        if (!length)
            return fail("an answer without Content-Length: %.100s", a->bytes);
        a->whole = (size_t)(end + 4 - a->bytes) + strtoul(length, NULL, 10);
        if (a->whole > ANSWER_MAX)
            return fail("an answer of %zu bytes", a->whole);
        if (!good)
            return fail("%.60s … %.*s", a->bytes, (int)(a->len - (size_t)(end + 4 - a->bytes)),
                        end + 4);
    }
    if (a->len > a->whole)
        return fail("more than was asked for");
    return a->len == a->whole;
}

static ssize_t
read_some(int fd, struct answer *a)
{
    ssize_t n;

    do
        n = recv(fd, a->bytes + a->len, ANSWER_MAX - a->len, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return fail("no answer: %s", strerror(errno));
    if (n == 0)
        return fail("the connection was closed");
    a->len += (size_t)n;
    return n;
}

/* ---- one sample of each kind ---- */

static int
sample_http(struct target *t)
{
    static struct answer a;
    uint64_t start;
    int rc;

    a.len = a.whole = 0;
    start = now_ns();
    if (write_all(t->fd, t->request, t->request_len) < 0)
        return -1;
    do {
        if (read_some(t->fd, &a) < 0)
            return -1;
        rc = answer_check(&a);
    } while (rc == 0);
    return rc < 0 ? rc : note(now_ns() - start);
}

static int
sample_echo(struct target *t)
{
    static struct answer a;
    uint64_t start;

    a.len = 0;
    start = now_ns();
    if (write_all(t->fd, t->request, t->request_len) < 0)
        return -1;
    do
        if (read_some(t->fd, &a) < 0)
            return -1;
    while (a.len < t->request_len);
    if (a.len != t->request_len || memcmp(a.bytes, t->request, a.len) != 0)
        return fail("the echo differs");
    return note(now_ns() - start);
}

static int
start_process(const struct target *t, pid_t *ret)
{
    static char path[] = "PATH=/usr/bin:/bin";
    char *const envp[] = {path, NULL};
    posix_spawn_file_actions_t actions;
    int rc;

    /* Its own streams are ours, where the commands and answers run. */
    if (posix_spawn_file_actions_init(&actions) != 0)
        return fail("out of memory");
    for (int fd = 0; fd < 3; fd++)
        if (posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0) != 0)
            return fail("out of memory");
    rc = posix_spawn(ret, t->argv[0], &actions, NULL, t->argv, envp);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc == 0 ? 0 : fail("%s: %s", t->argv[0], strerror(rc));
}

static pid_t
await_process(const struct target *t, pid_t pid)
{
    int status = 0;
    pid_t ended;

    do
        ended = waitpid(pid, &status, 0);
    while (ended < 0 && errno == EINTR);
    if (ended < 0)
        return fail("waitpid: %s", strerror(errno));
    if (status != 0)
        return fail("%s ended with wait status %d", t->argv[0], status);
    return ended;
}

static int
sample_spawn(struct target *t)
{
    uint64_t start = now_ns();
    pid_t pid;

    if (start_process(t, &pid) < 0 || await_process(t, pid) < 0)
        return -1;
    return note(now_ns() - start);
}

static int
sample(struct target *t)
{
    switch (t->kind) {
    case TARGET_HTTP:
        return sample_http(t);
    case TARGET_ECHO:
        return sample_echo(t);
    case TARGET_SPAWN:
        return sample_spawn(t);
    case TARGET_NONE:
        break;
    }
    return fail("no such target");
}

/* ---- commands ---- */

static struct target *
find(const char *name)
{
    for (size_t i = 0; i < targets_len; i++)
        if (targets[i].kind != TARGET_NONE && strcmp(targets[i].name, name) == 0)
            return &targets[i];
    (void)fail("there is no target %s", name);
    return NULL;
}

static void
target_done(struct target *t)
{
    if (t->fd >= 0)
        (void)close(t->fd);
    for (char **arg = t->argv; arg && *arg; arg++)
        free(*arg);
    free(t->argv);
    free(t->request);
    free(t->name);
    *t = (struct target){.fd = -1};
}

static int
make_http(struct target *t, char **words, size_t n)
{
    int len;

    if (n != 3)
        return fail("http needs a port, a path and a body");
    t->port = (int)strtol(words[0], NULL, 10);
    len = asprintf(&t->request,
                   "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   words[1], t->port, strlen(words[2]), words[2]);
    if (len < 0)
        return fail("out of memory");
    t->request_len = (size_t)len;
    t->fd = dial_port(t->port);
    return t->fd < 0 ? -1 : 0;
}

static int
make_echo(struct target *t, char **words, size_t n)
{
    size_t len;

    if (n != 2)
        return fail("echo needs a socket and a body");
    len = strlen(words[1]);
    t->request_len = FRAME_HEADER_LEN + len;
    t->request = calloc(1, t->request_len);
    if (!t->request)
        return fail("out of memory");
    for (int i = 0; i < 4; i++)
        t->request[i] = (char)(len >> (8 * i));
    t->request[4] = 1;
    memcpy(t->request + FRAME_HEADER_LEN, words[1], len);
    t->fd = dial_socket(words[0]);
    return t->fd < 0 ? -1 : 0;
}

static int
make_spawn(struct target *t, char **words, size_t n)
{
    if (n < 1)
        return fail("spawn needs a program");
    t->argv = calloc(n + 1, sizeof(*t->argv));
    for (size_t i = 0; t->argv && i < n; i++)
        t->argv[i] = strdup(words[i]);
    return t->argv ? 0 : fail("out of memory");
}

static int
do_target(char **words, size_t n)
{
    static const struct {
        const char *name;
        enum target_kind kind;
        int (*make)(struct target *t, char **words, size_t n);
    } kinds[] = {
        {"http", TARGET_HTTP, make_http},
        {"echo", TARGET_ECHO, make_echo},
        {"spawn", TARGET_SPAWN, make_spawn},
    };
    struct target *t = NULL;

    if (n < 3)
        return fail("target needs a name and a kind");
    for (size_t i = 0; i < targets_len && !t; i++)
        if (targets[i].kind == TARGET_NONE)
            t = &targets[i];
    if (!t && targets_len == TARGETS_MAX)
        return fail("more than %d targets", TARGETS_MAX);
    if (!t)
        t = &targets[targets_len++];
    *t = (struct target){.fd = -1, .name = strdup(words[0])};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(words[1], kinds[i].name) == 0) {
            t->kind = kinds[i].kind;
            if (kinds[i].make(t, words + 2, n - 2) == 0)
                return 0;
            target_done(t);
            return -1;
        }
    target_done(t);
    return fail("there is no kind %s", words[1]);
}

static int
do_forget(char **words, size_t n)
{
    struct target *t = n == 1 ? find(words[0]) : NULL;

    if (!t)
        return -1;
    target_done(t);
    return 0;
}

static int
do_sample(char **words, size_t n)
{
    unsigned long rounds = n > 1 ? strtoul(words[0], NULL, 10) : 0;
    struct target *turn[WORDS_MAX];

    if (rounds == 0)
        return fail("sample needs a count and targets");
    for (size_t i = 1; i < n; i++)
        if (!(turn[i] = find(words[i])))
            return -1;
    for (unsigned long k = 0; k < rounds; k++)
        for (size_t i = 1; i < n; i++)
            if (sample(turn[i]) < 0)
                return -1;
    return 0;
}

static int
send_next(struct target *t, struct client *c)
{
    c->answer.len = c->answer.whole = 0;
    c->started_ns = now_ns();
    return write_all(c->fd, t->request, t->request_len);
}

/* Every client asks again as soon as it has its answer; those on their way at the end are awaited.
 */
static int
run_load(struct target *t, int epoll_fd, struct client *clients, size_t clients_len, uint64_t ns)
{
    uint64_t end = now_ns() + ns;
    size_t waiting = clients_len;

    for (size_t i = 0; i < clients_len; i++)
        if (send_next(t, &clients[i]) < 0)
            return -1;
    while (waiting > 0) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll_fd, events, 64, PATIENCE_S * 1000);

        if (n == 0)
            return fail("%zu clients got no answer", waiting);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            uint64_t now;
            int rc = read_some(c->fd, &c->answer) < 0 ? -1 : answer_check(&c->answer);

            if (rc == 0)
                continue;
            now = now_ns();
            if (rc < 0 || note(now - c->started_ns) < 0)
                return -1;
            if (now < end) {
                if (send_next(t, c) < 0)
                    return -1;
            } else {
                waiting--;
            }
        }
    }
    return 0;
}

/* The first number is how long it took all in all. */
static int
do_load(char **words, size_t n)
{
    struct target *t = n == 3 ? find(words[0]) : NULL;
    size_t clients_len = n == 3 ? strtoul(words[1], NULL, 10) : 0, made = 0;
    struct client *clients = NULL;
    int epoll_fd = -1, rc = -1;
    uint64_t start;

    if (n != 3)
        return fail("load needs a target, clients and milliseconds");
    if (!t)
        return -1;
    if (t->kind != TARGET_HTTP || clients_len == 0 || clients_len > CLIENTS_MAX)
        return fail("load needs an http target and 1 to %d clients", CLIENTS_MAX);
    clients = calloc(clients_len, sizeof(*clients));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!clients || epoll_fd < 0) {
        (void)fail("out of memory or descriptors");
        goto done;
    }
    for (; made < clients_len; made++) {
        struct client *c = &clients[made];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

        c->fd = dial_port(t->port);
        if (c->fd < 0)
            goto done;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0) {
            (void)fail("epoll_ctl: %s", strerror(errno));
            (void)close(c->fd);
            goto done;
        }
    }
    start = now_ns();
    if (note(0) < 0)
        goto done;
    rc = run_load(t, epoll_fd, clients, clients_len, strtoull(words[2], NULL, 10) * 1000000u);
    samples[0] = now_ns() - start;
done:
    for (size_t i = 0; i < made; i++)
        (void)close(clients[i].fd);
    if (epoll_fd >= 0)
        (void)close(epoll_fd);
    free(clients);
    return rc;
}

/* One after the other from a list, a few at a time: how fast new things are made. */
static int
run_spread(struct target **list, size_t list_len, size_t clients_len, struct client *clients,
           int epoll_fd)
{
    size_t next = 0, done = 0;

    for (; next < list_len && next < clients_len; next++) {
        clients[next].fd = list[next]->fd;
        if (send_next(list[next], &clients[next]) < 0)
            return -1;
    }
    while (done < list_len) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll_fd, events, 64, PATIENCE_S * 1000);

        if (n == 0)
            return fail("%zu of %zu got no answer", list_len - done, list_len);
        for (int i = 0; i < n; i++) {
            struct target *t = events[i].data.ptr;
            struct client *c = clients;
            int rc;

            while (c->fd != t->fd) /* it sent something, so somebody asked it */
                if (++c == clients + clients_len)
                    return fail("%s speaks unasked", t->name);
            rc = read_some(c->fd, &c->answer) < 0 ? -1 : answer_check(&c->answer);
            if (rc == 0)
                continue;
            if (rc < 0 || note(now_ns() - c->started_ns) < 0)
                return -1;
            done++;
            c->fd = -1;
            if (next < list_len) {
                c->fd = list[next]->fd;
                if (send_next(list[next++], c) < 0)
                    return -1;
            }
        }
    }
    return 0;
}

static int
do_spread(char **words, size_t n)
{
    size_t clients_len = n > 1 ? strtoul(words[0], NULL, 10) : 0;
    struct client *clients = NULL;
    struct target *list[WORDS_MAX];
    int epoll_fd = -1, rc = -1;
    uint64_t start;

    if (clients_len == 0 || clients_len > CLIENTS_MAX)
        return fail("spread needs 1 to %d clients and targets", CLIENTS_MAX);
    clients = calloc(clients_len, sizeof(*clients));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!clients || epoll_fd < 0) {
        (void)fail("out of memory or descriptors");
        goto done;
    }
    for (size_t i = 0; i < clients_len; i++)
        clients[i].fd = -1;
    for (size_t i = 1; i < n; i++) {
        struct epoll_event event = {.events = EPOLLIN};

        event.data.ptr = list[i - 1] = find(words[i]);
        if (!list[i - 1])
            goto done;
        if (list[i - 1]->kind != TARGET_HTTP ||
            epoll_ctl(epoll_fd, EPOLL_CTL_ADD, list[i - 1]->fd, &event) < 0) {
            (void)fail("spread needs http targets, each once");
            goto done;
        }
    }
    start = now_ns();
    if (note(0) < 0)
        goto done;
    rc = run_spread(list, n - 1, clients_len, clients, epoll_fd);
    samples[0] = now_ns() - start;
done:
    if (epoll_fd >= 0)
        (void)close(epoll_fd);
    free(clients);
    return rc;
}

static int
do_churn(char **words, size_t n)
{
    struct target *t = n == 3 ? find(words[0]) : NULL;
    size_t clients_len, count, begun = 0, ended = 0;
    struct {
        pid_t pid;
        uint64_t started_ns;
    } running[CLIENTS_MAX];
    uint64_t start = now_ns();

    if (!t)
        return n == 3 ? -1 : fail("churn needs a target, clients and a count");
    clients_len = strtoul(words[1], NULL, 10);
    count = strtoul(words[2], NULL, 10);
    if (t->kind != TARGET_SPAWN || clients_len == 0 || clients_len > CLIENTS_MAX || count == 0)
        return fail("churn needs a spawn target and 1 to %d clients", CLIENTS_MAX);
    memset(running, 0, sizeof(running));
    if (note(0) < 0)
        return -1;
    for (size_t free_slot = 0; ended < count;) {
        pid_t pid;

        if (begun < count && begun - ended < clients_len) {
            while (running[free_slot].pid != 0)
                free_slot = (free_slot + 1) % clients_len;
            running[free_slot].started_ns = now_ns();
            if (start_process(t, &running[free_slot].pid) < 0)
                return -1;
            begun++;
            continue;
        }
        pid = await_process(t, -1);
        if (pid < 0)
            return -1;
        for (size_t i = 0; i < clients_len; i++)
            if (running[i].pid == pid) {
                running[i].pid = 0;
                if (note(now_ns() - running[i].started_ns) < 0)
                    return -1;
            }
        ended++;
    }
    samples[0] = now_ns() - start;
    return 0;
}

static int
obey(char *line)
{
    static const struct {
        const char *name;
        int (*run)(char **words, size_t n);
    } commands[] = {
        {"target", do_target}, {"forget", do_forget}, {"sample", do_sample},
        {"load", do_load},     {"spread", do_spread}, {"churn", do_churn},
    };
    char *words[WORDS_MAX];
    size_t n = 0;

    for (char *word = strtok_r(line, " \n", &line); word; word = strtok_r(NULL, " \n", &line)) {
        if (n == WORDS_MAX)
            return fail("too many words");
        words[n++] = word;
    }
    for (size_t i = 0; n > 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(words[0], commands[i].name) == 0)
            return commands[i].run(words + 1, n - 1);
    return fail("there is no such command");
}

int
main(void)
{
    static char line[LINE_MAX_LEN];

    samples = calloc(SAMPLES_MAX, sizeof(*samples)); /* touched as it fills */
    if (!samples)
        return 1;
    while (fgets(line, sizeof(line), stdin)) {
        samples_len = 0;
        if (obey(line) < 0) {
            printf("error %s\n", trouble);
        } else {
            fputs("ok", stdout);
            for (size_t i = 0; i < samples_len; i++)
                printf(" %llu", (unsigned long long)samples[i]);
            putchar('\n');
        }
        if (fflush(stdout) != 0)
            return 1; /* nobody listens any more */
    }
    return 0;
}
