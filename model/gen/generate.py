"""python3 generate.py OUT_DIR COMMON.smithy SERVICE.smithy...

Writes aws_error.h, aws_error.c and, for each service file, <stem>.h and <stem>.c into OUT_DIR.
Only the standard library of Python 3.9 or newer is used. Errors go to stderr as file:line: message.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from gen import emit_errors, emit_ops, emit_types, idl, model  # noqa: E402


def read(path):
    with open(path, encoding="utf-8") as f:
        return idl.parse(path, f.read())


def generate(common_path, service_paths):
    """{file name: text} of everything that is made."""
    common = model.build_common(read(common_path))
    missing = [k for k in model.ERR_KINDS if k not in common.kinds]
    if missing:
        raise idl.ModelError(common_path, 1, "no error answers kind " + ", ".join(missing))
    services = []
    for path in service_paths:
        stem = os.path.splitext(os.path.basename(path))[0]
        syntax = read(path)
        service = model.build(syntax, stem)
        if service.protocol is None:
            raise idl.ModelError(path, 1, "no service is declared")
        services.append(service)
    out = {
        "aws_error.h": emit_errors.header(common, services),
        "aws_error.c": emit_errors.source(common, services),
    }
    for s in services:
        out[s.name + ".h"] = emit_types.header(s)
        out[s.name + ".c"] = emit_ops.source(s, common)
    return out


def main(argv):
    if len(argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        files = generate(argv[1], argv[2:])
    except idl.ModelError as e:
        print(e, file=sys.stderr)
        return 1
    for name, text in files.items():
        with open(os.path.join(argv[0], name), "w", encoding="utf-8") as f:
            f.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
