/* From option rows to parsed values, through argp. argp brings --help, --usage, abbreviations and
 * "Try … --help"; the rows bring bounds, so no handler checks a range again.
 *
 * argp knows nothing of commands, so main() parses twice: once up to the first word that is no
 * option (ARGP_IN_ORDER), then that command's own line. The common options are in both. */
#include <argp.h>

#include "cli/options.h"

enum { KEY_FIRST = 0x100, ROWS_MAX = 48, TEXT_DEFAULT_MAX = 4096, DOC_MAX_BYTES = 16 << 10 };

struct parse {
    const struct command *command;
    struct cli *cli;
    char *opts;
    const struct opt *rows[ROWS_MAX];
    void *to[ROWS_MAX];
    size_t rows_len, common_at; /* from there on: common_opts */
    int stopped_at;             /* in_order: where the command's name is in argv */
    bool in_order;
};

/* clang-format off */
const struct opt common_opts[] = {
    {"endpoint", 0, OPT_TEXT, offsetof(struct cli, endpoint), "URL",
     "Where Lambent listens (environment: LAMBENT_ENDPOINT, AWS_ENDPOINT_URL; default: "
     ENDPOINT_DEFAULT ")",
     .max = 500},
    {"region", 0, OPT_TEXT, offsetof(struct cli, region), "REGION",
     "Region to act in (environment: AWS_REGION, AWS_DEFAULT_REGION; default: " REGION_DEFAULT ")",
     .max = 40},
    {"json", 0, OPT_FLAG, offsetof(struct cli, json), NULL, "Print JSON, for programs"},
    {"no-color", 0, OPT_FLAG, offsetof(struct cli, no_color), NULL,
     "No colours (environment: NO_COLOR)"},
    {NULL},
};
/* clang-format on */

static int
row_key(const struct parse *parse, size_t i)
{
    return parse->rows[i]->letter ? parse->rows[i]->letter : KEY_FIRST + (int)i;
}

static void
row_set(const struct parse *parse, size_t i, char *arg, struct argp_state *state)
{
    const struct opt *row = parse->rows[i];
    size_t len_max = row->max > 0 ? (size_t)row->max : TEXT_DEFAULT_MAX;

    switch (row->kind) {
    case OPT_FLAG:
        *(bool *)parse->to[i] = true;
        break;
    case OPT_NUMBER:
        if (!str_int(str_of(arg), row->min, row->max, parse->to[i]))
            argp_error(state, "--%s takes a whole number from %lld to %lld, not '%.60s'", row->name,
                       (long long)row->min, (long long)row->max, arg);
        break;
    case OPT_TEXT:
        if (strlen(arg) > len_max)
            argp_error(state, "--%s takes at most %zu bytes", row->name, len_max);
        *(const char **)parse->to[i] = arg;
        break;
    case OPT_LIST: {
        struct opt_list *list = parse->to[i];

        if (strlen(arg) > len_max)
            argp_error(state, "--%s takes at most %zu bytes", row->name, len_max);
        if (list->len == CLI_LIST_MAX)
            argp_error(state, "--%s may be given at most %d times", row->name, CLI_LIST_MAX);
        list->at[list->len++] = arg;
        break;
    }
    }
}

