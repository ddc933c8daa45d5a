/* Functions: create, get, update, delete, list. Handlers run on a worker; each does its slow part
 * (unpacking) first and its transaction last, so that the store is never held by a zip. */
#include "api/lambda/lambda.h"
#include "gen/aws_error.h"
#include "rapi/runtimes.h"

enum { PAGE_MAX = 50 };

/* ---- after the answer ---- */

struct changed {
    struct str account, region, name;
    uint32_t version;
    bool settle;
};

static void
after_change(struct request *rq)
{
    struct changed *c = rq->after_arg;

    if (c->settle)
        lambda_settle_start(rq->api, c->account, c->region, c->name, c->version);
    else
        invoke_forget(rq->api->invoker, c->account, c->region, c->name);
}

int
function_changed(struct request *rq, const struct function_id *id, bool settle, struct err *err)
{
    struct changed *c = ARENA_NEW(rq->arena, typeof(*c));

    if (!c)
        return err_set(err, ERR_TOO_LARGE, "The request is too large");
    *c = (struct changed){rq->account, rq->region, id->name, id->version, settle};
    rq->after = after_change;
    rq->after_arg = c;
    return 0;
}

/* Two requests with the same members, of two generated types. */
#define CHANGE_OF(in)                                                                              \
    ((struct config_change){.runtime = (in)->runtime,                                              \
                            .role = (in)->role,                                                    \
                            .handler = (in)->handler,                                              \
                            .description = (in)->description,                                      \
                            .timeout = (in)->timeout,                                              \
                            .memory_size = (in)->memory_size,                                      \
                            .vpc_config = (in)->vpc_config,                                        \
                            .dead_letter_config = (in)->dead_letter_config,                        \
                            .environment = (in)->environment,                                      \
                            .kms_key_arn = (in)->kms_key_arn,                                      \
                            .tracing_config = (in)->tracing_config,                                \
                            .layers = &(in)->layers,                                               \
                            .ephemeral_storage = (in)->ephemeral_storage,                          \
                            .snap_start = (in)->snap_start,                                        \
                            .logging_config = (in)->logging_config,                                \
                            .image_config = (in)->image_config})

/* ---- create ---- */

static int
new_config(struct request *rq, const struct lambda_create_function_in *in,
           const struct function_id *id, struct lambda_function_configuration *config,
           struct err *err)
{
    struct arena *a = rq->arena;
    struct lambda_ephemeral_storage *tmp = ARENA_NEW(a, typeof(*tmp));
    struct lambda_snap_start_response *snap = ARENA_NEW(a, typeof(*snap));
    struct lambda_tracing_config_response *tracing = ARENA_NEW(a, typeof(*tracing));
    struct lambda_runtime_version_config *version = ARENA_NEW(a, typeof(*version));
    struct str *arch = ARENA_ARRAY(a, struct str, 1);
    struct config_change change = CHANGE_OF(in);
    int rc;

    if (!tmp || !snap || !tracing || !version || !arch)
        return err_set(err, ERR_TOO_LARGE, "The request is too large");
    tmp->size = OPT_INT(512);
    *snap = (struct lambda_snap_start_response){STR("None"), STR("Off")};
    tracing->mode = STR("PassThrough");
    arch[0] = STR("x86_64");
    *config = (struct lambda_function_configuration){
        .function_name = id->name,
        .function_arn = id->arn,
        .description = STR(""),
        .timeout = OPT_INT(3),
        .memory_size = OPT_INT(128),
        .version = STR("$LATEST"),
        .tracing_config = tracing,
        .state = STR("Pending"),
        .state_reason = STR("The function is being created."),
        .state_reason_code = STR("Creating"),
        .package_type = STR("Zip"),
        .architectures = {arch, 1, true},
        .ephemeral_storage = tmp,
        .snap_start = snap,
    };
    if (in->architectures.len > 0)
        config->architectures = in->architectures;
    rc = config_apply(rq, &change, config, err);
    if (rc < 0)
        return rc;
    config->runtime_version_config = version;
    version->runtime_version_arn = runtime_version_arn(rq->arena, rq->region, config->runtime);
    function_doc_touch(rq, config);
    return 0;
}

