/* What the two files of the daemon's side share. Thread: loop. */
#pragma once

#include "sandbox/proto.h"

struct sandbox {
    uint32_t magic;
    uint32_t id;
    struct spawner *sp;
    const struct sandbox_events *events;
    void *arg;
    struct sandbox_spec spec;

    /* Requests still to be sent, in the order of the bits; queued while any is set. */
    unsigned todo; /* 1 << SPAWNER_CREATE … */
    struct sandbox *next;
    bool queued;

    struct io init_io;
    int init_fd;      /* our end of the control socket */
    int init_peer_fd; /* init's, until CREATE is sent */
    int listener_fd;
    int cgroup_fds[SANDBOX_FDS_LEN];
    bool memory_v2, cpu_v2;
    bool created, ready, frozen, destroyed, gone;
    bool cpu_wanted; /* a quota set before CREATED, in spec.cpu_permille */

    uint32_t run; /* number of the runtime started last */
    bool running;
    uint64_t oom_at_start;
    struct err why; /* of the end */
};

struct spawner {
    struct loop *loop;
    const struct spawner_events *events;
    void *arg;
    struct io control_io, request_io;
    int control_fd, request_fd; /* -1: closed */
    bool ready, fatal;
    bool closed;    /* spawner_close() was called from one of our callbacks: */
    unsigned depth; /* the outermost handler frees */
    struct err why;
    uint32_t sandboxes_max;
    uint32_t files_max;     /* sandboxes that our own limit of open files allows */
    struct sandbox **table; /* by id */
    uint32_t *free_ids;     /* a ring: an id, and with it a uid, comes back as late as possible */
    uint32_t free_at, free_len;
    struct sandbox *queue, **queue_end;
};

enum {
    SANDBOX_MAGIC = 0x5b0c5a9d,
    SANDBOX_FILES =
        3 + SANDBOX_FDS_LEN + 3, /* its sockets, cgroup files; pipes and frames of its owner */
    OTHER_FILES = 256,           /* for everything else in the process */
};

/* host_sandbox.c, for host_spawner.c */
void sandbox_on_created(struct sandbox *sb, const struct spawner_reply *reply, const int *fds);
void sandbox_on_assigned(struct sandbox *sb, const struct err *why);
void sandbox_on_gone(struct sandbox *sb, const struct err *why); /* calls on_gone; not the free */
void sandbox_free(struct sandbox *sb);
/* host_spawner.c, for host_sandbox.c */
void spawner_queue(struct spawner *sp, struct sandbox *sb, enum spawner_request_type type);
