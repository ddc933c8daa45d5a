/* Function documents: what stands in the store, as the structures that handlers work on. */
#include "api/lambda/lambda.h"
#include "gen/aws_error.h"
#include <jansson.h>
#include <sys/time.h>
#include <time.h>

int
function_doc_load(struct request *rq, struct txn *t, const struct function_id *id,
                  struct function_doc *ret, struct err *err)
{
    struct function_doc doc = {0};
    json_error_t at;
    json_t *extra;
    int rc;

    rc = store_function_get(t, rq->arena, rq->account, rq->region, id->name, id->version, &doc.row,
                            err);
    if (rc == -ERR_NOT_FOUND) {
        err_clear(err);
        return function_id_not_found(rq, id, err);
    }
    if (rc < 0)
        return rc;
    rc = lambda_function_configuration_parse(doc.row.doc, rq->arena, &doc.config, err);
    if (rc < 0)
        return err_wrap(err, "stored document of %.*s", STR_FMT(id->name));
    extra = json_loadb(doc.row.extra.at ? doc.row.extra.at : "{}",
                       doc.row.extra.at ? doc.row.extra.len : 2, 0, &at);
    if (!extra)
        return err_set(err, ERR_INTERNAL, "stored extra of %.*s: %s", STR_FMT(id->name), at.text);
    doc.extra.settling = json_is_true(json_object_get(extra, "settling"));
    doc.extra.tags =
        arena_str(rq->arena, str_of(json_string_value(json_object_get(extra, "tags"))));
    doc.extra.published =
        arena_str(rq->arena, str_of(json_string_value(json_object_get(extra, "published"))));
    doc.extra.last_version = json_integer_value(json_object_get(extra, "last_version"));
    json_decref(extra);
    *ret = doc;
    return 0;
}

int
function_doc_load_for_update(struct request *rq, struct txn *t, const struct function_id *id,
                             struct str revision_id, struct function_doc *ret, struct err *err)
{
    int rc = function_doc_load(rq, t, id, ret, err);

    if (rc < 0)
        return rc;
    if (revision_id.at && !str_eq(revision_id, ret->config.revision_id))
        return err_set(err, ERR_PRECONDITION,
                       "The Revision Id provided does not match the latest Revision Id. Call the "
                       "GetFunction/GetAlias API to retrieve the latest Revision Id");
    if (str_is(ret->config.state, "Pending"))
        return err_set(
            err, ERR_CONFLICT,
            "The operation cannot be performed at this time. The function is currently in "
            "the following state: Pending");
    if (str_is(ret->config.last_update_status, "InProgress"))
        return err_set(
            err, ERR_CONFLICT,
            "The operation cannot be performed at this time. An update is in progress for "
            "resource: %.*s",
            STR_FMT(id->arn));
    return 0;
}

int
function_doc_store(struct request *rq, struct function_doc *doc, struct err *err)
{
    AUTO_BUF struct buf text = BUF_MAX(1 << 20);
    json_t *extra = json_object();
    char *dump;

    if (!lambda_function_configuration_write(&doc->config, &text)) {
        json_decref(extra);
        return err_set(err, ERR_TOO_LARGE, "The function's configuration is too large");
    }
    doc->row.doc = arena_str(rq->arena, buf_view(&text));
    json_object_set_new(extra, "settling", json_boolean(doc->extra.settling));
    if (doc->extra.tags.at)
        json_object_set_new(extra, "tags", json_stringn(doc->extra.tags.at, doc->extra.tags.len));
    if (doc->extra.published.at)
        json_object_set_new(extra, "published",
                            json_stringn(doc->extra.published.at, doc->extra.published.len));
    if (doc->extra.last_version)
        json_object_set_new(extra, "last_version", json_integer(doc->extra.last_version));
    dump = json_dumps(extra, JSON_COMPACT);
    json_decref(extra);
    ASSERT(dump);
    doc->row.extra = arena_str(rq->arena, str_of(dump));
    free(dump);
    if (!doc->row.doc.at || !doc->row.extra.at)
        return err_set(err, ERR_TOO_LARGE, "The function's configuration is too large");
    return 0;
}

void
function_doc_touch(struct request *rq, struct lambda_function_configuration *config)
{
    char uuid[UUID_LEN + 1], day[40];
    struct timeval now;
    struct tm tm;

    gettimeofday(&now, NULL);
    gmtime_r(&now.tv_sec, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    uuid_make(uuid);
    config->last_modified = arena_fmt(rq->arena, "%s.%03ld+0000", day, (long)(now.tv_usec / 1000));
    config->revision_id = arena_str(rq->arena, str_of(uuid));
}

/* An ARN ends in the qualifier that the caller gave; versions always name themselves. */
void
config_present(struct request *rq, const struct function_id *id,
               struct lambda_function_configuration *config)
{
    if (id->qualifier.at)
        config->function_arn = id->full_arn;
}
