/* The command line `lambent`: what its files share. A command is one row (struct command) beside
 * its handler; its options are rows too. From these rows come parsing with bounds, --help, shell
 * completion and the man page, so none of them can say something else.
 * Thread: the program has one. Errors: a handler returns 0, or -kind with `err` set, and may leave
 * a hint (what to do next) with cli_hint(); main() alone prints them. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

#define ENDPOINT_DEFAULT "http://127.0.0.1:4566"
#define REGION_DEFAULT "us-east-1"

/* Exit codes are part of the interface: see docs/cli.md. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

enum { CLI_ARGS_MAX = 256, CLI_LIST_MAX = 256, CLI_HINT_MAX_BYTES = 2048 };

struct client;

struct cli {
    const char *endpoint; /* http(s)://host:port, without a slash at the end */
    const char *region;
    bool json;
    bool no_color;
    /* What stands behind stdout and stderr. */
    bool out_tty, err_tty, out_color, err_color;
    int columns;
    /* Positional arguments of the command, borrowed from argv. */
    const char *args[CLI_ARGS_MAX];
    size_t args_len;
    /* For commands that hand options on to another program. */
    const char *rest[CLI_ARGS_MAX];
    size_t rest_len;
    struct client *client; /* made on first use: see cli_client() */
    char hint[CLI_HINT_MAX_BYTES];
    int exit_code; /* on success; a handler may set it (doctor, a function's error) */
};

/* What a value names, for shell completion. */
enum complete { COMPLETE_NONE, COMPLETE_FILE, COMPLETE_DIR, COMPLETE_FUNCTION, COMPLETE_WORDS };

enum opt_kind {
    OPT_FLAG /* bool */,
    OPT_TEXT /* const char * */,
    OPT_NUMBER /* int64_t */,
    OPT_LIST /* struct opt_list */
};

struct opt_list {
    const char *at[CLI_LIST_MAX];
    size_t len;
};

struct opt {
    const char *name; /* NULL ends the table */
    char letter;      /* or 0 */
    enum opt_kind kind;
    size_t offset;   /* in the command's options struct */
    const char *arg; /* "MB"; NULL for flags */
    const char *doc;
    int64_t min, max; /* numbers: range; texts: `max` bytes (0: 4096) */
    enum complete complete;
    const char *words; /* COMPLETE_WORDS: separated by blanks */
    bool hidden;
};

struct command {
    const char *name;
    const char *args;            /* "NAME…" as it stands in the usage line */
    const char *summary;         /* one line, no full stop */
    const char *details;         /* paragraphs for --help and the man page */
    const char *const *examples; /* pairs: command line, what it does; NULL ends */
    const struct opt *opts;
    size_t opts_size;
    size_t args_min, args_max;
    enum complete complete; /* positional arguments */
    const char *words;
    bool passes_unknown; /* options it does not know go to cli->rest */
    int (*run)(struct cli *cli, const void *opts, struct err *err);
};

extern const struct command *const commands[]; /* NULL at the end */
extern const struct opt common_opts[];         /* offsets are in struct cli */

const struct command *command_find(const char *name);

/* Text is UTF-8, whatever the environment's locale: names in zips and tables depend on it, and a
 * zip has to be the same everywhere. Once, at the start. */
void cli_locale(void);

/* Say what the user can do about the error that is about to be returned. The first one stays. */
void cli_hint(struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The endpoint's client, made when first asked for. */
int cli_client(struct cli *cli, struct client **ret, struct err *err);

/* Print a document as --json does: two blanks of indentation, members in the order they were set.
 */
void cli_print_json(const json_t *doc);

/* Parse argv[1…] of one command with its rows and the common ones. Exits for --help and, with
 * EXIT_USAGE, for bad usage. `opts` has room for command->opts_size bytes, zeroed. */
void command_parse(const struct command *command, struct cli *cli, void *opts, int argc,
                   char **argv);
