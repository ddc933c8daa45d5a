/* awsJson1_0 and 1_1: POST / with X-Amz-Target; all members in one JSON document, both ways. */
#include "gen/aws_error.h"
#include "wire/json.h"
#include "wire/protocol.h"

int
aws_json_read(struct request *rq, const struct op *op, void *in, struct err *err)
{
    return shape_parse(op->in, rq->body, rq->arena, in, err);
}

bool
aws_json_write(struct request *rq, const struct op *op, const char *content_type, const void *out)
{
    rq_set_header(rq, "Content-Type", str_of(content_type));
    /* An operation without an output answers an empty body. */
    return op->out->members_len == 0 || shape_write(op->out, out, &rq->body_out);
}

bool
aws_json_error(struct request *rq, const struct aws_error_row *error, struct str message)
{
    struct buf *to = &rq->body_out;

    return buf_c(to, '{') && json_put_str(to, "__type", str_of(error->name)) &&
           json_put_str(to, "Reason", rq->reason) && json_put_str(to, error->message, message) &&
           buf_c(to, '}');
}
