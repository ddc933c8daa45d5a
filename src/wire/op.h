/* Operations as rows of tables that the generator makes from model/. A request is routed to its row
 * (op_route), run by it (op_run: parse, validate, handler, write), or failed (rq_fail).
 *
 * Thread: all tables are constant. op_run() is called where the row says: on the event loop if
 * on_loop, else on a worker. */
#pragma once

#include "wire/request.h"
#include "wire/shape.h"

/* What a handler returns beside errors: *ret is filled; or it keeps rq and answers later, by the
 * generated …_answer() and, on failure, rq_fail(). */
enum { RQ_DONE = 0, RQ_LATER = 1 };

enum protocol {
    PROTOCOL_REST_JSON_1,
    PROTOCOL_AWS_JSON_1_0,
    PROTOCOL_AWS_JSON_1_1,
};

enum { OP_SEGMENTS_MAX = 12 };

struct op_segment {
    const char *at;
    uint8_t len;
    bool label;
};

struct op_query {
    const char *name, *value;
};

struct op {
    const struct service *service;
    const char *name;   /* "CreateFunction" */
    const char *method; /* "POST" */
    const char *uri;    /* template, as in the model */
    uint16_t code;      /* HTTP status of success */
    bool on_loop;       /* runs on the event loop and may answer later */
    bool raw_body;      /* the body is a blob: not JSON of ours */
    bool readonly;      /* changes nothing */
    uint8_t segments_len, query_len;
    uint32_t body_max; /* bytes */
    const struct op_segment *segments;
    const struct op_query *query; /* constant parameters that select this operation */
    const struct shape *in, *out;
    void (*handler)(void); /* NULL: not implemented; only to be compared */
    /* RQ_DONE: answered. RQ_LATER: will be. < 0: not answered, call rq_fail(). */
    int (*run)(struct request *rq, struct err *err);
};

struct service {
    const char *name;    /* "lambda": of the model's file */
    const char *title;   /* "CloudWatch Logs" */
    const char *version; /* "2015-03-31" */
    const char *signing; /* the service in a credential scope */
    const char *target;  /* awsJson: X-Amz-Target is target.Operation */
    enum protocol protocol;
    const struct op *ops; /* in the model's order */
    size_t ops_len;
    /* REST: indices into ops, those with n segments at route_first[n] up to route_first[n + 1], the
     * more particular first. */
    const uint16_t *routes;
    uint16_t route_first[OP_SEGMENTS_MAX + 2];
    uint32_t validation_error;                 /* enum aws_error of a constraint failure */
    uint32_t errors_by_kind[ERR_INTERNAL + 1]; /* what is answered when err->wire is 0 */
};

extern const struct service *const wire_services[];
extern const size_t wire_services_len;

struct aws_error_row {
    const char *name;              /* on the wire: "ResourceNotFoundException" */
    const char *message;           /* the member's spelling: "Message" or "message" */
    const struct service *service; /* NULL: any */
    uint16_t status;
    bool server; /* our fault, not the sender's */
    bool type;   /* the body has "Type" */
};

/* The row of a value of enum aws_error (gen/aws_error.h); never NULL. */
const struct aws_error_row *aws_error_find(uint32_t wire);

/* Find by model name ("lambda", "logs"); NULL if there is none. */
const struct service *service_find(struct str name);
/* By the service of a credential scope. */
const struct service *service_find_signing(struct str signing);

/* The operation that a request is for; fills rq->op and rq->labels. `service` NULL: by
 * X-Amz-Target, else by method and path among the services that speak REST. NULL: no such
 * operation, answer rq_fail_unknown(). */
const struct op *op_route(struct request *rq, const struct service *service);
/* rq->op must be there. As op->run. */
int op_run(struct request *rq, struct err *err);

/* Answer an error: status, x-amzn-ErrorType, body in the protocol's form. Whatever was in the
 * answer's body is dropped; headers set before stay. Texts of INTERNAL errors are not sent. */
void rq_fail(struct request *rq, const struct err *err);
/* 404 UnknownOperationException. */
void rq_fail_unknown(struct request *rq);
/* 413: the body is larger than the operation's body_max. */
void rq_fail_too_large(struct request *rq);
/* The row that rq_fail() would answer. */
const struct aws_error_row *rq_error(const struct request *rq, const struct err *err);

/* All operations: {"operations":[{"service":…,"operation":…,"protocol":…,"method":…,"uri":…,
 * "implemented":true},…]}. False: buf is full. */
bool op_describe_json(struct buf *to);
/* The same as a table for people. */
bool op_describe_text(struct buf *to);
const char *protocol_name(enum protocol protocol);

/* ---- for generated code ---- */
/* NULL handler: fails with NOT_IMPLEMENTED. Else allocates, parses and validates the input. */
int op_begin(struct request *rq, const struct op *op, void **ret_in, void **ret_out,
             struct err *err);
/* Writes the answer of success. */
int op_answer(struct request *rq, const struct op *op, const void *out, struct err *err);
