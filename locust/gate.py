"""What happens before the users come: the service is waited for, asked once, and given a burst of claims to work.

Runs in the process that decides (alone, or the master); workers only learn what the service reads. Whatever fails here
ends the run with a sentence: users that come to a service without a model measure its refusals.
"""

import json
import time
from collections.abc import Callable

import gevent
from claims import Look, follow, order_of, patience_s, published_fault
from payloads import judged
from profiles import WORKED
from requests import RequestException, Session
from run import Run

_LOOK_EVERY_S = 0.5
_ANSWER_WITHIN_S = 60.0


class Closed(Exception):
    """The run can not begin. The message is a sentence."""


class Gate:
    def __init__(self, run: Run, forecast_url: str, rest: Callable[[float], None] = gevent.sleep) -> None:
        """`forecast_url`: what `--host` says, which may differ from the environment."""
        self._run, self._url, self._rest = run, forecast_url.rstrip("/"), rest
        self._session = Session()
        self._session.trust_env = False

    def learn(self) -> None:
        """What every process has to know of the service.

        Raises:
            Closed: it has no model in time, or the series does not fit it.
        """
        ping = self._model()
        mode = self._run.wishes.payload
        if mode == "auto":
            mode = "service" if ping.get("has_df") is True else "synthetic"
        try:
            self._run.prepare(_whole(ping.get("input_seq_len")), _whole(ping.get("output_seq_len")), mode)
        except (OSError, ValueError) as error:
            raise Closed(f"LOAD_SERIES: {error}") from None

    def pass_through(self) -> None:
        """All of it, in order.

        Raises:
            Closed: any of it failed.
        """
        run, wishes = self._run, self._run.wishes
        self.learn()
        if run.chat:
            self._chat()
        # Claims come first: in mode `service` a forecast is about the last claim's series, so there has to be one.
        if wishes.burst:
            self._burst(wishes.burst)
        elif run.profile.burst:
            run.notes.append("No claims were published: ADMIN_TOKEN is not set, or KAFKA_BURST=0.")
        if wishes.preflight and wishes.mix[0]:
            self._preflight()
        run.lines.write("gate_passed", mode=run.mode)

    def _model(self) -> dict[str, object]:
        """The answer of `/predict_ping`, once it tells of a model."""
        patience, last = self._run.wishes.wait_for_model_s, "it does not answer"
        give_up = time.monotonic() + patience
        while True:
            try:
                answer = self._session.get(f"{self._url}/predict_ping", timeout=5)
                told = answer.json() if answer.status_code == 200 else {}
                if isinstance(told, dict) and told.get("model_loaded") is True:
                    return told
                last = f"{answer.status_code} {answer.text[:200]}"
            except (RequestException, ValueError) as error:
                last = type(error).__name__
            if not patience:
                return {}
            if time.monotonic() > give_up:
                raise Closed(f"{self._url}/predict_ping told of no model within {patience:.0f} s: {last}")
            self._rest(_LOOK_EVERY_S)

    def _chat(self) -> None:
        url, give_up = self._run.wishes.chat_url, time.monotonic() + self._run.wishes.wait_for_model_s
        while True:
            try:
                answer = self._session.get(f"{url}/ready", timeout=5)
                if answer.status_code == 200:
                    return
                last = f"{answer.status_code} {answer.text[:200]}"
            except RequestException as error:
                last = type(error).__name__
            if time.monotonic() > give_up:
                raise Closed(f"{url}/ready: the chat service is not ready: {last}")
            self._rest(_LOOK_EVERY_S)

    def _preflight(self) -> None:
        run = self._run
        assert run.payloads is not None
        asked = run.payloads.next(run.mode)
        try:
            answer = self._session.post(
                f"{self._url}/predict",
                data=asked.body,
                headers={"Content-Type": "application/json"},
                timeout=_ANSWER_WITHIN_S,
            )
        except RequestException as error:
            raise Closed(f"the first forecast was not answered: {type(error).__name__}") from None
        fault = judged(asked, run.payloads.series, answer.status_code, answer.content).fault
        if fault is not None:
            hint = " (mode `service` needs ENABLE_PREDICT_CACHE=1 there, and a claim: KAFKA_BURST=1)"
            raise Closed(f"the first forecast is not right: {fault}{hint if run.mode == 'service' else ''}")

    def _burst(self, count: int) -> None:
        run, wishes = self._run, self._run.wishes
        before = self._look()
        try:
            answer = self._session.post(
                f"{self._url}/publish_inference_claims",
                data=order_of(count, wishes.burst_ttl_ms, wishes.burst_prefix),
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {wishes.admin_token}"},
                timeout=_ANSWER_WITHIN_S + count / 500,
            )
        except RequestException as error:
            raise Closed(f"claims could not be published: {type(error).__name__}") from None
        if answer.status_code != 200:
            raise Closed(f"claims could not be published: {answer.status_code} {answer.text[:200]}")
        if (fault := published_fault(answer.content, count)) is not None:
            raise Closed(fault)
        worked = follow(self._look, before, count, patience_s(count), self._rest, bool(wishes.burst_ttl_ms))
        if worked.fault is not None:
            raise Closed(worked.fault)
        rate = count / max(worked.seconds, 1e-3)
        run.claims_rate = rate
        run.ledger.time(f"{WORKED} (first, of {count})", worked.seconds * 1000)
        run.notes.append(f"{count} claims before the users: worked in {worked.seconds:.1f} s, {rate:.0f} a second.")
        run.lines.write("kafka_burst", count=count, seconds=round(worked.seconds, 3))

    def _look(self) -> Look:
        try:
            answer = self._session.get(f"{self._url}/claims", timeout=10)
            return Look.of(answer.content)
        except (RequestException, ValueError) as error:
            raise Closed(f"{self._url}/claims: {json.dumps(str(error))}") from None


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
