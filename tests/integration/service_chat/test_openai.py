"""What OpenAI's own client sees of this service: real llama.cpp behind it, and the mock beside it."""

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from openai import APIError, BadRequestError, InternalServerError, NotFoundError, OpenAI, RateLimitError, Stream
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from pydantic import BaseModel, ConfigDict, Field

from service_chat.services.answer_form import Lengths, answer_form, read_answer
from tests.integration.processes import ServiceProcess, descendants, eventually, running
from tests.integration.service_chat.conftest import Start
from tests.models.tiny_gguf import DEFAULT_REPLY, build_tiny_gguf

#: Small, with room for what every triage's prompt begins with: a token a letter, in a tiny vocabulary.
N_CTX = 2048
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]


def client_of(service: ServiceProcess) -> OpenAI:
    """It would try again by itself; here each refusal is to be seen."""
    return OpenAI(base_url=f"{service.url}/v1", api_key="unused", max_retries=0, timeout=30)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """It says a sentence, where others fill in a form."""
    home = tmp_path_factory.mktemp("chat")
    path = build_tiny_gguf(home / "script.gguf", "script")
    settings = {"GGUF_PATH": str(path), "ALLOWED_LLM_MODES": "mock"}
    with running(("service_chat",), "CHAT_API_PORT", home, settings) as process:
        process.until_ready()
        yield process


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[OpenAI]:
    with client_of(service) as client:
        yield client


@pytest.fixture(scope="module")
def endless(endless_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A small context, one slot, room for one more: its model goes on for as long as it may."""
    settings = {
        "GGUF_PATH": str(endless_gguf),
        "GGUF_N_CTX": str(N_CTX),
        "GGUF_MAX_TOKENS": "32",
        "GGUF_SLOTS": "1",
        "TRIAGE_QUEUE_MAXSIZE": "1",
    }
    with running(("service_chat",), "CHAT_API_PORT", tmp_path_factory.mktemp("chat"), settings) as process:
        process.until_ready()
        yield process


def test_a_chat_is_answered(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="default", messages=HELLO)
    assert answer.choices[0].message.content == DEFAULT_REPLY
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "script.gguf"
    assert answer.system_fingerprint is not None
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.prompt_tokens > 5
    assert answer._request_id


def test_a_stream_says_the_same_in_pieces(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="script.gguf", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert not chunks[0].choices[0].delta.content
    said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(said) == DEFAULT_REPLY
    assert len([text for text in said if text]) > 1
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 5


def test_the_helper_for_streams_puts_the_answer_together(client: OpenAI) -> None:
    with client.chat.completions.stream(model="default", messages=HELLO) as stream:
        assert stream.get_final_completion().choices[0].message.content == DEFAULT_REPLY


def test_the_text_ends_before_a_stop_string(client: OpenAI) -> None:
    whole, _, _ = DEFAULT_REPLY.partition("fever")
    plain = client.chat.completions.create(model="default", messages=HELLO, stop=["fever", "never said"])
    assert (plain.choices[0].message.content, plain.choices[0].finish_reason) == (whole, "stop")
    stream = client.chat.completions.create(model="default", messages=HELLO, stop="fever", stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == whole


def test_the_text_ends_at_the_longest_length(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="default", messages=HELLO, max_completion_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


class Advice(BaseModel):
    """What the random model would never write by itself."""

    model_config = ConfigDict(extra="forbid", strict=True)

    urgency: Literal["emergency", "urgent", "routine"]
    certain: bool
    advice: str = Field(max_length=12)


def form_of(schema: object) -> Any:
    return {"type": "json_schema", "json_schema": {"name": "advice", "strict": True, "schema": schema}}


@pytest.fixture(scope="module")
def relayed(endless: ServiceProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A second service, to which the first is the remote server."""
    settings = {"LLM_MODE": "remote", "REMOTE_BASE_URL": endless.url, "REMOTE_MODEL": "default"}
    with running(("service_chat",), "CHAT_API_PORT", tmp_path_factory.mktemp("relay"), settings) as process:
        process.until_ready()
        yield process


@pytest.fixture(params=["gguf", "remote"])
def talker(request: pytest.FixtureRequest) -> Iterator[OpenAI]:
    service: ServiceProcess = request.getfixturevalue({"gguf": "endless", "remote": "relayed"}[request.param])
    with client_of(service) as client:
        yield client


def test_an_answer_keeps_to_its_schema_plain_and_streamed(talker: OpenAI) -> None:
    form = form_of(Advice.model_json_schema())
    for seed in range(3):
        plain = talker.chat.completions.create(
            model="default", messages=HELLO, max_tokens=200, seed=seed, response_format=form
        )
        assert plain.choices[0].finish_reason == "stop"
        Advice.model_validate_json(plain.choices[0].message.content or "")
        stream = talker.chat.completions.create(
            model="default", messages=HELLO, max_tokens=200, seed=seed, response_format=form, stream=True
        )
        said = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        assert len([text for text in said if text]) > 1
        Advice.model_validate_json("".join(said))


def test_the_form_of_our_own_answers_is_taken_here_as_well(talker: OpenAI) -> None:
    """Texts of hundreds of characters: what repeats has to be told as a repetition, or the engine refuses it."""
    ids = ("C1", "C12", "M2")
    short = answer_form(ids, lengths=Lengths(120, 2, 2, 12))
    answer = talker.chat.completions.create(
        model="default", messages=HELLO, max_tokens=600, response_format=form_of(json.loads(short.json_schema))
    )
    said = answer.choices[0].message.content or ""
    assert answer.choices[0].finish_reason == "stop"
    assert read_answer(said, ids) is not None
    longest = form_of(json.loads(answer_form(ids).json_schema))
    answer = talker.chat.completions.create(model="default", messages=HELLO, max_tokens=20, response_format=longest)
    assert (answer.choices[0].message.content or "").startswith('{"record_refs":[')


def test_the_clients_own_helper_parses_the_answer(talker: OpenAI) -> None:
    answer = talker.chat.completions.parse(model="default", messages=HELLO, max_tokens=200, response_format=Advice)
    assert isinstance(answer.choices[0].message.parsed, Advice)
    with talker.chat.completions.stream(
        model="default", messages=HELLO, max_tokens=200, response_format=Advice
    ) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Advice)


