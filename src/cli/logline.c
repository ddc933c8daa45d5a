/* A value stands in quotes, or has none and may yet have blanks in it (an error's text): then it
 * goes on until the next ` key=`. What the daemon never writes (control characters) is made
 * harmless all the same. */
#include <time.h>

#include "cli/logline.h"
#include "cli/logtime.h"
#include "cli/term.h"

/* Length of `key=` at the start of s without the '=', or 0. */
static size_t
key_len(struct str s)
{
    size_t i = 0;

    while (i < s.len && i < 40 &&
           ((s.at[i] >= 'a' && s.at[i] <= 'z') || s.at[i] == '_' ||
            (i > 0 && s.at[i] >= '0' && s.at[i] <= '9')))
        i++;
    return i > 0 && i < s.len && s.at[i] == '=' ? i : 0;
}

static struct str
take_value(struct str *s)
{
    size_t i = 0, quoted = 0;
    struct str value;

    /* The closing quote is the one before a key or the end; others are the text's own. */
    if (s->len > 1 && *s->at == '"')
        for (size_t q = 1; q < s->len && !quoted; q++)
            if (s->at[q] == '"' &&
                (q + 1 == s->len ||
                 (s->at[q + 1] == ' ' && key_len((struct str){s->at + q + 2, s->len - q - 2}))))
                quoted = q;
    for (i = quoted; i < s->len; i++)
        if (s->at[i] == ' ' && key_len((struct str){s->at + i + 1, s->len - i - 1}) > 0)
            break;
    value = (struct str){s->at, i};
    if (quoted)
        value = (struct str){value.at + 1, quoted - 1};
    i = MIN(i + 1, s->len);
    *s = (struct str){s->at + i, s->len - i};
    return value;
}

bool
logline_parse(struct str line, struct logline *ret)
{
    *ret = (struct logline){0};
    while (line.len) {
        size_t len = key_len(line);
        struct str key = {line.at, len}, value;

        if (len == 0)
            return false;
        line = (struct str){line.at + len + 1, line.len - len - 1};
        value = take_value(&line);
        if (str_is(key, "time") && !ret->time.at)
            ret->time = value;
        else if (str_is(key, "level") && !ret->level.at)
            ret->level = value;
        else if (str_is(key, "prog") && !ret->prog.at)
            ret->prog = value;
        else if (str_is(key, "event") && !ret->event.at)
            ret->event = value;
        else if (ret->fields_len < LOGLINE_FIELDS_MAX) {
            ret->fields[ret->fields_len].key = key;
            ret->fields[ret->fields_len++].value = value;
        }
    }
    return ret->time.at && ret->level.at && ret->event.at;
}

static void
set_text(json_t *doc, const char *key, size_t key_bytes, struct str value)
{
    char name[48];
    json_t *text = json_stringn(value.at, value.len);

    if (!text) /* not UTF-8 */
        text = json_string("?");
    (void)str_copy(name, sizeof(name), (struct str){key, key_bytes});
    json_object_set_new(doc, name, text);
}

static void
print_json(const struct logline *parsed, struct str line)
{
    json_t *doc = json_object();

    if (!parsed) {
        set_text(doc, "text", 4, line);
    } else {
        set_text(doc, "time", 4, parsed->time);
        set_text(doc, "level", 5, parsed->level);
        if (parsed->prog.at)
            set_text(doc, "prog", 4, parsed->prog);
        set_text(doc, "event", 5, parsed->event);
        for (size_t i = 0; i < parsed->fields_len; i++)
            set_text(doc, parsed->fields[i].key.at, parsed->fields[i].key.len,
                     parsed->fields[i].value);
    }
    json_dumpf(doc, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(doc);
}

/* 2026-11-21T10:00:00.123Z → 11:00:00 where the reader is. */
static void
print_time(struct str iso)
{
    char text[40], room[40];
    struct tm tm = {0};
    time_t at;

    if (!str_copy(text, sizeof(text), iso) || !strptime(text, "%Y-%m-%dT%H:%M:%S", &tm)) {
        term_print_safe(stdout, iso, false);
        return;
    }
    at = timegm(&tm);
    localtime_r(&at, &tm);
    strftime(room, sizeof(room), "%H:%M:%S", &tm);
    fputs(room, stdout);
}

void
logline_print(const struct cli *cli, struct str line)
{
    static const struct {
        const char *level;
        enum style style;
    } levels[] = {
        {"debug", STYLE_DIM}, {"info", STYLE_GREEN}, {"warn", STYLE_YELLOW}, {"error", STYLE_RED}};
    struct logline parsed;
    bool ok = logline_parse(line, &parsed), color = cli->out_color;
    const char *reset = term_style(color, STYLE_RESET), *dim = term_style(color, STYLE_DIM);
    enum style style = STYLE_RESET;

    if (cli->json) {
        print_json(ok ? &parsed : NULL, line);
        return;
    }
    if (!ok) {
        term_print_safe(stdout, line, false);
        putchar('\n');
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (str_is(parsed.level, levels[i].level))
            style = levels[i].style;
    fputs(dim, stdout);
    print_time(parsed.time);
    printf("%s %s%-5.*s%s ", reset, term_style(color, style), STR_FMT(parsed.level), reset);
    fputs(term_style(color, style == STYLE_DIM ? STYLE_DIM : STYLE_BOLD), stdout);
    for (size_t i = 0; i < parsed.event.len; i++) /* daemon_ready: "daemon ready" */
        putchar(parsed.event.at[i] == '_' ? ' ' : parsed.event.at[i]);
    fputs(reset, stdout);
    for (size_t i = 0; i < parsed.fields_len; i++) {
        printf("  %s%.*s=%s", dim, STR_FMT(parsed.fields[i].key), reset);
        term_print_safe(stdout, parsed.fields[i].value, false);
    }
    if (parsed.prog.at && !str_is(parsed.prog, "lambentd"))
        printf("  %s(%.*s)%s", dim, STR_FMT(parsed.prog), reset);
    putchar('\n');
}
