r"""The form that a model has to fill in, made for one question, and its answer read back. Pure.

Called by the triage use case: the form goes to the engine, what the engine wrote comes to `read_answer`. The evidence
stands before the label, so that a model has named what it goes by when it says how urgent it is; the ids that may be
cited are spelled out, so that none can be made up; and no label below the floor can be written at all.

The form is told in two languages. GBNF is for an engine that draws its tokens here: it is kept small, because a grammar
is compiled on the thread that serves everybody, and ids share their beginnings in it. The JSON schema is for servers.
An answer that was cut off is no JSON and counts as none, so lengths are chosen to fit into the tokens there are.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service_chat.safety.values import Acuity
from service_chat.services.sentences import without_stump

#: Of a text and of a list, whatever room there is.
MOST_CHARACTERS = 300
MOST_ENTRIES = 4
#: Braces, keys, ids and the label.
_FRAME_TOKENS = 90
#: Below this a sentence says nothing.
_LEAST_CHARACTERS = 60
#: Characters of an answer that a token holds, rather too few, in languages whose scripts take more.
_PER_TOKEN = {"en": 3.2, "zh": 0.9, "ja": 0.8, "ar": 1.0, "hi": 0.6, "ru": 1.3}
_PER_TOKEN_ELSEWHERE = 2.4


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What a model said, in the form; nothing of it is checked against record or rules yet."""

    record_refs: tuple[str, ...]  #: ids of items that it was shown, each once
    rationale: str
    acuity: Acuity
    next_steps: tuple[str, ...]
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lengths:
    """Characters of each text, and entries of the two lists."""

    rationale: int = MOST_CHARACTERS
    steps: int = MOST_ENTRIES
    questions: int = MOST_ENTRIES
    entry: int = MOST_CHARACTERS

    @classmethod
    def within(cls, tokens: int, language: str = "en") -> "Lengths":
        """As long as an answer of so many tokens can be and still end."""
        characters = int(max(0, tokens - _FRAME_TOKENS) * _PER_TOKEN.get(language, _PER_TOKEN_ELSEWHERE))
        rationale = max(_LEAST_CHARACTERS, min(MOST_CHARACTERS, characters // 3))
        rest = max(0, characters - rationale)
        entries = max(4, min(2 * MOST_ENTRIES, rest // (2 * _LEAST_CHARACTERS)))
        entry = max(_LEAST_CHARACTERS // 2, min(MOST_CHARACTERS, rest // entries))
        return cls(rationale, entries - entries // 2, entries // 2, entry)


@dataclass(frozen=True, slots=True)
class AnswerForm:
    ids: tuple[str, ...]  #: what may be cited
    acuities: tuple[Acuity, ...]
    lengths: Lengths

    @property
    def grammar(self) -> str:
        most = self.lengths
        labels = " | ".join(f'"{acuity.code}"' for acuity in self.acuities)
        refs = _list_of("ref", MOST_ENTRIES) if self.ids else '"[]"'
        rules = [
            'root ::= "{" "\\"record_refs\\":" refs ",\\"rationale\\":" rationale ",\\"acuity\\":" acuity '
            '",\\"next_steps\\":" steps ",\\"questions\\":" questions "}"',
            f"refs ::= {refs}",
            f'rationale ::= "\\"" first char{{0,{most.rationale - 1}}} "\\""',
            f'acuity ::= "\\"" ({labels}) "\\""',
            f"steps ::= {_list_of('entry', most.steps)}",
            f"questions ::= {_list_of('entry', most.questions)}",
            f'entry ::= "\\"" first char{{0,{most.entry - 1}}} "\\""',
            # A text begins with something, and holds no escapes but the two that stand for a printed character.
            r'first ::= [^"\\\x00-\x20\x7F]',
            r'char ::= [^"\\\x00-\x1F\x7F] | "\\" ["\\]',
        ]
        if self.ids:
            rules.append(f'ref ::= "\\"" ({_one_of(self.ids)}) "\\""')
        return "\n".join(rules) + "\n"

    @property
    def json_schema(self) -> str:
        def texts(entries: int) -> dict[str, object]:
            return {"type": "array", "maxItems": entries, "items": {"type": "string", "maxLength": self.lengths.entry}}

        refs: dict[str, object] = {"type": "array", "maxItems": MOST_ENTRIES if self.ids else 0}
        refs["items"] = {"type": "string", "enum": list(self.ids)} if self.ids else {"type": "string"}
        properties = {
            "record_refs": refs,
            "rationale": {"type": "string", "maxLength": self.lengths.rationale},
            "acuity": {"type": "string", "enum": [acuity.code for acuity in self.acuities]},
            "next_steps": texts(self.lengths.steps),
            "questions": texts(self.lengths.questions),
        }
        return json.dumps(
            {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
        )


def answer_form(ids: Iterable[str], floor: Acuity = Acuity.INFORMATIONAL, lengths: Lengths | None = None) -> AnswerForm:
    """`ids`: of the items that the prompt shows; `floor`: the lowest label that may be written."""
    acuities = tuple(acuity for acuity in Acuity if acuity >= floor)
    return AnswerForm(tuple(dict.fromkeys(ids)), acuities, lengths or Lengths())


def read_answer(
    text: str, ids: Iterable[str], whole: bool = True, lengths: Lengths | None = None
) -> ModelAnswer | None:
    """What the engine wrote, or None where it is not of the form. `whole`: it ended by itself.

    Engines that were only asked to keep to the form may say something around it, cite what they were not shown, or
    write more than they may: the first is passed over, the second left out, the third cut. A text that fills all of its
    `lengths` was stopped by them, mostly amid a sentence; the stump is cut as well.
    """
    most = lengths or Lengths()
    told = _object(text) if whole else None
    if told is None:
        return None
    rationale, label = told.get("rationale"), told.get("acuity")
    lists = [_strings(told.get(key)) for key in ("record_refs", "next_steps", "questions")]
    refs, steps, questions = lists
    acuity = _ACUITIES.get(label) if isinstance(label, str) else None
    if not isinstance(rationale, str) or acuity is None or refs is None or steps is None or questions is None:
        return None
    known = frozenset(ids)
    return ModelAnswer(
        record_refs=tuple(dict.fromkeys(ref for ref in refs if ref in known))[:MOST_ENTRIES],
        rationale=_clean(rationale, most.rationale),
        acuity=acuity,
        next_steps=_entries(steps, most.entry),
        questions=_entries(questions, most.entry),
    )


_ACUITIES = {acuity.code: acuity for acuity in Acuity}


def _object(text: str) -> dict[str, object] | None:
    """The JSON object in it."""
    start, end = text.find("{"), text.rfind("}")
    try:
        value = json.loads(text[start : end + 1]) if 0 <= start < end else None
    except (ValueError, RecursionError):  # the latter: brackets in brackets, some thousand of them
        return None
    return value if isinstance(value, dict) else None


def _strings(value: object) -> list[str] | None:
    if not isinstance(value, list):
        return None
    found = [each for each in value if isinstance(each, str)]
    return found if len(found) == len(value) else None


def _entries(texts: Sequence[str], longest: int) -> tuple[str, ...]:
    """Small models say one thing several times."""
    found: dict[str, str] = {}
    for each in texts:
        if text := _clean(each, longest):
            found.setdefault(text.casefold(), text)
    return tuple(found.values())[:MOST_ENTRIES]


def _clean(text: str, longest: int) -> str:
    """One line of printable text. Half a character of UTF-16, which JSON can spell, could not be sent to anybody."""
    whole = text.encode(errors="replace").decode()
    line = " ".join("".join(c if c.isprintable() else " " for c in whole).split())
    return line if len(text) < longest else without_stump(line[:longest].rstrip())


def _one_of(words: Sequence[str]) -> str:
    """Alternatives as GBNF; those that begin alike share their beginning, so that few are open at a time."""
    rests: dict[str, list[str]] = {}
    for word in dict.fromkeys(words):
        rests.setdefault(word[:1], []).append(word[1:])
    parts = []
    for first, tails in rests.items():
        if not first:
            parts.append('""')
        elif tails == [""]:
            parts.append(f'"{first}"')
        else:
            parts.append(f'"{first}" ({_one_of(tails)})')
    return " | ".join(parts)


def _list_of(rule: str, most: int) -> str:
    """Up to `most` of a rule, which are two or more."""
    return f'"[" ( {rule} ("," {rule}){{0,{most - 1}}} )? "]"'
