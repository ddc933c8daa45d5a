/* What the daemon, the spawner and a sandbox's pid 1 say to each other (docs/PROTOCOL.md, 2 and 3).
 *
 * Every message is one fixed-size struct in one SOCK_SEQPACKET record, with the file descriptors
 * that its type calls for and no others. Both ends come from one build, so there is no version and
 * no byte order. A record of another size, of an unknown type, in the wrong state or with the wrong
 * descriptors ends the conversation: we treat a confused peer as a hostile one.
 *
 * Thread: any. Nothing here allocates; the functions are safe in a child between clone and exec. */
#pragma once

#include "base/err.h"
#include "sandbox/sandbox.h"

enum {
    PROTO_FDS_MAX = 8,
    SANDBOXES_MAX = 65534, /* one uid each, out of the 65,536 of an instance */
    SLOTS_MAX = 4094,      /* instances on one machine */
    RUNTIME_API_PORT = 9001,
    TMP_INODES_PER_MB = 256,
    TMP_MB_GENERIC = 512,  /* of a sandbox that has no function yet */
    ARGS_MAX = 64,         /* argv of a runtime, and */
    ENVS_MAX = 1024,       /* its environment, with */
    BLOB_MAX = 256 * 1024, /* all their bytes; the user's own variables have 4 KiB */
    SANDBOX_MEMORY_MB_MAX = 10240,
    SANDBOX_TMP_MB_MAX = 10240,
    SANDBOX_PIDS_MAX = 4096,
    SANDBOX_CPU_PERMILLE_MAX = 64000,
};
/* 0x70000000: no distribution hands out uids from here to 2^31. */
#define SLOT_UID_BASE 1879048192u

/* clang-format off */
/* ---- daemon -> spawner's worker ----
 * All that the daemon may ask of root. States are of the sandbox with that id. A sandbox that died
 * is GONE until the daemon has said RELEASE, as a child is a zombie until wait(): so that a DESTROY
 * that crosses with the death is not mistaken for nonsense. */
#define SPAWNER_REQUESTS(R) /* request  fds  allowed in           handler       why this is safe */              \
    R(CREATE,  1, ST(EMPTY),                          root_create,  "trees are looked up by hash beneath folders opened by root; every number has a maximum; the fd is only passed on to the sandbox") \
    R(ASSIGN,  0, ST(LIVE),                           root_assign,  "once, and only to one made without code; trees and numbers are checked as for CREATE; nothing in a sandbox can change where the mounts go, whatever the daemon ran in it") \
    R(DESTROY, 0, ST(LIVE) | ST(DYING) | ST(GONE),    root_destroy, "kills our own unreaped child by its pid, which cannot have been reused") \
    R(RELEASE, 0, ST(GONE),                           root_release, "forgets an id of which nothing is left")

/* ---- worker -> daemon ---- */
#define SPAWNER_REPLIES(R) /* reply   meaning */                                                  \
    R(READY)   /* able to make sandboxes */                                                       \
    R(CREATED) /* the sandbox is attached to its cgroups; the fds are SANDBOX_FDS that exist */   \
    R(ASSIGNED)/* its code is mounted and its limits hold; or `err` says why not: DESTROY it */  \
    R(FAILED)  /* could not be made, `err` says why; nothing is left; waits for RELEASE */        \
    R(GONE)    /* nothing of it is left; `status` is its init's; waits for RELEASE */

/* ---- supervisor -> daemon (the control socket) ---- */
#define SUPERVISOR_REPLIES(R)                                                                     \
    R(WORKER)  /* a worker was started; the fd is the socket for requests to it */                \
    R(LOST)    /* the worker is dead and everything of its sandboxes removed; another follows */  \
    R(FATAL)   /* as LOST, but no other follows; `err` says why */

/* A sandbox's own cgroup files, opened by root and handed to the daemon: whoever holds one can do
 * to this sandbox what the file does, and nothing else. Order is the order in SCM_RIGHTS. */
