import asyncio
import gc
import json
import logging
from collections.abc import Iterator
from datetime import datetime

import pytest

from serving import events
from serving.events import DECLARED, declare
from serving.logging import LogFormat, configure_logging
from serving.tracing import Trace, note_endpoint, tracing


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    names = ["", "uvicorn", "uvicorn.access", "uvicorn.error", "uvicorn.asgi", "asyncio", "py.warnings"]
    names += ["kafka", "httpx", "urllib3"]
    loggers = [logging.getLogger(name) for name in names]
    before = [(x, x.handlers, x.filters, x.level, x.propagate) for x in loggers]
    yield
    for logger, handlers, filters, level, propagate in before:
        logger.handlers, logger.filters, logger.propagate = handlers, filters, propagate
        logger.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def start(log_format: LogFormat = "json", log_probes: bool = False, level: str = "INFO") -> None:
    configure_logging("test", level, log_format, log_probes)


def test_without_an_access_log_uvicorn_finds_nobody_to_write_for(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("test", "INFO", "json", False, access_log=False)
    assert not logging.getLogger("uvicorn.access").hasHandlers()
    access("/predict")
    assert lines(capsys) == []
    start()
    assert logging.getLogger("uvicorn.access").hasHandlers()


def access(path: str, method: str = "GET", status: int = 200) -> None:
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "1.2.3.4:5", method, path, "1.1", status)


@pytest.mark.parametrize("library", ["kafka.consumer.fetcher", "httpx", "urllib3.connectionpool"])
def test_libraries_are_heard_when_something_is_wrong_and_not_before(
    capsys: pytest.CaptureFixture[str], library: str
) -> None:
    start()
    logging.getLogger(library).info("Node 1 at 10.0.0.7 is connected")
    logging.getLogger(library).warning("Node 1 is gone")
    assert [line["event"] for line in lines(capsys)] == ["Node 1 is gone"]


def test_an_event_is_one_json_line_with_time_level_and_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    start()
    events.child_started(child="engine", pid=7, start=1)
    (line,) = lines(capsys)
    assert datetime.fromisoformat(str(line.pop("ts"))).utcoffset() is not None
    assert line == {
        **{"event": "child_started", "level": "info", "logger": "serving", "service": "test"},
        **{"child": "engine", "pid": 7, "start": 1},
    }


