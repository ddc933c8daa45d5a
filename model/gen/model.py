"""Syntax to meaning: resolves names, checks traits, and decides what each shape is in C."""

from . import names
from .idl import ModelError

PRELUDE = {
    "String": "string",
    "Blob": "blob",
    "Boolean": "boolean",
    "PrimitiveBoolean": "boolean",
    "Integer": "integer",
    "Long": "long",
    "Float": "float",
    "Double": "double",
    "Timestamp": "timestamp",
}

# Every trait that we understand. An unknown one is an error: silently ignoring a constraint or a
# place on the wire would make a wrong server.
TRAITS = {
    "required", "length", "range", "pattern", "sensitive", "error", "httpError", "http", "httpLabel", "httpQuery",
    "httpHeader", "httpPayload", "httpResponseCode", "timestampFormat", "mediaType", "streaming",
    "idempotencyToken", "eventPayload", "deprecated", "readonly", "idempotent", "trait", "title",
    "aws.api#service", "aws.auth#sigv4", "aws.protocols#restJson1", "aws.protocols#awsJson1_0",
    "aws.protocols#awsJson1_1", "lambent#onLoop", "lambent#bodyMax", "lambent#errorKinds",
    "lambent#validationError", "lambent#nullWhenAbsent", "lambent#orArn",
}  # fmt: skip

PROTOCOLS = {
    "aws.protocols#restJson1": "REST_JSON_1",
    "aws.protocols#awsJson1_0": "AWS_JSON_1_0",
    "aws.protocols#awsJson1_1": "AWS_JSON_1_1",
}

ERR_KINDS = (
    "INVALID NOT_FOUND CONFLICT PRECONDITION DENIED TOO_LARGE THROTTLED TIMEOUT NOT_IMPLEMENTED UNAVAILABLE INTERNAL"
).split()

BODY_MAX = 6 * 1024 * 1024
LABELS_MAX = 8  # struct request
SEGMENTS_MAX = 12  # op.h


class Shape:
    def __init__(self, service, kind, name, traits, file, line):
        self.service = service
        self.kind = kind  # string, blob, boolean, integer, long, double, timestamp, structure, list, map
        self.name = name
        self.traits = traits
        self.file, self.line = file, line
        self.members = []
        self.values = None  # of an enum: [(name, value)]
        self.c = None  # base of the C name, without prefix
        self.is_prelude = False

    def fail(self, message):
        raise ModelError(self.file, self.line, "%s: %s" % (self.name, message))

    def is_scalar(self):
        return self.kind not in ("structure", "list", "map")

    @property
    def element(self):
        return self.members[-1].shape

    @property
    def key(self):
        return self.members[0].shape


class Member:
    def __init__(self, name, traits, line):
        self.name, self.traits, self.line = name, traits, line
        self.shape = None
        self.place = "BODY"
        self.wire = None  # header or query name
        self.field = names.field(name)
        self.time_format = None


class Operation:
    def __init__(self, name, traits, file, line):
        self.name, self.traits, self.file, self.line = name, traits, file, line
        self.input = self.output = None
        self.errors = []
        self.method = "POST"
        self.uri = "/"
        self.code = 200
        self.segments = []  # (text, is_label)
        self.query = []  # constant (key, value)

    def fail(self, message):
        raise ModelError(self.file, self.line, "%s: %s" % (self.name, message))


class Error:
    def __init__(self, service, shape):
        self.service = service
        self.shape = shape
        self.wire = shape.name
        self.status = shape.traits["httpError"]
        self.server = shape.traits["error"] == "server"
        self.message = next((m.name for m in shape.members if m.name.lower() == "message"), "message")
        self.has_type = any(m.name == "Type" for m in shape.members)
        prefix = "AWS_" + (service.upper() + "_" if service else "")
        self.constant = prefix + names.snake(shape.name).upper()


class Service:
    def __init__(self, name):
        self.name = name  # of the file: lambda
        self.operations = []
        self.shapes = []  # all that the operations reach, in a stable order
        self.errors = []
        self.kinds = {}  # err kind -> Error
        self.validation = None
        self.protocol = None
        self.version = self.title = self.signing = self.target = None


