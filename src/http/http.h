/* HTTP/1.1 server driven by our loop. Serves both the gateway and the Runtime API inside each
 * sandbox: connections come from a listening socket, or are handed over one by one with a tag that
 * says whose they are. README.md has why this is our own code and no library's.
 *
 * One exchange = one request and its answer. The order of callbacks is
 *   on_head → on_body* → on_end → on_gone      (on_gone may cut the line at any place)
 * The answer may be given at any time from on_head on; until then the connection is suspended and
 * costs no CPU. After http_respond*() the request's rest brings no more on_body and on_end: it is
 * read and thrown away up to a bound, else the connection is closed. A streamed answer may run
 * while the body still comes in; on_body and on_end go on until http_stream_end().
 *
 * Thread: loop, all of it. Callbacks never come from inside http_respond*(). */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"

struct http_server;
struct http_exchange;

struct http_header {
    struct str name, value;
};

struct http_config {
    const char *name;         /* for logs: "gateway", "rapi" */
    unsigned connections_max; /* further ones are closed at once (and counted) */
    /* 0 for each of the next three: no deadline */
    unsigned idle_ms; /* a kept-alive connection without a request. 0 anywhere: no bound */
    unsigned head_ms; /* from the first byte of a request to the end of its headers */
    unsigned body_ms; /* longest time between two pieces of a body, or in which the client
                       * takes nothing of an answer that waits for it */
    /* Of a body that nobody wants any more (the answer is already given), so much is read and
     * thrown away, that a client which sends all of it first still gets its answer; 0: 1 MiB. */
    uint64_t drain_max;
    size_t head_bytes_max; /* request line + headers; over it: 431. 0: 64 KiB */
    /* What a client that ends its sending side while it awaits the answer means. HTTP allows it to
     * half-close and go on reading, and a client that left looks the same until something is sent
     * to it. false: keep the exchange, notice when the answer meets a reset. true: it is gone.
     * Right where the peer is known to keep its side open (the Runtime API: every runtime does). */
    bool eof_is_gone;
    unsigned per_tag_max; /* adopted connections with one tag; 0: no bound of its own */
};

struct http_handlers {
    /* Request line and headers are there. Sets the largest body wanted with http_body_max()
     * (default 0), may set http_set_arg(), may answer at once. */
    void (*on_head)(void *server_arg, struct http_exchange *x);
    /* A piece of the body, already within the maximum. `at` is only valid during the call. */
    void (*on_body)(void *server_arg, struct http_exchange *x, struct str piece);
    /* The request is complete (trailers too). */
    void (*on_end)(void *server_arg, struct http_exchange *x);
    /* Answer sent, or the client left, or the server is closing. x is freed after it returns.
     * `sent`: the whole answer was handed to the kernel. */
    void (*on_gone)(void *server_arg, struct http_exchange *x, bool sent);
    /* The body would pass its maximum. Answer something (413); the rest is discarded. May be NULL:
     * a plain 413. */
    void (*on_too_large)(void *server_arg, struct http_exchange *x);
};

int http_server_new(struct loop *loop, const struct http_config *config,
                    const struct http_handlers *handlers, void *server_arg,
                    struct http_server **ret, struct err *err);
/* Accept from this listening socket; taken over. At most 8 per server. */
int http_server_listen(struct http_server *s, int listen_fd, struct err *err);
/* Stop accepting, close idle connections; running exchanges go on. */
void http_server_quiesce(struct http_server *s);
/* Closes everything; on_gone for every exchange. Not from inside one of its callbacks. */
void http_server_free(struct http_server *s);
/* Serve one already accepted connection; fd taken over (closed on failure too). http_conn_tag() of
 * its exchanges gives `tag`. */
int http_server_adopt(struct http_server *s, int fd, void *tag, struct err *err);
/* Close every connection with this tag, at once; on_gone for each exchange, then the tag is
 * forgotten. Inside a callback of such an exchange: that exchange is freed when this returns. */
void http_server_drop_tag(struct http_server *s, void *tag);
unsigned http_server_connections(const struct http_server *s);

/* ---- the request ---- */
void http_set_arg(struct http_exchange *x, void *arg);
void *http_arg(const struct http_exchange *x);
void *http_conn_tag(const struct http_exchange *x);
void http_body_max(struct http_exchange *x, uint64_t bytes);
struct str http_method(const struct http_exchange *x);
struct str
http_path(const struct http_exchange *x); /* as received: not decoded, without the query */
struct str http_query(const struct http_exchange *x); /* as received, without '?' */
/* Name matched without case; STR_NULL when absent. */
struct str http_header_get(const struct http_exchange *x, const char *name);
const struct http_header *http_headers(const struct http_exchange *x, size_t *ret_len);
/* A trailer field after on_end (chunked requests). */
struct str http_trailer_get(const struct http_exchange *x, const char *name);
/* Content-Length, or -1 when chunked or without a body. */
int64_t http_content_length(const struct http_exchange *x);
/* "127.0.0.1:5555" of the client; valid as long as x. */
const char *http_peer(const struct http_exchange *x);

/* ---- the answer: exactly one of these, once ---- */
/* Headers are copied. Content-Length is set here; Content-Length and Transfer-Encoding among them
 * are ignored, "Connection: close" is obeyed, control characters become blanks (so that a value
 * from a function cannot split the answer). `body` is copied. After a client left, answers fall
 * silent. */
void http_respond(struct http_exchange *x, int status, const struct http_header *headers,
                  size_t headers_len, struct str body);
/* As above, the body's memory is taken over: `release(release_arg)` right before on_gone, sent or
 * not. */
void http_respond_owned(struct http_exchange *x, int status, const struct http_header *headers,
                        size_t headers_len, struct str body, void (*release)(void *arg),
                        void *release_arg);
/* Streamed (chunked): begin, write…, end. http_stream_write copies; returns the number of bytes
 * that now wait to be sent. Above `high_water` the writer should stop until on_drained is called
 * (once half of it is gone). What is written within one turn of the loop leaves in one piece. */
void http_stream_begin(struct http_exchange *x, int status, const struct http_header *headers,
                       size_t headers_len, size_t high_water,
                       void (*on_drained)(struct http_exchange *x));
size_t http_stream_write(struct http_exchange *x, struct str piece);
void http_stream_end(struct http_exchange *x);
/* End the connection without ending the body: the client sees a truncated answer. */
void http_stream_abort(struct http_exchange *x);
/* Do not read further pieces of this request's body until resumed (back pressure). */
void http_body_pause(struct http_exchange *x);
void http_body_resume(struct http_exchange *x);

const char *http_status_text(int status);