static int
create_check(struct request *rq, const struct lambda_create_function_in *in,
             const struct function_id *id, struct err *err)
{
    AUTO(txn_end) struct txn *t = NULL;
    struct function_row row;
    int rc;

    if (str_is(in->package_type, "Image") || in->code->image_uri.at)
        return err_set(err, ERR_NOT_IMPLEMENTED,
                       "Lambent does not run container images yet: use PackageType Zip.");
    if (!in->runtime.at || !in->handler.at)
        return err_set(err, ERR_INVALID,
                       "Runtime and Handler are mandatory parameters for functions created with "
                       "deployment packages.");
    if (in->capacity_provider_config || in->durable_config || in->tenancy_config ||
        in->file_system_configs.len > 0 || in->publish_to.at)
        return err_set(err, ERR_NOT_IMPLEMENTED,
                       "Lambent does not implement CapacityProviderConfig, DurableConfig, "
                       "TenancyConfig, FileSystemConfigs or PublishTo yet.");
    if (id->qualifier.at)
        return err_set(err, ERR_INVALID, "A function's name for CreateFunction has no qualifier.");
    rc = txn_begin(rq->api->store, false, &t, err);
    if (rc < 0)
        return rc;
    rc = store_function_get(t, rq->arena, rq->account, rq->region, id->name, 0, &row, err);
    if (rc == -ERR_NOT_FOUND) {
        err_clear(err);
        return 0;
    }
    if (rc < 0)
        return rc;
    return err_set(err, ERR_CONFLICT, "Function already exist: %.*s", STR_FMT(id->name));
}

int
lambda_create_function(struct request *rq, const struct lambda_create_function_in *in,
                       struct lambda_function_configuration *ret, struct err *err)
{
    AUTO(txn_end) struct txn *t = NULL;
    struct function_doc doc = {0};
    struct package_info package;
    struct function_id id;
    int rc;

    rc = function_id_parse(rq, in->function_name, STR_NULL, &id, err);
    if (rc >= 0)
        rc = create_check(rq, in, &id, err);
    if (rc >= 0)
        rc = new_config(rq, in, &id, &doc.config, err);
    if (rc >= 0)
        rc = code_put(rq, in->code->zip_file, in->code->s3_bucket, in->code->s3_key,
                      in->code->image_uri, &package, err);
    if (rc < 0)
        return rc;
    doc.row = (struct function_row){
        .account = rq->account, .region = rq->region, .name = id.name, .next_version = 1};
    doc.extra.settling = true;
    code_apply(rq, &package, &doc);
    if (in->tags.len > 0)
        rc = tags_write(rq, &in->tags, &doc.extra.tags, err);
    if (rc >= 0)
        rc = function_doc_store(rq, &doc, err);
    if (rc >= 0)
        rc = txn_begin(rq->api->store, true, &t, err);
    if (rc >= 0)
        rc = store_function_insert(t, &doc.row, err);
    if (rc == -ERR_CONFLICT) {
        err_clear(err);
        return err_set(err, ERR_CONFLICT, "Function already exist: %.*s", STR_FMT(id.name));
    }
    *ret = doc.config;
    if (rc >= 0 && in->publish.value)
        rc = version_publish(rq, t, &id, &doc, in->description, ret, err);
    if (rc >= 0)
        rc = function_changed(rq, &id, true, err);
    if (rc >= 0)
        rc = txn_commit(t, err);
    return rc;
}

/* ---- read ---- */

static int
load_for_reading(struct request *rq, struct str name, struct str qualifier, struct function_id *id,
                 struct function_doc *doc, struct err *err)
{
    AUTO(txn_end) struct txn *t = NULL;
    int rc = function_id_parse(rq, name, qualifier, id, err);

    if (rc >= 0)
        rc = txn_begin(rq->api->store, false, &t, err);
    if (rc >= 0)
        rc = function_doc_load(rq, t, id, doc, err);
    if (rc >= 0)
        config_present(rq, id, &doc->config);
    return rc;
}

