"""Tables of shapes: what src/wire walks over to parse, write and validate."""

from . import names
from .emit_types import c_name, slot

TYPE = {
    "string": "SHAPE_STRING",
    "blob": "SHAPE_BLOB",
    "boolean": "SHAPE_BOOLEAN",
    "integer": "SHAPE_INTEGER",
    "long": "SHAPE_LONG",
    "double": "SHAPE_DOUBLE",
    "timestamp": "SHAPE_TIMESTAMP",
    "structure": "SHAPE_STRUCTURE",
    "list": "SHAPE_LIST",
    "map": "SHAPE_MAP",
}


def variable(service, shape):
    """The name of the shape's table."""
    if hasattr(shape, "variant"):
        return "shape_member_%s" % shape.variant
    if shape.kind == "structure":
        return "%s_shape" % c_name(service, shape)
    if shape.is_prelude:
        return "shape_prelude_%s" % names.snake(shape.name)
    return "shape_%s" % names.snake(shape.name)


def table(service, shape, w):
    name = variable(service, shape)
    struct = None if shape.is_scalar() else "struct %s" % c_name(service, shape)
    members = [m for m in shape.members if m.place != "EVENTS"]
    fields = [".name = %s" % names.c_string(shape.name), ".type = %s" % TYPE[shape.kind]]
    if "sensitive" in shape.traits:
        fields.append(".sensitive = true")
    if "lambent#orArn" in shape.traits:
        fields.append(".or_arn = true")
    bounds = shape.traits.get("length") or shape.traits.get("range") or {}
    for b in ("min", "max"):
        if b in bounds:
            fields.append(".has_%s = true, .%s = %d" % (b, b, int(bounds[b])))
    if "pattern" in shape.traits:
        w("static struct pattern pattern_%s = {.text = %s};" % (name, names.c_string(shape.traits["pattern"])))
        fields.append(".pattern = &pattern_%s" % name)
    if shape.values:
        w("static const char *const values_%s[] = {" % name)
        for _, value in shape.values:
            w("    %s," % names.c_string(value))
        w("};")
        fields.append(".values = values_%s, .values_len = %d" % (name, len(shape.values)))
    if "mediaType" in shape.traits:
        fields.append(".media_type = %s" % names.c_string(shape.traits["mediaType"]))
    if shape.kind == "structure":
        fields.append(".size = sizeof(%s)" % struct)
        if members:
            w("static const struct member members_%s[] = {" % name)
            for m in members:
                member(service, struct, m, w)
            w("};")
            fields.append(".members = members_%s, .members_len = %d" % (name, len(members)))
    elif shape.kind == "list":
        fields.append(".size = sizeof(%s)" % slot(service, shape.element, True).strip())
        fields.append(".element = &%s" % variable(service, shape.element))
    elif shape.kind == "map":
        fields.append(".size = sizeof(%s_pair), .value_at = offsetof(%s_pair, value)" % (struct, struct))
        fields.append(".key = &%s, .element = &%s" % (variable(service, shape.key), variable(service, shape.element)))
    is_public = shape.kind == "structure" and not hasattr(shape, "variant")
    w("%sconst struct shape %s = {" % ("" if is_public else "static ", name))
    for f in fields:
        w("    %s," % f)
    w("};")
    w("")


def member(service, struct, m, w):
    fields = [names.c_string(m.name), "&" + variable(service, m.shape), "offsetof(%s, %s)" % (struct, m.field)]
    if "required" in m.traits:
        fields.append(".required = true")
    if m.time_format == "date-time":
        fields.append(".iso_time = true")
    if "lambent#nullWhenAbsent" in m.traits:
        fields.append(".null_when_absent = true")
    if m.place != "BODY":
        fields.append(".place = PLACE_%s" % m.place)
    if m.place == "LABEL":
        fields.append(".label = %d" % m.label)
    if m.place in ("QUERY", "HEADER"):
        fields.append(".wire = %s" % names.c_string(m.wire))
    w("    {%s}," % ", ".join(fields))


def tables(service, w):
    # Depth first order puts every shape behind those that it refers to, except in recursive models.
    for s in service.shapes:
        if not (s.kind == "structure" and not hasattr(s, "variant")):
            w("static const struct shape %s;" % variable(service, s))
    w("")
    for s in service.shapes:
        table(service, s, w)
