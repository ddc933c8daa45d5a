/* restJson1: members lie in the path, the query, headers and a JSON body, as the model says. */
#include <jansson.h>

#include "gen/aws_error.h"
#include "wire/json.h"
#include "wire/protocol.h"
#include "wire/shape_slots.h"

/* ---- request ---- */

static int
read_query(struct request *rq, const struct member *m, void *slot, struct err *err)
{
    const struct shape *shape = m->shape;
    struct str *values;
    size_t n;
    int rc;

    rc = rq_query_all(rq, m->wire, &values, &n, err);
    if (rc < 0 || n == 0)
        return rc;
    if (shape->type != SHAPE_LIST) /* the first counts */
        return shape_parse_text(shape, m->iso_time, values[0], rq->arena, slot, err);
    struct shape_items *items = slot;

    items->at = n > SIZE_MAX / 2 / shape->size ? NULL : arena_alloc(rq->arena, n * shape->size);
    if (!items->at)
        return shape_full(err);
    items->set = true;
    for (; items->len < n; items->len++) {
        rc = shape_parse_text(shape->element, m->iso_time, values[items->len], rq->arena,
                              (char *)items->at + items->len * shape->size, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int
read_payload(struct request *rq, const struct member *m, void *slot, struct err *err)
{
    if (m->shape->type == SHAPE_BLOB || m->shape->type == SHAPE_STRING) {
        *(struct str *)slot = (struct str){rq->body.at ? rq->body.at : "", rq->body.len};
        return 0;
    }
    ASSERT(m->shape->type == SHAPE_STRUCTURE);
    if (rq->body.len == 0)
        return 0;
    void *value = arena_alloc(rq->arena, MAX(m->shape->size, 1u));

    if (!value)
        return shape_full(err);
    *(void **)slot = value;
    return shape_parse(m->shape, rq->body, rq->arena, value, err);
}

int
rest_json_read(struct request *rq, const struct op *op, void *in, struct err *err)
{
    const struct shape *shape = op->in;
    bool body = false;
    int rc = 0;

    for (uint32_t i = 0; i < shape->members_len; i++) {
        const struct member *m = &shape->members[i];
        void *slot = slot_in(m, in);

        switch ((enum member_place)m->place) {
        case PLACE_BODY:
            body = true;
            break;
        case PLACE_LABEL:
            rc =
                shape_parse_text(m->shape, m->iso_time, rq->labels[m->label], rq->arena, slot, err);
            break;
        case PLACE_QUERY:
            rc = read_query(rq, m, slot, err);
            break;
        case PLACE_HEADER: {
            struct str value = rq_header(rq, m->wire);

            if (value.at)
                rc = shape_parse_text(m->shape, m->iso_time, value, rq->arena, slot, err);
            break;
        }
        case PLACE_PAYLOAD:
            rc = read_payload(rq, m, slot, err);
            break;
        case PLACE_STATUS:
            break;
        }
        if (rc < 0)
            return rc;
    }
    if (body && rq->body.len > 0) {
        json_t *json;

        rc = shape_load(rq->body, &json, err);
        if (rc < 0)
            return rc;
        rc = shape_parse_json(shape, json, true, rq->arena, in, err);
        json_decref(json);
    }
    return rc;
}

/* ---- answer ---- */

bool
rest_json_write(struct request *rq, const struct op *op, const char *content_type, const void *out)
{
    const struct shape *shape = op->out;
    const struct member *payload = NULL;
    bool body = false;

    for (uint32_t i = 0; i < shape->members_len; i++) {
        const struct member *m = &shape->members[i];
        const void *slot = slot_at(m, out);
        struct str text;

        switch ((enum member_place)m->place) {
        case PLACE_BODY:
            body = true;
            break;
        case PLACE_PAYLOAD:
            payload = m;
            break;
        case PLACE_STATUS:
            if (((const struct opt_int *)slot)->set)
                rq->status = (int)((const struct opt_int *)slot)->value;
            break;
        case PLACE_HEADER:
            text = shape_text(m->shape, m->iso_time, slot, rq->arena);
            if (text.at)
                rq_set_header(rq, m->wire, text);
            else if (arena_full(rq->arena))
                return false;
            break;
        case PLACE_LABEL:
        case PLACE_QUERY:
            break;
        }
    }
    if (rq->status == 204)
        return true;
    if (payload && payload->shape->type != SHAPE_STRUCTURE) {
        const char *type = payload->shape->media_type;

        rq_set_header(rq, "Content-Type", str_of(type ? type : "application/octet-stream"));
        return buf_str(&rq->body_out, *(const struct str *)slot_at(payload, out));
    }
    rq_set_header(rq, "Content-Type", str_of(content_type));
    if (payload) {
        const void *value = *(const void *const *)slot_at(payload, out);

        return value ? shape_write(payload->shape, value, &rq->body_out)
                     : buf_z(&rq->body_out, "{}");
    }
    if (body)
        return shape_write_body(shape, out, &rq->body_out);
    /* An operation without an output has no body; one with an empty output has `{}`, which is what
     * clients that insist on JSON want. Both are the same to us: restJson1 allows either. */
    return shape->members_len > 0 || buf_z(&rq->body_out, "{}");
}

bool
rest_json_error(struct request *rq, const struct aws_error_row *error, struct str message)
{
    struct buf *to = &rq->body_out;

    return buf_c(to, '{') &&
           (!error->type ||
            json_put_str(to, "Type", error->server ? STR("Service") : STR("User"))) &&
           json_put_str(to, "Reason", rq->reason) && json_put_str(to, error->message, message) &&
           buf_c(to, '}');
}
