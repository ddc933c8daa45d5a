/* Documents: JSON text to structs and back, by walking the shape tables beside a jansson document.
 *
 * The texts of SerializationException follow what AWS's services answer for a wrong type; the one
 * for malformed JSON differs between their own services, ours names the place. */
#include <jansson.h>
#include <math.h>

#include "gen/aws_error.h"
#include "wire/json.h"
#include "wire/shape.h"
#include "wire/shape_slots.h"

struct reader {
    struct arena *arena;
    struct err *err;
};

static int
wrong(struct reader *r, const char *text)
{
    return err_wire(r->err, ERR_INVALID, AWS_SERIALIZATION_EXCEPTION, "%s", text);
}

static int
wrong_type(struct reader *r, const json_t *json, const char *wanted)
{
    const char *found = "";

    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return wrong(r, "Start of structure or map found where not expected.");
    case JSON_ARRAY:
        return wrong(r, "Start of list found where not expected");
    case JSON_STRING:
        found = "STRING_VALUE";
        break;
    case JSON_INTEGER:
        found = "NUMBER_VALUE";
        break;
    case JSON_REAL:
        found = "DECIMAL_VALUE";
        break;
    case JSON_TRUE:
        found = "TRUE_VALUE";
        break;
    case JSON_FALSE:
        found = "FALSE_VALUE";
        break;
    case JSON_NULL:
        found = "NULL_VALUE";
        break;
    }
    return err_wire(r->err, ERR_INVALID, AWS_SERIALIZATION_EXCEPTION,
                    "%s can not be converted to %s", found, wanted);
}

static int read_members(struct reader *r, const struct shape *shape, const json_t *json,
                        bool body_only, void *ret, unsigned depth);

/* `json` is not null. */
static int
read_slot(struct reader *r, const struct shape *shape, bool iso_time, const json_t *json,
          void *slot, bool by_value, unsigned depth)
{
    if (depth > SHAPE_DEPTH_MAX)
        return wrong(r, "The document is nested too deeply");
    switch (shape->type) {
    case SHAPE_STRING: {
        struct str *ret = slot;

        if (!json_is_string(json))
            return wrong_type(r, json, "a String");
        *ret = arena_str(r->arena, (struct str){json_string_value(json), json_string_length(json)});
        return ret->at ? 0 : shape_full(r->err);
    }
    case SHAPE_BLOB:
        if (!json_is_string(json))
            return wrong_type(r, json, "a Blob");
        return shape_parse_text(shape, false,
                                (struct str){json_string_value(json), json_string_length(json)},
                                r->arena, slot, r->err);
    case SHAPE_BOOLEAN:
        if (!json_is_boolean(json))
            return wrong_type(r, json, "a Boolean");
        *(struct opt_bool *)slot = OPT_BOOL(json_is_true(json));
        return 0;
    case SHAPE_INTEGER:
    case SHAPE_LONG: {
        bool is_long = shape->type == SHAPE_LONG;
        int64_t value;

        if (json_is_integer(json)) {
            value = json_integer_value(json);
        } else if (json_is_real(json) && json_real_value(json) == floor(json_real_value(json)) &&
                   fabs(json_real_value(json)) < 9007199254740992.0) {
            value = (int64_t)json_real_value(json); /* 3.0 is a whole number too */
        } else {
            return wrong_type(r, json, is_long ? "a Long" : "an Integer");
        }
        if (!is_long && (value < INT32_MIN || value > INT32_MAX))
            return wrong_type(r, json, "an Integer");
        *(struct opt_int *)slot = OPT_INT(value);
        return 0;
    }
    case SHAPE_DOUBLE:
        if (!json_is_number(json))
            return wrong_type(r, json, "a Double");
        *(struct opt_double *)slot = OPT_DOUBLE(json_number_value(json));
        return 0;
    case SHAPE_TIMESTAMP: {
        double value;

        if (!iso_time && json_is_number(json))
            value = json_number_value(json);
        else if (!iso_time || !json_is_string(json) ||
                 !time_parse((struct str){json_string_value(json), json_string_length(json)},
                             &value))
            return wrong_type(r, json, "a Timestamp");
        *(struct opt_double *)slot = OPT_DOUBLE(value);
        return 0;
    }
    case SHAPE_STRUCTURE: {
        void *value = slot;

        if (!json_is_object(json))
            return json_is_array(json) ? wrong_type(r, json, "") : wrong(r, "Expected map or null");
        if (!by_value) {
            value = arena_alloc(r->arena, MAX(shape->size, 1u));
            if (!value)
                return shape_full(r->err);
            *(void **)slot = value;
        }
        return read_members(r, shape, json, false, value, depth);
    }
    case SHAPE_LIST: {
        struct shape_items *ret = slot;
        size_t n;

        if (!json_is_array(json))
            return json_is_object(json) ? wrong_type(r, json, "")
                                        : wrong(r, "Expected list or null");
        n = json_array_size(json);
        ret->set = true;
        ret->at = arena_alloc(r->arena, MAX(n, (size_t)1) * shape->size); /* n < bytes of body */
        if (!ret->at)
            return shape_full(r->err);
        for (size_t i = 0; i < n; i++) {
            const json_t *item = json_array_get(json, i);

            /* A null element of a simple shape stays absent: validation says so. */
            if (json_is_null(item) && shape->element->type != SHAPE_STRUCTURE)
                continue;
            if (read_slot(r, shape->element, false, item, (char *)ret->at + i * shape->size, true,
                          depth + 1) < 0)
                return -(int)r->err->kind;
        }
        ret->len = n;
        return 0;
    }
    case SHAPE_MAP: {
        struct shape_items *ret = slot;
        const char *key;
        json_t *item;
        char *pair;

        if (!json_is_object(json))
            return json_is_array(json) ? wrong_type(r, json, "") : wrong(r, "Expected map or null");
        ret->set = true;
        ret->at = arena_alloc(r->arena, MAX(json_object_size(json), (size_t)1) * shape->size);
        if (!ret->at)
            return shape_full(r->err);
        pair = ret->at;
        json_object_foreach((json_t *)json, key, item)
        {
            *(struct str *)pair = arena_str(r->arena, str_of(key));
            if (!((struct str *)pair)->at)
                return shape_full(r->err);
            if (json_is_null(item) && shape->element->type == SHAPE_STRUCTURE)
                return wrong(r, "Expected map or null");
            if (!json_is_null(item) && read_slot(r, shape->element, false, item,
                                                 pair + shape->value_at, true, depth + 1) < 0)
                return -(int)r->err->kind;
            ret->len++;
            pair += shape->size;
        }
        return 0;
    }
    }
    ASSERT(!"shape type");
    return 0;
}

