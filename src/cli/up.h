/* Where things of this installation are; shared by `up` and `doctor`. */
#pragma once

#include "cli/cli.h"

/* Beside this program, in ../libexec, ../libexec/lambent, ../sbin, ../daemon (a build folder),
 * $PATH. `ret` has room for PATH_MAX bytes. */
bool up_find_program(const char *name, char *ret);
/* /var/lib/lambent for root, else $XDG_DATA_HOME/lambent; room for PATH_MAX. */
void up_data_dir(char *ret);
