/* What the generator writes down about the shapes of a service model, and what can be done with any
 * of them. The structs that handlers see are plain C (`gen/<service>.h`); beside each stands a
 * table of its members, and every wire format is one walker over these tables: no code per shape.
 *
 * In C a shape is: string, enum, blob: struct str (blob already decoded) · integer, long: struct
 * opt_int · boolean: struct opt_bool · double, timestamp (epoch seconds): struct opt_double ·
 * structure: a pointer, NULL when absent; by value inside of lists and maps · list: {T *at; size_t
 * len; bool set} · map: the same, of {struct str key; T value} in the order of the wire.
 *
 * Thread: any; tables are constant but for compiled patterns (see struct pattern). */
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"

struct opt_int {
    bool set;
    int64_t value;
};
struct opt_bool {
    bool set;
    bool value;
};
struct opt_double {
    bool set;
    double value;
};

#define OPT_INT(v) ((struct opt_int){true, (v)})
#define OPT_BOOL(v) ((struct opt_bool){true, (v)})
#define OPT_DOUBLE(v) ((struct opt_double){true, (v)})

enum shape_type {
    SHAPE_STRING,
    SHAPE_BLOB,
    SHAPE_BOOLEAN,
    SHAPE_INTEGER, /* 32 bits on the wire */
    SHAPE_LONG,
    SHAPE_DOUBLE,
    SHAPE_TIMESTAMP,
    SHAPE_STRUCTURE,
    SHAPE_LIST,
    SHAPE_MAP,
};

/* A regular expression of the model; compiled when first needed, by whichever thread comes first.
 */
struct pattern {
    const char *text;
    void *_Atomic code; /* pcre2_code *, never freed */
};

enum member_place {
    PLACE_BODY,
    PLACE_LABEL,
    PLACE_QUERY,
    PLACE_HEADER,
    PLACE_PAYLOAD, /* the whole body */
    PLACE_STATUS,
};

struct shape;

struct member {
    const char *name; /* in the model, and in JSON */
    const struct shape *shape;
    uint32_t offset; /* in the C struct */
    bool required;
    bool null_when_absent; /* written as null, not left out */
    bool iso_time;         /* timestamps: ISO 8601 text instead of epoch seconds */
    uint8_t place;         /* enum member_place */
    uint8_t label;         /* PLACE_LABEL: index into rq->labels */
    const char *wire;      /* PLACE_QUERY, PLACE_HEADER: the name there */
};

struct shape {
    const char *name;
    enum shape_type type;
    bool sensitive; /* its value is in no message */
    bool or_arn;    /* an enum: its refusal ends "or be a valid ARN" */
    bool has_min,
        has_max; /* length of strings (code points), blobs, lists, maps; value of numbers */
    int64_t min, max;
    struct pattern *pattern;
    const char *const *values; /* of an enum */
    uint32_t values_len;
    uint32_t members_len; /* structure */
    const struct member *members;
    uint32_t size;               /* of the C struct; of a list's element; of a map's pair */
    uint32_t value_at;           /* map: offset of the value in the pair */
    const struct shape *element; /* list member, map value */
    const struct shape *key;
    const char *media_type; /* blobs and strings as a payload */
};

/* The common layout of all list and map structs. */
struct shape_items {
    void *at;
    size_t len;
    bool set;
};

enum {
    SHAPE_DEPTH_MAX = 64,      /* nesting of documents, far above any model's */
    SHAPE_VALUES_MAX = 250000, /* values in one document */
    VALIDATE_PARTS_MAX = 50,
    VALIDATE_VALUE_MAX = 2048, /* bytes of one value quoted in a message */
    VALIDATE_TEXT_MAX = 64 * 1024,
};

struct json_t; /* jansson's */

/* JSON text -> struct. Unknown members are ignored, null is absent; later duplicates win.
 * Everything is copied into the arena. Errors: INVALID with AWS_SERIALIZATION_EXCEPTION; TOO_LARGE.
 * An empty text is an empty document. */
int shape_parse(const struct shape *shape, struct str json, struct arena *arena, void *ret,
                struct err *err);
/* The same from a parsed document; `body_only` leaves out members that are elsewhere on the wire.
 */
int shape_parse_json(const struct shape *shape, const struct json_t *json, bool body_only,
                     struct arena *arena, void *ret, struct err *err);
/* Struct -> compact JSON: members in the model's order, absent ones left out. False: buf is full.
 */
bool shape_write(const struct shape *shape, const void *value, struct buf *to);
/* Only the members that belong to the body. */
bool shape_write_body(const struct shape *shape, const void *value, struct buf *to);
/* One text (label, header, query parameter) -> the struct's slot of a simple shape. */
int shape_parse_text(const struct shape *shape, bool iso_time, struct str text, struct arena *arena,
                     void *slot, struct err *err);
/* The other way; STR_NULL when absent (or the arena is full). */
struct str shape_text(const struct shape *shape, bool iso_time, const void *slot,
                      struct arena *arena);
bool shape_is_set(const struct shape *shape, const void *slot, bool by_value);

/* Check everything that the model demands. All violations go into one message with AWS's texts; it
 * is in *ret_message when it is longer than err->text. Errors: INVALID with `wire`. */
int shape_validate(const struct shape *shape, const void *value, uint32_t wire, struct arena *arena,
                   struct str *ret_message, struct err *err);

/* Whether `s` as a whole matches. A pattern too costly for this input does not match. */
bool pattern_matches(struct pattern *p, struct str s);

/* JSON text -> document; the caller json_decref()s it. */
int shape_load(struct str text, struct json_t **ret, struct err *err);

bool utf8_check(struct str s);