#define SANDBOX_FDS(F) /* fd         cgroup v1                     cgroup v2        what for */     \
    F(FREEZE)  /* -- (the v2 tree is used)      cgroup.freeze     write "1" or "0" */              \
    F(CPU)     /* cpu.cfs_quota_us              cpu.max           write the quota */               \
    F(CPUSTAT) /* -- (the v2 tree is used)      cpu.stat          read usage_usec */               \
    F(PEAK)    /* memory.max_usage_in_bytes     memory.peak       read bytes; absent before 5.19 */\
    F(CURRENT) /* memory.usage_in_bytes         memory.current    read bytes */                    \
    F(EVENTS)  /* memory.oom_control            memory.events     read "oom_kill N" */

/* ---- daemon -> init of a sandbox ---- */
#define INIT_REQUESTS(R) /* request  meaning */                                                   \
    R(START)  /* run argv in envp; fds: blob (a sealed memfd), out, then log and frames if given */\
    R(KILL)   /* SIGKILL everything but init, and wait until it is dead */                        \
    R(SIGNAL) /* `signo` to the runtime, if it still runs */

/* ---- init -> daemon ---- */
#define INIT_REPLIES(R)                                                                           \
    R(READY)  /* the fd is the Runtime API's listener */                                          \
    R(BROKEN) /* could not build the sandbox; `err` says at which step; init exits */             \
    R(EXITED) /* runtime number `run` ended: wait status, or err if it could not be executed */
/* clang-format on */

enum sandbox_state { SANDBOX_EMPTY, SANDBOX_LIVE, SANDBOX_DYING, SANDBOX_GONE };

enum spawner_request_type {
    SPAWNER_REQUEST_NONE, /* zeroed memory is not a request */
#define R(name, fds, allowed, handler, why) SPAWNER_##name,
    SPAWNER_REQUESTS(R)
#undef R
        SPAWNER_REQUESTS_END
};
enum spawner_reply_type {
    WORKER_NONE,
#define R(name) WORKER_##name,
    SPAWNER_REPLIES(R)
#undef R
        WORKER_REPLIES_END
};
enum supervisor_reply_type {
    SUPERVISOR_NONE,
#define R(name) SUPERVISOR_##name,
    SUPERVISOR_REPLIES(R)
#undef R
        SUPERVISOR_REPLIES_END
};
enum init_request_type {
    INIT_REQUEST_NONE,
#define R(name) INIT_##name,
    INIT_REQUESTS(R)
#undef R
        INIT_REQUESTS_END
};
enum init_reply_type {
    FROM_INIT_NONE,
#define R(name) FROM_INIT_##name,
    INIT_REPLIES(R)
#undef R
        FROM_INIT_END
};
enum sandbox_fd {
#define F(name) SANDBOX_FD_##name,
    SANDBOX_FDS(F)
#undef F
        SANDBOX_FDS_LEN
};

struct spawner_request {
    uint32_t type, id;
    struct sandbox_spec spec; /* CREATE and ASSIGN; zero for the others */
};
struct spawner_reply {
    uint32_t type, id;
    int32_t status;
    uint32_t fds;               /* bit i: enum sandbox_fd i is among the descriptors */
    uint32_t memory_v2, cpu_v2; /* which dialect those files speak */
    uint32_t sandboxes_max;     /* READY */
    struct err err;
};
struct supervisor_reply {
    uint32_t type;
    struct err err;
};
struct init_request {
    uint32_t type, run;
    int32_t signo;
    uint32_t argc, envc, blob_len;
    uint32_t has_log, has_frames;
};
struct init_reply {
    uint32_t type, run;
    int32_t status;
    struct err err;
};

/* Send one record. Returns 1; 0 when the socket is full (non-blocking ones); or an error:
 * UNAVAILABLE when the peer is gone. */
int proto_send(int socket_fd, const void *message, size_t size, const int *fds, size_t fds_len,
               struct err *err);
/* Receive one record of exactly `size` bytes and at most fds_max descriptors (close-on-exec).
 * Returns 1; 0 when nothing is there (non-blocking); or an error: UNAVAILABLE at end of file,
 * INVALID when the record has another size or more descriptors (all of which are closed). */
int proto_receive(int socket_fd, void *message, size_t size, int *fds, size_t fds_max,
                  size_t *ret_fds_len, struct err *err);
void proto_close_fds(int *fds, size_t fds_len);

/* INVALID unless every number and name is within its bounds. Without a package (and layers) it is a
 * generic sandbox's. */
int sandbox_spec_check(const struct sandbox_spec *spec, struct err *err);
bool sandbox_spec_generic(const struct sandbox_spec *spec);
