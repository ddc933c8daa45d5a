"""Operation rows, routes, runners and the service's row."""

from . import names
from .emit_shapes import tables, variable
from .emit_types import c_name
from .model import BODY_MAX, ERR_KINDS, SEGMENTS_MAX


def runners(service, w):
    w("/* Weak: a handler that nobody defines is NULL here. */")
    for op in service.operations:
        name = "%s_%s" % (service.name, names.snake(op.name))
        w("extern __typeof__(%s) %s __attribute__((weak));" % (name, name))
    w("")
    w("static const struct op ops[%d];" % len(service.operations))
    w("")
    for i, op in enumerate(service.operations):
        short = names.snake(op.name)
        name = "%s_%s" % (service.name, short)
        w("static int")
        w("run_%s(struct request *rq, struct err *err)" % short)
        w("{")
        w("    void *in, *ret;")
        w("    int rc = op_begin(rq, &ops[%d], &in, &ret, err);" % i)
        w("")
        w("    if (rc == 0)")
        w("        rc = %s(rq, in, ret, err);" % name)
        w("    return rc == RQ_DONE ? op_answer(rq, &ops[%d], ret, err) : rc;" % i)
        w("}")
        w("")
        w("int")
        w("%s_answer(struct request *rq, const struct %s *ret, struct err *err)" % (name, c_name(service, op.output)))
        w("{")
        w("    return op_answer(rq, &ops[%d], ret, err);" % i)
        w("}")
        w("")


def rows(service, w):
    rest = service.protocol.startswith("REST")
    for op in service.operations:
        short = names.snake(op.name)
        if op.segments:
            w("static const struct op_segment segments_%s[] = {" % short)
            for text, label in op.segments:
                w("    {%s, %d, %s}," % (names.c_string(text), len(text), "true" if label else "false"))
            w("};")
        if op.query:
            w("static const struct op_query query_%s[] = {" % short)
            for key, value in op.query:
                w("    {%s, %s}," % (names.c_string(key), names.c_string(value)))
            w("};")
    w("")
    w("static const struct op ops[] = {")
    for op in service.operations:
        short = names.snake(op.name)
        raw = any(m.place == "PAYLOAD" and m.shape.kind == "blob" for m in op.input.members)
        readonly = op.method in ("GET", "HEAD") or "readonly" in op.traits
        w("    {")
        w("        .service = &%s_service," % service.name)
        w("        .name = %s," % names.c_string(op.name))
        w("        .method = %s," % names.c_string(op.method))
        w("        .uri = %s," % names.c_string(op.uri))
        w("        .code = %d," % op.code)
        if "lambent#onLoop" in op.traits:
            w("        .on_loop = true,")
        if raw:
            w("        .raw_body = true,")
        if readonly:
            w("        .readonly = true,")
        w("        .body_max = %d," % (op.traits.get("lambent#bodyMax") or BODY_MAX))
        if rest and op.segments:
            w("        .segments = segments_%s, .segments_len = %d," % (short, len(op.segments)))
        if op.query:
            w("        .query = query_%s, .query_len = %d," % (short, len(op.query)))
        w("        .in = &%s," % variable(service, op.input))
        w("        .out = &%s," % variable(service, op.output))
        w("        .handler = (void (*)(void))%s_%s," % (service.name, short))
        w("        .run = run_%s," % short)
        w("    },")
    w("};")
    w("")


def service_row(service, common, w):
    first = []
    if service.protocol.startswith("REST"):
        # The more particular first: literals before labels, constant parameters before none.
        order = sorted(
            range(len(service.operations)),
            key=lambda i: (
                len(service.operations[i].segments),
                [label for _, label in service.operations[i].segments],
                -len(service.operations[i].query),
                i,
            ),
        )
        w("static const uint16_t routes[] = {%s};" % ", ".join(str(i) for i in order))
        counts = [len(service.operations[i].segments) for i in order]
        first = [sum(1 for c in counts if c < n) for n in range(SEGMENTS_MAX + 2)]
        w("")
    w("const struct service %s_service = {" % service.name)
    w("    .name = %s," % names.c_string(service.name))
    w("    .title = %s," % names.c_string(service.title))
    w("    .version = %s," % names.c_string(service.version))
    w("    .signing = %s," % names.c_string(service.signing))
    w("    .target = %s," % names.c_string(service.target))
    w("    .protocol = PROTOCOL_%s," % service.protocol)
    w("    .ops = ops, .ops_len = %d," % len(service.operations))
    if first:
        w("    .routes = routes, .route_first = {%s}," % ", ".join(map(str, first)))
    w("    .validation_error = %s," % (service.validation or common.validation).constant)
    w("    .errors_by_kind = {")
    for kind in ERR_KINDS:
        w("        [ERR_%s] = %s," % (kind, (service.kinds.get(kind) or common.kinds[kind]).constant))
    w("    },")
    w("};")
    w("")


def source(service, common):
    lines = []
    w = lines.append
    w("/* Made from model/%s.smithy by model/gen. Do not edit. */" % service.name)
    w('#include "gen/%s.h"' % service.name)
    w("")
    for op in service.operations:
        for m in op.input.members:
            if m.place == "LABEL":
                m.label = op.labels.index(m.name)
    tables(service, w)
    runners(service, w)
    rows(service, w)
    service_row(service, common, w)
    return "\n".join(lines)