int
lambda_get_function(struct request *rq, const struct lambda_get_function_in *in,
                    struct lambda_get_function_out *ret, struct err *err)
{
    struct lambda_function_code_location *code = ARENA_NEW(rq->arena, typeof(*code));
    struct function_doc *doc = ARENA_NEW(rq->arena, typeof(*doc));
    struct function_id id;
    int rc;

    if (!code || !doc)
        return err_set(err, ERR_TOO_LARGE, "The request is too large");
    rc = load_for_reading(rq, in->function_name, in->qualifier, &id, doc, err);
    if (rc < 0)
        return rc;
    code->repository_type = STR("S3");
    code->location = lambda_code_link(rq, doc->row.package);
    ret->configuration = &doc->config;
    ret->code = code;
    if (doc->extra.tags.at)
        return tags_read(rq, doc->extra.tags, &ret->tags, err);
    return 0;
}

int
lambda_get_function_configuration(struct request *rq,
                                  const struct lambda_get_function_configuration_in *in,
                                  struct lambda_function_configuration *ret, struct err *err)
{
    struct function_doc doc;
    struct function_id id;
    int rc = load_for_reading(rq, in->function_name, in->qualifier, &id, &doc, err);

    if (rc >= 0)
        *ret = doc.config;
    return rc;
}

/* ---- update ---- */

static int
store_update(struct request *rq, struct txn *t, const struct function_id *id,
             struct function_doc *doc, struct err *err)
{
    int rc;

    function_doc_touch(rq, &doc->config);
    doc->extra.settling = true;
    doc->config.last_update_status = STR("InProgress");
    doc->config.last_update_status_reason = STR("The function is being created.");
    doc->config.last_update_status_reason_code = STR("Creating");
    rc = function_doc_store(rq, doc, err);
    if (rc >= 0)
        rc = store_function_update(t, &doc->row, err);
    return rc;
}

/* Updates act on $LATEST only. */
static int
parse_latest(struct request *rq, struct str name, struct function_id *id, struct err *err)
{
    int rc = function_id_parse(rq, name, STR_NULL, id, err);

    if (rc >= 0 && id->version != 0)
        return err_set(err, ERR_INVALID, "Only $LATEST can be updated, not version %u of %.*s.",
                       id->version, STR_FMT(id->name));
    return rc;
}

int
lambda_update_function_code(struct request *rq, const struct lambda_update_function_code_in *in,
                            struct lambda_function_configuration *ret, struct err *err)
{
    AUTO(txn_end) struct txn *t = NULL;
    struct package_info package;
    struct function_doc doc;
    struct function_id id;
    int rc;

    rc = parse_latest(rq, in->function_name, &id, err);
    if (rc >= 0) { /* before the slow part: is there anything to update? */
        AUTO(txn_end) struct txn *look = NULL;

        rc = txn_begin(rq->api->store, false, &look, err);
        if (rc >= 0)
            rc = function_doc_load_for_update(rq, look, &id, in->revision_id, &doc, err);
    }
    if (rc >= 0)
        rc = code_put(rq, in->zip_file, in->s3_bucket, in->s3_key, in->image_uri, &package, err);
    if (rc >= 0)
        rc = txn_begin(rq->api->store, true, &t, err);
    if (rc >= 0)
        rc = function_doc_load_for_update(rq, t, &id, in->revision_id, &doc, err);
    if (rc < 0)
        return rc;
    code_apply(rq, &package, &doc);
    if (in->architectures.len > 0)
        doc.config.architectures = in->architectures;
    if (in->dry_run.value) {
        *ret = doc.config;
        return 0;
    }
    rc = store_update(rq, t, &id, &doc, err);
    *ret = doc.config;
    if (rc >= 0 && in->publish.value)
        rc = version_publish(rq, t, &id, &doc, STR_NULL, ret, err);
    if (rc >= 0)
        rc = function_changed(rq, &id, true, err);
    if (rc >= 0)
        rc = txn_commit(t, err);
    return rc;
}

