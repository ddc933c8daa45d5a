/* The platform's own lines in a function's log, exactly as AWS writes them (execution.md section
 * 9). They belong to the environment's stream, and to the tail of the invocation that runs. */
#include "invoke/internal.h"
#include <math.h>
#include <stdarg.h>

/* Every line of the environment passes here: the runtime's output and the platform's own. */
void
report_line(struct environment *env, int64_t time_ms, struct str text)
{
    struct function *fn = env->fn;
    struct invocation *inv = env->inv;

    log_writer_add(env->invoker->c.logs, fn->account, fn->region, fn->log_group,
                   str_of(env->log_stream), time_ms, text);
    if (!inv || !inv->want_tail)
        return;
    if (text.len >= TAIL_MAX) {
        buf_reset(&inv->tail);
        text = (struct str){text.at + text.len - TAIL_MAX + 1, TAIL_MAX - 1};
    }
    buf_str(&inv->tail, text);
    buf_c(&inv->tail, '\n');
    if (inv->tail.len > TAIL_MAX)
        buf_shift(&inv->tail, inv->tail.len - TAIL_MAX);
}

static void line(struct environment *env, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void
line(struct environment *env, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    report_line(env, (int64_t)clock_wall_ms(),
                (struct str){text, MIN((size_t)MAX(n, 0), sizeof(text) - 1)});
}

void
report_init_start(struct environment *env)
{
    const struct runtime_choice *rt = &env->fn->runtime;

    line(env,
         "INIT_START Runtime Version: %s\tRuntime Version ARN: arn:aws:lambda:%.*s::runtime:%s",
         rt->version_label, STR_FMT(env->fn->region), rt->version_sha256);
}

void
report_init_failed(struct environment *env, const char *phase, const char *status,
                   const char *error_type)
{
    double ms = (double)(clock_us() - env->init_started_us) / 1000.0;

    if (error_type)
        line(env, "INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s\tError Type: %s", ms,
             phase, status, error_type);
    else
        line(env, "INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s", ms, phase, status);
}

void
report_start(struct environment *env)
{
    line(env, "START RequestId: %s Version: %.*s", env->inv->request_id, STR_FMT(env->fn->version));
}

void
report_end(struct environment *env, const char *status)
{
    struct invocation *inv = env->inv;
    struct function *fn = env->fn;
    double ms = (double)(clock_us() - inv->started_us) / 1000.0;
    double init_ms = (double)env->init_us / 1000.0;
    uint64_t used_mb = (sandbox_memory_peak(env->sandbox) + (1u << 20) - 1) >> 20;
    char text[600], init[64] = "", tail[128] = "";
    double billed;

    /* A timeout is reported at the limit: the rest is our own time. */
    if (status && strcmp(status, "timeout") == 0)
        ms = (double)fn->timeout_ms;
    billed = MAX(1.0, ceil(ms + init_ms));
    if (env->init_us)
        snprintf(init, sizeof(init), "Init Duration: %.2f ms\t", init_ms);
    if (status && inv->error_type[0])
        snprintf(tail, sizeof(tail), "Status: %s\tError Type: %s", status, inv->error_type);
    else if (status)
        snprintf(tail, sizeof(tail), "Status: %s", status);
    line(env, "END RequestId: %s", inv->request_id);
    snprintf(text, sizeof(text),
             "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %.0f ms\tMemory Size: %u "
             "MB\tMax Memory Used: %llu MB\t%s%s",
             inv->request_id, ms, billed, fn->memory_mb,
             (unsigned long long)MIN(used_mb, (uint64_t)fn->memory_mb), init, tail);
    report_line(env, (int64_t)clock_wall_ms(), str_of(text));
    env->init_us = 0;
}
