"""What waits becomes a batch on a free worker, and the batch's replies become its tickets' outcomes.

The unit of hand-off is a batch: whatever waits when a worker falls free, at most `batch_size`. There is no timer below
saturation; `patience_s` may hold a batch that is not full for that long at most. Expired tickets are dropped before the
work, and an answer that comes after its deadline is one nobody waits for.
"""

import asyncio
import math
from collections.abc import Sequence

from inference_container import events
from inference_container.forecasting.messages import ForecastQuery, ForecastReply, StageTimings
from inference_container.metrics import InferenceMetrics
from inference_container.services.batch_spans import tell_batch
from inference_container.services.lanes import ForecastAnswer, Lanes
from inference_container.services.ports import BatchOutcome, Predictor
from serving.clock import Clock
from serving.errors import DeadlineExceeded, SluiceError, WorkFailed
from serving.spans import listened
from serving.ticket import Ticket

#: How many answers are written before the event loop looks round.
_ANSWERS_A_TURN = 4

_Batch = Sequence[Ticket[ForecastQuery, ForecastAnswer]]


class BatchFeed:
    """Open it as a context for as long as forecasts are to be answered."""

    def __init__(
        self,
        lanes: Lanes,
        predictor: Predictor,
        metrics: InferenceMetrics,
        clock: Clock,
        batch_size: int,
        patience_s: float = 0.0,
        eager: bool = True,
    ) -> None:
        """`eager`: hand the next batch over before the last one's answers are written. Right when workers have cores of
        their own; where they share the event loop's, it only makes batches smaller and interrupts the writing."""
        self._lanes, self._share, self._predictor, self._metrics = lanes, lanes.share, predictor, metrics
        self._clock, self._batch_size, self._patience_s, self._eager = clock, batch_size, patience_s, eager
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._held: asyncio.Handle | None = None

    async def __aenter__(self) -> "BatchFeed":
        self._loop = asyncio.get_running_loop()
        for lane in self._share.lanes:
            lane.on_arrival = self._soon
        self._predictor.on_room = self._room
        self._soon()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop = self._predictor.on_room = None
        for lane in self._share.lanes:
            lane.on_arrival = None
        if self._held is not None:
            self._held.cancel()

    def _room(self) -> None:
        if self._eager or self._share.depth >= self._batch_size:
            self._feed()
        else:
            self._soon()

    def _soon(self) -> None:
        """In the loop's next turn: what has just become readable joins the same batch."""
        if not self._scheduled and self._loop is not None and self._predictor.idle:
            self._scheduled = True
            self._loop.call_soon(self._feed)

    def _feed(self) -> None:
        self._scheduled = False
        while self._loop is not None and self._predictor.idle and self._share.depth:
            if self._patience_s and self._hold():
                return
            now = self._clock.monotonic()
            batch = []
            for ticket in self._share.take_now(self._even_share()):
                if ticket.deadline.at <= now:
                    ticket.fail(DeadlineExceeded())
                else:
                    batch.append(ticket)
            if batch:
                self._start(batch)

    def _even_share(self) -> int:
        """How many to take: as few batches as it needs, all of one size.

        Full ones first and a rest behind them would make some of those who came together wait twice as long as others.
        """
        waiting, most = self._share.depth, self._batch_size
        return waiting if waiting <= most else math.ceil(waiting / math.ceil(waiting / most))

    def _hold(self) -> bool:
        """Whether a batch that is not full may wait for more; looks again when the oldest has been patient enough."""
        if self._share.depth >= self._batch_size:
            return False
        oldest = max(lane.statistics().oldest_wait_s for lane in self._share.lanes)
        left = self._patience_s - oldest
        if left <= 0 or self._loop is None:
            return False
        if self._held is None:
            # Nothing is asked of the handle: uvloop's has no `when` once what is left rounds to no millisecond.
            self._held = self._loop.call_later(left, self._look_again)
        return True

    def _look_again(self) -> None:
        self._held = None
        self._feed()

    def _start(self, batch: _Batch) -> None:
        self._metrics.batch.observe(len(batch))
        self._predictor.start([ticket.item for ticket in batch], lambda outcome: self._done(batch, outcome))

    def _done(self, batch: _Batch, outcome: BatchOutcome) -> None:
        if listened():
            tell_batch(batch, outcome, self._clock.monotonic())
        if isinstance(outcome, SluiceError):
            for ticket in batch:
                ticket.fail(outcome)
            return
        replies = outcome.replies
        if len(replies) != len(batch):
            for ticket in batch:
                ticket.fail(WorkFailed(f"{len(replies)} replies came for {len(batch)} requests."))
            return
        self._note(outcome.timings, len(batch))
        self._settle(batch, replies, 0)

    def _settle(self, batch: _Batch, replies: Sequence[ForecastReply], begin: int) -> None:
        """Writes answers from `begin` on. Where the loop has a core of its own it lets others in after every few: a
        probe that comes meanwhile, and the callers' next questions, which then come spread out as well."""
        now = self._clock.monotonic()
        end = min(begin + _ANSWERS_A_TURN, len(batch)) if self._eager else len(batch)
        for ticket, reply in zip(batch[begin:end], replies[begin:end], strict=True):
            if ticket.deadline.at <= now and not ticket.settled:
                ticket.fail(DeadlineExceeded())
            elif isinstance(reply, SluiceError):
                ticket.fail(reply)
            else:
                ticket.settle(reply)
        if end < len(batch):
            asyncio.get_running_loop().call_soon(self._settle, batch, replies, end)

    def _note(self, timings: StageTimings, size: int) -> None:
        for series, took_ms in zip(self._metrics.stage_series, timings, strict=False):
            series.observe(took_ms / 1000)
        if events.inference_stage_timings.enabled:
            events.inference_stage_timings(batch=size, timings_ms=timings._asdict())
