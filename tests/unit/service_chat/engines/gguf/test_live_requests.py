"""Who is in the engine's process, as its parent knows them."""

import asyncio

import pytest

from service_chat.engines.gguf.live import LiveRequest, LiveRequests, Patience
from service_chat.engines.gguf.messages import Counted
from service_chat.engines.protocol import Completion, Delta, FinishReason, Timings
from serving.errors import ChildDied, InvalidInput

pytestmark = pytest.mark.anyio

PATIENCE = Patience(silence_s=30, margin_s=10, leave_s=30)
ENDED = Completion("Rest.", FinishReason.CANCELLED, 3, 1, Timings(0, 0, 0))


@pytest.fixture
def live() -> LiveRequests:
    return LiveRequests(PATIENCE)


async def test_each_request_gets_what_is_for_it_and_nothing_after_its_end(live: LiveRequests) -> None:
    one, two = LiveRequest(1, 100.0), LiveRequest(2, 100.0)
    live.enter(one)
    live.enter(two)
    live.deliver(1, Delta("a", 1))
    live.deliver(2, Delta("b", 1))
    live.deliver(1, ENDED)
    live.deliver(1, Delta("late", 2))
    assert [one.events.get_nowait(), one.events.get_nowait()] == [Delta("a", 1), ENDED]
    assert one.events.empty()
    assert two.events.get_nowait() == Delta("b", 1)
    assert live.chats == 1


async def test_one_that_was_left_is_overdue_ten_seconds_after_its_deadline(live: LiveRequests) -> None:
    request = LiveRequest(1, due_at=5.0)
    live.enter(request)
    assert live.leave(request, now=5.0)
    assert live.chats == 0
    assert live.overdue_s(14.9) is None
    assert live.overdue_s(15.5) == 0.5


async def test_one_whose_deadline_is_far_is_overdue_half_a_minute_after_it_was_left(live: LiveRequests) -> None:
    request = LiveRequest(1, due_at=570.0)
    live.enter(request)
    live.leave(request, now=2.0)
    assert live.overdue_s(32.0) is None
    assert live.overdue_s(33.0) == 1.0


@pytest.mark.parametrize("last", [ENDED, InvalidInput("no")])
async def test_a_child_that_says_that_a_request_has_ended_does_not_sit_on_it(
    live: LiveRequests, last: Completion | InvalidInput
) -> None:
    request = LiveRequest(1, due_at=5.0)
    live.enter(request)
    live.leave(request, now=5.0)
    live.deliver(1, Delta("still", 1))
    assert live.overdue_s(100.0) is not None
    live.deliver(1, last)
    assert live.overdue_s(100.0) is None


async def test_a_request_that_ended_by_itself_is_not_left(live: LiveRequests) -> None:
    request = LiveRequest(1, due_at=5.0)
    live.enter(request)
    live.deliver(1, ENDED)
    assert not live.leave(request, now=1.0)
    assert live.overdue_s(100.0) is None


async def test_a_death_gives_everybody_an_error_of_their_own(live: LiveRequests) -> None:
    requests = [LiveRequest(number, 100.0) for number in (1, 2)]
    for request in requests:
        live.enter(request)
    count = asyncio.create_task(live.counted(3, asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    live.fail_all(lambda: ChildDied(retry_after_s=2))
    errors = [request.events.get_nowait() for request in requests]
    assert errors == [ChildDied(retry_after_s=2)] * 2
    assert errors[0] is not errors[1]
    with pytest.raises(ChildDied):
        await count
    assert live.chats == 0


async def test_a_count_comes_back_as_a_number_or_as_the_error_it_is(live: LiveRequests) -> None:
    loop = asyncio.get_running_loop()
    good = asyncio.create_task(live.counted(1, loop.create_future()))
    bad = asyncio.create_task(live.counted(2, loop.create_future()))
    await asyncio.sleep(0)
    live.deliver(1, Counted(12))
    live.deliver(2, InvalidInput("no"))
    assert await good == 12
    with pytest.raises(InvalidInput):
        await bad
    live.deliver(1, Counted(13))  # a late one troubles nobody
