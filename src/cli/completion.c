/* Shell completion and the man page, written from the command table. The scripts ask `lambent ls
 * --quiet` for functions' names; everything else is in them. */
#include "cli/commands.h"
#include "cli/completion.h"

/* ---- bash: one function that looks for the command and the option before the cursor ---- */

static void
bash_values(enum complete complete, const char *words)
{
    switch (complete) {
    case COMPLETE_FILE:
        puts("COMPREPLY=($(compgen -f -- \"$cur\")); compopt -o filenames;;");
        break;
    case COMPLETE_DIR:
        puts("COMPREPLY=($(compgen -d -- \"$cur\") $(compgen -f -X '!*.zip' -- \"$cur\"));"
             " compopt -o filenames;;");
        break;
    case COMPLETE_FUNCTION:
        puts("COMPREPLY=($(compgen -W \"$(lambent ls --quiet 2>/dev/null)\" -- \"$cur\"));;");
        break;
    case COMPLETE_WORDS:
        printf("COMPREPLY=($(compgen -W '%s' -- \"$cur\"));;\n", words);
        break;
    case COMPLETE_NONE:
        puts(":;;");
        break;
    }
}

static void
bash_option_values(const struct opt *row)
{
    for (; row && row->name; row++) {
        if (row->kind == OPT_FLAG || row->hidden)
            continue;
        printf("        --%s", row->name);
        if (row->letter)
            printf("|-%c", row->letter);
        printf(") ");
        bash_values(row->complete, row->words);
    }
}

static void
option_words(const struct opt *row)
{
    for (; row && row->name; row++) {
        if (row->hidden)
            continue;
        printf(" --%s", row->name);
        if (row->letter)
            printf(" -%c", row->letter);
    }
}

void
completion_bash(void)
{
    puts("# bash completion for lambent; put it into "
         "/usr/share/bash-completion/completions/lambent\n"
         "# or run: source <(lambent completion bash)\n"
         "_lambent()\n{\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= i\n"
         "    COMPREPLY=()\n"
         "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "        case ${COMP_WORDS[i]} in\n"
         "        --endpoint|--region) ((i++));;\n"
         "        -*) ;;\n"
         "        *) command=${COMP_WORDS[i]}; break;;\n"
         "        esac\n"
         "    done\n"
         "    case $command in");
    for (size_t i = 0; commands[i]; i++) {
        const struct command *command = commands[i];

        printf("    %s)\n        case $prev in\n", command->name);
        bash_option_values(command->opts);
        bash_option_values(common_opts);
        puts("        *) case $cur in");
        printf("        -*) COMPREPLY=($(compgen -W '--help");
        option_words(command->opts);
        option_words(common_opts);
        puts("' -- \"$cur\"));;");
        printf("        *) ");
        bash_values(command->complete, command->words);
        puts("        esac;;\n        esac;;");
    }
    printf("    '') case $prev in\n");
    bash_option_values(common_opts);
    printf("        *) COMPREPLY=($(compgen -W '--help --version");
    option_words(common_opts);
    for (size_t i = 0; commands[i]; i++)
        printf(" %s", commands[i]->name);
    puts("' -- \"$cur\"));;\n        esac;;\n    esac\n}\ncomplete -F _lambent lambent");
}

/* ---- zsh: _arguments specifications ---- */

