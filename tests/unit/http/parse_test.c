/* Heads and chunks, without sockets. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "http/parse.h"

static struct http_header headers[64];

/* The status a whole head is refused with, 0 when it is fine. Copied to the heap at its exact size,
 * so that a sanitizer sees a step too far. */
static int
parse(struct str text, struct http_head *ret)
{
    char *copy = malloc(text.len);
    struct http_fault fault = {0};
    size_t scan = 0;
    ssize_t end;

    memcpy(copy, text.at, text.len);
    end = http_head_end(copy, text.len, &scan, &fault);
    free(copy);
    if (end < 0)
        return fault.status;
    assert_int_equal(end, text.len);
    assert_true(http_head_lines(text) <= ARRAY_LEN(headers));
    return http_head_parse(text, headers, ret, &fault) ? 0 : fault.status;
}

#define HEAD(lines) STR(lines "\r\n")
#define HOST "Host: a\r\n"

static void
a_head_is_taken_apart(void **state)
{
    struct http_head h;

    assert_int_equal(parse(HEAD("POST /a%20b/c?x=1&y HTTP/1.1\r\n" HOST "X-Empty:\r\n"
                                "X-Blank: \t v w \t\r\nCONTENT-length: 12\r\n"
                                "Expect: 100-Continue\r\n"),
                           &h),
                     0);
    assert_true(str_is(h.method, "POST"));
    assert_true(str_is(h.path, "/a%20b/c"));
    assert_true(str_is(h.query, "x=1&y"));
    assert_int_equal(h.minor, 1);
    assert_int_equal(h.headers_len, 5);
    assert_true(str_is(h.headers[1].value, ""));
    assert_true(str_is(h.headers[2].value, "v w"));
    assert_int_equal(h.content_length, 12);
    assert_true(h.keep_alive && h.expect_continue && !h.chunked);
}

static void
targets_are_paths(void **state)
{
    struct http_head h;

    assert_int_equal(parse(HEAD("GET http://h:1/p?q HTTP/1.1\r\n" HOST), &h), 0);
    assert_true(str_is(h.path, "/p") && str_is(h.query, "q"));
    assert_int_equal(parse(HEAD("GET http://h HTTP/1.1\r\n" HOST), &h), 0);
    assert_true(str_is(h.path, "/") && !h.query.at);
    assert_int_equal(parse(HEAD("GET http://h?q HTTP/1.1\r\n" HOST), &h), 0);
    assert_true(str_is(h.path, "/") && str_is(h.query, "q"));
    assert_int_equal(parse(HEAD("OPTIONS * HTTP/1.1\r\n" HOST), &h), 0);
    assert_int_equal(parse(HEAD("GET * HTTP/1.1\r\n" HOST), &h), 400);
    assert_int_equal(parse(HEAD("GET /? HTTP/1.1\r\n" HOST), &h), 0);
    assert_true(h.query.at && h.query.len == 0);
}

static void
keep_alive_follows_version_and_connection(void **state)
{
    static const struct {
        struct str head;
        bool keep;
    } cases[] = {
        {HEAD("GET / HTTP/1.1\r\n" HOST), true},
        {HEAD("GET / HTTP/1.1\r\n" HOST "Connection: close\r\n"), false},
        {HEAD("GET / HTTP/1.1\r\n" HOST "Connection: te, Close\r\n"), false},
        {HEAD("GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n"), true},
        {HEAD("GET / HTTP/1.0\r\n"), false},
        {HEAD("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n"), true},
        {HEAD("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n"), false},
        {HEAD("GET / HTTP/1.9\r\n" HOST), true},
    };
    struct http_head h;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(parse(cases[i].head, &h), 0);
        assert_int_equal(h.keep_alive, cases[i].keep);
    }
}

static void
doubtful_heads_are_refused(void **state)
{
    static const struct {
        struct str head;
        int status;
    } cases[] = {
        {HEAD("GARBAGE\r\n"), 400},
        {HEAD("GET /\r\n" HOST), 400},
        {HEAD("GET  / HTTP/1.1\r\n" HOST), 400},
        {HEAD("GET / HTTP/1.1 \r\n" HOST), 400},
        {HEAD("GET / http/1.1\r\n" HOST), 400},
        {HEAD("GET / HTTP/1.10\r\n" HOST), 400},
        {HEAD("GET / HTTP/2.0\r\n" HOST), 505},
        {HEAD("PRI * HTTP/2.0\r\n"), 505},
        {HEAD("GET a HTTP/1.1\r\n" HOST), 400},
        {HEAD("GET /\x7f HTTP/1.1\r\n" HOST), 400},
        {HEAD("G\tT / HTTP/1.1\r\n" HOST), 400},
        {HEAD("GET /\0 HTTP/1.1\r\n" HOST), 400},
        {HEAD("GET / HTTP/1.1\n" HOST), 400},
        {HEAD("GET / HTTP/1.1\r\nHost: a\n"), 400},
        {HEAD("GET / HTTP/1.1\r\n" HOST "a\rb: c\r\n"), 400},
        {HEAD("GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n"), 400},
        {HEAD("GET / HTTP/1.1\r\n" HOST "A: b\0c\r\n"), 400},
        {HEAD("GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n"), 400},
        {HEAD("GET / HTTP/1.1\r\n A: b\r\n" HOST), 400},
        {HEAD("GET / HTTP/1.1\r\nHost : a\r\n"), 400},
        {HEAD("GET / HTTP/1.1\r\n" HOST ": v\r\n"), 400},
        {HEAD("GET / HTTP/1.1\r\n" HOST "nocolon\r\n"), 400},
        {HEAD("GET / HTTP/1.1\r\n"), 400},
        {HEAD("GET / HTTP/1.1\r\n" HOST "host: b\r\n"), 400},
        {HEAD("GET / HTTP/1.1\r\n" HOST "Expect: tea\r\n"), 417},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Content-Length: abc\r\n"), 400},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n"), 400},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n"), 400},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Content-Length: 1 1\r\n"), 400},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n"), 400},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n"), 400},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n"), 400},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n"), 413},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n"), 400},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
         400},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
         400},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
              "Transfer-Encoding: chunked\r\n"),
         400},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n"), 501},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n"), 501},
        {HEAD("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n"), 501},
        {HEAD("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"), 400},
    };
    struct http_head h;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (parse(cases[i].head, &h) != cases[i].status)
            fail_msg("case %zu: %d, not %d", i, parse(cases[i].head, &h), cases[i].status);
}

