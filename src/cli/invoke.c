/* `lambent invoke`: the payload goes as it is, the answer comes as it is. Neither is rebuilt:
 * numbers above 2^63 and the order of members survive. stdout has the answer, stderr everything
 * about it. */
#include <fcntl.h>
#include <sys/stat.h>
#include <yajl/yajl_parse.h>

#include "base/id.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/term.h"

enum {
    SYNC_MAX_BYTES = 6291456,
    ASYNC_MAX_BYTES = 1048576,
    REPLY_MAX_BYTES = 6291556 + (64 << 10),
    CLIENT_CONTEXT_MAX_BYTES = 3583, /* encoded */
    INVOKE_TIMEOUT_S = 960,          /* the longest function and a minute */
};

struct invoke_opts {
    const char *payload, *qualifier, *client_context;
    bool async, log, dry_run;
};

static int
read_all(int fd, const char *what, struct buf *to, struct err *err)
{
    char room[64 << 10];
    ssize_t n;

    while ((n = read(fd, room, sizeof(room))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, "read the payload from %.150s", what);
        if (!buf_add(to, room, (size_t)n))
            return err_set(err, ERR_TOO_LARGE,
                           "the payload is larger than the %d bytes that Lambda takes",
                           SYNC_MAX_BYTES);
    }
    return 0;
}

