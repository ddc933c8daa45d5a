/* Sandboxes as the daemon sees them: make one, start a runtime inside, freeze, thaw, destroy.
 * The daemon has no privilege: root's part is done by lambent-spawner, asked over a SOCK_SEQPACKET
 * with fixed-size messages (see docs/PROTOCOL.md); what happens inside is done by the sandbox's own
 * pid 1 (init_*.c), which the daemon talks to directly.
 *
 * Thread: loop, all of it. Callbacks come from the loop, never from inside a call. */
#pragma once

#include "base/err.h"
#include "base/id.h"
#include "loop/loop.h"

struct spawner; /* the connection to lambent-spawner */
struct sandbox;

enum { SANDBOX_LAYERS_MAX = 5, SANDBOX_RUNTIME_NAME_MAX = 31 };

struct sandbox_spec {
    uint32_t memory_mb;    /* memory limit of all processes together, init included */
    uint32_t tmp_mb;       /* size of /tmp */
    uint32_t pids_max;     /* processes and threads */
    uint32_t cpu_permille; /* CPU quota in 1/1000 of a core; 0: none (during init) */
    /* Code trees are named by the SHA-256 of their package: root opens them itself beneath the
     * package folder, so a path never crosses the barrier. */
    char package[SHA256_HEX_LEN + 1]; /* mounted read-only at /var/task; empty: a generic sandbox */
    char layers[SANDBOX_LAYERS_MAX][SHA256_HEX_LEN + 1]; /* merged at /opt, later ones win */
    uint32_t layers_len;
    /* Folder beneath the runtimes folder, mounted read-only at /var/runtime ("python", "nodejs");
     * empty: nothing there. */
    char runtime[SANDBOX_RUNTIME_NAME_MAX + 1];
};

/* How a runtime (or the whole sandbox) came to its end. */
struct sandbox_exit {
    bool exited; /* with `code`; else by `signo` */
    int code, signo;
    bool oom; /* the kernel killed for memory in this sandbox since the runtime was started */
    /* NULL, or why it could not be executed at all (then code is 127): "execute
     * '/var/task/bootstrap': Permission denied". Valid during the callback. */
    const struct err *why;
};

struct sandbox_events {
    /* Built and ready; listener_fd is a listening TCP socket on 127.0.0.1:9001 inside the sandbox's
     * network namespace, owned by the sandbox, valid until on_gone returns. */
    void (*on_ready)(void *arg, int listener_fd);
    /* The runtime process started by sandbox_start() ended. Its children may live on. */
    void (*on_exit)(void *arg, const struct sandbox_exit *how);
    /* Everything of it is gone (processes, mounts, cgroups), or it could not be built (`why` set).
     * The last callback; the sandbox is freed after it returns. */
    void (*on_gone)(void *arg, const struct err *why);
    /* sandbox_assign() is done: code is mounted, limits hold. May be NULL. */
    void (*on_assigned)(void *arg);
};

/* Ask for a sandbox. Errors (now): UNAVAILABLE no spawner; THROTTLED too many. Later ones: on_gone.
 */
int sandbox_new(struct spawner *sp, const struct sandbox_spec *spec,
                const struct sandbox_events *events, void *arg, struct sandbox **ret,
                struct err *err);

/* Give a ready generic sandbox (made without a package, with tmp_mb 512) its code and limits; once.
 * Nothing that could be a user's may have run in it. on_assigned follows, or on_gone. */
int sandbox_assign(struct sandbox *sb, const struct sandbox_spec *spec, struct err *err);

/* Start the runtime: argv and envp are NULL-terminated, copied. May be called at once after
 * sandbox_new (it waits in line), and again after on_exit or sandbox_kill. argv[0] is the path.
 * `out_fd` becomes stdout and stderr, `log_fd` (or -1) fd 3, `frames_fd` (or -1) fd 4 of the new
 * process; all three are borrowed. Working directory /var/task. */
int sandbox_start(struct sandbox *sb, char *const argv[], char *const envp[], int out_fd,
                  int log_fd, int frames_fd, struct err *err);

/* SIGKILL every process but init; /tmp stays. on_exit follows if a runtime was running. */
int sandbox_kill(struct sandbox *sb, struct err *err);
/* Signal the runtime process alone. */
int sandbox_signal(struct sandbox *sb, int signo, struct err *err);

/* Freeze every process: they keep memory, lose CPU. Idempotent, synchronous (a file write). */
int sandbox_freeze(struct sandbox *sb, struct err *err);
int sandbox_thaw(struct sandbox *sb, struct err *err);
/* Change the CPU quota; 0 takes it away. Synchronous. */
int sandbox_set_cpu(struct sandbox *sb, uint32_t cpu_permille, struct err *err);

/* Peak memory in bytes since it was made (the kernel's own count), 0 if unknown. */
uint64_t sandbox_memory_peak(const struct sandbox *sb);
/* CPU time used by all its processes so far, in microseconds, 0 if unknown. */
uint64_t sandbox_cpu_us(const struct sandbox *sb);

/* Kill it and take it down. on_gone follows. Idempotent. */
void sandbox_destroy(struct sandbox *sb);

/* ---- the spawner, seen from the daemon's main ---- */
struct spawner_events {
    void (*on_ready)(void *arg); /* (again) able to make sandboxes */
    /* lambent-spawner's worker died; every sandbox gets its on_gone. It is restarted and on_ready
     * follows, unless `fatal`. */
    void (*on_lost)(void *arg, bool fatal);
};
/* `control_fd`: the socket made by spawner_launch() before privileges were dropped; taken over. */
int spawner_open(struct loop *loop, int control_fd, const struct spawner_events *events, void *arg,
                 struct spawner **ret, struct err *err);
/* Why the spawner was lost, for the log; ERR_NONE if it never was. Borrowed, valid until close. */
const struct err *spawner_why(const struct spawner *sp);
/* All sandboxes must be gone. The spawner process ends by itself. */
void spawner_close(struct spawner *sp);

struct spawner_config {
    const char *program;       /* path of lambent-spawner */
    const char *packages_dir;  /* absolute: unpacked code trees, by SHA-256 */
    const char *runtimes_dir;  /* absolute: bootstraps */
    const char *cgroup_parent; /* "" for our own place in each hierarchy */
    /* Environments take uids uid_base+1 … uid_base+65535; 0: a range of our own for each instance
     * on this machine, from 1879048192 up, where no distribution puts users. */
    uint32_t uid_base;
    uint32_t sandboxes_max;
    /* More host folders to show read-only in every sandbox, at the same path (an interpreter that
     * lives outside /usr); NULL-terminated; NULL for none. */
    const char *const *show_dirs;
};
/* As root, before dropping privileges and before any thread: fork and exec lambent-spawner.
 * Returns its pid; the daemon's end of the control socket in *ret_control_fd. */
int spawner_launch(const struct spawner_config *config, int *ret_control_fd, pid_t *ret_pid,
                   struct err *err);
