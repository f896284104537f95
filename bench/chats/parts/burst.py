"""Part `burst`: eight callers hang up while their prompts are read; then sixty-four come at once.

Called by `bench.triage`. What is asked here is not how fast the service is but whether it keeps its word: a slot whose
caller has gone is free again at once, and whoever comes is either served in time or told at once when to come back.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from bench.chats.client import Answer, ask, get
from bench.chats.crowd import Probes, at_once, probing
from bench.chats.figures import NAN, percentile
from bench.chats.parts import Effort, Part
from bench.chats.stage import Stage
from bench.chats.words import chat
from bench.contest import ContestFailed, Running
from bench.stage import say
from bench.verdict import Line, markdown

SLOTS = 8
#: Long prompts, so that all eight are still read when their callers go.
LONG, FULL_WITHIN_S, LOOK_EVERY_S, GIVE_UP_S = 700, 8.0, 0.02, 60.0
FREE_WITHIN_S = 1.0
BURST, SHARED, OWN, TOKENS, DEADLINE_S = 64, 40, 20, 16, 60.0
REFUSED_WITHIN_MS, HEALTH_P99_MS = 100.0, 10.0
_SAMPLE = re.compile(r"^(\w+?)(?:_total)?(?:\{(.*)\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class HangUp:
    busy: int  #: slots that were reading when their callers went
    free_s: float  #: from then until the service says that no slot is busy any more
    idle_s: float  #: to the first text of a short question, asked of an idle engine
    next_s: float  #: the same of one that comes right after the hang-up

    @property
    def late_s(self) -> float:
        """What the work for those who have gone cost the next caller: a service may say *free* while it still reads."""
        return max(0.0, self.next_s - self.idle_s)


@dataclass(frozen=True, slots=True)
class Kept:
    """Whether it kept its word."""

    hang_up: HangUp
    served: int  #: within their deadline
    refused: int  #: with 429
    refused_well: int  #: with whole seconds in Retry-After, of those
    otherwise: Mapping[str, int]
    served_slowest_s: float
    refused_slowest_ms: float
    counted: int  #: of the burst, by the service's own counters
    counted_refused: int
    health_p99_ms: float
    health_failed: int


def measure(stage: Stage, effort: Effort) -> Part:
    """Once: these are promises and no averages.

    Raises:
        ContestFailed: The service did not start, or no slot was ever busy.
    """
    say("Eight hang up, then sixty-four come at once")
    probes = Probes()
    with stage.ours(SLOTS) as server:
        hang_up = asyncio.run(_hang_up(server, probes))
    # A short deadline for the burst, so that waiting for all would be a broken promise. The long prompts of those who
    # hang up would not even be let in with it.
    with stage.ours(SLOTS, {"TRIAGE_DEADLINE_SECONDS": f"{DEADLINE_S:g}"}) as server:
        answers, counts = asyncio.run(_burst(server, probes))
    found = judged(hang_up, answers, counts, probes)
    rows = [["what", "found"]]
    gone = found.hang_up
    rows.append([f"eight hang up, {gone.busy} of them in a slot: until all slots are free", f"{gone.free_s:.2f} s"])
    rows.append(
        ["first text for the next caller, and from an idle engine", f"{gone.next_s:.2f} s, {gone.idle_s:.2f} s"]
    )
    rows.append(["64 at once: served within their deadline", f"{found.served}"])
    rows.append(["refused with 429", f"{found.refused}"])
    rows.append(["slowest answer", f"{found.served_slowest_s:.1f} s of {DEADLINE_S:g} s"])
    rows.append(["slowest refusal", f"{found.refused_slowest_ms:.0f} ms"])
    return Part((markdown(rows),), lines(found), asdict(found))


def lines(found: Kept) -> list[Line]:
    lost = BURST - found.served - found.refused
    miscounted = abs(found.counted - BURST) + abs(found.counted_refused - found.refused)
    refusals: list[Line] = []
    if found.refused:
        slowest, without = found.refused_slowest_ms, found.refused - found.refused_well
        refusals.append(Line("64 at once: slowest refusal", slowest, " ms", REFUSED_WITHIN_MS, None, False))
        refusals.append(Line("64 at once: refusals without Retry-After", without, "", 0.0, None, False))
    return [
        Line("8 hang up in prefill: slots they held", found.hang_up.busy, "", SLOTS, None, True),
        Line("8 hang up in prefill: all slots free", found.hang_up.free_s, " s", FREE_WITHIN_S, None, False),
        Line("8 hang up in prefill: delay of the next", found.hang_up.late_s, " s", FREE_WITHIN_S, None, False),
        Line("64 at once: neither served in time nor refused", lost, "", 0.0, None, False),
        *refusals,
        Line("64 at once: not in the service's own counters", miscounted, "", 0.0, None, False),
        Line("hang-ups and burst: health p99", found.health_p99_ms, " ms", HEALTH_P99_MS, None, False),
        Line("hang-ups and burst: failed probes of health", found.health_failed, "", 0.0, None, False),
    ]


async def _hang_up(server: Running, probes: Probes) -> HangUp:
    await _warm_up(server)
    idle = await ask(server.port, chat(997, SHARED, OWN, 1))
    bodies = [chat(number, SHARED, LONG, TOKENS) for number in range(SLOTS)]
    async with probing(server.port, server.contestant.health, probes):
        asking = asyncio.create_task(at_once(server.port, bodies))
        busy = await _watch(server, lambda busy: busy == SLOTS, FULL_WITHIN_S)
        if asking.done() or not busy:
            raise ContestFailed(f"{busy:.0f} of {SLOTS} slots were reading when their callers went: nothing to measure")
        asking.cancel()
        await asyncio.wait([asking])
        left = time.perf_counter()
        after = asyncio.create_task(ask(server.port, chat(998, SHARED, OWN, 1)))
        # The next caller is himself in a slot until he is done, so one busy slot is nobody else's.
        await _watch(server, lambda busy: busy <= int(not after.done()), GIVE_UP_S)
        free_s = time.perf_counter() - left
        return HangUp(round(busy), free_s, idle.first_s, (await after).first_s)


async def _burst(server: Running, probes: Probes) -> tuple[Sequence[Answer], tuple[int, int]]:
    await _warm_up(server)
    before = samples(await _metrics(server))
    async with probing(server.port, server.contestant.health, probes):
        crowd = await at_once(server.port, [chat(number, SHARED, OWN, TOKENS) for number in range(BURST)])
    return crowd.answers, counted(before, samples(await _metrics(server)))


async def _warm_up(server: Running) -> None:
    answer = await ask(server.port, chat(999, SHARED, OWN, 4))
    if not answer.whole:
        raise ContestFailed(f"{server.contestant.name} answered {answer.status}: {answer.error}")


async def _watch(server: Running, enough: Callable[[float], bool], within_s: float) -> float:
    """Slots that are busy, by the service's word, when there are enough or few enough of them, or after that long."""
    began = time.perf_counter()
    while True:
        busy = samples(await _metrics(server)).get("triage_slots_busy", {}).get("", NAN)
        if enough(busy) or time.perf_counter() - began > within_s:
            return busy
        await asyncio.sleep(LOOK_EVERY_S)


