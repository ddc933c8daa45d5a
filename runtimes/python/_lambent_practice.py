# Imported, and compiled, once by a generic runtime before it has a function, so that both are
# practised: it has a little of everything that handlers are made of.
import sys


class Practice(Exception):
    limit = 2

    def __init__(self, *values, **more):
        super().__init__(*values)
        self.more = {name: value for name, value in more.items() if value is not None}


def handler(event, context=None):
    found = []
    try:
        for i, value in enumerate([x for x in (event or {}) if x]):
            if i > Practice.limit or not isinstance(value, str):
                raise Practice(i, value=value)
            found.append(f"{i}: {value!r:>8}")
    except Practice as error:
        return {"error": str(error), "more": error.more, "version": sys.version_info[:2]}
    finally:
        found = tuple(found)
    return {"found": found, "rest": lambda a, b=1, *c: a + b}


handler({"a": 1, "b": 2})
