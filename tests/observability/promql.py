"""Which metrics and labels a PromQL expression names: enough of its grammar to read them off.

promtool says whether an expression parses; it does not know which names there are.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*') | (?P<comment>\#.*)
      | (?P<window>\[[^\]]*\]) | (?P<number>\d[\w.]*) | (?P<name>[a-zA-Z_:][\w:]*) | (?P<sign>\S)""",
    re.VERBOSE,
)
_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"})


@dataclass(frozen=True, slots=True)
class Names:
    metrics: frozenset[str]
    labels: frozenset[str]


def names(expression: str) -> Names:
    """Of an expression that parses."""
    tokens = [(m.lastgroup, m.group()) for m in _TOKEN.finditer(expression) if m.lastgroup != "comment"]
    metrics, labels = set[str](), set[str]()
    in_braces = in_list = False
    for at, (kind, text) in enumerate(tokens):
        follows = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if text in "{}":
            in_braces = text == "{"
        elif text == ")" and in_list:
            in_list = False
        elif text == "(" and at and tokens[at - 1][1] in _LISTS:
            in_list = True
        elif kind != "name" or text.lower() in _LISTS | _WORDS:
            continue
        elif in_braces or in_list:
            labels.add(text)
        elif follows != "(" and follows not in _LISTS:  # else a function, or an aggregation before its `by`
            metrics.add(text)
    return Names(frozenset(metrics), frozenset(labels))