/* Text within single quotes within a specification: no quotes, no brackets, no colons. */
static void
zsh_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr("[]:\\", *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void
zsh_action(enum complete complete, const char *words)
{
    switch (complete) {
    case COMPLETE_FILE:
        fputs("_files", stdout);
        break;
    case COMPLETE_DIR:
        fputs("_files -g \"*(-/) *.zip\"", stdout);
        break;
    case COMPLETE_FUNCTION:
        fputs("_lambent_functions", stdout);
        break;
    case COMPLETE_WORDS:
        printf("(%s)", words);
        break;
    case COMPLETE_NONE:
        putchar(' ');
        break;
    }
}

static void
zsh_options(const struct opt *row)
{
    for (; row && row->name; row++) {
        const char *repeat = row->kind == OPT_LIST ? "*" : "";

        if (row->hidden)
            continue;
        for (int form = 0; form < (row->letter ? 2 : 1); form++) {
            printf("            '%s", repeat);
            if (form)
                printf("-%c", row->letter);
            else
                printf("--%s%s", row->name, row->kind == OPT_FLAG ? "" : "=");
            putchar('[');
            zsh_text(row->doc);
            putchar(']');
            if (row->kind != OPT_FLAG) {
                putchar(':');
                zsh_text(row->arg);
                putchar(':');
                zsh_action(row->complete, row->words);
            }
            puts("' \\");
        }
    }
}

void
completion_zsh(void)
{
    puts("#compdef lambent\n"
         "# zsh completion for lambent; put it into a folder of $fpath as _lambent\n"
         "_lambent_functions()\n{\n"
         "    local -a names\n"
         "    names=(${(f)\"$(lambent ls --quiet 2>/dev/null)\"})\n"
         "    compadd -a names\n}\n\n"
         "_lambent()\n{\n"
         "    local curcontext=$curcontext state line\n"
         "    _arguments -C \\");
    zsh_options(common_opts);
    puts("            '1:command:->command' \\\n"
         "            '*::argument:->argument'\n"
         "    case $state in\n"
         "    command)\n"
         "        local -a commands=(");
    for (size_t i = 0; commands[i]; i++) {
        printf("            '%s:", commands[i]->name);
        zsh_text(commands[i]->summary);
        puts("'");
    }
    puts("        )\n"
         "        _describe command commands;;\n"
         "    argument)\n"
         "        case $line[1] in");
    for (size_t i = 0; commands[i]; i++) {
        printf("        %s) _arguments \\\n", commands[i]->name);
        zsh_options(commands[i]->opts);
        zsh_options(common_opts);
        fputs("            '*:argument:", stdout);
        zsh_action(commands[i]->complete, commands[i]->words);
        puts("';;");
    }
    puts("        esac;;\n    esac\n}\n_lambent \"$@\"");
}

/* ---- fish: one `complete` a row ---- */

static void
fish_text(const char *text)
{
    putchar('\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('\'');
}

static void
fish_values(enum complete complete, const char *words)
{
    if (complete == COMPLETE_FUNCTION)
        fputs(" -f -a '(lambent ls --quiet 2>/dev/null)'", stdout);
    else if (complete == COMPLETE_WORDS)
        printf(" -f -a '%s'", words);
    else if (complete == COMPLETE_NONE)
        fputs(" -f", stdout);
    else
        fputs(" -F", stdout);
}

static void
fish_options(const char *command, const struct opt *row)
{
    for (; row && row->name; row++) {
        if (row->hidden)
            continue;
        printf("complete -c lambent -n '__fish_seen_subcommand_from %s' -l %s", command, row->name);
        if (row->letter)
            printf(" -s %c", row->letter);
        if (row->kind != OPT_FLAG) {
            fputs(" -r", stdout);
            fish_values(row->complete, row->words);
        }
        fputs(" -d ", stdout);
        fish_text(row->doc);
        putchar('\n');
    }
}

void
completion_fish(void)
{
    puts("# fish completion for lambent; put it into ~/.config/fish/completions/lambent.fish");
    for (size_t i = 0; commands[i]; i++) {
        const struct command *command = commands[i];

        printf("complete -c lambent -n __fish_use_subcommand -f -a %s -d ", command->name);
        fish_text(command->summary);
        putchar('\n');
        printf("complete -c lambent -n '__fish_seen_subcommand_from %s'", command->name);
        fish_values(command->complete, command->words);
        putchar('\n');
        fish_options(command->name, command->opts);
        fish_options(command->name, common_opts);
    }
}

/* ---- the man page ---- */

/* A line of troff text: a dot or quote at its start, '-' and '\' would be taken for commands. */
static void
man_text(const char *text)
{
    bool start = true;

    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\\')
            fputs("\\e", stdout);
        else
            putchar(*text);
        start = *text == '\n';
    }
}

static void
man_options(const struct opt *row)
{
    for (; row && row->name; row++) {
        if (row->hidden)
            continue;
        fputs(".TP\n", stdout);
        if (row->letter)
            printf("\\fB\\-%c\\fR, ", row->letter);
        fputs("\\fB\\-\\-", stdout);
        man_text(row->name);
        fputs("\\fR", stdout);
        if (row->kind != OPT_FLAG) {
            fputs("=\\fI", stdout);
            man_text(row->arg);
            fputs("\\fR", stdout);
        }
        putchar('\n');
        man_text(row->doc);
        putchar('\n');
    }
}

