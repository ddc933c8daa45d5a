/* One HTTP client for one Lambent endpoint, over libcurl: REST JSON for Lambda, awsJson1_1 for the
 * others. Requests carry an Authorization header with a credential scope, because the daemon reads
 * the region from it; the signature is not computed (on loopback nobody checks it).
 * Thread: one. Calls block. Everything a reply may bring is bounded by the call. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

struct client;

struct call {
    const char *method;
    const char *path;           /* with query, already escaped */
    const char *target;         /* X-Amz-Target, for awsJson1_1; else NULL */
    const char *const *headers; /* "Name: value", NULL at the end; or NULL */
    struct str body;
    long timeout_s;         /* 0: 60 */
    size_t reply_max_bytes; /* 0: 32 MiB */
    void (*on_progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
};

enum { REPLY_HEADER_MAX = 160 };

struct reply {
    long status;
    struct buf body;
    struct buf log_tail; /* X-Amz-Log-Result, still base64 */
    char request_id[REPLY_HEADER_MAX], executed_version[REPLY_HEADER_MAX];
    char function_error[REPLY_HEADER_MAX], error_type[REPLY_HEADER_MAX];
    char server[REPLY_HEADER_MAX];
};
void reply_done(struct reply *reply);
#define AUTO_REPLY __attribute__((cleanup(reply_done)))

/* `endpoint` and `region` are copied. Errors: INVALID for an endpoint that is no URL. */
int client_new(const char *endpoint, const char *region, struct client **ret, struct err *err);
void client_free(struct client *client);
AUTO_DEFINE(struct client *, client_free)

/* Any status below 400 is success. Errors: UNAVAILABLE when nobody answers (client_unreachable()
 * is true then), TIMEOUT, or the kind of the AWS error that was sent, whose name and whole text
 * client_error_code() and client_error_text() give. `ret` is filled in either case once a status
 * arrived; reply_done() it always. */
int client_call(struct client *client, const struct call *call, struct reply *ret, struct err *err);
/* As client_call, and parse the reply as a JSON object. */
int client_json(struct client *client, const struct call *call, json_t **ret, struct err *err);

const char *client_error_code(const struct client *client); /* "" if it was none of AWS's */
const char *client_error_text(const struct client *client);
bool client_unreachable(const struct client *client);

/* Percent-escape one path segment or query value into `to`. */
void client_escape(struct buf *to, const char *text);
