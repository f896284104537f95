"""The commands for claims and dead letters on a real Kafka, as processes of their own."""

import os
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import orjson
import pytest

from inference_container.broker.kafka import KafkaBroker
from inference_container.broker.kafka_connection import KafkaConnection
from inference_container.broker.ports import Partition, Record
from inference_container.claims.dead_letters import DeadLetterTopics, Kind, Why, dead_letter
from inference_container.claims.deadlines import milliseconds
from inference_container.claims.messages import Claim, read_claim
from inference_container.claims.publishing.looking import look
from inference_container.stores.files import FileStore
from inference_container.stores.places import Places
from serving.clock import SystemClock
from tests.kafka.marks import KAFKA

pytestmark = KAFKA

PLACES = Places({"processed-data": ("",)})
_ROOT = Path(__file__).parents[3]


class Street:
    """A person at a terminal, and topics that nobody else uses."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.folder = folder
        self.broker = KafkaBroker(KafkaConnection(tuple(bootstrap.split(","))))
        name = uuid.uuid4().hex[:8]
        self.claims, self.results, self.letters = f"claims-{name}", f"results-{name}", f"DLQ-{name}"
        self.broker.ensure_topics({self.claims: 4, self.results: 4, self.letters: 2})
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._environment = {
            **inherited,
            "PYTHONPATH": str(_ROOT),
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "STORE_PATH": str(folder / "store"),
            "CONSUMER_TOPIC_0": self.claims,
            "PRODUCER_TOPIC": self.results,
            "DLQ_PERFORMANCE_TOPIC": self.letters,
        }

    def begin(self, *arguments: str, **settings: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "inference_container", *arguments],
            cwd=self.folder,
            env={**self._environment, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: str, **settings: str) -> tuple[int, str, str]:
        """Status, standard output and standard error."""
        process = self.begin(*arguments, **settings)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def lying_in(self, topic: str) -> list[Record]:
        return list(look(self.broker, topic, SystemClock()))

    def died(self, count: int, reason: str = "no_data") -> None:
        producer = self.broker.producer()
        for number in range(count):
            record = Record(Partition(self.claims, 0), number, b"key", b"%d" % number, (("x", b"1"),), 5)
            letter = dead_letter(record, Kind.CLAIM, Why(reason, "A sentence."), 3, 9, DeadLetterTopics())
            producer.send(
                self.letters, letter.value, letter.key + b"-%d" % number if letter.key else None, letter.headers
            )
        producer.flush(30)
        producer.close()


@pytest.fixture
def street(kafka_bootstrap: str, tmp_path: Path) -> Street:
    return Street(kafka_bootstrap, tmp_path)


def test_put_makes_a_message_that_can_be_read_and_an_object_that_it_points_at(street: Street) -> None:
    content = b"PAR1 a series PAR1"
    (street.folder / "series.parquet").write_bytes(content)
    status, out, err = street.call("claim", "put", "series.parquet", "--horizon", "5")
    assert status == 0, err
    (record,) = street.lying_in(street.claims)
    claim = read_claim(record.value, PLACES)
    assert isinstance(claim, Claim)
    assert out == f"{claim.claim_id} {record.source}\n"
    assert claim.horizon == 5
    info, stored = FileStore(street.folder / "store", PLACES).get(claim.bucket, claim.key, 1000)
    assert (stored, info.etag, info.size) == (content, claim.etag, claim.size)


def test_a_burst_arrives_whole_and_on_every_partition(street: Street) -> None:
    status, out, err = street.call("claim", "burst", "--count", "5000")
    assert (status, out) == (0, f"5000 published to {street.claims}\n"), err
    records = street.lying_in(street.claims)
    assert len(records) == 5000
    assert {record.partition.number for record in records} == {0, 1, 2, 3}


def test_tail_shows_what_came_last_or_all_there_is(street: Street) -> None:
    producer = street.broker.producer()
    now_ms = milliseconds(SystemClock())  # of the day: retention goes by it, and deletes what is older than a week
    for number in range(40):
        producer.send(street.results, orjson.dumps({"claim_id": f"c-{number}"}), timestamp_ms=now_ms + number)
    producer.flush(30)
    producer.close()
    status, out, err = street.call("claim", "tail", "-n", "3")
    assert status == 0, err
    assert [orjson.loads(line)["claim_id"] for line in out.splitlines()] == ["c-37", "c-38", "c-39"]
    status, out, _ = street.call("claim", "tail", "--from-beginning")
    assert len(out.splitlines()) == 40


def test_a_letter_is_listed_and_replaying_twice_sends_it_once(street: Street) -> None:
    street.died(20)
    status, out, err = street.call("dlq", "list", "--reason", "no_data")
    assert (status, len(out.splitlines()), err) == (0, 21, f"20 in {street.letters}: 20 no_data\n")
    status, out, err = street.call("dlq", "replay", "--limit", "7")
    assert (status, err) == (0, "7 replayed, 0 not\n")
    assert street.call("dlq", "replay")[2] == "13 replayed, 0 not\n"
    assert street.call("dlq", "replay") == (0, "", "0 replayed, 0 not\n")
    records = street.lying_in(street.claims)
    assert Counter(record.value for record in records) == {b"%d" % number: 1 for number in range(20)}
    assert {record.headers for record in records} == {(("x", b"1"),)}
    assert {record.key for record in records} == {b"key-%d" % number for number in range(20)}


def test_a_replay_that_is_killed_sends_nothing_twice_and_leaves_one_letter_uncertain_at_most(street: Street) -> None:
    street.died(600)
    for _ in range(3):
        process = street.begin("dlq", "replay", "--uncertain", "skip")
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(60):
            process.stdout.readline()
        process.kill()
        process.communicate(timeout=30)
    # A member that was killed is missed by its group only after its session; the next one waits for that.
    status, _, err = street.call("dlq", "replay", "--uncertain", "skip")
    assert status == 0, err
    counts = Counter(record.value for record in street.lying_in(street.claims))
    assert set(counts.values()) == {1}
    assert 600 - 3 <= len(counts) <= 600
    assert street.call("dlq", "replay") == (0, "", "0 replayed, 0 not\n")


def test_a_broker_that_is_down_is_one_sentence_and_a_status(street: Street) -> None:
    (street.folder / "series.parquet").write_bytes(b"PAR1PAR1")
    commands = [("claim", "put", "series.parquet"), ("dlq", "replay")]
    asking = [street.begin(*command, KAFKA_BOOTSTRAP_SERVERS="localhost:1") for command in commands]
    for process in asking:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (2, "")
        assert err == "broker_unavailable: The broker did not answer; try again later.\n"
    assert not (street.folder / "store").exists()
