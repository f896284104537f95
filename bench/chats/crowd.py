"""Several callers at once, and somebody who asks every 100 ms whether the server is well.

Called by the parts of `bench.triage`; `client` is the single caller. All run in this process's one loop: eight streams
of a few tokens a second are nothing to it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.chats.client import Answer, Json, NotHttp, ask, get

PROBE_EVERY_S = 0.1
#: As long as a probe of a cluster would wait before it called the server dead; a slower answer is a failed one.
PROBE_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """What a crowd met."""

    answers: tuple[Answer, ...]
    wall_s: float  #: from the first request to the last end


@dataclass(slots=True)
class Probes:
    took_s: list[float] = field(default_factory=list)
    failed: int = 0


@asynccontextmanager
async def probing(port: int, path: str, known: Probes | None = None) -> AsyncGenerator[Probes, None]:
    """Health, asked on a new connection each time, as a kubelet does. What is found is added to `known`."""
    probes = Probes() if known is None else known
    task = asyncio.create_task(_probe_forever(port, path, probes))
    try:
        yield probes
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _probe_forever(port: int, path: str, probes: Probes) -> None:
    due = time.perf_counter()
    while True:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(PROBE_PATIENCE_S):
                status, _ = await get(port, path)
            probes.failed += status != 200
        except (OSError, NotHttp, TimeoutError):
            probes.failed += 1
        probes.took_s.append(time.perf_counter() - began)
        # On the beat: a slow answer must not thin the probes out just when they matter.
        due = max(due + PROBE_EVERY_S, time.perf_counter())
        await asyncio.sleep(due - time.perf_counter())


async def at_once(port: int, bodies: Sequence[Mapping[str, Json]], hang_up_after_s: float | None = None) -> Crowd:
    """All of them, at the same moment."""
    asking: list[Coroutine[object, object, Answer]] = [ask(port, body, hang_up_after_s) for body in bodies]
    began = time.perf_counter()
    answers = await asyncio.gather(*asking)
    return Crowd(tuple(answers), time.perf_counter() - began)
