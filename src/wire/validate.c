/* Constraint failures with AWS's texts, from the model alone. All violations of a request are told
 * in one message, in the order of the members:
 *
 *   2 validation errors detected: Value 'a b' at 'functionName' failed to satisfy constraint:
 * Member must satisfy regular expression pattern: …; Value null at 'role' failed to satisfy
 * constraint: Member must not be null
 *
 * Where a list of simple values or a map is concerned, AWS names the whole value and every
 * constraint of its elements. Values of sensitive shapes are never shown. */
#include "gen/aws_error.h"
#include "wire/shape.h"
#include "wire/shape_slots.h"

struct checker {
    struct buf *parts; /* the violations so far, joined by "; " */
    struct buf *path;  /* of the member being looked at */
    unsigned count;
};

static void
path_cut(struct checker *c, size_t len)
{
    c->path->len = len;
    c->path->overflow = false;
}

/* ---- how values look in a message: as Java prints them ---- */

static void show_slot(const struct shape *shape, const void *slot, bool by_value, struct buf *to);

static void
show_items(const struct shape *shape, const struct shape_items *items, struct buf *to)
{
    bool is_map = shape->type == SHAPE_MAP;

    buf_c(to, is_map ? '{' : '[');
    for (size_t i = 0; i < items->len && !to->overflow; i++) {
        const char *at = item_at(shape, items, i);

        if (i > 0)
            buf_z(to, ", ");
        if (is_map) {
            buf_str(to, *(const struct str *)at);
            buf_c(to, '=');
        }
        show_slot(shape->element, at + (is_map ? shape->value_at : 0), true, to);
    }
    buf_c(to, is_map ? '}' : ']');
}

static void
show_slot(const struct shape *shape, const void *slot, bool by_value, struct buf *to)
{
    char room[64];

    if (!shape_is_set(shape, slot, by_value)) {
        buf_z(to, "null");
        return;
    }
    if (shape->sensitive) {
        buf_z(to, "***Sensitive Data Redacted***");
        return;
    }
    switch (shape->type) {
    case SHAPE_STRING:
        buf_str(to, *(const struct str *)slot);
        break;
    case SHAPE_BLOB:
        buf_fmt(to, "java.nio.HeapByteBuffer[pos=0 lim=%zu cap=%zu]",
                ((const struct str *)slot)->len, ((const struct str *)slot)->len);
        break;
    case SHAPE_BOOLEAN:
        buf_z(to, ((const struct opt_bool *)slot)->value ? "true" : "false");
        break;
    case SHAPE_INTEGER:
    case SHAPE_LONG:
        buf_fmt(to, "%lld", (long long)((const struct opt_int *)slot)->value);
        break;
    case SHAPE_DOUBLE:
    case SHAPE_TIMESTAMP:
        number_write(((const struct opt_double *)slot)->value, room, sizeof(room));
        buf_z(to, room);
        break;
    case SHAPE_STRUCTURE: {
        const void *value = by_value ? slot : *(const void *const *)slot;
        bool first = true;

        buf_fmt(to, "%s(", shape->name);
        for (uint32_t i = 0; i < shape->members_len && !to->overflow; i++) {
            const struct member *m = &shape->members[i];

            if (!shape_is_set(m->shape, slot_at(m, value), false))
                continue;
            buf_fmt(to, "%s%c%s=", first ? "" : ", ", m->name[0] | 0x20, m->name + 1);
            show_slot(m->shape, slot_at(m, value), false, to);
            first = false;
        }
        buf_c(to, ')');
        break;
    }
    case SHAPE_LIST:
    case SHAPE_MAP:
        show_items(shape, slot, to);
        break;
    }
}

/* ---- constraints as text ---- */

enum constraint { IS_NULL, NOT_IN_ENUM, TOO_LONG, TOO_SHORT, TOO_BIG, TOO_SMALL, NO_MATCH };

static void
constraint_text(const struct shape *shape, enum constraint which, struct buf *to)
{
    switch (which) {
    case IS_NULL:
        buf_z(to, "Member must not be null");
        break;
    case NOT_IN_ENUM:
        buf_z(to, "Member must satisfy enum value set: [");
        for (uint32_t i = 0; i < shape->values_len; i++)
            buf_fmt(to, "%s%s", i > 0 ? ", " : "", shape->values[i]);
        buf_z(to, shape->or_arn ? "] or be a valid ARN" : "]");
        break;
    case TOO_LONG:
        buf_fmt(to, "Member must have length less than or equal to %lld", (long long)shape->max);
        break;
    case TOO_SHORT:
        buf_fmt(to, "Member must have length greater than or equal to %lld", (long long)shape->min);
        break;
    case TOO_BIG:
        buf_fmt(to, "Member must have value less than or equal to %lld", (long long)shape->max);
        break;
    case TOO_SMALL:
        buf_fmt(to, "Member must have value greater than or equal to %lld", (long long)shape->min);
        break;
    case NO_MATCH:
        buf_fmt(to, "Member must satisfy regular expression pattern: %s", shape->pattern->text);
        break;
    }
}

