/* Guessing. Names first (`bootstrap`, package.json's "main", lambda_function.py …), then the first
 * of them whose text defines something that looks like a handler. Only the text's shape is looked
 * at, line by line, with comments left out; nobody's code is run. */
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cli/guess.h"

extern char **environ;

enum { PYTHON_MIN = 8, PYTHON_MAX = 14, PYTHON_DEFAULT = 12 };

static const char *const python_files[] = {"lambda_function.py", "app.py",     "main.py",
                                           "index.py",           "handler.py", "function.py"};
static const char *const node_files[] = {
    "index.mjs", "index.js",    "index.cjs",  "app.mjs",     "app.js",
    "app.cjs",   "handler.mjs", "handler.js", "handler.cjs", "lambda.mjs",
    "lambda.js", "lambda.cjs",  "main.mjs",   "main.js",     "main.cjs",
};
static const char *const handler_names[] = {"lambda_handler", "handler", "lambdaHandler"};

static bool
is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
}

static struct str
skip_blanks(struct str s)
{
    while (s.len && (*s.at == ' ' || *s.at == '\t'))
        s.at++, s.len--;
    return s;
}

/* Take `word` off the front of *s, with the blanks after it. A word that goes on is another word.
 */
static bool
take(struct str *s, const char *word)
{
    size_t len = strlen(word);

    if (!str_starts(*s, str_of(word)) ||
        (is_name(word[len - 1]) && s->len > len && is_name(s->at[len])))
        return false;
    *s = skip_blanks((struct str){s->at + len, s->len - len});
    return true;
}

static bool
has_word(struct str line, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i + len <= line.len; i++)
        if (memcmp(line.at + i, word, len) == 0 && (i == 0 || !is_name(line.at[i - 1])) &&
            (i + len == line.len || !is_name(line.at[i + len])))
            return true;
    return false;
}

/* `def handler(`, or `handler =` for the likes of Mangum(app); at the line's start only. */
static bool
python_defines(struct str line, const char *name)
{
    if (take(&line, "def"))
        return take(&line, name) && line.len && *line.at == '(';
    return take(&line, name) && line.len && (*line.at == ':' || *line.at == '=') &&
           !str_starts(line, STR("=="));
}

/* exports.handler = …, module.exports = { handler }, module.exports.handler, export const handler,
 * export async function handler, export { x as handler }. */
static bool
node_defines(struct str line, const char *name)
{
    struct str at = skip_blanks(line);

    if (str_starts(at, STR("//")) || str_starts(at, STR("*")) || str_starts(at, STR("/*")))
        return false;
    if (take(&at, "export")) {
        if (*at.at == '{')
            return has_word(at, name);
        if (take(&at, "const") || take(&at, "let") || take(&at, "var"))
            return take(&at, name);
        (void)take(&at, "async");
        return take(&at, "function") && take(&at, name);
    }
    if (take(&at, "module.exports") && at.len && *at.at == '=')
        return has_word(at, name);
    at = skip_blanks(line);
    if (str_starts(at, STR("module.")))
        at = (struct str){at.at + 7, at.len - 7};
    if (!str_starts(at, STR("exports.")))
        return false;
    at = (struct str){at.at + 8, at.len - 8};
    return take(&at, name) && at.len && *at.at == '=';
}

/* The first of the usual names that the text defines, or NULL. A list in braces may span lines:
 * what follows `module.exports = {` or `export {` up to its end is read as one line. */
static const char *
defined_handler(struct str text, bool python)
{
    enum { JOINED_MAX = 4096 };

    for (size_t n = 0; n < ARRAY_LEN(handler_names); n++) {
        for (size_t from = 0; from < text.len;) {
            struct str line = {text.at + from, text.len - from};
            ssize_t end = str_find(line, '\n');
            struct str head;

            line.len = end < 0 ? line.len : (size_t)end;
            from += line.len + 1;
            head = skip_blanks(line);
            if (!python && memchr(head.at ? head.at : "", '{', head.len) &&
                !memchr(head.at, '}', head.len) &&
                (str_starts(head, STR("module.exports")) || str_starts(head, STR("export {")) ||
                 str_starts(head, STR("export{")))) {
                struct str rest = {line.at,
                                   MIN((size_t)(text.at + text.len - line.at), (size_t)JOINED_MAX)};
                ssize_t close = str_find(rest, '}');

                line.len = close < 0 ? rest.len : (size_t)close;
            }
            if (python ? python_defines(line, handler_names[n])
                       : node_defines(line, handler_names[n]))
                return handler_names[n];
        }
    }
    return NULL;
}

