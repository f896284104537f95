"""Answers of a running chat service: every vignette goes through its door, its record store and its model.

`__main__` starts a service for `--model`, or is told where one runs by `--url`; that one must read the records that
`--write-records` wrote. A vignette's id is its patient's number.
"""

import time
from collections.abc import Callable
from typing import Annotated

import httpx
from pydantic import BaseModel, BeforeValidator, ValidationError
from typing_extensions import override

from scripts.evaluation.outcomes import Answerer, NoAnswer, Outcome, Told
from scripts.evaluation.vignettes import AcuityCode, Vignette
from service_chat.safety.values import Flag, Notice

#: How often a refusal with `Retry-After` is taken back to the door: the queue is short and the model may be slow.
ATTEMPTS = 200
WAIT_AT_MOST_S = 5.0


class _RedFlag(BaseModel):
    code: Flag


def _code(notice: object) -> object:
    """A notice is its code, or an object that holds it beside its words."""
    return notice["code"] if isinstance(notice, dict) and "code" in notice else notice


class _Answer(BaseModel):
    acuity: AcuityCode
    red_flags: list[_RedFlag]
    notices: list[Annotated[Notice, BeforeValidator(_code)]] = []
    response: str = ""
    usage: dict[str, object] | None = None
    degraded: list[str] = []
    ungrounded_terms: list[str] = []


class ServiceAnswers(Answerer):
    def __init__(self, client: httpx.Client, sleep: Callable[[float], None] = time.sleep) -> None:
        """`client` has the service's address as its base and a timeout longer than the service's deadline."""
        self._client, self._sleep = client, sleep

    @override
    def answer(self, vignette: Vignette) -> Outcome:
        response = self._ask(vignette)
        try:
            answer = _Answer.model_validate_json(response.content)
        except ValidationError as error:
            raise NoAnswer(f"{vignette.id}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from error
        told = Told(answer.response, answer.usage is not None, tuple(answer.degraded), tuple(answer.ungrounded_terms))
        flags = frozenset(flag.code for flag in answer.red_flags)
        return Outcome(answer.acuity, flags, frozenset(answer.notices), told)

    def _ask(self, vignette: Vignette) -> httpx.Response:
        asked = {"patient_mrn": vignette.id, "query": vignette.text}
        for _ in range(ATTEMPTS):
            try:
                response = self._client.post("/triage", json=asked)
            except httpx.HTTPError as error:
                raise NoAnswer(f"{vignette.id}: {type(error).__name__}: {error}") from error
            if response.status_code == 200:
                return response
            wait = response.headers.get("retry-after", "")
            if response.status_code not in (429, 503) or not wait.isdigit():
                raise NoAnswer(f"{vignette.id}: {response.status_code} {response.text[:300]}")
            self._sleep(min(float(wait), WAIT_AT_MOST_S))
        raise NoAnswer(f"{vignette.id}: refused {ATTEMPTS} times")
