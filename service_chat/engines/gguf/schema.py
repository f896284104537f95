"""From a JSON schema to a grammar. llama-cpp-python has the converter; this bounds what it is given.

Called by `asked`. The converter writes repetitions out, so a schema of forty characters can ask for a grammar of
gigabytes, and it runs where everybody's step runs. What it wrote as optionals in optionals, one for each character of
a text, is written as a repetition here: nests that deep are refused, and rightly.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from llama_cpp.llama_grammar import json_schema_to_gbnf

from serving.errors import InvalidInput

#: Items, characters and repetitions that a schema may name at one place, at all places, in all patterns written out.
_MOST = 2_000
_MOST_TOGETHER = 6 * _MOST
_MOST_NODES = 1_000
_MOST_DEPTH = 64
_BOUNDS = frozenset(("minItems", "maxItems", "minLength", "maxLength"))
#: Keywords that the converter would pass over in silence. OpenAI's own API refuses most of them as well.
_UNKEPT = frozenset(
    (
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems", "not", "contains"),
        *("patternProperties", "propertyNames", "minProperties", "maxProperties", "dependentRequired"),
        *("if", "then", "else"),
    )
)
#: What holds schemas by name, and what holds values.
_NAMED = frozenset(("properties", "$defs", "definitions"))
_VALUES = frozenset(("enum", "const", "default", "example", "examples", "required"))
_REPEATED = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_BLANKS = re.compile(r"^space ::=.*$", re.MULTILINE)


def grammar_of(schema: str) -> str:
    """The GBNF text of a JSON schema given as JSON text.

    Raises:
        InvalidInput: It is no schema, asks for too much, or for something that a grammar can not say.
    """
    try:
        _check(json.loads(schema))
        text: str = json_schema_to_gbnf(schema)
    except InvalidInput:
        raise
    except Exception as error:  # the converter is a library that reads what a caller wrote
        raise InvalidInput("The JSON schema can not be turned into a grammar.", reason=type(error).__name__) from None
    # No blanks between the parts: they say nothing, and where one may be or not be the model has to be asked. And no
    # bare control characters in a string: the converter lets them in, and then it is not JSON.
    return _BLANKS.sub('space ::= ""', _folded(text)).replace('[^"\\\\]', '[^"\\\\\\x00-\\x1F]')


def _check(schema: object) -> None:
    nodes, written, bounds = 0, 0, 0
    todo: list[tuple[object, int]] = [(schema, 0)]
    while todo:
        node, depth = todo.pop()
        nodes += 1
        if nodes > _MOST_NODES or depth > _MOST_DEPTH:
            raise InvalidInput("The JSON schema is too large.")
        if isinstance(node, list):
            todo += [(each, depth + 1) for each in node]
        if not isinstance(node, dict):
            continue
        for keyword, value in node.items():
            if keyword in _UNKEPT:
                raise InvalidInput(f"A form can not be kept to {keyword}.", keyword=keyword)
            if keyword in _BOUNDS and isinstance(value, int) and value > _MOST:
                raise InvalidInput(f"In a JSON schema {keyword} may be at most {_MOST}.", keyword=keyword)
            if keyword in _BOUNDS and isinstance(value, int):
                bounds += value
                if bounds > _MOST_TOGETHER:
                    raise InvalidInput("The lengths of the JSON schema are too large together.", keyword=keyword)
            if keyword == "pattern" and isinstance(value, str):
                written += _written_out(value)
                if written > 10 * _MOST:
                    raise InvalidInput("The patterns of the JSON schema are too large.", keyword=keyword)
            if keyword in _NAMED and isinstance(value, dict):
                todo += [(each, depth + 1) for each in value.values()]  # their keys are names, not keywords
            elif keyword not in _VALUES and isinstance(value, dict | list):
                todo.append((value, depth + 1))


def _written_out(pattern: str) -> int:
    """Characters, with every repetition written out in every other."""
    size = len(pattern)
    for least, most in _REPEATED.findall(pattern):
        size *= max(1, int(most or least)) if len(most or least) < 6 else 10 * _MOST
        size = min(size, 100 * _MOST)
    return size


# --- repetitions --------------------------------------------------------------------------------------------------

#: Literals, classes of characters and blanks whole, brackets alone, and all else up to the next of these.
_LEXEMES = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|\)\?|[()]|\s+|[^\s"\[()]+', re.DOTALL)


@dataclass(frozen=True, slots=True)
class _UpTo:
    """Parts that may stand up to so many times."""

    parts: "tuple[_Part, ...]"
    times: int


#: A lexeme that is no blank, or what was folded.
_Part: TypeAlias = "str | _UpTo"


def _folded(grammar: str) -> str:
    """The same grammar with `(x){0,3}` where it had `(x (x (x)?)?)?`, however deep."""
    return "\n".join("".join(_written(_parts(rule))) for rule in grammar.split("\n"))


def _parts(rule: str) -> tuple[_Part, ...]:
    """Without recursion: the nests may be deeper than Python's stack."""
    open_groups: list[list[_Part]] = [[]]
    for match in _LEXEMES.finditer(rule):
        lexeme = match[0]
        if lexeme == "(":
            open_groups.append([])
        elif lexeme in (")", ")?") and len(open_groups) > 1:
            group = tuple(open_groups.pop())
            open_groups[-1] += [_optional(group)] if lexeme == ")?" else ["(", *group, ")"]
        else:
            open_groups[-1].append(" " if lexeme.isspace() else lexeme)
    return tuple(open_groups[0])


def _optional(group: tuple[_Part, ...]) -> _UpTo:
    """What stands before an optional of the same is one more of it."""
    match group:
        case (*first, " ", _UpTo(parts=parts, times=times)) if tuple(first) == parts:
            return _UpTo(parts, times + 1)
        case _:
            return _UpTo(group, 1)


def _written(parts: Sequence[_Part]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        else:
            yield from ("(", *_written(part.parts), ")?" if part.times == 1 else f"){{0,{part.times}}}")
