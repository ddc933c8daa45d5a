/* lambentd: configuration and wiring only.
 *
 * It starts as root, in this order, each step while it still has exactly the right it needs:
 *   1. settings; the data folder; listening sockets (a port below 1024 may need root)
 *   2. lambent-spawner: forked and executed, the only process that keeps privilege
 *   3. everything is dropped: groups, ids, capabilities, the way back (no_new_privs)
 *   4. the loop with its threads, the store, the servers
 *   5. calls of the kernel that a running daemon has no use for (filter.c)
 *   6. readiness, to --ready-fd and to the service manager */
#include "api/api.h"
#include "base/log.h"
#include "base/settings.h"
#include "daemon/filter.h"
#include "gateway/gateway.h"
#include "observe/log_writer.h"
#include "rapi/rapi.h"
#include "rapi/runtimes.h"
#include "sandbox/sandbox.h"
#include "wire/op.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <cap-ng.h>

/* One below the environments' ranges (sandbox.h), where no distribution puts users. */
enum { UID_WITHOUT_USER = 1879048191 };
enum {
    LISTENERS_MAX = 8,
    EXTRA_DIRS_MAX = 32,
    RUNTIMES_MAX = 16,
    WORK_QUEUE_MAX = 4096,
    HOUSEKEEPING_US = 60 * 1000000
};

struct daemon {
    int argc;
    char **argv;
    struct settings settings;
    struct loop *loop;
    struct store *store;
    struct spawner *spawner;
    struct rapi *rapi;
    struct log_writer *logs;
    struct invoker *invoker;
    struct gateway *gateway;
    struct api api;
    int listeners[LISTENERS_MAX];
    size_t listeners_len;
    char addresses[LISTENERS_MAX * 64];
    bool announced, stopping;
    bool clean; /* stopped in order: nothing is under way any more */
    int exit_code;
    struct work start_work, housekeeping_work;
    struct err start_err;
    struct arena *start_arena;
    struct str runtimes[RUNTIMES_MAX]; /* in use, in start_arena */
    size_t runtimes_len;
    struct timer housekeeping;
    char *extra_text;
    const char *extra_dirs[EXTRA_DIRS_MAX + 1]; /* of extra_paths, into extra_text */
    bool housekeeping_busy;
    pid_t spawner_pid;
};

/* ---- 1. while root ---- */

static int
open_listener(struct daemon *d, struct str address, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char host[256], port[16], shown[INET6_ADDRSTRLEN];
    struct sockaddr_storage bound;
    socklen_t bound_len = sizeof(bound);
    ssize_t colon = -1;
    int fd, one = 1, rc;

    for (size_t i = 0; i < address.len; i++)
        if (address.at[i] == ':')
            colon = (ssize_t)i;
    if (colon < 0 || !str_copy(host, sizeof(host), (struct str){address.at, (size_t)colon}) ||
        !str_copy(port, sizeof(port),
                  (struct str){address.at + colon + 1, address.len - (size_t)colon - 1}))
        return err_set(err, ERR_INVALID, "listen: '%.*s' is not HOST:PORT", STR_FMT(address));
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        memmove(host, host + 1, strlen(host));
        host[strlen(host) - 1] = '\0';
    }
    rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0)
        return err_set(err, ERR_INVALID, "listen: '%.*s': %s", STR_FMT(address), gai_strerror(rc));
    if (found->ai_family == AF_INET
            ? (ntohl(((struct sockaddr_in *)found->ai_addr)->sin_addr.s_addr) >> 24) != 127
            : !IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)found->ai_addr)->sin6_addr)) {
        freeaddrinfo(found);
        return err_set(
            err, ERR_INVALID,
            "listen: %s is not a loopback address. Requests are not authenticated yet, so "
            "Lambent only serves this machine: use 127.0.0.1:%s",
            host, port);
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, 4096) < 0) {
        freeaddrinfo(found);
        err_sys(err, "listen on %.*s", STR_FMT(address));
        if (err->sys == EADDRINUSE)
            snprintf(err->text, sizeof(err->text),
                     "listen: %.*s is in use. Is Lambent running already? Choose another with "
                     "--listen, or port 0 for a free one",
                     STR_FMT(address));
        if (fd >= 0)
            close(fd);
        return -(int)err->kind;
    }
    freeaddrinfo(found);
    if (getsockname(fd, (struct sockaddr *)&bound, &bound_len) < 0) {
        err_sys(err, "listen on %.*s", STR_FMT(address));
        close(fd);
        return -(int)err->kind;
    }
    d->listeners[d->listeners_len++] = fd;
    if (bound.ss_family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&bound;

        inet_ntop(AF_INET, &in->sin_addr, shown, sizeof(shown));
        snprintf(d->addresses + strlen(d->addresses), 64, "%shttp://%s:%u",
                 d->listeners_len > 1 ? " " : "", shown, ntohs(in->sin_port));
    } else {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)&bound;

        inet_ntop(AF_INET6, &in->sin6_addr, shown, sizeof(shown));
        snprintf(d->addresses + strlen(d->addresses), 64, "%shttp://[%s]:%u",
                 d->listeners_len > 1 ? " " : "", shown, ntohs(in->sin6_port));
    }
    return 0;
}

