/* Shared by the handlers of Lambda's resources. Thread: a worker, unless said otherwise. */
#pragma once

#include "api/api.h"
#include "gen/lambda.h"

/* A function named by a caller: "name", "name:q", "123456789012:function:name[:q]" or a full ARN.
 */
struct function_id {
    struct str name;
    struct str qualifier; /* absent: none was given; "$LATEST" stays as it is */
    uint32_t version;     /* of a numeric qualifier; 0 for $LATEST and none */
    struct str arn;       /* of the function, unqualified */
    struct str full_arn;  /* with the qualifier as given */
};

/* `qualifier` is the separate parameter, or absent. Errors: INVALID for contradictions and foreign
 * regions, NOT_FOUND (with AWS's text) for foreign accounts and for qualifiers that cannot exist.
 */
int function_id_parse(struct request *rq, struct str text, struct str qualifier,
                      struct function_id *ret, struct err *err);
int function_id_not_found(struct request *rq, const struct function_id *id, struct err *err);

/* One version's row and its document, parsed. */
struct function_doc {
    struct function_row row;
    struct lambda_function_configuration config;
    struct function_extra {
        bool settling;        /* Pending or InProgress: somebody will finish it */
        struct str tags;      /* JSON object, or absent */
        struct str published; /* the digest when the last version was published */
        int64_t last_version; /* the number of that version */
    } extra;
};
int function_doc_load(struct request *rq, struct txn *t, const struct function_id *id,
                      struct function_doc *ret, struct err *err);
/* $LATEST, when it may be changed now. Errors: PRECONDITION (revision_id, absent: any), CONFLICT
 * (it is being created or updated), NOT_FOUND. */
int function_doc_load_for_update(struct request *rq, struct txn *t, const struct function_id *id,
                                 struct str revision_id, struct function_doc *ret, struct err *err);
/* Write config and extra back into the row's texts (in the request's arena). */
int function_doc_store(struct request *rq, struct function_doc *doc, struct err *err);

/* "2024-01-01T00:00:00.000+0000" of now, and a new RevisionId. */
void function_doc_touch(struct request *rq, struct lambda_function_configuration *config);

/* config.c: request members -> configuration; checks that span members (AWS's texts). */
struct config_change {
    struct str runtime, role, handler, description;
    struct opt_int timeout, memory_size;
    const struct lambda_vpc_config *vpc_config;
    const struct lambda_dead_letter_config *dead_letter_config;
    const struct lambda_environment *environment;
    struct str kms_key_arn;
    const struct lambda_tracing_config *tracing_config;
    const struct lambda_layer_list *layers;
    const struct lambda_ephemeral_storage *ephemeral_storage;
    const struct lambda_snap_start *snap_start;
    const struct lambda_logging_config *logging_config;
    const struct lambda_image_config *image_config;
};
int config_apply(struct request *rq, const struct config_change *change,
                 struct lambda_function_configuration *config, struct err *err);
/* A package from the request: zip checked and unpacked. Blocks for as long as that takes. */
int code_put(struct request *rq, struct str zip_file, struct str s3_bucket, struct str s3_key,
             struct str image_uri, struct package_info *ret, struct err *err);
void code_apply(struct request *rq, const struct package_info *info, struct function_doc *doc);

/* PublishVersion's work inside a transaction; `latest` is $LATEST's document. */
int version_publish(struct request *rq, struct txn *t, const struct function_id *id,
                    struct function_doc *latest, struct str description,
                    struct lambda_function_configuration *ret, struct err *err);
/* What a changed function needs once the answer goes out; settle: also start settling `version`. To
 * be called before the commit: it needs memory of the request's, and after a commit nothing may
 * fail. */
int function_changed(struct request *rq, const struct function_id *id, bool settle,
                     struct err *err);

/* tags.c. Errors: INVALID, more or longer ones than AWS allows; TOO_LARGE. */
int tags_write(struct request *rq, const struct lambda_tags *tags, struct str *ret,
               struct err *err);
int tags_read(struct request *rq, struct str text, struct lambda_tags *ret, struct err *err);

/* What GetFunctionConfiguration hides or adds for this way of asking (qualified ARNs and such). */
void config_present(struct request *rq, const struct function_id *id,
                    struct lambda_function_configuration *config);