static void
man_command(const struct command *command)
{
    printf(".SS \"lambent %s [option...]%s%s\"\n", command->name, command->args ? " " : "",
           command->args ? command->args : "");
    man_text(command->summary);
    puts(".");
    if (command->details) {
        puts(".PP");
        for (const char *at = command->details; *at;) {
            const char *end = strstr(at, "\n\n");
            char *paragraph = xstrndup(at, end ? (size_t)(end - at) : strlen(at));

            man_text(paragraph);
            puts(end ? "\n.PP" : "");
            free(paragraph);
            at = end ? end + 2 : at + strlen(at);
        }
    }
    man_options(command->opts);
    for (size_t i = 0; command->examples && command->examples[i]; i += 2) {
        if (i == 0)
            puts(".PP\nExamples:");
        fputs(".TP\n\\fB", stdout);
        man_text(command->examples[i]);
        puts("\\fR");
        man_text(command->examples[i + 1]);
        putchar('\n');
    }
}

void
man_print(void)
{
    puts(".\\\" Written by `lambent --man` from the command table; do not edit.\n"
         ".TH LAMBENT 1 \"\" \"lambent " LAMBENT_VERSION "\" \"Lambent\"\n"
         ".SH NAME\nlambent \\- AWS Lambda on your own Linux machine\n"
         ".SH SYNOPSIS\n.B lambent\n[\\fIcommon option\\fR...] \\fIcommand\\fR [\\fIoption\\fR...] "
         "[\\fIargument\\fR...]\n"
         ".SH DESCRIPTION\n"
         "\\fBlambent\\fR starts a Lambent daemon, and deploys, invokes and looks after functions "
         "by "
         "the AWS API of a running one.\n"
         ".SH COMMANDS");
    for (size_t i = 0; commands[i]; i++)
        man_command(commands[i]);
    puts(".SH COMMON OPTIONS\nThey may stand before the command or after it.");
    man_options(common_opts);
    puts(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nHelp on the command.\n"
         ".SH EXIT STATUS\n"
         ".TP\n0\nDone.\n"
         ".TP\n1\nIt failed, or the invoked function did, or \\fBdoctor\\fR found what has to be "
         "mended.\n"
         ".TP\n2\nThe command line is wrong.\n"
         ".TP\n3\nNobody answers at the endpoint.\n"
         ".SH ENVIRONMENT\n"
         ".TP\n\\fBLAMBENT_ENDPOINT\\fR, \\fBAWS_ENDPOINT_URL\\fR\nThe endpoint, in this order, "
         "without \\fB\\-\\-endpoint\\fR.\n"
         ".TP\n\\fBAWS_REGION\\fR, \\fBAWS_DEFAULT_REGION\\fR\nThe region.\n"
         ".TP\n\\fBAWS_ACCESS_KEY_ID\\fR\nThe access key's name; signatures are not made.\n"
         ".TP\n\\fBNO_COLOR\\fR\nIf not empty: no colours.\n"
         ".SH SEE ALSO\n\\fBlambentd\\fR(8)");
}

static int
run_completion(struct cli *cli, const void *opts, struct err *err)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish}};

    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        if (strcmp(cli->args[0], shells[i].name) == 0) {
            shells[i].print();
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "there is completion for bash, zsh and fish, not for '%.40s'",
                   cli->args[0]);
}

const struct command command_completion = {
    .name = "completion",
    .args = "bash|zsh|fish",
    .summary = "Print a completion script for a shell",
    .examples = (const char *const[]){"source <(lambent completion bash)", "For this bash.",
                                      "lambent completion fish > "
                                      "~/.config/fish/completions/lambent.fish",
                                      "For every fish from now on.", NULL},
    .args_min = 1,
    .args_max = 1,
    .complete = COMPLETE_WORDS,
    .words = "bash zsh fish",
    .run = run_completion,
};

static int
run_version(struct cli *cli, const void *opts, struct err *err)
{
    if (cli->json) {
        json_t *doc = json_pack("{s:s}", "version", LAMBENT_VERSION);

        cli_print_json(doc);
        json_decref(doc);
        return 0;
    }
    puts("lambent " LAMBENT_VERSION);
    return 0;
}

const struct command command_version = {
    .name = "version",
    .summary = "Print the version",
    .run = run_version,
};
