/* `lambent deploy`: a folder or a zip becomes a function.
 *
 * The order is AWS's own: create if it is new; else code first, then configuration, waiting after
 * each, because the service refuses a change while another is in progress. What is not given stays
 * as it was. Progress and remarks go to stderr, the ARN alone to stdout. */
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "base/id.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/guess.h"
#include "cli/package.h"
#include "cli/term.h"

enum { READY_TIMEOUT_S = 60, ENVIRONMENT_MAX_BYTES = 4096, UPLOAD_TIMEOUT_S = 300 };

#define ROLE_DEFAULT "arn:aws:iam::000000000000:role/lambent"

struct deploy_opts {
    const char *name, *runtime, *handler, *role, *description;
    int64_t memory_mb, timeout_s;
    struct opt_list env;
    bool publish, force;
};

struct deploy {
    struct cli *cli;
    const struct deploy_opts *opts;
    char name[65];
    struct package *package;
    struct guess guess;
    char sha256[48];    /* base64, as CodeSha256 */
    const char *action; /* "created", "updated", "published", "unchanged" */
    json_t *config;     /* the function as it is now; NULL: new */
};

/* A remark for people; nothing with --json. */
static void PRINTF_LIKE(3, 4) say(const struct cli *cli, const char *title, const char *fmt, ...)
{
    va_list args;

    if (cli->json)
        return;
    term_progress_end(cli);
    fprintf(stderr, "%s%-9s%s ", term_style(cli->err_color, STYLE_GREEN), title,
            term_style(cli->err_color, STYLE_RESET));
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

static void PRINTF_LIKE(2, 3) warn(const struct cli *cli, const char *fmt, ...)
{
    va_list args;

    term_progress_end(cli);
    fprintf(stderr, "%sWarning%s   ", term_style(cli->err_color, STYLE_YELLOW),
            term_style(cli->err_color, STYLE_RESET));
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

static bool
name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* --name, or the folder's or zip's own name with other characters made '-'. */
static int
name_choose(struct deploy *deploy, const char *path, struct err *err)
{
    char real[PATH_MAX];
    const char *base = deploy->opts->name;
    size_t len;

    if (!base) {
        if (!realpath(path, real))
            return err_sys(err, "'%.150s'", path);
        base = strrchr(real, '/') + 1;
        len = strlen(base);
        if (len > 4 && strcmp(base + len - 4, ".zip") == 0)
            len -= 4;
        for (size_t i = 0; i < len && i < sizeof(deploy->name) - 1; i++)
            deploy->name[i] = name_char(base[i]) ? base[i] : '-';
        if (len == 0)
            return err_set(err, ERR_INVALID, "the folder has no name: give one with --name");
        return 0;
    }
    len = strlen(base);
    for (size_t i = 0; i < len; i++)
        if (!name_char(base[i]) || len > 64)
            len = 0;
    if (len == 0)
        return err_set(err, ERR_INVALID,
                       "'%.80s' cannot name a function: letters, digits, '-' and '_', 1 to 64 of "
                       "them",
                       base);
    return str_copy(deploy->name, sizeof(deploy->name), str_of(base)) ? 0 : -1;
}

static void
on_packed(void *arg, uint64_t done, uint64_t total)
{
    term_progress(arg, "Packing", done, total);
}

static void
on_uploaded(void *arg, uint64_t done, uint64_t total)
{
    if (total > 256 << 10) /* smaller ones are over before anyone could read it */
        term_progress(arg, "Uploading", done, total);
}

static int
package_make(struct deploy *deploy, const char *path, struct err *err)
{
    struct cli *cli = deploy->cli;
    struct stat st;
    char unzipped[32], zipped[32];
    uint8_t digest[32];
    int rc;

    if (stat(path, &st) < 0) {
        err_sys(err, "'%.150s'", path);
        cli_hint(cli, "Give the folder with the function's code, or a zip of it.");
        return -(int)err->kind;
    }
    if (S_ISDIR(st.st_mode))
        rc = package_from_dir(path, on_packed, cli, &deploy->package, err);
    else if (S_ISREG(st.st_mode))
        rc = package_from_zip(path, &deploy->package, err);
    else
        return err_set(err, ERR_INVALID, "'%.150s' is neither a folder nor a file", path);
    term_progress_end(cli);
    if (rc < 0)
        return rc;
    sha256(deploy->package->zip.at, deploy->package->zip.len, digest);
    base64_encode(digest, sizeof(digest), deploy->sha256);
    say(cli, S_ISDIR(st.st_mode) ? "Packed" : "Read", "%zu %s, %s, zipped %s%s",
        deploy->package->files_len, deploy->package->files_len == 1 ? "file" : "files",
        term_bytes(deploy->package->unzipped_bytes, unzipped),
        term_bytes(deploy->package->zip.len, zipped),
        deploy->package->ignored ? " (ignored files left out)" : "");
    return 0;
}

/* --env K=V sets, K- takes away; on top of what the function has. NULL: nothing was given. */
static int
environment_make(const struct deploy *deploy, json_t **ret, struct err *err)
{
    const struct opt_list *env = &deploy->opts->env;
    json_t *before, *variables;
    char *text;
    size_t size;

    *ret = NULL;
    if (env->len == 0)
        return 0;
    before = json_object_get(json_object_get(deploy->config, "Environment"), "Variables");
    variables = before ? json_copy(before) : json_object();
    for (size_t i = 0; i < env->len; i++) {
        const char *item = env->at[i];
        size_t len =
            strspn(item, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
        bool remove = item[len] == '-' && item[len + 1] == '\0';
        char key[256];
        json_t *value;

        if (len < 2 || len >= sizeof(key) || (item[0] >= '0' && item[0] <= '9') || item[0] == '_' ||
            (item[len] != '=' && !remove)) {
            json_decref(variables);
            return err_set(err, ERR_INVALID,
                           "--env takes NAME=VALUE (or NAME- to take it away), not '%.60s'; a name "
                           "has two or more letters, digits and '_', and starts with a letter",
                           item);
        }
        str_copy(key, sizeof(key), (struct str){item, len});
        if (remove) {
            json_object_del(variables, key);
            continue;
        }
        value = json_string(item + len + 1);
        if (!value) {
            json_decref(variables);
            return err_set(err, ERR_INVALID, "the value of --env %.60s is not UTF-8", key);
        }
        json_object_set_new(variables, key, value);
    }
    text = json_dumps(variables, JSON_COMPACT | JSON_ENSURE_ASCII);
    size = text ? strlen(text) : 0;
    free(text);
    *ret = json_pack("{s:o}", "Variables", variables);
    if (size > ENVIRONMENT_MAX_BYTES) {
        json_decref(*ret);
        return err_set(err, ERR_TOO_LARGE,
                       "the environment variables are %zu bytes as JSON; Lambda takes %d", size,
                       ENVIRONMENT_MAX_BYTES);
    }
    return 0;
}

/* The configuration members that were asked for, and for a new function those that are needed. */
static int
configuration_make(struct deploy *deploy, json_t **ret, struct err *err)
{
    const struct deploy_opts *opts = deploy->opts;
    struct guess *guess = &deploy->guess;
    bool is_new = !deploy->config;
    const char *runtime = opts->runtime ? opts->runtime : is_new ? guess->runtime : NULL;
    const char *handler = opts->handler ? opts->handler : is_new ? guess->handler : NULL;
    json_t *doc, *environment;

    if (is_new && (!*runtime || !*handler)) {
        cli_hint(deploy->cli, "Say it: lambent deploy … %s%s",
                 *runtime ? "" : "--runtime python3.12 ",
                 *handler ? "" : "--handler FILE.FUNCTION");
        return err_set(err, ERR_INVALID, "cannot guess the %s: %s",
                       !*runtime ? "runtime" : "handler", guess->why);
    }
    if (environment_make(deploy, &environment, err) < 0)
        return -(int)err->kind;
    doc = json_object();
    if (runtime)
        json_object_set_new(doc, "Runtime", json_string(runtime));
    if (handler)
        json_object_set_new(doc, "Handler", json_string(handler));
    if (opts->role || is_new)
        json_object_set_new(doc, "Role", json_string(opts->role ? opts->role : ROLE_DEFAULT));
    if (opts->description)
        json_object_set_new(doc, "Description", json_string(opts->description));
    if (opts->memory_mb)
        json_object_set_new(doc, "MemorySize", json_integer(opts->memory_mb));
    if (opts->timeout_s)
        json_object_set_new(doc, "Timeout", json_integer(opts->timeout_s));
    if (environment)
        json_object_set_new(doc, "Environment", environment);
    *ret = doc;
    return 0;
}

/* Things that would only show at the first invocation otherwise. */
static void
look_for_mistakes(struct deploy *deploy, const json_t *asked)
{
    struct cli *cli = deploy->cli;
    const char *runtime = api_text(asked, "Runtime"), *handler = api_text(asked, "Handler");
    const struct package_file *bootstrap = package_find(deploy->package, "bootstrap");
    struct str family, guessed = guess_family(deploy->guess.runtime);

    if (!*runtime)
        runtime = api_text(deploy->config, "Runtime");
    if (!*handler)
        handler = api_text(deploy->config, "Handler");
    family = guess_family(runtime);
    if (deploy->config && !deploy->opts->runtime && guessed.len && !str_eq(family, guessed))
        warn(cli,
             "the function's runtime is %s, but the code looks like %s (%s); --runtime changes "
             "it",
             runtime, deploy->guess.runtime, deploy->guess.why);
    else if (!guess_handler_exists(deploy->package, runtime, handler))
        warn(cli,
             str_is(family, "provided")
                 ? "there is no file named bootstrap, which %s starts (handler %s)"
                 : "no file for %s's handler %s is in the package",
             runtime, handler);
    if (str_is(family, "provided") && bootstrap && !(bootstrap->mode & 0111))
        warn(cli, "bootstrap is not executable: `chmod +x bootstrap`, then deploy again");
}

/* Metadata with the zip spliced in: base64 of 50 MB need not go through a JSON library. */
static void
body_make(const struct package *package, json_t *meta, bool create, struct buf *body)
{
    char *text = json_dumps(meta, JSON_COMPACT);
    size_t encoded_len = base64_len(package->zip.len);

    ASSERT(text && text[0] == '{');
    *body = BUF_MAX(encoded_len + strlen(text) + 64);
    buf_z(body, create ? "{\"Code\":{\"ZipFile\":\"" : "{\"ZipFile\":\"");
    ASSERT(buf_reserve(body, encoded_len + 1));
    base64_encode(package->zip.at, package->zip.len, body->at + body->len);
    body->len += encoded_len;
    buf_z(body, create ? "\"}" : "\"");
    if (text[1] != '}')
        buf_c(body, ',');
    buf_z(body, text + 1);
    ASSERT(!body->overflow);
    free(text);
}

static int
replace_config(struct deploy *deploy, const struct call *call, struct err *err)
{
    json_t *doc;
    int rc = api_json(deploy->cli, call, &doc, err);

    term_progress_end(deploy->cli);
    if (rc < 0)
        return rc;
    json_decref(doc);
    if (api_wait_ready(deploy->cli, deploy->name, READY_TIMEOUT_S, &doc, err) < 0)
        return -(int)err->kind;
    json_decref(deploy->config);
    deploy->config = doc;
    return 0;
}

static int
create(struct deploy *deploy, json_t *asked, struct err *err)
{
    AUTO_BUF struct buf body = {0};
    int rc;

    json_object_set_new(asked, "FunctionName", json_string(deploy->name));
    if (deploy->opts->publish)
        json_object_set_new(asked, "Publish", json_true());
    body_make(deploy->package, asked, true, &body);
    rc = replace_config(deploy,
                        &(struct call){.method = "POST",
                                       .path = "/2015-03-31/functions",
                                       .body = buf_view(&body),
                                       .timeout_s = UPLOAD_TIMEOUT_S,
                                       .on_progress = on_uploaded,
                                       .arg = deploy->cli},
                        err);
    deploy->action = "created";
    return rc;
}

static int
update_code(struct deploy *deploy, struct err *err)
{
    AUTO_BUF struct buf body = {0};
    AUTO_BUF struct buf path = BUF_MAX(2048);
    json_t *meta = json_object();

    body_make(deploy->package, meta, false, &body);
    json_decref(meta);
    api_function_path(&path, deploy->name, "/code");
    deploy->action = "updated";
    return replace_config(deploy,
                          &(struct call){.method = "PUT",
                                         .path = path.at,
                                         .body = buf_view(&body),
                                         .timeout_s = UPLOAD_TIMEOUT_S,
                                         .on_progress = on_uploaded,
                                         .arg = deploy->cli},
                          err);
}

/* Members that say what the function says already are no change. */
static void
drop_same(json_t *asked, const json_t *config)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(asked, next, key,
                             value) if (json_equal(value, json_object_get(config, key)))
        json_object_del(asked, key);
}

static int
update_configuration(struct deploy *deploy, json_t *asked, struct err *err)
{
    AUTO_BUF struct buf path = BUF_MAX(2048);
    char *text;
    int rc;

    drop_same(asked, deploy->config);
    if (json_object_size(asked) == 0)
        return 0;
    text = json_dumps(asked, JSON_COMPACT);
    ASSERT(text);
    api_function_path(&path, deploy->name, "/configuration");
    rc = replace_config(
        deploy, &(struct call){.method = "PUT", .path = path.at, .body = str_of(text)}, err);
    free(text);
    deploy->action = "updated";
    return rc;
}

static int
publish(struct deploy *deploy, struct err *err)
{
    AUTO_BUF struct buf path = BUF_MAX(2048);
    json_t *doc;

    api_function_path(&path, deploy->name, "/versions");
    if (api_json(deploy->cli, &(struct call){.method = "POST", .path = path.at, .body = STR("{}")},
                 &doc, err) < 0)
        return -(int)err->kind;
    json_decref(deploy->config);
    deploy->config = doc;
    if (strcmp(deploy->action, "unchanged") == 0)
        deploy->action = "published";
    return 0;
}

static int
deploy_all(struct deploy *deploy, struct err *err)
{
    struct cli *cli = deploy->cli;
    struct guess_host host;
    json_t *asked = NULL;
    bool is_new;
    int rc;

    if (api_get_configuration(cli, deploy->name, &deploy->config, err) < 0) {
        if (err->kind != ERR_NOT_FOUND || !client_error_code(cli->client)[0])
            return -(int)err->kind;
        err_clear(err); /* a new function, then */
        cli->hint[0] = '\0';
    }
    is_new = !deploy->config;
    if (!is_new) {
        /* A deploy in the middle of another one waits for it instead of failing. */
        json_decref(TAKE(deploy->config));
        if (api_wait_ready(cli, deploy->name, READY_TIMEOUT_S, &deploy->config, err) < 0) {
            if (err->kind != ERR_INVALID ||
                api_get_configuration(cli, deploy->name, &deploy->config, &(struct err){0}) < 0)
                return -(int)err->kind;
            err_clear(err); /* the last update failed: this one may mend it */
            cli->hint[0] = '\0';
        }
    }
    guess_host_probe(&host);
    guess_package(deploy->package, &host, &deploy->guess);
    if (configuration_make(deploy, &asked, err) < 0)
        return -(int)err->kind;
    if (is_new && (!deploy->opts->runtime || !deploy->opts->handler))
        say(cli, "Guessed", "%s%s%s: %s", deploy->opts->runtime ? "" : deploy->guess.runtime,
            deploy->opts->runtime || deploy->opts->handler ? "" : ", handler ",
            deploy->opts->handler ? "" : deploy->guess.handler, deploy->guess.why);
    if (!cli->json)
        look_for_mistakes(deploy, asked);
    if (is_new) {
        rc = create(deploy, asked, err);
    } else {
        rc = 0;
        if (deploy->opts->force ||
            strcmp(api_text(deploy->config, "CodeSha256"), deploy->sha256) != 0)
            rc = update_code(deploy, err);
        if (rc == 0)
            rc = update_configuration(deploy, asked, err);
        if (rc == 0 && deploy->opts->publish)
            rc = publish(deploy, err);
    }
    json_decref(asked);
    return rc;
}

static int
run_deploy(struct cli *cli, const void *opts, struct err *err)
{
    struct deploy deploy = {.cli = cli, .opts = opts, .action = "unchanged"};
    double start = term_seconds();
    char room[32];
    int rc;

    rc = name_choose(&deploy, cli->args[0], err);
    if (rc == 0)
        rc = package_make(&deploy, cli->args[0], err);
    if (rc == 0)
        rc = deploy_all(&deploy, err);
    if (rc == 0 && cli->json) {
        json_t *doc = json_pack(
            "{s:s, s:s, s:O, s:{s:I, s:I, s:I}, s:f}", "action", deploy.action, "arn",
            api_text(deploy.config, "FunctionArn"), "function", deploy.config, "package", "files",
            (json_int_t)deploy.package->files_len, "zipBytes", (json_int_t)deploy.package->zip.len,
            "unzippedBytes", (json_int_t)deploy.package->unzipped_bytes, "seconds",
            term_seconds() - start);
        cli_print_json(doc);
        json_decref(doc);
    } else if (rc == 0) {
        char title[16];

        str_copy(title, sizeof(title), str_of(deploy.action));
        title[0] = (char)(title[0] - 'a' + 'A');
        say(cli, title, "%s%s%s, version %s, %s %s, %lld MB, %s of code, in %.2f s",
            term_style(cli->err_color, STYLE_BOLD), deploy.name,
            term_style(cli->err_color, STYLE_RESET), api_text(deploy.config, "Version"),
            api_text(deploy.config, "Runtime"), api_text(deploy.config, "Handler"),
            (long long)api_number(deploy.config, "MemorySize", 128),
            term_bytes((uint64_t)api_number(deploy.config, "CodeSize", 0), room),
            term_seconds() - start);
        printf("%s\n", api_text(deploy.config, "FunctionArn"));
        if (cli->err_tty && strcmp(deploy.action, "created") == 0)
            say(cli, "Next", "lambent invoke %s '{}' --log", deploy.name);
    }
    json_decref(deploy.config);
    package_free(deploy.package);
    return rc;
}

#define OFF(member) offsetof(struct deploy_opts, member)
/* clang-format off */
static const struct opt opts[] = {
    {"name", 'n', OPT_TEXT, OFF(name), "NAME", "Function name (default: the folder's)", .max = 64},
    {"runtime", 'r', OPT_TEXT, OFF(runtime), "RUNTIME", "Runtime identifier, as python3.11",
     .max = 64, .complete = COMPLETE_WORDS, .words = RUNTIMES_KNOWN},
    {"handler", 0, OPT_TEXT, OFF(handler), "HANDLER", "Handler, as app.lambda_handler", .max = 128},
    {"memory", 'm', OPT_NUMBER, OFF(memory_mb), "MB", "Memory, 128 to 10240 MB (new: 128)",
     .min = 128, .max = 10240},
    {"timeout", 't', OPT_NUMBER, OFF(timeout_s), "S", "Timeout, 1 to 900 seconds (new: 3)",
     .min = 1, .max = 900},
    {"env", 'e', OPT_LIST, OFF(env), "NAME=VALUE",
     "Set an environment variable (NAME- takes it away); may be repeated, others stay",
     .max = 4200},
    {"role", 0, OPT_TEXT, OFF(role), "ARN", "Execution role (new: " ROLE_DEFAULT ")", .max = 2048},
    {"description", 'd', OPT_TEXT, OFF(description), "TEXT", "Description, up to 256 bytes",
     .max = 256},
    {"publish", 0, OPT_FLAG, OFF(publish), NULL, "Publish a numbered version as well"},
    {"force", 'f', OPT_FLAG, OFF(force), NULL, "Upload the code even if it has not changed"},
    {NULL},
};
/* clang-format on */
#undef OFF

const struct command command_deploy = {
    .name = "deploy",
    .args = "DIR|ZIP",
    .summary = "Create or update a function from a folder or a zip",
    .details =
        "The folder's content becomes the function's code. Runtime and handler are guessed from it "
        "for a new function (lambda_function.py, app.py, main.py, index.mjs, index.js, bootstrap, "
        "package.json's \"main\", …) and are kept for one that exists, unless given.\n\n"
        "Left out are .git, __pycache__, node_modules/.cache and what .lambentignore names, with "
        ".gitignore's patterns. The zip is the same wherever it is made; code that has not changed "
        "is not uploaded again.\n\n"
        "Remarks go to standard error, the function's ARN to standard output.",
    .examples =
        (const char *const[]){
            "lambent deploy ./hello", "Create or update the function hello from the folder hello.",
            "lambent deploy . --name api --memory 512 --timeout 30 --env STAGE=dev",
            "The same with a name and settings.", "lambent deploy build/function.zip --name api",
            "From a zip that something else built.", NULL},
    .opts = opts,
    .opts_size = sizeof(struct deploy_opts),
    .args_min = 1,
    .args_max = 1,
    .complete = COMPLETE_DIR,
    .run = run_deploy,
};
