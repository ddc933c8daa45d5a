/* Which runtime and handler a package is meant for, from its files' names and a look into them.
 * A guess is said aloud, and an option always overrides it. */
#pragma once

#include "cli/package.h"

/* The interpreters on this machine; 0: none found. Tests give their own. */
struct guess_host {
    int python_minor; /* of Python 3 */
    int node_major;
};

struct guess {
    char runtime[32];
    char handler[129];
    char why[160]; /* "app.py defines lambda_handler" */
};

void guess_host_probe(struct guess_host *ret);

/* `ret` holds what could be found; runtime or handler is "" where nothing could. `why` always says
 * something. */
void guess_package(struct package *package, const struct guess_host *host, struct guess *ret);

/* The family of a runtime: "python", "nodejs", "provided", or its name up to the first digit. */
struct str guess_family(const char *runtime);

/* Does the package have the file that this handler names? True for runtimes unknown here. */
bool guess_handler_exists(const struct package *package, const char *runtime, const char *handler);

/* What the identifiers would be, separated by blanks: completion and error texts. */
#define RUNTIMES_KNOWN                                                                             \
    "python3.8 python3.9 python3.10 python3.11 python3.12 python3.13 python3.14 nodejs18.x "       \
    "nodejs20.x nodejs22.x nodejs24.x provided.al2 provided.al2023"
