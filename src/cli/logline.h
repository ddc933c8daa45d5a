/* The daemon's structured log lines (`time=… level=… prog=… event=… key=value …`), taken apart. */
#pragma once

#include "cli/cli.h"

enum { LOGLINE_FIELDS_MAX = 32 };

struct logline {
    struct str time, level, prog, event; /* absent: at == NULL */
    struct {
        struct str key, value;
    } fields[LOGLINE_FIELDS_MAX];
    size_t fields_len;
};

/* False if it is no such line (a panic, words of a library): print it as it is. Views into `line`.
 */
bool logline_parse(struct str line, struct logline *ret);
/* One line for people, or one JSON object with --json, to stdout. */
void logline_print(const struct cli *cli, struct str line);
