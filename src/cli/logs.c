/* `lambent logs`: FilterLogEvents over a function's log group, once or again and again.
 *
 * Following works by asking for what is newer. Streams are written side by side, so an event may
 * become visible a little after one with a later time: each round looks OVERLAP_MS back, and events
 * are known again by their eventId. */
#include <time.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/logtime.h"
#include "cli/term.h"

enum {
    POLL_MS = 400,
    OVERLAP_MS = 3000,
    PAGES_MAX = 10000,
    LIMIT_MAX = 100000,
    SINCE_DEFAULT_MS = 3600 * 1000
};

struct logs_opts {
    bool tail;
    const char *since, *filter, *group;
    int64_t limit;
};

struct logs {
    struct cli *cli;
    const struct logs_opts *opts;
    char group[513];
    char pattern[1100];  /* filterPattern as sent; "" none */
    const char *literal; /* what a message must hold, when the filter is plain text */
    int64_t from_ms;
    json_t *seen; /* eventId → timestamp, of the last OVERLAP_MS */
    json_t *kept; /* with --limit: the last N events */
    int64_t newest_ms;
    bool found_group;
};

/* What is no pattern of CloudWatch's own becomes a quoted phrase: `exit code: 1` is meant as it
 * stands. */
static int
filter_make(struct logs *logs, struct err *err)
{
    const char *filter = logs->opts->filter;
    size_t n = 0;

    if (!filter || !*filter)
        return 0;
    if (strchr("{[\"?-%", filter[0])) {
        str_copy(logs->pattern, sizeof(logs->pattern), str_of(filter));
        return 0;
    }
    logs->literal = filter;
    logs->pattern[n++] = '"';
    for (; *filter && n + 4 < sizeof(logs->pattern); filter++) {
        if (*filter == '"' || *filter == '\\')
            logs->pattern[n++] = '\\';
        logs->pattern[n++] = *filter;
    }
    if (*filter)
        return err_set(err, ERR_INVALID, "--filter is too long");
    logs->pattern[n++] = '"';
    logs->pattern[n] = '\0';
    return 0;
}

/* The group is the function's own setting; a function that is gone may still have logs. */
static int
group_choose(struct logs *logs, struct err *err)
{
    const char *name = logs->cli->args[0], *group;
    json_t *config;

    if (logs->opts->group) {
        str_copy(logs->group, sizeof(logs->group), str_of(logs->opts->group));
        return 0;
    }
    if (api_check_name(name, err) < 0)
        return -(int)err->kind;
    snprintf(logs->group, sizeof(logs->group), "/aws/lambda/%s", name);
    if (api_get_configuration(logs->cli, name, &config, err) < 0) {
        struct err later = {0};
        json_t *groups, *item;
        size_t i;
        bool has = false;

        if (err->kind != ERR_NOT_FOUND ||
            api_logs(logs->cli, "DescribeLogGroups",
                     json_pack("{s:s}", "logGroupNamePrefix", logs->group), &groups, &later) < 0)
            return -(int)err->kind;
        json_array_foreach(json_object_get(groups, "logGroups"), i, item) has |=
            strcmp(api_text(item, "logGroupName"), logs->group) == 0;
        json_decref(groups);
        if (!has)
            return err->kind == ERR_NOT_FOUND
                       ? (err_clear(err), err_set(err, ERR_NOT_FOUND,
                                                  "there is no function '%.80s', and no logs of "
                                                  "one that was",
                                                  name))
                       : -(int)err->kind;
        err_clear(err);
        logs->cli->hint[0] = '\0';
        return 0;
    }
    group = api_text(json_object_get(config, "LoggingConfig"), "LogGroup");
    if (*group)
        str_copy(logs->group, sizeof(logs->group), str_of(group));
    else if (*api_text(config, "FunctionName"))
        snprintf(logs->group, sizeof(logs->group), "/aws/lambda/%s",
                 api_text(config, "FunctionName"));
    json_decref(config);
    return 0;
}

