/* What lambentd gives up of the kernel before it answers anybody. */
#pragma once

#include "base/err.h"

/* Refuse, on all threads and for good, the calls that a running lambentd has no use for.
 * Thread: loop, once, when spawner, listeners and threads exist. Errors: the kernel has no seccomp.
 */
int daemon_filter(struct err *err);
