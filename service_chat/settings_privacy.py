"""The part of the chat service's settings that says what is kept, for how long, and under which keys."""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import AliasChoices, Field, field_validator

from serving.settings import ServiceSettings

_KEY_BYTES = 32
_KEY = "32 bytes in hex or base64, as `openssl rand -hex 32` writes them"
_KEYS = f"Each is {_KEY}; several are separated by commas, the first one writes, all of them read."


class PrivacySettings(ServiceSettings):
    patient_ref_key: str = Field(
        "",
        repr=False,
        description="Key of the references that stand for record numbers in the audit and the chat log: "
        f"{_KEY}. Empty: drawn at each start, and references of two runs can not be compared.",
    )
    audit_path: str = Field(
        "", description="The audit's file. Empty: audit.sqlite in the folder of RECORDS_PATH. `off`: no audit."
    )
    audit_key: str = Field(
        "",
        repr=False,
        validation_alias=AliasChoices("audit_key", "audit_keys"),
        description=f"Key of the audit's chain, so that who can write the file can not forge it. {_KEYS}",
    )
    audit_keep_days: float = Field(
        2190.0, ge=0, le=36_500, description="How long audit rows are kept; six years by default. 0: for ever."
    )
    chat_log: Literal["auto", "sqlite", "carepath", "none"] = Field(
        "auto",
        description="Where conversations go: the embedded file, POST /chat-logs of the CarePath API, or nowhere. auto: "
        "carepath with STORE_CHAT=1 and records from there, else sqlite.",
    )
    chat_path: Path | None = Field(
        None, description="The embedded chat log. Not set: chats.sqlite in the folder of RECORDS_PATH."
    )
    store_chat: bool = Field(
        False,
        description="Keep what was asked and answered, encrypted. Without it a conversation is a number, a time, a "
        "reference and an acuity.",
    )
    chat_key: str = Field(
        "",
        repr=False,
        validation_alias=AliasChoices("chat_key", "chat_keys"),
        description=f"Key of the texts in the embedded chat log; must be set with STORE_CHAT=1. {_KEYS}",
    )
    chat_keep_days: float = Field(
        30.0, ge=0, le=36_500, description="How long conversations are kept in the embedded chat log. 0: for ever."
    )

    #: Checked and read once, so that nobody else learns the format.
    secret_names: ClassVar[tuple[str, ...]] = ("patient_ref_key", "audit_key", "chat_key")

    @field_validator("patient_ref_key", "audit_key", "chat_key")
    @classmethod
    def _check_keys(cls, value: str) -> str:
        keys_in(value)
        return value

    def check_privacy(self, records_source: str) -> None:
        """Raises ValueError for settings that contradict each other."""
        if self.chat_log == "carepath" and not self.store_chat:
            raise ValueError("CHAT_LOG=carepath sends whole conversations: it needs STORE_CHAT=1")
        if self.chat_log == "carepath" and records_source != "carepath":
            raise ValueError("CHAT_LOG=carepath needs RECORDS_BACKEND=carepath")
        if self.store_chat and self.chat_store(records_source) == "sqlite" and not self.chat_key:
            raise ValueError("STORE_CHAT=1 needs CHAT_KEY: nothing that a patient wrote is kept in clear")

    def chat_store(self, records_source: str) -> Literal["sqlite", "carepath", "none"]:
        """CHAT_LOG, or what `auto` comes to."""
        if self.chat_log != "auto":
            return self.chat_log
        return "carepath" if self.store_chat and records_source == "carepath" else "sqlite"

    def audit_file(self, records_path: Path) -> Path | None:
        """None: there is no audit."""
        if self.audit_path.lower() == "off":
            return None
        return Path(self.audit_path) if self.audit_path else records_path.with_name("audit.sqlite")

    def chat_file(self, records_path: Path) -> Path:
        return self.chat_path or records_path.with_name("chats.sqlite")

    @property
    def privacy_keys(self) -> Mapping[str, tuple[bytes, ...]]:
        """By the name of their setting; empty where none is set."""
        return {name: keys_in(getattr(self, name)) for name in self.secret_names}


def keys_in(value: str) -> tuple[bytes, ...]:
    """Raises ValueError, without the value: it is a secret that was nearly right."""
    return tuple(_key(part.strip()) for part in value.split(",") if part.strip())


def _key(text: str) -> bytes:
    try:
        found = bytes.fromhex(text) if len(text) == 2 * _KEY_BYTES else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        found = b""
    if len(found) != _KEY_BYTES:
        raise ValueError(f"must be {_KEY}")
    return found