@pytest.mark.parametrize("log_format", ["json", "plain"])
def test_access_lines_have_a_timestamp_and_lose_the_query_string(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    start(log_format)
    access("/triage?mrn=P000123")
    out = capsys.readouterr().err
    assert "P000123" not in out
    assert "/triage" in out
    stamp = json.loads(out)["ts"] if log_format == "json" else out.split()[0]
    assert datetime.fromisoformat(stamp).utcoffset() is not None


def test_probe_lines_are_written_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    start()
    for path in ("/health", "/ready", "/metrics", "/healthz", "/ready?x=1"):
        access(path)
    assert lines(capsys) == []
    start(log_probes=True)
    access("/health")
    assert [line["path"] for line in lines(capsys)] == ["/health"]


def test_every_line_inside_a_request_names_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    start()
    with tracing(Trace("a" * 32, "b" * 16, "r")):
        logging.getLogger("some.library").warning("hello")
    logging.getLogger("some.library").warning("outside")
    inside, outside = lines(capsys)
    assert inside["trace_id"] == "a" * 32
    assert "trace_id" not in outside


def test_the_words_of_an_exception_stay_out_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    start()
    try:
        raise ValueError("my chest hurts")
    except ValueError:
        logging.getLogger("lib").exception("it broke")
    out = capsys.readouterr().err
    assert "chest" not in out
    line = json.loads(out)
    assert line["error_type"] == "ValueError"
    assert str(line["at"]).startswith("test_logging.py:")


def test_what_asyncio_and_warnings_say_of_our_objects_stays_out_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Its messages hold the `repr` of tasks, callbacks, their arguments and what they raised."""
    words = "zq" + "cheese"

    class Quoting:
        def __repr__(self) -> str:
            return f"<{words}>"

    async def broken(_: object) -> None:
        raise ValueError(words)

    def failing(_: object) -> None:
        raise KeyError(words)

    async def told() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(broken(1), name=words)
        await asyncio.sleep(0)
        assert task.done()
        del task  # its error is seen by nobody
        gc.collect()
        loop.call_soon(failing, Quoting())
        loop.slow_callback_duration = 0.0
        loop.set_debug(True)
        loop.call_soon(str, Quoting())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    start()
    asyncio.run(told())
    logging.getLogger("py.warnings").warning("%s", f"main.py:7: UserWarning: expected str, got {words!r}\n  dump(it)\n")
    out = capsys.readouterr().err
    assert words not in out
    found = [json.loads(line)["event"] for line in out.splitlines()]
    assert found[0] == "Task exception was never retrieved"
    assert any(event.startswith("Exception in callback ") for event in found)
    assert "Executing" in found
    assert found[-1] == "main.py:7: UserWarning"


@pytest.mark.parametrize("log_format", ["json", "plain"])
def test_debug_level_shows_an_exception_with_all_its_places_and_none_of_its_words(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    start(log_format, level="DEBUG")
    words = "zq" + "cheese"  # put together here: lines of the source are shown
    try:
        try:
            raise KeyError(words)
        except KeyError as cause:
            raise ValueError(words) from cause
    except ValueError:
        logging.getLogger("lib").exception("it broke")
    out = capsys.readouterr().err
    told = str(json.loads(out)["exception"]) if log_format == "json" else out
    assert told.count("Traceback") == 2
    assert told.index("\nKeyError\n") < told.index("\nValueError")
    assert "test_logging.py" in told
    assert told.rstrip().endswith("ValueError")
    assert words not in out


def test_a_line_has_the_time_at_which_it_was_logged_and_not_that_of_its_writing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    start()
    record = logging.makeLogRecord({"name": "lib", "msg": "%s of %s", "args": (1, 2), "levelno": 30, "created": 0.5})
    logging.getLogger("lib").handle(record)
    (line,) = lines(capsys)
    assert (line["ts"], line["event"]) == ("1970-01-01T00:00:00.500000Z", "1 of 2")


@pytest.mark.parametrize("log_format", ["json", "plain"])
def test_a_line_break_or_half_a_character_inside_a_message_stays_inside_its_line(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    start(log_format)
    logging.getLogger("lib").warning("one\ntwo \ud83d")
    (line,) = capsys.readouterr().err.splitlines()
    assert "one" in line
    assert "two" in line


def test_an_unknown_path_is_logged_by_its_route_and_not_by_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    start()
    with tracing(Trace("a" * 32, "b" * 16, "r")):
        note_endpoint("unmatched")
        access("/triage/P000123")
    assert "P000123" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("client", "told"),
    [("203.0.113.9:4711", "203.0.113.9:4711"), ("[2001:db8::1]:1", "[2001:db8::1]:1"), ("P000123:0", "unknown")],
)
def test_a_caller_is_told_by_an_address_and_not_by_what_a_proxy_passed_on(
    capsys: pytest.CaptureFixture[str], client: str, told: str
) -> None:
    start()
    arguments = (client, "GET", "/", "1.1", 200)
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', *arguments)
    (line,) = lines(capsys)
    assert line["client"] == told


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("OPTIONS", 400), ("GET", 503)])
def test_a_path_that_was_answered_before_any_route_is_not_logged(
    capsys: pytest.CaptureFixture[str], method: str, status: int
) -> None:
    start()
    access("/patients/P000123", method, status)
    (line,) = lines(capsys)
    assert (line["path"], line["status"]) == ("unmatched", status)


def test_an_undeclared_field_is_refused() -> None:
    with pytest.raises(TypeError, match="query"):
        events.child_started(query="my chest hurts")


def test_an_event_name_is_declared_once() -> None:
    name = "child_started"
    assert name in DECLARED
    with pytest.raises(ValueError, match="twice"):
        declare(name, "again")
