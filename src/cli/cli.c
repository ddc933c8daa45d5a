/* What every command needs: the endpoint's client, hints, JSON output. */
#include <locale.h>
#include <stdarg.h>

#include "cli/cli.h"
#include "cli/client.h"

void
cli_locale(void)
{
    (void)setlocale(LC_CTYPE,
                    "C.UTF-8"); /* without it, names beyond ASCII are refused, not mangled */
}

void
cli_hint(struct cli *cli, const char *fmt, ...)
{
    va_list args;

    if (cli->hint[0])
        return;
    va_start(args, fmt);
    (void)vsnprintf(cli->hint, sizeof(cli->hint), fmt, args); /* a cut hint is still a hint */
    va_end(args);
}

int
cli_client(struct cli *cli, struct client **ret, struct err *err)
{
    if (!cli->client && client_new(cli->endpoint, cli->region, &cli->client, err) < 0)
        return -(int)err->kind;
    *ret = cli->client;
    return 0;
}

void
cli_print_json(const json_t *doc)
{
    json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    fputc('\n', stdout);
}