@pytest.mark.parametrize("stream", [False, True])
def test_a_schema_that_can_not_be_kept_to_is_a_bad_request(talker: OpenAI, stream: bool) -> None:
    form = form_of({"$ref": "#/nowhere"})
    with pytest.raises(BadRequestError) as refused:
        talker.chat.completions.create(
            model="default", messages=HELLO, max_tokens=200, response_format=form, stream=stream
        )
    assert refused.value.param == "response_format"
    assert talker.chat.completions.create(model="default", messages=HELLO, max_tokens=1).choices


def test_an_answer_keeps_to_a_grammar(endless: ServiceProcess) -> None:
    grammar = 'root ::= ("yes" | "no") " " [a-c]{1,4} "."'
    with client_of(endless) as client:
        for seed in range(5):
            answer = client.chat.completions.create(
                model="default", messages=HELLO, seed=seed, extra_body={"grammar": grammar}
            )
            assert re.fullmatch(r"(yes|no) [a-c]{1,4}\.", answer.choices[0].message.content or "")
        with pytest.raises(BadRequestError) as refused:
            client.chat.completions.create(model="default", messages=HELLO, extra_body={"grammar": "root ::= ("})
    assert refused.value.param == "grammar"


@pytest.mark.parametrize(("field", "value"), [("grammar", 'root ::= "a"'), ("ignore_eos", True)])
def test_what_a_remote_server_has_no_word_for_is_a_bad_request(
    relayed: ServiceProcess, field: str, value: object
) -> None:
    with client_of(relayed) as client, pytest.raises(BadRequestError, match="remote") as refused:
        client.chat.completions.create(model="default", messages=HELLO, extra_body={field: value})
    assert refused.value.param == field


def test_the_mock_ends_before_a_stop_string_and_counts_what_it_said(client: OpenAI) -> None:
    plain = client.chat.completions.create(model="mock", messages=HELLO, stop="mock")
    assert (plain.choices[0].message.content, plain.choices[0].finish_reason) == ("This is a ", "stop")
    assert plain.usage is not None
    assert (plain.usage.prompt_tokens, plain.usage.completion_tokens, plain.usage.total_tokens) == (1, 4, 5)
    *_, last = client.chat.completions.create(
        model="mock", messages=HELLO, stop="mock", stream=True, stream_options={"include_usage": True}
    )
    assert last.usage == plain.usage


def test_equal_seeds_give_equal_texts_and_others_do_not(endless: ServiceProcess) -> None:
    def said(seed: int | None) -> str:
        with client_of(endless) as client:
            answer = client.chat.completions.create(model="default", messages=HELLO, temperature=1.5, seed=seed)
        return answer.choices[0].message.content or ""

    assert said(5) == said(5)
    assert len({said(5), said(6), said(7)}) > 1
    assert len({said(None) for _ in range(4)}) > 1


def test_the_models_on_offer_are_listed(client: OpenAI) -> None:
    listed = client.models.list().data
    assert [model.id for model in listed] == ["script.gguf", "mock"]
    assert client.models.retrieve("default") == listed[0]
    with pytest.raises(NotFoundError):
        client.models.retrieve("gpt-4o")


