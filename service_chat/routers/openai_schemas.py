"""The OpenAI door's bodies: what a request may say, as a chat for the lane, and what is answered.

Fields that nobody here knows are ignored, because clients send new ones every few months. A field that is known, would
change the answer and can not be honoured is refused by name, unless it holds the value that asks for nothing.
"""

import json
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from service_chat.engines.protocol import ChatMessage, SamplingParams
from service_chat.services.chat_completions import DEFAULT
from service_chat.services.chat_lane import Chat

_NO_TOOLS: tuple[object, ...] = (None, [], "none", "auto")
#: What can not be honoured, with the values that ask for nothing.
_UNSUPPORTED: dict[str, tuple[object, ...]] = {
    **dict.fromkeys(("tools", "functions", "tool_choice", "function_call"), _NO_TOOLS),
    **dict.fromkeys(("logprobs", "top_logprobs", "frequency_penalty"), (None, 0)),
    **dict.fromkeys(("n", "best_of"), (None, 1)),
    **dict.fromkeys(("audio", "web_search_options"), (None,)),
    "logit_bias": (None, {}),
    "modalities": (None, ["text"]),
}
#: llama.cpp takes 32 bits and reads the highest of them as "draw one".
_SEEDS = 2**32 - 1


def _encodable(value: object) -> object:
    """Half a surrogate pair is valid JSON and no text: pydantic lets it through where it has nothing to measure."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise PydanticCustomError("invalid_value", "The text holds half a surrogate pair.") from None
    return value


def _text(value: object) -> object:
    """A list of parts as one text; anything but text is refused, nothing is left out in silence."""
    if not isinstance(value, list):
        return _encodable(value)
    texts = [part.get("text") for part in value if isinstance(part, dict) and part.get("type") == "text"]
    if not value or len(texts) != len(value) or not all(isinstance(text, str) for text in texts):
        raise PydanticCustomError(
            "unsupported_value", "The content of a message is a text, or a list of parts of the type text."
        )
    return _encodable("\n".join(map(str, texts)))


def _role(value: object) -> object:
    if value in ("tool", "function"):
        raise PydanticCustomError(
            "unsupported_value", "Messages of tools are not supported: no tool can be called here."
        )
    return "system" if value == "developer" else value


def _whole(value: object) -> object:
    """JSON has one kind of number: 7.0 is as good a seed as 7."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_PART = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
}
_CONTENT_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": _PART, "minItems": 1}]}
_ROLE_SCHEMA = {"type": "string", "enum": ["system", "developer", "user", "assistant"]}
_STOP_STRING = {"type": "string", "minLength": 1, "maxLength": 256}
_STOP_SCHEMA = {
    "anyOf": [
        _STOP_STRING,
        {"type": "array", "items": _STOP_STRING, "maxItems": 16},
        {"type": "null"},
    ]
}

Role = Annotated[Literal["system", "user", "assistant"], BeforeValidator(_role), WithJsonSchema(_ROLE_SCHEMA)]
Content = Annotated[str, BeforeValidator(_text), WithJsonSchema(_CONTENT_SCHEMA)]
StopStrings = Annotated[
    Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=16)] | None,
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    WithJsonSchema(_STOP_SCHEMA),
]
#: Behind the bounds, or the document would lose them.
_WHOLE = BeforeValidator(_whole)
Name = Annotated[str | None, Field(max_length=512)]


class _Strict(BaseModel):
    """JSON knows numbers from strings: "7" is no seed."""

    model_config = ConfigDict(strict=True)


class Message(_Strict):
    role: Role
    content: Content

    @model_validator(mode="before")
    @classmethod
    def _no_tools(cls, value: object) -> object:
        if isinstance(value, dict) and (value.get("tool_calls") or value.get("function_call")):
            raise PydanticCustomError("unsupported_value", "Calls of tools are not supported, not even past ones.")
        return value


class SchemaFormat(_Strict):
    schema_: dict[str, object] = Field(alias="schema", description="JSON schema that the answer keeps to.")


