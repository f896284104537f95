"""Bodies of the protocols that others defined, for OpenAPI and for what these doors build themselves.

Requests are written out, because the doors pass the raw bytes on; workers read them with a codec each.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from inference_container.forecasting.protocol_names import DATATYPES, MAX_SERIES, MULTIVARIATE, UNIVARIATE

Schema = Mapping[str, Any]


class OipError(BaseModel):
    error: str


class Live(BaseModel):
    live: bool


class Ready(BaseModel):
    ready: bool


class ModelReady(BaseModel):
    name: str
    ready: bool


class ServerMetadata(BaseModel):
    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    name: str
    datatype: str
    shape: list[int] = Field(description="-1 stands for any number of rows or steps.")


class ModelMetadata(BaseModel):
    name: str
    versions: list[str] = Field(description="The bundle that answers now.")
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata] = Field(description="Quantiles that a request asks for come as further outputs.")


class OutputTensor(BaseModel):
    name: str
    datatype: Literal["BYTES", "FP64"]
    shape: list[int]
    data: list[str | float] | None = None
    parameters: dict[str, int] | None = Field(None, description="`binary_data_size`, in place of `data`.")


class InferAnswer(BaseModel):
    # Two names of the protocol begin as pydantic's own do.
    model_config = {"protected_namespaces": ()}

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


_PARAMETERS: Schema = {"type": "object"}
_BINARY: Schema = {"type": "string", "format": "binary"}

INFER_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "id": {"type": ["string", "null"]},
                    "parameters": {
                        "type": "object",
                        "properties": {
                            "inference_length": {"type": "integer", "minimum": 1, "maximum": 10_000},
                            "quantiles": {
                                "type": ["array", "string"],
                                "description": "Levels to answer beside the forecast, as `[0.1, 0.9]` or `0.1,0.9`.",
                            },
                            "index_col": {"type": "string", "description": "Name of the tensor that holds the times."},
                            "unit": {"enum": ["s", "ms", "us", "ns"], "description": "Of times sent as INT64."},
                            "binary_data_output": {"type": "boolean"},
                        },
                    },
                    "inputs": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["name", "shape", "datatype"],
                            "properties": {
                                "name": {"type": "string"},
                                "shape": {
                                    "type": "array",
                                    "minItems": 1,
                                    "maxItems": 2,
                                    "items": {"type": "integer", "minimum": 0},
                                    "description": "`[rows]` or `[1, rows]`.",
                                },
                                "datatype": {"enum": list(DATATYPES)},
                                "parameters": _PARAMETERS,
                                "data": {"type": "array"},
                            },
                        },
                    },
                    "outputs": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {"name": {"type": "string"}, "parameters": _PARAMETERS},
                        },
                    },
                },
            }
        },
        "application/octet-stream": {"schema": _BINARY},
    },
}
INFER_ANSWER: dict[str, Any] = {
    "model": InferAnswer,
    "description": "The forecast; as bytes where the request asked for that.",
    "content": {"application/octet-stream": {"schema": _BINARY}},
}

FORECAST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["model", "inputs", "options"],
                "properties": {
                    "model": {"type": "string", "description": "Name of the bundle that is served."},
                    "inputs": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": MAX_SERIES,
                        "items": {
                            "type": "object",
                            "required": ["type", "name", "series", "frequency"],
                            "properties": {
                                "type": {"enum": [UNIVARIATE, MULTIVARIATE]},
                                "name": {"type": "string"},
                                "series": {
                                    "type": "array",
                                    "items": {
                                        "type": ["number", "null", "array"],
                                        "items": {"type": ["number", "null"]},
                                    },
                                    "description": "A value, or an array of values in the model's order, per row.",
                                },
                                "frequency": {"type": "string", "description": "As in `H`, `hour` or `5T`."},
                                "start_timestamp": {"type": ["string", "null"], "description": "ISO 8601."},
                            },
                        },
                    },
                    "options": {
                        "type": "object",
                        "required": ["horizon"],
                        "properties": {
                            "horizon": {"type": "integer", "minimum": 1, "maximum": 10_000},
                            "quantiles": {
                                "type": ["array", "null"],
                                "maxItems": 20,
                                "uniqueItems": True,
                                "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                            },
                        },
                    },
                    "metadata": {"type": ["object", "null"]},
                },
            }
        }
    },
}


class ForeignError(BaseModel):
    code: str
    message: str
    param: str | None
    type: str


class ForeignErrorAnswer(BaseModel):
    error: ForeignError


Series = list[float] | list[list[float]]


class SeriesForecast(BaseModel):
    type: Literal["univariate_time_series", "multivariate_time_series"]
    name: str
    mean_forecast: Series = Field(description="A number per step, or an array of one per target.")
    frequency: str
    start_timestamp: str = Field(description="Time of the first step, UTC.")
    columns: list[str] = Field(description="The targets, in the order of the values.")
    quantiles: dict[str, Series] | None = None


class ForecastOutput(BaseModel):
    type: Literal["time_series_forecast"]
    id: str
    status: Literal["completed"]
    content: list[SeriesForecast]
    error: None
    run_id: str = Field(description="Identity of the bundle that answered.")


class ForecastAnswerBody(BaseModel):
    id: str
    created_at: int = Field(description="Seconds since 1970.")
    status: Literal["completed"]
    error: None
    model: str
    outputs: list[ForecastOutput] = Field(description="One per input, in their order.")