int
lambda_update_function_configuration(struct request *rq,
                                     const struct lambda_update_function_configuration_in *in,
                                     struct lambda_function_configuration *ret, struct err *err)
{
    AUTO(txn_end) struct txn *t = NULL;
    struct function_doc doc;
    struct function_id id;
    struct config_change change = CHANGE_OF(in);
    int rc;

    rc = parse_latest(rq, in->function_name, &id, err);
    if (rc >= 0 &&
        (in->capacity_provider_config || in->durable_config || in->file_system_configs.len > 0))
        return err_set(err, ERR_NOT_IMPLEMENTED,
                       "Lambent does not implement CapacityProviderConfig, DurableConfig or "
                       "FileSystemConfigs yet.");
    if (rc >= 0)
        rc = txn_begin(rq->api->store, true, &t, err);
    if (rc >= 0)
        rc = function_doc_load_for_update(rq, t, &id, in->revision_id, &doc, err);
    if (rc >= 0)
        rc = config_apply(rq, &change, &doc.config, err);
    if (rc < 0)
        return rc;
    if (in->runtime.at && doc.config.runtime_version_config)
        doc.config.runtime_version_config->runtime_version_arn =
            runtime_version_arn(rq->arena, rq->region, in->runtime);
    rc = store_update(rq, t, &id, &doc, err);
    if (rc >= 0)
        rc = function_changed(rq, &id, true, err);
    if (rc >= 0)
        rc = txn_commit(t, err);
    *ret = doc.config;
    return rc;
}

/* ---- delete ---- */

int
lambda_delete_function(struct request *rq, const struct lambda_delete_function_in *in,
                       struct lambda_delete_function_out *ret, struct err *err)
{
    AUTO(txn_end) struct txn *t = NULL;
    struct function_id id;
    int rc;

    rc = function_id_parse(rq, in->function_name, in->qualifier, &id, err);
    if (rc < 0)
        return rc;
    if (str_is(id.qualifier, "$LATEST"))
        return err_set(err, ERR_INVALID,
                       "$LATEST version cannot be deleted without deleting the function.");
    rc = txn_begin(rq->api->store, true, &t, err);
    if (rc >= 0)
        rc = store_function_delete(t, rq->account, rq->region, id.name, id.version, err);
    if (rc == -ERR_NOT_FOUND) {
        err_clear(err);
        return function_id_not_found(rq, &id, err);
    }
    if (rc >= 0)
        rc = function_changed(rq, &id, false, err);
    if (rc >= 0)
        rc = txn_commit(t, err);
    return rc;
}

/* ---- list ---- */

/* Markers are opaque: base64 of "name version", where the page before ended. */
static struct str
marker_make(struct request *rq, const struct function_row *last)
{
    struct str plain = arena_fmt(rq->arena, "%.*s %u", STR_FMT(last->name), last->version);
    char *text = arena_alloc(rq->arena, base64_len(plain.len) + 1);

    if (!plain.at || !text)
        return STR_NULL;
    base64_encode(plain.at, plain.len, text);
    return str_of(text);
}

static int
marker_read(struct request *rq, struct str marker, struct str *ret_name, int64_t *ret_version,
            struct err *err)
{
    char *plain = arena_alloc(rq->arena, marker.len + 4);
    ssize_t n = plain && marker.len <= 400 ? base64_decode(marker, (uint8_t *)plain) : -1;
    struct str text = {plain, n > 0 ? (size_t)n : 0};
    ssize_t blank = n > 0 ? str_find(text, ' ') : -1;

    if (blank <= 0 || !str_int((struct str){text.at + blank + 1, text.len - (size_t)blank - 1}, 0,
                               UINT32_MAX, ret_version))
        return err_set(err, ERR_INVALID, "Invalid Marker: %.*s", (int)MIN(marker.len, (size_t)80),
                       marker.at);
    *ret_name = (struct str){text.at, (size_t)blank};
    return 0;
}

