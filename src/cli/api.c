/* Lambda's and CloudWatch Logs' operations as the commands use them. */
#include <time.h>

#include "cli/api.h"
#include "cli/term.h"

enum { NAME_MAX_BYTES = 170, PATH_MAX_BYTES = 2048, POLL_FIRST_MS = 10, POLL_MAX_MS = 200 };

int
api_check_name(const char *name, struct err *err)
{
    size_t len = strlen(name);

    if (len == 0 || len > NAME_MAX_BYTES ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:$") != len)
        return err_set(
            err, ERR_INVALID,
            "'%.80s' is no function name: letters, digits, '-' and '_', up to 64 of them, "
            "or a function's ARN",
            name);
    return 0;
}

static void
hints(struct cli *cli, const struct call *call, const struct err *err)
{
    if (client_unreachable(cli->client))
        cli_hint(cli, "Start it with `sudo lambent up`, or give --endpoint.");
    else if (err->kind == ERR_NOT_FOUND && !call->target)
        cli_hint(cli, "`lambent ls` shows the functions of %s at %s.", cli->region, cli->endpoint);
    else if (err->kind == ERR_NOT_IMPLEMENTED)
        cli_hint(cli, "This version of Lambent cannot do that yet.");
    else if (err->kind == ERR_THROTTLED)
        cli_hint(cli, "Too much at once: try again in a moment.");
    else if (err->kind == ERR_INTERNAL || err->kind == ERR_UNAVAILABLE)
        cli_hint(cli, "The daemon's own log says more; `lambent doctor` checks this machine.");
}

int
api_call(struct cli *cli, const struct call *call, struct reply *ret, struct err *err)
{
    struct client *client;

    if (cli_client(cli, &client, err) < 0)
        return -(int)err->kind;
    if (client_call(client, call, ret, err) < 0) {
        hints(cli, call, err);
        return -(int)err->kind;
    }
    return 0;
}

int
api_json(struct cli *cli, const struct call *call, json_t **ret, struct err *err)
{
    struct client *client;

    if (cli_client(cli, &client, err) < 0)
        return -(int)err->kind;
    if (client_json(client, call, ret, err) < 0) {
        hints(cli, call, err);
        return -(int)err->kind;
    }
    return 0;
}

void
api_function_path(struct buf *to, const char *name, const char *tail)
{
    buf_z(to, "/2015-03-31/functions/");
    client_escape(to, name);
    buf_z(to, tail);
}

int
api_get_configuration(struct cli *cli, const char *name, json_t **ret, struct err *err)
{
    AUTO_BUF struct buf path = BUF_MAX(PATH_MAX_BYTES);

    api_function_path(&path, name, "/configuration");
    return api_json(cli, &(struct call){.method = "GET", .path = path.at}, ret, err);
}

int
api_wait_ready(struct cli *cli, const char *name, unsigned timeout_s, json_t **ret, struct err *err)
{
    double deadline = term_seconds() + timeout_s;
    long pause_ms = POLL_FIRST_MS;

    for (;;) {
        json_t *config;
        const char *state, *update;
        int rc = 0;

        if (api_get_configuration(cli, name, &config, err) < 0)
            return -(int)err->kind;
        state = api_text(config, "State");
        update = api_text(config, "LastUpdateStatus");
        if (strcmp(state, "Failed") == 0)
            rc = err_set(err, ERR_INVALID, "%.80s could not be created: %.120s", name,
                         api_text(config, "StateReason"));
        else if (strcmp(update, "Failed") == 0)
            rc = err_set(err, ERR_INVALID,
                         "%.80s could not be updated, the old code still serves: "
                         "%.100s",
                         name, api_text(config, "LastUpdateStatusReason"));
        else if (strcmp(state, "Pending") != 0 && strcmp(update, "InProgress") != 0) {
            *ret = config;
            return 0;
        } else if (term_seconds() > deadline)
            rc = err_set(err, ERR_TIMEOUT, "%.80s is still %s after %u s", name,
                         strcmp(state, "Pending") == 0 ? "Pending" : "being updated", timeout_s);
        json_decref(config);
        if (rc < 0) {
            if (err->kind == ERR_TIMEOUT)
                cli_hint(cli, "It may still get there: look again with `lambent ls`.");
            return rc;
        }
        nanosleep(&(struct timespec){.tv_nsec = pause_ms * 1000000}, NULL);
        pause_ms = MIN(pause_ms * 2, (long)POLL_MAX_MS);
    }
}

int
api_list(struct cli *cli, const char *path, const char *member, json_t **ret, struct err *err)
{
    AUTO_BUF struct buf url = BUF_MAX(8 << 10);
    json_t *all = json_array();

    buf_z(&url, path);
    for (size_t page = 0; page < API_PAGES_MAX; page++) {
        json_t *doc, *items, *item;
        const char *marker;
        size_t i;

        if (api_json(cli, &(struct call){.method = "GET", .path = url.at}, &doc, err) < 0) {
            json_decref(all);
            return -(int)err->kind;
        }
        items = json_object_get(doc, member);
        json_array_foreach(items, i, item) json_array_append(all, item);
        marker = api_text(doc, "NextMarker");
        buf_reset(&url);
        buf_fmt(&url, "%s%sMarker=", path, strchr(path, '?') ? "&" : "?");
        client_escape(&url, marker);
        if (!*marker) {
            json_decref(doc);
            *ret = all;
            return 0;
        }
        json_decref(doc);
        if (url.overflow)
            break;
    }
    json_decref(all);
    return err_set(err, ERR_TOO_LARGE, "the list does not end after %d pages", API_PAGES_MAX);
}

int
api_logs(struct cli *cli, const char *operation, json_t *in, json_t **ret, struct err *err)
{
    char target[96];
    char *body = json_dumps(in, JSON_COMPACT);
    struct call call = {.method = "POST", .path = "/", .target = target, .body = str_of(body)};
    int rc;

    json_decref(in);
    ASSERT(body);
    snprintf(target, sizeof(target), "Logs_20140328.%s", operation);
    rc = api_json(cli, &call, ret, err);
    free(body);
    return rc;
}

const char *
api_text(const json_t *doc, const char *member)
{
    const char *text = json_string_value(json_object_get(doc, member));

    return text ? text : "";
}

int64_t
api_number(const json_t *doc, const char *member, int64_t otherwise)
{
    const json_t *value = json_object_get(doc, member);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}