static int
open_listeners(struct daemon *d, struct err *err)
{
    struct str rest = str_of(d->settings.listen);

    while (rest.len) {
        ssize_t comma = str_find(rest, ',');
        struct str one = {rest.at, comma < 0 ? rest.len : (size_t)comma};
        int rc;

        if (d->listeners_len == LISTENERS_MAX)
            return err_set(err, ERR_INVALID, "listen: at most %d addresses", LISTENERS_MAX);
        rc = open_listener(d, one, err);
        if (rc < 0)
            return rc;
        rest =
            comma < 0 ? STR_NULL : (struct str){rest.at + comma + 1, rest.len - (size_t)comma - 1};
    }
    if (d->listeners_len == 0)
        return err_set(err, ERR_INVALID, "listen: no address given");
    return 0;
}

/* Each parent that is missing too; the last one belongs to the daemon's user. */
static int
make_data_dir(const char *path, uid_t uid, gid_t gid, struct err *err)
{
    AUTO_FD int fd = -1;
    char at[PATH_MAX];
    struct stat st;

    if (strlen(path) >= sizeof(at) || path[0] != '/')
        return err_set(err, ERR_INVALID, "data_dir: '%.200s' is not an absolute path", path);
    (void)str_copy(at, sizeof(at), str_of(path));
    for (char *c = at + 1; *c; c++) {
        if (*c != '/')
            continue;
        *c = '\0';
        if (mkdir(at, 0755) < 0 && errno != EEXIST)
            return err_sys(err, "make folder '%.150s'", at);
        *c = '/';
    }
    if (mkdir(at, 0700) < 0 && errno != EEXIST)
        return err_sys(err, "make folder '%.150s'", at);
    /* By descriptor: the folder above may be the daemon's user's, who could put a link to anything
     * of root's in its place between a look at it and the change of its owner. */
    fd = open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return err_set(err, ERR_INVALID, "data_dir: '%.200s' is not a folder", path);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, "look at folder '%.150s'", at);
    /* The first owner stays: a folder that is somebody else's is not taken over. */
    if (st.st_uid == 0 && geteuid() == 0 && fchown(fd, uid, gid) < 0)
        return err_sys(err, "give folder '%.150s' to the daemon's user", at);
    if (st.st_uid != 0 && st.st_uid != uid)
        return err_set(err, ERR_INVALID,
                       "data_dir: '%.150s' belongs to user %u, not to the daemon's user %u", path,
                       st.st_uid, uid);
    return 0;
}

static int
split_extra_paths(struct daemon *d, struct err *err)
{
    char *at = d->extra_text = xstrndup(d->settings.extra_paths, strlen(d->settings.extra_paths));
    size_t n = 0;

    while (at && *at) {
        char *colon = strchr(at, ':');

        if (colon)
            *colon = '\0';
        if (n == EXTRA_DIRS_MAX || at[0] != '/')
            return err_set(err, ERR_INVALID,
                           "extra_paths: at most %d absolute paths, separated by colons",
                           EXTRA_DIRS_MAX);
        d->extra_dirs[n++] = at;
        at = colon ? colon + 1 : NULL;
    }
    return 0;
}