class Builder:
    def __init__(self, syntax, stem):
        self.syntax = syntax
        self.stem = stem
        self.known = {}
        self.declared = {}
        for s in syntax.shapes:
            if s.name in self.declared:
                raise ModelError(syntax.path, s.line, "'%s' is declared twice" % s.name)
            self.declared[s.name] = s

    def fail(self, line, message):
        raise ModelError(self.syntax.path, line, message)

    def traits(self, traits):
        out = {}
        for t in traits:
            name = t.name
            if "#" not in name:
                name = self.syntax.uses.get(name, name)
                if name not in TRAITS and self.syntax.namespace + "#" + name in TRAITS:
                    name = self.syntax.namespace + "#" + name
            if name.startswith("smithy.api#"):
                name = name[len("smithy.api#") :]
            if name not in TRAITS:
                self.fail(t.line, "unknown trait '@%s'" % t.name)
            if name in out:
                self.fail(t.line, "trait '@%s' is there twice" % t.name)
            out[name] = t.value
        return out

    def shape(self, name, line):
        if name.startswith("smithy.api#"):
            name = name[len("smithy.api#") :]
        if name in self.known:
            return self.known[name]
        decl = self.declared.get(name)
        if decl is None:
            if name not in PRELUDE:
                self.fail(line, "unknown shape '%s'" % name)
            kind = PRELUDE[name]
            shape = Shape(self.stem, "double" if kind == "float" else kind, name, {}, self.syntax.path, line)
            shape.is_prelude = True
            self.known[name] = shape
            return shape
        if decl.kind in ("service", "operation"):
            self.fail(line, "'%s' is no data shape" % name)
        kind = {"enum": "string", "union": "structure", "float": "double", "short": "integer", "byte": "integer"}
        shape = Shape(
            self.stem, kind.get(decl.kind, decl.kind), name, self.traits(decl.traits), self.syntax.path, decl.line
        )
        if shape.kind == "document":
            shape.fail("documents are not supported")
        shape.is_union = decl.kind == "union"
        shape.c = names.snake(name)
        self.known[name] = shape
        if decl.kind == "enum":
            shape.values = [(m.name, m.target) for m in decl.members]
        else:
            for m in decl.members:
                shape.members.append(self.member(shape, m))
        self.check_shape(shape)
        return shape

    def check_shape(self, shape):
        for trait in ("length", "range"):
            bounds = shape.traits.get(trait)
            if bounds is None:
                continue
            if not isinstance(bounds, dict) or set(bounds) - {"min", "max"} or not bounds:
                shape.fail("@%s wants min and/or max" % trait)
            for v in bounds.values():
                if not isinstance(v, (int, float)) or int(v) != v:
                    shape.fail("@%s wants whole numbers" % trait)
            if "min" in bounds and "max" in bounds and bounds["min"] > bounds["max"]:
                shape.fail("@%s is empty" % trait)
        can_have = {
            "length": ("string", "blob", "list", "map"),
            "range": ("integer", "long", "double"),
            "pattern": ("string",),
        }
        for trait, kinds in can_have.items():
            if trait in shape.traits and shape.kind not in kinds:
                shape.fail("@%s does not fit a %s" % (trait, shape.kind))
        fields = {}
        for m in shape.members:
            if m.field in fields:
                self.fail(m.line, "'%s' and '%s' are both '%s' in C" % (m.name, fields[m.field], m.field))
            fields[m.field] = m.name

    def member(self, owner, decl):
        m = Member(decl.name, self.traits(decl.traits), decl.line)
        m.shape = self.shape(decl.target, decl.line)
        if any(t in m.traits for t in ("length", "range", "pattern", "sensitive")):
            # A constraint on the member: a nameless copy of the target with that constraint.
            base = m.shape
            copy = Shape(base.service, base.kind, base.name, dict(base.traits), self.syntax.path, decl.line)
            copy.__dict__.update({k: v for k, v in base.__dict__.items() if k not in ("traits", "line")})
            copy.traits.update({t: m.traits[t] for t in ("length", "range", "pattern", "sensitive") if t in m.traits})
            copy.variant = names.snake(owner.name) + "_" + m.field
            self.check_shape(copy)
            m.shape = copy
        places = [t for t in ("httpLabel", "httpQuery", "httpHeader", "httpPayload", "httpResponseCode") if t in m.traits]
        if len(places) > 1:
            self.fail(decl.line, "'%s' has two places on the wire" % m.name)
        if places:
            m.place = {"httpLabel": "LABEL", "httpQuery": "QUERY", "httpHeader": "HEADER", "httpPayload": "PAYLOAD",
                       "httpResponseCode": "STATUS"}[places[0]]  # fmt: skip
            m.wire = m.traits[places[0]]
            if m.place in ("QUERY", "HEADER") and not isinstance(m.wire, str):
                self.fail(decl.line, "@%s wants a name" % places[0])
            if m.place in ("LABEL", "HEADER", "STATUS") and not m.shape.is_scalar():
                self.fail(decl.line, "'%s' must be a simple shape" % m.name)
            if m.place == "STATUS" and m.shape.kind != "integer":
                self.fail(decl.line, "a response code is an Integer")
        if "streaming" in m.shape.traits and m.shape.kind == "structure":
            m.place = "EVENTS"  # an event stream: its handler writes it itself
        if m.shape.kind == "timestamp":
            fmt = m.traits.get("timestampFormat", m.shape.traits.get("timestampFormat"))
            m.time_format = fmt or ("date-time" if m.place in ("QUERY", "LABEL") else "epoch-seconds")
            if m.time_format not in ("date-time", "epoch-seconds") or m.place == "HEADER":
                self.fail(decl.line, "timestamp format '%s' is not supported here" % m.time_format)
        return m

    def operation(self, name, line):
        decl = self.declared.get(name)
        if decl is None or decl.kind != "operation":
            self.fail(line, "'%s' is no operation" % name)
        op = Operation(name, self.traits(decl.traits), self.syntax.path, decl.line)
        for key in ("input", "output"):
            target = decl.fields.get(key)
            if target is None or target == "Unit":
                shape = Shape(self.stem, "structure", name + key.capitalize(), {}, self.syntax.path, decl.line)
                shape.unit = True
            else:
                shape = self.shape(target, decl.line)
                shape.unit = getattr(shape, "unit", False)
            if shape.kind != "structure":
                op.fail("%s must be a structure" % key)
            if shape.name == name + key.capitalize():
                shape.c = names.snake(name) + ("_in" if key == "input" else "_out")
            setattr(op, key, shape)
        op.errors = [self.error_shape(e, decl.line) for e in decl.fields.get("errors", [])]
        return op

    def error_shape(self, name, line):
        shape = self.shape(name, line)
        if "error" not in shape.traits or "httpError" not in shape.traits:
            self.fail(line, "'%s' lacks @error and @httpError" % name)
        return shape

    def http(self, op):
        http = op.traits.get("http")
        if not isinstance(http, dict) or set(http) - {"method", "uri", "code"} or not {"method", "uri"} <= set(http):
            op.fail("@http wants method, uri and perhaps code")
        op.method, op.uri, op.code = http["method"], http["uri"], http.get("code", 200)
        path, _, query = op.uri.partition("?")
        if not path.startswith("/"):
            op.fail("the uri must start with '/'")
        labels = [m.name for m in op.input.members if m.place == "LABEL"]
        found = []
        for segment in path.strip("/").split("/") if path != "/" else []:
            is_label = segment.startswith("{") and segment.endswith("}")
            text = segment[1:-1] if is_label else segment
            if text.endswith("+"):
                op.fail("greedy labels are not supported")
            if "{" in text or "}" in text or not text:
                op.fail("bad segment '%s' in the uri" % segment)
            op.segments.append((text, is_label))
            if is_label:
                found.append(text)
        if sorted(found) != sorted(labels) or len(set(found)) != len(found):
            op.fail("labels of the uri (%s) and @httpLabel members (%s) differ" % (", ".join(found), ", ".join(labels)))
        if len(found) > LABELS_MAX or len(op.segments) > SEGMENTS_MAX:
            op.fail("the uri is too long")
        op.labels = found
        for part in query.split("&") if query else []:
            key, _, value = part.partition("=")
            op.query.append((key, value))
        for shape in (op.input, op.output):
            payload = [m for m in shape.members if m.place == "PAYLOAD"]
            body = [m for m in shape.members if m.place == "BODY"]
            if len(payload) > 1 or (payload and body):
                op.fail("%s: a payload member must be the only one in the body" % shape.name)

    def build(self):
        services = [s for s in self.syntax.shapes if s.kind == "service"]
        service = Service(self.stem)
        if not services:
            return service
        if len(services) > 1:
            self.fail(services[1].line, "one service a file")
        decl = services[0]
        traits = self.traits(decl.traits)
        protocols = [PROTOCOLS[t] for t in traits if t in PROTOCOLS]
        if len(protocols) != 1:
            self.fail(decl.line, "the service must have exactly one protocol")
        service.protocol = protocols[0]
        service.version = decl.fields.get("version", "")
        service.title = (traits.get("aws.api#service") or {}).get("sdkId", decl.name)
        service.signing = (traits.get("aws.auth#sigv4") or {}).get("name", self.stem)
        service.target = decl.name
        common = [self.error_shape(e, decl.line) for e in decl.fields.get("errors", [])]
        seen_routes = {}
        for name in decl.fields.get("operations", []):
            op = self.operation(name, decl.line)
            if service.protocol.startswith("REST"):
                self.http(op)
                key = (op.method, tuple(None if label else t for t, label in op.segments), tuple(op.query))
                if key in seen_routes:
                    op.fail("has the same method and uri as %s" % seen_routes[key])
                seen_routes[key] = op.name
            elif any(m.place != "BODY" for s in (op.input, op.output) for m in s.members):
                op.fail("HTTP places make no sense in %s" % service.protocol)
            service.operations.append(op)
        used = {op.name for op in service.operations}
        for s in self.syntax.shapes:
            if s.kind == "operation" and s.name not in used:
                self.fail(s.line, "operation '%s' is not listed in the service" % s.name)
        self.collect(service)
        self.add_errors(service, common + [e for op in service.operations for e in op.errors])
        return service

    def add_errors(self, service, shapes):
        # In the file's order, so that the numbering follows what one reads.
        wanted = {id(s) for s in shapes}
        ordered = sorted({id(s): s for s in shapes}.values(), key=lambda s: s.line)
        for shape in ordered:
            assert id(shape) in wanted
            error = Error(service.name if service.protocol else None, shape)
            service.errors.append(error)
            for kind in shape.traits.get("lambent#errorKinds") or []:
                if kind not in ERR_KINDS:
                    shape.fail("'%s' is no kind of struct err" % kind)
                if kind in service.kinds:
                    shape.fail("kind %s belongs to %s already" % (kind, service.kinds[kind].wire))
                service.kinds[kind] = error
            if "lambent#validationError" in shape.traits:
                service.validation = error

    def collect(self, service):
        """Every shape that is reached; simple prelude shapes too. Depth first, so a stable order."""
        seen = {}
        c_names = {}

        def visit(shape):
            if id(shape) in seen:
                return
            seen[id(shape)] = shape
            for m in shape.members:
                if m.place != "EVENTS":
                    visit(m.shape)
            service.shapes.append(shape)
            if shape.c and not shape.is_scalar() and not hasattr(shape, "variant"):
                if shape.c in c_names:
                    shape.fail("has the same C name as %s" % c_names[shape.c])
                c_names[shape.c] = shape.name

        for op in service.operations:
            visit(op.input)
            visit(op.output)
        reached = {s.name for s in service.shapes} | {e.name for op in service.operations for e in op.errors}
        for s in self.syntax.shapes:
            if s.kind in ("structure", "list", "map") and s.name not in reached and not self.is_event(s) and not self.is_error(s):
                self.fail(s.line, "'%s' is used by no operation" % s.name)

    def is_error(self, decl):
        return any(t.name == "error" for t in decl.traits)

    def is_event(self, decl):
        """Reached only through an event stream; those are written by their handler."""
        if any(t.name == "streaming" for t in decl.traits):
            return True
        parents = [s for s in self.syntax.shapes if s.kind in ("union", "structure") and any(m.target == decl.name for m in s.members)]
        return bool(parents) and all(self.is_event(p) for p in parents)


def build_common(syntax):
    """The file without a service: errors of every service."""
    b = Builder(syntax, None)
    service = Service("common")
    b.add_errors(service, [b.error_shape(s.name, s.line) for s in syntax.shapes if b.is_error(s)])
    for e in service.errors:
        if e.shape.name == "ValidationException":
            service.validation = e
    return service


def build(syntax, stem):
    return Builder(syntax, stem).build()
