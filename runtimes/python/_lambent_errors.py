"""Words errors as AWS's runtime interface client does: the body for the caller, the log record.

Imported when the first error happens: `traceback` is dear.
"""

import os
import sys
import time
import traceback

NBSP = "\u00a0"  # keeps log viewers from swallowing the indentation
TEXT_ERROR = 0xA55A0017
JSON_ERROR = 0xA55A0016
TYPE_MAX = 1024  # of the copy beside the body, which a frame has only so much room for

INIT_WARNING = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. "
    "However, in rare cases, a Lambda runtime update can cause unexpected function behavior. For "
    "functions using managed runtimes, runtime updates can be triggered by a function change, or "
    "can be applied automatically. To determine if the runtime has been updated, check the runtime "
    "version in the INIT_START log entry. If this error correlates with a change in the runtime "
    "version, you may be able to mitigate this error by temporarily rolling back to the previous "
    "runtime version. For more information, see "
    "https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html"
)


def warn_of_init_error():
    import logging

    logging.warning(INIT_WARNING)


def _stack(error):
    frames = [(f.filename, f.lineno, f.name, f.line) for f in traceback.extract_tb(error.__traceback__)]
    here = os.path.dirname(__file__) + "/"
    for at, frame in enumerate(frames):
        if not frame[0].startswith(here):  # the user's first frame: ours above it say nothing
            frames = frames[at:]
            break
    return traceback.format_list(frames)


def _describe(error, request_id):
    kind = getattr(error, "kind", None)
    if type(error).__name__ == "Fault" and type(error).__module__ == "_lambent_runtime":
        message, trace = error.message, error.trace
    else:
        kind, trace = type(error).__name__, _stack(error)
        try:
            message = str(error)
        except Exception:  # a user's __str__
            message = ""
    return {
        "errorMessage": message,
        "errorType": kind,
        "requestId": request_id or "",
        "stackTrace": trace or [],
    }


def _indent(line):
    text = line.lstrip(" ")
    return NBSP * (len(line) - len(text)) + text


def _encode(value, dumps):
    text = dumps(value)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair in a message
        return text.encode("utf-8", "backslashreplace")


def report(error, current, dumps, size_max):
    """Log `error` and return its (type, JSON body) for an ERROR or INIT_ERROR frame."""
    result = _describe(error, current.request_id)
    if current.json_logs:
        record = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "level": "ERROR",
        }
        record.update(result)
        current.log.error([dumps(record)], JSON_ERROR)
    else:
        head = "[ERROR]"
        if result["errorType"]:
            head += " " + result["errorType"]
        if result["errorMessage"]:
            head += (":" if result["errorType"] else "") + " " + result["errorMessage"]
        lines = [head, "Traceback (most recent call last):"]
        for entry in result["stackTrace"]:
            lines += [_indent(line) for line in entry.splitlines()] if entry else [""]
        current.log.error(lines, TEXT_ERROR)
    body = _encode(result, dumps)
    if len(body) > size_max:
        return too_large(len(body), size_max)
    return result["errorType"].encode("utf-8", "backslashreplace")[:TYPE_MAX], body


def too_large(size, size_max):
    return (
        b"Function.ResponseSizeTooLarge",
        (
            '{{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size '
            '({} bytes) exceeded maximum allowed payload size ({} bytes)."}}'
        )
        .format(size, size_max)
        .encode(),
    )
