"""The one run of this process: what is wished, what is counted, where lines go, how fast users ask.

Made when Locust imports the locustfile; users, gate, stages and judge share it by importing `RUN`.
"""

import random
import sys
import time
from dataclasses import dataclass, field, replace

from ledger import Ledger
from lines import Lines
from payloads import STEPS, Payloads, observed
from profiles import (
    CHAT_HEALTH,
    CLAIMS,
    DOWNLOAD,
    FIRST_TOKEN,
    HEALTH,
    PREDICT,
    PUBLISH,
    STREAM,
    TRIAGE,
    WORKED,
    Profile,
)
from scaling import StageResult
from verdict import Limit, Promise
from wishes import BadName, Wishes, wishes


@dataclass(slots=True)
class Tempo:
    """How long a user rests between requests. The master changes it from stage to stage; workers are told."""

    think: tuple[float, float]
    every_s: float = 0.0  #: 0: no schedule
    at_once: bool = False

    def rest(self, begun: float, now: float) -> float:
        """Seconds, for a user whose last request begun at `begun` (monotonic)."""
        if self.every_s:
            # On schedule whatever the answer took, and never two at once: who is late asks at once.
            return max(0.0, begun + self.every_s - now)
        return 0.0 if self.at_once else random.uniform(*self.think)


@dataclass(slots=True)
class Run:
    wishes: Wishes
    lines: Lines
    ledger: Ledger = field(default_factory=Ledger)
    payloads: Payloads | None = None  #: made when the gate knows how many rows the model reads
    mode: str = "synthetic"  #: how requests are cut: a payload mode, `auto` decided
    tempo: Tempo = field(default_factory=lambda: Tempo((1.0, 2.0)))
    stopped: str = ""  #: why the run was given up before it began
    notes: list[str] = field(default_factory=list)  #: for the summary
    ramped_at: float | None = None  #: `time.time` when all users were there
    begun_at: float = field(default_factory=time.time)
    stages: list[StageResult] = field(default_factory=list)  #: those that are over
    first_logged: bool = False
    claims_rate: float | None = None  #: a second, of the burst before the users

    @property
    def profile(self) -> Profile:
        return self.wishes.profile

    @property
    def chat(self) -> bool:
        return bool(self.wishes.chat_url) and self.profile.triage_users > 0

    @property
    def claims(self) -> bool:
        return bool(self.wishes.admin_token) and self.profile.claims_users > 0

    def prepare(self, input_len: int, reach: int, mode: str) -> None:
        """`input_len`, `reach`: rows that the model reads and steps that it forecasts at most; 0: not known.

        Raises:
            ValueError: the series can not give such requests.
        """
        rows = self.wishes.rows or (input_len + input_len // 2 if input_len else 72)
        steps = [self.wishes.steps] if self.wishes.steps else [each for each in STEPS if not reach or each <= reach]
        self.payloads = Payloads(observed(self.wishes.series), rows, steps)
        self.mode = mode

    def promise(self) -> Promise:
        """The profile's limits, less those of doors that nobody asks, with those that a person moved."""
        profile, wishes = self.profile, self.wishes
        gone = {
            *((TRIAGE, STREAM, FIRST_TOKEN, CHAT_HEALTH) if not self.chat else ()),
            *((PUBLISH, WORKED, CLAIMS) if not self.claims else ()),
            *(name for name, weight in zip((PREDICT, HEALTH, DOWNLOAD), wishes.mix, strict=True) if not weight),
        }
        limits = [self._moved(limit) for limit in profile.limits if limit.name not in gone]
        return Promise(limits, profile.least_rate, profile.answers, profile.refusals, profile.memory_growth)

    def _moved(self, limit: Limit) -> Limit:
        wishes = self.wishes
        if limit.name == PREDICT and wishes.predict_p95_ms:
            return replace(limit, p95_ms=wishes.predict_p95_ms)
        if limit.name in (HEALTH, CHAT_HEALTH) and wishes.health_p99_ms:
            return replace(limit, p99_ms=wishes.health_p99_ms)
        if limit.name in (TRIAGE, STREAM, FIRST_TOKEN) and wishes.triage_p95_ms:
            return replace(limit, p95_ms=wishes.triage_p95_ms)
        return limit

    def config(self) -> dict[str, object]:
        """What the JSONL and the summary tell of the wishes: no secret among them."""
        wished = self.wishes
        return {
            "profile": self.profile.name,
            "forecast": wished.forecast_url,
            "chat": wished.chat_url,
            "mix": "/".join(map(str, wished.mix)),
            "payload": wished.payload,
            "warm_up": wished.warm_up,
            "api_key": bool(wished.api_key),
            "admin_token": bool(wished.admin_token),
        }


def run_of(wished: Wishes) -> Run:
    return Run(
        wished,
        Lines(wished.log_file, wished.run_id, wished.truncate_log),
        tempo=Tempo(wished.wait_s),
    )


def _from_environment() -> Run:
    try:
        return run_of(wishes())
    except BadName as error:
        print(error, file=sys.stderr)  # noqa: T201 - for the person who set it
        sys.exit(2)


RUN = _from_environment()
