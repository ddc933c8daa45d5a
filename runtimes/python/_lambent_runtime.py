"""The Python runtime: loads the handler, then answers INVOKE frames until the socket closes.

What a handler sees follows AWS's open-source runtime interface client (texts, context object, log
lines, search path); how it gets there does not: no HTTP, and as few imports as possible, because
they are most of a start. Hence:

- `json` is not imported (it brings `re`, 5 ms): the C scanner and encoder behind it are used
  directly, and `json` itself only words the errors. Should a Python have them otherwise than we
  expect, `json` is used throughout.
- `logging` gets AWS's handler and format when somebody imports it, by an import hook.
- errors, which need `traceback`, are worded in _lambent_errors.
- the interpreter runs with -S; what user code may expect of `site` is done here by hand.

A warm invocation is two system calls: one read, one write with the answer and the next NEXT.
"""

import os
import sys
import time

INVOKE, NEXT, RESPONSE, ERROR, INIT_ERROR, ASSIGN, PREPARED = range(1, 8)
HEADER_LEN = 8
RESPONSE_MAX = 6 * 1024 * 1024 + 100
FRAME_MAX = RESPONSE_MAX + 65536
READ_LEN = 16 * 1024

NEXT_FRAME = bytes((0, 0, 0, 0, NEXT, 0, 0, 0))

RUNTIME_DIR = os.path.dirname(os.path.abspath(__file__))


class Fault(Exception):
    """An error of ours rather than the user's: its type is a name, not a class."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = trace


# ---- JSON ----


class _Number(str):
    """A number's digits, which the encoder must not quote."""


class _Decimals:
    found = False  # by the encoder's last run


def _escapes_ascii():
    # AWS's client writes non-ASCII characters as they are from Python 3.12 on, \u escapes before.
    return os.environ.get("AWS_EXECUTION_ENV") in (
        "AWS_Lambda_python3.8",
        "AWS_Lambda_python3.9",
        "AWS_Lambda_python3.10",
        "AWS_Lambda_python3.11",
    )


def _default(value):
    # Called for what JSON has no form for. AWS's client uses simplejson, which takes these two.
    if isinstance(value, bytes):
        return value.decode("utf-8")
    decimal = sys.modules.get("decimal")  # nobody has a Decimal without it
    if decimal and isinstance(value, decimal.Decimal):
        if value.is_nan():
            return float("nan")
        _Decimals.found = True
        return _Number(value)
    raise TypeError("Object of type {} is not JSON serializable".format(type(value).__name__))


def _fast_json():
    """(loads, dumps) from the C parts of `json`, or an exception where they are not as we expect."""
    import _json

    constants = {"-Infinity": float("-inf"), "Infinity": float("inf"), "NaN": float("nan")}

    class Rules:
        strict = True
        object_hook = None
        object_pairs_hook = None
        parse_float = float
        parse_int = int
        parse_constant = constants.__getitem__
        memo = {}

    scan = _json.make_scanner(Rules)
    quote = _json.encode_basestring_ascii if _escapes_ascii() else _json.encode_basestring

    def encoder(quote):
        return _json.make_encoder({}, _default, quote, None, ": ", ", ", False, False, True)

    def quote_or_number(value):
        return str(value) if type(value) is _Number else quote(value)

    encode = encoder(quote)

    def loads(text):
        try:
            value, end = scan(text, 0)
            if end == len(text):
                return value
        except (StopIteration, ValueError, SystemError):
            pass  # SystemError: it looked for json.decoder to raise its exception, in vain
        import json  # blanks around the value, or an error to be worded

        return json.loads(text)

    def dumps(value):
        nonlocal encode
        try:
            text = "".join(encode(value, 0))
            if _Decimals.found:
                text = "".join(encoder(quote_or_number)(value, 0))
        except BaseException:
            encode = encoder(quote)  # the old one remembers where it was interrupted
            raise
        finally:
            _Decimals.found = False
        return text

    if loads('{"a":[1,2.5,null]}') != {"a": [1, 2.5, None]} or dumps(["a", 1]) != '["a", 1]':
        raise ValueError
    return loads, dumps


def _json_tools():
    try:
        return _fast_json()
    except (ImportError, AttributeError, TypeError, ValueError):
        import json

        def default(value):
            value = _default(value)
            return float(value) if type(value) is _Number else value

        ascii = _escapes_ascii()
        return json.loads, lambda value: json.dumps(value, ensure_ascii=ascii, default=default)


loads = dumps = None  # set by main()


# ---- frames ----


