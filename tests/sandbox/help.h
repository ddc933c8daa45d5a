/* What the tests of real sandboxes share: a spawner and its loop, boxes (a sandbox with what its
 * callbacks said), and a count of everything that could be left behind. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"
#include "sandbox/proto.h"
#include "sandbox/sandbox.h"

struct host {
    struct loop *loop;
    struct spawner *sp;
    pid_t pid; /* the supervisor */
    int readies, losts;
    bool fatal;
    char dir[64];
    int64_t slot; /* -1: not known yet */
};
struct box {
    struct host *host;
    struct sandbox *sb; /* NULL once gone */
    int readies, exits, gones;
    int listener_fd;
    struct sandbox_exit how; /* the last one; `why` points to exit_why */
    struct err exit_why, why;
    bool failed;             /* gone with a reason */
    struct box *takes_along; /* on_gone destroys that one too */
    int out_fd;              /* the pipe's read end */
    struct buf out;
};

/* The package that every box runs: holds /var/task/probe. */
extern char package_name[SHA256_HEX_LEN + 1];

void host_open(struct host *h, uint32_t sandboxes_max);
/* Waits until the spawner has ended and nothing is left. */
void host_close(struct host *h);
/* Run the loop until *count >= wanted; fails the test after 20 s. */
void wait_count(struct host *h, const int *count, int wanted);

struct sandbox_spec spec_default(void);
void box_new(struct host *h, struct box *b, const struct sandbox_spec *spec);
void box_start(struct box *b, const char *const *argv);
/* Start, wait for the exit; the output is in b->out. */
void box_run(struct box *b, ...) __attribute__((sentinel));
void box_free(struct box *b); /* destroys it if it lives, waits until it is gone */
const char *box_out(struct box *b);

/* What a leak would change. Groups and processes only of this host's instance: others may be at
 * work on the machine. */
struct leaks {
    int fds;     /* of this process */
    int cgroups; /* groups of sandboxes, in all hierarchies */
    int mounts;  /* of the host */
    int processes;
};
struct leaks leaks_count(const struct host *h);
void leaks_same(const struct leaks *before, const struct leaks *after);
/* The whole instance is gone: no group, no process. */
void nothing_left(const struct host *h);
/* As nothing_left, but waits for it: up to 10 s. */
void nothing_left_soon(const struct host *h);
/* A child of that process, or 0: the supervisor's is the worker. */
pid_t child_of(pid_t pid);
/* The instance slot, told from the uid of a running sandbox's init; -1 if there is none. */
int64_t slot_of(pid_t supervisor);
/* Folders with packages and runtimes, and the spawner's process; the first half of host_open. */
void host_launch(struct host *h, uint32_t sandboxes_max, int *ret_control_fd);
void host_remove_dir(struct host *h);
uint32_t host_slot(struct host *h); /* learns it from a sandbox's uid, once */

#define ASSERT_EXIT(b, c)                                                                          \
    do {                                                                                           \
        if (!(b)->how.exited || (b)->how.code != (c))                                              \
            fail_msg("exited %d code %d signal %d oom %d why '%s'; output:\n%s", (b)->how.exited,  \
                     (b)->how.code, (b)->how.signo, (b)->how.oom, (b)->exit_why.text, box_out(b)); \
    } while (0)
