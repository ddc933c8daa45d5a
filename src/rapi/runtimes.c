/* Which interpreter of this machine runs which of AWS's runtimes, and how it is started. The facts
 * are in runtimes.def; here is the machinery: finding interpreters, choosing one, building argv and
 * envp.
 *
 * An interpreter counts if a sandbox can see it: its real path, all links resolved, must be beneath
 * /usr or a folder the operator shows to sandboxes. The real path is also what is executed, so that
 * no link on the way (/etc/alternatives) has to exist inside.
 *
 * What was found is one global, the only one here: a property of the machine, like the clock. */
#include "rapi/runtimes.h"
#include "base/buf.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>

enum {
    PROBE_WAIT_MS = 5000,
    PROBE_READS_MAX = 16,
    DIRS_MAX = 34,
    TEMPLATE_MAX = 512,
    ARGV_MAX = 12
};

/* In front of an argument that NODE_OPTIONS may replace: see HEAP() in runtimes.def. */
#define HEAP(text) "\1" text
enum { HEAP_MARK = '\1' };

/* ---- the tables ---- */

static const struct runtime_info infos[] = {
#define RUNTIME(id, family, version, label, deprecated, create_block, update_block)                \
    {{id, sizeof(id) - 1}, RUNTIME_##family, version,     label,                                   \
     deprecated,           create_block,     update_block},
#include "rapi/runtimes.def"
};

static const struct {
    enum runtime_family family;
    const char *name;
} interpreters[] = {
#define INTERPRETER(family, name) {RUNTIME_##family, name},
#include "rapi/runtimes.def"
};

static const struct start {
    enum runtime_family family;
    const char *folder;
    bool frames;
    const char *argv[ARGV_MAX];
} starts[] = {
#define START(family, folder, frames, ...) {RUNTIME_##family, folder, frames, {__VA_ARGS__}},
#include "rapi/runtimes.def"
};

enum whom { WHOM_ALL = 100, WHOM_MANAGED };
static const struct {
    int whom; /* enum runtime_family, or enum whom */
    const char *name, *value;
} variables[] = {
#define RUNTIME_ALL WHOM_ALL
#define RUNTIME_MANAGED WHOM_MANAGED
#define VARIABLE(families, name, value) {RUNTIME_##families, name, value},
#include "rapi/runtimes.def"
};

static const char *const reserved[] = {
#define RESERVED(name) name,
#include "rapi/runtimes.def"
};

static const struct {
    const char *name, *newest, *package;
    int oldest;
} families[] = {
#define F(family, name, newest, package, oldest) {name, newest, package, oldest},
    RUNTIME_FAMILIES(F)
#undef F
};

/* ---- identifiers ---- */

const struct runtime_info *
runtime_info_find(struct str id)
{
    for (size_t i = 0; i < ARRAY_LEN(infos); i++)
        if (str_eq(infos[i].id, id))
            return &infos[i];
    return NULL;
}

const struct runtime_info *
runtime_info_all(size_t *ret_len)
{
    *ret_len = ARRAY_LEN(infos);
    return infos;
}

bool
runtime_blocked_on(const struct runtime_info *info, bool creating, const char *day,
                   const char **ret_successor)
{
    const char *from = creating ? info->create_block : info->update_block;

    *ret_successor = families[info->family].newest;
    return *from && strcmp(day, from) > 0; /* ISO days sort as text; the day itself still counts */
}

bool
runtime_blocked(const struct runtime_info *info, bool creating, const char **ret_successor)
{
    time_t now = time(NULL);
    struct tm tm;
    char day[16] = "";

    if (!gmtime_r(&now, &tm) || strftime(day, sizeof(day), "%Y-%m-%d", &tm) == 0)
        return false;
    return runtime_blocked_on(info, creating, day, ret_successor);
}

static void
label_digest(const struct runtime_info *info, char ret[SHA256_HEX_LEN + 1])
{
    uint8_t digest[32];

    sha256(info->label, strlen(info->label), digest);
    hex_encode(digest, sizeof(digest), ret);
}

struct str
runtime_version_arn(struct arena *a, struct str region, struct str id)
{
    const struct runtime_info *info = runtime_info_find(id);
    char digest[SHA256_HEX_LEN + 1];

    if (!info)
        return STR_NULL;
    label_digest(info, digest);
    return arena_fmt(a, "arn:aws:lambda:%.*s::runtime:%s", STR_FMT(region), digest);
}

/* ---- what is installed ---- */

