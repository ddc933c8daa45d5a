/* lambent-spawner from the inside: what its files share. Two processes: the supervisor
 * (root_main.c) and the worker (root_worker.c), pid 1 of a pid namespace of its own. Both have one
 * thread: whatever lock another thread held at clone() would stay held in the child.
 *
 * Thread: the only one. */
#pragma once

#include "sandbox/proto.h"

enum { SHOW_DIRS_MAX = 16, CGROUP_TREES_MAX = 4 };

struct root_config {
    int control_fd;
    const char *packages_dir, *runtimes_dir, *cgroup_parent;
    const char *show_dirs[SHOW_DIRS_MAX];
    size_t show_dirs_len;
    uint32_t uid_base; /* 0: by slot */
    uint32_t sandboxes_max;
};

/* ---- root_cgroup.c ---- */
/* One mounted hierarchy, of this process's own: the mounts are detached, nobody else sees them and
 * they need no place in any file system. */
struct cgroup_tree {
    int base_fd; /* where we stand in it */
    int dir_fd;  /* lambent-<slot> in there */
    bool v2;
};
struct cgroups {
    /* trees[0] is always the v2 one, controllers or not: freezing, killing, CPU time and being born
     * inside are its core functions. */
    struct cgroup_tree trees[CGROUP_TREES_MAX];
    size_t trees_len;
    size_t memory, cpu, pids; /* which tree */
    uint32_t slot;
    int slot_fd; /* the slot's lock file, or -1; in */
    int run_fd;  /* /run */
    bool moved;  /* v2: we and the daemon were moved into a leaf of ours */
};
/* Mount the hierarchies, take an instance slot, remove what dead instances left. */
int cgroups_open(struct cgroups *cg, const struct root_config *config, struct err *err);
/* Kill and remove all sandboxes' groups of this instance; for when their worker is dead. */
void cgroups_sweep(struct cgroups *cg);
/* Sweep, then remove the instance's own group. */
void cgroups_close(struct cgroups *cg);

struct cgroup_made {
    int v2_fd;                /* the group's directory, to be born in */
    int fds[SANDBOX_FDS_LEN]; /* -1 where the kernel has none */
};
/* On failure nothing is left. */
int cgroup_make(struct cgroups *cg, uint32_t id, const struct sandbox_spec *spec,
                struct cgroup_made *ret, struct err *err);
void cgroup_made_done(struct cgroup_made *made);
/* Put `pid` into the v1 groups (into v2's it was born). */
int cgroup_attach(struct cgroups *cg, uint32_t id, pid_t pid, struct err *err);
/* New limits for a sandbox that has its groups. */
int cgroup_limit(struct cgroups *cg, uint32_t id, const struct sandbox_spec *spec, struct err *err);
/* 0 when all are gone; else -EBUSY (the kernel is still at it: try again) or another -errno. */
int cgroup_remove(struct cgroups *cg, uint32_t id);

/* ---- root_template.c ---- */
struct template
{
    int home_fd;     /* the worker's own mount namespace */
    int ns_fd;       /* mount namespace to start sandboxes from: a pivoted skeleton root */
    int packages_fd; /* O_PATH, read-only mount, in the worker's own mount namespace */
    int runtimes_fd;
    int ids_fd;      /* writable; one folder per uid in use, with its passwd and group files */
    int ids_show_fd; /* the same, as sandboxes see it: read-only */
};
/* Leaves the host's mount namespace for good. Called once, in the worker, while it is pid 1. */
int template_make(const struct root_config *config, struct template *ret, struct err *err);
/* The mounts that make a sandbox out of the template; fds of detached mounts, -1 for none. */
struct sandbox_mounts {
    int task_fd, layers_fd, runtime_fd, ids_fd;
};
int sandbox_mounts_make(const struct template *t, const struct sandbox_spec *spec, uint32_t id,
                        uint32_t uid, struct sandbox_mounts *ret, struct err *err);
void sandbox_mounts_done(struct sandbox_mounts *m);
/* Mount a function's code (and layers) in a generic sandbox, whose pid 1 is `pid`, and give its
 * /tmp the right size. An error with sys ENOTRECOVERABLE leaves the worker in the wrong namespace:
 * end. */
int sandbox_mounts_add(const struct template *t, const struct sandbox_spec *spec, pid_t pid,
                       struct err *err);

/* ---- root_create.c ---- */
struct bpf {
    void *at; /* struct sock_filter[] */
    unsigned short len;
};
/* Make a sandbox: cgroups, mounts, the process. `socket_fd` goes to its init and stays the
 * caller's. On failure nothing is left. */
struct root_sandbox {
    pid_t pid;
    int cgroup_fds[SANDBOX_FDS_LEN];
};
int sandbox_build(struct cgroups *cg, const struct template *t, const struct bpf *filter,
                  uint32_t uid_base, uint32_t id, const struct sandbox_spec *spec, int socket_fd,
                  struct root_sandbox *ret, struct err *err);

/* ---- root_seccomp.c ---- */
int seccomp_compile(struct bpf *ret, struct err *err);

/* ---- root_worker.c ---- */
_Noreturn void worker_main(const struct root_config *config, struct cgroups *cg, int request_fd);

/* ---- init_setup.c, init_main.c: the child ---- */
struct init_args {
    int socket_fd, go_fd, template_fd;
    struct sandbox_mounts mounts;
    uint32_t uid, gid, tmp_mb;
    struct bpf filter;
};
_Noreturn void init_main(const struct init_args *args);
int init_setup(const struct init_args *args, int *ret_listener_fd, struct err *err);
_Noreturn void init_serve(int socket_fd);

/* Write a few bytes to a file beneath dir_fd. */
int write_at(int dir_fd, const char *name, struct err *err, const char *fmt, ...) PRINTF_LIKE(4, 5);
