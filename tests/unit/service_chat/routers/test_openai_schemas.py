import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from service_chat.engines.protocol import ChatMessage, SamplingParams
from service_chat.routers.openai_schemas import ChatCompletionRequest
from service_chat.services.chat_lane import Chat

DEFAULTS = SamplingParams(max_tokens=40, temperature=0.2, presence_penalty=0.0)
USER = {"role": "user", "content": "Hello"}


def chat(**fields: Any) -> Chat:
    return ChatCompletionRequest.model_validate({"messages": [USER], **fields}).chat(DEFAULTS)


def refused(**fields: Any) -> dict[str, Any]:
    """What pydantic says of the first mistake."""
    with pytest.raises(ValidationError) as error:
        chat(**fields)
    return dict(error.value.errors()[0])


def test_a_request_that_only_asks_is_drawn_by_the_defaults() -> None:
    assert chat() == Chat((ChatMessage("user", "Hello"),), DEFAULTS, None)


def test_each_field_reaches_the_sampling() -> None:
    params = chat(
        max_tokens=5,
        temperature=0,
        top_p=0.5,
        top_k=3,
        seed=11,
        stop=["a", "b"],
        presence_penalty=0.4,
        grammar='root ::= "a"',
        ignore_eos=True,
    ).params
    assert params == SamplingParams(
        max_tokens=5,
        temperature=0,
        top_p=0.5,
        top_k=3,
        presence_penalty=0.4,
        seed=11,
        stop=("a", "b"),
        grammar='root ::= "a"',
        ignore_eos=True,
    )


def test_the_newer_name_for_the_longest_answer_goes_first() -> None:
    assert chat(max_tokens=5, max_completion_tokens=6).params.max_tokens == 6


def test_null_is_as_if_the_field_were_not_there() -> None:
    optional = ("max_tokens", "temperature", "top_p", "seed", "stop", "stream", "response_format", "user", "tools", "n")
    assert chat(**dict.fromkeys(optional)) == chat()


def test_fields_that_nobody_knows_are_ignored() -> None:
    assert chat(reasoning_effort="low", metadata={"a": "b"}, store=False, next_year={"x": 1}) == chat()


@pytest.mark.parametrize(
    "neutral",
    [
        {"tools": []},
        {"tool_choice": "auto"},
        {"n": 1},
        {"logprobs": False},
        {"logit_bias": {}},
        {"frequency_penalty": 0.0},
    ],
)
def test_a_field_that_asks_for_nothing_is_let_through(neutral: dict[str, Any]) -> None:
    assert chat(**neutral) == chat()


@pytest.mark.parametrize(
    "field",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tool_choice": "required"},
        {"functions": [{"name": "f"}]},
        {"n": 2},
        {"logprobs": True},
        {"top_logprobs": 3},
        {"logit_bias": {"50256": -100}},
        {"frequency_penalty": 0.5},
        {"modalities": ["text", "audio"]},
    ],
)
def test_a_field_that_would_change_the_answer_is_refused_by_its_name(field: dict[str, Any]) -> None:
    error = refused(**field)
    assert error["type"] == "unsupported_parameter"
    assert [error["ctx"]["param"]] == list(field)


def test_a_developer_is_the_system() -> None:
    messages = [{"role": "developer", "content": "Be brief."}, USER, {"role": "assistant", "content": "Yes."}, USER]
    assert [message.role for message in chat(messages=messages).messages] == ["system", "user", "assistant", "user"]


def test_text_parts_become_one_text() -> None:
    parts = [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]
    assert chat(messages=[{"role": "user", "content": parts}]).messages[0].content == "One\nTwo"


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "content": "42", "tool_call_id": "x"},
        {"role": "function", "name": "f", "content": "42"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "x"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
        {"role": "user", "content": [{"type": "text", "text": "See:"}, {"type": "image_url"}]},
        {"role": "user", "content": [{"type": "text", "text": 7}]},
        {"role": "user", "content": []},
    ],
)
def test_what_a_model_can_not_read_is_refused_and_not_left_out(message: dict[str, Any]) -> None:
    assert refused(messages=[message])["type"] == "unsupported_value"


