import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.broker.ports import Partition
from inference_container.claims.consuming.attempts import MAX_NOTE_BYTES, Attempts, decode_note, encode_note
from inference_container.claims.consuming.ledger import Delivery

P, Q = Partition("inference-data", 0), Partition("inference-data", 1)
counts = st.dictionaries(st.integers(0, 40).map(lambda ahead: 1000 + ahead), st.integers(1, 99), max_size=40)


def delivery(offset: int, partition: Partition = P) -> Delivery:
    return Delivery(partition, offset, 1)


def test_a_note_is_short_and_readable() -> None:
    assert encode_note(1000, {1000: 2, 1007: 1}) == "a1 0:2 7:1"
    assert encode_note(1000, {}) == encode_note(1000, {1: 1, 1000: 0}) == ""


@given(counts)
def test_a_note_is_always_read_back(attempts: dict[int, int]) -> None:
    assert decode_note(1000, encode_note(1000, attempts)) == attempts


@given(st.dictionaries(st.integers(0, 2**62), st.integers(0, 10**6), max_size=400), st.integers(0, 100))
def test_a_note_is_never_too_long_and_never_more_than_was_counted(attempts: dict[int, int], position: int) -> None:
    note = encode_note(position, attempts)
    assert len(note.encode()) <= MAX_NOTE_BYTES
    read = decode_note(position, note)
    assert all(attempts[offset] >= count and offset >= position for offset, count in read.items())
    dropped = [attempts[each] for each in attempts if each >= position and attempts[each] and each not in read]
    assert not dropped or min(read.values()) >= min(max(dropped), 99), "the most suspicious stay"


def test_where_a_note_has_no_room_the_most_suspicious_stay() -> None:
    many = dict.fromkeys(range(1000), 1) | {500: 3, 900: 2}
    read = decode_note(0, encode_note(0, many))
    assert read[500] == 3
    assert read[900] == 2
    assert 0 in read
    assert len(read) < 300


@pytest.mark.parametrize(
    "note", ["", "a1", "a2 0:1", "a1 0:1 ", "a1 -1:1", "a1 0:100", "a1 ٣:1", "metadata", "a" * 5000]
)
def test_a_note_of_somebody_else_counts_nothing(note: str) -> None:
    assert decode_note(0, note) == {}


@given(st.text(max_size=60))
def test_reading_a_note_never_raises(note: str) -> None:
    assert all(count > 0 for count in decode_note(5, note).values())


def test_the_first_work_of_an_assignment_is_noted_before_it_begins_and_later_work_in_passing() -> None:
    attempts = Attempts()
    attempts.assigned(P, 10)
    assert attempts.begin([delivery(10)])
    attempts.noted([P])
    assert not attempts.begin([delivery(11)])
    assert attempts.notes({P: 10, Q: 4}) == {P: "a1 0:1 1:1", Q: ""}
    assert attempts.begin([delivery(0, Q)])


def test_what_was_begun_in_an_earlier_life_is_a_suspect_and_noted_every_time() -> None:
    attempts = Attempts()
    attempts.assigned(P, 10, "a1 0:1 2:2")
    attempts.noted([P])
    assert [attempts.suspect(P, offset) for offset in (10, 11, 12)] == [True, False, True]
    assert attempts.begin([delivery(12)])
    assert attempts.of(P, 12) == 3
    attempts.finished(delivery(12))
    assert not attempts.suspect(P, 12)
    assert attempts.begin([delivery(11)]), "that the suspect was innocent is to be known before anything else begins"
    attempts.noted([P])
    assert not attempts.begin([delivery(13)])


def test_a_try_that_was_not_the_claims_own_is_taken_back() -> None:
    attempts = Attempts()
    attempts.assigned(P, 10)
    attempts.begin([delivery(10)])
    attempts.not_begun([delivery(10), delivery(11)])
    assert (attempts.of(P, 10), attempts.of(P, 11)) == (0, 0)


def test_a_suspect_that_nobody_died_of_is_counted_out_much_later_and_the_next_life_knows() -> None:
    attempts = Attempts()
    attempts.assigned(P, 10, "a1 0:2 2:2")
    attempts.begin([delivery(10), delivery(12)])
    attempts.innocent(delivery(10))
    attempts.innocent(delivery(10))
    note = attempts.notes({P: 10})[P]
    for lives in range(20):
        attempts = Attempts()
        attempts.assigned(P, 10, note)
        assert attempts.suspect(P, 10)
        assert attempts.exhausted(P, 12, 3), "the other one is not innocent"
        if attempts.exhausted(P, 10, 3):
            break
        attempts.begin([delivery(10)])
        note = attempts.notes({P: 10})[P]
        assert attempts.of(P, 10) == lives + 4, "tries are told as they were"
    assert lives == 6


