"""The messages that the second reader learns from, each read as the service would read it.

Called by `__main__`. Reading goes as far as `assertion`: what the reader sees depends on what the text denies.
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
    author: str = ""  #: the letter that the name of the file begins with


def messages(folder: Path = FOLDER) -> list[Message]:
    return [
        _message(json.loads(line), path.name[0])
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def digest(folder: Path = FOLDER) -> str:
    """Twelve hexadecimal digits that change with any byte of the messages."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.jsonl")):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def words_of(ruleset: Ruleset, some: Sequence[Message]) -> list[Sequence[str]]:
    """Each message in words, as the reader sees them. Three milliseconds each."""
    return [seen(ruleset.hear(message.text).findings) for message in some]


def _message(line: dict[str, object], author: str) -> Message:
    flags = line.get("flags", [])
    return Message(
        text=str(line["text"]),
        least=_acuity(line["least"]),
        most=_acuity(line["most"]),
        language=str(line["language"]),
        dangers=tuple(Flag(str(flag)) for flag in flags) if isinstance(flags, list) else (),
        author=author,
    )


def _acuity(code: object) -> Acuity | None:
    return None if code is None else Acuity[str(code).upper()]