@pytest.mark.parametrize(
    "bad",
    [
        {"messages": []},
        {"messages": "Hello"},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "robot", "content": "Hi"}]},
        {"max_tokens": 0},
        {"max_tokens": "5"},
        {"temperature": 2.1},
        {"temperature": float("nan")},
        {"top_p": -0.1},
        {"seed": 1.5},
        {"stop": ""},
        {"stop": [""]},
        {"stop": ["x"] * 17},
        {"stop": ["x" * 257]},
        {"presence_penalty": 3},
        {"stream": "yes"},
        {"response_format": {"type": "xml"}},
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
        {"grammar": 'root ::= "a"', "response_format": {"type": "json_object"}},
        {"user": "u" * 513},
        {"model": None},
    ],
)
def test_what_does_not_fit_is_refused(bad: dict[str, Any]) -> None:
    refused(**bad)


def test_a_single_stop_string_is_a_list_of_one() -> None:
    assert chat(stop="\n").params.stop == ("\n",)


def test_a_schema_reaches_the_engine_with_its_keys_in_their_order() -> None:
    schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "integer"}}}
    asked = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    assert chat(response_format=asked).params.json_schema == json.dumps(schema)


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize("schema", [{"const": "\ud800"}, {"minimum": float("nan")}, nested(5000)])
def test_a_schema_that_can_not_be_written_down_is_refused(schema: dict[str, Any]) -> None:
    error = refused(response_format={"type": "json_object", "schema": schema})
    assert (error["loc"], error["type"]) == (("response_format",), "invalid_value")


def test_half_a_surrogate_pair_is_no_text() -> None:
    parts = [{"type": "text", "text": "\ud800"}]
    for content in ("\ud800", parts):
        refused(messages=[{"role": "user", "content": content}])
    refused(stop="\ud800")
    refused(grammar="\ud800")
    refused(user="\ud800")


def test_any_json_object_is_a_schema_too() -> None:
    schema = chat(response_format={"type": "json_object"}).params.json_schema
    assert schema is not None
    assert json.loads(schema) == {"type": "object"}
    named = {"type": "json_object", "schema": {"type": "object", "required": ["a"]}}
    assert "required" in (chat(response_format=named).params.json_schema or "")
    assert chat(response_format={"type": "text"}).params.json_schema is None


@given(seed=st.integers(-(2**63), 2**63 - 1))
def test_a_seed_never_means_draw_one(seed: int) -> None:
    """llama.cpp reads the highest number of 32 bits so."""
    drawn = chat(seed=seed).params.seed
    assert drawn is not None
    assert 0 <= drawn < 2**32 - 1


def test_small_seeds_stay_as_they_are_however_the_number_is_written() -> None:
    assert chat(seed=7).params.seed == chat(seed=7.0).params.seed == 7


def test_the_cache_key_says_first_what_may_be_shared() -> None:
    assert chat(user="u", safety_identifier="s", prompt_cache_key="k").scope == "prompt_cache_key:k"
    assert chat(user="u", safety_identifier="s").scope == "safety_identifier:s"
    assert chat(user="u").scope == "user:u"
    assert chat(user="").scope is None


_NAMES = st.none() | st.text(max_size=8)


@given(one=st.tuples(_NAMES, _NAMES, _NAMES), other=st.tuples(_NAMES, _NAMES, _NAMES), mrn=st.text(max_size=8))
def test_names_of_different_kinds_never_share(
    one: tuple[str | None, ...], other: tuple[str | None, ...], mrn: str
) -> None:
    kinds = ("prompt_cache_key", "safety_identifier", "user")

    def first(names: tuple[str | None, ...]) -> tuple[str, str] | None:
        return next(((kind, name) for kind, name in zip(kinds, names, strict=True) if name), None)

    scopes = [chat(**dict(zip(kinds, names, strict=True))).scope for names in (one, other)]
    assert (scopes[0] == scopes[1]) == (first(one) == first(other))
    assert f"patient:{mrn}" not in scopes