static void
the_search_for_the_end_goes_on_where_it_stopped(void **state)
{
    struct str head = HEAD("GET / HTTP/1.1\r\n" HOST);
    struct http_fault fault;
    size_t scan = 0;

    for (size_t n = 1; n < head.len; n++)
        assert_int_equal(http_head_end(head.at, n, &scan, &fault), 0);
    assert_int_equal(http_head_end(head.at, head.len, &scan, &fault), head.len);
}

/* Feeds `text` in pieces of `step` bytes, the unused ones again; payload and trailer to `to`. */
static int
unchunk(struct str text, size_t step, struct buf *to, struct buf *trailer)
{
    struct http_chunks c = {0};
    struct http_fault fault = {0};
    size_t from = 0, have = 0;

    buf_reset(to);
    buf_reset(trailer);
    while (c.state != CHUNK_DONE) {
        struct str data, lines;
        char *copy = malloc(have - from + 1);
        ssize_t n;

        memcpy(copy, text.at + from, have - from);
        n = http_chunks_feed(&c, copy, have - from, 64, &data, &lines, &fault);
        if (n > 0) {
            buf_str(to, data);
            if (lines.at)
                buf_str(trailer, lines);
        }
        free(copy);
        if (n < 0)
            return fault.status;
        from += (size_t)n;
        if (n == 0 && have == text.len)
            return -1; /* wants more */
        if (n == 0)
            have = MIN(text.len, have + step);
    }
    return from == text.len ? 0 : -2;
}

static void
chunks_come_in_any_pieces(void **state)
{
    struct str text = STR("3\r\nabc\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nT: v\r\n\r\n");
    AUTO_BUF struct buf to = BUF_MAX(100), trailer = BUF_MAX(100);

    for (size_t step = 1; step <= text.len; step++) {
        assert_int_equal(unchunk(text, step, &to, &trailer), 0);
        assert_string_equal(to.at, "abc0123456789");
        assert_string_equal(trailer.at, "T: v\r\n\r\n");
    }
}

static void
doubtful_chunks_are_refused(void **state)
{
    static const struct {
        struct str text;
        int status;
    } cases[] = {
        {STR("\r\n"), 400},
        {STR("x\r\n"), 400},
        {STR("-1\r\n"), 400},
        {STR("0x1\r\n"), 400},
        {STR("1 \r\na\r\n"), 400},
        {STR(" 1\r\na\r\n"), 400},
        {STR("1\na\r\n"), 400},
        {STR("1\r\nab"), 400},
        {STR("1\r\na\n"), 400},
        {STR("1\r\na\rx"), 400},
        {STR("1;\x01\r\n"), 400},
        {STR(";\r\n"), 400},
        {STR("fffffffffffffffff\r\n"), 413},
        {STR("1000000000000000\r\n"), 413},
        {STR("0\r\nT: v\n\r\n"), 400},
        {STR("1\r\na\r\n"), -1},
        {STR("0\r\n"), -1},
        {STR("0\r\nT: 01234567890123456789012345678901234567890123456789012345678901234"), 431},
    };
    AUTO_BUF struct buf to = BUF_MAX(1000), trailer = BUF_MAX(1000), line = BUF_MAX(1000);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t step = 1; step < 80; step += 78)
            if (unchunk(cases[i].text, step, &to, &trailer) != cases[i].status)
                fail_msg("case %zu, step %zu: %d", i, step,
                         unchunk(cases[i].text, step, &to, &trailer));
    buf_z(&line, "1;");
    while (line.len < CHUNK_LINE_MAX)
        buf_c(&line, 'e');
    assert_int_equal(unchunk(buf_view(&line), 1, &to, &trailer), 400);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_taken_apart),
        cmocka_unit_test(targets_are_paths),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(doubtful_heads_are_refused),
        cmocka_unit_test(the_search_for_the_end_goes_on_where_it_stopped),
        cmocka_unit_test(chunks_come_in_any_pieces),
        cmocka_unit_test(doubtful_chunks_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
