/* One table makes everything: see settings.def. A value travels as text until the end, so that each
 * source (file, environment, flag) is checked by the same code and errors name the source. */
#include "base/settings.h"
#include "base/buf.h"
#include <ctype.h>

#define DEFAULT_CONFIG "/etc/lambent/lambent.conf"

enum { LINE_BYTES = 4096 };
enum kind { TEXT, NUMBER, SWITCH };

static const struct row {
    enum kind kind;
    const char *name; /* NULL: a heading, in `help` */
    const char *def;
    int64_t min, max;
    bool reload;
    const char *arg, *help;
    size_t offset;
} rows[] = {
#define H(text) {.help = text},
#define S(kind, name, def, min, max, reload, arg, help)                                            \
    {kind, #name, def, min, max, reload, arg, help, offsetof(struct settings, name)},
#include "base/settings.def"
#undef S
#undef H
};

static char **
text_at(struct settings *s, const struct row *row)
{
    return (char **)((char *)s + row->offset);
}

static int64_t *
number_at(struct settings *s, const struct row *row)
{
    return (int64_t *)((char *)s + row->offset);
}

/* "data-dir" and "data_dir" are the same name. */
static const struct row *
find_row(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *have = rows[i].name;
        size_t n = 0;

        if (!have || strlen(have) != name.len)
            continue;
        while (n < name.len && (have[n] == name.at[n] || (have[n] == '_' && name.at[n] == '-')))
            n++;
        if (n == name.len)
            return &rows[i];
    }
    return NULL;
}

static int
set_value(struct settings *s, const struct row *row, struct str value, const char *source,
          struct err *err)
{
    if (row->kind == TEXT) {
        if (value.len && memchr(value.at, '\0', value.len))
            return err_set(err, ERR_INVALID, "%s: %s holds a NUL byte", source, row->name);
        free(*text_at(s, row));
        *text_at(s, row) = xstrndup(value.at, value.len);
        return 0;
    }
    if (!str_int(value, row->min, row->max, number_at(s, row)))
        return err_set(err, ERR_INVALID,
                       "%s: %s is '%.*s', but must be a whole number from %lld to %lld", source,
                       row->name, (int)MIN(value.len, (size_t)40), value.at, (long long)row->min,
                       (long long)row->max);
    return 0;
}

