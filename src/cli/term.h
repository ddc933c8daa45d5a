/* What a person sees: colours, sizes, times, tables, and text of strangers made harmless. */
#pragma once

#include "cli/cli.h"

enum style {
    STYLE_RESET,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_RED,
    STYLE_GREEN,
    STYLE_YELLOW,
    STYLE_BLUE,
    STYLE_CYAN
};

/* Fills the tty and colour members of cli. Honours NO_COLOR and TERM=dumb. */
void term_detect(struct cli *cli);
/* The escape sequence, or "" when `color` is false. */
const char *term_style(bool color, enum style style);

/* "512 B", "1.2 kB", "48.0 MB". Decimal units, as file managers and AWS's console have them. */
const char *term_bytes(uint64_t bytes, char room[32]);

/* Print text that somebody else wrote. Bytes below 0x20 (but tab) and DEL become '?', so that a log
 * line cannot move the cursor or set the terminal's title; colours (CSI … m) stay where `colors`.
 */
void term_print_safe(FILE *to, struct str text, bool colors);

/* A progress line on a terminal's stderr, overwritten in place; nothing where there is none. */
void term_progress(const struct cli *cli, const char *what, uint64_t done, uint64_t total);
void term_progress_end(const struct cli *cli);

/* A table: columns, then rows of as many texts, then printed to stdout and freed. */
struct term_table;
struct term_column {
    const char *name;
    bool right, trunc;
};
struct term_table *term_table_new(const struct cli *cli, const struct term_column *columns,
                                  size_t columns_len);
void term_table_row(struct term_table *table, const char *const *cells);
void term_table_print(struct term_table *table);

double term_seconds(void); /* monotonic */
