/* The few operations that several commands need, on top of the client. Documents are jansson's,
 * owned by the caller. Errors carry a hint where there is something to do. */
#pragma once

#include "cli/cli.h"
#include "cli/client.h"

enum { API_PAGES_MAX = 2000 };

/* A name as Lambda's API takes it: name, partial or whole ARN, with or without a qualifier. */
int api_check_name(const char *name, struct err *err);

/* client_call/client_json with the hints that fit: unreachable, unknown function, not built yet. */
int api_call(struct cli *cli, const struct call *call, struct reply *ret, struct err *err);
int api_json(struct cli *cli, const struct call *call, json_t **ret, struct err *err);

/* "/2015-03-31/functions/NAME" + tail into `to`. */
void api_function_path(struct buf *to, const char *name, const char *tail);

int api_get_configuration(struct cli *cli, const char *name, json_t **ret, struct err *err);

/* Poll until State is Active and no update is in progress, at most `timeout_s`. */
int api_wait_ready(struct cli *cli, const char *name, unsigned timeout_s, json_t **ret,
                   struct err *err);

/* All pages of a list operation: the members of `member` in one array. */
int api_list(struct cli *cli, const char *path, const char *member, json_t **ret, struct err *err);

/* awsJson1_1: POST / with X-Amz-Target. Takes over `in`. */
int api_logs(struct cli *cli, const char *operation, json_t *in, json_t **ret, struct err *err);

/* "" for absent. */
const char *api_text(const json_t *doc, const char *member);
int64_t api_number(const json_t *doc, const char *member, int64_t otherwise);
