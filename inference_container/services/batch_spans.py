"""The spans of a batch, told when its replies are here: each request's wait and forecast, and the pass that they share.

`batches` calls it while somebody listens. All of it is reckoned from times that were taken anyway: tickets know when
they were admitted and how long they waited, and the worker says how long each stage took. Nothing of a trace crosses to
the worker.
"""

from collections.abc import Sequence

from inference_container.forecasting.messages import ForecastQuery
from inference_container.services.lanes import ForecastAnswer
from inference_container.services.ports import BatchOutcome
from inference_container.spans import BATCH, FORECAST, FORWARD
from serving.errors import SluiceError
from serving.spans import WAIT, alone
from serving.ticket import Ticket
from serving.tracing import Trace


def tell_batch(batch: Sequence[Ticket[ForecastQuery, ForecastAnswer]], outcome: BatchOutcome, done_at: float) -> None:
    """
    Args:
        done_at: when the outcome was here, on the clock of the tickets.
    """
    traced = [
        (at, ticket.trace) for at, ticket in enumerate(batch) if ticket.trace is not None and ticket.trace.sampled
    ]
    if not traced:
        return
    size, forecasts = len(batch), {at: trace.child() for at, trace in traced}
    shared = alone() if size > 1 else forecasts[0]
    begun_at = min(_taken_at(ticket) for ticket in batch)
    for at, trace in traced:
        ticket = batch[at]
        WAIT.told(trace.child(), ticket.admitted_at, _taken_at(ticket))
        links = (shared,) if size > 1 else ()
        FORECAST.told(
            forecasts[at], _taken_at(ticket), done_at, links=links, error=_error(outcome, at), batch_size=size
        )
    if size > 1:
        failed = outcome.code if isinstance(outcome, SluiceError) else None
        BATCH.told(shared, begun_at, done_at, links=tuple(forecasts.values()), error=failed, batch_size=size)
    if not isinstance(outcome, SluiceError):
        _tell_pass(shared, outcome, done_at, size)


def _tell_pass(shared: Trace, outcome: BatchOutcome, done_at: float, size: int) -> None:
    assert not isinstance(outcome, SluiceError)
    timings = outcome.timings
    # The worker's clock is not ours: what it says is how long each stage took, and that the reply came last.
    behind_ms = timings.inverse_scale_ms + timings.json_serialize_ms
    ended = done_at - behind_ms / 1000
    begun = ended - timings.model_predict_ms / 1000
    FORWARD.told(shared.child(), begun, ended, batch_size=size, calls=timings.model_predict_calls)


def _taken_at(ticket: Ticket[ForecastQuery, ForecastAnswer]) -> float:
    return ticket.admitted_at + (ticket.waited_s or 0.0)


def _error(outcome: BatchOutcome, at: int) -> str | None:
    if isinstance(outcome, SluiceError):
        return outcome.code
    reply = outcome.replies[at] if at < len(outcome.replies) else None
    return reply.code if isinstance(reply, SluiceError) else None
