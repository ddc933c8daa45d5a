/* Terminal output. Everything here writes for people; --json never comes by. */
#include <libsmartcols.h>
#include <sys/ioctl.h>
#include <time.h>

#include "cli/term.h"

void
term_detect(struct cli *cli)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool color = !cli->no_color && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
    struct winsize size = {0};

    cli->out_tty = isatty(STDOUT_FILENO);
    cli->err_tty = isatty(STDERR_FILENO);
    cli->out_color = cli->out_tty && color;
    cli->err_color = cli->err_tty && color;
    cli->columns = 80;
    if ((ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ||
         ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0) &&
        size.ws_col >= 20)
        cli->columns = size.ws_col;
}

const char *
term_style(bool color, enum style style)
{
    static const char *const sequences[] = {
        [STYLE_RESET] = "\033[0m", [STYLE_BOLD] = "\033[1m",   [STYLE_DIM] = "\033[2m",
        [STYLE_RED] = "\033[31m",  [STYLE_GREEN] = "\033[32m", [STYLE_YELLOW] = "\033[33m",
        [STYLE_BLUE] = "\033[34m", [STYLE_CYAN] = "\033[36m",
    };

    ASSERT((size_t)style < ARRAY_LEN(sequences));
    return color ? sequences[style] : "";
}

const char *
term_bytes(uint64_t bytes, char room[32])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 999.95 && unit + 1 < ARRAY_LEN(units)) {
        value /= 1000;
        unit++;
    }
    snprintf(room, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return room;
}

/* Length of a colour sequence at the start of `s`, or 0. */
static size_t
color_len(struct str s)
{
    size_t i = 2;

    if (s.len < 3 || s.at[0] != '\033' || s.at[1] != '[')
        return 0;
    while (i < s.len && i < 32 && ((s.at[i] >= '0' && s.at[i] <= '9') || s.at[i] == ';'))
        i++;
    return i < s.len && s.at[i] == 'm' ? i + 1 : 0;
}

void
term_print_safe(FILE *to, struct str text, bool colors)
{
    size_t from = 0, i = 0;

    while (i < text.len) {
        unsigned char c = (unsigned char)text.at[i];
        size_t skip = 1;

        /* 0xc2 0x80…0x9f are the C1 controls in UTF-8; 0x9b there is a second CSI. */
        bool c1 = c == 0xc2 && i + 1 < text.len && (unsigned char)text.at[i + 1] < 0xa0;

        if ((c >= 0x20 && c != 0x7f && !c1) || c == '\t') {
            i++;
            continue;
        }
        fwrite(text.at + from, 1, i - from, to);
        if (c == '\033' && colors && (skip = color_len((struct str){text.at + i, text.len - i})))
            fwrite(text.at + i, 1, skip, to);
        else {
            skip = c1 ? 2 : 1;
            fputc('?', to);
        }
        i += skip;
        from = i;
    }
    fwrite(text.at + from, 1, text.len - from, to);
}

void
term_progress(const struct cli *cli, const char *what, uint64_t done, uint64_t total)
{
    enum { WIDTH = 24 };
    unsigned filled = total ? (unsigned)(MIN(done, total) * WIDTH / total) : 0;
    char room[32];

    if (!cli->err_tty || cli->json)
        return;
    fprintf(stderr, "\r\033[K%-10s ", what);
    if (total) {
        fputs(term_style(cli->err_color, STYLE_CYAN), stderr);
        for (unsigned i = 0; i < WIDTH; i++)
            fputs(i < filled ? "━" : " ", stderr);
        fprintf(stderr, "%s %s", term_style(cli->err_color, STYLE_RESET), term_bytes(total, room));
    }
    fflush(stderr);
}

void
term_progress_end(const struct cli *cli)
{
    if (!cli->err_tty || cli->json)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
}

struct term_table {
    struct libscols_table *scols;
    size_t columns_len;
};

struct term_table *
term_table_new(const struct cli *cli, const struct term_column *columns, size_t columns_len)
{
    struct term_table *table = xcalloc(1, sizeof(*table));

    table->columns_len = columns_len;
    table->scols = scols_new_table();
    ASSERT(table->scols);
    scols_table_enable_colors(table->scols, cli->out_color);
    for (size_t i = 0; i < columns_len; i++) {
        struct libscols_column *column = scols_table_new_column(
            table->scols, columns[i].name, 0,
            (columns[i].right ? SCOLS_FL_RIGHT : 0) | (columns[i].trunc ? SCOLS_FL_TRUNC : 0));
        ASSERT(column);
        if (cli->out_color)
            (void)scols_cell_set_color(scols_column_get_header(column), "bold"); /* ornament only */
    }
    return table;
}

void
term_table_row(struct term_table *table, const char *const *cells)
{
    struct libscols_line *line = scols_table_new_line(table->scols, NULL);

    ASSERT(line);
    for (size_t i = 0; i < table->columns_len; i++)
        ASSERT(scols_line_set_data(line, i, cells[i] ? cells[i] : "") == 0);
}

void
term_table_print(struct term_table *table)
{
    (void)scols_print_table(table->scols); /* a failed write shows when stdout is flushed */
    scols_unref_table(table->scols);
    free(table);
}

double
term_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