static void
found(struct guess *ret, const char *file, const char *name)
{
    size_t stem = strlen(file) - strlen(strrchr(file, '.'));

    (void)snprintf(ret->handler, sizeof(ret->handler), "%.*s.%s", (int)MIN(stem, (size_t)100), file,
                   name);
    (void)snprintf(ret->why, sizeof(ret->why), "%.100s defines %s", file, name);
}

static bool
try_file(struct package *package, const char *file, bool python, struct guess *ret)
{
    struct str text = package_read(package, file);
    const char *name = text.at ? defined_handler(text, python) : NULL;

    if (name)
        found(ret, file, name);
    return name != NULL;
}

static const char *
extension(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && !strchr(dot, '/') ? dot : "";
}

static bool
is_node_file(const char *path)
{
    const char *dot = extension(path);

    return strcmp(dot, ".mjs") == 0 || strcmp(dot, ".js") == 0 || strcmp(dot, ".cjs") == 0;
}

/* Any other source file at the top that defines a handler. */
static bool
try_others(struct package *package, bool python, struct guess *ret)
{
    for (size_t i = 0; i < package->files_len; i++) {
        const char *path = package->files[i].path;

        if (strchr(path, '/') || strlen(path) > 100)
            continue;
        if ((python ? strcmp(extension(path), ".py") == 0 : is_node_file(path)) &&
            try_file(package, path, python, ret))
            return true;
    }
    return false;
}

static void
python_runtime(const struct guess_host *host, struct guess *ret)
{
    int minor = host->python_minor ? host->python_minor : PYTHON_DEFAULT;

    snprintf(ret->runtime, sizeof(ret->runtime), "python3.%d",
             MIN(MAX(minor, PYTHON_MIN), PYTHON_MAX));
}

static void
node_runtime(const struct guess_host *host, struct guess *ret)
{
    int major = host->node_major ? host->node_major : 22;

    /* Lambda has the even ones only. */
    snprintf(ret->runtime, sizeof(ret->runtime), "nodejs%d.x", MIN(MAX(major - major % 2, 18), 24));
}

/* package.json's "main", if that file is in the package. */
static bool
node_main(struct package *package, char main_path[104])
{
    struct str text = package_read(package, "package.json");
    json_t *doc = text.at ? json_loadb(text.at, text.len, 0, NULL) : NULL;
    const char *name = json_string_value(json_object_get(doc, "main"));
    bool ok = false;

    while (name && strncmp(name, "./", 2) == 0)
        name += 2;
    if (name && strlen(name) < 100) {
        (void)snprintf(main_path, 104, "%s", name);
        ok = is_node_file(main_path) && package_find(package, main_path);
        if (!ok) {
            (void)snprintf(main_path, 104, "%s.js", name);
            ok = package_find(package, main_path) != NULL;
        }
    }
    json_decref(doc);
    return ok;
}

static bool
guess_node(struct package *package, struct guess *ret)
{
    char main_path[104];

    if (node_main(package, main_path) && try_file(package, main_path, false, ret))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(node_files); i++)
        if (try_file(package, node_files[i], false, ret))
            return true;
    return try_others(package, false, ret);
}

static bool
guess_python(struct package *package, struct guess *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(python_files); i++)
        if (try_file(package, python_files[i], true, ret))
            return true;
    return try_others(package, true, ret);
}

