"""How a body becomes a request and a forecast an answer: one codec per kind of body.

`inferencer` looks the codec up by `ForecastQuery.kind`. A codec that needs a heavy package imports it when a worker
meets the first such body, so the registry imports nothing but the one kind that nearly every request has.
"""

from inference_container.errors import MalformedRequest
from inference_container.forecasting.codecs.json import JSON
from inference_container.forecasting.codecs.protocol import Codec
from inference_container.forecasting.messages import BodyKind


def codec_for(kind: BodyKind) -> Codec:
    """The codec of a kind of body; each further kind is a case here that imports its module.

    Raises:
        MalformedRequest: no codec reads bodies of this kind.
    """
    match kind:
        case "json":
            return JSON
        case "arrow":
            from inference_container.forecasting.codecs.arrow import ARROW

            return ARROW
        case "parquet":
            from inference_container.forecasting.codecs.parquet import PARQUET

            return PARQUET
        case "oip":
            from inference_container.forecasting.codecs.oip import OIP

            return OIP
        case "timeseries":
            from inference_container.forecasting.codecs.timeseries import TIMESERIES

            return TIMESERIES
        case _:
            raise MalformedRequest("No codec of this service reads a body of this kind.", kind=str(kind))