class Frames:
    """The frames socket. One INVOKE is outstanding at most, so what a read returns belongs to it."""

    def __init__(self, fd):
        self.fd = fd
        os.set_inheritable(fd, False)

    def write(self, data):
        sent = os.write(self.fd, data)
        if sent < len(data):
            rest = memoryview(data)[sent:]
            while rest:
                rest = rest[os.write(self.fd, rest) :]

    def read(self):
        """The body of the next frame, as (type, memoryview); None when the daemon has closed."""
        data = os.read(self.fd, READ_LEN)
        while len(data) < HEADER_LEN:
            more = os.read(self.fd, READ_LEN)
            if not more:
                return None
            data += more
        length = int.from_bytes(data[:4], "little")
        if length > FRAME_MAX:
            raise SystemExit("frame of {} bytes".format(length))
        missing = HEADER_LEN + length - len(data)
        if missing > 0:
            parts = [data]
            while missing > 0:
                data = os.read(self.fd, min(missing, 1024 * 1024))
                if not data:
                    return None
                parts.append(data)
                missing -= len(data)
            data = b"".join(parts)
        return data[4], memoryview(data)[HEADER_LEN:]


def _field(data):
    return len(data).to_bytes(4, "little") + data


def _frame(kind, *parts):
    body = b"".join(parts)
    return b"".join((len(body).to_bytes(4, "little"), bytes((kind, 0, 0, 0)), body))


# ---- logs ----


class StandardLog:
    """Without a log fd: lines on stdout, in which inner line ends become carriage returns."""

    def log(self, message, kind=None):
        sys.stdout.write(message)

    def error(self, lines, kind=None):
        sys.stdout.write("\r".join(lines) + "\n")


