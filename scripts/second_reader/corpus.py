"""The messages that the second reader learns from, each read as the service would read it.

Called by `__main__`. Reading means the whole floor: what the reader sees of a text depends on what the text denies, and
what it has to learn on which rules find the danger already.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service_chat.safety.assess import Ruleset
from service_chat.safety.second_reader import seen
from service_chat.safety.values import Acuity, Flag

FOLDER = Path(__file__).parent / "messages"


@dataclass(frozen=True, slots=True)
class Message:
    text: str
    least: Acuity | None
    most: Acuity | None
    language: str  #: ISO 639-1
    dangers: tuple[Flag, ...]  #: of what is urgent or worse; empty where none of ours fits


@dataclass(frozen=True, slots=True)
class Read:
    """A message as the service sees it."""

    message: Message
    words: Sequence[str]  #: as the reader sees them
    rules: tuple[str, ...]  #: that make an emergency of it

    @property
    def emergency(self) -> bool:
        return self.message.least is not None and self.message.least >= Acuity.EMERGENCY


def messages(folder: Path = FOLDER) -> list[Message]:
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]
    return [_message(json.loads(line)) for line in lines]


def digest(folder: Path = FOLDER) -> str:
    """Twelve hexadecimal digits that change with any byte of the messages."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.jsonl")):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def read_by(ruleset: Ruleset, some: Sequence[Message]) -> list[Read]:
    """Four milliseconds each."""
    found = []
    for message in some:
        told = ruleset.explain(message.text)
        grave = tuple(fired.rule.reference for fired in told.fired if fired.rule.acuity >= Acuity.EMERGENCY)
        found.append(Read(message, seen(told.findings), grave))
    return found


def _message(line: dict[str, object]) -> Message:
    flags = line.get("flags", [])
    return Message(
        text=str(line["text"]),
        least=_acuity(line["least"]),
        most=_acuity(line["most"]),
        language=str(line["language"]),
        dangers=tuple(Flag(str(flag)) for flag in flags) if isinstance(flags, list) else (),
    )


def _acuity(code: object) -> Acuity | None:
    return None if code is None else Acuity[str(code).upper()]
