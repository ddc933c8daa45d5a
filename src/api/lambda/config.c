/* From what a request says to a FunctionConfiguration: the same rules for creating and updating.
 * Members that are absent keep their value; the texts are AWS's (control-plane.md 5.1, 5.2). */
#include "api/lambda/lambda.h"
#include "gen/aws_error.h"
#include "rapi/runtimes.h"
#include "wire/json.h"

enum { VARIABLES_MAX = 4096 };

static int
check_variables(struct request *rq, const struct lambda_environment_variables *vars,
                struct err *err)
{
    AUTO_BUF struct buf measured = BUF_MAX(1 << 20), reserved = BUF_MAX(1 << 16);

    for (size_t i = 0; i < vars->len; i++)
        if (runtime_env_reserved(vars->at[i].key))
            buf_fmt(&reserved, "%s%.*s", reserved.len ? ", " : "", STR_FMT(vars->at[i].key));
    if (reserved.len) {
        rq->message = arena_fmt(
            rq->arena,
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            "for modification. Reserved keys used in this request: %.*s",
            STR_FMT(buf_view(&reserved)));
        return err_set(err, ERR_INVALID, "reserved environment variables");
    }
    buf_c(&measured, '{');
    for (size_t i = 0; i < vars->len; i++) {
        if (i)
            buf_c(&measured, ',');
        json_put_string(&measured, vars->at[i].key);
        buf_c(&measured, ':');
        json_put_string(&measured, vars->at[i].value);
    }
    buf_c(&measured, '}');
    if (measured.overflow || measured.len > VARIABLES_MAX) {
        rq->message = arena_fmt(
            rq->arena,
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided exceeded the 4KB limit. String measured: %.*s",
            STR_FMT(buf_view(&measured)));
        return err_set(err, ERR_INVALID, "environment variables over 4 KB");
    }
    return 0;
}

static int
apply_runtime(struct request *rq, struct str runtime, bool creating,
              struct lambda_function_configuration *config, struct err *err)
{
    const struct runtime_info *info = runtime_info_find(runtime);
    const char *successor;

    if (!info) /* the model's list is checked before; ours must have a row for each */
        return err_set(err, ERR_INVALID, "Value %.*s at 'runtime' is not a runtime",
                       STR_FMT(runtime));
    if (runtime_blocked(info, creating, &successor))
        return err_set(
            err, ERR_INVALID,
            "The runtime parameter of %.*s is no longer supported for creating or updating "
            "AWS Lambda functions. We recommend you use the new runtime (%s) while "
            "creating or updating functions.",
            STR_FMT(runtime), successor);
    config->runtime = runtime;
    return 0;
}

static int
apply_logging(struct request *rq, const struct lambda_logging_config *in,
              struct lambda_function_configuration *config, struct err *err)
{
    struct lambda_logging_config *out = ARENA_NEW(rq->arena, typeof(*out));

    if (!out)
        return err_set(err, ERR_TOO_LARGE, "The request is too large");
    if (config->logging_config)
        *out = *config->logging_config;
    if (in && in->log_format.at)
        out->log_format = in->log_format;
    if (in && in->log_group.at)
        out->log_group = in->log_group;
    if (!out->log_format.at)
        out->log_format = STR("Text");
    if (!out->log_group.at)
        out->log_group = arena_fmt(rq->arena, "/aws/lambda/%.*s", STR_FMT(config->function_name));
    if (in && (in->application_log_level.at || in->system_log_level.at) &&
        !str_is(out->log_format, "JSON"))
        return err_set(
            err, ERR_INVALID,
            "Log Level is not supported when Log Format is set to \"Text\". Remove log "
            "level from your request or change the log format to \"JSON\" and try again.");
    if (str_is(out->log_format, "JSON")) {
        if (in && in->application_log_level.at)
            out->application_log_level = in->application_log_level;
        if (in && in->system_log_level.at)
            out->system_log_level = in->system_log_level;
        if (!out->application_log_level.at)
            out->application_log_level = STR("INFO");
        if (!out->system_log_level.at)
            out->system_log_level = STR("INFO");
    } else {
        out->application_log_level = out->system_log_level = STR_NULL;
    }
    config->logging_config = out;
    return 0;
}

