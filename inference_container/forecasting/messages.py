"""What crosses to a worker process and back: a batch of queries one way, a reply for each the other way.

Plain values that pickle small. The raw body crosses as it came from the socket: decoding happens in the worker, so the
event loop never pays for it. `process_pool` ships them, `inferencer` answers them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from serving.errors import SluiceError

#: How a body is written and how its answer will be: one codec of `forecasting.codecs` each.
BodyKind: TypeAlias = Literal["json", "arrow", "parquet", "oip", "timeseries"]


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What the head of a request asks for. Absent on most requests, so that most batches stay small."""

    #: `inference_length` of the query string, which wins over the one in the body.
    inference_length: int | None = None
    #: Name of the time column, for bodies that are a bare table.
    index_col: str | None = None
    #: Quantile levels wanted beside the forecast; None: what the body says.
    quantiles: tuple[float, ...] | None = None
    #: Whether the answer carries `timings_ms`.
    timings: bool = False
    #: Bytes of the JSON part of an Open Inference Protocol body; None: all of it.
    json_bytes: int | None = None
    #: Name of the model that answers, for formats that say it in the body or in the answer.
    model: str | None = None
    #: The only bundle that may answer; None: whichever the worker holds.
    version: str | None = None
    #: Which of several series in one body this query is about.
    series: int = 0


class ForecastQuery(NamedTuple):
    """One question. Nothing in it has been looked at yet."""

    req_id: str
    #: As received; may be empty.
    body: bytes
    kind: BodyKind = "json"
    options: QueryOptions | None = None


class HeadedReply(NamedTuple):
    """An answer that needs headers of its own: binary tensors behind a JSON part."""

    body: bytes
    headers: tuple[tuple[str, str], ...]


#: The encoded answer, or the error that the door translates. Replies stand in the order of their queries.
ForecastReply: TypeAlias = bytes | HeadedReply | SluiceError


class StageTimings(NamedTuple):
    """Milliseconds that one batch spent in each stage. Names are the predecessor's where the stage is still that."""

    precheck_ms: float  #: decoding and validation of all bodies
    window_data_ms: float  #: windows, scaling and calendar features of the batch
    model_predict_ms: float  #: all forward passes
    inverse_scale_ms: float  #: back to raw units, checks of the result
    json_serialize_ms: float  #: encoding of all answers
    overall_ms: float
    model_predict_calls: int  #: forward passes; more than 1 only for recursive forecasts


class Answered(NamedTuple):
    """A batch, done."""

    replies: list[ForecastReply]
    timings: StageTimings


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The bundle that a worker holds, as far as its parent needs to know."""

    bundle_id: str
    name: str
    backend: str
    input_len: int
    horizon: int
    targets: tuple[str, ...]
    columns: tuple[str, ...]
    freq_seconds: int
    max_steps: int
    #: Levels that can be asked for beside the forecast; empty when the bundle carries none.
    quantile_levels: tuple[float, ...]
    #: The manifest's descriptive parts, plain JSON.
    card: Mapping[str, object]
    #: `bundle_id` is the hash of the bundle's files; this is that of what the manifest says of them.
    manifest_sha256: str