class ResponseFormat(_Strict):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaFormat | None = None
    schema_: dict[str, object] | None = Field(
        None, alias="schema", description="With json_object: its schema, as llama.cpp's server takes it."
    )

    @model_validator(mode="after")
    def _says_its_form(self) -> "ResponseFormat":
        if self.type == "json_schema" and self.json_schema is None:
            raise PydanticCustomError("missing", "A json_schema format needs json_schema.schema.")
        try:
            (self.schema_text() or "").encode()
        except (ValueError, RecursionError):  # NaN, half a surrogate pair; a thousand levels
            raise PydanticCustomError("invalid_value", "The schema can not be read.") from None
        return self

    def schema_text(self) -> str | None:
        """The JSON schema that the answer must fit, as JSON; None for free text."""
        match self.type:
            case "text":
                return None
            case "json_object":
                schema = self.schema_ or {"type": "object"}
            case "json_schema":
                schema = self.json_schema.schema_ if self.json_schema is not None else {}
        return json.dumps(schema, ensure_ascii=False, allow_nan=False)


class StreamOptions(_Strict):
    include_usage: bool | None = None


class ChatCompletionRequest(_Strict):
    model: str = Field(DEFAULT, max_length=256, description="A model's id, a mode on offer, or `default`.")
    messages: list[Message] = Field(min_length=1)
    max_tokens: Annotated[int, Field(ge=1, le=2**31 - 1), _WHOLE] | None = Field(
        None, description="Default: GGUF_MAX_TOKENS."
    )
    max_completion_tokens: Annotated[int, Field(ge=1, le=2**31 - 1), _WHOLE] | None = Field(
        None, description="Goes before max_tokens."
    )
    temperature: float | None = Field(None, ge=0, le=2, description="Default: LLM_TEMPERATURE.")
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: Annotated[int, Field(ge=0, le=2**31 - 1), _WHOLE] | None = Field(
        None, description="Extension. 0 leaves all tokens in."
    )
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63), _WHOLE] | None = None
    stop: StopStrings = None
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    grammar: str | None = Field(None, min_length=1, description="Extension. GBNF with a rule `root`.")
    ignore_eos: bool | None = Field(None, description="Extension, for measurements: the end of a turn ends nothing.")
    prompt_cache_key: Name = Field(None, description="Requests of one key may share what was read of their prompts.")
    safety_identifier: Name = None
    user: Name = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_not_built(cls, value: object) -> object:
        for name, neutral in _UNSUPPORTED.items():
            if isinstance(value, dict) and value.get(name) not in neutral:
                raise PydanticCustomError("unsupported_parameter", "{param} is not supported here.", {"param": name})
        return value

    @model_validator(mode="after")
    def _one_form(self) -> "ChatCompletionRequest":
        if self.grammar is not None and self.response_format is not None and self.response_format.type != "text":
            raise PydanticCustomError("unsupported_value", "Either grammar or response_format.", {"param": "grammar"})
        return self

    @property
    def usage_wanted(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def chat(self, defaults: SamplingParams) -> Chat:
        messages = tuple(ChatMessage(message.role, message.content) for message in self.messages)
        return Chat(messages, self._params(defaults), self._scope())

    def _params(self, defaults: SamplingParams) -> SamplingParams:
        def said(value: float | None, otherwise: float) -> float:
            return otherwise if value is None else value

        return SamplingParams(
            max_tokens=self.max_completion_tokens or self.max_tokens or defaults.max_tokens,
            temperature=said(self.temperature, defaults.temperature),
            top_p=said(self.top_p, defaults.top_p),
            top_k=defaults.top_k if self.top_k is None else self.top_k,
            presence_penalty=said(self.presence_penalty, defaults.presence_penalty),
            seed=defaults.seed if self.seed is None else self.seed % _SEEDS,
            stop=tuple(self.stop or ()),
            json_schema=self.response_format.schema_text() if self.response_format is not None else None,
            grammar=self.grammar,
            ignore_eos=bool(self.ignore_eos),
        )

    def _scope(self) -> str | None:
        """Each kind of name has a room of its own, apart from the patients' too: equal words are no kinship."""
        for kind in ("prompt_cache_key", "safety_identifier", "user"):
            if name := getattr(self, kind):
                return f"{kind}:{name}"
        return None