static int
read_members(struct reader *r, const struct shape *shape, const json_t *json, bool body_only,
             void *ret, unsigned depth)
{
    for (uint32_t i = 0; i < shape->members_len; i++) {
        const struct member *m = &shape->members[i];
        const json_t *value;

        if (body_only && m->place != PLACE_BODY)
            continue;
        value = json_object_get(json, m->name);
        if (!value || json_is_null(value))
            continue;
        if (read_slot(r, m->shape, m->iso_time, value, slot_in(m, ret), false, depth + 1) < 0)
            return -(int)r->err->kind;
    }
    return 0;
}

int
shape_parse_json(const struct shape *shape, const struct json_t *json, bool body_only,
                 struct arena *arena, void *ret, struct err *err)
{
    struct reader r = {.arena = arena, .err = err};

    ASSERT(shape->type == SHAPE_STRUCTURE);
    if (json_is_null(json))
        return 0;
    if (!json_is_object(json))
        return json_is_array(json) ? wrong_type(&r, json, "") : wrong(&r, "Expected map or null");
    return read_members(&r, shape, json, body_only, ret, 0);
}

/* A jansson value costs 30 to 60 bytes, the shortest on the wire ("0,") two: without a bound, a
 * body of 70 MB would become gigabytes. Counts what makes values, outside of strings; cheap, since
 * the bulk of a large body is one string. */
static bool
is_affordable(struct str text)
{
    size_t values = 0, depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        switch (text.at[i]) {
        case '"':
            do {
                const char *quote = memchr(text.at + i + 1, '"', text.len - i - 1);
                size_t at, slashes = 0;

                if (!quote)
                    return true; /* the parser will say that the string has no end */
                at = (size_t)(quote - text.at);
                while (slashes < at - i - 1 && text.at[at - 1 - slashes] == '\\')
                    slashes++;
                i = at;
                if (slashes % 2 == 0)
                    break;
            } while (true);
            break;
        case '{':
        case '[':
            if (++depth > SHAPE_DEPTH_MAX)
                return false;
            values++;
            break;
        case '}':
        case ']':
            depth -= depth > 0;
            break;
        case ',':
            values++;
            break;
        }
        if (values > SHAPE_VALUES_MAX)
            return false;
    }
    return true;
}

int
shape_load(struct str text, struct json_t **ret, struct err *err)
{
    json_error_t problem;

    /* jansson takes a NUL behind the value for the end of the text, whatever follows. */
    if (memchr(text.at, 0, text.len))
        return err_wire(err, ERR_INVALID, AWS_SERIALIZATION_EXCEPTION, "Unexpected token: NUL");
    if (!is_affordable(text))
        return err_wire(err, ERR_INVALID, AWS_SERIALIZATION_EXCEPTION,
                        "The document has too many values or is nested too deeply");

    /* Without JSON_ALLOW_NUL: no string of ours holds a NUL. */
    *ret = json_loadb(text.at, text.len, JSON_DECODE_ANY, &problem);
    if (*ret)
        return 0;
    return err_wire(err, ERR_INVALID, AWS_SERIALIZATION_EXCEPTION,
                    "Unexpected token at line %d, column %d", problem.line, problem.column);
}