struct found {
    enum runtime_family family;
    int version; /* as runtime_info's */
    char text[24];
    char path[RUNTIME_PATH_MAX];
};

struct findings {
    bool done; /* probed at least once */
    size_t len;
    struct found at[RUNTIME_FOUND_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct findings findings; /* under lock */

static bool
beneath(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    while (len > 1 && dir[len - 1] == '/')
        len--;
    return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* The real path, if a sandbox shows it. */
static bool
visible(const char *dir, const char *name, const char *const extra_dirs[],
        char ret[RUNTIME_PATH_MAX])
{
    char path[PATH_MAX], real[PATH_MAX];
    bool shown;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path) ||
        !realpath(path, real) || access(real, X_OK) < 0)
        return false;
    shown = beneath(real, "/usr");
    for (size_t i = 0; !shown && extra_dirs && extra_dirs[i]; i++) {
        char extra[PATH_MAX];

        shown = realpath(extra_dirs[i], extra) && beneath(real, extra);
    }
    return shown && str_copy(ret, RUNTIME_PATH_MAX, str_of(real));
}

/* Everything `path --version` prints, within a time. */
static bool
ask_version(const char *path, char *ret, size_t size)
{
    char *const argv[] = {(char *)path, (char *)"--version", NULL};
    char *const envp[] = {(char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    size_t len = 0;
    int pipe_fds[2];
    pid_t pid;
    int rc;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return false;
    /* The daemon's threads have signals blocked, which a child would inherit. */
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setsigdefault(&attr, &all);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawn_file_actions_init(&actions);
    rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 2);
    if (rc == 0)
        rc = posix_spawn(&pid, path, &actions, &attr, argv, envp);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    (void)close(pipe_fds[1]);
    for (int i = 0; rc == 0 && i < PROBE_READS_MAX && len + 1 < size; i++) {
        struct pollfd pfd = {.fd = pipe_fds[0], .events = POLLIN};
        ssize_t n;

        if (poll(&pfd, 1, PROBE_WAIT_MS) <= 0)
            break;
        n = read(pipe_fds[0], ret + len, size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
        if (memchr(ret, '\n', len))
            break; /* the first line has it */
    }
    (void)close(pipe_fds[0]);
    ret[len] = '\0';
    if (rc != 0)
        return false;
    /* By now it has answered or hangs; its exit status says nothing. Whoever reaps all children of
     * this process may have been faster. */
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return len > 0;
}

/* "Python 3.11.2" or "v20.20.2" -> 311, "3.11.2". */
static int
parse_version(const char *text, char *ret, size_t size)
{
    struct str whole;
    int64_t major, minor;
    ssize_t dot;
    size_t len;

    text += strcspn(text, "0123456789\n");
    len = strspn(text, "0123456789.");
    whole = (struct str){text, len};
    dot = str_find(whole, '.');
    if (dot < 0 || !str_int((struct str){text, (size_t)dot}, 0, 1000, &major))
        return -1;
    len = strspn(text + dot + 1, "0123456789");
    if (!str_int((struct str){text + dot + 1, len}, 0, 99, &minor) || !str_copy(ret, size, whole))
        return -1;
    return (int)(major * 100 + minor);
}

static void
probe_one(struct findings *f, enum runtime_family family, const char *path)
{
    struct found *new = &f->at[f->len];
    char text[128];

    for (size_t i = 0; i < f->len; i++)
        if (strcmp(f->at[i].path, path) == 0)
            return; /* another link to the same */
    if (f->len == RUNTIME_FOUND_MAX || !ask_version(path, text, sizeof(text)))
        return;
    new->version = parse_version(text, new->text, sizeof(new->text));
    if (new->version < families[family].oldest)
        return;
    new->family = family;
    (void)str_copy(new->path, sizeof(new->path), str_of(path)); /* fits: visible() has checked */
    f->len++;
}

void
runtimes_probe(const char *const extra_dirs[])
{
    const char *dirs[DIRS_MAX] = {"/usr/bin", "/usr/local/bin"};
    char bins[DIRS_MAX / 2][RUNTIME_PATH_MAX];
    size_t dirs_len = 2, bins_len = 0;
    struct findings *f = xcalloc(1, sizeof(*f));
    char path[RUNTIME_PATH_MAX];

    for (size_t i = 0; extra_dirs && extra_dirs[i] && dirs_len + 2 <= DIRS_MAX; i++) {
        dirs[dirs_len++] = extra_dirs[i];
        if ((size_t)snprintf(bins[bins_len], RUNTIME_PATH_MAX, "%s/bin", extra_dirs[i]) <
            RUNTIME_PATH_MAX)
            dirs[dirs_len++] = bins[bins_len++];
    }
    for (size_t i = 0; i < ARRAY_LEN(interpreters); i++)
        for (size_t k = 0; k < dirs_len; k++)
            if (visible(dirs[k], interpreters[i].name, extra_dirs, path))
                probe_one(f, interpreters[i].family, path);
    f->done = true;
    (void)pthread_mutex_lock(&lock);
    findings = *f;
    (void)pthread_mutex_unlock(&lock);
    free(f);
}

/* ---- choosing ---- */

static const struct start *
start_of(enum runtime_family family)
{
    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        if (starts[i].family == family)
            return &starts[i];
    return NULL;
}

/* The part of a version that makes it another runtime: Python's minor, the others' major. */
static int
step_of(enum runtime_family family, int version)
{
    return family == RUNTIME_PYTHON || family == RUNTIME_RUBY ? version : version / 100;
}

static int
none_found(const struct runtime_info *info, struct err *err)
{
    int oldest = families[info->family].oldest;

    switch (info->family) {
    case RUNTIME_PYTHON:
        return err_set(err, ERR_NOT_FOUND,
                       "No Python %d.%d or newer was found on this machine. Install it with: "
                       "apt-get install %s.",
                       oldest / 100, oldest % 100, families[info->family].package);
    case RUNTIME_NODEJS:
        return err_set(err, ERR_NOT_FOUND,
                       "No Node.js %d or newer was found on this machine. Install it with: "
                       "apt-get install %s.",
                       oldest / 100, families[info->family].package);
    default:
        return err_set(err, ERR_NOT_FOUND, "Nothing on this machine runs %.*s functions.",
                       STR_FMT(info->id));
    }
}

/* Under lock. The exact version, else the nearest; of two equally near the newer. */
static const struct found *
nearest(const struct runtime_info *info)
{
    const struct found *best = NULL;
    int best_off = 0, wanted = step_of(info->family, info->version);

    for (size_t i = 0; i < findings.len; i++) {
        const struct found *f = &findings.at[i];
        int off = abs(step_of(info->family, f->version) - wanted);

        if (f->family != info->family)
            continue;
        /* Python 2 programs don't run on Python 3. */
        if (info->family == RUNTIME_PYTHON && f->version / 100 != info->version / 100)
            continue;
        if (!best || off < best_off || (off == best_off && f->version > best->version)) {
            best = f;
            best_off = off;
        }
    }
    return best;
}

int
runtime_resolve(struct str id, struct runtime_choice *ret, struct err *err)
{
    struct runtime_choice choice = {.info = runtime_info_find(id), .exact = true};
    const struct start *start;
    const struct found *f = NULL;
    bool probed, managed;

    if (!choice.info)
        return err_set(err, ERR_INVALID, "'%.*s' is not a runtime", STR_FMT(id));
    start = start_of(choice.info->family);
    if (!start)
        return err_set(err, ERR_NOT_IMPLEMENTED,
                       "Functions with the runtime %.*s can't be run yet%s.", STR_FMT(id),
                       choice.info->family == RUNTIME_GO
                           ? "; build them for provided.al2023, as an executable named bootstrap"
                           : "");
    choice.frames = start->frames;
    choice.folder = start->folder;
    choice.version_label = choice.info->label;
    label_digest(choice.info, choice.version_sha256);
    managed = choice.info->family != RUNTIME_PROVIDED;
    if (managed) {
        (void)pthread_mutex_lock(&lock);
        probed = findings.done;
        f = nearest(choice.info);
        if (f) {
            memcpy(choice.interpreter, f->path, sizeof(choice.interpreter));
            memcpy(choice.version, f->text, sizeof(choice.version));
            choice.exact = step_of(f->family, f->version) ==
                           step_of(choice.info->family, choice.info->version);
        }
        (void)pthread_mutex_unlock(&lock);
        if (!probed)
            return err_set(err, ERR_UNAVAILABLE,
                           "The runtimes of this machine are still being looked for.");
        if (!f)
            return none_found(choice.info, err);
        if (!choice.exact)
            (void)snprintf(choice.note, sizeof(choice.note), "%.*s is not installed; using %s (%s)",
                           STR_FMT(id), choice.interpreter, choice.version);
    }
    *ret = choice;
    return 0;
}

/* ---- argv and envp ---- */

bool
runtime_env_reserved(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (str_is(name, reserved[i]))
            return true;
    return false;
}

struct builder {
    const struct runtime_choice *rt;
    const struct runtime_env *in;
    struct arena *a;
    char **envp;
    size_t len, cap;
    bool full;
};

static struct str
user_value(const struct runtime_env *in, const char *name)
{
    for (size_t i = 0; i < in->variables_len; i++)
        if (str_is(in->variables[i].name, name))
            return in->variables[i].value;
    return STR_NULL;
}

static bool
is_set(const struct builder *b, struct str name)
{
    for (size_t i = 0; i < b->len; i++)
        if (strncmp(b->envp[i], name.at, name.len) == 0 && b->envp[i][name.len] == '=')
            return true;
    return false;
}

/* The first to set a name wins; what is empty is left out. */
static void
put(struct builder *b, struct str name, struct str value)
{
    struct str line;

    if (value.len == 0 || name.len == 0 || is_set(b, name))
        return;
    ASSERT(b->len + 1 < b->cap);
    line = arena_fmt(b->a, "%.*s=%.*s", STR_FMT(name), STR_FMT(value));
    if (line.at)
        b->envp[b->len++] = (char *)line.at;
    else
        b->full = true;
}

static void
put_user(struct builder *b, struct str name, struct str value)
{
    struct str line;

    if (name.len == 0 || is_set(b, name) || runtime_env_reserved(name))
        return;
    ASSERT(b->len + 1 < b->cap);
    line = arena_fmt(b->a, "%.*s=%.*s", STR_FMT(name), STR_FMT(value)); /* may be empty */
    if (line.at)
        b->envp[b->len++] = (char *)line.at;
    else
        b->full = true;
}

#define PUT(b, name, value) put((b), STR(name), (value))

/* Fill in the {names} of a template of runtimes.def. */
static struct str
expand(struct builder *b, const char *template)
{
    AUTO_BUF struct buf out = BUF_MAX(TEMPLATE_MAX + RUNTIME_PATH_MAX);
    const struct runtime_info *info = b->rt->info;
    const char *at = template;

    while (*at) {
        size_t plain = strcspn(at, "{");
        const char *end;
        struct str name;

        buf_add(&out, at, plain);
        at += plain;
        if (!*at)
            break;
        end = strchr(at, '}');
        ASSERT(end); /* the table is ours */
        name = (struct str){at + 1, (size_t)(end - at - 1)};
        at = end + 1;
        if (str_is(name, "interpreter"))
            buf_z(&out, b->rt->interpreter);
        else if (str_is(name, "bootstrap"))
            buf_str(&out, b->in->bootstrap.len ? b->in->bootstrap : STR("/var/task/bootstrap"));
        else if (str_is(name, "frames_fd"))
            buf_fmt(&out, "%d", RUNTIME_FRAMES_FD);
        else if (str_is(name, "memory_mb_90pct"))
            buf_fmt(&out, "%u", b->in->memory_mb * 9 / 10);
        else if (str_is(name, "memory_mb_5pct"))
            buf_fmt(&out, "%u", MAX(b->in->memory_mb / 20, 1u));
        else if (str_is(name, "major"))
            buf_fmt(&out, "%d", info->version / 100);
        else if (str_is(name, "version"))
            buf_fmt(&out, "%d.%d", info->version / 100, info->version % 100);
        else
            ASSERT(!"an unknown {name} in runtimes.def");
    }
    if (out.overflow)
        b->full = true;
    return arena_str(b->a, buf_view(&out));
}

static void
build_env(struct builder *b)
{
    const struct runtime_env *in = b->in;
    enum runtime_family family = b->rt->info->family;
    bool managed = family != RUNTIME_PROVIDED;
    struct str xray = in->xray_address.len ? in->xray_address : STR("169.254.79.129:2000");
    ssize_t colon = str_find(xray, ':');
    char number[16];

    /* What nobody may set, first. */
    PUT(b, "_HANDLER", in->handler);
    PUT(b, "AWS_REGION", in->region);
    PUT(b, "AWS_DEFAULT_REGION", in->region);
    if (managed)
        PUT(b, "AWS_EXECUTION_ENV", arena_fmt(b->a, "AWS_Lambda_%.*s", STR_FMT(b->rt->info->id)));
    PUT(b, "AWS_LAMBDA_FUNCTION_NAME", in->function_name);
    (void)snprintf(number, sizeof(number), "%u", in->memory_mb);
    PUT(b, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", str_of(number));
    PUT(b, "AWS_LAMBDA_FUNCTION_VERSION", in->function_version);
    PUT(b, "AWS_LAMBDA_INITIALIZATION_TYPE", in->initialization_type);
    PUT(b, "AWS_LAMBDA_LOG_GROUP_NAME", in->log_group);
    PUT(b, "AWS_LAMBDA_LOG_STREAM_NAME", in->log_stream);
    PUT(b, "AWS_LAMBDA_LOG_FORMAT", in->log_format);
    if (str_is(in->log_format, "JSON"))
        PUT(b, "AWS_LAMBDA_LOG_LEVEL", in->log_level);
    PUT(b, "AWS_ACCESS_KEY", in->access_key_id);
    PUT(b, "AWS_ACCESS_KEY_ID", in->access_key_id);
    PUT(b, "AWS_SECRET_ACCESS_KEY", in->secret_access_key);
    PUT(b, "AWS_SESSION_TOKEN", in->session_token);
    PUT(b, "AWS_LAMBDA_RUNTIME_API", in->runtime_api);
    PUT(b, "LAMBDA_TASK_ROOT", STR("/var/task"));
    PUT(b, "LAMBDA_RUNTIME_DIR", STR("/var/runtime"));
    if (b->rt->frames) {
        (void)snprintf(number, sizeof(number), "%d", RUNTIME_LOG_FD);
        PUT(b, "_LAMBDA_TELEMETRY_LOG_FD", str_of(number));
    }

    for (size_t i = 0; i < in->variables_len; i++)
        put_user(b, in->variables[i].name, in->variables[i].value);

    /* What the function may have set otherwise. */
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        if (variables[i].whom == (int)family || variables[i].whom == WHOM_ALL ||
            (variables[i].whom == WHOM_MANAGED && managed))
            put(b, str_of(variables[i].name), expand(b, variables[i].value));
    PUT(b, "AWS_XRAY_DAEMON_ADDRESS", xray);
    if (colon > 0) {
        PUT(b, "_AWS_XRAY_DAEMON_ADDRESS", ((struct str){xray.at, (size_t)colon}));
        PUT(b, "_AWS_XRAY_DAEMON_PORT",
            ((struct str){xray.at + colon + 1, xray.len - (size_t)colon - 1}));
    }
    for (size_t i = 0; i < in->platform_len; i++)
        put(b, in->platform[i].name, in->platform[i].value);
    b->envp[b->len] = NULL;
}

static bool
sets_heap(struct str options)
{
    static const char *const names[] = {"max-old-space-size", "max_old_space_size",
                                        "max-semi-space-size", "max_semi_space_size"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (options.len && memmem(options.at, options.len, names[i], strlen(names[i])))
            return true;
    return false;
}

static char **
build_argv(struct builder *b)
{
    const struct start *start = start_of(b->rt->info->family);
    bool heap_set = sets_heap(user_value(b->in, "NODE_OPTIONS"));
    char **argv = ARENA_ARRAY(b->a, char *, ARGV_MAX + 2);
    struct str wrapper = STR_NULL, word;
    size_t n = 0;

    if (!argv)
        return NULL;
    if (b->rt->info->family != RUNTIME_PROVIDED)
        wrapper = user_value(b->in, "AWS_LAMBDA_EXEC_WRAPPER");
    if (wrapper.len)
        argv[n++] = (char *)arena_str(b->a, wrapper).at;
    for (size_t i = 0; i < ARGV_MAX && start->argv[i]; i++) {
        const char *text = start->argv[i];

        if (*text == HEAP_MARK && heap_set)
            continue;
        word = expand(b, text + (*text == HEAP_MARK));
        argv[n++] = (char *)word.at;
    }
    argv[n] = NULL;
    return argv;
}

int
runtime_env_build(const struct runtime_choice *rt, const struct runtime_env *in, struct arena *a,
                  char ***ret_envp, char ***ret_argv, struct err *err)
{
    struct builder b = {.rt = rt, .in = in, .a = a};
    char **argv;

    b.cap = 32 + ARRAY_LEN(variables) + in->variables_len + in->platform_len;
    b.envp = ARENA_ARRAY(a, char *, b.cap);
    if (!b.envp)
        return err_set(err, ERR_TOO_LARGE, "the function's environment variables are too large");
    build_env(&b);
    argv = build_argv(&b);
    if (!argv || b.full || arena_full(a))
        return err_set(err, ERR_TOO_LARGE, "the function's environment variables are too large");
    *ret_envp = b.envp;
    *ret_argv = argv;
    return 0;
}