static enum style
style_of(struct str message)
{
    if (str_starts(message, STR("START RequestId:")) ||
        str_starts(message, STR("END RequestId:")) || str_starts(message, STR("INIT_START")))
        return STYLE_DIM;
    if (str_starts(message, STR("REPORT RequestId:")))
        return STYLE_CYAN;
    if (str_starts(message, STR("[ERROR]")) || memmem(message.at, message.len, "\tERROR\t", 7) ||
        memmem(message.at, message.len, "Task timed out", 14))
        return STYLE_RED;
    return STYLE_RESET;
}

static void
event_print(const struct logs *logs, const json_t *event)
{
    const struct cli *cli = logs->cli;
    struct str message = {json_string_value(json_object_get(event, "message")),
                          json_string_length(json_object_get(event, "message"))};
    enum style style;
    char room[40];

    if (cli->json) {
        json_dumpf(event, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    if (!message.at)
        message = STR("");
    while (message.len &&
           (message.at[message.len - 1] == '\n' || message.at[message.len - 1] == '\r'))
        message.len--;
    style = style_of(message);
    printf("%s%s%s ", term_style(cli->out_color, STYLE_DIM),
           logtime_write(api_number(event, "timestamp", 0), cli->out_tty, room),
           term_style(cli->out_color, STYLE_RESET));
    if (style != STYLE_RESET)
        fputs(term_style(cli->out_color, style), stdout);
    while (message.len) { /* a trace is one event of many lines */
        ssize_t end = str_find(message, '\n');
        struct str line = {message.at, end < 0 ? message.len : (size_t)end};

        if (cli->out_tty)
            term_print_safe(stdout, line, cli->out_color);
        else
            fwrite(line.at, 1, line.len, stdout);
        if (end >= 0)
            fputs("\n    ", stdout);
        message =
            (struct str){message.at + line.len + (end >= 0), message.len - line.len - (end >= 0)};
    }
    printf("%s\n", term_style(cli->out_color, STYLE_RESET));
}

static void
event_take(struct logs *logs, json_t *event)
{
    const json_t *message = json_object_get(event, "message");
    int64_t at_ms = api_number(event, "timestamp", 0);
    const char *id = api_text(event, "eventId");

    if (logs->literal && !memmem(json_string_value(message) ? json_string_value(message) : "",
                                 json_string_length(message), logs->literal, strlen(logs->literal)))
        return;
    if (logs->opts->tail && *id) {
        if (json_object_get(logs->seen, id))
            return;
        json_object_set_new(logs->seen, id, json_integer(at_ms));
    }
    logs->newest_ms = MAX(logs->newest_ms, at_ms);
    if (logs->kept) {
        if ((int64_t)json_array_size(logs->kept) >= logs->opts->limit)
            json_array_remove(logs->kept, 0);
        json_array_append(logs->kept, event);
        return;
    }
    event_print(logs, event);
}

/* All pages from from_ms on. A group that is not there yet has no events. */
static int
fetch(struct logs *logs, struct err *err)
{
    char *token = NULL;
    int rc = 0;

    for (size_t page = 0; rc == 0 && page < PAGES_MAX; page++) {
        json_t *in = json_pack("{s:s, s:I}", "logGroupName", logs->group, "startTime",
                               (json_int_t)logs->from_ms),
               *doc, *event;
        const char *next;
        size_t i;

        ASSERT(in);
        if (logs->pattern[0])
            json_object_set_new(in, "filterPattern", json_string(logs->pattern));
        if (token)
            json_object_set_new(in, "nextToken", json_string(token));
        if (api_logs(logs->cli, "FilterLogEvents", in, &doc, err) < 0) {
            if (err->kind != ERR_NOT_FOUND || !client_error_code(logs->cli->client)[0]) {
                rc = -(int)err->kind;
                break;
            }
            err_clear(err);
            break;
        }
        logs->found_group = true;
        json_array_foreach(json_object_get(doc, "events"), i, event) event_take(logs, event);
        next = api_text(doc, "nextToken");
        if (!*next || (token && strcmp(next, token) == 0)) {
            json_decref(doc);
            break;
        }
        free(token);
        token = xstrndup(next, strlen(next));
        json_decref(doc);
    }
    free(token);
    return rc;
}

static void
forget_old(struct logs *logs)
{
    const char *id;
    json_t *at;
    void *next;

    logs->from_ms = MAX(logs->from_ms, logs->newest_ms - OVERLAP_MS);
    json_object_foreach_safe(logs->seen, next, id, at)
    {
        if (json_integer_value(at) < logs->from_ms)
            json_object_del(logs->seen, id);
    }
}

static int
follow(struct logs *logs, struct err *err)
{
    for (;;) {
        if (fflush(stdout) != 0)
            return err_sys(err, "write the output");
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
        forget_old(logs);
        if (fetch(logs, err) < 0)
            return -(int)err->kind;
    }
}

static int
run_logs(struct cli *cli, const void *arg, struct err *err)
{
    struct logs logs = {.cli = cli, .opts = arg};
    json_t *event;
    int64_t now_ms = logtime_now_ms();
    size_t i;
    int rc;

    if (cli->args_len == 0 && !logs.opts->group)
        return err_set(err, ERR_INVALID, "whose logs? Give a function's name, or --group");
    logs.from_ms = now_ms - SINCE_DEFAULT_MS;
    if (logs.opts->since && !logtime_since(logs.opts->since, now_ms, &logs.from_ms))
        return err_set(err, ERR_INVALID,
                       "--since takes 30s, 10m, 2h, 7d or a time like 2026-01-31T12:00:00Z, not "
                       "'%.60s'",
                       logs.opts->since);
    if (filter_make(&logs, err) < 0 || group_choose(&logs, err) < 0)
        return -(int)err->kind;
    logs.seen = json_object();
    if (logs.opts->limit)
        logs.kept = json_array();
    rc = fetch(&logs, err);
    json_array_foreach(logs.kept, i, event) event_print(&logs, event);
    json_decref(TAKE(logs.kept)); /* what comes from now on is printed at once */
    if (rc == 0 && !logs.opts->tail && logs.newest_ms == 0 && !cli->json)
        fprintf(stderr, logs.found_group
                            ? "No log lines in that time; --since 7d looks further back.\n"
                            : "No logs yet: the function has not run.\n");
    if (rc == 0 && logs.opts->tail)
        rc = follow(&logs, err);
    json_decref(logs.seen);
    return rc;
}

#define OFF(member) offsetof(struct logs_opts, member)
/* clang-format off */
static const struct opt opts[] = {
    {"tail", 'f', OPT_FLAG, OFF(tail), NULL, "Go on and print new lines as they come"},
    {"since", 's', OPT_TEXT, OFF(since), "TIME",
     "From when on: 30s, 10m, 2h, 7d, or an ISO time (default: 1h)", .max = 40},
    {"filter", 0, OPT_TEXT, OFF(filter), "TEXT",
     "Only lines with this text, or a CloudWatch pattern such as '{ $.level = \"warn\" }'",
     .max = 1024},
    {"limit", 'n', OPT_NUMBER, OFF(limit), "N", "Only the last N lines", .min = 1,
     .max = LIMIT_MAX},
    {"group", 0, OPT_TEXT, OFF(group), "GROUP", "Another log group than the function's",
     .max = 512},
    {NULL},
};
/* clang-format on */
#undef OFF

const struct command command_logs = {
    .name = "logs",
    .args = "[NAME]",
    .summary = "Show a function's logs",
    .details =
        "Times are local on a terminal, UTC elsewhere. With --json each line is one event as "
        "the API gives it.",
    .examples = (const char *const[]){"lambent logs hello --since 10m", "The last ten minutes.",
                                      "lambent logs hello --tail --limit 20",
                                      "The last twenty lines, then new ones until Ctrl-C.",
                                      "lambent logs hello --filter 'Task timed out' --since 7d",
                                      "What timed out this week.", NULL},
    .opts = opts,
    .opts_size = sizeof(struct logs_opts),
    .args_max = 1,
    .complete = COMPLETE_FUNCTION,
    .run = run_logs,
};
