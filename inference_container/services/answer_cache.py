"""The cache of answers (ENABLE_PREDICT_CACHE, off unless asked for): the same question to the same model, asked again.

The key is the model's identity and the whole question, written in one canonical way, so an answer can not reach another
series, another horizon or a newer model. Callers who ask the same while it is being answered wait for that one answer.
It stands between the doors and `predict`; decoding a body here costs the event loop what a worker otherwise pays.
"""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import NamedTuple

import orjson

from inference_container.forecasting.messages import ForecastQuery
from inference_container.metrics import InferenceMetrics
from inference_container.services.predict import Predict
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import CallerGone, DeadlineExceeded, InvalidInput


class _Key(NamedTuple):
    #: Two bundles may hold the same files and treat a gap differently: what the manifest says counts too.
    model: tuple[str, str]
    question: str  #: digest


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: bytes
    until: float  #: monotonic


class AnswerCache:
    """Lives on the event loop."""

    def __init__(self, predict: Predict, metrics: InferenceMetrics, clock: Clock, size: int, ttl_s: float) -> None:
        self._predict, self._metrics, self._clock, self._size, self._ttl_s = predict, metrics, clock, size, ttl_s
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._asking: dict[_Key, asyncio.Future[bytes | InvalidInput | None]] = {}
        self.served = 0

    async def forecast(self, query: ForecastQuery, deadline: Deadline) -> bytes:
        """As `Predict.forecast` for a JSON body; a body without a series means the last claim's.

        Raises:
            SluiceError: What the forecast itself raises. Errors are never kept.
        """
        query = self._with_series(query)
        key = self._key(query)
        if key is None:
            self._metrics.cache.labels("bypass").inc()
            return await self._ask(query, deadline)
        while True:
            kept = self._kept.get(key)
            if kept is not None and kept.until > self._clock.monotonic():
                self._kept.move_to_end(key)
                return self._again(kept.answer, query)
            asking = self._asking.get(key)
            if asking is None:
                return await self._lead(key, query, deadline)
            outcome = await self._heard(asking, deadline)
            if isinstance(outcome, InvalidInput):
                self._predict.count(outcome)
                raise outcome
            if outcome is not None:
                return self._again(outcome, query)

    async def _heard(
        self, asking: "asyncio.Future[bytes | InvalidInput | None]", deadline: Deadline
    ) -> bytes | InvalidInput | None:
        """Waits with others for an answer. Without a ticket of its own, so a wait that comes to nothing counts here."""
        try:
            return await deadline.bound(asyncio.shield(asking))
        except DeadlineExceeded as error:
            self._predict.count(error)
            raise
        except asyncio.CancelledError:
            self._predict.count(CallerGone())
            raise

    async def _lead(self, key: _Key, query: ForecastQuery, deadline: Deadline) -> bytes:
        """Asks for all who ask the same meanwhile. They share an answer and a refusal of the question itself; that the
        first caller hung up, or had less time than they, says nothing to them, and one of them leads next."""
        asking: asyncio.Future[bytes | InvalidInput | None]
        asking = self._asking[key] = asyncio.get_running_loop().create_future()
        self._metrics.cache.labels("miss").inc()
        outcome: bytes | InvalidInput | None = None
        try:
            outcome = await self._ask(query, deadline)
        except InvalidInput as error:
            outcome = error
            raise
        finally:
            del self._asking[key]
            asking.set_result(outcome)
        # A swap may have come in between: an answer is kept only under the model that gave it and serves still. Either
        # comparison alone would let a rollback find an answer of the model between.
        if orjson.loads(outcome).get("run_id") == key.model[0] and self._predict.model_identity == key.model:
            self._keep(key, outcome)
        return outcome

    async def _ask(self, query: ForecastQuery, deadline: Deadline) -> bytes:
        answer = await self._predict.forecast(query, deadline)
        assert isinstance(answer, bytes)  # JSON questions have plain answers
        return answer

    def _keep(self, key: _Key, answer: bytes) -> None:
        self._kept[key] = _Kept(answer, self._clock.monotonic() + self._ttl_s)
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def _again(self, answer: bytes, query: ForecastQuery) -> bytes:
        self.served += 1
        self._metrics.cache.labels("hit").inc()
        fields = orjson.loads(answer)
        return orjson.dumps({**fields, "status": "SUCCESS_CACHED", "cached": True, "req_id": query.req_id})

    def _with_series(self, query: ForecastQuery) -> ForecastQuery:
        claim, asked = self._predict.last_claim, query.options
        if query.body.strip() or claim is None:
            return query
        if asked is None:
            return claim._replace(req_id=query.req_id)
        # The series is the claim's, and so is how its table is read; how far and how is the caller's.
        named = claim.options.index_col if claim.options is not None else None
        return claim._replace(req_id=query.req_id, options=replace(asked, index_col=asked.index_col or named))

    def _key(self, query: ForecastQuery) -> _Key | None:
        """None for a body that is no JSON object: its error is not worth a place."""
        model = self._predict.model_identity
        if model is None or query.kind != "json":
            return None
        try:
            asked = orjson.loads(query.body)
            written = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            return None
        options = repr(query.options).encode()
        return _Key(model, hashlib.sha256(b"\0".join((options, written))).hexdigest())