static bool
is_number(const struct shape *shape)
{
    return shape->type == SHAPE_INTEGER || shape->type == SHAPE_LONG || shape->type == SHAPE_DOUBLE;
}

/* Every constraint that an element of this shape has, joined by ", ". */
static void
all_constraints(const struct shape *shape, bool not_null, struct buf *to)
{
    size_t start = to->len;

#define ADD(has, which)                                                                            \
    do {                                                                                           \
        if (has) {                                                                                 \
            if (to->len > start)                                                                   \
                buf_z(to, ", ");                                                                   \
            constraint_text(shape, (which), to);                                                   \
        }                                                                                          \
    } while (0)

    ADD(shape->values_len > 0, NOT_IN_ENUM);
    ADD(shape->has_max, is_number(shape) ? TOO_BIG : TOO_LONG);
    ADD(shape->has_min, is_number(shape) ? TOO_SMALL : TOO_SHORT);
    ADD(shape->pattern != NULL, NO_MATCH);
    if (shape->type == SHAPE_LIST && shape->element->type != SHAPE_STRUCTURE) {
        buf_z(to, to->len > start ? ", " : "");
        buf_z(to, "Member must satisfy constraint: [");
        all_constraints(shape->element, true, to);
        buf_c(to, ']');
    }
    ADD(not_null, IS_NULL);
#undef ADD
}

/* ---- checking ---- */

/* "Value 'v' at 'path' failed to satisfy constraint: "; false when there are too many already. */
static bool
part_begin(struct checker *c, const struct shape *shape, const void *slot, bool by_value)
{
    c->count++;
    if (c->count > VALIDATE_PARTS_MAX)
        return false;
    if (c->count > 1)
        buf_z(c->parts, "; ");
    if (!shape_is_set(shape, slot, by_value)) {
        buf_z(c->parts, "Value null");
    } else if (shape->sensitive) {
        buf_z(c->parts, "Value");
    } else {
        AUTO_BUF struct buf shown = BUF_MAX(VALIDATE_VALUE_MAX);
        const struct str *text = slot;

        buf_z(c->parts, shape->or_arn ? "Value " : "Value '");
        if (shape->type == SHAPE_STRING) {
            buf_add(c->parts, text->at, MIN(text->len, (size_t)VALIDATE_VALUE_MAX));
            shown.overflow = text->len > VALIDATE_VALUE_MAX;
        } else {
            show_slot(shape, slot, by_value, &shown);
            buf_str(c->parts, buf_view(&shown));
        }
        /* DIVERGES: AWS quotes values of any length. */
        buf_z(c->parts, shown.overflow ? "..." : "");
        buf_z(c->parts, shape->or_arn ? "" : "'");
    }
    buf_fmt(c->parts, " at '%.*s' failed to satisfy constraint: ", STR_FMT(buf_view(c->path)));
    return true;
}

static void
violated(struct checker *c, const struct shape *shape, const void *slot, enum constraint which)
{
    if (part_begin(c, shape, slot, false))
        constraint_text(shape, which, c->parts);
}

/* The constraints of the value itself, without what is inside; `report` NULL: only tell. */
static bool
check_self(struct checker *report, const struct shape *shape, const void *slot)
{
    bool good = true;

#define CHECK(bad, which)                                                                          \
    do {                                                                                           \
        if (bad) {                                                                                 \
            if (!report)                                                                           \
                return false;                                                                      \
            good = false;                                                                          \
            violated(report, shape, slot, (which));                                                \
        }                                                                                          \
    } while (0)

    if (shape->type == SHAPE_STRING && shape->values_len > 0) {
        bool found = false;

        for (uint32_t i = 0; i < shape->values_len && !found; i++)
            found = str_is(*(const struct str *)slot, shape->values[i]);
        CHECK(!found, NOT_IN_ENUM);
    }
    if (shape->has_min || shape->has_max) {
        switch (shape->type) {
        case SHAPE_STRING:
        case SHAPE_BLOB:
        case SHAPE_LIST:
        case SHAPE_MAP: {
            size_t len = shape->type == SHAPE_STRING ? utf8_points(*(const struct str *)slot)
                         : shape->type == SHAPE_BLOB ? ((const struct str *)slot)->len
                                                     : ((const struct shape_items *)slot)->len;

            CHECK(shape->has_max && (int64_t)len > shape->max, TOO_LONG);
            CHECK(shape->has_min && (int64_t)len < shape->min, TOO_SHORT);
            break;
        }
        case SHAPE_INTEGER:
        case SHAPE_LONG: {
            int64_t value = ((const struct opt_int *)slot)->value;

            CHECK(shape->has_max && value > shape->max, TOO_BIG);
            CHECK(shape->has_min && value < shape->min, TOO_SMALL);
            break;
        }
        case SHAPE_DOUBLE: {
            double value = ((const struct opt_double *)slot)->value;

            CHECK(shape->has_max && !(value <= (double)shape->max), TOO_BIG);
            CHECK(shape->has_min && !(value >= (double)shape->min), TOO_SMALL);
            break;
        }
        case SHAPE_BOOLEAN:
        case SHAPE_TIMESTAMP:
        case SHAPE_STRUCTURE:
            break;
        }
    }
    if (shape->pattern) {
        /* A value over its maximum is wrong already: no pattern is tried on megabytes. */
        struct str text = *(const struct str *)slot;
        bool tried = text.len <= 16384;

        CHECK(!tried || !pattern_matches(shape->pattern, text), NO_MATCH);
    }
#undef CHECK
    return good;
}

