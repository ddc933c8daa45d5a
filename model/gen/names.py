"""Smithy names to C names."""

import re

KEYWORDS = set(
    "auto break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile "
    "while asm typeof bool true false linux unix errno stdin stdout stderr".split()
)


def snake(name):
    """FunctionName -> function_name, KMSKeyArn -> kms_key_arn, S3Bucket -> s3_bucket."""
    s = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    s = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", s)
    return re.sub(r"[^A-Za-z0-9]+", "_", s).lower()


def field(name):
    s = snake(name)
    return s + "_" if s in KEYWORDS else s


def c_string(text):
    """A C string literal. Octal escapes: unlike \\x they have a fixed length."""
    out = []
    for byte in text.encode("utf-8"):
        c = chr(byte)
        if c in '"\\':
            out.append("\\" + c)
        elif c == "?":
            out.append("\\?")  # no trigraphs
        elif 32 <= byte < 127:
            out.append(c)
        else:
            out.append("\\%03o" % byte)
    return '"' + "".join(out) + '"'
