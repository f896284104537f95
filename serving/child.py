"""A spawned process that dies with its parent, restarts with backoff and speaks messages over one pipe.

`service_chat` keeps llama.cpp in one, `inference_container` keeps each torch worker in one: a crash, a leak or an
assert in there can not take the event loop along. The parent's side is all event loop: no thread, no call that blocks.

    child = Child("engine", entry, args, listener, policy, clock)
    async with child:            # spawns, and goes on spawning after each death
        child.send(message)      # the entry reads it with Channel.receive()

The entry must be a function at module level; it and its arguments are pickled once per start.
"""

import asyncio
import contextlib
import contextvars
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Generic, Self, TypeVar

from serving.child_exit import ChildExit, ChildListener, RestartPolicy, never_lived
from serving.child_main import Channel, Heartbeat
from serving.child_pipes import MessagePipe, StderrLines
from serving.clock import Clock
from serving.frames import encode

__all__ = ["Channel", "Child", "ChildExit", "ChildListener", "RestartPolicy", "living"]

A = TypeVar("A")

#: A timer that is so late says that this process was stopped, in seconds, and nothing about the child.
_STOOD_STILL_S = 5.0
#: How long a dead child's last lines are waited for.
_LAST_LINES_S = 0.5
#: Names of the children of this process that live, by process number. The event loop's.
_LIVING: dict[int, str] = {}


def living() -> Mapping[int, str]:
    """Names by process number, of every child that lives now, whoever keeps it. Call from the event loop only."""
    return _LIVING


class Child(Generic[A]):
    """One child at a time, for as long as the context is open."""

    def __init__(
        self,
        name: str,
        entry: Callable[[Channel, A], None],
        args: A,
        listener: ChildListener,
        clock: Clock,
        policy: RestartPolicy | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._entry, self._args, self._listener, self._clock = entry, args, listener, clock
        self._policy = policy or RestartPolicy()
        self._environment = dict(environment or {})
        self._transport: asyncio.Transport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._closing = False
        self._last_sign = 0.0
        self._hung = False
        self._silence = self._policy.silence_s
        self._forgiven = False
        self.starts = 0

    async def __aenter__(self) -> Self:
        # In a context of its own: a child that a request started must not log under that request for ever.
        keep = self._keep()
        self._closing = False
        self._keeper = asyncio.create_task(keep, name=f"child-{self.name}", context=contextvars.Context())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def send(self, message: object) -> bool:
        """Hands `message` to the child now. False when there is no child to hand it to."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(encode(message))
        return True

    def kill(self) -> None:
        """Ends the present child at once; the next one starts as after any death."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def forgive(self) -> None:
        """This life was good, however short it may be: the waits begin anew with the death that ends it."""
        self._forgiven = True

    async def aclose(self) -> None:
        """Ends the child: closes the pipe, waits the grace, then SIGKILL. No restart after this. Idempotent."""
        keeper = self._keeper
        if keeper is None:
            return
        if not self._closing:
            self._closing = True
            keeper.cancel()
        # Whoever else closes it waits as well, also for one whose own closing was cancelled in the middle.
        await asyncio.wait({keeper})
        self._keeper = None

    async def _keep(self) -> None:
        failures = 0
        while True:
            born, self._forgiven = self._clock.monotonic(), False
            try:
                ended = await self._live_once()
            except Exception as error:  # no process to be had, or a listener broke: either way the next one must start
                ended = never_lived(error)
            lived = self._clock.monotonic() - born
            failures = 1 if self._forgiven or lived >= self._policy.healthy_after_s else failures + 1
            try:
                self._listener.on_exit(replace(ended, failures=failures))
            except Exception as error:  # as above
                never_lived(error)
            await self._clock.sleep(self._policy.wait(failures))

    async def _live_once(self) -> ChildExit:
        """One life: from the spawn to the reaped exit. Whatever way this is left, the process is gone afterwards."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        # Ends of our own, not asyncio's: that one calls a process dead only when everything that inherited its
        # standard error is gone too, so a child's own child could hide the death for hours. And sockets, no pipe: of
        # anything else uvloop closes the number twice, and in between another thread may have been given it.
        stderr_from, stderr_to = socket.socketpair()
        pipe, stderr = MessagePipe(self._deliver), StderrLines(self._listener.on_stderr)
        try:
            await _to_its_end(self._begin((ours, pipe), (stderr_from, stderr), theirs, stderr_to))
            process = self._process
            assert process is not None
            self._hung, self._silence = False, self._policy.silence_s
            self.starts += 1
            _LIVING[process.pid] = self.name
            self._last_sign = self._clock.monotonic()
            self._transport = pipe.transport
            self._listener.on_start(process.pid)
            self.send((self._entry, self._args))
            watch = asyncio.create_task(self._watch_silence(), name=f"silence-{self.name}")
            try:
                code = await process.wait()
            finally:
                watch.cancel()
            await asyncio.wait({stderr.ended}, timeout=_LAST_LINES_S)
            return ChildExit(process.pid, code, 0, self._hung, tuple(stderr.tail))
        finally:
            self._transport = None
            if pipe.transport is not None:
                pipe.transport.abort()
            else:
                ours.close()
            if stderr.transport is not None:
                stderr.transport.close()
            else:
                stderr_from.close()
            await asyncio.shield(self._reap())

    async def _begin(
        self,
        pipe: tuple[socket.socket, MessagePipe],
        stderr: tuple[socket.socket, StderrLines],
        their_pipe: socket.socket,
        their_stderr: socket.socket,
    ) -> None:
        """Makes the process and connects both pipes. The child's ends are closed here: it has its own."""
        loop = asyncio.get_running_loop()
        with their_pipe, their_stderr:
            await loop.connect_read_pipe(lambda: stderr[1], stderr[0])
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "serving.child_main", str(their_pipe.fileno()), str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,  # the pipe is the only way to speak to us; libraries print here
                stderr=their_stderr.fileno(),
                pass_fds=(their_pipe.fileno(),),
                env={**os.environ, **_import_path(), **self._environment},
            )
        await loop.create_unix_connection(lambda: pipe[1], sock=pipe[0])

    async def _reap(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            try:
                async with asyncio.timeout(self._policy.grace_s):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        _LIVING.pop(process.pid, None)

    def _deliver(self, message: object) -> None:
        self._last_sign = self._clock.monotonic()
        if not isinstance(message, Heartbeat):
            self._listener.on_message(message)

    def expect_signs_every(self, seconds: float | None) -> None:
        """Another limit on silence for the rest of this life: a load may be quiet for long, work may not."""
        self._silence = seconds

    async def _watch_silence(self) -> None:
        while True:
            limit, quiet = self._silence, self._clock.monotonic() - self._last_sign
            if limit is not None and quiet >= limit:
                self._hung = True
                self.kill()
                return
            pause, since = 1.0 if limit is None else min(1.0, max(limit - quiet, 0.01)), self._clock.monotonic()
            await self._clock.sleep(pause)
            if self._clock.monotonic() - since - pause > _STOOD_STILL_S:
                # It was us: what the child has sent meanwhile lies unread in the pipe.
                self._last_sign = self._clock.monotonic()


async def _to_its_end(work: Coroutine[None, None, None]) -> None:
    """Waits for `work`, and on a cancellation waits for it all the same: a spawn that is broken off in the middle
    leaves a process that nobody reaps and pipes that nobody closes."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen: nobody asks what became of it
        raise


def _import_path() -> dict[str, str]:
    """The child must import what the parent could, also where the parent's path was put together at run time."""
    return {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
