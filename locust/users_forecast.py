"""Users of the forecast service: 80 forecasts, 10 looks at health, 10 downloads (LOAD_MIX), each answer checked."""

import json
from functools import partial

import gevent
from caller import WARM_UP, Answer, Caller
from payloads import Asked, Outcome, judged
from run import RUN

_WISHES = RUN.wishes
_PREDICT, _HEALTH, _DOWNLOAD = "/predict", "/healthz", "download_processed"


class ForecastUser(Caller):
    abstract = True
    download_path = _WISHES.download_path

    def on_start(self) -> None:
        """Everything once, uncounted: first connections and first answers say nothing about the rest."""
        if not _WISHES.warm_up:
            return
        weights = _WISHES.mix
        if weights[1]:
            self.health(aside=WARM_UP)
        if weights[2]:
            self._find_download()
        if weights[0]:
            self.predict(aside=WARM_UP)

    def predict(self, aside: str = "") -> None:
        assert RUN.payloads is not None, "the gate was not passed"
        asked = RUN.payloads.next(RUN.mode)
        headers = {"X-Deadline-Ms": str(RUN.profile.deadline_ms)} if RUN.profile.deadline_ms else {}
        self.ask("POST", _PREDICT, _PREDICT, partial(_forecast, asked), asked.body, headers, aside)

    def health(self, aside: str = "") -> None:
        # Whatever the path is called there, the row is the limits'.
        self.ask("GET", _WISHES.health_path, _HEALTH, is_healthy, aside=aside)

    def download(self, aside: str = "") -> bool:
        url = f"{_WISHES.download_url}{self.download_path}"
        return self.ask("GET", url, _DOWNLOAD, is_whole, aside=aside).status == 200

    def _find_download(self) -> None:
        for _ in range(max(1, _WISHES.download_tries)):
            for path in filter(None, (_WISHES.download_path, _WISHES.download_fallback)):
                self.download_path = path
                if self.download(aside=WARM_UP):
                    return
            gevent.sleep(_WISHES.download_pause_s)
        self.download_path = _WISHES.download_path  # counted requests will fail and say why


class Forecaster(ForecastUser):
    """The mix."""

    weight = 1
    # Locust reads it from the class, and makes the list of its type of it.
    tasks = {  # type: ignore[assignment]  # noqa: RUF012
        each: weight
        for each, weight in zip(
            (ForecastUser.predict, ForecastUser.health, ForecastUser.download), _WISHES.mix, strict=True
        )
        if weight
    }


def _forecast(asked: Asked, answer: Answer) -> Outcome:
    assert RUN.payloads is not None
    return judged(asked, RUN.payloads.series, answer.status, answer.body)


def is_healthy(answer: Answer) -> Outcome:
    try:
        good = answer.status == 200 and json.loads(answer.body)["status"] == "ok"
    except (ValueError, LookupError, TypeError):
        good = False
    return Outcome(None if good else f"{answer.status}: {answer.text[:200]}")


def is_whole(answer: Answer) -> Outcome:
    """A download is as long as it said, and is something."""
    if answer.status != 200:
        return Outcome(f"{answer.status}: {answer.text[:200]}")
    told = answer.headers.get("content-length", "")
    if not answer.body or told != str(len(answer.body)):
        return Outcome(f"{len(answer.body)} bytes came, {told or 'no length'} was told")
    return Outcome(None)