int
shape_parse(const struct shape *shape, struct str text, struct arena *arena, void *ret,
            struct err *err)
{
    json_t *json;
    int rc;

    if (text.len == 0)
        return 0;
    rc = shape_load(text, &json, err);
    if (rc < 0)
        return rc;
    rc = shape_parse_json(shape, json, false, arena, ret, err);
    json_decref(json);
    return rc;
}

/* ---- writing ---- */

static bool write_members(const struct shape *shape, const void *value, bool body_only,
                          struct buf *to);

static bool
write_slot(const struct shape *shape, bool iso_time, const void *slot, bool by_value,
           struct buf *to)
{
    char room[64];

    if (!shape_is_set(shape, slot, by_value))
        return buf_z(to, "null"); /* of a list or map, or null_when_absent */
    switch (shape->type) {
    case SHAPE_STRING:
        return json_put_string(to, *(const struct str *)slot);
    case SHAPE_BLOB: {
        struct str blob = *(const struct str *)slot;
        size_t len = base64_len(blob.len);

        if (!buf_c(to, '"') || !buf_reserve(to, len + 1))
            return false;
        base64_encode(blob.at, blob.len, to->at + to->len);
        to->len += len;
        return buf_c(to, '"');
    }
    case SHAPE_BOOLEAN:
        return buf_z(to, ((const struct opt_bool *)slot)->value ? "true" : "false");
    case SHAPE_INTEGER:
    case SHAPE_LONG:
        return buf_fmt(to, "%lld", (long long)((const struct opt_int *)slot)->value);
    case SHAPE_DOUBLE: {
        double value = ((const struct opt_double *)slot)->value;

        if (!isfinite(value))
            return buf_z(to, isnan(value) ? "\"NaN\""
                             : value > 0  ? "\"Infinity\""
                                          : "\"-Infinity\"");
        number_write(value, room, sizeof(room));
        return buf_z(to, room);
    }
    case SHAPE_TIMESTAMP:
        if (!time_write(((const struct opt_double *)slot)->value, iso_time, room, sizeof(room)))
            return buf_z(to, "null");
        return iso_time ? buf_c(to, '"') && buf_z(to, room) && buf_c(to, '"') : buf_z(to, room);
    case SHAPE_STRUCTURE:
        return write_members(shape, by_value ? slot : *(const void *const *)slot, false, to);
    case SHAPE_LIST: {
        const struct shape_items *items = slot;

        if (!buf_c(to, '['))
            return false;
        for (size_t i = 0; i < items->len; i++)
            if ((i > 0 && !buf_c(to, ',')) ||
                !write_slot(shape->element, false, item_at(shape, items, i), true, to))
                return false;
        return buf_c(to, ']');
    }
    case SHAPE_MAP: {
        const struct shape_items *items = slot;

        if (!buf_c(to, '{'))
            return false;
        for (size_t i = 0; i < items->len; i++) {
            const char *pair = item_at(shape, items, i);

            if ((i > 0 && !buf_c(to, ',')) || !json_put_string(to, *(const struct str *)pair) ||
                !buf_c(to, ':') ||
                !write_slot(shape->element, false, pair + shape->value_at, true, to))
                return false;
        }
        return buf_c(to, '}');
    }
    }
    ASSERT(!"shape type");
    return false;
}

static bool
write_members(const struct shape *shape, const void *value, bool body_only, struct buf *to)
{
    bool first = true;

    if (!buf_c(to, '{'))
        return false;
    for (uint32_t i = 0; i < shape->members_len; i++) {
        const struct member *m = &shape->members[i];
        const void *slot = slot_at(m, value);

        if ((body_only && m->place != PLACE_BODY) ||
            (!shape_is_set(m->shape, slot, false) && !m->null_when_absent))
            continue;
        if ((!first && !buf_c(to, ',')) || !json_put_string(to, str_of(m->name)) ||
            !buf_c(to, ':') || !write_slot(m->shape, m->iso_time, slot, false, to))
            return false;
        first = false;
    }
    return buf_c(to, '}');
}

bool
shape_write(const struct shape *shape, const void *value, struct buf *to)
{
    ASSERT(shape->type == SHAPE_STRUCTURE);
    return write_members(shape, value, false, to);
}

bool
shape_write_body(const struct shape *shape, const void *value, struct buf *to)
{
    ASSERT(shape->type == SHAPE_STRUCTURE);
    return write_members(shape, value, true, to);
}
