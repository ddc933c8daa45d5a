/* The smallest runtime for provided.al2023 that is honest about HTTP/1.1: a loop over the Runtime
 * API on one kept-alive connection. A test's function includes this and defines
 *     static void handle(const char *event, size_t len);
 * which calls respond() or fail() once, or something worse. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static int api_fd = -1;
static char request_id[128];
static char api_host[128];

static void handle(const char *event, size_t len);

__attribute__((unused)) static void
die(const char *what)
{
    perror(what);
    exit(111);
}

static void
api_connect(void)
{
    const char *at = getenv("AWS_LAMBDA_RUNTIME_API");
    char host[128];
    const char *colon;
    struct sockaddr_in to = {.sin_family = AF_INET};

    if (!at || !(colon = strchr(at, ':')))
        die("AWS_LAMBDA_RUNTIME_API");
    snprintf(api_host, sizeof(api_host), "%s", at);
    snprintf(host, sizeof(host), "%.*s", (int)(colon - at), at);
    to.sin_port = htons((unsigned short)strtol(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        die("address");
    api_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (api_fd < 0 || connect(api_fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect to the Runtime API");
}

static void
send_all(const char *at, size_t len)
{
    while (len) {
        ssize_t n = send(api_fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            die("send");
        at += n;
        len -= (size_t)n;
    }
}

/* Read one answer; its body is at *ret_body (freed by the caller). Returns the status. */
static int
read_answer(char **ret_body, size_t *ret_len)
{
    size_t cap = 1 << 16, len = 0, head = 0, body = 0;
    char *at = malloc(cap);
    char *line;

    for (;;) {
        ssize_t n;
        char *end;

        if (len + 1 >= cap)
            at = realloc(at, cap *= 2);
        n = recv(api_fd, at + len, cap - len - 1, 0);
        if (n <= 0)
            die("recv");
        len += (size_t)n;
        at[len] = 0;
        if (!head && (end = strstr(at, "\r\n\r\n"))) {
            head = (size_t)(end - at) + 4;
            for (line = at; line && line < end; line = strstr(line, "\r\n"), line += line ? 2 : 0) {
                if (strncasecmp(line, "content-length:", 15) == 0)
                    body = strtoul(line + 15, NULL, 10);
                if (strncasecmp(line, "lambda-runtime-aws-request-id:", 30) == 0)
                    sscanf(line + 30, " %127[^\r\n]", request_id);
            }
        }
        if (head && len >= head + body)
            break;
    }
    *ret_len = body;
    *ret_body = malloc(body + 1);
    memcpy(*ret_body, at + head, body);
    (*ret_body)[body] = 0;
    int status = (int)strtol(at + 9, NULL, 10);
    free(at);
    return status;
}

/* One POST on the Runtime API; returns its status. */
__attribute__((unused)) static int
post(const char *path, const char *type, const char *at, size_t len)
{
    static char both[65536];
    char head[1024];
    char *body;
    size_t body_len;
    int status;

    snprintf(head, sizeof(head),
             "POST /2018-06-01/runtime/%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n"
             "Content-Type: application/json\r\n%s%s%s\r\n",
             path, api_host, len, type ? "Lambda-Runtime-Function-Error-Type: " : "",
             type ? type : "", type ? "\r\n" : "");
    /* Head and body in one go where that is cheap: two small writes would wait for Nagle's
     * algorithm. */
    if (len < sizeof(both) - sizeof(head)) {
        size_t head_len = strlen(head);

        memcpy(both, head, head_len);
        memcpy(both + head_len, at, len);
        send_all(both, head_len + len);
    } else {
        send_all(head, strlen(head));
        send_all(at, len);
    }
    status = read_answer(&body, &body_len);
    free(body);
    return status;
}

__attribute__((unused)) static void
respond(const char *at, size_t len)
{
    char path[256];

    snprintf(path, sizeof(path), "invocation/%s/response", request_id);
    (void)post(path, NULL, at, len);
}

__attribute__((unused)) static void
fail(const char *type, const char *json)
{
    char path[256];

    snprintf(path, sizeof(path), "invocation/%s/error", request_id);
    (void)post(path, type, json, strlen(json));
}

int
main(void)
{
    api_connect();
    for (;;) {
        char head[512];
        char *event;
        size_t len;

        snprintf(head, sizeof(head),
                 "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %s\r\n\r\n", api_host);
        send_all(head, strlen(head));
        if (read_answer(&event, &len) != 200)
            die("next");
        handle(event, len);
        free(event);
    }
}
