"""Configures `logging` as AWS's runtime does; run by the import hook of _lambent_runtime.

The root logger gets one handler. Its records carry the request id; they go to the framed pipe, with
a level where the format is JSON or a level was set, without one otherwise (AWS's rule).
"""

import time

DATE = "%Y-%m-%dT%H:%M:%S"
TEXT, JSON = 0xA55A0003, 0xA55A0002
FRAME_LEVELS = {0: 0, 10: 2 << 2, 20: 3 << 2, 30: 4 << 2, 40: 5 << 2, 50: 6 << 2}

# Attributes of every record, or given another name below: all others are the user's `extra`.
OWN_FIELDS = frozenset(
    "name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno "
    "funcName created msecs relativeCreated thread threadName processName process taskName "
    "aws_request_id tenant_id _frame_type".split()
)


def level_of(record):
    return min(50, max(0, record.levelno)) // 10 * 10


def configure(logging, current):
    class LambdaFilter(logging.Filter):
        def filter(self, record):
            record.aws_request_id = current.request_id or ""
            record.tenant_id = current.tenant_id
            return True

    class LambdaHandler(logging.Handler):
        def __init__(self, with_level):
            logging.Handler.__init__(self)
            self.log_sink = current.log
            self.with_level = with_level

        def emit(self, record):
            text = self.format(record)
            kind = None
            if self.with_level:
                kind = getattr(record, "_frame_type", None) or (
                    TEXT | FRAME_LEVELS[level_of(record)]
                )
            self.log_sink.log(text, kind)

    class JsonFormatter(logging.Formatter):
        def format(self, record):
            import json
            import traceback

            record.levelno = level_of(record)
            record.levelname = logging.getLevelName(record.levelno)
            record._frame_type = JSON | FRAME_LEVELS[record.levelno]
            error = record.exc_info or (None, None, None)
            result = {
                "timestamp": "{}.{:03d}Z".format(
                    time.strftime(DATE, time.gmtime(record.created)), int(record.created * 1000) % 1000
                ),
                "level": record.levelname,
                "message": record.getMessage(),
                "logger": record.name,
                "stackTrace": traceback.format_tb(error[2]) if error[2] else None,
                "errorType": error[0].__name__ if error[0] else None,
                "errorMessage": str(error[1]) if error[0] else None,
                "requestId": getattr(record, "aws_request_id", None),
                "location": "{}:{}:{}".format(record.pathname, record.funcName, record.lineno)
                if error[0]
                else None,
                "tenantId": getattr(record, "tenant_id", None),
            }
            for key, value in record.__dict__.items():
                if key not in OWN_FIELDS and key not in result:
                    result[key] = value
            result = {k: v for k, v in result.items() if v is not None}
            return json.dumps(result, ensure_ascii=False) + "\n"

    logging.Formatter.converter = time.gmtime
    level = {"TRACE": "DEBUG"}.get(current.log_level, current.log_level)
    handler = LambdaHandler(bool(current.json_logs or level))
    if current.json_logs:
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(
            logging.Formatter(
                "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", DATE
            )
        )
    handler.addFilter(LambdaFilter())
    root = logging.getLogger()
    if level in logging._nameToLevel:
        root.setLevel(level)
    root.addHandler(handler)