static char *
absolute(const char *path)
{
    char cwd[PATH_MAX], *made;
    size_t size;

    if (path[0] == '/' || !getcwd(cwd, sizeof(cwd)))
        return xstrndup(path, strlen(path));
    size = strlen(cwd) + strlen(path) + 2;
    made = xmalloc(size);
    snprintf(made, size, "%s/%s", cwd, path);
    return made;
}

/* The first of these, relative to lambentd's own folder, that exists. */
static int
find_part(const char *what, const char *given, const char *const places[], char ret[PATH_MAX],
          struct err *err)
{
    char self[PATH_MAX], *slash;
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (given[0]) {
        if (!realpath(given, ret))
            return err_sys(err, "%s '%.150s'", what, given);
        return 0;
    }
    if (n < 0)
        return err_sys(err, "find lambentd's own folder (is /proc mounted?)");
    self[n] = '\0';
    slash = strrchr(self, '/');
    *slash = '\0';
    for (size_t i = 0; places[i]; i++) {
        char path[2 * PATH_MAX];

        snprintf(path, sizeof(path), "%s/%s", self, places[i]);
        if (realpath(path, ret))
            return 0;
    }
    return err_set(
        err, ERR_NOT_FOUND,
        "%s was not found beside lambentd (%.120s): install Lambent with `meson install`, "
        "or name it with its option",
        what, self);
}

static int
launch_spawner(struct daemon *d, const char *packages_dir, int *ret_fd, struct err *err)
{
    static const char *const programs[] = {"lambent-spawner", "../sandbox/lambent-spawner",
                                           "../libexec/lambent/lambent-spawner",
                                           "../lib/lambent/lambent-spawner", NULL};
    static const char *const runtimes[] = {"../share/lambent/runtimes", "../../../runtimes", NULL};
    char program[PATH_MAX], runtimes_dir[PATH_MAX];
    struct spawner_config config = {
        .program = program,
        .packages_dir = packages_dir,
        .runtimes_dir = runtimes_dir,
        .cgroup_parent = "",
        .show_dirs = d->extra_dirs,
        .sandboxes_max = (uint32_t)d->settings.environments_max,
    };
    int rc;

    rc = find_part("lambent-spawner", d->settings.spawner, programs, program, err);
    if (rc >= 0)
        rc =
            find_part("the runtimes folder", d->settings.runtimes_dir, runtimes, runtimes_dir, err);
    if (rc >= 0)
        rc = spawner_launch(&config, ret_fd, &d->spawner_pid, err);
    return rc;
}

/* ---- 3. never again root ---- */

static int
find_user(const struct settings *s, uid_t *ret_uid, gid_t *ret_gid, struct err *err)
{
    struct passwd *pw = getpwnam(s->user);

    if (pw && pw->pw_uid == 0)
        return err_set(err, ERR_INVALID, "user: '%s' is root; name an unprivileged user", s->user);
    if (pw) {
        *ret_uid = pw->pw_uid;
        *ret_gid = pw->pw_gid;
        return 0;
    }
    if (strcmp(s->user, "lambent") != 0)
        return err_set(err, ERR_NOT_FOUND,
                       "user: there is no user '%.60s'; make one with `useradd --system %.60s`",
                       s->user, s->user);
    /* Nobody made the user (a source tree, a container): an id that no distribution hands out. */
    *ret_uid = *ret_gid = UID_WITHOUT_USER;
    return 0;
}