static void check_value(struct checker *c, const struct shape *shape, const void *slot,
                        bool by_value);
static void check_members(struct checker *c, const struct shape *shape, const void *value);

/* A simple value, or a list of them: is every constraint met? Structures are looked into elsewhere.
 */
static bool
element_good(const struct shape *shape, const void *slot)
{
    if (shape->type == SHAPE_STRUCTURE)
        return true;
    if (!shape_is_set(shape, slot, true) || !check_self(NULL, shape, slot))
        return false;
    if (shape->type == SHAPE_LIST) {
        const struct shape_items *items = slot;

        for (size_t i = 0; i < items->len; i++)
            if (!element_good(shape->element, item_at(shape, items, i)))
                return false;
    }
    return true;
}

static void
check_items(struct checker *c, const struct shape *shape, const struct shape_items *items)
{
    bool is_map = shape->type == SHAPE_MAP, keys_good = true, elements_good = true;

    for (size_t i = 0; i < items->len && (keys_good || elements_good); i++) {
        const char *at = item_at(shape, items, i);

        if (is_map && keys_good)
            keys_good = check_self(NULL, shape->key, at);
        if (elements_good)
            elements_good = element_good(shape->element, at + (is_map ? shape->value_at : 0));
    }
    if (!keys_good && part_begin(c, shape, items, false)) {
        buf_z(c->parts, "Map keys must satisfy constraint: [");
        all_constraints(shape->key, false, c->parts);
        buf_c(c->parts, ']');
    }
    if (!elements_good && part_begin(c, shape, items, false)) {
        buf_z(c->parts, is_map ? "Map value must satisfy constraint: ["
                               : "Member must satisfy constraint: [");
        all_constraints(shape->element, !is_map, c->parts);
        buf_c(c->parts, ']');
    }
    if (shape->element->type != SHAPE_STRUCTURE)
        return;
    for (size_t i = 0; i < items->len && c->count <= VALIDATE_PARTS_MAX; i++) {
        const char *at = item_at(shape, items, i);
        size_t len = c->path->len;

        if (is_map)
            buf_fmt(c->path, ".%.*s.member", STR_FMT(*(const struct str *)at));
        else
            buf_fmt(c->path, ".%zu.member", i + 1);
        check_members(c, shape->element, at + (is_map ? shape->value_at : 0));
        path_cut(c, len);
    }
}

static void
check_value(struct checker *c, const struct shape *shape, const void *slot, bool by_value)
{
    check_self(c, shape, slot);
    if (shape->type == SHAPE_STRUCTURE)
        check_members(c, shape, by_value ? slot : *(const void *const *)slot);
    else if (shape->type == SHAPE_LIST || shape->type == SHAPE_MAP)
        check_items(c, shape, slot);
}

static void
check_members(struct checker *c, const struct shape *shape, const void *value)
{
    for (uint32_t i = 0; i < shape->members_len && c->count <= VALIDATE_PARTS_MAX; i++) {
        const struct member *m = &shape->members[i];
        const void *slot = slot_at(m, value);
        bool is_set = shape_is_set(m->shape, slot, false);
        size_t len = c->path->len;

        if (!is_set && !m->required)
            continue;
        /* lowerCamelCase as AWS does it: only the first letter (kMSKeyArn). */
        buf_fmt(c->path, "%s%c%s", len > 0 ? "." : "", m->name[0] | 0x20, m->name + 1);
        if (is_set)
            check_value(c, m->shape, slot, false);
        else
            violated(c, m->shape, slot, IS_NULL);
        path_cut(c, len);
    }
}

int
shape_validate(const struct shape *shape, const void *value, uint32_t wire, struct arena *arena,
               struct str *ret_message, struct err *err)
{
    AUTO_BUF struct buf parts = BUF_MAX(VALIDATE_TEXT_MAX);
    AUTO_BUF struct buf path = BUF_MAX(4096);
    struct checker c = {.parts = &parts, .path = &path};
    unsigned count;

    ASSERT(shape->type == SHAPE_STRUCTURE);
    check_members(&c, shape, value);
    if (c.count == 0)
        return 0;
    count = MIN(c.count, (unsigned)VALIDATE_PARTS_MAX);
    *ret_message = arena_fmt(arena, "%u validation error%s detected: %.*s", count,
                             count == 1 ? "" : "s", STR_FMT(buf_view(&parts)));
    return err_wire(err, ERR_INVALID, wire, "%u validation error%s detected: %.*s", count,
                    count == 1 ? "" : "s", STR_FMT(buf_view(&parts)));
}
