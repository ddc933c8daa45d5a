"""One table of all errors of all services, and the list of services."""

from . import names


def all_errors(common, services):
    return common.errors + [e for s in services for e in s.errors]


def header(common, services):
    lines = []
    w = lines.append
    w("/* Errors of all services: made from model/ by model/gen. Do not edit.")
    w(" * A value goes into struct err's `wire` (err_wire()); aws_error_find() gives its row. */")
    w("#pragma once")
    w("")
    w("enum aws_error {")
    w("    AWS_NONE,")
    for e in all_errors(common, services):
        w("    %s, /* %d */" % (e.constant, e.shape.traits["httpError"]))
    w("    AWS_ERRORS_LEN,")
    w("};")
    w("")
    return "\n".join(lines)


def source(common, services):
    lines = []
    w = lines.append
    w("/* Made from model/ by model/gen. Do not edit. */")
    w('#include "gen/aws_error.h"')
    for s in services:
        w('#include "gen/%s.h"' % s.name)
    w("")
    w("static const struct aws_error_row errors[] = {")
    for e in all_errors(common, services):
        w("    [%s] = {%s, %s, %s, %d, %s, %s}," % (
            e.constant,
            names.c_string(e.wire),
            names.c_string(e.message),
            "&%s_service" % e.service if e.service else "NULL",
            e.status,
            "true" if e.server else "false",
            "true" if e.has_type else "false",
        ))  # fmt: skip
    w("};")
    w("")
    w("const struct aws_error_row *")
    w("aws_error_find(uint32_t wire)")
    w("{")
    w("    ASSERT(wire > AWS_NONE && wire < AWS_ERRORS_LEN);")
    w("    return &errors[wire];")
    w("}")
    w("")
    w("const struct service *const wire_services[] = {")
    for s in services:
        w("    &%s_service," % s.name)
    w("};")
    w("const size_t wire_services_len = %d;" % len(services))
    w("")
    return "\n".join(lines)
