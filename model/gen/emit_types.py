"""The header that handlers include: structs, readers, writers, handler prototypes."""

from . import names

SLOT = {
    "string": "struct str",
    "blob": "struct str",
    "boolean": "struct opt_bool",
    "integer": "struct opt_int",
    "long": "struct opt_int",
    "double": "struct opt_double",
    "timestamp": "struct opt_double",
}


def c_name(service, shape):
    """lambda_function_configuration; the tag of the struct of an aggregate."""
    return "%s_%s" % (service.name, shape.c)


def slot(service, shape, by_value):
    """The declaration in front of a member's name."""
    if shape.is_scalar():
        return SLOT[shape.kind] + " "
    if shape.kind == "structure" and not by_value:
        return "struct %s *" % c_name(service, shape)
    return "struct %s " % c_name(service, shape)


def out_params(service, op):
    return "struct request *rq, const struct %s *in, struct %s *ret, struct err *err" % (
        c_name(service, op.input),
        c_name(service, op.output),
    )


def note(member):
    shape = member.shape
    said = []
    if "required" in member.traits:
        said.append("required")
    if shape.values:
        values = [v for _, v in shape.values]
        said.append(" | ".join(values) if len(values) <= 4 else shape.name)
    if shape.kind == "timestamp":
        said.append("seconds since 1970")
    if member.place != "BODY":
        said.append({"LABEL": "in the path", "QUERY": "query", "HEADER": "header", "PAYLOAD": "the body",
                     "STATUS": "HTTP status"}[member.place])  # fmt: skip
    return " /* %s */" % "; ".join(said) if said else ""


def structs(service, w):
    aggregates = [s for s in service.shapes if not s.is_scalar() and not hasattr(s, "variant")]
    for s in aggregates:
        if s.kind == "structure":
            w("struct %s;" % c_name(service, s))
    w("")
    for s in aggregates:
        if s.kind == "list":
            w("struct %s {" % c_name(service, s))
            w("    %s*at;" % slot(service, s.element, True))
            w("    size_t len;")
            w("    bool set;")
            w("};")
        elif s.kind == "map":
            w("struct %s_pair;" % c_name(service, s))
            w("struct %s {" % c_name(service, s))
            w("    struct %s_pair *at;" % c_name(service, s))
            w("    size_t len;")
            w("    bool set;")
            w("};")
    w("")
    for s in aggregates:
        if s.kind != "structure":
            continue
        w("struct %s {" % c_name(service, s))
        for m in s.members:
            if m.place == "EVENTS":
                w("    /* %s is an event stream: its handler writes it. */" % m.name)
                continue
            w("    %s%s;%s" % (slot(service, m.shape, False), m.field, note(m)))
        w("};")
        w("")
    for s in aggregates:
        if s.kind == "map":
            w("struct %s_pair {" % c_name(service, s))
            w("    struct str key;")
            w("    %svalue;" % slot(service, s.element, True))
            w("};")
            w("")


def enums(service, w):
    for s in service.shapes:
        if not s.values or hasattr(s, "variant"):
            continue
        w("/* %s */" % s.name)
        prefix = "%s_%s" % (service.name.upper(), names.snake(s.name).upper())
        for name, value in s.values:
            w("#define %s_%s %s" % (prefix, name.upper(), names.c_string(value)))
        w("")


def readers(service, w):
    w("/* Documents as JSON text, both ways. _parse: see shape_parse(). _write: false when `to` is full. */")
    for s in service.shapes:
        if s.kind != "structure" or hasattr(s, "variant"):
            continue
        n = c_name(service, s)
        w("extern const struct shape %s_shape;" % n)
        w("static inline int")
        w("%s_parse(struct str json, struct arena *a, struct %s *ret, struct err *err)" % (n, n))
        w("{")
        w("    return shape_parse(&%s_shape, json, a, ret, err);" % n)
        w("}")
        w("static inline bool")
        w("%s_write(const struct %s *value, struct buf *to)" % (n, n))
        w("{")
        w("    return shape_write(&%s_shape, value, to);" % n)
        w("}")
    w("")


def handlers(service, w):
    for op in service.operations:
        name = "%s_%s" % (service.name, names.snake(op.name))
        where = "%s %s" % (op.method, op.uri) if service.protocol.startswith("REST") else op.name
        w("/* %s%s */" % (where, " · on the event loop" if "lambent#onLoop" in op.traits else ""))
        w("int %s(%s);" % (name, out_params(service, op)))
        w("int %s_answer(struct request *rq, const struct %s *ret, struct err *err);" % (name, c_name(service, op.output)))
    w("")


def header(service):
    lines = []
    w = lines.append
    w("/* %s %s: made from model/%s.smithy by model/gen. Do not edit." % (service.title, service.version, service.name))
    w(" *")
    w(" * A handler is a plain function with the prototype found here, in any static library that is linked")
    w(" * whole. One that nobody defines answers NotImplementedException. It returns RQ_DONE with *ret")
    w(" * filled, RQ_LATER (only on the event loop) and calls …_answer() or rq_fail() itself, or < 0. */")
    w("#pragma once")
    w("")
    w('#include "gen/aws_error.h"')
    w('#include "wire/op.h"')
    w("")
    structs(service, w)
    enums(service, w)
    readers(service, w)
    handlers(service, w)
    w("extern const struct service %s_service;" % service.name)
    w("")
    return "\n".join(lines)