static int
list(struct request *rq, struct str name, bool all, struct str marker, struct opt_int max_items,
     struct lambda_function_list *ret, struct str *ret_marker, struct err *err)
{
    size_t limit = (size_t)(max_items.set ? MIN(max_items.value, (int64_t)PAGE_MAX) : PAGE_MAX),
           len;
    AUTO(txn_end) struct txn *t = NULL;
    struct lambda_function_configuration *configs;
    struct str after = STR_NULL;
    struct function_row *rows;
    int64_t after_version = -1;
    int rc = 0;

    if (marker.len)
        rc = marker_read(rq, marker, &after, &after_version, err);
    if (rc >= 0)
        rc = txn_begin(rq->api->store, false, &t, err);
    if (rc >= 0)
        rc = store_function_list(t, rq->arena, rq->account, rq->region, name, all, after,
                                 after_version, limit + 1, &rows, &len, err);
    if (rc < 0)
        return rc;
    configs = ARENA_ARRAY(rq->arena, typeof(*configs), MAX(len, (size_t)1));
    if (!configs)
        return err_set(err, ERR_TOO_LARGE, "The page is too large");
    ret->set = true;
    ret->at = configs;
    ret->len = MIN(len, limit);
    for (size_t i = 0; i < ret->len; i++) {
        rc = lambda_function_configuration_parse(rows[i].doc, rq->arena, &configs[i], err);
        if (rc < 0)
            return err_wrap(err, "stored document of %.*s", STR_FMT(rows[i].name));
        if (all && rows[i].version == 0)
            configs[i].function_arn =
                arena_fmt(rq->arena, "%.*s:$LATEST", STR_FMT(configs[i].function_arn));
        configs[i].state = configs[i].state_reason = configs[i].state_reason_code = STR_NULL;
        configs[i].last_update_status = configs[i].last_update_status_reason =
            configs[i].last_update_status_reason_code = STR_NULL;
        configs[i].runtime_version_config = NULL;
    }
    if (len > limit)
        *ret_marker = marker_make(rq, &rows[limit - 1]);
    if (len > limit && !ret_marker->at) /* without it the page would look like the last one */
        return err_set(err, ERR_TOO_LARGE, "The page is too large");
    return 0;
}

int
lambda_runtimes_in_use(struct api *api, struct arena *a, struct str *ret, size_t max,
                       size_t *ret_len, struct err *err)
{
    enum { LOOK_AT = 1000 };
    AUTO(txn_end) struct txn *t = NULL;
    struct function_row *rows;
    size_t len, n = 0;
    int rc;

    rc = txn_begin(api->store, false, &t, err);
    if (rc >= 0)
        rc =
            store_function_list(t, a, str_of(api->settings->account), str_of(api->settings->region),
                                STR_NULL, false, STR_NULL, -1, LOOK_AT, &rows, &len, err);
    for (size_t i = 0; rc >= 0 && i < len && n < max; i++) {
        struct lambda_function_configuration *c = ARENA_NEW(a, typeof(*c));
        size_t k = 0;

        if (!c)
            break;
        rc = lambda_function_configuration_parse(rows[i].doc, a, c, err);
        while (rc >= 0 && k < n && !str_eq(ret[k], c->runtime))
            k++;
        if (rc >= 0 && k == n && c->runtime.at)
            ret[n++] = c->runtime;
    }
    *ret_len = n;
    return rc;
}

int
lambda_list_functions(struct request *rq, const struct lambda_list_functions_in *in,
                      struct lambda_list_functions_out *ret, struct err *err)
{
    return list(rq, STR_NULL, str_is(in->function_version, "ALL"), in->marker, in->max_items,
                &ret->functions, &ret->next_marker, err);
}

int
lambda_list_versions_by_function(struct request *rq,
                                 const struct lambda_list_versions_by_function_in *in,
                                 struct lambda_list_versions_by_function_out *ret, struct err *err)
{
    struct function_doc doc;
    struct function_id id;
    int rc = load_for_reading(rq, in->function_name, STR_NULL, &id, &doc, err);

    if (rc < 0)
        return rc;
    return list(rq, id.name, true, in->marker, in->max_items, &ret->versions, &ret->next_marker,
                err);
}
