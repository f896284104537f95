"""An answer of the HTTP door as the log keeps it: one JSON value on one line, how many rows ahead, and by which bundle.

Pure. Nearly all answers are JSON already. Those with binary tensors are kept whole as base64, with the headers that say
how they are to be read: a hash would prove what was answered and not tell it, and the log is there to be told.
"""

import base64
from dataclasses import dataclass

import orjson

from inference_container.claims.results import Forecast
from inference_container.forecasting.messages import HeadedReply


@dataclass(frozen=True, slots=True)
class Answered:
    forecast: Forecast  #: `rows` is 0 where the answer does not say it in JSON
    bundle_id: str | None  #: None where it does not say that


def read_answer(answer: bytes | HeadedReply) -> Answered:
    body, headers = (answer.body, dict(answer.headers)) if isinstance(answer, HeadedReply) else (answer, {})
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        kept = orjson.dumps({"headers": headers, "base64": base64.b64encode(body).decode()})
        return Answered(Forecast(kept, 0), None)
    # What a line must not have, a JSON text may: between its parts, where it means nothing.
    return Answered(Forecast(body if b"\n" not in body else orjson.dumps(value), _rows(value)), _bundle_id(value))


def _bundle_id(value: object) -> str | None:
    match value:
        case {"run_id": str(bundle_id)} | {"model_version": str(bundle_id)}:
            return bundle_id
        case _:
            return None


def _rows(value: object) -> int:
    match value:
        case {"predictions": [*rows]}:
            return len(rows)
        case {"outputs": [{"shape": [*_, int(rows)]}, *_]}:
            return rows
        case {"content": [{"mean_forecast": [*rows]}, *_]}:
            return len(rows)
        case _:
            return 0
