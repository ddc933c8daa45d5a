/* Inside of src/wire: what a protocol is. A further one is a file with these three functions and a
 * row in op.c. */
#pragma once

#include "wire/op.h"

struct protocol_calls {
    const char *name; /* as Smithy calls it */
    const char *content_type;
    /* Request to `in` (zeroed), not yet validated. Errors: INVALID, TOO_LARGE. */
    int (*read)(struct request *rq, const struct op *op, void *in, struct err *err);
    /* `out` to status, headers and body. False: body_out or the arena is full. */
    bool (*write)(struct request *rq, const struct op *op, const char *content_type,
                  const void *out);
    /* The body of an error. False: body_out is full. */
    bool (*error)(struct request *rq, const struct aws_error_row *error, struct str message);
};

int rest_json_read(struct request *rq, const struct op *op, void *in, struct err *err);
bool rest_json_write(struct request *rq, const struct op *op, const char *content_type,
                     const void *out);
bool rest_json_error(struct request *rq, const struct aws_error_row *error, struct str message);

int aws_json_read(struct request *rq, const struct op *op, void *in, struct err *err);
bool aws_json_write(struct request *rq, const struct op *op, const char *content_type,
                    const void *out);
bool aws_json_error(struct request *rq, const struct aws_error_row *error, struct str message);
