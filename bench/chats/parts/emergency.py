"""Part `emergency`: whoever describes an emergency is answered at once, whatever else is going on.

Called by `bench.triage`. One asks every tenth of a second, each on a connection of its own, in four troubles: while
sixty-four chats were offered and the engine is at work on as many as it took; while the model loads; while the records
do not answer; and when the caller is beyond his rate. An answer counts that is whole, holds the fixed words and says
that it is an emergency.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field

from bench.chats.client import NotHttp, exchange, get
from bench.chats.figures import percentile
from bench.chats.parts import Effort, Part
from bench.chats.stage import Stage
from bench.contest import Running
from bench.stage import say
from bench.verdict import Line, markdown
from scripts.loopback import free_port

SLOTS, BURST = 8, 64
EVERY_S = 0.1
#: How many are asked in each trouble; loading ends when the model is there.
MANY, AT_LEAST = 300, 5
ANSWERED_P99_MS = 50.0
PATIENT = "P000123"
GRAVE = (
    "I have crushing pain in the middle of my chest and my left arm is numb",
    "my husband's face droops on one side since ten minutes and he can't speak properly",
    "she was stung by a bee and now her tongue is swelling and she can hardly breathe",
    "I took 40 paracetamol an hour ago because I want to die",
    "Mein Vater hat plötzlich starke Brustschmerzen und ist kaltschweißig",
    "no puedo respirar y tengo los labios azules",
    "my baby is 5 weeks old and has a temperature of 38.9",
    "vomiting blood, lots of it, and I feel faint",
)


@dataclass(slots=True)
class Answered:
    """What who described an emergency met."""

    took_s: list[float] = field(default_factory=list)
    wrong: int = 0  #: not answered, or not as an emergency


def measure(stage: Stage, effort: Effort) -> Part:
    """Once: a promise and no average.

    Raises:
        ContestFailed: The service did not start.
    """
    say("Emergencies in four troubles")
    found = {
        "64 chats offered": asyncio.run(_in_a_burst(stage)),
        "model loading": asyncio.run(_while_loading(stage)),
        "records away": asyncio.run(_without_records(stage)),
        "beyond the rate": asyncio.run(_beyond_the_rate(stage)),
    }
    rows = [["emergencies asked while", "answers", "p50", "p99", "slowest"]]
    for trouble, answered in found.items():
        ms = [1000 * took for took in answered.took_s]
        figures = (percentile(ms, 50), percentile(ms, 99), max(ms, default=float("nan")))
        rows.append([trouble, str(len(ms)), *(f"{figure:.0f} ms" for figure in figures)])
    return Part((markdown(rows),), lines(found), {trouble: asdict(answered) for trouble, answered in found.items()})


def lines(found: Mapping[str, Answered]) -> list[Line]:
    told: list[Line] = []
    for trouble, answered in found.items():
        p99 = percentile(answered.took_s, 99) * 1000 if len(answered.took_s) >= AT_LEAST else float("nan")
        told.append(Line(f"emergency, {trouble}: p99", p99, " ms", ANSWERED_P99_MS, None, False))
        told.append(Line(f"emergency, {trouble}: not answered as one", answered.wrong, "", 0.0, None, False))
    return told


async def _in_a_burst(stage: Stage) -> Answered:
    with stage.ours(SLOTS) as server:
        await _ask(server, 0)  # the first question of a process pays for what is made once
        async with _offered(server, BURST):
            return await _every_tenth(server, MANY)


async def _while_loading(stage: Stage) -> Answered:
    with stage.ours(SLOTS, loaded=False) as server:
        answered = Answered()
        number = 0
        while (await get(server.port, "/ready"))[0] != 200:
            await _note(server, number, answered)
            number += 1
        return answered


async def _without_records(stage: Stage) -> Answered:
    nobody = {"RECORDS_BACKEND": "carepath", "DB_API_BASE_URL": f"http://127.0.0.1:{free_port()}"}
    with stage.ours(SLOTS, nobody) as server:
        return await _every_tenth(server, MANY // 3)


async def _beyond_the_rate(stage: Stage) -> Answered:
    with stage.ours(
        SLOTS, {"RATE_LIMIT_PER_MINUTE": "1", "RATE_LIMIT_BURST": "1", "TRIAGE_GRACE_SECONDS": "0.1"}
    ) as server:
        async with _offered(server, 1):
            return await _every_tenth(server, MANY // 3)


@asynccontextmanager
async def _offered(server: Running, chats: int) -> AsyncGenerator[None, None]:
    """That many questions that are none, all at once; they hang up in the end."""
    asking = [asyncio.create_task(_post(server.port, _everyday(number))) for number in range(chats)]
    try:
        yield
    finally:
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)


async def _every_tenth(server: Running, many: int) -> Answered:
    answered = Answered()
    due = time.perf_counter()
    for number in range(many):
        await _note(server, number, answered)
        due = max(due + EVERY_S, time.perf_counter())
        await asyncio.sleep(due - time.perf_counter())
    return answered


async def _note(server: Running, number: int, answered: Answered) -> None:
    began = time.perf_counter()
    as_one = await _ask(server, number)
    answered.took_s.append(time.perf_counter() - began)
    answered.wrong += not as_one


async def _ask(server: Running, number: int) -> bool:
    """Whether it is answered as an emergency. Each is said in other words: nothing is remembered from the last one."""
    said = f"{GRAVE[number % len(GRAVE)]}, this is call {number}"
    try:
        status, body = await _post(server.port, {"patient_mrn": PATIENT, "query": said})
    except (OSError, NotHttp, ValueError):
        return False
    return status == 200 and bool(body.get("emergency_notice")) and str(body.get("acuity")).startswith("emergency")


async def _post(port: int, body: Mapping[str, str]) -> tuple[int, Mapping[str, object]]:
    async with exchange(port, "POST", "/triage", json.dumps(body).encode()) as (head, lines):
        told: Mapping[str, object] = json.loads(b"".join([line async for line in lines]))
        return head.status, told


def _everyday(number: int) -> Mapping[str, str]:
    ill: Sequence[str] = ("My knee is sore", "I have had a cough", "My nose is blocked", "I have a blister on my heel")
    told = f"{ill[number % len(ill)]} since {number + 2} days, what can I do about it?"
    return {"patient_mrn": f"P{number % 50 + 1:06d}", "query": told}
