"""The user of claims: publishes a burst, follows it until all of it is worked, rests, and begins again.

One is enough, and more would be refused: the service publishes one burst at a time.
"""

import gevent
from caller import LOOK, Answer, Caller
from claims import Look, follow, order_of, patience_s, published_fault
from payloads import Outcome
from profiles import WORKED
from run import RUN

from locust import task

_RESTS_S = 3.0
_PUBLISH, _CLAIMS = "/publish_inference_claims", "/claims"


class Publisher(Caller):
    abstract = not RUN.claims
    fixed_count = RUN.profile.claims_users if RUN.claims else 0
    bearer = RUN.wishes.admin_token

    def wait_time(self) -> float:
        return _RESTS_S

    @task
    def burst(self) -> None:
        count = RUN.wishes.burst_size
        before = self._look()
        order = order_of(count, RUN.wishes.burst_ttl_ms, RUN.wishes.burst_prefix)
        told = self.ask("POST", _PUBLISH, _PUBLISH, lambda answer: _published(answer, count), order)
        if told.status != 200 or before is None:
            return
        found = follow(self._surely, before, count, patience_s(count), gevent.sleep, bool(RUN.wishes.burst_ttl_ms))
        RUN.ledger.time(WORKED, found.seconds * 1000, found.fault is not None)
        if found.fault is not None:
            RUN.lines.write("claims", count=count, seconds=round(found.seconds, 3), error=found.fault)

    def _look(self, aside: str = "") -> Look | None:
        told = self.ask("GET", _CLAIMS, _CLAIMS, _looked, aside=aside)
        return Look.of(told.body) if told.status == 200 and _looked(told).fault is None else None

    def _surely(self) -> Look:
        while (found := self._look(LOOK)) is None:
            gevent.sleep(0.5)
        return found


def _published(answer: Answer, count: int) -> Outcome:
    if answer.status != 200:
        return Outcome(f"{answer.status}: {answer.text[:200]}")
    return Outcome(published_fault(answer.body, count))


def _looked(answer: Answer) -> Outcome:
    if answer.status != 200:
        return Outcome(f"{answer.status}: {answer.text[:200]}")
    try:
        state = Look.of(answer.body).state
    except ValueError as error:
        return Outcome(str(error))
    return Outcome(None if state in ("running", "starting") else f"the consumer of claims is {state}")