class FramedLog:
    """AWS's framed pipe: a record of many lines stays one record."""

    PLAIN = 0xA55A0003

    def __init__(self, fd):
        self.fd = fd
        os.set_inheritable(fd, False)

    def log(self, message, kind=None):
        text = message.encode("utf-8", "backslashreplace")
        data = b"".join(
            (
                (kind or self.PLAIN).to_bytes(4, "big"),
                len(text).to_bytes(4, "big"),
                (time.time_ns() // 1000).to_bytes(8, "big"),
                text,
            )
        )
        sent = os.write(self.fd, data)
        while sent < len(data):
            sent += os.write(self.fd, memoryview(data)[sent:])

    def error(self, lines, kind=None):
        self.log("\n".join(lines), kind)


class LoggingHook:
    """Finds `logging` once, and has it configured right after it ran; then it is gone."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        for finder in list(sys.meta_path):
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                break
        else:
            return None
        loader = spec.loader
        load = loader.exec_module

        def exec_module(module):
            del loader.exec_module
            load(module)
            configure_logging(module)

        loader.exec_module = exec_module
        return spec


def configure_logging(logging):
    # By name: `logging` is in sys.modules already, though its import hasn't returned yet.
    import _lambent_logging

    _lambent_logging.configure(logging, current)


# ---- what the handler gets ----


class Current:
    """The invocation that is running, for log lines; and what never changes."""

    log = StandardLog()
    request_id = None
    tenant_id = None
    json_logs = False


current = Current


class CognitoIdentity:
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]

    def __repr__(self):
        return _repr(self)


class Client:
    __slots__ = [
        "installation_id",
        "app_title",
        "app_version_name",
        "app_version_code",
        "app_package_name",
    ]

    def __repr__(self):
        return _repr(self)


class ClientContext:
    __slots__ = ["custom", "env", "client"]

    def __repr__(self):
        return _repr(self)


def _repr(value, names=None):
    return "{}([{}])".format(
        type(value).__name__,
        ",".join("{}={}".format(n, getattr(value, n)) for n in names or value.__slots__),
    )


def _fill(value, members):
    for name in value.__slots__:
        setattr(value, name, members.get(name))
    return value


class LambdaContext:
    def __init__(self, request_id, arn, client_context, identity, tenant_id, deadline_ms):
        self.aws_request_id = request_id
        self.log_group_name = current.log_group_name
        self.log_stream_name = current.log_stream_name
        self.function_name = current.function_name
        self.memory_limit_in_mb = current.memory_limit_in_mb
        self.function_version = current.function_version
        self.invoked_function_arn = arn
        self.tenant_id = tenant_id
        self._w3c = {}
        self.client_context = None
        if client_context is not None:
            if isinstance(client_context, dict) and "w3c" in client_context:
                w3c = client_context.pop("w3c")
                if isinstance(w3c, dict):
                    self._w3c = {
                        name: w3c[name]
                        for name in ("traceparent", "tracestate", "baggage")
                        if isinstance(w3c.get(name), str)
                    }
            self.client_context = _fill(ClientContext(), client_context)
            if self.client_context.client is not None:
                self.client_context.client = _fill(Client(), self.client_context.client)
        self.identity = CognitoIdentity()
        self.identity.cognito_identity_id = identity and identity.get("cognitoIdentityId")
        self.identity.cognito_identity_pool_id = identity and identity.get("cognitoIdentityPoolId")
        self._epoch_deadline_time_in_ms = deadline_ms

    def get_remaining_time_in_millis(self):
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def w3c(self):
        """The caller's W3C trace context, where one came with the client context."""
        return dict(self._w3c)

    def log(self, message):
        logging = sys.modules.get("logging")
        if logging and not any(hasattr(h, "log_sink") for h in logging.getLogger().handlers):
            sys.stdout.write(str(message))  # user code has thrown our handler out
        else:
            current.log.log(str(message))

    def __repr__(self):
        return _repr(
            self,
            (
                "aws_request_id",
                "log_group_name",
                "log_stream_name",
                "function_name",
                "memory_limit_in_mb",
                "function_version",
                "invoked_function_arn",
                "client_context",
                "identity",
                "tenant_id",
            ),
        )


# ---- start ----


def set_search_path():
    # AWS's order: the function's code, layers, the runtime, the standard library.
    here = "python{}.{}".format(*sys.version_info[:2])
    task = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    user_path = os.environ.get("PYTHONPATH", RUNTIME_DIR)
    front = [task]
    if user_path == RUNTIME_DIR:
        front += ["/opt/python/lib/{}/site-packages".format(here), "/opt/python"]
    sys.path[:0] = front
    if RUNTIME_DIR not in sys.path[:4]:
        sys.path.insert(len(front), RUNTIME_DIR)
    # The start directory and PYTHONPATH name the runtime folder twice.
    seen = set()
    sys.path[:] = [p for p in sys.path if not (p in seen or seen.add(p))]
    # The host's own packages come last, as AWS's boto3 does.
    for place in (
        "/usr/local/lib/{}/dist-packages".format(here),
        "/usr/lib/python3/dist-packages",
        "{}/lib/{}/site-packages".format(sys.prefix, here),
    ):
        if os.path.isdir(place):
            sys.path.append(place)
    return task, front, user_path


def do_sites_work(front, user_path):
    """The parts of `site` that functions notice: exit(), .pth files, sitecustomize."""
    if user_path != RUNTIME_DIR:
        import site  # a wrapper may have put a sitecustomize there

        site.main()
    else:
        import _sitebuiltins
        import builtins

        builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
        builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    for place in front:
        try:
            if any(name.endswith(".pth") for name in os.listdir(place)):
                import site

                site.addsitedir(place)
        except OSError:
            pass


def load_handler(name):
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise Fault(
            "Runtime.MalformedHandlerName", "Bad handler '{}': {}".format(name, error)
        ) from None
    try:
        if module_name.split(".")[0] in sys.builtin_module_names:
            raise Fault(
                "Runtime.BuiltInModuleConflict",
                "Cannot use built-in module {} as a handler module".format(module_name),
            )
        # What importlib.import_module() calls, without importing importlib.
        module = sys.modules["_frozen_importlib"]._gcd_import(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault(
            "Runtime.ImportModuleError",
            "Unable to import module '{}': {}".format(module_name, error),
        )
    except SyntaxError as error:
        raise Fault(
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module '{}': {}".format(module_name, error),
            ['  File "{}" Line {}\n    {}'.format(error.filename, error.lineno, error.text)],
        )
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise Fault(
            "Runtime.HandlerNotFound",
            "Handler '{}' missing on module '{}'".format(function_name, module_name),
        ) from None


def parse_json_field(text, what):
    try:
        return loads(text)
    except Exception as error:
        raise Fault(
            "Runtime.LambdaContextUnmarshalError",
            "Unable to parse {} JSON: {}".format(what, error),
        ) from None


def marshal(value):
    """A handler's result as (content type, bytes); the type is empty for JSON."""
    if isinstance(value, bytes):
        return b"application/unknown", value
    try:
        return b"", dumps(value).encode("utf-8")
    except Exception as error:
        raise Fault(
            "Runtime.MarshalError", "Unable to marshal response: {}".format(error)
        ) from None


def flush():
    # DIVERGES: AWS flushes at each write; a line at a time is what our reader looks at anyway.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # user code may have put anything there
            pass


def error_frame(request_id, result):
    return _frame(ERROR, _field(request_id), _field(result[0]), result[1])


def serve(frames, handler):
    environ = os.environ
    frames.write(NEXT_FRAME)
    while True:
        message = frames.read()
        if message is None:
            flush()
            os._exit(0)
        kind, body = message
        if kind != INVOKE:
            raise SystemExit("unexpected frame of type {}".format(kind))

        deadline_ms = int.from_bytes(body[:8], "little")
        at = 8
        fields = []
        for _ in range(6):
            end = at + 4 + int.from_bytes(body[at : at + 4], "little")
            fields.append(bytes(body[at + 4 : end]))
            at = end
        request_id, arn, trace, client_context, identity, tenant_id = fields
        current.request_id = request_id.decode()
        current.tenant_id = tenant_id.decode() if tenant_id else None
        if trace:
            environ["_X_AMZN_TRACE_ID"] = trace.decode("utf-8", "surrogateescape")
        elif "_X_AMZN_TRACE_ID" in environ:
            del environ["_X_AMZN_TRACE_ID"]

        try:
            context = LambdaContext(
                current.request_id,
                arn.decode(),
                parse_json_field(client_context.decode(), "Client Context")
                if client_context
                else None,
                parse_json_field(identity.decode(), "Cognito Identity") if identity else None,
                current.tenant_id,
                deadline_ms,
            )
            try:
                event = loads(str(body[at:], "utf-8"))
            except Exception as error:
                raise Fault(
                    "Runtime.UnmarshalError", "Unable to unmarshal input: {}".format(error)
                ) from None
            message = body = None  # a large event isn't kept twice while the handler runs
            content_type, payload = marshal(handler(event, context))
            if len(payload) > RESPONSE_MAX:
                import _lambent_errors

                result = _lambent_errors.too_large(len(payload), RESPONSE_MAX)
                answer = error_frame(request_id, result) + NEXT_FRAME
            else:
                length = len(request_id) + len(content_type) + len(payload) + 8
                answer = b"".join(
                    (
                        length.to_bytes(4, "little"),
                        b"\x03\0\0\0",
                        len(request_id).to_bytes(4, "little"),
                        request_id,
                        len(content_type).to_bytes(4, "little"),
                        content_type,
                        payload,
                        NEXT_FRAME,
                    )
                )
        except Exception as error:
            import _lambent_errors

            result = _lambent_errors.report(error, current, dumps, RESPONSE_MAX)
            answer = error_frame(request_id, result) + NEXT_FRAME
            del error, result
        flush()
        event = context = payload = None
        frames.write(answer)
        answer = None


def wait_for_assignment(frames):
    """A generic start: everything that does not depend on the function happens now.

    What is imported or run once here is warm, its memory pages written, when the function's own start
    goes the same way; this alone halves the time from ASSIGN to NEXT.
    """
    import _sitebuiltins  # noqa: F401

    read, write = _json_tools()
    write(read('{"a": [1, 2.5, null, true, "text\\u00e9"], "b": {}}'))
    # A function's own code comes without bytecode: the compiler's first time is the slow one too.
    with open(os.path.join(RUNTIME_DIR, "_lambent_practice.py")) as source:
        exec(compile(source.read(), "practice", "exec"), {})
    # A function whose own variables change the search path is never given a generic runtime.
    search_path = set_search_path()
    # The import system's own first time: find, read and run a module from a folder.
    sys.modules["_frozen_importlib"]._gcd_import("_lambent_practice")
    del sys.modules["_lambent_practice"]
    frames.write(_frame(PREPARED))
    answer = frames.read()
    if answer is None:
        os._exit(0)  # never needed
    kind, body = answer
    if kind != ASSIGN:
        raise SystemExit("frame {} instead of ASSIGN".format(kind))
    environ, at = {}, 0
    while at < len(body):
        end = at + 4 + int.from_bytes(body[at : at + 4], "little")
        name, _, value = bytes(body[at + 4 : end]).partition(b"=")
        environ[name] = value
        at = end
    os.environb.clear()
    os.environb.update(environ)
    os.chdir(search_path[0])  # it was mounted meanwhile
    for place in search_path[1]:
        sys.path_importer_cache.pop(place, None)  # what was not there then may be now
    return search_path


def main(fd, wait=False):
    global loads, dumps

    for stream in (sys.stdout, sys.stderr):
        if stream:
            stream.reconfigure(line_buffering=True)
    environ = os.environ
    frames = Frames(fd)
    search_path = wait_for_assignment(frames) if wait else None
    log_fd = environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)
    if log_fd is not None:
        current.log = FramedLog(int(log_fd))
    current.json_logs = environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    current.log_level = environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    current.log_group_name = environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
    current.log_stream_name = environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
    current.function_name = environ.get("AWS_LAMBDA_FUNCTION_NAME")
    current.memory_limit_in_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    current.function_version = environ.get("AWS_LAMBDA_FUNCTION_VERSION")
    loads, dumps = _json_tools()

    _, front, user_path = search_path or set_search_path()
    if "logging" in sys.modules:
        configure_logging(sys.modules["logging"])
    else:
        sys.meta_path.insert(0, LoggingHook())

    try:
        do_sites_work(front, user_path)
        handler = load_handler(environ.get("_HANDLER", ""))
    except Exception as error:
        import _lambent_errors

        _lambent_errors.warn_of_init_error()
        kind, body = _lambent_errors.report(error, current, dumps, RESPONSE_MAX)
        flush()
        frames.write(_frame(INIT_ERROR, _field(kind), body))
        sys.exit(1)
    serve(frames, handler)