@pytest.mark.parametrize("most", [1, 3, 20])
def test_an_innocent_one_that_kills_for_ever_is_counted_out_in_the_end(most: int) -> None:
    attempts = Attempts()
    attempts.assigned(P, 10, "a1 0:1")
    attempts.begin([delivery(10)])
    attempts.innocent(delivery(10))
    for _ in range(100):
        note = attempts.notes({P: 10})[P]
        attempts = Attempts()
        attempts.assigned(P, 10, note)
        if attempts.exhausted(P, 10, most):
            return
        attempts.begin([delivery(10)])
    raise AssertionError("it is tried for ever")


def test_what_is_finished_or_has_left_is_forgotten() -> None:
    attempts = Attempts()
    attempts.assigned(P, 10, "a1 0:1")
    attempts.begin([delivery(10), delivery(11), delivery(4, Q)])
    attempts.finished(delivery(10))
    attempts.finished(delivery(11))
    attempts.left([Q])
    assert attempts.held == 0


@given(killer=st.integers(0, 60), batch=st.integers(1, 16), most=st.integers(1, 5), total=st.integers(61, 80))
def test_a_claim_that_kills_every_process_always_reaches_its_limit_and_no_other_does(
    killer: int, batch: int, most: int, total: int
) -> None:
    """The worst case: nothing that was begun with it or after the last commit survives, and commits are rare."""
    position, note, dead = 0, "", -1
    for _ in range(200):
        attempts = Attempts()
        attempts.assigned(P, position, note)
        at = position
        while at < total:
            company = [delivery(at)]
            while not attempts.suspect(P, at) and len(company) < batch and at + len(company) < total:
                if attempts.suspect(P, at + len(company)):
                    break
                company.append(delivery(at + len(company)))
            if attempts.exhausted(P, at, most):
                assert at == killer, "an innocent claim has become a dead letter"
                dead = at
            else:
                if attempts.begin(company):
                    # Noted at what is finished: all below `at`.
                    position, note = at, attempts.notes({P: at})[P]
                    attempts.noted([P])
                if any(each.offset == killer for each in company) and dead != killer:
                    break  # the process is gone
            for each in company:
                attempts.finished(each)
            at += len(company)
        else:
            break
    assert dead == killer
    assert attempts.held == 0


def test_what_a_process_that_lives_had_begun_is_not_held_against_it_when_the_partition_comes_back() -> None:
    attempts = Attempts()
    attempts.assigned(P, 10, "a1 1:1")  # somebody died while he had 11
    for _ in range(5):
        attempts.begin([delivery(10), delivery(11)])
        note = attempts.notes({P: 10})[P]
        attempts.left([P], forgiven=True)
        attempts.assigned(P, 10, note)
        assert attempts.of(P, 10) == 0
        assert not attempts.suspect(P, 10)
        assert attempts.of(P, 11) == 1, "the death before us stays"
        assert not attempts.exhausted(P, 11, 2)


def test_deaths_of_others_in_between_are_counted_and_a_fault_of_our_own_is_not_forgiven() -> None:
    attempts = Attempts()
    attempts.assigned(P, 10)
    attempts.begin([delivery(10)])
    attempts.left([P], forgiven=True)
    attempts.assigned(P, 10, "a1 0:3")  # ours and two more
    assert attempts.of(P, 10) == 2
    attempts.begin([delivery(10)])
    attempts.left([P])
    attempts.assigned(P, 10, "a1 0:3")
    assert attempts.of(P, 10) == 3


@given(st.lists(st.tuples(st.sampled_from(["lost", "died"]), st.booleans()), max_size=20))
def test_never_is_a_count_below_the_deaths_that_the_notes_had_told_of(story: list[tuple[str, bool]]) -> None:
    """One claim, begun alone in each life; each note is taken by the broker, or it is not."""
    attempts, kept, deaths_noted = Attempts(), "", 0
    for end, taken in story:
        attempts.assigned(P, 10, kept)
        assert attempts.of(P, 10) >= deaths_noted
        attempts.begin([delivery(10)])
        if taken:
            kept = attempts.notes({P: 10})[P]
        if end == "lost":
            attempts.left([P], forgiven=True)
        else:
            attempts, deaths_noted = Attempts(), deaths_noted + taken