static error_t
on_key(int key, char *arg, struct argp_state *state)
{
    struct parse *parse = state->input;

    switch (key) {
    case 'h':
        argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
        return 0;
    case ARGP_KEY_ARG:
        if (parse->in_order) {
            parse->stopped_at = state->next - 1;
            state->next = state->argc; /* ends argp's own reading */
            return 0;
        }
        if (parse->cli->args_len >= MIN(parse->command->args_max, (size_t)CLI_ARGS_MAX)) {
            if (parse->command->args_max == 0)
                argp_error(state, "'%.60s' is one argument too many: there are none", arg);
            else
                argp_error(state, "'%.60s' is one argument too many", arg);
        }
        if (strlen(arg) > TEXT_DEFAULT_MAX)
            argp_error(state, "an argument is longer than %d bytes", TEXT_DEFAULT_MAX);
        parse->cli->args[parse->cli->args_len++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (!parse->in_order && parse->cli->args_len < parse->command->args_min)
            argp_error(state, "%s is missing", parse->command->args);
        return 0;
    }
    for (size_t i = 0; i < parse->rows_len; i++) {
        if (row_key(parse, i) == key) {
            row_set(parse, i, arg, state);
            return 0;
        }
    }
    return ARGP_ERR_UNKNOWN;
}

static void
parse_add_rows(struct parse *parse, const struct opt *rows, char *base)
{
    for (; rows && rows->name; rows++) {
        ASSERT(parse->rows_len < ROWS_MAX);
        parse->rows[parse->rows_len] = rows;
        parse->to[parse->rows_len++] = base + rows->offset;
    }
}

static void
doc_write(const struct command *command, struct buf *doc)
{
    buf_fmt(doc, "%s.\v", command->summary);
    if (command->details)
        buf_fmt(doc, "%s\n\n", command->details);
    if (command->examples && command->examples[0])
        buf_z(doc, "Examples:\n");
    for (size_t i = 0; command->examples && command->examples[i]; i += 2)
        buf_fmt(doc, "  %s\n      %s\n", command->examples[i], command->examples[i + 1]);
    ASSERT(!doc->overflow);
}

static void
run_argp(struct parse *parse, const char *args_doc, const char *doc, int argc, char **argv)
{
    struct argp_option options[ROWS_MAX + 4] = {0};
    struct argp argp = {.options = options, .parser = on_key, .args_doc = args_doc, .doc = doc};
    size_t n = 0;

    for (size_t i = 0; i < parse->rows_len; i++) {
        const struct opt *row = parse->rows[i];

        if (i == parse->common_at && i > 0)
            options[n++] = (struct argp_option){.doc = "Common options:", .group = 2};
        options[n++] = (struct argp_option){
            .name = row->name,
            .key = row_key(parse, i),
            .arg = row->kind == OPT_FLAG ? NULL : row->arg,
            .flags = row->hidden ? OPTION_HIDDEN : 0,
            .doc = row->doc,
            .group = i >= parse->common_at ? 2 : 1,
        };
    }
    options[n++] = (struct argp_option){.key = 'h', .flags = OPTION_HIDDEN, .doc = ""};
    ASSERT(n < ARRAY_LEN(options));
    argp_err_exit_status = EXIT_USAGE;
    /* Only where the user has no format of his own: argp's note on "mandatory or optional
     * arguments" says nothing that the list does not show. */
    (void)setenv("ARGP_HELP_FMT", "no-dup-args-note,rmargin=90", 0);
    (void)argp_parse(&argp, argc, argv, parse->in_order ? ARGP_IN_ORDER : 0, NULL, parse);
}

/* Is `arg` one of our rows, written whole ("--listen", "--listen=…")? Two for a separate value. */
static int
own_option(const struct parse *parse, const char *arg)
{
    size_t len = strcspn(arg, "=");

    for (size_t i = 0; i < parse->rows_len; i++) {
        const struct opt *row = parse->rows[i];

        if (i >= parse->common_at && row->kind != OPT_FLAG)
            continue; /* --region is lambentd's as well, and means more there */
        if (strncmp(arg, "--", 2) == 0 && strlen(row->name) == len - 2 &&
            strncmp(arg + 2, row->name, len - 2) == 0)
            return row->kind != OPT_FLAG && arg[len] != '=' ? 2 : 1;
    }
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0 || strcmp(arg, "-?") == 0 ||
                   strcmp(arg, "--usage") == 0
               ? 1
               : 0;
}

/* Take what is not ours out of argv and into cli->rest; the new argv has the rest. */
static int
pass_unknown(struct parse *parse, int argc, char **argv, char **ret_argv)
{
    struct cli *cli = parse->cli;
    int n = 0;

    ret_argv[n++] = argv[0];
    for (int i = 1; i < argc; i++) {
        int take = own_option(parse, argv[i]);

        if (take == 0) {
            if (cli->rest_len < CLI_ARGS_MAX - 1)
                cli->rest[cli->rest_len++] = argv[i];
            continue;
        }
        ret_argv[n++] = argv[i];
        if (take == 2 && i + 1 < argc)
            ret_argv[n++] = argv[++i];
    }
    ret_argv[n] = NULL;
    return n;
}

void
command_parse(const struct command *command, struct cli *cli, void *opts, int argc, char **argv)
{
    struct parse parse = {.command = command, .cli = cli};
    char *own_argv[CLI_ARGS_MAX + 1];
    char name[64];
    AUTO_BUF struct buf doc = BUF_MAX(DOC_MAX_BYTES);

    parse_add_rows(&parse, command->opts, opts);
    parse.common_at = parse.rows_len;
    parse_add_rows(&parse, common_opts, (char *)cli);
    doc_write(command, &doc);
    snprintf(name, sizeof(name), "lambent %s", command->name);
    if (argc > CLI_ARGS_MAX) {
        fprintf(stderr, "%s: more than %d arguments\n", name, CLI_ARGS_MAX);
        exit(EXIT_USAGE);
    }
    for (int i = 0; i <= argc; i++)
        own_argv[i] = argv[i];
    own_argv[0] = name;
    if (command->passes_unknown) {
        char *kept[CLI_ARGS_MAX + 1];
        int kept_len = pass_unknown(&parse, argc, own_argv, kept);

        run_argp(&parse, command->args, doc.at, kept_len, kept);
        return;
    }
    run_argp(&parse, command->args, doc.at, argc, own_argv);
}

int
global_parse(struct cli *cli, struct global_opts *global, int argc, char **argv)
{
    struct parse parse = {.cli = cli, .in_order = true, .stopped_at = argc};
    AUTO_BUF struct buf doc = BUF_MAX(DOC_MAX_BYTES);
    size_t width = 0;
    char name[] = "lambent";

    parse_add_rows(&parse, global_opts, (char *)global);
    parse.common_at = parse.rows_len;
    parse_add_rows(&parse, common_opts, (char *)cli);
    buf_z(&doc, "AWS Lambda on your own Linux machine.\vCommands:\n");
    for (size_t i = 0; commands[i]; i++)
        width = MAX(width, strlen(commands[i]->name));
    for (size_t i = 0; commands[i]; i++)
        buf_fmt(&doc, "  %-*s   %s\n", (int)width, commands[i]->name, commands[i]->summary);
    buf_z(&doc, "\n`lambent COMMAND --help` tells more, with examples. To begin:\n\n"
                "  sudo lambent up\n  lambent deploy ./my-function\n"
                "  lambent invoke my-function '{}'\n");
    ASSERT(!doc.overflow);
    argv[0] = name;
    run_argp(&parse, "COMMAND [ARGUMENT…]", doc.at, argc, argv);
    return parse.stopped_at;
}
