/* AWS's runtime identifiers, and what this machine has for them: which interpreter runs a
 * "python3.12" function here, with which arguments and environment. The facts are rows in
 * runtimes.def; the interpreters are found once by runtimes_probe().
 *
 * Thread: runtimes_probe() blocks (it runs each interpreter with --version) and belongs on a
 * worker; everything else is for any thread, at any time. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"

/* ---- identifiers ---- */

/* clang-format off */
#define RUNTIME_FAMILIES(F) /* family  name        newest identifier    Debian package  oldest we run */ \
    F(PYTHON,   "python",   "python3.14",        "python3",       308)                                    \
    F(NODEJS,   "nodejs",   "nodejs24.x",        "nodejs",       1800)                                    \
    F(RUBY,     "ruby",     "ruby4.0",           "ruby",          207)                                    \
    F(JAVA,     "java",     "java25",            "default-jre",   800)                                    \
    F(DOTNET,   "dotnet",   "dotnet10",          "",              600)                                    \
    F(GO,       "go",       "provided.al2023",   "",                0)                                    \
    F(PROVIDED, "provided", "provided.al2023",   "",                0)
/* clang-format on */

enum runtime_family {
#define F(family, name, newest, package, oldest) RUNTIME_##family,
    RUNTIME_FAMILIES(F)
#undef F
};

struct runtime_info {
    struct str id; /* "python3.12" */
    enum runtime_family family;
    int version;       /* major * 100 + minor: 312, 2000; 0 where there is none */
    const char *label; /* "python:3.12.v1", as INIT_START prints it */
    /* Days as "2028-10-31"; "" for never. Creating, or any update, is refused after that day. */
    const char *deprecated, *create_block, *update_block;
};

/* NULL for an identifier that AWS never had. */
const struct runtime_info *runtime_info_find(struct str id);
/* All of them, for listings; *ret_len of them. */
const struct runtime_info *runtime_info_all(size_t *ret_len);
/* Is creating (or else updating) a function with this runtime refused today (UTC)? Then
 * *ret_successor is what AWS's refusal recommends. */
bool runtime_blocked(const struct runtime_info *info, bool creating, const char **ret_successor);
/* The same on another day, for tests: "2026-11-21". */
bool runtime_blocked_on(const struct runtime_info *info, bool creating, const char *day,
                        const char **ret_successor);
/* "arn:aws:lambda:REGION::runtime:SHA256", STR_NULL if the arena is full. The same for one
 * identifier everywhere and always: we have one version of each. */
struct str runtime_version_arn(struct arena *a, struct str region, struct str id);

/* ---- this machine ---- */

enum { RUNTIME_PATH_MAX = 256, RUNTIME_FOUND_MAX = 32 };

/* Look for interpreters in /usr/bin, /usr/local/bin, and each of extra_dirs (NULL-terminated, or
 * NULL) and its bin/. Only those count whose real path is beneath /usr or an extra directory: a
 * sandbox sees nothing else. Calling it again replaces what was found; until then, and while it
 * runs, the old findings hold. Never fails: what doesn't answer within seconds is left out. */
void runtimes_probe(const char *const extra_dirs[]);

struct runtime_choice {
    const struct runtime_info *info;
    bool frames;        /* speaks frames (docs/PROTOCOL.md); else the HTTP Runtime API */
    const char *folder; /* beneath the runtimes folder, mounted at /var/runtime; "" for none */
    bool exact;         /* the very version that the identifier names */
    /* When not exact: "python3.12 is not installed; using /usr/bin/python3.11 (3.11.2)". */
    char note[RUNTIME_PATH_MAX + 96];
    char interpreter[RUNTIME_PATH_MAX]; /* real path; "" for provided */
    char version[24];                   /* "3.11.2" */
    const char *version_label;          /* info->label */
    char version_sha256[SHA256_HEX_LEN + 1];
};

/* Errors: NOT_FOUND nothing fit is installed (the text names the package to install);
 * NOT_IMPLEMENTED a family that has no bootstrap yet; INVALID no such identifier;
 * UNAVAILABLE runtimes_probe() hasn't finished for the first time. */
int runtime_resolve(struct str id, struct runtime_choice *ret, struct err *err);

/* ---- starting one ---- */

enum { RUNTIME_LOG_FD = 3, RUNTIME_FRAMES_FD = 4 }; /* as sandbox_start() places them */

struct runtime_variable {
    struct str name, value;
};

/* All borrowed. What is empty is left out of the environment. */
struct runtime_env {
    struct str account, region, function_name, function_version, handler;
    uint32_t memory_mb;
    struct str log_group, log_stream;
    struct str log_format; /* "Text" or "JSON" */
    struct str log_level;  /* application log level; told to the runtime in JSON format only */
    struct str access_key_id, secret_access_key, session_token;
    struct str runtime_api; /* "127.0.0.1:9001" */
    struct str initialization_type;
    struct str bootstrap;                     /* provided: "" for /var/task/bootstrap */
    struct str xray_address;                  /* "" for AWS's 169.254.79.129:2000 */
    const struct runtime_variable *variables; /* the function's own */
    size_t variables_len;
    const struct runtime_variable
        *platform; /* ours beside AWS's; a function's own go before them */
    size_t platform_len;
};

/* The environment and arguments that AWS starts this runtime with, NULL-terminated, in the arena.
 * The function's variables replace what is not reserved. Errors: TOO_LARGE the arena is full. */
int runtime_env_build(const struct runtime_choice *rt, const struct runtime_env *in,
                      struct arena *a, char ***ret_envp, char ***ret_argv, struct err *err);

/* May a function's configuration not set this variable? */
bool runtime_env_reserved(struct str name);
