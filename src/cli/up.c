/* `lambent up`: run lambentd in the foreground and be its console.
 *
 * The daemon gets a process group of its own, so Ctrl-C on the terminal reaches only this program,
 * which asks the daemon to stop (SIGTERM) and, at the second time, kills the group. Its stderr is a
 * pipe that is read here and rendered; its readiness is a line on another pipe. When this program
 * is killed itself, the daemon's writes fail but it serves on: `lambentd` is a program of its own.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "cli/commands.h"
#include "cli/logline.h"
#include "cli/term.h"
#include "cli/up.h"

extern char **environ;

enum {
    LINE_MAX_BYTES = 64 << 10,
    READY_FD = 3,
    READY_TIMEOUT_S = 60,
    ARGV_MAX = CLI_ARGS_MAX + 16
};

struct up_opts {
    const char *data_dir, *listen, *daemon;
    bool unprivileged;
};

struct console {
    struct cli *cli;
    const char *program, *data_dir, *listen;
    char endpoint[300];
    pid_t pid;
    int log_fd, ready_fd, signal_fd; /* -1: closed */
    struct buf line;
    bool ready, exited;
    unsigned stops;
    int status;
    double started_s;
};

bool
up_find_program(const char *name, char *ret)
{
    static const char *const near[] = {
        "",         "/../libexec", "/../libexec/lambent", "/../lib/lambent",
        "/../sbin", "/../daemon",  "/../sandbox"};
    char self[PATH_MAX], path[PATH_MAX + 64];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    const char *dirs = getenv("PATH");

    self[MAX(len, 0)] = '\0';
    if (strrchr(self, '/'))
        *strrchr(self, '/') = '\0';
    for (size_t i = 0; len > 0 && i < ARRAY_LEN(near); i++) {
        (void)snprintf(path, sizeof(path), "%s%s/%s", self, near[i], name);
        if (access(path, X_OK) == 0)
            return realpath(path, ret) != NULL;
    }
    while (dirs && *dirs) {
        size_t n = strcspn(dirs, ":");

        /* A relative entry would run whatever lies in the current folder, as root. */
        if (*dirs == '/' && n < PATH_MAX) {
            (void)snprintf(path, sizeof(path), "%.*s/%s", (int)n, dirs, name);
            if (access(path, X_OK) == 0)
                return realpath(path, ret) != NULL;
        }
        dirs += n + (dirs[n] == ':');
    }
    return false;
}

void
up_data_dir(char *ret)
{
    const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (geteuid() == 0)
        (void)snprintf(ret, PATH_MAX, "/var/lib/lambent");
    else if (xdg && *xdg == '/')
        (void)snprintf(ret, PATH_MAX, "%s/lambent", xdg);
    else
        (void)snprintf(ret, PATH_MAX, "%s/.local/share/lambent", home && *home ? home : "/tmp");
}

/* lambentd refuses relative paths: it changes its folder, and its user may not enter ours. */
static void
absolute(const char *path, char *ret)
{
    char here[PATH_MAX];

    if (*path == '/' || !getcwd(here, sizeof(here)))
        (void)snprintf(ret, PATH_MAX, "%s", path);
    else
        (void)snprintf(ret, PATH_MAX, "%s/%s", here, path);
}

static int
daemon_spawn(struct console *console, struct err *err)
{
    struct cli *cli = console->cli;
    const char *argv[ARGV_MAX];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int log_fds[2], ready_fds[2], rc;
    sigset_t none, all;
    size_t n = 0;
    char ready[16];

    if (pipe2(log_fds, O_CLOEXEC) < 0)
        return err_sys(err, "make a pipe");
    if (pipe2(ready_fds, O_CLOEXEC) < 0) {
        err_sys(err, "make a pipe");
        auto_close(&log_fds[0]);
        auto_close(&log_fds[1]);
        return -(int)err->kind;
    }
    snprintf(ready, sizeof(ready), "%d", READY_FD);
    argv[n++] = console->program;
    argv[n++] = "--ready-fd";
    argv[n++] = ready;
    if (console->data_dir) {
        argv[n++] = "--data-dir";
        argv[n++] = console->data_dir;
    }
    if (console->listen) {
        argv[n++] = "--listen";
        argv[n++] = console->listen;
    }
    for (size_t i = 0; i < cli->rest_len; i++)
        argv[n++] = cli->rest[i];
    argv[n] = NULL;
    ASSERT(n < ARRAY_LEN(argv));

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, log_fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, log_fds[1], STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ready_fds[1], READY_FD);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETPGROUP);
    rc =
        posix_spawn(&console->pid, console->program, &actions, &attr, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    auto_close(&log_fds[1]);
    auto_close(&ready_fds[1]);
    console->log_fd = log_fds[0];
    console->ready_fd = ready_fds[0];
    if (rc != 0) {
        errno = rc;
        return err_sys(err, "start %.150s", console->program);
    }
    return 0;
}

