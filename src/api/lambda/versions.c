/* Published versions: a copy of $LATEST that never changes. Publishing what was published already
 * gives that version again, so what is compared is kept as a digest beside the document. */
#include "api/lambda/lambda.h"
#include "gen/aws_error.h"

/* SHA-256 of what makes a version: configuration and code, without what only describes the moment.
 */
static int
digest(struct request *rq, const struct lambda_function_configuration *config, struct str *ret,
       struct err *err)
{
    struct lambda_function_configuration c = *config;
    AUTO_BUF struct buf text = BUF_MAX(1 << 20);
    char hex[SHA256_HEX_LEN + 1];
    uint8_t sum[32];

    c.function_arn = c.version = c.last_modified = c.revision_id = STR_NULL;
    c.state = c.state_reason = c.state_reason_code = STR_NULL;
    c.last_update_status = c.last_update_status_reason = STR_NULL;
    c.last_update_status_reason_code = STR_NULL;
    if (!lambda_function_configuration_write(&c, &text))
        return err_set(err, ERR_TOO_LARGE, "The function's configuration is too large");
    sha256(text.at, text.len, sum);
    hex_encode(sum, sizeof(sum), hex);
    *ret = arena_str(rq->arena, str_of(hex));
    return ret->at ? 0 : err_set(err, ERR_TOO_LARGE, "The request is too large");
}

int
version_publish(struct request *rq, struct txn *t, const struct function_id *id,
                struct function_doc *latest, struct str description,
                struct lambda_function_configuration *ret, struct err *err)
{
    struct function_doc made = *latest;
    struct function_id version_id = *id;
    struct str sum;
    int rc = digest(rq, &latest->config, &sum, err);

    if (rc < 0)
        return rc;
    if (latest->extra.published.at && str_eq(sum, latest->extra.published)) {
        version_id.version = (uint32_t)latest->extra.last_version;
        rc = function_doc_load(rq, t, &version_id, &made, err);
        if (rc >= 0) {
            *ret = made.config;
            return 0;
        }
        if (rc != -ERR_NOT_FOUND)
            return rc;
        err_clear(err); /* that version was deleted: publish a new one */
        rq->message = STR_NULL;
        made = *latest;
    }
    made.row.version = (uint32_t)latest->row.next_version;
    made.row.next_version = 0;
    made.config.version = arena_fmt(rq->arena, "%u", made.row.version);
    made.config.function_arn = arena_fmt(rq->arena, "%.*s:%u", STR_FMT(id->arn), made.row.version);
    if (description.at)
        made.config.description = description;
    function_doc_touch(rq, &made.config);
    made.extra.settling = false;
    made.extra.published = made.extra.tags = STR_NULL;
    made.extra.last_version = 0;
    /* The code is unpacked already: there is nothing that a new version would have to wait for. */
    made.config.state = STR("Active");
    made.config.state_reason = made.config.state_reason_code = STR_NULL;
    made.config.last_update_status = STR("Successful");
    made.config.last_update_status_reason = STR_NULL;
    made.config.last_update_status_reason_code = STR_NULL;
    rc = function_doc_store(rq, &made, err);
    if (rc >= 0)
        rc = store_function_insert(t, &made.row, err);
    if (rc < 0)
        return rc;
    latest->row.next_version++;
    latest->extra.published = sum;
    latest->extra.last_version = made.row.version;
    rc = function_doc_store(rq, latest, err);
    if (rc >= 0)
        rc = store_function_update(t, &latest->row, err);
    if (rc < 0)
        return rc;
    *ret = made.config;
    return 0;
}

int
lambda_publish_version(struct request *rq, const struct lambda_publish_version_in *in,
                       struct lambda_function_configuration *ret, struct err *err)
{
    AUTO(txn_end) struct txn *t = NULL;
    struct function_doc doc;
    struct function_id id;
    int rc;

    rc = function_id_parse(rq, in->function_name, STR_NULL, &id, err);
    if (rc < 0)
        return rc;
    if (id.version)
        return err_set(err, ERR_INVALID,
                       "A version is published from $LATEST, not from version %u.", id.version);
    if (in->publish_to.at)
        return err_set(err, ERR_NOT_IMPLEMENTED, "Lambent does not implement PublishTo yet.");
    rc = txn_begin(rq->api->store, true, &t, err);
    if (rc >= 0)
        rc = function_doc_load_for_update(rq, t, &id, in->revision_id, &doc, err);
    if (rc < 0)
        return rc;
    if (in->code_sha256.at && !str_eq(in->code_sha256, doc.config.code_sha256)) {
        rq->message = arena_fmt(rq->arena,
                                "CodeSHA256 (%.*s) is different from current CodeSHA256 in $LATEST "
                                "(%.*s). Please try again with the CodeSHA256 in $LATEST.",
                                STR_FMT(in->code_sha256), STR_FMT(doc.config.code_sha256));
        return err_set(err, ERR_INVALID, "CodeSHA256 is different from $LATEST's");
    }
    rc = version_publish(rq, t, &id, &doc, in->description, ret, err);
    if (rc >= 0)
        rc = txn_commit(t, err);
    return rc;
}
