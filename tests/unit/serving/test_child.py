import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from serving.child import Child, ChildExit, RestartPolicy
from serving.child_pipes import StderrLines
from serving.clock import SystemClock
from tests.fakes.children import Remembering, echo
from tests.fakes.clock import ManualClock
from tests.unit.until import until

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: their transports and process watchers share no code."""
    return "asyncio", {"use_uvloop": request.param}


QUICK = RestartPolicy(first_wait_s=0.01, max_wait_s=0.05, grace_s=1.0)


def child(listener: Remembering, policy: RestartPolicy = QUICK) -> Child[str]:
    return Child("echo", echo, "echo:", listener, SystemClock(), policy)


async def gone(pid: int) -> None:
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        await asyncio.sleep(0.01)


async def test_a_child_answers_messages_in_order() -> None:
    seen = Remembering()
    async with child(seen) as echoing:
        assert await seen.messages.get() == "echo: ready"
        for word in ("one", "two", "three"):
            assert echoing.send(word)
        assert [await seen.messages.get() for _ in range(3)] == ["echo: one", "echo: two", "echo: three"]


async def test_a_message_larger_than_a_pipe_buffer_arrives_whole() -> None:
    seen = Remembering()
    async with child(seen) as echoing:
        await seen.messages.get()
        echoing.send("big")
        assert await seen.messages.get() == b"x" * 5_000_000


@pytest.mark.parametrize(("word", "reason"), [("die", "exited with status 3"), ("raise", "exited with status 1")])
async def test_a_child_that_ends_comes_back_and_says_why_it_went(word: str, reason: str) -> None:
    seen = Remembering()
    async with child(seen) as echoing:
        await seen.messages.get()
        echoing.send(word)
        ended = await seen.exits.get()
        assert ended.reason == reason
        assert ended.failures == 1
        assert await seen.messages.get() == "echo: ready"
        assert echoing.pid == seen.pids[1] != seen.pids[0]


async def test_a_killed_child_names_the_signal() -> None:
    seen = Remembering()
    async with child(seen) as echoing:
        await seen.messages.get()
        os.kill(echoing.pid or 0, signal.SIGKILL)
        assert (await seen.exits.get()).reason == "killed by SIGKILL"


async def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    seen = Remembering()
    async with child(seen) as echoing:
        await seen.messages.get()
        os.kill(echoing.pid or 0, 40)
        assert (await seen.exits.get()).reason == "killed by signal 40"
        assert await seen.messages.get() == "echo: ready"


async def test_a_listener_that_breaks_on_the_obituary_does_not_take_the_keeper_along() -> None:
    class Broken(Remembering):
        def on_exit(self, ended: ChildExit) -> None:
            super().on_exit(ended)
            raise RuntimeError("a defect of ours")

    seen = Broken()
    async with child(seen) as echoing:
        for _ in range(2):
            await seen.messages.get()
            echoing.send("die")
            await seen.exits.get()
        assert await seen.messages.get() == "echo: ready"


async def test_a_death_is_noticed_while_a_grandchild_holds_the_standard_error() -> None:
    seen = Remembering()
    async with child(seen) as echoing:
        await seen.messages.get()
        echoing.send("leave a grandchild")
        await seen.messages.get()
        echoing.kill()
        assert (await asyncio.wait_for(seen.exits.get(), 20)).reason == "killed by SIGKILL"
        assert await seen.messages.get() == "echo: ready"


async def test_work_may_be_given_less_time_to_be_silent_than_the_load_had() -> None:
    seen = Remembering()
    async with child(seen, RestartPolicy(first_wait_s=0.01, silence_s=60)) as echoing:
        await seen.messages.get()
        echoing.expect_signs_every(1.5)
        echoing.send("hang")
        assert (await asyncio.wait_for(seen.exits.get(), 20)).hung


async def test_deaths_in_a_row_are_counted() -> None:
    seen = Remembering()
    async with child(seen) as echoing:
        for expected in (1, 2, 3):
            await seen.messages.get()
            echoing.send("die")
            assert (await seen.exits.get()).failures == expected


async def test_a_forgiven_life_begins_the_count_anew_and_only_that_one_is_forgiven() -> None:
    seen = Remembering()
    async with child(seen) as echoing:
        for forgiven, expected in ((False, 1), (False, 2), (True, 1), (False, 2), (True, 1), (True, 1)):
            await seen.messages.get()
            if forgiven:
                echoing.forgive()
            echoing.send("die")
            assert (await seen.exits.get()).failures == expected


async def test_a_silent_child_is_killed_and_replaced() -> None:
    seen = Remembering()
    async with child(seen, RestartPolicy(first_wait_s=0.01, silence_s=1.5)) as echoing:
        await seen.messages.get()
        echoing.send("hang")
        assert (await seen.exits.get()).hung
        assert await seen.messages.get() == "echo: ready"


async def test_an_idle_child_is_not_taken_for_silent() -> None:
    seen = Remembering()
    async with child(seen, RestartPolicy(silence_s=2.5)):
        await seen.messages.get()
        await asyncio.sleep(3.0)
        assert seen.exits.empty()


async def test_standard_error_is_handed_on_and_kept_for_the_obituary() -> None:
    seen = Remembering()
    async with child(seen) as echoing:
        await seen.messages.get()
        echoing.send("complain")
        assert await seen.lines.get() == "a complaint"
        echoing.send("die")
        assert (await seen.exits.get()).stderr_tail == ("a complaint",)


async def test_a_line_of_standard_error_that_never_ends_does_not_take_the_keeper_along() -> None:
    seen = Remembering()
    async with child(seen) as echoing:
        await seen.messages.get()
        echoing.send("progress bar")
        assert "of many" in await seen.lines.get()
        echoing.send("die")
        await seen.exits.get()
        assert await seen.messages.get() == "echo: ready"


async def test_a_listener_that_breaks_does_not_take_the_keeper_along() -> None:
    class Broken(Remembering):
        def on_start(self, pid: int) -> None:
            super().on_start(pid)
            if len(self.pids) == 1:
                raise RuntimeError("a defect of ours")

    seen = Broken()
    async with child(seen):
        assert (await seen.exits.get()).reason == "could not be started: RuntimeError"
        assert await seen.messages.get() == "echo: ready"
        await asyncio.wait_for(gone(seen.pids[0]), 20)


async def test_a_spawn_that_the_system_refuses_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    spawn, refusals = asyncio.create_subprocess_exec, [OSError("no more processes")]

    async def sometimes(*args: str, **options: Any) -> asyncio.subprocess.Process:
        if refusals:
            raise refusals.pop()
        return await spawn(*args, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", sometimes)
    seen = Remembering()
    async with child(seen):
        assert (await seen.exits.get()).reason == "could not be started: OSError"
        assert await seen.messages.get() == "echo: ready"


async def test_closing_leaves_no_process_behind_even_when_it_hangs() -> None:
    seen = Remembering()
    async with child(seen) as echoing:
        await seen.messages.get()
        echoing.send("hang")
        pid = echoing.pid or 0
    await asyncio.wait_for(gone(pid), 20)
    assert not echoing.send("anyone?")


async def test_a_signal_to_the_whole_group_does_not_take_the_child_before_its_parent_has_drained() -> None:
    seen = Remembering()
    async with child(seen) as echoing:
        await seen.messages.get()
        for sign in (signal.SIGTERM, signal.SIGINT):
            os.kill(echoing.pid or 0, sign)
        echoing.send("still here")
        assert await seen.messages.get() == "echo: still here"


async def test_a_parent_that_stood_still_does_not_take_the_childs_silence_for_a_hang() -> None:
    seen, clock = Remembering(), ManualClock()
    policy = RestartPolicy(first_wait_s=0.01, silence_s=3.0, grace_s=1.0)
    async with Child("echo", echo, "echo:", seen, clock, policy) as echoing:
        await seen.messages.get()
        echoing.send("hang")
        await asyncio.sleep(0.1)
        clock.turn(100.0)
        await asyncio.sleep(0.1)
        assert seen.exits.empty()
        while seen.exits.empty():
            clock.turn(0.5)
            await asyncio.sleep(0.01)
        assert seen.exits.get_nowait().hung


async def test_closing_while_the_process_is_being_made_leaves_none() -> None:
    """It was made all the same, and nobody knew of it: not reaped, its transport open until the loop ended."""
    before, seen = child_processes(), Remembering()
    for number in range(12):
        starting = child(seen)
        await starting.__aenter__()
        for _ in range(number):
            await asyncio.sleep(0)
        await starting.aclose()
    assert child_processes() <= before


async def test_a_close_that_is_cancelled_half_way_is_finished_by_the_next() -> None:
    before, seen = child_processes(), Remembering()
    living = child(seen)
    await living.__aenter__()
    await until(lambda: living.pid is not None)
    half = asyncio.create_task(living.aclose())
    await asyncio.sleep(0)
    half.cancel()
    await asyncio.gather(half, return_exceptions=True)
    await living.aclose()
    assert living.pid is None
    assert child_processes() <= before


def child_processes() -> set[str]:
    return {name for name in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split() if name}


async def test_no_number_of_a_descriptor_is_closed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    # A second close of the same number hits whatever another thread has opened in between: a lock, a socket of Kafka's.
    lent: list[object] = []
    made = StderrLines.connection_made

    def noted(self: StderrLines, transport: asyncio.BaseTransport) -> None:
        lent.append(transport.get_extra_info("pipe"))
        made(self, transport)

    monkeypatch.setattr(StderrLines, "connection_made", noted)
    seen = Remembering()
    async with child(seen) as echoing:
        await seen.messages.get()
        echoing.send("die")
        await seen.exits.get()
        await seen.messages.get()
    # uvloop closes the number itself and then the object, unless it is a socket, which it makes forget the number.
    assert len(lent) == 2
    assert all(isinstance(each, socket.socket) and each.fileno() == -1 for each in lent)