static void
print_ready(const struct console *console)
{
    const struct cli *cli = console->cli;
    const char *bold = term_style(cli->out_color, STYLE_BOLD);
    const char *dim = term_style(cli->out_color, STYLE_DIM);
    const char *reset = term_style(cli->out_color, STYLE_RESET);

    if (cli->json) {
        json_t *doc = json_pack("{s:s, s:s, s:I}", "event", "ready", "endpoint", console->endpoint,
                                "pid", (json_int_t)console->pid);

        json_dumpf(doc, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(doc);
        return;
    }
    printf("\n%sLambent %s%s is ready, %.2f s after its start.\n\n"
           "  %sEndpoint%s   %s\n"
           "  %sDaemon%s     %s, pid %d\n\n"
           "In another terminal:\n\n"
           "  %sexport AWS_ENDPOINT_URL=%s%s\n"
           "  lambent deploy DIR\n\n"
           "%sAn aws CLI older than 2.13 wants: aws --endpoint-url %s lambda …\n"
           "Ctrl-C stops, a second one at once.%s\n\n",
           bold, LAMBENT_VERSION, reset, term_seconds() - console->started_s, dim, reset,
           console->endpoint, dim, reset, console->program, (int)console->pid, bold,
           console->endpoint, reset, dim, console->endpoint, reset);
}

static void
on_log_bytes(struct console *console)
{
    char room[8192];
    ssize_t n = read(console->log_fd, room, sizeof(room));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        auto_close(&console->log_fd);
        console->log_fd = -1;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (room[i] != '\n' && buf_c(&console->line, room[i]))
            continue;
        logline_print(console->cli, buf_view(&console->line)); /* or cut: it is too long */
        buf_reset(&console->line);
        if (room[i] != '\n')
            buf_c(&console->line, room[i]);
    }
    if (n <= 0 && console->line.len)
        logline_print(console->cli, buf_view(&console->line));
    fflush(stdout);
}

static void
on_ready_bytes(struct console *console)
{
    char room[256];
    ssize_t n = read(console->ready_fd, room, sizeof(room));

    if (n < 0 && errno == EINTR)
        return;
    auto_close(&console->ready_fd); /* one line is all there is: "ready http://…" */
    console->ready_fd = -1;
    if (n > 0 && !console->ready) {
        const char *url = memmem(room, (size_t)n, "http", 4);
        struct str address = {url, 0};

        while (url && url + address.len < room + n && (unsigned char)url[address.len] > ' ')
            address.len++;
        if (!url || !str_copy(console->endpoint, sizeof(console->endpoint), address))
            str_copy(console->endpoint, sizeof(console->endpoint), STR(ENDPOINT_DEFAULT));
        console->ready = true;
        print_ready(console);
        fflush(stdout);
    }
}

static void
stop(struct console *console)
{
    struct cli *cli = console->cli;

    console->stops++;
    if (console->stops == 1) {
        if (!cli->json)
            fprintf(stderr, "\nStopping; running invocations may finish. Ctrl-C again stops at "
                            "once.\n");
        (void)kill(console->pid, SIGTERM); /* it may be gone already: SIGCHLD tells */
        return;
    }
    if (!cli->json)
        fprintf(stderr, "\nStopping at once.\n");
    (void)kill(-console->pid, SIGKILL);
}

