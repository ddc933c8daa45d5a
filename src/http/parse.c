/* The strict parser of request heads and of the chunked coding.
 *
 * A head is only parsed when it is whole, so there is no state between calls except how far the
 * search for the empty line got. Every line ends in CR LF: a bare LF, a bare CR, a NUL or any other
 * control byte is refused, because the next parser on the way may see a different line there.
 * Folded lines (obs-fold) and blanks before the colon are refused for the same reason, and so is
 * whatever makes the body's length ambiguous: two Content-Length fields, even equal ones;
 * Content-Length beside Transfer-Encoding; any transfer coding but a single "chunked". */
#include "http/parse.h"

/* clang-format off */
/* RFC 9110 5.6.2: tchar. */
static const bool token_char[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
    ['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,
    ['0' ... '9'] = 1, ['a' ... 'z'] = 1, ['A' ... 'Z'] = 1,
};
/* Field values: visible bytes, blanks, and what is not ASCII (which some clients send raw). */
static const bool value_char[256] = {
    ['\t'] = 1, [0x20 ... 0x7e] = 1, [0x80 ... 0xff] = 1,
};
/* clang-format on */

static bool
fault(struct http_fault *ret, int status, const char *text)
{
    *ret = (struct http_fault){status, text};
    return false;
}

static bool
all_of(struct str s, const bool table[256])
{
    for (size_t i = 0; i < s.len; i++)
        if (!table[(unsigned char)s.at[i]])
            return false;
    return true;
}

bool
http_is_token(struct str s)
{
    return s.len > 0 && all_of(s, token_char);
}

ssize_t
http_head_end(const char *at, size_t len, size_t *scan, struct http_fault *ret_fault)
{
    size_t i = *scan;

    while (i < len) {
        const char *lf = memchr(at + i, '\n', len - i);

        if (!lf)
            break;
        i = (size_t)(lf - at) + 1;
        if (i < 2 || lf[-1] != '\r') {
            fault(ret_fault, 400, "A line of the request does not end with CR LF.");
            return -1;
        }
        if (i == 2 || lf[-2] == '\n') {
            *scan = i;
            return (ssize_t)i;
        }
    }
    *scan = MAX(i, len);
    return 0;
}

size_t
http_head_lines(struct str head)
{
    size_t n = 0;

    for (const char *p = head.at, *end = head.at + head.len;
         (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
        n++;
    return n;
}

/* Cuts the next line off, without its CR LF. The caller knows that one is there. */
static struct str
next_line(struct str *rest)
{
    const char *lf = memchr(rest->at, '\n', rest->len);
    struct str line;

    ASSERT(lf && lf > rest->at && lf[-1] == '\r');
    line = (struct str){rest->at, (size_t)(lf - rest->at) - 1};
    rest->len -= (size_t)(lf + 1 - rest->at);
    rest->at = lf + 1;
    return line;
}

static struct str
trim(struct str s)
{
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t')) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool
parse_field(struct str line, struct http_header *ret, struct http_fault *ret_fault)
{
    ssize_t colon = str_find(line, ':');

    if (line.at[0] == ' ' || line.at[0] == '\t')
        return fault(ret_fault, 400, "Folded header lines are not supported.");
    if (colon < 0)
        return fault(ret_fault, 400, "A header line has no colon.");
    ret->name = (struct str){line.at, (size_t)colon};
    if (!http_is_token(ret->name)) /* a blank before the colon lands here too */
        return fault(ret_fault, 400, "A header name has a character that is not allowed.");
    ret->value = (struct str){line.at + colon + 1, line.len - (size_t)colon - 1};
    if (!all_of(ret->value, value_char))
        return fault(ret_fault, 400, "A header value has a control character.");
    ret->value = trim(ret->value);
    return true;
}

bool
http_fields_parse(struct str lines, struct http_header *headers, size_t headers_max,
                  size_t *ret_len, struct http_fault *ret_fault)
{
    size_t n = 0;

    for (;;) {
        struct str line = next_line(&lines);

        if (line.len == 0)
            break;
        if (n == headers_max)
            return fault(ret_fault, 431, "There are too many header fields.");
        if (!parse_field(line, &headers[n], ret_fault))
            return false;
        n++;
    }
    *ret_len = n;
    return true;
}

/* "http://authority/path" as sent to proxies, and by some clients to everyone: the authority is
 * Host's business, what follows is the path. RFC 9112 3.2.2 has servers accept it. */
static struct str
without_authority(struct str target)
{
    size_t skip = str_starts(target, STR("http://"))    ? 7
                  : str_starts(target, STR("https://")) ? 8
                                                        : 0;

    if (skip == 0)
        return target;
    while (skip < target.len && target.at[skip] != '/' && target.at[skip] != '?')
        skip++;
    return (struct str){target.at + skip, target.len - skip};
}

static bool
parse_target(struct str target, struct http_head *head, struct http_fault *ret_fault)
{
    bool absolute = target.len > 0 && target.at[0] == 'h';
    ssize_t mark;

    for (size_t i = 0; i < target.len; i++)
        if ((unsigned char)target.at[i] <= ' ' || target.at[i] == 0x7f)
            return fault(ret_fault, 400, "The request target has a character that is not allowed.");
    target = without_authority(target);
    mark = str_find(target, '?');
    head->query = STR_NULL;
    if (mark >= 0) {
        head->query = (struct str){target.at + mark + 1, target.len - (size_t)mark - 1};
        target.len = (size_t)mark;
    }
    if (target.len == 0 && absolute)
        target = STR("/");
    if (target.len == 0 ||
        (target.at[0] != '/' && !(str_is(target, "*") && str_is(head->method, "OPTIONS"))))
        return fault(ret_fault, 400, "The request target must be a path.");
    head->path = target;
    return true;
}

static bool
parse_request_line(struct str line, struct http_head *head, struct http_fault *ret_fault)
{
    ssize_t method = str_find(line, ' '), target;
    struct str rest, version;

    if (method < 0)
        return fault(ret_fault, 400, "The request line is malformed.");
    head->method = (struct str){line.at, (size_t)method};
    rest = (struct str){line.at + method + 1, line.len - (size_t)method - 1};
    target = str_find(rest, ' ');
    if (!http_is_token(head->method) || target < 0)
        return fault(ret_fault, 400, "The request line is malformed.");
    version = (struct str){rest.at + target + 1, rest.len - (size_t)target - 1};
    rest.len = (size_t)target;
    if (version.len != 8 || memcmp(version.at, "HTTP/", 5) != 0 || version.at[6] != '.' ||
        version.at[5] < '0' || version.at[5] > '9' || version.at[7] < '0' || version.at[7] > '9')
        return fault(ret_fault, 400, "The request line is malformed.");
    if (version.at[5] != '1')
        return fault(ret_fault, 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.");
    head->minor = version.at[7] == '0' ? 0 : 1;
    return parse_target(rest, head, ret_fault);
}

/* Does the comma-separated list hold this token? */
static bool
list_has(struct str list, const char *token)
{
    while (list.len > 0) {
        ssize_t comma = str_find(list, ',');
        size_t n = comma < 0 ? list.len : (size_t)comma;

        if (str_eq_nocase(trim((struct str){list.at, n}), str_of(token)))
            return true;
        n += comma < 0 ? 0 : 1;
        list.at += n;
        list.len -= n;
    }
    return false;
}

static bool
parse_length(struct str value, int64_t *ret, struct http_fault *ret_fault)
{
    int64_t n = 0;

    if (value.len == 0)
        return fault(ret_fault, 400, "Content-Length is malformed.");
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] < '0' || value.at[i] > '9')
            return fault(ret_fault, 400, "Content-Length is malformed.");
    for (size_t i = 0; i < value.len; i++) {
        if (n > (INT64_MAX - 9) / 10)
            return fault(ret_fault, 413, "Content-Length is beyond any limit.");
        n = n * 10 + (value.at[i] - '0');
    }
    *ret = n;
    return true;
}

/* RFC 9112 6.3, without its leniencies. */
static bool
check_framing(struct http_head *head, struct http_fault *ret_fault)
{
    size_t hosts = 0, lengths = 0, codings = 0;
    bool close = false, keep = false;

    head->content_length = -1;
    for (size_t i = 0; i < head->headers_len; i++) {
        struct str name = head->headers[i].name, value = head->headers[i].value;

        switch (name.len) { /* most fields are dismissed by their length alone */
        case 4:
            if (str_eq_nocase(name, STR("host")))
                hosts++;
            break;
        case 6:
            if (str_eq_nocase(name, STR("expect"))) {
                if (!str_eq_nocase(value, STR("100-continue")))
                    return fault(ret_fault, 417, "Only Expect: 100-continue is known.");
                head->expect_continue = head->minor >= 1;
            }
            break;
        case 10:
            if (str_eq_nocase(name, STR("connection"))) {
                close = close || list_has(value, "close");
                keep = keep || list_has(value, "keep-alive");
            }
            break;
        case 14:
            if (str_eq_nocase(name, STR("content-length"))) {
                lengths++;
                if (!parse_length(value, &head->content_length, ret_fault))
                    return false;
            }
            break;
        case 17:
            if (str_eq_nocase(name, STR("transfer-encoding"))) {
                codings++;
                if (!str_eq_nocase(value, STR("chunked")))
                    return fault(ret_fault, 501, "The only transfer coding is chunked.");
                head->chunked = true;
            }
            break;
        }
    }
    if (lengths > 1)
        return fault(ret_fault, 400, "There is more than one Content-Length.");
    if (codings > 1)
        return fault(ret_fault, 400, "There is more than one Transfer-Encoding.");
    if (codings > 0 && lengths > 0)
        return fault(ret_fault, 400, "Content-Length and Transfer-Encoding exclude each other.");
    if (codings > 0 && head->minor == 0)
        return fault(ret_fault, 400, "HTTP/1.0 has no Transfer-Encoding.");
    if (hosts > 1 || (hosts == 0 && head->minor >= 1))
        return fault(ret_fault, 400, "An HTTP/1.1 request needs exactly one Host header.");
    head->keep_alive = !close && (head->minor >= 1 || keep);
    return true;
}

bool
http_head_parse(struct str head, struct http_header *headers, struct http_head *ret,
                struct http_fault *ret_fault)
{
    *ret = (struct http_head){.headers = headers};
    if (!parse_request_line(next_line(&head), ret, ret_fault))
        return false;
    return http_fields_parse(head, headers, SIZE_MAX, &ret->headers_len, ret_fault) &&
           check_framing(ret, ret_fault);
}

/* ---- chunked coding ---- */

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1a2b;name=value": the size; extensions are looked through for control bytes and ignored. */
static bool
parse_chunk_line(struct str line, uint64_t *ret, struct http_fault *ret_fault)
{
    uint64_t n = 0;
    size_t i = 0;

    for (; i < line.len && hex_digit(line.at[i]) >= 0; i++) {
        if (i == 15) /* 60 bits: no sum of what we add to it can overflow */
            return fault(ret_fault, 413, "A chunk is beyond any limit.");
        n = n << 4 | (uint64_t)hex_digit(line.at[i]);
    }
    if (i == 0 || (i < line.len && line.at[i] != ';'))
        return fault(ret_fault, 400, "A chunk size is malformed.");
    if (!all_of((struct str){line.at + i, line.len - i}, value_char))
        return fault(ret_fault, 400, "A chunk extension has a control character.");
    *ret = n;
    return true;
}

static ssize_t
feed_size(struct http_chunks *c, const char *at, size_t len, struct http_fault *ret_fault)
{
    const char *lf = memchr(at, '\n', MIN(len, (size_t)CHUNK_LINE_MAX));
    size_t used;

    /* What can't become a size any more is refused now: waiting would only wait. */
    if (hex_digit(at[0]) < 0 || (!lf && len >= CHUNK_LINE_MAX)) {
        fault(ret_fault, 400, "A chunk size is malformed.");
        return -1;
    }
    if (!lf)
        return 0;
    used = (size_t)(lf - at) + 1;
    if (lf[-1] != '\r') { /* there is a digit in front */
        fault(ret_fault, 400, "A chunk size does not end with CR LF.");
        return -1;
    }
    if (!parse_chunk_line((struct str){at, used - 2}, &c->left, ret_fault))
        return -1;
    c->state = c->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
    c->scan = 0;
    return (ssize_t)used;
}

ssize_t
http_chunks_feed(struct http_chunks *c, const char *at, size_t len, size_t trailer_max,
                 struct str *ret_data, struct str *ret_trailer, struct http_fault *ret_fault)
{
    ssize_t used;

    *ret_data = (struct str){at, 0};
    *ret_trailer = STR_NULL;
    if (len == 0)
        return 0;
    switch (c->state) {
    case CHUNK_SIZE:
        return feed_size(c, at, len, ret_fault);
    case CHUNK_DATA:
        ret_data->len = (size_t)MIN((uint64_t)len, c->left);
        c->left -= ret_data->len;
        if (c->left == 0)
            c->state = CHUNK_DATA_END;
        return (ssize_t)ret_data->len;
    case CHUNK_DATA_END:
        if (at[0] != '\r' || (len >= 2 && at[1] != '\n')) {
            fault(ret_fault, 400, "A chunk does not end with CR LF.");
            return -1;
        }
        if (len < 2)
            return 0;
        c->state = CHUNK_SIZE;
        return 2;
    case CHUNK_TRAILER:
        used = http_head_end(at, MIN(len, trailer_max), &c->scan, ret_fault);
        if (used < 0)
            return -1;
        if (used == 0 && len >= trailer_max) {
            fault(ret_fault, 431, "The trailer is too large.");
            return -1;
        }
        if (used > 0) {
            *ret_trailer = (struct str){at, (size_t)used};
            c->state = CHUNK_DONE;
        }
        return used;
    case CHUNK_DONE:
        return 0;
    }
    return 0;
}
