"""The consumer's thread as the service has it: it runs, breaks, goes on, and ends when it is asked to."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from typing_extensions import override

from inference_container.broker.ports import Broker, Partition
from inference_container.claims.consuming import commits, turns
from inference_container.claims.consuming import consumer as life
from inference_container.claims.consuming.consumer import ClaimConsumer, ConsumerPolicy
from inference_container.claims.consuming.consumer_statistics import State
from inference_container.claims.ports import Item, Tell
from inference_container.claims.retries import RetryPolicy
from inference_container.errors import BrokerUnavailable, CommitRefused
from inference_container.metrics_claims import ClaimMetrics
from serving.clock import SystemClock
from serving.errors import DependencyFailed
from serving.metrics import Metrics
from tests.unit.inference_container.claims.consuming.consumer_house import (
    TOPIC,
    EagerDesk,
    KeptDesk,
    WorstBroker,
    policy,
)
from tests.unit.inference_container.claims.samples import PLACES

ONE = Partition(TOPIC, 0)


def until(condition: Callable[[], bool], patience_s: float = 10.0) -> None:
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.002)


class House:
    def __init__(self) -> None:
        self.broker = WorstBroker(partitions=1)
        self.may_run = True
        self._begun: list[ClaimConsumer] = []

    def begin(
        self,
        chosen: ConsumerPolicy | None = None,
        desk: Callable[[Tell], KeptDesk] = KeptDesk,
        broker: Broker | None = None,
    ) -> tuple[ClaimConsumer, KeptDesk]:
        metrics = ClaimMetrics(Metrics())
        consumer = ClaimConsumer(
            broker or self.broker, chosen or policy(), PLACES, metrics, SystemClock(), lambda: self.may_run
        )
        made = desk(consumer.tell)
        consumer.start(made)
        self._begun.append(consumer)
        return consumer, made

    def committed(self) -> int | None:
        found = self.broker.committed([ONE])
        return found[ONE].offset if found else None

    def end(self) -> None:
        self.broker.always.clear()
        for consumer in self._begun:
            consumer.join(lambda: 0)


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    made.end()


def test_claims_are_worked_and_committed(house: House) -> None:
    house.broker.put(100)
    consumer, desk = house.begin(desk=EagerDesk)
    until(lambda: house.committed() == 100)
    assert len(desk.recorded) == 100
    until(lambda: consumer.statistics().lag == {ONE: 0})
    assert consumer.statistics().state is State.RUNNING
    assert consumer.statistics().most_depth == 8


def test_the_group_is_not_joined_before_there_is_a_model(house: House) -> None:
    house.may_run = False
    house.broker.put(1)
    consumer, desk = house.begin(desk=EagerDesk)
    time.sleep(0.15)
    assert not house.broker.consumers
    assert consumer.statistics().state is State.STARTING
    house.may_run = True
    until(lambda: bool(desk.recorded))


def test_it_can_be_stopped_before_it_ever_ran(house: House) -> None:
    house.may_run = False
    consumer, _ = house.begin()
    assert consumer.join(lambda: 5)
    assert consumer.statistics().state is State.STOPPED


def test_asked_to_stop_it_lets_what_is_in_work_end_and_commits_exactly_that(house: House) -> None:
    house.broker.put(30)
    consumer, desk = house.begin(policy(bound=10))
    until(lambda: len(desk.taken) == 10)
    consumer.stop()
    time.sleep(0.1)
    assert consumer.statistics().state is State.RUNNING, "it goes on polling meanwhile"
    polls = house.broker.asked["poll"]
    until(lambda: house.broker.asked["poll"] > polls)
    desk.end_all()
    assert consumer.join(lambda: 5)
    assert house.committed() == 10
    assert len(desk.taken) == 10
    assert not desk.withdrawn
    assert house.broker.consumers[0].closed


def test_at_the_end_of_the_grace_the_rest_is_withdrawn_and_what_is_finished_is_committed(house: House) -> None:
    house.broker.put(3)
    consumer, desk = house.begin()
    until(lambda: len(desk.taken) == 3)
    desk.end(desk.taken[0])
    began = time.monotonic()
    assert consumer.join(lambda: began + 0.1 - time.monotonic())
    assert time.monotonic() - began < 3
    assert house.committed() == 1
    assert {each.offset for each in desk.withdrawn} == {1, 2}


def test_who_loses_patience_with_the_grace_is_heard_while_it_is_waited_out(house: House) -> None:
    house.broker.put(1)
    consumer, desk = house.begin()
    until(lambda: len(desk.taken) == 1)
    asked: list[float] = []

    def left_s() -> float:
        asked.append(time.monotonic())
        return 60.0 if len(asked) < 3 else 0.0

    assert consumer.join(left_s)
    assert asked[-1] - asked[0] < 5
    assert {each.offset for each in desk.withdrawn} == {0}


def test_a_desk_that_never_ends_anything_does_not_keep_it_from_polling(house: House) -> None:
    house.broker.put(50)
    consumer, desk = house.begin()
    until(lambda: consumer.statistics().gate.closed)
    polls = house.broker.asked["poll"]
    until(lambda: house.broker.asked["poll"] > polls + 5)
    until(lambda: consumer.statistics().poll_stall_s < 1)
    assert len(desk.taken) == 8


@pytest.mark.parametrize(
    "error", [BrokerUnavailable(), CommitRefused(), DependencyFailed(), RuntimeError("a bug"), MemoryError()]
)
@pytest.mark.parametrize("name", ["consumer", "poll", "commit", "committed", "end_offsets"])
def test_no_error_of_the_broker_ends_the_thread(
    house: House, name: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_a_hurry(monkeypatch)
    house.broker.put(5)
    house.broker.always[name] = error
    consumer, desk = house.begin(desk=EagerDesk)
    until(lambda: house.broker.asked.get(name, 0) >= 3)
    house.broker.always.clear()
    until(lambda: house.committed() == 5)
    assert {item.record.offset for item in desk.taken} == set(range(5))
    until(lambda: consumer.statistics().state is State.RUNNING)
    assert consumer.statistics().depth == 0


def test_a_broker_of_which_nothing_works_is_asked_again_and_the_thread_can_still_be_ended(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_a_hurry(monkeypatch)
    house.broker.put(1)
    for name in ("poll", "commit", "committed", "end_offsets", "close"):
        house.broker.always[name] = RuntimeError("a bug")
    consumer, desk = house.begin(desk=EagerDesk)
    until(lambda: len(house.broker.consumers) >= 3)
    assert all(each.closed for each in house.broker.consumers[:-1])
    assert consumer.statistics().state is State.BACKING_OFF
    assert consumer.statistics().reason == "RuntimeError"
    assert consumer.join(lambda: 5)
    assert not desk.taken


class BrokenDesk(EagerDesk):
    broken = 2

    @override
    def take(self, items: Sequence[Item]) -> None:
        if self.broken:
            self.broken -= 1
            raise RuntimeError("a bug")
        super().take(items)


def test_a_desk_that_breaks_loses_nothing_and_no_place(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    _in_a_hurry(monkeypatch)
    house.broker.put(5)
    consumer, _ = house.begin(desk=BrokenDesk)
    until(lambda: house.committed() == 5)
    until(lambda: consumer.statistics().depth == 0)
    assert len(house.broker.consumers) == 3


def test_a_question_for_a_model_that_breaks_is_asked_again(house: House) -> None:
    answers = iter([None, False])
    metrics = ClaimMetrics(Metrics())

    def may_run() -> bool:
        answer = next(answers, True)
        if answer is None:
            raise RuntimeError("a bug")
        return answer

    consumer = ClaimConsumer(house.broker, policy(), PLACES, metrics, SystemClock(), may_run)
    consumer.start(EagerDesk(consumer.tell))
    until(lambda: consumer.statistics().state is State.RUNNING)
    assert metrics.faults.labels("unexpected_error").value == 1
    assert consumer.join(lambda: 5)


class StuckBroker(WorstBroker):
    """Keeps whoever polls."""

    def __init__(self) -> None:
        super().__init__(partitions=1)
        self.let_go = threading.Event()

    @override
    def ask(self, name: str) -> None:
        super().ask(name)
        if name == "poll" and self.asked["poll"] > 3:
            self.let_go.wait()


def test_a_poll_that_does_not_return_shows_in_the_stall(house: House) -> None:
    broker = StuckBroker()
    consumer, _ = house.begin(broker=broker)
    until(lambda: consumer.statistics().poll_stall_s > 0.2)
    before = consumer.statistics().poll_stall_s
    time.sleep(0.05)
    assert consumer.statistics().poll_stall_s >= before + 0.04
    broker.let_go.set()
    until(lambda: consumer.statistics().poll_stall_s < 0.1)


def test_two_members_share_and_one_that_leaves_leaves_nothing_behind(house: House) -> None:
    house.broker.ensure_topics({"more": 4})
    consumer, desk = house.begin(policy(topics=("more",)), EagerDesk)
    other, others = house.begin(policy(topics=("more",)), EagerDesk)
    until(lambda: len(consumer.statistics().assigned) == len(other.statistics().assigned) == 2)
    house.broker.put(200, topic="more")
    assert other.join(lambda: 5)
    until(lambda: len(desk.recorded) + len(others.recorded) >= 200)
    assert len({*desk.recorded, *others.recorded}) == 200
    assert not set(desk.recorded) & set(others.recorded), "who leaves in order leaves no work to be done twice"


def test_statistics_may_be_asked_for_while_everything_moves(house: House) -> None:
    consumer, desk = house.begin(desk=EagerDesk)
    over = threading.Event()
    wrong: list[BaseException] = []

    def look() -> None:
        try:
            while not over.is_set():
                assert 0 <= consumer.statistics().depth <= 8
        except BaseException as error:
            wrong.append(error)

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    house.broker.put(500)
    until(lambda: len(desk.recorded) == 500)
    over.set()
    for watcher in watchers:
        watcher.join()
    assert not wrong


def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = RetryPolicy(first_s=0.001, longest_s=0.01)
    for name in ("_NO_ANSWER", "_BROKEN", "_HOPELESS"):
        monkeypatch.setattr(life, name, quick)
    monkeypatch.setattr(commits, "PAUSES", quick)
    monkeypatch.setattr(turns, "PAUSES", quick)
