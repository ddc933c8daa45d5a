/* What handlers work with, and what their folder exports. One per daemon, constant after start.
 * Thread: see each member's own header; handlers run where their operation's row says. */
#pragma once

#include "base/settings.h"
#include "invoke/invoke.h"
#include "loop/loop.h"
#include "store/logs.h"
#include "store/store.h"
#include "wire/request.h"

struct api {
    struct loop *loop;
    const struct settings *settings;
    struct store *store;
    struct invoker *invoker;
    struct log_writer *logs;
    uint8_t link_key[32]; /* signs download links; made at start, so links end with the process */
    unsigned settling;    /* jobs under way (loop) */
};

/* api/lambda/settle.c: move functions that are Pending or InProgress on. Thread: loop. */
void lambda_settle_start(struct api *api, struct str account, struct str region, struct str name,
                         uint32_t version);
/* At start: finish what a crash interrupted. Thread: a worker. */
int lambda_settle_recover(struct api *api, struct err *err);

/* The runtimes of the first functions found, each once, at most `max`: what is likely to be used
 * after a start. Thread: a worker. Strings in the arena. */
int lambda_runtimes_in_use(struct api *api, struct arena *a, struct str *ret, size_t max,
                           size_t *ret_len, struct err *err);

/* api/lambda/code.c: GET on a link made by lambda_code_link(). Opens the zip; the fd is the
 * caller's. Thread: a worker. */
int lambda_code_download(struct api *api, struct str path, struct str query, int *ret_fd,
                         uint64_t *ret_size, struct err *err);
/* A link to a version's code, valid for 10 minutes, in the arena. */
struct str lambda_code_link(struct request *rq, struct str package_hex);
