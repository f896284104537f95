"""One format for every line: events, library loggers and `uvicorn.access` alike, as JSON or as plain text.

Called once by each service's `main`. A line always has a UTC timestamp, a level and, inside a request, its trace id.
The predecessor's access lines had no time: uvicorn gives its loggers handlers of their own, so they are taken away.
Only the standard library writes: structlog, which did this before, imports rich, pygments and greenlet wherever they
are installed, 5 MB in a process that never shows a traceback to anybody.
"""

import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Literal, TypeAlias

from typing_extensions import override

from serving.encoding import dumps
from serving.events import FIELDS
from serving.tracing import current_endpoint, current_trace

LogFormat = Literal["json", "plain"]
#: A line before it is text: its fields, in their order.
_Line: TypeAlias = dict[str, object]

#: Paths that probes and scrapers call every few seconds: no access line unless asked for.
PROBE_PATHS = frozenset({"/health", "/healthz", "/ready", "/metrics", "/prometheus", "/predict_ping"})

#: uvicorn's loggers come with handlers of their own; httpx logs whole URLs, and an URL can name a patient. kafka tells
#: each connection and fetch of a rebalance in words of its own.
_ADOPTED = ("uvicorn", "uvicorn.access", "uvicorn.error", "uvicorn.asgi")
_QUIET = ("httpx", "httpcore", "huggingface_hub", "asyncio", "kafka", "urllib3")


class _AccessFilter(logging.Filter):
    """Turns uvicorn's access record into fields, without the query string, and drops the probes' lines."""

    def __init__(self, log_probes: bool) -> None:
        super().__init__()
        self._log_probes = log_probes

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if not (isinstance(record.args, tuple) and len(record.args) == 5):
            return True
        client, method, target, _, status = record.args
        # The route's pattern where it is known: an unknown path may be somebody's record number.
        path = current_endpoint() or str(target).split("?", 1)[0]
        if current_endpoint() is None and path not in PROBE_PATHS and (method == "OPTIONS" or status == 503):
            path = "unmatched"  # answered before a route was looked for: a browser's preflight, a server that is full
        if path in PROBE_PATHS and not self._log_probes:
            return False
        record.msg, record.args = "http_access", ()
        setattr(record, FIELDS, {"client": _address(str(client)), "method": method, "path": path, "status": status})
        return True


class _WordsOnly(logging.Filter):
    """Cuts a message before what may quote: asyncio's show tasks and callbacks with their arguments and errors.

    `Task exception was never retrieved`, `Exception in callback Job._told`: the type and place of the error stand
    beside it. A warning's message is cut behind its place and kind.
    """

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        found = _PLAIN_WORDS[record.name].match(record.getMessage())
        record.msg, record.args = found[0].rstrip(" :") if found is not None else record.name, ()
        return True


#: By logger: how much of a message is its library's own words.
_PLAIN_WORDS = {
    "asyncio": re.compile(r"[\w .!-]+"),
    "py.warnings": re.compile(r".{0,500}?:\d+: \w+"),
}


def _address(client: str) -> str:
    """Where a caller says it is, if that is an address: what a proxy passes on may be anything that a caller wrote."""
    host = client.rpartition(":")[0]
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return "unknown"
    return client


class _Lines(logging.Formatter):
    """A record as a line, whoever logged it."""

    def __init__(self, service: str, write: Callable[[_Line], str]) -> None:
        super().__init__()
        self._service, self._write = service, write

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: _Line = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "service": self._service,
            "logger": record.name,
        }
        trace = current_trace()
        if trace is not None:
            line["trace_id"] = trace.trace_id
        fields: Mapping[str, object] = getattr(record, FIELDS, {})
        line.update(fields)
        if record.exc_info:
            line.update(self._about(record.exc_info[1]))
        return self._write(line)

    def _about(self, error: BaseException | None) -> _Line:
        """An exception's words may quote a request. Types and places stay, words go; debug level shows all places."""
        if error is None:
            return {}
        if logging.getLogger().level > logging.DEBUG:
            return {"error_type": type(error).__name__, "at": where(error)}
        return {"error_type": type(error).__name__, "exception": "".join(_places(error)).rstrip()}


def _places(error: BaseException) -> Iterator[str]:
    """A traceback without any exception's words, causes first. Its lines are lines of the source."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _places(cause)
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__name__}\n"


def where(error: BaseException) -> str:
    """The innermost place an error came from: `file.py:line`, which can not hold anybody's words."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"


def _plain(line: _Line) -> str:
    """`time level logger event key=value …`: for people at a terminal."""
    head = [line.pop(key) for key in ("ts", "level", "logger", "event")]
    tail = line.pop("exception", "")
    pairs = " ".join(f"{key}={value}" for key, value in line.items())
    text = f"{head[0]} {str(head[1]).upper():7} {head[2]} {head[3]} {pairs}".rstrip()
    # A line is a line: what follows a line break inside a message would stand there without a time.
    whole = text.replace("\n", "\\n") + (f"\n{tail}" if tail else "")
    return whole.encode(errors="backslashreplace").decode()


def _json(line: _Line) -> str:
    return dumps(line).decode()


def configure_logging(
    service: str, level: str, log_format: LogFormat, log_probes: bool, access_log: bool = True
) -> None:
    """Takes over the root logger and uvicorn's. Lines go to standard error; calling it again replaces the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(service, _json if log_format == "json" else _plain))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _ADOPTED:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    access = logging.getLogger("uvicorn.access")
    access.filters = [_AccessFilter(log_probes)]
    # uvicorn decides by whether its logger leads anywhere, at each connection: its own setting was undone here before.
    access.propagate = access_log
    logging.captureWarnings(True)
    for name in _PLAIN_WORDS:
        logging.getLogger(name).filters = [_WordsOnly()]
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