static void
on_signal(struct console *console)
{
    struct signalfd_siginfo info;

    if (read(console->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGCHLD) {
        if (waitpid(console->pid, &console->status, WNOHANG) == console->pid)
            console->exited = true;
        return;
    }
    stop(console);
}

static int
console_run(struct console *console, struct err *err)
{
    double deadline = console->started_s + READY_TIMEOUT_S;

    while (!console->exited || console->log_fd >= 0) {
        struct pollfd fds[] = {{console->signal_fd, POLLIN, 0},
                               {console->log_fd, POLLIN, 0},
                               {console->ready_fd, POLLIN, 0}};
        /* After its end the pipe may be held open by a child of the daemon: a last look, no wait.
         */
        int rc = poll(fds, ARRAY_LEN(fds), console->exited ? 200 : 1000);

        if (rc < 0 && errno != EINTR)
            return err_sys(err, "wait for the daemon");
        if (rc == 0 && console->exited)
            break;
        if (!console->ready && !console->exited && console->stops == 0 &&
            term_seconds() > deadline) {
            fprintf(stderr,
                    "lambent: the daemon is not ready after %d s; waiting on. Ctrl-C "
                    "stops.\n",
                    READY_TIMEOUT_S);
            deadline += 1e9;
        }
        if (rc <= 0)
            continue;
        if (fds[0].revents)
            on_signal(console);
        if (fds[1].revents)
            on_log_bytes(console);
        if (console->ready_fd >= 0 && fds[2].revents)
            on_ready_bytes(console);
    }
    if (console->stops)
        return 0;
    cli_hint(console->cli,
             "Its last lines above may say why; `lambent doctor` checks this machine.");
    if (WIFSIGNALED(console->status))
        return err_set(err, ERR_UNAVAILABLE, "lambentd %s by signal %d (%s)",
                       console->ready ? "was ended" : "was ended before it was ready,",
                       WTERMSIG(console->status), strsignal(WTERMSIG(console->status)));
    return err_set(err, ERR_UNAVAILABLE, "lambentd ended%s with exit code %d",
                   console->ready ? "" : " before it was ready,", WEXITSTATUS(console->status));
}

static int
console_open(struct console *console, struct err *err)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0 ||
        (console->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC)) < 0)
        return err_sys(err, "watch for signals");
    return daemon_spawn(console, err);
}

static int
run_up(struct cli *cli, const void *arg, struct err *err)
{
    const struct up_opts *opts = arg;
    struct console console = {.cli = cli,
                              .log_fd = -1,
                              .ready_fd = -1,
                              .signal_fd = -1,
                              .line = BUF_MAX(LINE_MAX_BYTES),
                              .started_s = term_seconds()};
    char program[PATH_MAX], data_dir[PATH_MAX];
    int rc;

    if (geteuid() != 0 && !opts->unprivileged) {
        cli_hint(cli, "Run: sudo lambent up\n"
                      "lambentd itself gives up root at once; a small helper keeps it, to build "
                      "sandboxes.");
        return err_set(err, ERR_DENIED, "Lambent needs root to build sandboxes");
    }
    if (opts->daemon ? !realpath(opts->daemon, program) : !up_find_program("lambentd", program)) {
        cli_hint(cli, "Install the package lambent, or name the program: --daemon PATH");
        return err_set(err, ERR_NOT_FOUND, "there is no lambentd%s%.150s",
                       opts->daemon ? " at " : " beside this program or in PATH",
                       opts->daemon ? opts->daemon : "");
    }
    /* What is not given is the daemon's own business: its configuration file may have it. */
    if (opts->data_dir)
        absolute(opts->data_dir, data_dir);
    else
        up_data_dir(data_dir);
    console.program = program;
    console.data_dir = opts->data_dir || geteuid() != 0 ? data_dir : NULL;
    console.listen = opts->listen;
    rc = console_open(&console, err);
    if (rc == 0)
        rc = console_run(&console, err);
    auto_close(&console.log_fd);
    auto_close(&console.ready_fd);
    auto_close(&console.signal_fd);
    buf_done(&console.line);
    return rc;
}

#define OFF(member) offsetof(struct up_opts, member)
/* clang-format off */
static const struct opt opts[] = {
    {"data-dir", 0, OPT_TEXT, OFF(data_dir), "DIR",
     "Where everything is kept (default: lambentd's own, /var/lib/lambent)",
     .max = 4000, .complete = COMPLETE_DIR},
    {"listen", 0, OPT_TEXT, OFF(listen), "HOST:PORT", "Address (default: lambentd's own, 127.0.0.1:4566); port 0 takes a free one",
     .max = 300},
    {"daemon", 0, OPT_TEXT, OFF(daemon), "PATH", "The lambentd to run", .max = 4000,
     .complete = COMPLETE_FILE},
    {"unprivileged", 0, OPT_FLAG, OFF(unprivileged), NULL,
     "Leave it to lambentd whether it runs without root (today it does not)", .hidden = true},
    {NULL},
};
/* clang-format on */
#undef OFF

const struct command command_up = {
    .name = "up",
    .args = "[LAMBENTD OPTIONS…]",
    .summary = "Run the daemon in this terminal",
    .details =
        "Starts lambentd, says when it is ready and how to reach it, and shows its log until "
        "Ctrl-C. Options that lambent does not know are lambentd's and are handed on.",
    .examples =
        (const char *const[]){"sudo lambent up", "With /var/lib/lambent, on 127.0.0.1:4566.",
                              "sudo lambent up --data-dir ./data --listen 127.0.0.1:0",
                              "A second one, with data of its own.",
                              "sudo lambent up --log-level debug",
                              "With one of lambentd's own options.", NULL},
    .opts = opts,
    .opts_size = sizeof(struct up_opts),
    .passes_unknown = true,
    .run = run_up,
};