static int
drop_privileges(uid_t uid, gid_t gid, struct err *err)
{
    capng_clear(CAPNG_SELECT_BOTH);
    if (capng_apply(CAPNG_SELECT_BOUNDS) < 0)
        return err_set(err, ERR_INTERNAL, "the capability bounding set could not be emptied");
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return err_sys(err, "become user %u", uid);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_sys(err, "give up privileges");
    if (getuid() == 0 || geteuid() == 0 || setuid(0) == 0)
        return err_set(err, ERR_INTERNAL, "root could not be given up");
    /* Its memory holds every function's secrets: no core file, no ptrace by others of its user. */
    if (prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_sys(err, "forbid core dumps");
    return 0;
}

static void
raise_fd_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (geteuid() == 0 && limit.rlim_max < 1048576) {
        struct rlimit more = {1048576, 1048576};

        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            return;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer connections then; accept says so */
}

/* ---- 6. telling that we are ready ---- */

static void
notify_manager(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    AUTO_FD int fd = -1;

    if (!path || strlen(path) >= sizeof(to.sun_path))
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
}

static void
announce(struct daemon *d)
{
    d->announced = true;
    log_event(LOG_daemon_ready, "listen=\"%s\" data_dir=%s", d->addresses, d->settings.data_dir);
    if (d->settings.ready_fd >= 0) {
        dprintf((int)d->settings.ready_fd, "ready %s\n", d->addresses);
        close((int)d->settings.ready_fd);
    }
    notify_manager("READY=1");
}

/* ---- stopping: requests, then environments, then logs ---- */

static void
on_logs_flushed(void *arg)
{
    struct daemon *d = arg;

    d->clean = invoker_stats(d->invoker).environments == 0; /* else the stop was cut short */
    loop_stop(d->loop);
}

static void
on_exchanges_done(void *arg)
{
    struct daemon *d = arg;

    log_writer_flush(d->logs, on_logs_flushed, d);
}

static void
on_environments_gone(void *arg)
{
    struct daemon *d = arg;

    gateway_drain(d->gateway, on_exchanges_done, d);
}

static void
stop(struct daemon *d, const char *why)
{
    if (d->stopping) { /* asked twice: now */
        loop_stop(d->loop);
        return;
    }
    d->stopping = true;
    log_event(LOG_daemon_stop, "why=%s grace_ms=%lld", why, (long long)d->settings.stop_ms);
    notify_manager("STOPPING=1");
    timer_stop(&d->housekeeping);
    if (!d->announced) {
        loop_stop(d->loop);
        return;
    }
    gateway_quiesce(d->gateway);
    invoker_stop(d->invoker, (uint64_t)d->settings.stop_ms, on_environments_gone, d);
}

static void
on_signal(void *arg, int signo)
{
    struct daemon *d = arg;
    enum log_level level;
    struct err err = {0};

    if (signo == SIGTERM || signo == SIGINT) {
        stop(d, signo == SIGTERM ? "SIGTERM" : "SIGINT");
    } else if (signo == SIGHUP) {
        if (settings_reload(&d->settings, d->argc, d->argv, &err) < 0) {
            log_event(LOG_config_problem, "why=\"%s\", keeping the old settings", err.text);
            return;
        }
        if (log_level_parse(str_of(d->settings.log_level), &level))
            log_set_level(level);
        log_event(LOG_config_reload, "ok=1");
    }
}

/* ---- housekeeping: packages nobody uses, logs past their time ---- */

static void
work_housekeeping(struct work *w)
{
    struct daemon *d = CONTAINER_OF(w, struct daemon, housekeeping_work);
    struct err err = {0};

    if (store_package_sweep(d->store, (uint64_t)d->settings.package_keep_s, invoker_uses_package,
                            d->invoker, &err) < 0) {
        log_event(LOG_cleanup_failed, "what=packages why=\"%s\", trying again in a minute",
                  err.text);
        err_clear(&err);
    }
    if (logs_expire(d->store, (int64_t)clock_wall_ms(), d->settings.log_days, &err) < 0)
        log_event(LOG_cleanup_failed, "what=logs why=\"%s\", trying again in a minute", err.text);
}

static void on_housekeeping(struct timer *t);

static void
housekeeping_done(struct work *w)
{
    struct daemon *d = CONTAINER_OF(w, struct daemon, housekeeping_work);

    if (!d->stopping)
        timer_set(d->loop, &d->housekeeping, HOUSEKEEPING_US, on_housekeeping);
}

static void
on_housekeeping(struct timer *t)
{
    struct daemon *d = CONTAINER_OF(t, struct daemon, housekeeping);
    struct err err = {0};

    d->housekeeping_work = (struct work){.work = work_housekeeping, .done = housekeeping_done};
    if (loop_work(d->loop, &d->housekeeping_work, &err) < 0)
        timer_set(d->loop, &d->housekeeping, HOUSEKEEPING_US, on_housekeeping);
}

/* ---- 4. the loop ---- */

/* Blocking parts of the start, on a worker, so that signals are heard meanwhile. */
static void
work_start(struct work *w)
{
    struct daemon *d = CONTAINER_OF(w, struct daemon, start_work);
    struct err ignored = {0};

    runtimes_probe(d->extra_dirs);
    d->start_arena = arena_new(64u << 20);
    /* Only to have pools ready early: failing, the first invocation of each runtime makes its pool.
     */
    (void)lambda_runtimes_in_use(&d->api, d->start_arena, d->runtimes, RUNTIMES_MAX,
                                 &d->runtimes_len, &ignored);
    (void)lambda_settle_recover(&d->api, &d->start_err);
}

static void
start_done(struct work *w)
{
    struct daemon *d = CONTAINER_OF(w, struct daemon, start_work);
    struct err err = d->start_err;

    if (d->stopping)
        return;
    if (err.kind == ERR_NONE)
        (void)daemon_filter(&err); /* not earlier: looking for interpreters runs them */
    for (size_t i = 0; err.kind == ERR_NONE && i < d->listeners_len; i++)
        if (gateway_listen(d->gateway, d->listeners[i], &err) >= 0)
            d->listeners[i] = -1;
    if (err.kind) {
        log_event(LOG_daemon_failed, "step=start why=\"%s\"", err.text);
        d->exit_code = 1;
        loop_stop(d->loop);
        return;
    }
    on_housekeeping(&d->housekeeping);
    for (size_t i = 0; i < d->runtimes_len; i++)
        invoke_prepare_runtime(d->invoker, d->runtimes[i]);
    arena_free(d->start_arena);
    d->start_arena = NULL;
    announce(d);
}

static void
on_spawner_ready(void *arg)
{
    struct daemon *d = arg;
    struct err err = {0};

    log_event(LOG_spawner_ready, "pid=%d", (int)d->spawner_pid);
    if (d->announced || d->start_work.work) {
        invoker_spawner_ready(d->invoker);
        return;
    }
    d->start_work = (struct work){.work = work_start, .done = start_done};
    ASSERT(loop_work(d->loop, &d->start_work, &err) == 0);
}

static void
on_spawner_lost(void *arg, bool fatal)
{
    struct daemon *d = arg;

    log_event(LOG_spawner_lost, fatal ? "fatal=1, ending" : "fatal=0, waiting for its next worker");
    if (!fatal)
        return;
    d->exit_code = 1;
    loop_stop(d->loop);
}

static int
run(struct daemon *d, int spawner_fd, struct err *err)
{
    static const struct spawner_events spawner_events = {on_spawner_ready, on_spawner_lost};
    int rc;

    d->loop = loop_new((unsigned)d->settings.workers, WORK_QUEUE_MAX);
    loop_on_signal(d->loop, on_signal, d);
    rc = store_open(d->settings.data_dir, &d->store, err);
    if (rc >= 0)
        rc = rapi_new(d->loop, (unsigned)d->settings.environments_max * 4, &d->rapi, err);
    if (rc < 0)
        return rc;
    d->logs = log_writer_new(d->loop, d->store, (size_t)d->settings.log_buffer_mb << 20,
                             (uint64_t)d->settings.log_flush_ms);
    d->api =
        (struct api){.loop = d->loop, .settings = &d->settings, .store = d->store, .logs = d->logs};
    random_bytes(d->api.link_key, sizeof(d->api.link_key));
    rc = spawner_open(d->loop, spawner_fd, &spawner_events, d, &d->spawner, err);
    if (rc < 0)
        return rc;
    d->invoker = invoker_new(&(struct invoker_config){.loop = d->loop,
                                                      .settings = &d->settings,
                                                      .store = d->store,
                                                      .spawner = d->spawner,
                                                      .rapi = d->rapi,
                                                      .logs = d->logs});
    d->api.invoker = d->invoker;
    rc = gateway_new(&d->api, &d->gateway, err);
    if (rc < 0)
        return rc;
    loop_run(d->loop);
    return 0;
}

static int
start(struct daemon *d, struct err *err)
{
    char packages_dir[PATH_MAX], *data_dir;
    int spawner_fd = -1, rc;
    uid_t uid = UID_WITHOUT_USER;
    gid_t gid = UID_WITHOUT_USER;

    if (geteuid() != 0)
        return err_set(
            err, ERR_DENIED,
            "lambentd must be started as root, to build sandboxes: try `sudo lambentd …`. "
            "It becomes user '%s' before it answers anything",
            d->settings.user);
    data_dir = absolute(d->settings.data_dir);
    free(d->settings.data_dir);
    d->settings.data_dir = data_dir;
    if ((size_t)snprintf(packages_dir, sizeof(packages_dir), "%s/packages", data_dir) >=
        sizeof(packages_dir))
        return err_set(err, ERR_INVALID, "data_dir: the path is too long");
    raise_fd_limit();
    umask(022);
    rc = split_extra_paths(d, err);
    if (rc >= 0)
        rc = find_user(&d->settings, &uid, &gid, err);
    if (rc >= 0)
        rc = make_data_dir(data_dir, uid, gid, err);
    if (rc >= 0)
        rc = make_data_dir(packages_dir, uid, gid, err);
    if (rc >= 0)
        rc = open_listeners(d, err);
    if (rc >= 0)
        rc = launch_spawner(d, packages_dir, &spawner_fd, err);
    if (rc >= 0)
        rc = drop_privileges(uid, gid, err);
    if (rc >= 0)
        rc = run(d, spawner_fd, err);
    return rc;
}

/* After a stop in order everything is taken apart, which is how a leak shows. After one that was
 * cut short, what is under way ends with the process. */
static void
finish(struct daemon *d)
{
    for (size_t i = 0; i < d->listeners_len; i++)
        if (d->listeners[i] >= 0)
            close(d->listeners[i]);
    if (d->clean) {
        gateway_free(d->gateway);
        invoker_free(d->invoker);
        rapi_free(d->rapi);
        log_writer_free(d->logs);
        spawner_close(d->spawner);
        loop_free(d->loop);
        store_close(d->store);
        free(d->extra_text);
        settings_done(&d->settings);
        arena_free(d->start_arena);
    }
    log_event(LOG_daemon_stopped, "code=%d", d->exit_code);
    /* Workers may be in the middle of something: exit() would run the libraries' clean-up under
     * them. */
    if (d->loop && !d->clean)
        _exit(d->exit_code);
}

int
main(int argc, char **argv)
{
    struct daemon d = {.argc = argc, .argv = argv};
    AUTO_BUF struct buf text = BUF_MAX(4 << 20);
    enum settings_action action;
    enum log_level level;
    struct err err = {0};

    log_set_program("lambentd");
    if (settings_load(&d.settings, argc, argv, &action, &err) < 0) {
        fprintf(stderr, "lambentd: %s\n", err.text);
        return 2;
    }
    switch (action) {
    case SETTINGS_HELP:
        settings_help(stdout);
        break;
    case SETTINGS_MAN:
        settings_man(stdout);
        break;
    case SETTINGS_VERSION:
        printf("lambentd %s\n", LAMBENT_VERSION);
        break;
    case SETTINGS_API:
        if (op_describe_text(&text))
            fwrite(text.at, 1, text.len, stdout);
        break;
    case SETTINGS_RUN:
        break;
    }
    if (action != SETTINGS_RUN) {
        settings_done(&d.settings);
        return 0;
    }
    if (!log_level_parse(str_of(d.settings.log_level), &level)) {
        fprintf(stderr, "lambentd: log_level: '%s' is not debug, info, warn or error\n",
                d.settings.log_level);
        settings_done(&d.settings);
        return 2;
    }
    log_set_level(level);
    log_event(LOG_daemon_start, "version=%s pid=%d", LAMBENT_VERSION, (int)getpid());
    if (start(&d, &err) < 0) {
        log_event(LOG_daemon_failed, "why=\"%s\"", err.text);
        d.exit_code = 1;
    }
    finish(&d);
    return d.exit_code;
}
