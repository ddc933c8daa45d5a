"""Reads our subset of the Smithy IDL 2.0: bytes to plain syntax objects.

What is understood: the control section, namespace, use, traits with any node value, simple shapes,
enum, list, map, structure, union, operation (with inline input and output), service. What is not
(mixins, resources, apply, member defaults, text blocks) ends with `file:line: message`, never with a guess.
"""

import re


class ModelError(Exception):
    def __init__(self, file, line, message):
        super().__init__("%s:%d: %s" % (file, line, message))


class Token:
    __slots__ = ("kind", "value", "line")

    def __init__(self, kind, value, line):
        self.kind = kind  # name, string, number, punct, end
        self.value = value
        self.line = line


TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r,]+)                 # commas are white space in Smithy
  | (?P<newline>\n)
  | (?P<comment>//[^\n]*)
  | (?P<string>"(?:[^"\\\n]|\\.)*")
  | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:[.\#$][A-Za-z_][A-Za-z0-9_]*)*)
  | (?P<walrus>:=)
  | (?P<punct>[{}\[\]():=@$])
    """,
    re.VERBOSE,
)

ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def unescape(file, line, text):
    out = []
    i = 0
    while i < len(text):
        c = text[i]
        i += 1
        if c != "\\":
            out.append(c)
            continue
        e = text[i]
        i += 1
        if e in ESCAPES:
            out.append(ESCAPES[e])
        elif e == "u" and re.fullmatch("[0-9A-Fa-f]{4}", text[i : i + 4]):
            out.append(chr(int(text[i : i + 4], 16)))
            i += 4
        else:
            raise ModelError(file, line, "unknown escape '\\%s' in a string" % e)
    return "".join(out)


def tokenize(file, text):
    tokens = []
    line = 1
    at = 0
    while at < len(text):
        m = TOKEN.match(text, at)
        if not m or text.startswith('"""', at):
            what = "text blocks are not supported" if text.startswith('"""', at) else "unexpected character %r" % text[at]
            raise ModelError(file, line, what)
        at = m.end()
        kind = m.lastgroup
        value = m.group()
        if kind == "newline":
            line += 1
        elif kind == "string":
            tokens.append(Token("string", unescape(file, line, value[1:-1]), line))
        elif kind == "number":
            number = float(value) if re.search("[.eE]", value) else int(value)
            tokens.append(Token("number", number, line))
        elif kind == "walrus":
            tokens.append(Token("punct", value, line))
        elif kind in ("name", "punct"):
            tokens.append(Token(kind, value, line))
    tokens.append(Token("end", "end of file", line))
    return tokens


class Trait:
    def __init__(self, name, value, line):
        self.name, self.value, self.line = name, value, line


class Member:
    def __init__(self, name, target, traits, line):
        self.name, self.target, self.traits, self.line = name, target, traits, line


class Shape:
    """One declaration. `members` for aggregates and enums, `fields` for service and operation."""

    def __init__(self, kind, name, traits, line):
        self.kind, self.name, self.traits, self.line = kind, name, traits, line
        self.members = []
        self.fields = {}


class File:
    def __init__(self, path):
        self.path = path
        self.namespace = None
        self.uses = {}  # short name -> absolute
        self.shapes = []


SIMPLE = ("string", "blob", "boolean", "byte", "short", "integer", "long", "float", "double", "timestamp", "document")
AGGREGATE = ("structure", "union", "list", "map", "enum")


class Parser:
    def __init__(self, path, text):
        self.file = File(path)
        self.tokens = tokenize(path, text)
        self.at = 0

    def fail(self, message, line=None):
        raise ModelError(self.file.path, line or self.peek().line, message)

    def peek(self):
        return self.tokens[self.at]

    def take(self):
        token = self.tokens[self.at]
        if token.kind != "end":
            self.at += 1
        return token

    def is_punct(self, value):
        token = self.peek()
        return token.kind == "punct" and token.value == value

    def accept(self, value):
        if self.is_punct(value):
            return self.take()
        return None

    def expect(self, value):
        if not self.is_punct(value):
            self.fail("expected '%s', found '%s'" % (value, self.peek().value))
        return self.take()

    def name(self, what):
        token = self.peek()
        if token.kind != "name":
            self.fail("expected %s, found '%s'" % (what, token.value))
        return self.take()

    def parse(self):
        while self.accept("$"):
            key = self.name("a control key").value
            self.expect(":")
            value = self.node()
            if key == "version" and str(value) not in ("2", "2.0"):
                self.fail("only Smithy version 2 is understood")
        while self.peek().kind != "end":
            self.statement()
        if self.file.namespace is None:
            self.fail("no namespace")
        return self.file

    def statement(self):
        traits = self.traits()
        token = self.name("a declaration")
        word = token.value
        if word == "namespace":
            self.file.namespace = self.name("a namespace").value
            return
        if self.file.namespace is None:
            self.fail("'namespace' must come first", token.line)
        if word == "use":
            absolute = self.name("a shape").value
            if "#" not in absolute:
                self.fail("'use' wants namespace#Shape", token.line)
            self.file.uses[absolute.split("#")[1]] = absolute
            return
        if word not in SIMPLE + AGGREGATE + ("service", "operation"):
            self.fail("'%s' is not supported" % word, token.line)
        name = self.name("the shape's name")
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name.value):
            self.fail("'%s' cannot be a shape's name" % name.value, name.line)
        shape = Shape(word, name.value, traits, name.line)
        if word in AGGREGATE:
            self.members(shape)
        elif word in ("service", "operation"):
            self.fields(shape)
        self.file.shapes.append(shape)

    def traits(self):
        traits = []
        while self.accept("@"):
            token = self.name("a trait")
            value = None
            if self.accept("("):
                value = self.trait_value()
                self.expect(")")
            traits.append(Trait(token.value, value, token.line))
        return traits

    def trait_value(self):
        if self.is_punct(")"):
            return None
        first, second = self.peek(), self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if first.kind in ("name", "string") and second.kind == "punct" and second.value == ":":
            return self.object_items(")")
        return self.node()

    def object_items(self, closing):
        out = {}
        while not self.is_punct(closing):
            key = self.take()
            if key.kind not in ("name", "string"):
                self.fail("expected a key, found '%s'" % key.value, key.line)
            if key.value in out:
                self.fail("'%s' is there twice" % key.value, key.line)
            self.expect(":")
            out[key.value] = self.node()
        return out

    def node(self):
        token = self.take()
        if token.kind in ("string", "number"):
            return token.value
        if token.kind == "name":
            return {"true": True, "false": False, "null": None}.get(token.value, token.value)
        if token.kind == "punct" and token.value == "[":
            out = []
            while not self.is_punct("]"):
                out.append(self.node())
            self.take()
            return out
        if token.kind == "punct" and token.value == "{":
            out = self.object_items("}")
            self.take()
            return out
        self.fail("expected a value, found '%s'" % token.value, token.line)

    def members(self, shape):
        self.expect("{")
        seen = set()
        while not self.accept("}"):
            traits = self.traits()
            token = self.name("a member")
            if token.value in seen:
                self.fail("member '%s' is there twice" % token.value, token.line)
            seen.add(token.value)
            if shape.kind == "enum":
                value = token.value
                if self.accept("="):
                    value = self.take()
                    if value.kind != "string":
                        self.fail("an enum's value is a string", value.line)
                    value = value.value
                shape.members.append(Member(token.value, value, traits, token.line))
                continue
            self.expect(":")
            target = self.name("the member's shape")
            if self.is_punct("="):
                self.fail("default values are not supported")
            shape.members.append(Member(token.value, target.value, traits, token.line))
        wanted = {"list": ["member"], "map": ["key", "value"]}.get(shape.kind)
        if wanted and [m.name for m in shape.members] != wanted:
            self.fail("a %s has the members: %s" % (shape.kind, ", ".join(wanted)), shape.line)

    def fields(self, shape):
        self.expect("{")
        while not self.accept("}"):
            token = self.name("a field")
            key = token.value
            if key in shape.fields:
                self.fail("'%s' is there twice" % key, token.line)
            if shape.kind == "operation" and key in ("input", "output") and self.accept(":="):
                suffix = "Input" if key == "input" else "Output"
                inline = Shape("structure", shape.name + suffix, self.traits(), token.line)
                self.members(inline)
                self.file.shapes.append(inline)
                shape.fields[key] = inline.name
                continue
            self.expect(":")
            known = {"service": ("version", "operations", "errors"), "operation": ("input", "output", "errors")}
            if key not in known[shape.kind]:
                self.fail("'%s' is not supported in a %s" % (key, shape.kind), token.line)
            shape.fields[key] = self.node()


def parse(path, text):
    return Parser(path, text).parse()
