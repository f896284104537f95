"""What the settings say of keys and places: contradictions stop the start in words, and no word is a key."""

import base64
from pathlib import Path

import pytest
from pydantic import ValidationError

from service_chat.settings import ChatSettings

KEY = "0123456789abcdef" * 4


def settings(**given: object) -> ChatSettings:
    return ChatSettings.model_validate({"llm_mode": "mock", **given})


@pytest.mark.parametrize("key", [KEY, KEY.upper(), base64.b64encode(bytes.fromhex(KEY)).decode()])
def test_a_key_is_32_bytes_in_hex_or_base64(key: str) -> None:
    assert settings(chat_key=key).privacy_keys["chat_key"] == (bytes.fromhex(KEY),)


def test_several_keys_keep_their_order() -> None:
    found = settings(audit_key=f"{KEY}, {'ff' * 32}").privacy_keys["audit_key"]
    assert found == (bytes.fromhex(KEY), b"\xff" * 32)


@pytest.mark.parametrize("name", ["chat_key", "audit_key", "patient_ref_key"])
@pytest.mark.parametrize("nearly", [KEY[:-2], KEY[:-1] + "g", "correct horse battery staple"])
def test_what_is_no_key_is_refused_and_not_repeated(name: str, nearly: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="32 bytes in hex or base64") as refused:
        settings(**{name: nearly})
    assert nearly not in "".join(problem["msg"] for problem in refused.value.errors())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"store_chat": True}, "STORE_CHAT=1 needs CHAT_KEY"),
        ({"chat_log": "carepath", "db_api_base_url": "http://x"}, "needs STORE_CHAT=1"),
        ({"chat_log": "carepath", "store_chat": True, "chat_key": KEY}, "needs RECORDS_BACKEND=carepath"),
    ],
)
def test_settings_that_contradict_each_other_say_so(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(**given)


@pytest.mark.parametrize(
    ("given", "store"),
    [
        ({}, "sqlite"),
        ({"db_api_base_url": "http://x"}, "sqlite"),
        ({"db_api_base_url": "http://x", "store_chat": True}, "carepath"),
        ({"store_chat": True, "chat_key": KEY}, "sqlite"),
        ({"chat_log": "none"}, "none"),
    ],
)
def test_conversations_leave_the_house_only_where_they_did_before_and_are_to_be_stored(
    given: dict[str, object], store: str
) -> None:
    made = settings(**given)
    assert made.chat_store(made.records_source) == store


def test_files_stand_beside_the_records_unless_they_are_named() -> None:
    made = settings(records_path=Path("/data/records.sqlite"))
    assert made.audit_file(made.records_path) == Path("/data/audit.sqlite")
    assert made.chat_file(made.records_path) == Path("/data/chats.sqlite")
    assert settings(audit_path="other.db").audit_file(made.records_path) == Path("other.db")
    assert settings(audit_path="OFF").audit_file(made.records_path) is None
    assert settings(chat_path=Path("c.db")).chat_file(made.records_path) == Path("c.db")


def test_the_folders_are_those_that_are_written_to(tmp_path: Path) -> None:
    local = settings(
        llm_mode="gguf", model_cache_dir=tmp_path / "m", records_path=tmp_path / "r/records.sqlite",
        store_chat=True, chat_key=KEY, chat_path=tmp_path / "c/chats.sqlite",
    )  # fmt: skip
    assert local.folders == {
        "models": tmp_path / "m", "records": tmp_path / "r", "audit": tmp_path / "r", "chats": tmp_path / "c",
    }  # fmt: skip
    assert settings(llm_mode="gguf", gguf_path=tmp_path / "g/a.gguf").folders["models"] == tmp_path / "g"
    away = settings(records_backend="none", audit_path="off")
    assert set(away.folders.values()) == {None}
