/* `lambent ls` and `lambent rm`. */
#include <time.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/term.h"

enum { STATES_ASKED_MAX = 200 };

struct ls_opts {
    bool quiet;
};

/* "2026-11-21T10:00:00.000+0000" → "2026-11-21 10:00" in local time; the text itself if it is none.
 */
static const char *
when(const char *text, char room[32])
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    time_t at;

    if (!rest) {
        (void)snprintf(room, 32, "%.31s", text);
        return room;
    }
    at = timegm(&tm);
    localtime_r(&at, &tm);
    strftime(room, 32, "%Y-%m-%d %H:%M", &tm);
    return room;
}

struct cells {
    char memory[32], timeout[32], size[32], modified[32];
};

static void
cells_fill(const json_t *item, struct cells *ret)
{
    snprintf(ret->memory, sizeof(ret->memory), "%lld MB",
             (long long)api_number(item, "MemorySize", 128));
    snprintf(ret->timeout, sizeof(ret->timeout), "%lld s",
             (long long)api_number(item, "Timeout", 3));
    term_bytes((uint64_t)MAX(api_number(item, "CodeSize", 0), (int64_t)0), ret->size);
    when(api_text(item, "LastModified"), ret->modified);
}

/* ListFunctions leaves the state out, as AWS does: ask for each, up to a bound. */
static void
states_add(struct cli *cli, json_t *items)
{
    json_t *item;
    size_t i;

    json_array_foreach(items, i, item)
    {
        struct err err = {0};
        json_t *config;

        if (json_object_get(item, "State") || i >= STATES_ASKED_MAX)
            continue;
        if (api_get_configuration(cli, api_text(item, "FunctionName"), &config, &err) < 0)
            continue; /* deleted meanwhile, most likely: the cell stays empty */
        json_object_set(item, "State", json_object_get(config, "State"));
        if (strcmp(api_text(config, "LastUpdateStatus"), "InProgress") == 0)
            json_object_set_new(item, "State", json_string("Updating"));
        json_decref(config);
    }
    cli->hint[0] = '\0';
}

static void
print_functions(struct cli *cli, json_t *items)
{
    static const struct term_column columns[] = {
        {"NAME"},
        {"RUNTIME"},
        {"MEMORY", .right = true},
        {"TIMEOUT", .right = true},
        {"SIZE", .right = true},
        {"STATE"},
        {"MODIFIED"},
    };
    struct term_table *table = term_table_new(cli, columns, ARRAY_LEN(columns));
    json_t *item;
    size_t i;

    json_array_foreach(items, i, item)
    {
        const char *runtime = api_text(item, "Runtime"), *state = api_text(item, "State");
        struct cells cells;

        cells_fill(item, &cells);
        term_table_row(table, (const char *const[]){
                                  api_text(item, "FunctionName"),
                                  *runtime ? runtime : api_text(item, "PackageType"), cells.memory,
                                  cells.timeout, cells.size, *state ? state : "-", cells.modified});
    }
    term_table_print(table);
}

static void
print_versions(struct cli *cli, json_t *items)
{
    static const struct term_column columns[] = {
        {"VERSION"},
        {"RUNTIME"},
        {"MEMORY", .right = true},
        {"TIMEOUT", .right = true},
        {"SIZE", .right = true},
        {"CODE"},
        {"MODIFIED"},
        {"DESCRIPTION", .trunc = true},
    };
    struct term_table *table = term_table_new(cli, columns, ARRAY_LEN(columns));
    json_t *item;
    size_t i;

    json_array_foreach(items, i, item)
    {
        struct cells cells;
        char code[13];

        cells_fill(item, &cells);
        snprintf(code, sizeof(code), "%.12s", api_text(item, "CodeSha256"));
        term_table_row(table,
                       (const char *const[]){api_text(item, "Version"), api_text(item, "Runtime"),
                                             cells.memory, cells.timeout, cells.size, code,
                                             cells.modified, api_text(item, "Description")});
    }
    term_table_print(table);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(api_text(*(json_t *const *)a, "FunctionName"),
                  api_text(*(json_t *const *)b, "FunctionName"));
}

static json_t *
sorted_by_name(json_t *items)
{
    size_t n = json_array_size(items);
    json_t **all = xcalloc(n + 1, sizeof(json_t *)), *ret = json_array();

    for (size_t i = 0; i < n; i++)
        all[i] = json_array_get(items, i);
    qsort(all, n, sizeof(json_t *), by_name);
    for (size_t i = 0; i < n; i++)
        json_array_append(ret, all[i]);
    free(all);
    return ret;
}