static int
apply_environment(struct request *rq, const struct lambda_environment *in,
                  struct lambda_function_configuration *config, struct err *err)
{
    struct lambda_environment_response *out;
    int rc = check_variables(rq, &in->variables, err);

    if (rc < 0)
        return rc;
    if (in->variables.len == 0) {
        config->environment = NULL;
        return 0;
    }
    out = ARENA_NEW(rq->arena, typeof(*out));
    if (!out)
        return err_set(err, ERR_TOO_LARGE, "The request is too large");
    out->variables = in->variables;
    config->environment = out;
    return 0;
}

static int
apply_vpc(struct request *rq, const struct lambda_vpc_config *in,
          struct lambda_function_configuration *config, struct err *err)
{
    struct lambda_vpc_config_response *out = ARENA_NEW(rq->arena, typeof(*out));

    if (!out)
        return err_set(err, ERR_TOO_LARGE, "The request is too large");
    out->subnet_ids = in->subnet_ids;
    out->security_group_ids = in->security_group_ids;
    out->subnet_ids.set = out->security_group_ids.set = true;
    out->vpc_id = STR("");
    out->ipv6_allowed_for_dual_stack =
        in->ipv6_allowed_for_dual_stack.set ? in->ipv6_allowed_for_dual_stack : OPT_BOOL(false);
    if (in->subnet_ids.len == 0 && !config->vpc_config)
        return 0; /* never set and still empty: not shown */
    config->vpc_config = out;
    return 0;
}

int
config_apply(struct request *rq, const struct config_change *c,
             struct lambda_function_configuration *config, struct err *err)
{
    bool creating = !config->revision_id.at;
    int rc = 0;

    if (c->layers && c->layers->len > 0)
        return err_set(err, ERR_INVALID, "Layer version %.*s does not exist.",
                       STR_FMT(c->layers->at[0]));
    if (c->image_config)
        return err_set(err, ERR_INVALID,
                       "ImageConfig is not supported for functions of package type Zip.");
    if (c->runtime.at)
        rc = apply_runtime(rq, c->runtime, creating, config, err);
    if (rc >= 0 && c->environment)
        rc = apply_environment(rq, c->environment, config, err);
    if (rc >= 0 && (c->logging_config || !config->logging_config))
        rc = apply_logging(rq, c->logging_config, config, err);
    if (rc >= 0 && c->vpc_config)
        rc = apply_vpc(rq, c->vpc_config, config, err);
    if (rc < 0)
        return rc;
    if (c->role.at)
        config->role = c->role;
    if (c->handler.at)
        config->handler = c->handler;
    if (c->description.at)
        config->description = c->description;
    if (c->timeout.set)
        config->timeout = c->timeout;
    if (c->memory_size.set)
        config->memory_size = c->memory_size;
    if (c->kms_key_arn.at)
        config->kms_key_arn = c->kms_key_arn.len ? c->kms_key_arn : STR_NULL;
    if (c->dead_letter_config) {
        struct lambda_dead_letter_config *dlq = ARENA_NEW(rq->arena, typeof(*dlq));

        if (!dlq)
            return err_set(err, ERR_TOO_LARGE, "The request is too large");
        *dlq = *c->dead_letter_config;
        config->dead_letter_config = dlq->target_arn.len ? dlq : NULL;
    }
    if (c->tracing_config && c->tracing_config->mode.at) {
        struct lambda_tracing_config_response *tracing = ARENA_NEW(rq->arena, typeof(*tracing));

        if (!tracing)
            return err_set(err, ERR_TOO_LARGE, "The request is too large");
        tracing->mode = c->tracing_config->mode;
        config->tracing_config = tracing;
    }
    if (c->ephemeral_storage) {
        struct lambda_ephemeral_storage *tmp = ARENA_NEW(rq->arena, typeof(*tmp));

        if (!tmp)
            return err_set(err, ERR_TOO_LARGE, "The request is too large");
        *tmp = *c->ephemeral_storage;
        config->ephemeral_storage = tmp;
    }
    if (c->snap_start && c->snap_start->apply_on.at) {
        struct lambda_snap_start_response *snap = ARENA_NEW(rq->arena, typeof(*snap));

        if (!snap)
            return err_set(err, ERR_TOO_LARGE, "The request is too large");
        snap->apply_on = c->snap_start->apply_on;
        snap->optimization_status = STR("Off");
        config->snap_start = snap;
    }
    return 0;
}
