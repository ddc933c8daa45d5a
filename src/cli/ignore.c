/* Ignore patterns. Matching goes name by name; within a name, `*` is tried shortest first and only
 * the last one is ever retried, which keeps it linear times quadratic at worst, whatever the
 * pattern. */
#include "cli/ignore.h"

struct rule {
    struct str pattern; /* without '!' and the slashes at its ends */
    bool keep, dir_only, anchored;
};

struct ignore {
    struct rule rules[IGNORE_RULES_MAX];
    size_t rules_len;
    char *texts[IGNORE_RULES_MAX]; /* what the patterns point into */
};

static const char *const always[] = {
    ".git",          ".hg",         ".svn",      "**/node_modules/.cache", "__pycache__", "*.pyc",
    ".pytest_cache", ".mypy_cache", ".DS_Store", ".lambentignore",
};

static struct str
str_cut(struct str s, size_t from)
{
    return (struct str){s.at + from, s.len - from};
}

/* `[a-z]`, `[!x]` at the start of `pattern`; returns its length, 0 if the bracket never closes. */
static size_t
bracket_match(struct str pattern, char c, bool *ret)
{
    size_t i = 1;
    bool negate = false, found = false;

    if (i < pattern.len && (pattern.at[i] == '!' || pattern.at[i] == '^')) {
        negate = true;
        i++;
    }
    for (size_t first = i; i < pattern.len && (pattern.at[i] != ']' || i == first); i++) {
        unsigned char low = (unsigned char)pattern.at[i], high = low;

        if (i + 2 < pattern.len && pattern.at[i + 1] == '-' && pattern.at[i + 2] != ']') {
            high = (unsigned char)pattern.at[i + 2];
            i += 2;
        }
        found |= (unsigned char)c >= low && (unsigned char)c <= high;
    }
    if (i >= pattern.len)
        return 0;
    *ret = found != negate;
    return i + 1;
}

/* One name, no slashes. */
static bool
name_match(struct str pattern, struct str name)
{
    size_t p = 0, n = 0, star = SIZE_MAX, star_n = 0;

    while (n < name.len) {
        bool ok = false;
        size_t step = 1;

        if (p < pattern.len && pattern.at[p] == '*') {
            star = p++;
            star_n = n;
            continue;
        }
        if (p < pattern.len) {
            if (pattern.at[p] == '?')
                ok = true;
            else if (pattern.at[p] == '[' &&
                     (step = bracket_match(str_cut(pattern, p), name.at[n], &ok)) > 0)
                ;
            else {
                size_t escaped = pattern.at[p] == '\\' && p + 1 < pattern.len ? 1 : 0;

                step = 1 + escaped;
                ok = pattern.at[p + escaped] == name.at[n];
            }
        }
        if (ok) {
            p += step;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++star_n;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.at[p] == '*')
        p++;
    return p == pattern.len;
}

static struct str
first_name(struct str path, struct str *ret_rest)
{
    ssize_t slash = str_find(path, '/');

    if (slash < 0) {
        *ret_rest = STR_NULL;
        return path;
    }
    *ret_rest = str_cut(path, (size_t)slash + 1);
    return (struct str){path.at, (size_t)slash};
}

bool
ignore_glob(struct str pattern, struct str path)
{
    /* As in name_match, one level up: names for characters, `**` for `*`. */
    struct str star = STR_NULL, star_path = STR_NULL;

    while (path.at) {
        struct str pattern_rest, path_rest, wanted, name;

        name = first_name(path, &path_rest);
        if (pattern.at) {
            wanted = first_name(pattern, &pattern_rest);
            if (str_is(wanted, "**")) {
                if (!pattern_rest.at)
                    return true; /* two stars at the end: everything below */
                star = pattern = pattern_rest;
                star_path = path;
                continue;
            }
            if (name_match(wanted, name)) {
                pattern = pattern_rest;
                path = path_rest;
                continue;
            }
        }
        if (!star.at)
            return false;
        (void)first_name(star_path, &path_rest);
        path = star_path = path_rest;
        pattern = star;
    }
    return !pattern.at;
}

static void
rule_add(struct ignore *ignore, struct str line)
{
    struct rule *rule = &ignore->rules[ignore->rules_len];

    *rule = (struct rule){0};
    if (*line.at == '!') {
        rule->keep = true;
        line = str_cut(line, 1);
    }
    if (line.len && line.at[line.len - 1] == '/') {
        rule->dir_only = true;
        line.len--;
    }
    rule->anchored = str_find(line, '/') >= 0;
    if (line.len && *line.at == '/')
        line = str_cut(line, 1);
    if (line.len == 0)
        return;
    ignore->texts[ignore->rules_len] = xstrndup(line.at, line.len);
    rule->pattern = (struct str){ignore->texts[ignore->rules_len], line.len};
    ignore->rules_len++;
}

struct ignore *
ignore_new(void)
{
    struct ignore *ignore = xcalloc(1, sizeof(*ignore));

    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        rule_add(ignore, str_of(always[i]));
    return ignore;
}

void
ignore_free(struct ignore *ignore)
{
    if (!ignore)
        return;
    for (size_t i = 0; i < ignore->rules_len; i++)
        free(ignore->texts[i]);
    free(ignore);
}

int
ignore_add(struct ignore *ignore, struct str text, struct err *err)
{
    for (size_t number = 1; text.len; number++) {
        ssize_t end = str_find(text, '\n');
        struct str line = {text.at, end < 0 ? text.len : (size_t)end};

        text = str_cut(text, end < 0 ? text.len : (size_t)end + 1);
        if (line.len && line.at[line.len - 1] == '\r')
            line.len--;
        while (line.len && (line.at[line.len - 1] == ' ' || line.at[line.len - 1] == '\t') &&
               !(line.len > 1 && line.at[line.len - 2] == '\\'))
            line.len--;
        if (line.len == 0 || *line.at == '#')
            continue;
        if (line.len > IGNORE_PATTERN_MAX)
            return err_set(err, ERR_INVALID, "line %zu is longer than %d bytes", number,
                           IGNORE_PATTERN_MAX);
        if (memchr(line.at, '\0', line.len))
            return err_set(err, ERR_INVALID, "line %zu has a zero byte", number);
        if (ignore->rules_len == IGNORE_RULES_MAX)
            return err_set(err, ERR_INVALID, "line %zu: there may be %zu patterns", number,
                           IGNORE_RULES_MAX - ARRAY_LEN(always));
        rule_add(ignore, line);
    }
    return 0;
}

bool
ignore_match(const struct ignore *ignore, const char *path, bool is_dir)
{
    const char *slash = strrchr(path, '/');
    struct str whole = str_of(path), base = str_of(slash ? slash + 1 : path);

    for (size_t i = ignore->rules_len; i-- > 0;) {
        const struct rule *rule = &ignore->rules[i];

        if (rule->dir_only && !is_dir)
            continue;
        if (ignore_glob(rule->pattern, rule->anchored ? whole : base))
            return !rule->keep;
    }
    return false;
}
