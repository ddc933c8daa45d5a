/* Which files of a folder do not go into a package: the patterns of .lambentignore, which are
 * .gitignore's (`#` comments, `!` brings back, a slash at the end means folders only, a slash
 * elsewhere anchors to the top, `*` `?` `[a-z]` within a name, `**` across folders). */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct ignore;

enum { IGNORE_RULES_MAX = 1024, IGNORE_PATTERN_MAX = 512 };

/* With the rules that always hold first: .git, __pycache__, node_modules/.cache … */
struct ignore *ignore_new(void);
void ignore_free(struct ignore *ignore);
AUTO_DEFINE(struct ignore *, ignore_free)

/* Add a file's lines. Errors: INVALID names the line. */
int ignore_add(struct ignore *ignore, struct str text, struct err *err);

/* `path` is relative, without a slash at either end. The last rule that matches decides. */
bool ignore_match(const struct ignore *ignore, const char *path, bool is_dir);

/* One pattern against one whole path; a part of the interface for tests. */
bool ignore_glob(struct str pattern, struct str path);
