/* A native function without any library: speaks the Runtime API over one kept-alive connection. It
 * answers {"hello":EVENT}. Also the native function of the benchmarks, so it does little: one write
 * (the answer, and the request for the next event behind it) and one read for each invocation.
 *
 *     cc -O2 -static -o bootstrap bootstrap.c && zip hello.zip bootstrap
 *
 * For provided.al2023. Runs on AWS too. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <arpa/inet.h>
#include <unistd.h>

enum { BUFFER_START = 16384, BUFFER_MAX = 16 << 20, ID_MAX = 128, HEAD_MAX = 1024 };

static char *in; /* what was read and not used yet */
static size_t in_len, in_size;
static int fd;

static void
die(const char *what)
{
    perror(what);
    exit(1);
}

static void
read_more(void)
{
    ssize_t n;

    if (in_len == in_size) {
        in_size = in_size ? in_size * 2 : BUFFER_START;
        in = in_size <= BUFFER_MAX ? realloc(in, in_size) : NULL;
        if (!in)
            die("an answer of the Runtime API is too long");
    }
    n = read(fd, in + in_len, in_size - in_len);
    if (n == 0)
        exit(0); /* the environment ends */
    if (n < 0 && errno != EINTR)
        die("read");
    in_len += n > 0 ? (size_t)n : 0;
}

/* Read until there are `len` bytes from `at` on. */
static void
need(size_t at, size_t len)
{
    if (len > BUFFER_MAX)
        die("an answer of the Runtime API is too long");
    while (in_len - at < len)
        read_more();
}

/* Where the line that begins at `at` ends; its "\r\n" has been read. */
static size_t
line_end(size_t at)
{
    size_t from = at;

    for (;;) {
        char *cr = in_len - from >= 2 ? memmem(in + from, in_len - from, "\r\n", 2) : NULL;

        if (cr)
            return (size_t)(cr - in);
        if (in_len > at)
            from = in_len - 1; /* the CR may be there already */
        read_more();
    }
}

/* Join a chunked body in place. Returns where it ends on the wire; *ret_len is its own length. */
static size_t
join_chunks(size_t body, size_t *ret_len)
{
    size_t at = body, to = body;

    for (;;) {
        size_t end = line_end(at), len = strtoul(in + at, NULL, 16);

        at = end + 2;
        if (len == 0)
            break;
        need(at, len);
        memmove(in + to, in + at, len);
        to += len;
        at = line_end(at + len) + 2;
    }
    for (;;) { /* trailers, up to an empty line */
        size_t end = line_end(at);
        size_t len = end - at;

        at = end + 2;
        if (len == 0)
            break;
    }
    *ret_len = to - body;
    return at;
}

struct answer {
    size_t body, len, end; /* the body's place in `in`; where the next answer begins */
    int status;
    char id[ID_MAX];
};

static void
read_answer(struct answer *ret)
{
    size_t at = line_end(0) + 2;
    int chunked = 0;

    *ret = (struct answer){.status = in_len > 12 ? atoi(in + 9) : 0};
    for (;;) {
        size_t end = line_end(at);
        char *line = in + at, *value;

        at = end + 2;
        if (line == in + end)
            break;
        value = memchr(line, ':', (size_t)(in + end - line));
        if (!value)
            continue;
        value += 1 + strspn(value + 1, " ");
        if (strncasecmp(line, "content-length:", 15) == 0)
            ret->len = strtoul(value, NULL, 10);
        else if (strncasecmp(line, "transfer-encoding:", 18) == 0)
            chunked = strncasecmp(value, "chunked", 7) == 0;
        else if (strncasecmp(line, "lambda-runtime-aws-request-id:", 30) == 0)
            snprintf(ret->id, sizeof(ret->id), "%.*s", (int)(in + end - value), value);
    }
    ret->body = at;
    if (chunked) {
        ret->end = join_chunks(at, &ret->len);
    } else {
        need(at, ret->len);
        ret->end = at + ret->len;
    }
}

static void
use(const struct answer *a)
{
    memmove(in, in + a->end, in_len - a->end);
    in_len -= a->end;
}

static void
write_all(struct iovec *parts, int n)
{
    while (n > 0) {
        ssize_t sent = writev(fd, parts, n);

        if (sent < 0 && errno != EINTR)
            die("write");
        for (; n > 0 && sent >= (ssize_t)parts->iov_len; n--)
            sent -= (ssize_t)(parts++)->iov_len;
        if (n > 0 && sent > 0) {
            parts->iov_base = (char *)parts->iov_base + sent;
            parts->iov_len -= (size_t)sent;
        }
    }
}

static void
dial(const char *address)
{
    const char *colon = strrchr(address, ':');
    struct sockaddr_in to = {.sin_family = AF_INET};
    char host[64];
    int one = 1;

    if (!colon || (size_t)(colon - address) >= sizeof(host))
        die(address);
    snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
    to.sin_port = htons((unsigned short)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        die(address);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        die(address);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int
main(void)
{
    const char *address = getenv("AWS_LAMBDA_RUNTIME_API");
    static char next[HEAD_MAX], head[HEAD_MAX];
    size_t next_len;
    struct answer a;

    if (!address || strlen(address) > 128)
        die("AWS_LAMBDA_RUNTIME_API");
    dial(address);
    next_len = (size_t)snprintf(next, sizeof(next),
                                "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n"
                                "Host: %s\r\n\r\n",
                                address);
    write_all(&(struct iovec){next, next_len}, 1);
    for (;;) {
        static char before[] = "{\"hello\":", after[] = "}";
        struct iovec parts[5];
        int head_len;

        read_answer(&a); /* the event */
        if (a.status != 200)
            die("next was refused");
        head_len = snprintf(head, sizeof(head),
                            "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\n"
                            "Host: %s\r\nContent-Type: application/json\r\n"
                            "Content-Length: %zu\r\n\r\n",
                            a.id, address, a.len + sizeof(before) - 1 + sizeof(after) - 1);
        parts[0] = (struct iovec){head, (size_t)head_len};
        parts[1] = (struct iovec){before, sizeof(before) - 1};
        parts[2] = (struct iovec){in + a.body, a.len};
        parts[3] = (struct iovec){after, sizeof(after) - 1};
        parts[4] = (struct iovec){next, next_len};
        write_all(parts, 5);
        use(&a);

        read_answer(&a); /* "OK"; a refusal means the answer was too large: the next event comes */
        use(&a);
    }
}
