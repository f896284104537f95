from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from inference_container.claims.recording.parts import parts
from inference_container.claims.results import Forecast, Row, ok_row
from inference_container.commands.app import app
from tests.unit.inference_container.claims.recording.recording_house import BUCKET, CLAIM, MODEL, LogStore
from tests.unit.inference_container.claims.samples import record

AT = 1_767_225_600_000


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    return LogStore(tmp_path / "objects")


def put(store: LogStore, offset: int, value: float = 1.5, at_ms: int = AT) -> Row:
    source = record(offset=offset, timestamp_ms=at_ms)
    row = ok_row(source, CLAIM, MODEL, Forecast(orjson.dumps({"predictions": [value]}), 1), "default")
    (part,) = parts([row])
    store.put(BUCKET, part.key, part.content)
    return row


def run(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["results", *arguments, "--bucket", BUCKET, "--store", str(tmp_path / "objects")])


def jsonl(store: LogStore) -> list[str]:
    return [info.key for info in store.list(BUCKET, "results/") if info.key.endswith(".jsonl")]


def test_closed_hours_are_compacted_and_parts_stay_unless_asked_for(store: LogStore, tmp_path: Path) -> None:
    row = put(store, 7)
    put(store, 8)
    done = run(tmp_path, "compact")
    assert (done.exit_code, done.stdout) == (0, "topic=inference-data 2026-01-01T00: compacted, 2 parts, 2 rows\n")
    assert len(jsonl(store)) == 2
    again = run(tmp_path, "compact", "--delete")
    assert again.stdout.splitlines() == [
        "topic=inference-data 2026-01-01T00: compacted before, 2 parts, 2 rows",
        "topic=inference-data 2026-01-01T00: 2 parts removed",
    ]
    assert jsonl(store) == []
    shown = run(tmp_path, "show", "--source", "inference-data-3-7")
    assert (shown.exit_code, orjson.loads(shown.stdout)) == (0, orjson.loads(row.line))


def test_an_open_hour_is_never_touched(store: LogStore, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    put(store, 7, at_ms=int(now.timestamp() * 1000))
    put(store, 8, at_ms=int((now - timedelta(hours=1)).timestamp() * 1000))
    assert run(tmp_path, "compact", "--delete").stdout == ""
    present = run(tmp_path, "compact", "--before", f"{now:%Y-%m-%dT%H}")
    assert [line.rpartition(": ")[2] for line in present.stdout.splitlines()] == ["compacted, 1 parts, 1 rows"]
    later = run(tmp_path, "compact", "--before", f"{now + timedelta(hours=1):%Y-%m-%dT%H}")
    assert later.exit_code == 2
    assert len(jsonl(store)) == 2


def test_hours_from_before_on_are_left(store: LogStore, tmp_path: Path) -> None:
    put(store, 7)
    assert run(tmp_path, "compact", "--before", "2026-01-01T00").stdout == ""
    assert run(tmp_path, "compact", "--before", "2026-01-01T01").stdout != ""
    assert run(tmp_path, "compact", "--before", "yesterday").exit_code == 2


def test_a_topic_may_be_chosen(store: LogStore, tmp_path: Path) -> None:
    put(store, 7)
    assert run(tmp_path, "compact", "--topic", "other").stdout == ""
    assert run(tmp_path, "compact", "--topic", "inference-data").stdout != ""


def test_two_answers_of_one_source_are_status_3_and_nothing_is_removed_anywhere(
    store: LogStore, tmp_path: Path
) -> None:
    put(store, 7, 1.5)
    put(store, 7, 2.5)
    put(store, 8, at_ms=AT + 3_600_000)
    done = run(tmp_path, "compact", "--delete")
    assert done.exit_code == 3
    assert "inference-data-3-7" in done.stderr
    assert len(jsonl(store)) == 3


def test_an_hour_that_can_not_be_read_is_status_2_and_costs_the_others_nothing(store: LogStore, tmp_path: Path) -> None:
    store.put(BUCKET, "results/topic=a/dt=2026-01-01/h=00/p=00/0-0-0.jsonl", b"broken\n")
    put(store, 7)
    done = run(tmp_path, "compact", "--delete")
    assert done.exit_code == 2
    assert "0-0-0.jsonl" in done.stderr
    assert jsonl(store) == ["results/topic=a/dt=2026-01-01/h=00/p=00/0-0-0.jsonl"]


def test_a_source_that_is_not_there_is_status_1(store: LogStore, tmp_path: Path) -> None:
    shown = run(tmp_path, "show", "--source", "inference-data-3-7")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "inference-data-3-7" in shown.stderr
