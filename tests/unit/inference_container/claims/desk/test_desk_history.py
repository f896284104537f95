"""The desk under any order of taking, withdrawing, failing, waiting and closing: each message is told of once."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_container.claims.consuming.ledger import Delivery
from inference_container.claims.ports import Ended, Item
from inference_container.claims.retries import RetryPolicy
from inference_container.errors import (
    BrokerUnavailable,
    InvalidSeries,
    MessageTooLarge,
    ObjectMissing,
    StoreUnavailable,
)
from serving.errors import ChildDied, DeadlineExceeded, NotReady
from tests.unit.inference_container.claims.desk.desk_house import House, opened

pytestmark = pytest.mark.anyio

RETRIES = RetryPolicy(most_attempts=3, first_s=0.01, longest_s=0.05, missing_grace_s=0.02)

_of_the_store = st.sampled_from([StoreUnavailable, ObjectMissing, OSError, None])
_of_the_pool = st.sampled_from([NotReady, ChildDied, InvalidSeries, DeadlineExceeded, KeyError, None])
_of_the_recorder = st.sampled_from([StoreUnavailable, BrokerUnavailable, MessageTooLarge, KeyError, None])
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.lists(st.sampled_from(["work", "late", "soon late", "refused"]), max_size=5)),
        st.tuples(st.just("withdraw"), st.lists(st.integers(0, 20), max_size=4)),
        st.tuples(st.just("store"), _of_the_store),
        st.tuples(st.just("pool"), _of_the_pool),
        st.tuples(st.just("recorder"), _of_the_recorder),
        st.tuples(st.just("gates"), st.booleans()),
        st.tuples(st.just("turns"), st.integers(0, 4)),
        st.tuples(st.just("time"), st.floats(0, 0.2)),
    ),
    max_size=25,
)


def failing(house: House, part: str, error: type[Exception] | None) -> None:
    def fault(_: object) -> None:
        if error is not None:
            raise error()

    match part:
        case "store":
            house.store.fault = fault
        case "pool":
            house.forecaster.error = error() if error is not None else None
        case "recorder":
            house.recorder.fault = fault


def made(house: House, kind: str) -> Item:
    match kind:
        case "refused":
            return house.refused()
        case "late":
            return house.work(deadline_s=-1)
        case "soon late":
            return house.work(deadline_s=0.1)
        case _:
            return house.work()


@settings(max_examples=150)
@given(_steps, st.booleans())
async def test_each_message_is_told_of_exactly_once_and_recorded_if_it_says_so(
    steps: list[tuple[str, object]], close_early: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        taken: list[Item] = []
        withdrawn: set[Delivery] = set()
        async with opened(Path(folder), RETRIES, fetchers=2) as house:
            for step, what in steps:
                match step, what:
                    case "take", list():
                        items = [made(house, str(kind)) for kind in what]
                        taken += items
                        house.desk.take(items)
                    case "withdraw", list():
                        chosen = {taken[at].delivery for at in what if at < len(taken)}
                        withdrawn |= chosen
                        house.desk.withdraw(chosen)
                    case "gates", bool():
                        for gate in (house.forecaster.gate, house.recorder.gate):
                            (gate.set if what else gate.clear)()
                    case "turns", int():
                        for _ in range(what):
                            await asyncio.sleep(0.0002)
                    case "time", float():
                        house.clock.turn(what)
                    case str(), _:
                        assert what is None or isinstance(what, type)
                        failing(house, step, what)
            if not close_early:
                for part in ("store", "pool", "recorder"):
                    failing(house, part, None)
                house.forecaster.gate.set()
                house.recorder.gate.set()
                await house.all_ended(taken, step_s=0.02)
                assert house.desk.statistics().in_work == 0
                await house.until(lambda: house.desk.held is None, step_s=0.05)
        await asyncio.sleep(0.002)
        told = [each for each in house.told if isinstance(each, Ended)]
        assert Counter(each.delivery for each in told) == Counter(item.delivery for item in taken)
        rows = {(entry.row.partition, entry.row.offset) for entry in house.recorder.entries}
        for each in told:
            if each.recorded:
                assert (each.delivery.partition, each.delivery.offset) in rows
            else:
                assert close_early or each.delivery in withdrawn, "nothing else ends without a word in the log"
        left = {task.get_name() for task in asyncio.all_tasks()}
        assert not left.intersection(["claim", "claims-door"])
