/* What is derived from the command table besides --help. */
#pragma once

#include <stdio.h>

/* Each prints to stdout. */
void completion_bash(void);
void completion_zsh(void);
void completion_fish(void);
void man_print(void); /* troff, for lambent.1 */