static struct str
trim(struct str s)
{
    while (s.len && isspace((unsigned char)s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len && isspace((unsigned char)s.at[s.len - 1]))
        s.len--;
    return s;
}

static int
load_file(struct settings *s, const char *path, bool must_exist, struct err *err)
{
    FILE *file = fopen(path, "re");
    char line[LINE_BYTES], source[300];
    int number = 0, rc = 0;
    bool end = false;

    if (!file) {
        if (errno == ENOENT && !must_exist)
            return 0;
        return err_sys(err, "read configuration file '%s'", path);
    }
    while (rc >= 0 && !end) {
        size_t len = 0;
        struct str text;
        const struct row *row;
        ssize_t equals;
        int c;

        /* Byte by byte: fgets() would end a line at a NUL, and cut a long one (a comment, say) into
         * a first part and a rest that could be read as a setting. */
        while ((c = getc(file)) != EOF && c != '\n' && len < sizeof(line))
            line[len++] = (char)c;
        end = c == EOF;
        snprintf(source, sizeof(source), "%s line %d", path, ++number);
        if (len == sizeof(line)) {
            rc = err_set(err, ERR_INVALID, "%s: the line is too long", source);
            break;
        }
        text = trim((struct str){line, len});
        if (text.len == 0 || text.at[0] == '#')
            continue;
        equals = str_find(text, '=');
        if (equals < 0) {
            rc = err_set(err, ERR_INVALID, "%s: expected `name = value`", source);
            break;
        }
        row = find_row(trim((struct str){text.at, (size_t)equals}));
        if (!row) {
            rc = err_set(err, ERR_INVALID, "%s: there is no setting '%.*s' (see lambentd --help)",
                         source, (int)MIN(equals, 60), text.at);
            break;
        }
        rc = set_value(s, row,
                       trim((struct str){text.at + equals + 1, text.len - (size_t)equals - 1}),
                       source, err);
    }
    if (rc >= 0 && ferror(file)) /* a folder, for one: it opens, but does not read */
        rc = err_sys(err, "read configuration file '%s'", path);
    fclose(file);
    return rc;
}

static int
load_environment(struct settings *s, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char name[64];
        const char *value;
        int rc;

        if (!rows[i].name)
            continue;
        snprintf(name, sizeof(name), "LAMBENT_%s", rows[i].name);
        for (char *c = name; *c; c++)
            *c = (char)toupper((unsigned char)*c);
        value = getenv(name);
        if (!value || !*value)
            continue;
        rc = set_value(s, &rows[i], str_of(value), name, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int
load_flags(struct settings *s, int argc, char **argv, enum settings_action *action, struct err *err)
{
    static const struct {
        const char *flag;
        enum settings_action action;
    } asks[] = {{"--help", SETTINGS_HELP},
                {"-h", SETTINGS_HELP},
                {"--man", SETTINGS_MAN},
                {"--version", SETTINGS_VERSION},
                {"--describe-api", SETTINGS_API}};

    for (int i = 1; i < argc; i++) {
        struct str arg = str_of(argv[i]), name, value;
        const struct row *row;
        ssize_t equals;
        bool asked = false;
        int rc;

        for (size_t k = 0; k < ARRAY_LEN(asks); k++) {
            if (str_is(arg, asks[k].flag)) {
                *action = asks[k].action;
                asked = true;
            }
        }
        if (asked)
            continue;
        if (!str_starts(arg, STR("--")))
            return err_set(err, ERR_INVALID, "unexpected argument '%.60s' (see lambentd --help)",
                           argv[i]);
        name = (struct str){arg.at + 2, arg.len - 2};
        equals = str_find(name, '=');
        if (equals >= 0) {
            value = (struct str){name.at + equals + 1, name.len - (size_t)equals - 1};
            name.len = (size_t)equals;
        }
        row = find_row(name);
        if (!row)
            return err_set(err, ERR_INVALID, "there is no option '%.60s' (see lambentd --help)",
                           argv[i]);
        if (equals < 0) {
            if (row->kind == SWITCH)
                value = STR("1");
            else if (i + 1 < argc)
                value = str_of(argv[++i]);
            else
                return err_set(err, ERR_INVALID, "option '%.60s' needs a value: %s", argv[i],
                               row->arg);
        }
        rc = set_value(s, row, value, argv[0], err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int
settings_load(struct settings *s, int argc, char **argv, enum settings_action *ret_action,
              struct err *err)
{
    struct settings got = {0}, flags = {0};
    enum settings_action action = SETTINGS_RUN;
    int rc = 0;

    for (size_t i = 0; rc >= 0 && i < ARRAY_LEN(rows); i++)
        if (rows[i].name) {
            rc = set_value(&got, &rows[i], str_of(rows[i].def), "default", err);
            if (rows[i].kind == TEXT) /* so that the first pass over the flags can be freed */
                *text_at(&flags, &rows[i]) = xstrndup("", 0);
        }
    /* The flags are read twice: they may name the file, and they win over it. */
    if (rc >= 0)
        rc = load_flags(&flags, argc, argv, &action, err);
    /* Who only asks for a text gets it, however broken or unreadable the configuration is. */
    if (rc >= 0 && action != SETTINGS_RUN) {
        settings_done(&flags);
        *s = got;
        *ret_action = action;
        return 0;
    }
    if (rc >= 0 && !flags.config[0] && getenv("LAMBENT_CONFIG")) {
        free(flags.config);
        flags.config = xstrndup(getenv("LAMBENT_CONFIG"), strlen(getenv("LAMBENT_CONFIG")));
    }
    if (rc >= 0)
        rc = load_file(&got, flags.config[0] ? flags.config : DEFAULT_CONFIG,
                       flags.config[0] != '\0', err);
    if (rc >= 0)
        rc = load_environment(&got, err);
    if (rc >= 0)
        rc = load_flags(&got, argc, argv, &action, err);
    settings_done(&flags);
    if (rc < 0) {
        settings_done(&got);
        return rc;
    }
    *s = got;
    *ret_action = action;
    return 0;
}

int
settings_reload(struct settings *s, int argc, char **argv, struct err *err)
{
    enum settings_action action;
    struct settings got;
    int rc = settings_load(&got, argc, argv, &action, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!rows[i].name || !rows[i].reload)
            continue;
        if (rows[i].kind == TEXT) {
            char *old = *text_at(s, &rows[i]);

            *text_at(s, &rows[i]) = *text_at(&got, &rows[i]);
            *text_at(&got, &rows[i]) = old;
        } else {
            *number_at(s, &rows[i]) = *number_at(&got, &rows[i]);
        }
    }
    settings_done(&got);
    return 0;
}

void
settings_done(struct settings *s)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].name && rows[i].kind == TEXT) {
            free(*text_at(s, &rows[i]));
            *text_at(s, &rows[i]) = NULL;
        }
}

static void
flag_name(const struct row *row, char name[64])
{
    snprintf(name, 64, "--%s", row->name);
    for (char *c = name; *c; c++)
        if (*c == '_')
            *c = '-';
}

void
settings_help(FILE *out)
{
    fprintf(out, "Usage: lambentd [OPTION VALUE]…\n\n"
                 "Runs AWS Lambda functions on this machine and answers AWS's API for them.\n"
                 "Each option may also stand in the configuration file (`data_dir = …`) or in the\n"
                 "environment (LAMBENT_DATA_DIR=…); the command line wins.\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char name[64], left[96];

        if (!rows[i].name) {
            fprintf(out, "\n%s\n", rows[i].help);
            continue;
        }
        flag_name(&rows[i], name);
        snprintf(left, sizeof(left), "%s %s", name, rows[i].arg);
        fprintf(out, "  %-28s %s", left, rows[i].help);
        if (rows[i].def[0])
            fprintf(out, " [%s]", rows[i].def);
        fprintf(out, "\n");
    }
    fprintf(out, "\nOther\n"
                 "  --describe-api               list every AWS operation and whether it is built\n"
                 "  --version                    print the version\n"
                 "  --help                       print this\n");
}

void
settings_man(FILE *out)
{
    fprintf(
        out,
        ".TH LAMBENTD 8 \"\" \"Lambent %s\" \"System administration\"\n"
        ".SH NAME\nlambentd \\- run AWS Lambda functions on this machine\n"
        ".SH SYNOPSIS\n.B lambentd\n[\\fIOPTION VALUE\\fR]...\n"
        ".SH DESCRIPTION\n"
        "Answers the AWS Lambda API and runs functions in sandboxes. Must be started as root: it\n"
        "starts \\fBlambent-spawner\\fR, which keeps the privilege, and then becomes an\n"
        "unprivileged user itself. SIGTERM and SIGINT stop it after running invocations have\n"
        "finished; SIGHUP reads the settings marked (reload) again.\n"
        ".SH OPTIONS\n"
        "Each may also stand in the configuration file as \\fIname = value\\fR, or in the\n"
        "environment as LAMBENT_NAME. The command line wins over the environment, the\n"
        "environment over the file.\n",
        LAMBENT_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char name[64];

        if (!rows[i].name) {
            fprintf(out, ".SS %s\n", rows[i].help);
            continue;
        }
        flag_name(&rows[i], name);
        fprintf(out, ".TP\n\\fB");
        for (char *c = name; *c; c++)
            fprintf(out, *c == '-' ? "\\-" : "%c", *c);
        fprintf(out, "\\fR \\fI%s\\fR\n%c%s.", rows[i].arg, toupper(rows[i].help[0]),
                rows[i].help + 1);
        if (rows[i].def[0])
            fprintf(out, " Default: %s.", rows[i].def);
        fprintf(out, "%s\n", rows[i].reload ? " (reload)" : "");
    }
    fprintf(out, ".SH FILES\n.I %s\n.SH SEE ALSO\n.BR lambent (1)\n", DEFAULT_CONFIG);
}
