"""Runs that have stages: more users step by step, or first what a service can do and then twice that.

Locust asks `tick` once a second. The tempo of a stage is told to the workers, where there are any.
"""

import time
from dataclasses import dataclass

from ledger import nearest_rank
from profiles import PREDICT
from run import RUN
from scaling import StageResult, best_of
from verdict import is_plain

from locust import LoadTestShape

#: Of a stage's begin, until its users are there and the ones before have finished.
_SETTLING_S = 3.0
TEMPO = "tempo"


@dataclass(slots=True)
class _Since:
    """The counters at a moment."""

    at: float
    cpu_s: float
    answers: int
    requests: int
    failures: int
    times: dict[int, int]


class Stages(LoadTestShape):
    abstract = not RUN.profile.stages

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Locust's
        self.results: list[StageResult] = []
        self._number, self._since, self._wished = -1, self._empty(), 0.0

    def tick(self) -> tuple[int, float] | None:
        passed, stages = self.get_run_time(), RUN.profile.stages  # type: ignore[no-untyped-call]  # Locust's
        number, begun = 0, 0.0
        while number < len(stages) and passed >= begun + stages[number].seconds:
            begun += stages[number].seconds
            number += 1
        if number != self._number:
            if self._number >= 0:
                self.results.append(self._result(stages[self._number].users))
                RUN.stages = self.results
            if number == len(stages):
                return None
            self._number, self._since = number, self._empty()
            self._begin(number)
        elif not self._since.at and passed >= begun + _SETTLING_S:
            self._since = self._now()
        return stages[number].users, RUN.profile.spawn_rate

    def _begin(self, number: int) -> None:
        stage, best = RUN.profile.stages[number], best_of(self.results)
        self._wished = 2 * best.rate if stage.pace == "twice the best" and best is not None else 0.0
        tempo = {"every_s": stage.users / self._wished if self._wished else 0.0, "at_once": stage.pace != "think"}
        set_tempo(tempo)
        RUN.lines.write(
            "stage", users=stage.users, seconds=stage.seconds, pace=stage.pace, wished=round(self._wished, 1)
        )
        if self.runner is not None and hasattr(self.runner, "clients"):
            self.runner.send_message(TEMPO, tempo)

    def _result(self, users: int) -> StageResult:
        since, now = self._since, self._now()
        seconds = max(now.at - since.at, 1e-3) if since.at else 1e9
        times = {ms: count - since.times.get(ms, 0) for ms, count in now.times.items()}
        return StageResult(
            users=users,
            rate=(now.answers - since.answers) / seconds,
            offered=(now.requests - since.requests) / seconds,
            wished=self._wished,
            p50_ms=nearest_rank(times, 0.5),
            p95_ms=nearest_rank(times, 0.95),
            failures=now.failures - since.failures,
            generator=self._generator((now.cpu_s - since.cpu_s) / seconds),
        )

    def _generator(self, own: float) -> float | None:
        clients = getattr(self.runner, "clients", None)
        if clients is None:
            return own
        used = [client.cpu_usage for client in clients.all]
        return max(used) / 100 if used else None

    @staticmethod
    def _empty() -> _Since:
        return _Since(0.0, 0.0, 0, 0, 0, {})

    def _now(self) -> _Since:
        assert self.runner is not None
        entries = self.runner.stats.entries.values()
        return _Since(
            at=time.monotonic(),
            cpu_s=time.process_time(),
            answers=sum(each.num_requests - each.num_failures for each in entries if is_plain(each.name)),
            requests=sum(each.num_requests for each in entries),
            failures=sum(each.num_failures for each in entries),
            times=dict(next((each.response_times for each in entries if f"{each.method} {each.name}" == PREDICT), {})),
        )


def set_tempo(told: dict[str, float | bool]) -> None:
    RUN.tempo.every_s, RUN.tempo.at_once = float(told["every_s"]), bool(told["at_once"])