void
guess_package(struct package *package, const struct guess_host *host, struct guess *ret)
{
    const struct package_file *bootstrap = package_find(package, "bootstrap");
    bool python = false, node = package_find(package, "package.json") != NULL;

    *ret = (struct guess){0};
    if (bootstrap) {
        snprintf(ret->runtime, sizeof(ret->runtime), "provided.al2023");
        snprintf(ret->handler, sizeof(ret->handler), "bootstrap");
        snprintf(ret->why, sizeof(ret->why), "there is a file named bootstrap");
        return;
    }
    for (size_t i = 0; i < package->files_len; i++) {
        const char *path = package->files[i].path;

        if (strchr(path, '/'))
            continue;
        python |= strcmp(extension(path), ".py") == 0;
        node |= is_node_file(path);
    }
    if (node && guess_node(package, ret)) {
        node_runtime(host, ret);
        return;
    }
    if (python && guess_python(package, ret)) {
        python_runtime(host, ret);
        return;
    }
    /* The language is clear and the handler is not: half a guess helps too. */
    if (python != node) {
        if (python)
            python_runtime(host, ret);
        else
            node_runtime(host, ret);
        snprintf(ret->why, sizeof(ret->why),
                 "there is %s code, but no file at the top defines "
                 "lambda_handler or handler",
                 python ? "Python" : "JavaScript");
        return;
    }
    snprintf(ret->why, sizeof(ret->why),
             "there is no bootstrap, and no .py, .js, .mjs or .cjs file at the top that defines "
             "lambda_handler or handler");
}

struct str
guess_family(const char *runtime)
{
    return (struct str){runtime, strcspn(runtime, "0123456789.")};
}

bool
guess_handler_exists(const struct package *package, const char *runtime, const char *handler)
{
    struct str family = guess_family(runtime);
    bool python = str_is(family, "python");
    static const char *const node_ext[] = {".mjs", ".js", ".cjs"};
    char path[160];
    const char *dot = strrchr(handler, '.');
    size_t stem;

    if (str_is(family, "provided"))
        return package_find(package, "bootstrap") != NULL;
    if ((!python && !str_is(family, "nodejs")) || !dot || dot - handler > 120)
        return true;
    /* Node's handler may have dots after the module's path: "dir/index.nested.handler". */
    if (!python) {
        const char *slash = strrchr(handler, '/');

        dot = strchr(slash ? slash : handler, '.');
    }
    stem = (size_t)(dot - handler);
    for (size_t i = 0; i < (python ? 2 : ARRAY_LEN(node_ext)); i++) {
        snprintf(path, sizeof(path), "%.*s%s", (int)stem, handler,
                 python ? (i ? "/__init__.py" : ".py") : node_ext[i]);
        for (char *c = path; python && c < path + stem; c++)
            if (*c == '.')
                *c = '/';
        if (package_find(package, path))
            return true;
    }
    return python && stem > 10 && strncmp(handler, "/opt", 4) == 0; /* from a layer: cannot know */
}

/* First line of `program --version`, for at most two seconds. */
static bool
ask_version(const char *program, char *ret, size_t size)
{
    char *argv[] = {(char *)program, (char[]){"--version"}, NULL};
    posix_spawn_file_actions_t actions;
    struct pollfd poll_fd = {.events = POLLIN};
    int pipe_fds[2], status;
    ssize_t n = -1;
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (posix_spawn(&pid, program, &actions, NULL, argv, environ) == 0) {
        (void)close(pipe_fds[1]);
        pipe_fds[1] = -1;
        poll_fd.fd = pipe_fds[0];
        if (poll(&poll_fd, 1, 2000) == 1)
            n = read(pipe_fds[0], ret, size - 1);
        else
            (void)kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    posix_spawn_file_actions_destroy(&actions);
    auto_close(&pipe_fds[0]);
    auto_close(&pipe_fds[1]);
    ret[MAX(n, 0)] = '\0';
    return n > 0;
}

void
guess_host_probe(struct guess_host *ret)
{
    static const char *const dirs[] = {"/usr/bin", "/usr/local/bin"};
    char path[64], version[64];

    *ret = (struct guess_host){0};
    for (int minor = PYTHON_MAX; minor >= PYTHON_MIN && !ret->python_minor; minor--)
        for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
            snprintf(path, sizeof(path), "%s/python3.%d", dirs[i], minor);
            if (access(path, X_OK) == 0)
                ret->python_minor = minor;
        }
    for (size_t i = 0; i < ARRAY_LEN(dirs) && !ret->node_major; i++) {
        int64_t major;

        snprintf(path, sizeof(path), "%s/node", dirs[i]);
        if (access(path, X_OK) == 0 && ask_version(path, version, sizeof(version)) &&
            version[0] == 'v' &&
            str_int((struct str){version + 1, strspn(version + 1, "0123456789")}, 1, 999, &major))
            ret->node_major = (int)major;
    }
}
