"""The port between the forecast and the formats it is asked and answered in.

`inferencer` decodes every query with one codec and encodes its forecast with the same. What a request is once it has
been decoded (`ForecastRequest`) and what every answer is made from (`Forecast`) stand here, so that a codec needs
nothing of the room that computes.
"""

from dataclasses import dataclass
from typing import Protocol

from inference_container.forecasting.arrays import FloatArray, TimeArray
from inference_container.forecasting.frame import Frame
from inference_container.forecasting.messages import ForecastQuery, HeadedReply
from inference_container.forecasting.plan import ForecastPlan


@dataclass(frozen=True, slots=True, eq=False)
class ForecastRequest:
    """A decoded body."""

    frame: Frame
    #: Steps to forecast, at least 1. Whether the model reaches that far is not a codec's to say.
    inference_length: int
    #: Levels wanted beside the forecast: rising, each between 0 and 1; empty when none were asked for.
    quantiles: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """What comes after the last row."""

    targets: tuple[str, ...]
    #: (steps,), UTC, `datetime64[us]`; the first is one step after the last row.
    times: TimeArray
    #: (steps, targets), raw units, finite.
    values: FloatArray
    #: Levels of `quantiles`: as asked, rising; empty when none were asked for.
    levels: tuple[float, ...] = ()
    #: (steps, targets, levels), raw units, never falling along the levels; None when none were asked for.
    quantiles: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What an answer says beside the numbers."""

    #: Names the deployment, not the model.
    identifier: str
    plan: ForecastPlan


class Codec(Protocol):
    """One format. Stateless; what it raises concerns one query and spares the rest of the batch."""

    def decode(self, query: ForecastQuery, plan: ForecastPlan) -> ForecastRequest:
        """Read the body; `query.options` wins over what the body says.

        Raises:
            MalformedRequest: the body is not of this format.
            InvalidSeries: one of its subclasses, each naming what is wrong with the series.
        """
        ...

    def encode(self, query: ForecastQuery, forecast: Forecast, context: AnswerContext) -> bytes | HeadedReply:
        """The answer to `query`."""
        ...
