"""A simulated user that asks one question at a time and books the answer where it belongs. All users extend it.

Locust's own client tells Locust of every request the moment it is over. Here it tells `Caller` instead, which looks
at the body first: an answer that is wrong is a failure whatever its status, one from a cache is a row of its own, a
refusal too, and a warm-up goes to the ledger, where no sum finds it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import gevent
from locust.contrib.fasthttp import LocustBadStatusCode
from locust.env import Environment
from payloads import Outcome
from run import RUN
from verdict import CACHED

from locust import FastHttpUser

#: Nobody waits longer than that for a queue that says so: the run would be over.
_LONGEST_REST_S = 30.0
#: What a request is booked aside as, that is none of the load: the first of each user, and the looks of one who waits.
WARM_UP, LOOK = "warm-up", "look"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int  #: 0: there was none
    body: bytes
    headers: Mapping[str, str]  #: names in lower case
    ms: float
    error: str = ""  #: of the connection

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


class _Heard:
    """Takes the place of Locust's request event: keeps what the client tells instead of counting it."""

    def __init__(self) -> None:
        self.told: dict[str, object] = {}

    def fire(self, **told: object) -> None:
        self.told = told


Check = Callable[[Answer], Outcome]


def is_answer(error: object) -> bool:
    """Whether there was one: a status that Locust's client does not like is one, a connection that broke is none."""
    return error is None or isinstance(error, LocustBadStatusCode)


class Caller(FastHttpUser):
    abstract = True
    network_timeout = 600.0
    connection_timeout = 10.0
    #: Where it asks; empty: Locust's `--host`.
    base_url = ""
    bearer = ""

    def __init__(self, environment: Environment) -> None:
        self.host = self.base_url or environment.host or RUN.wishes.forecast_url
        super().__init__(environment)
        if self.base_url:
            self.client.base_url = self.base_url  # Locust has meanwhile put --host over it
        self._heard = _Heard()
        self.client.request_event = self._heard
        self._begun = time.monotonic()

    def wait_time(self) -> float:
        return RUN.tempo.rest(self._begun, time.monotonic())

    def ask(
        self,
        method: str,
        path: str,
        name: str,
        check: Check,
        payload: bytes | None = None,
        headers: Mapping[str, str] = {},
        aside: str = "",
    ) -> Answer:
        """Asks, judges and books: `aside` under this word in the ledger, otherwise in Locust's statistics.

        A caller that is refused then waits as long as it is told, unless the profile's do not care.
        """
        self._begun = time.monotonic()
        answer = self._answered(method, path, payload, headers)
        rest = self.book(method, name, answer, check, aside, payload)
        if rest:
            gevent.sleep(min(rest, _LONGEST_REST_S))
        return answer

    def book(
        self, method: str, name: str, answer: Answer, check: Check, aside: str = "", payload: bytes | None = None
    ) -> float:
        """Returns the seconds that this caller has to stay away."""
        fault, mark, rest = _sorted_out(answer, check)
        if aside:
            RUN.ledger.time(f"{aside} {method} {name}", answer.ms, fault is not None)
        else:
            RUN.ledger.status(f"{method} {name}", answer.status)
            self.environment.events.request.fire(
                request_type=method,
                name=name + mark,
                response_time=answer.ms,
                response_length=len(answer.body),
                exception=Exception(fault) if fault is not None else None,
                context={},
                response=None,
                url=f"{self.client.base_url}{name}",
                start_time=time.time() - answer.ms / 1000,
            )
        _write_down(method, name + mark, answer, fault, payload, aside)
        return 0.0 if aside or RUN.profile.answers else rest

    def _answered(self, method: str, path: str, payload: bytes | None, headers: Mapping[str, str]) -> Answer:
        sent = {"Accept-Encoding": "identity", **headers}
        if payload is not None:
            sent.setdefault("Content-Type", "application/json")
        if self.bearer:
            sent["Authorization"] = f"Bearer {self.bearer}"
        begun = time.perf_counter()
        response = self.client.request(method, path, data=payload, headers=sent)  # type: ignore[arg-type]  # bytes too
        ms = (time.perf_counter() - begun) * 1000
        error = self._heard.told.get("exception")
        if response.headers is None or not is_answer(error):
            return Answer(0, b"", {}, ms, f"{type(error).__name__}: {error}")
        lines = {str(key).lower(): str(value) for key, value in response.headers.items()}
        return Answer(response.status_code, bytes(response.content or b""), lines, ms)


def _sorted_out(answer: Answer, check: Check) -> tuple[str | None, str, float]:
    """What is wrong with it, the mark of its row, and how long its caller has to stay away."""
    if answer.error:
        return answer.error, "", 0.0
    if answer.status in (429, 503):
        wait = answer.headers.get("retry-after", "")
        mark = f" ({answer.status})"
        if not (wait.isascii() and wait.isdigit() and int(wait) >= 1):
            return f"{answer.status} without a whole Retry-After: {wait!r}", mark, 1.0
        return None, mark, float(wait)
    if answer.status in RUN.profile.answers and answer.status != 200:
        return None, f" ({answer.status})", 0.0
    outcome = check(answer)
    return outcome.fault, CACHED if outcome.cached else "", 0.0


def _write_down(method: str, row: str, answer: Answer, fault: str | None, payload: bytes | None, aside: str) -> None:
    wishes = RUN.wishes
    first = wishes.log_first and not RUN.first_logged and "/predict" in row
    if not (first or wishes.log_all or (fault is not None and wishes.log_errors)):
        return
    RUN.first_logged = RUN.first_logged or first
    more: dict[str, object] = {}
    if wishes.log_chars:
        more["response"] = answer.text[: wishes.log_chars]
    if wishes.log_payload and payload is not None:
        more["payload"] = payload.decode(errors="replace")
    RUN.lines.write(
        "aside" if aside else "request",
        request_type=method,
        name=f"{aside} {row}".strip(),
        response_time_ms=round(answer.ms, 3),
        status_code=answer.status,
        error=fault,
        **more,
    )
