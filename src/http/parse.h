/* Bytes of an HTTP/1.x request to values, without I/O, clock or allocation: the head, the chunked
 * coding, trailers. Strict where leniency lets two parsers disagree about where a request ends
 * (request smuggling): RFC 9112 sections 2.2, 3, 5.1, 6.1, 6.3 and 7.1.
 * Thread: any. Everything returned borrows from the bytes given. */
#pragma once

#include "base/base.h"
#include "http/http.h"

/* What is wrong with a request: the status of the answer, and its text. */
struct http_fault {
    int status;
    const char *text;
};

struct http_head {
    struct str method;
    struct str path, query; /* STR_NULL query when there is no '?' */
    unsigned minor;         /* HTTP/1.minor: 0 or 1 */
    struct http_header *headers;
    size_t headers_len;
    int64_t content_length; /* -1: absent */
    bool chunked;
    bool keep_alive;
    bool expect_continue;
};

/* Looks for the empty line. Returns the head's length with it, 0 when more bytes are needed, -1 for
 * a line that does not end in CR LF (*ret_fault says so). `*scan` remembers how far it looked: 0 at
 * first, the same bytes in front each time. */
ssize_t http_head_end(const char *at, size_t len, size_t *scan, struct http_fault *ret_fault);

/* An upper bound of the number of header fields in a whole head. */
size_t http_head_lines(struct str head);

/* `head` is whole, as http_head_end() measured it; `headers` has room for http_head_lines() of
 * them. False: *ret_fault. */
bool http_head_parse(struct str head, struct http_header *headers, struct http_head *ret,
                     struct http_fault *ret_fault);

/* Trailer fields: `lines` is whole and ends with the empty line. */
bool http_fields_parse(struct str lines, struct http_header *headers, size_t headers_max,
                       size_t *ret_len, struct http_fault *ret_fault);

/* ---- chunked coding ---- */
enum http_chunk_state { CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_DONE };
enum { CHUNK_LINE_MAX = 256 }; /* a size with its extensions */

struct http_chunks {
    enum http_chunk_state state;
    uint64_t left; /* of this chunk's data */
    size_t scan;   /* in the trailer */
};

/* Consumes from the front of (at, len). Returns the number of bytes used (0: needs more), or -1
 * with *ret_fault. *ret_data are the payload bytes among the used ones (len 0 when there are none).
 * In CHUNK_TRAILER it uses nothing until the whole trailer is there, then all of it, and gives its
 * lines in *ret_trailer; more than trailer_max bytes of it is a fault. */
ssize_t http_chunks_feed(struct http_chunks *c, const char *at, size_t len, size_t trailer_max,
                         struct str *ret_data, struct str *ret_trailer,
                         struct http_fault *ret_fault);

bool http_is_token(struct str s);
