"""Work that ends when its caller hangs up, and what is left of it when it fails."""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.types import Message

from serving.admission import BoundedQueue
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import WorkFailed
from serving.http.disconnect import ClientDisconnected, while_connected

pytestmark = pytest.mark.anyio


class Body:
    """Something large that a caller sent."""


@pytest.fixture
def no_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def request_that(hangs_up: bool) -> Request:
    async def receive() -> Message:
        if not hangs_up:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": []}, receive)


async def test_the_result_is_the_works() -> None:
    assert await while_connected(request_that(hangs_up=False), asyncio.sleep(0, "done")) == "done"


async def test_who_hangs_up_ends_the_work() -> None:
    work = asyncio.ensure_future(asyncio.sleep(60))
    with pytest.raises(ClientDisconnected):
        await while_connected(request_that(hangs_up=True), work)
    assert work.cancelled()


@pytest.mark.usefixtures("no_collections")
async def test_work_that_fails_lets_go_of_what_it_worked_on() -> None:
    there: weakref.ref[Body]

    async def ask() -> None:
        nonlocal there
        body = Body()
        there = weakref.ref(body)

        async def work() -> None:
            await asyncio.sleep(0)
            raise WorkFailed(repr(body))

        await while_connected(request_that(hangs_up=False), work())

    with contextlib.suppress(WorkFailed):  # and not pytest.raises, which would keep the error
        await ask()
    await asyncio.sleep(0)
    assert there() is None


@pytest.mark.usefixtures("no_collections")
async def test_a_ticket_that_failed_lets_go_of_its_item() -> None:
    lane = BoundedQueue[Body, str](2, SystemClock())
    body = Body()
    there = weakref.ref(body)
    ticket = lane.try_admit(body, Deadline.after(30, SystemClock()))
    del body
    lane.take_now(1)
    ticket.fail(WorkFailed("no"))
    with contextlib.suppress(WorkFailed):
        await ticket.result()
    del ticket
    await asyncio.sleep(0)
    assert there() is None