async def _metrics(server: Running) -> str:
    _, page = await get(server.port, "/metrics")
    return page.decode()


def samples(page: str) -> dict[str, dict[str, float]]:
    """By name without `_total`, then by labels as they stand there."""
    found: dict[str, dict[str, float]] = {}
    for name, labels, value in _SAMPLE.findall(page):
        found.setdefault(name, {})[labels] = float(value)
    return found


def counted(before: Mapping[str, Mapping[str, float]], after: Mapping[str, Mapping[str, float]]) -> tuple[int, int]:
    """How many chats ended between two pages of metrics, and how many of them at the door."""

    def gained(name: str) -> int:
        return round(sum(after.get(name, {}).values()) - sum(before.get(name, {}).values()))

    return gained("triage_chats"), gained("triage_rejected")


def judged(hang_up: HangUp, answers: Sequence[Answer], counts: tuple[int, int], probes: Probes) -> Kept:
    served = [answer for answer in answers if answer.whole and answer.took_s <= DEADLINE_S]
    refused = [answer for answer in answers if answer.status == 429]
    told = {id(answer) for answer in (*served, *refused)}
    others = Counter(f"{answer.status} {answer.error}"[:80] for answer in answers if id(answer) not in told)
    return Kept(
        hang_up=hang_up,
        served=len(served),
        refused=len(refused),
        refused_well=sum((answer.retry_after or "").isdigit() for answer in refused),
        otherwise=dict(others),
        served_slowest_s=max((answer.took_s for answer in served), default=NAN),
        refused_slowest_ms=max((answer.took_s for answer in refused), default=NAN) * 1000,
        counted=counts[0],
        counted_refused=counts[1],
        health_p99_ms=percentile(probes.took_s, 99) * 1000,
        health_failed=probes.failed,
    )
