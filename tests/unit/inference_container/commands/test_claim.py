import hashlib
import os
import signal
import threading
from pathlib import Path

import orjson
import pytest

from inference_container.broker.ports import Producer, Sent
from inference_container.claims.deadlines import TtlPolicy, milliseconds
from inference_container.claims.messages import Claim, read_claim
from inference_container.errors import BrokerUnavailable
from inference_container.stores.files import FileStore
from inference_container.stores.places import Places
from serving.clock import SystemClock
from tests.unit.inference_container.claims.brokers import ChosenProducer, everything_in, there
from tests.unit.inference_container.commands.street import CLAIMS, RESULTS, Street

PLACES = Places({"processed-data": ("",), "elsewhere": ("",)})
CONTENT = b"PAR1 a series PAR1"


def file_in(folder: Path, content: bytes = CONTENT) -> str:
    path = folder / "series.parquet"
    path.write_bytes(content)
    return str(path)


def claims_of(street: Street) -> list[Claim]:
    found = [read_claim(record.value, PLACES) for record in everything_in(street.broker, CLAIMS)]
    return [claim for claim in found if isinstance(claim, Claim)]


def test_put_stores_the_file_and_claims_that_version_of_it(street: Street) -> None:
    done = street.call("claim", "put", file_in(street.folder), "--horizon", "24", "--identifier", "north")
    assert done.status == 0
    (record,) = everything_in(street.broker, CLAIMS)
    (claim,) = claims_of(street)
    assert done.lines == [f"{claim.claim_id} {record.source}"]
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert (claim.version, claim.sha256, claim.size, claim.horizon) == (2, digest, len(CONTENT), 24)
    assert (claim.bucket, claim.key, claim.identifier) == ("processed-data", f"series-{digest[:12]}.parquet", "north")
    info, content = FileStore(street.folder / "store", PLACES).get(claim.bucket, claim.key, 1000)
    assert (content, info.etag) == (CONTENT, claim.etag)
    assert (record.key, record.headers) == (str(claim.claim_id).encode(), ())


def test_put_takes_bucket_key_topic_and_time_to_live_from_whoever_calls(street: Street) -> None:
    street.broker.ensure_topics({"mine": 1})
    before = milliseconds(SystemClock())
    done = street.call(
        *("claim", "put", file_in(street.folder), "--bucket", "elsewhere", "--key", "a/b.parquet"),
        *("--ttl-ms", "60000", "--topic", "mine"),
    )
    assert done.status == 0
    (record,) = everything_in(street.broker, "mine")
    claim = read_claim(record.value, PLACES)
    assert isinstance(claim, Claim)
    assert (claim.bucket, claim.key) == ("elsewhere", "a/b.parquet")
    deadline = TtlPolicy(True).read(record.headers)
    assert deadline is not None
    assert hasattr(deadline, "at_ms")
    assert before + 60_000 <= deadline.at_ms <= milliseconds(SystemClock()) + 60_000


@pytest.mark.parametrize(
    ("content", "bound", "word"), [(b"time,value\n", "1000000", "invalid_series"), (CONTENT * 100, "1024", "too_large")]
)
def test_put_refuses_what_would_only_become_a_dead_letter(
    street: Street, monkeypatch: pytest.MonkeyPatch, content: bytes, bound: str, word: str
) -> None:
    monkeypatch.setenv("CLAIM_MAX_BYTES", bound)
    done = street.call("claim", "put", file_in(street.folder, content))
    assert (done.status, done.out) == (2, "")
    assert word in done.err
    assert everything_in(street.broker, CLAIMS) == []
    assert not (street.folder / "store").exists()


def test_put_says_which_file_is_not_there(street: Street) -> None:
    done = street.call("claim", "put", "no-such-file.parquet")
    assert done.status == 2
    assert "no-such-file.parquet" in done.err


