/* `lambent`: find the command, parse its line, run it, and be the one place that prints errors. */
#include <curl/curl.h>
#include <stdarg.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/options.h"
#include "cli/term.h"

static const char *
first_env(const char *const *names, const char *otherwise)
{
    for (; *names; names++) {
        const char *value = getenv(*names);

        if (value && *value)
            return value;
    }
    return otherwise;
}

/* The daemon's own words are whole in the client; `err` keeps the first 200 bytes. */
static void
report(const struct cli *cli, const struct err *err)
{
    const char *code = cli->client ? client_error_code(cli->client) : "";
    const char *text = cli->client ? client_error_text(cli->client) : "";
    bool wire = text[0] && strncmp(err->text, text, MIN(strlen(text), (size_t)200)) == 0;

    if (cli->json) {
        json_t *doc = json_pack("{s:{s:s, s:s%}}", "error", "code",
                                wire && code[0] ? code : err_kind_name(err->kind), "message",
                                wire ? text : err->text, strlen(wire ? text : err->text));
        json_t *error = json_object_get(doc, "error");

        if (cli->hint[0] && error)
            json_object_set_new(error, "hint", json_string(cli->hint));
        if (doc)
            json_dumpf(doc, stderr, JSON_INDENT(2));
        fputc('\n', stderr);
        json_decref(doc);
        return;
    }
    fprintf(stderr, "%slambent:%s ", term_style(cli->err_color, STYLE_RED),
            term_style(cli->err_color, STYLE_RESET));
    if (wire && code[0])
        fprintf(stderr, "%s: ", code);
    term_print_safe(stderr, str_of(wire ? text : err->text), false);
    fputc('\n', stderr);
    if (cli->hint[0])
        fprintf(stderr, "%s\n", cli->hint);
}

static int
run(struct cli *cli, const struct command *command, int argc, char **argv)
{
    struct err err = {0};
    void *opts = xcalloc(1, MAX(command->opts_size, (size_t)1));

    command_parse(command, cli, opts, argc, argv);
    term_detect(cli);
    if (command->run(cli, opts, &err) < 0) {
        fflush(stdout);
        report(cli, &err);
        cli->exit_code =
            cli->client && client_unreachable(cli->client) ? EXIT_UNREACHABLE : EXIT_FAILED;
    }
    free(opts);
    return cli->exit_code;
}

int
main(int argc, char **argv)
{
    static struct cli cli;
    static char help_flag[] = "--help";
    struct global_opts global = {0};
    const struct command *command;
    int at, code;

    if (argc < 1 || argc > CLI_ARGS_MAX) {
        fprintf(stderr, "lambent: more than %d arguments\n", CLI_ARGS_MAX);
        return EXIT_USAGE;
    }
    cli_locale();
    cli.endpoint = first_env((const char *const[]){"LAMBENT_ENDPOINT", "AWS_ENDPOINT_URL", NULL},
                             ENDPOINT_DEFAULT);
    cli.region =
        first_env((const char *const[]){"AWS_REGION", "AWS_DEFAULT_REGION", NULL}, REGION_DEFAULT);
    at = global_parse(&cli, &global, argc, argv);
    if (global.man) {
        man_print();
        return EXIT_OK;
    }
    command = global.version ? &command_version : at < argc ? command_find(argv[at]) : NULL;
    if (!command && at < argc && strcmp(argv[at], "help") == 0) {
        /* `lambent help deploy` is what git and others taught people to try. */
        if (at + 1 >= argc || !(command = command_find(argv[at + 1]))) {
            char *help[] = {argv[0], help_flag, NULL};

            (void)global_parse(&cli, &global, 2, help);
            return EXIT_OK;
        }
        argv[at + 1] = help_flag;
    }
    if (!command) {
        if (at < argc)
            fprintf(stderr, "lambent: '%.60s' is no command.\n", argv[at]);
        fputs("Try `lambent --help`.\n", stderr);
        return EXIT_USAGE;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    code = global.version ? run(&cli, command, 1, (char *[]){argv[0], NULL})
                          : run(&cli, command, argc - at, argv + at);
    client_free(cli.client);
    curl_global_cleanup();
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "lambent: cannot write the output: %s\n", strerror(errno));
        return EXIT_FAILED;
    }
    return code;
}