static int
run_ls(struct cli *cli, const void *arg, struct err *err)
{
    const struct ls_opts *opts = arg;
    AUTO_BUF struct buf path = BUF_MAX(2048);
    const char *name = cli->args_len ? cli->args[0] : NULL,
               *key = name ? "Version" : "FunctionName";
    json_t *items, *item;
    size_t i;

    if (name) {
        if (api_check_name(name, err) < 0)
            return -(int)err->kind;
        api_function_path(&path, name, "/versions");
    } else {
        buf_z(&path, "/2015-03-31/functions");
    }
    if (api_list(cli, path.at, name ? "Versions" : "Functions", &items, err) < 0)
        return -(int)err->kind;
    if (!name) {
        json_t *sorted = sorted_by_name(items);

        json_decref(items);
        items = sorted;
        if (!opts->quiet)
            states_add(cli, items);
    }
    if (opts->quiet && !cli->json) {
        json_array_foreach(items, i, item) puts(api_text(item, key));
    } else if (cli->json) {
        cli_print_json(items);
    } else if (json_array_size(items) == 0) {
        fprintf(stderr, "No functions in %s yet. Make one: lambent deploy DIR\n", cli->region);
    } else if (name) {
        print_versions(cli, items);
    } else {
        print_functions(cli, items);
    }
    json_decref(items);
    return 0;
}

/* clang-format off */
static const struct opt ls_opts[] = {
    {"quiet", 'q', OPT_FLAG, offsetof(struct ls_opts, quiet), NULL, "Print the names alone"},
    {NULL},
};
/* clang-format on */

const struct command command_ls = {
    .name = "ls",
    .args = "[NAME]",
    .summary = "List functions, or one function's versions",
    .examples = (const char *const[]){"lambent ls", "All functions of the region.",
                                      "lambent ls hello", "The versions of hello.",
                                      "lambent ls --json | jq -r '.[].FunctionName'",
                                      "The API's own objects, for programs.", NULL},
    .opts = ls_opts,
    .opts_size = sizeof(struct ls_opts),
    .args_max = 1,
    .complete = COMPLETE_FUNCTION,
    .run = run_ls,
};

struct rm_opts {
    bool yes;
};

static int
confirm(const struct cli *cli, struct err *err)
{
    char answer[16] = "";

    if (!cli->err_tty || !isatty(STDIN_FILENO))
        return err_set(err, ERR_INVALID, "there is nobody to ask: give --yes to delete");
    fprintf(stderr, "Delete %s", cli->args[0]);
    for (size_t i = 1; i < cli->args_len; i++)
        fprintf(stderr, ", %s", cli->args[i]);
    fputs(" with all versions? [y/N] ", stderr);
    if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
        return err_set(err, ERR_INVALID, "nothing was deleted");
    return 0;
}

static int
run_rm(struct cli *cli, const void *arg, struct err *err)
{
    const struct rm_opts *opts = arg;
    json_t *deleted;

    for (size_t i = 0; i < cli->args_len; i++)
        if (api_check_name(cli->args[i], err) < 0)
            return -(int)err->kind;
    if (!opts->yes && confirm(cli, err) < 0)
        return -(int)err->kind;
    deleted = json_array();
    for (size_t i = 0; i < cli->args_len; i++) {
        AUTO_BUF struct buf path = BUF_MAX(2048);
        AUTO_REPLY struct reply reply = {0};

        api_function_path(&path, cli->args[i], "");
        if (api_call(cli, &(struct call){.method = "DELETE", .path = path.at}, &reply, err) < 0)
            break; /* those before it are gone, and were said so */
        json_array_append_new(deleted, json_string(cli->args[i]));
        if (!cli->json)
            fprintf(stderr, "Deleted %s\n", cli->args[i]);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:O}", "deleted", deleted);

        cli_print_json(doc);
        json_decref(doc);
    }
    json_decref(deleted);
    return err->kind ? -(int)err->kind : 0;
}

/* clang-format off */
static const struct opt rm_opts[] = {
    {"yes", 'y', OPT_FLAG, offsetof(struct rm_opts, yes), NULL, "Do not ask"},
    {NULL},
};
/* clang-format on */

const struct command command_rm = {
    .name = "rm",
    .args = "NAME…",
    .summary = "Delete functions",
    .details = "A function goes with all its versions; its logs stay. NAME:VERSION deletes that "
               "version alone.",
    .examples = (const char *const[]){"lambent rm hello", "Ask, then delete.",
                                      "lambent rm --yes hello other:3",
                                      "Delete without asking, as scripts do.", NULL},
    .opts = rm_opts,
    .opts_size = sizeof(struct rm_opts),
    .args_min = 1,
    .args_max = CLI_ARGS_MAX,
    .complete = COMPLETE_FUNCTION,
    .run = run_rm,
};
