/* JSON as bytes: an incremental check of event payloads (never rebuilt, so numbers above 2^53 and
 * the order of keys survive), and writing text into a buffer. Thread: any; a validator belongs to
 * one request. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum { JSON_DEPTH_MAX = 512 };

struct json_check;

struct json_check *json_check_new(void);
void json_check_free(struct json_check *c);
AUTO_DEFINE(struct json_check *, json_check_free)
/* The next piece of the text, any size. Errors: INVALID, once, "Unexpected … at byte N"; from then
 * on every call fails. */
int json_check_feed(struct json_check *c, struct str piece, struct err *err);
/* The text is complete: exactly one value. Nothing but blanks fails too (json_check_empty() tells).
 */
int json_check_end(struct json_check *c, struct err *err);
bool json_check_empty(const struct json_check *c); /* not one byte was fed */

/* A whole text at once. */
int json_check(struct str text, struct err *err);

/* "text" with quotes, escaped. Invalid UTF-8 becomes U+FFFD; NULL an empty string. */
bool json_put_string(struct buf *to, struct str text);

/* Objects and lists piece by piece. The comma is put by looking at the last byte: `{` or `[` need
 * none. json_put_key() is followed by one value. */
bool json_put_key(struct buf *to, const char *key);
bool json_put_comma(struct buf *to);
bool json_put_str(struct buf *to, const char *key, struct str value); /* left out if absent */
bool json_put_int(struct buf *to, const char *key, int64_t value);
bool json_put_bool(struct buf *to, const char *key, bool value);
