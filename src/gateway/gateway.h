/* HTTP on one side, AWS operations on the other: routes each request to its service and operation,
 * runs it on the loop or a worker, sends the answer. Thread: loop. */
#pragma once

#include "api/api.h"

struct gateway;

int gateway_new(struct api *api, struct gateway **ret, struct err *err);
/* Serve on this listening socket (taken over). */
int gateway_listen(struct gateway *g, int listen_fd, struct err *err);
/* No new connections; requests under way go on. */
void gateway_quiesce(struct gateway *g);
/* `idle(arg)` once no request is under way. */
void gateway_drain(struct gateway *g, void (*idle)(void *arg), void *arg);
void gateway_free(struct gateway *g);
