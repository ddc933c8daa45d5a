/* Structured logs: one line an event, to stderr, with the event's name from the table and keys that
 * do not change. Request ids always, payloads and secrets never. A failure that we survive says
 * what comes next. The last lines are kept in memory for a panic's report. Thread: any. */
#pragma once

#include "base/base.h"

/* clang-format off */
#define LOG_EVENTS(E) /* event          level  when */                                              \
    E(daemon_start,        INFO)  /* configuration is read, listeners are open */                   \
    E(daemon_ready,        INFO)  /* requests are answered from now on */                           \
    E(daemon_stop,         INFO)  /* stopping was asked for */                                      \
    E(daemon_stopped,      INFO)  /* everything is closed */                                        \
    E(daemon_failed,       ERROR) /* cannot go on */                                                \
    E(config_reload,       INFO)                                                                    \
    E(config_problem,      WARN)                                                                    \
    E(request,             DEBUG) /* one HTTP exchange at the gateway */                            \
    E(request_failed,      WARN)  /* 5xx: the text the client did not get */                        \
    E(connection_refused,  WARN)                                                                    \
    E(spawner_ready,       INFO)                                                                    \
    E(spawner_lost,        ERROR)                                                                   \
    E(spawner_refused,     ERROR) /* the daemon asked for something that is not in the table */     \
    E(sandbox_failed,      WARN)                                                                    \
    E(runtime_other,       INFO)  /* not the version that was asked for is installed */             \
    E(runtime_exit,        DEBUG)                                                                   \
    E(environment_reset,   INFO)                                                                    \
    E(environment_reclaim, DEBUG)                                                                   \
    E(store_open,          INFO)                                                                    \
    E(store_migrate,       INFO)                                                                    \
    E(store_failed,        ERROR)                                                                   \
    E(store_cleanup,       INFO)                                                                    \
    E(package_stored,      DEBUG)                                                                   \
    E(logs_dropped,        WARN)                                                                    \
    E(cleanup_failed,      WARN)
/* clang-format on */

enum log_event {
#define E(name, level) LOG_##name,
    LOG_EVENTS(E)
#undef E
};
enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* One line: `time=… level=… event=NAME ` + the formatted keys ("fn=%s ms=%u"). */
void log_event(enum log_event event, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_set_level(enum log_level level);
bool log_level_parse(struct str name, enum log_level *ret); /* debug, info, warn, error */
void log_set_program(const char *name);                     /* a static string: prog=… */
void log_dump_recent(int fd);                               /* async-signal-safe enough for panic */
