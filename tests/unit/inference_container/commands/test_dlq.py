import orjson

from inference_container.broker.ports import Headers, Partition, Record
from inference_container.claims.dead_letters import DeadLetterTopics, Kind, Why, dead_letter
from tests.unit.inference_container.claims.brokers import everything_in
from tests.unit.inference_container.commands.street import CLAIMS, LETTERS, Street


def died(street: Street, value: bytes, reason: str = "no_data", headers: Headers = (), topic: str = CLAIMS) -> None:
    record = Record(Partition(topic, 0), 7, b"k", value, headers, 5)
    letter = dead_letter(record, Kind.CLAIM, Why(reason, "A sentence."), 3, 9, DeadLetterTopics())
    street.broker.producer().send(LETTERS, letter.value, letter.key, letter.headers, 1_767_225_600_000).result()


def test_list_shows_every_letter_and_counts_the_reasons(street: Street) -> None:
    died(street, b"1")
    died(street, b"2", "not_json")
    died(street, b"3", "not_json")
    done = street.call("dlq", "list")
    assert done.status == 0
    heading, *rows = done.lines
    assert heading.split() == ["letter", "time", "reason", "tries", "source", "error"]
    assert {row.split()[1] for row in rows} == {"2026-01-01T00:00:00"}
    assert sorted(row.split()[2] for row in rows) == ["no_data", "not_json", "not_json"]
    assert done.err == f"3 in {LETTERS}: 2 not_json, 1 no_data\n"


def test_list_shows_letters_of_one_reason_whole(street: Street) -> None:
    died(street, b"\xff\x1b[2J", "not_utf8")
    died(street, b"2", "not_json")
    (line,) = street.call("dlq", "list", "--reason", "not_utf8", "--output", "json").lines
    told = orjson.loads(line)
    assert (told["reason"], told["source"], told["attempts"]) == ("not_utf8", f"{CLAIMS}-0-7", "3")
    assert (told["key"], told["value"], told["error"]) == ("k", "base64:/xtbMko=", "A sentence.")


def test_what_stands_in_a_letter_can_not_steer_the_terminal(street: Street) -> None:
    street.broker.producer().send(LETTERS, b"\x1b[2J", None, (("dlq-reason", b"a\x1b[2J\xc2\x9bb"),)).result()
    for arguments in (["dlq", "list"], ["dlq", "list", "--output", "json"], ["dlq", "replay"]):
        done = street.call(*arguments)
        assert "\\u001b[2J" in done.out
        assert not {"\x1b", "\x9b"} & set(done.out + done.err)


def test_an_empty_topic_and_one_that_is_not_there_are_told_apart(street: Street) -> None:
    done = street.call("dlq", "list")
    assert (done.status, done.out, done.err) == (0, "", f"0 in {LETTERS}\n")
    assert street.call("dlq", "replay").err == "0 replayed, 0 not\n"


def test_replay_sends_each_letter_once(street: Street) -> None:
    died(street, b"1")
    died(street, b"2", "not_json")
    done = street.call("dlq", "replay", "--reason", "no_data")
    assert (done.status, done.err) == (0, "1 replayed, 0 not\n")
    assert done.lines[0].endswith(f"(no_data): replayed -> {CLAIMS}")
    assert street.call("dlq", "replay", "--reason", "no_data").err == "0 replayed, 0 not\n"
    assert street.call("dlq", "replay").err == "1 replayed, 0 not\n"
    records = everything_in(street.broker, CLAIMS)
    assert sorted((record.key, record.value, record.headers) for record in records) == [
        (b"k", b"1", ()),
        (b"k", b"2", ()),
    ]


def test_a_dry_run_says_so(street: Street) -> None:
    died(street, b"1")
    died(street, b"2")
    done = street.call("dlq", "replay", "--dry-run", "--limit", "1")
    assert done.lines[0].endswith(f"would be replayed -> {CLAIMS}")
    assert done.err == "1 would be replayed, 0 not\n"
    assert everything_in(street.broker, CLAIMS) == []


def test_what_is_too_late_is_told_and_sent_when_asked_for(street: Street) -> None:
    died(street, b"1", headers=(("deadline_ms", b"1000"),))
    done = street.call("dlq", "replay")
    assert "its deadline has passed" in done.out
    assert done.err == "0 replayed, 1 not\n"
    assert street.call("dlq", "replay", "--drop-deadline").err == "1 replayed, 0 not\n"
    (record,) = everything_in(street.broker, CLAIMS)
    assert record.headers == ()


def test_an_uncertain_letter_stops_it_with_a_status_of_its_own(street: Street) -> None:
    died(street, b"1", topic="gone")
    broken = street.call("dlq", "replay")
    assert (broken.status, "broker_unavailable" in broken.err) == (2, True)
    stopped = street.call("dlq", "replay")
    assert (stopped.status, "--uncertain skip" in stopped.err) == (1, True)
    assert "may have been replayed" in stopped.out
    street.broker.ensure_topics({"gone": 1})
    assert street.call("dlq", "replay", "--uncertain", "send").err == "1 replayed, 0 not\n"
    assert street.call("dlq", "replay").status == 0
    assert [record.value for record in everything_in(street.broker, "gone")] == [b"1"]