@pytest.mark.parametrize("command", [["claim", "burst"], ["claim", "tail"], ["dlq", "list"], ["dlq", "replay"]])
@pytest.mark.parametrize(("servers", "word"), [("", "set KAFKA_BOOTSTRAP_SERVERS"), ("memory", "can not be reached")])
def test_a_broker_that_is_not_named_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], servers: str, word: str
) -> None:
    from inference_container.broker.memory import MemoryBroker

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", servers)
    done = Street(MemoryBroker(), tmp_path).call(*command)
    assert (done.status, done.out) == (2, "")
    assert word in done.err


def test_burst_publishes_many_claims_of_the_version_that_is_there(street: Street) -> None:
    store = FileStore(street.folder / "store", PLACES)
    store.ensure_buckets()
    info = store.put("processed-data", "test_processed_data.parquet", CONTENT)
    done = street.call("claim", "burst", "--count", "300", "--key-prefix", "p", "--ttl-ms", "60000")
    assert (done.status, done.lines, done.err) == (0, [f"300 published to {CLAIMS}"], "")
    assert {(claim.version, claim.etag) for claim in claims_of(street)} == {(2, info.etag)}
    assert {record.key for record in everything_in(street.broker, CLAIMS)} == {b"p-%d" % n for n in range(300)}


def test_burst_says_that_its_claims_name_no_version(street: Street) -> None:
    done = street.call("claim", "burst")
    assert done.status == 0
    assert "name no version" in done.err
    assert claims_of(street) == [Claim(1, "processed-data", "test_processed_data.parquet")]


def test_a_burst_that_ends_half_way_says_how_many_are_certain(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    producer = ChosenProducer(lambda number: there(number) if number < 7 else BrokerUnavailable())
    monkeypatch.setattr(street.broker, "producer", lambda: producer)
    done = street.call("claim", "burst", "--count", "1000")
    assert (done.status, done.out) == (2, "")
    assert "7 published, 0 more may have arrived" in done.err
    assert "broker_unavailable" in done.err


def test_a_burst_that_is_interrupted_says_how_many_are_certain(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)

    def answer(number: int) -> Sent:
        if number == 49:
            os.kill(os.getpid(), signal.SIGINT)
        return there(number)

    def producer() -> Producer:
        return ChosenProducer(answer)

    monkeypatch.setattr(street.broker, "producer", producer)
    done = street.call("claim", "burst", "--count", "500000")
    assert done.status == 2
    assert "published, 0 more may have arrived" in done.err
    assert signal.getsignal(signal.SIGINT) is before


def results(street: Street, count: int, begin: int = 0) -> None:
    producer = street.broker.producer()
    for number in range(begin, begin + count):
        fields = {"source": f"{CLAIMS}-0-{number}", "claim_id": f"c-{number}", "status": "SUCCESS", "rows": 24}
        producer.send(RESULTS, orjson.dumps(fields), timestamp_ms=1_767_225_600_000 + number).result()


def test_tail_shows_the_last_results_as_json_lines(street: Street) -> None:
    results(street, 50)
    shown = [orjson.loads(line)["claim_id"] for line in street.call("claim", "tail", "-n", "3").lines]
    assert shown == ["c-47", "c-48", "c-49"]
    assert len(street.call("claim", "tail").lines) == 10
    assert street.call("claim", "tail", "-n", "0").lines == []
    assert len(street.call("claim", "tail", "--from-beginning").lines) == 50


def test_tail_shows_a_table_too(street: Street) -> None:
    results(street, 2)
    heading, first, second = street.call("claim", "tail", "--output", "table").lines
    assert heading.split() == ["time", "source", "claim_id", "status", "rows", "model", "identifier"]
    assert first.split() == ["2026-01-01T00:00:00", f"{CLAIMS}-0-0", "c-0", "SUCCESS", "24"]
    assert second.split()[1] == f"{CLAIMS}-0-1"


def test_tail_follows_until_it_is_interrupted(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    results(street, 3)
    later = threading.Timer(0.3, lambda: results(street, 2, begin=3))
    end = threading.Timer(0.8, lambda: os.kill(os.getpid(), signal.SIGINT))
    later.start()
    end.start()
    done = street.call("claim", "tail", "-n", "0", "--follow")
    assert done.status == 0
    assert {orjson.loads(line)["claim_id"] for line in done.lines} == {"c-3", "c-4"}