/* TEXT, @FILE or - */
static int
payload_load(const char *given, struct buf *to, struct err *err)
{
    AUTO_FD int fd = -1;

    if (strcmp(given, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", to, err);
    if (given[0] != '@')
        return buf_z(to, given) ? 0
                                : err_set(err, ERR_TOO_LARGE,
                                          "the payload is larger than the %d "
                                          "bytes that Lambda takes",
                                          SYNC_MAX_BYTES);
    fd = open(given + 1, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, "open the payload '%.150s'", given + 1);
    return read_all(fd, given + 1, to, err);
}

/* yajl only looks: with no callbacks it converts nothing, so any number passes. */
static int
json_check(struct str text, const char *what, struct err *err)
{
    yajl_handle parser = yajl_alloc(NULL, NULL, NULL);
    const unsigned char *at = (const unsigned char *)text.at;
    int rc = 0;

    if (yajl_parse(parser, at, text.len) != yajl_status_ok ||
        yajl_complete_parse(parser) != yajl_status_ok) {
        unsigned char *why = yajl_get_error(parser, 0, at, text.len);
        size_t len = strcspn((const char *)why, "\n");

        rc =
            err_set(err, ERR_INVALID, "%s is not JSON: %.*s at byte %zu", what,
                    (int)MIN(len, (size_t)120), (const char *)why, yajl_get_bytes_consumed(parser));
        yajl_free_error(parser, why);
    }
    yajl_free(parser);
    return rc;
}

static int
context_header(const char *text, char *header, size_t size, struct err *err)
{
    size_t encoded_len = base64_len(strlen(text));
    int n;

    if (encoded_len > CLIENT_CONTEXT_MAX_BYTES)
        return err_set(err, ERR_TOO_LARGE,
                       "--client-context is %zu bytes in base64; Lambda takes %d", encoded_len,
                       CLIENT_CONTEXT_MAX_BYTES);
    if (json_check(str_of(text), "--client-context", err) < 0)
        return -(int)err->kind;
    if (text[strspn(text, " \t\r\n")] != '{')
        return err_set(err, ERR_INVALID, "--client-context has to be a JSON object");
    n = snprintf(header, size, "X-Amz-Client-Context: ");
    ASSERT((size_t)n + encoded_len + 1 < size);
    base64_encode(text, strlen(text), header + n);
    return 0;
}

static void
print_log_tail(const struct cli *cli, const struct reply *reply)
{
    uint8_t *text;
    ssize_t len;

    if (reply->log_tail.len == 0)
        return;
    text = xmalloc(reply->log_tail.len + 1);
    len = base64_decode(buf_view(&reply->log_tail), text);
    for (ssize_t from = 0; from < len;) {
        struct str line = {(char *)text + from, (size_t)(len - from)};
        ssize_t end = str_find(line, '\n');

        line.len = end < 0 ? line.len : (size_t)end;
        from += (ssize_t)line.len + 1;
        fputs(term_style(cli->err_color, STYLE_DIM), stderr);
        if (cli->err_tty)
            term_print_safe(stderr, line, cli->err_color);
        else
            fwrite(line.at, 1, line.len, stderr);
        fprintf(stderr, "%s\n", term_style(cli->err_color, STYLE_RESET));
    }
    free(text);
}

/* {"errorType", "errorMessage", "stackTrace" (Python) or "trace" (Node.js)} */
static void
print_function_error(const struct cli *cli, const struct reply *reply)
{
    json_t *doc = json_loadb(buf_view(&reply->body).at, reply->body.len, 0, NULL), *line;
    const char *type = api_text(doc, "errorType"), *message = api_text(doc, "errorMessage");
    json_t *trace = json_object_get(doc, "stackTrace");
    size_t i;

    if (!trace)
        trace = json_object_get(doc, "trace");
    fprintf(stderr, "%sFunction error%s (%s)", term_style(cli->err_color, STYLE_RED),
            term_style(cli->err_color, STYLE_RESET), reply->function_error);
    if (*type || *message) {
        fputs(": ", stderr);
        term_print_safe(stderr, str_of(type), false);
        if (*type && *message)
            fputs(": ", stderr);
        term_print_safe(stderr, str_of(message), false);
    }
    fputc('\n', stderr);
    json_array_foreach(trace, i, line)
    {
        const char *text = json_string_value(line);

        while (text && *text) { /* Python's entries have a line break within and at the end */
            size_t len = strcspn(text, "\n");

            fputs("  ", stderr);
            term_print_safe(stderr, (struct str){text, len}, false);
            fputc('\n', stderr);
            text += len + (text[len] == '\n');
        }
    }
    if (strcmp(type, "Sandbox.Timedout") == 0 || strstr(message, "Task timed out"))
        fprintf(stderr, "  It may take longer with: lambent deploy … --timeout SECONDS\n");
    json_decref(doc);
}

/* One document about it all; the payload stands in it as it came. */
static void
print_json(const struct reply *reply)
{
    struct err not_json = {0};
    uint8_t *log = xmalloc(reply->log_tail.len + 1);
    ssize_t log_len = base64_decode(buf_view(&reply->log_tail), log);
    json_t *text = json_stringn((char *)log, (size_t)MAX(log_len, 0));
    json_t *doc =
        json_pack("{s:I, s:s, s:s}", "StatusCode", (json_int_t)reply->status, "ExecutedVersion",
                  reply->executed_version, "RequestId", reply->request_id);
    char *head;

    if (reply->function_error[0])
        json_object_set_new(doc, "FunctionError", json_string(reply->function_error));
    if (text && log_len > 0)
        json_object_set(doc, "LogResult", text);
    head = json_dumps(doc, JSON_COMPACT);
    ASSERT(head);
    head[strlen(head) - 1] = '\0'; /* its closing brace */
    printf("%s", head);
    if (reply->body.len && json_check(buf_view(&reply->body), "", &not_json) == 0) {
        fputs(",\"Payload\":", stdout);
        fwrite(reply->body.at, 1, reply->body.len, stdout);
    } else if (reply->body.len) {
        json_t *raw = json_stringn(reply->body.at, reply->body.len);
        char *quoted = raw ? json_dumps(raw, JSON_ENCODE_ANY) : NULL;

        printf(",\"Payload\":%s", quoted ? quoted : "null"); /* not UTF-8: nothing to show */
        free(quoted);
        json_decref(raw);
    }
    puts("}");
    free(head);
    free(log);
    json_decref(text);
    json_decref(doc);
}

static int
run_invoke(struct cli *cli, const void *arg, struct err *err)
{
    const struct invoke_opts *opts = arg;
    const char *given = cli->args_len > 1 ? cli->args[1] : opts->payload;
    AUTO_BUF struct buf payload = BUF_MAX(SYNC_MAX_BYTES);
    AUTO_BUF struct buf path = BUF_MAX(2048);
    AUTO_REPLY struct reply reply = {0};
    char context[CLIENT_CONTEXT_MAX_BYTES + 64] = "";
    const char *headers[5] = {0};
    size_t n = 0;

    if (api_check_name(cli->args[0], err) < 0)
        return -(int)err->kind;
    if (opts->async && opts->dry_run)
        return err_set(err, ERR_INVALID, "--async and --dry-run exclude each other");
    if (opts->payload && cli->args_len > 1)
        return err_set(err, ERR_INVALID, "the payload is given twice");
    if (given && payload_load(given, &payload, err) < 0)
        return -(int)err->kind;
    if (opts->async && payload.len > ASYNC_MAX_BYTES)
        return err_set(err, ERR_TOO_LARGE,
                       "the payload is %zu bytes; an asynchronous invocation takes %d", payload.len,
                       ASYNC_MAX_BYTES);
    if (payload.len == 0)
        buf_z(&payload, "{}");
    if (json_check(buf_view(&payload), "the payload", err) < 0) {
        if (given && given[0] != '@' && access(given, R_OK) == 0)
            cli_hint(cli, "To send the file %.200s, write @%.200s", given, given);
        return -(int)err->kind;
    }
    if (opts->client_context) {
        if (context_header(opts->client_context, context, sizeof(context), err) < 0)
            return -(int)err->kind;
        headers[n++] = context;
    }
    if (opts->async)
        headers[n++] = "X-Amz-Invocation-Type: Event";
    else if (opts->dry_run)
        headers[n++] = "X-Amz-Invocation-Type: DryRun";
    else if (opts->log)
        headers[n++] = "X-Amz-Log-Type: Tail";

    api_function_path(&path, cli->args[0], "/invocations");
    if (opts->qualifier) {
        buf_z(&path, "?Qualifier=");
        client_escape(&path, opts->qualifier);
    }
    if (api_call(cli,
                 &(struct call){.method = "POST",
                                .path = path.at,
                                .headers = headers,
                                .body = buf_view(&payload),
                                .timeout_s = INVOKE_TIMEOUT_S,
                                .reply_max_bytes = REPLY_MAX_BYTES},
                 &reply, err) < 0)
        return -(int)err->kind;
    cli->exit_code = reply.function_error[0] ? EXIT_FAILED : EXIT_OK;
    if (cli->json) {
        print_json(&reply);
        return 0;
    }
    if (opts->log)
        print_log_tail(cli, &reply);
    if (opts->async || opts->dry_run) {
        fprintf(stderr, opts->async ? "Accepted, request id %s\n" : "It could be invoked.\n",
                reply.request_id);
        return 0;
    }
    if (reply.function_error[0])
        print_function_error(cli, &reply);
    /* On one and the same terminal the error has just been told, better. */
    if (!reply.function_error[0] || !cli->out_tty || !cli->err_tty) {
        fwrite(buf_view(&reply.body).at, 1, reply.body.len, stdout);
        if (cli->out_tty)
            putchar('\n');
    }
    return 0;
}

#define OFF(member) offsetof(struct invoke_opts, member)
/* clang-format off */
static const struct opt opts[] = {
    {"payload", 'p', OPT_TEXT, OFF(payload), "JSON|@FILE|-",
     "The event: JSON, a file, or - for standard input (default: {}); or as the second argument", .max = 6291456,
     .complete = COMPLETE_FILE},
    {"qualifier", 'q', OPT_TEXT, OFF(qualifier), "VERSION|ALIAS", "Which version (default: $LATEST)",
     .max = 128},
    {"async", 'a', OPT_FLAG, OFF(async), NULL, "Only queue the event; do not wait for the answer"},
    {"log", 'l', OPT_FLAG, OFF(log), NULL,
     "Print the end of the invocation's log to standard error"},
    {"client-context", 0, OPT_TEXT, OFF(client_context), "JSON",
     "Client context, a JSON object", .max = 4096},
    {"dry-run", 0, OPT_FLAG, OFF(dry_run), NULL, "Check that it could be invoked, and do not"},
    {NULL},
};
/* clang-format on */
#undef OFF

const struct command command_invoke = {
    .name = "invoke",
    .args = "NAME [JSON|@FILE|-]",
    .summary = "Invoke a function and print its answer",
    .details =
        "The answer goes to standard output, byte for byte. If the function fails, its error "
        "is told on standard error and the exit code is 1.",
    .examples = (const char *const[]){"lambent invoke hello '{\"name\": \"Ada\"}'",
                                      "Send an event.", "lambent invoke hello @event.json --log",
                                      "From a file, and show the log.",
                                      "echo '{}' | lambent invoke hello:live - | jq .statusCode",
                                      "Through a pipe, to the alias live.", NULL},
    .opts = opts,
    .opts_size = sizeof(struct invoke_opts),
    .args_min = 1,
    .args_max = 2,
    .complete = COMPLETE_FUNCTION,
    .run = run_invoke,
};