def test_a_mode_that_is_allowed_may_be_named(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="mock", messages=HELLO)
    assert answer.model == "mock"
    assert "mock" in (answer.choices[0].message.content or "").lower()
    stream = client.chat.completions.create(model="mock", messages=HELLO, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == answer.choices[0].message.content


def test_a_model_that_is_not_there_is_not_found(client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as refused:
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


def test_what_can_not_be_honoured_is_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.chat.completions.create(model="default", messages=HELLO, n=2)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "n")


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_does_not_fit_is_a_bad_request_with_its_counts(endless: ServiceProcess, stream: bool) -> None:
    long: list[ChatCompletionMessageParam] = [{"role": "user", "content": "pain since the fever " * N_CTX}]
    with client_of(endless) as client, pytest.raises(BadRequestError) as refused:
        client.chat.completions.create(model="default", messages=long, stream=stream)
    assert refused.value.code == "context_length_exceeded"
    assert f"maximum context length is {N_CTX} tokens" in refused.value.message


def test_an_answer_longer_than_the_context_is_a_bad_request(endless: ServiceProcess) -> None:
    with client_of(endless) as client, pytest.raises(BadRequestError) as refused:
        client.chat.completions.create(model="default", messages=HELLO, max_tokens=N_CTX)
    assert refused.value.param == "max_tokens"


def test_a_model_that_can_not_be_loaded_is_said_to_be_away(start: Start, tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF and nothing more")
    with start({"GGUF_PATH": str(tmp_path / "broken.gguf")}) as service, client_of(service) as client:
        service.until_answering()
        with pytest.raises(InternalServerError) as refused:
            client.chat.completions.create(model="default", messages=HELLO)
        assert refused.value.status_code == 503
        assert int(refused.value.response.headers["retry-after"]) >= 1


def slow(endless_gguf: Path) -> dict[str, str]:
    """One slot and a context that takes the tiny model seconds to fill."""
    return {
        "GGUF_PATH": str(endless_gguf),
        "GGUF_N_CTX": "8192",
        "GGUF_MAX_TOKENS": "7000",
        "GGUF_SLOTS": "1",
        "TRIAGE_QUEUE_MAXSIZE": "1",
    }


def busy_and_waiting(service: ServiceProcess) -> tuple[int, int]:
    health = service.get("/health/model").json()
    return health["running"], health["queue_depth"]


def test_a_full_lane_is_too_many_requests_and_a_hang_up_makes_room(start: Start, endless_gguf: Path) -> None:
    with start(slow(endless_gguf)) as service, client_of(service) as client:
        service.until_ready()
        endless = {"model": "default", "messages": HELLO, "stream": True, "ignore_eos": True, "max_tokens": 7000}

        def hold(told: threading.Event, leave: threading.Event) -> None:
            url = f"{service.url}/v1/chat/completions"
            with httpx.stream("POST", url, json=endless, timeout=30) as answer:
                for _ in answer.iter_bytes():
                    told.set()
                    if leave.is_set():
                        return

        leave = threading.Event()
        holders = []
        for _ in range(2):
            told = threading.Event()
            holders.append(threading.Thread(target=hold, args=(told, leave)))
            holders[-1].start()
            assert told.wait(20)
        assert busy_and_waiting(service) == (1, 1)
        with pytest.raises(RateLimitError) as refused:
            client.chat.completions.create(model="default", messages=HELLO, max_tokens=1)
        assert refused.value.code == "queue_full"
        assert int(refused.value.response.headers["retry-after"]) >= 1
        leave.set()
        for holder in holders:
            holder.join(20)
        eventually(lambda: busy_and_waiting(service) == (0, 0), 5)
        assert client.chat.completions.create(model="default", messages=HELLO, max_tokens=1).choices


def test_an_engine_that_dies_in_the_middle_is_an_error_of_the_stream(start: Start, endless_gguf: Path) -> None:
    with start(slow(endless_gguf)) as service, client_of(service) as client:
        service.until_ready()
        stream = client.chat.completions.create(model="default", messages=HELLO, stream=True, max_tokens=7000)
        until_text(stream)
        # Of what the service started, the process that holds the model has the most memory.
        os.kill(max(descendants(service.process.pid), key=resident), signal.SIGKILL)
        with pytest.raises(APIError) as broken:
            read_on(stream)
        assert isinstance(broken.value.body, dict)
        assert broken.value.body["code"] == "worker_died"


def test_a_stream_that_outlasts_the_grace_ends_with_an_error(start: Start, endless_gguf: Path) -> None:
    settings = {**slow(endless_gguf), "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN": "1"}
    with start(settings) as service, client_of(service) as client:
        service.until_ready()
        stream = client.chat.completions.create(
            model="default", messages=HELLO, stream=True, max_tokens=7000, extra_body={"ignore_eos": True}
        )
        until_text(stream)
        service.process.send_signal(signal.SIGTERM)
        with pytest.raises(APIError) as broken:
            read_on(stream)
        assert isinstance(broken.value.body, dict)
        assert broken.value.body["code"] == "draining"
        assert service.process.wait(20) == 0


def until_text(stream: Stream[ChatCompletionChunk]) -> None:
    while not (chunk := next(stream)).choices or not chunk.choices[0].delta.content:
        pass


def read_on(stream: Stream[ChatCompletionChunk]) -> None:
    for _ in stream:
        pass


def resident(pid: int) -> int:
    """Pages in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])


def test_nothing_of_a_chat_is_logged(service: ServiceProcess, client: OpenAI) -> None:
    words = "canary-in-the-coal-mine"
    message: list[ChatCompletionMessageParam] = [{"role": "user", "content": words}]
    client.chat.completions.create(model="default", messages=message, user=words)
    with pytest.raises(BadRequestError):
        client.chat.completions.create(model="default", messages=message, n=2, user=words)
    with pytest.raises(NotFoundError):
        client.chat.completions.create(model=words, messages=message)
    assert words not in json.dumps(service.log)
