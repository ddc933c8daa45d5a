/* Parsing by option rows; see options.c. */
#pragma once

#include "cli/cli.h"

struct global_opts {
    bool version, man;
};
extern const struct opt global_opts[];

/* Parse `lambent [common options] COMMAND …`; returns the index of COMMAND in argv, argc if there
 * is none. Exits for --help and bad usage. Replaces argv[0]. */
int global_parse(struct cli *cli, struct global_opts *global, int argc, char **argv);
