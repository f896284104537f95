"""A second opinion on the whole text: does it read like an emergency, though no rule says why? Pure; only ever raises.

`assess` asks it once for a text, beside the rules. Rules name what they find; people tell the same danger in ways that
nobody wrote a rule for. This reader is a table of weights learned from made-up messages (`scripts.second_reader` has
them, and says how): it adds up what words, their parts and their neighbours weigh. Words that the text itself denies,
puts in the past or only asks about are seen as such, not as themselves (`assertion` tells).

Runs of a few fixed lengths are scored, and the highest counts. A run of a text is still there when words are put before
or behind it, and what joins it to the words outside does not count; all sums are of whole numbers. So adding text never
lowers a score, which is what the floor promises.
"""

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import sub
from typing import Final

from service_chat.safety.findings import Findings
from service_chat.safety.packaged import Packaged, Table, table, texts
from service_chat.safety.values import Acuity, Assertion, Flag
from service_chat.safety.word_features import alone, behind, behind_two

#: As results and the audit name it; the weights' own version is part of the ruleset's.
RULE: Final = "reader.words@1"
SETTINGS: Final = "second_reader.toml"
DANGER_WEIGHTS: Final = "second_reader_dangers.bin"
WEIGHTS: Final = "second_reader.bin"
#: A score, and the run it is of.
NOTHING: Final = (-math.inf, 0, 0)
#: Words on each side of a run that help to tell which danger it is. More help no more, and cost.
_AROUND: Final = 15
#: From this share of belief on, the danger that is likeliest is named whatever the rules have named.
_SURE: Final = 0.7


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a text reads like."""

    acuity: Acuity  #: `urgent` or `emergency`
    first: int  #: the run it rests on, in words of the text
    last: int
    dangers: tuple[Flag, ...]  #: all of them, the likeliest first
    sure: bool  #: of the first one

    def danger(self, named: Sequence[Flag]) -> Flag:
        """The likeliest, of those the rules have named if there are any and this reader is not sure of another."""
        if self.sure or not named:
            return self.dangers[0]
        return next((danger for danger in self.dangers if danger in named), self.dangers[0])


@dataclass(frozen=True, slots=True)
class Impression:
    """How grave a text reads, and what that makes one suspect."""

    score: float
    suspicion: Suspicion | None = None  #: None where it reads like nothing urgent


@dataclass(frozen=True, slots=True)
class Weights:
    """Learned numbers, each kept in one byte."""

    values: Sequence[int]
    unit: float  #: what a one is worth

    @property
    def size(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class SecondReader:
    weights: Weights
    runs: tuple[tuple[int, float], ...]  #: a length in words, and what is added to the score of such a run
    urgent: float  #: the score from which a text is urgent
    emergency: float
    dangers: tuple[Flag, ...]
    danger_weights: Weights  #: for each feature a row, in the order of `dangers`
    danger_biases: tuple[float, ...]

    @classmethod
    def read(cls, data: Packaged, problems: list[str]) -> "SecondReader":
        """What can be read; what can not goes to `problems`, one sentence each."""
        found = data.read(SETTINGS, problems)
        reading, naming = table(found.get("reading")), table(found.get("naming"))
        names = [name for name in texts(naming.get("dangers")) if name in set(Flag)]
        weights = Weights(_bytes(data, WEIGHTS, problems), _number(reading, "unit", problems))
        danger_weights = Weights(_bytes(data, DANGER_WEIGHTS, problems), _number(naming, "unit", problems))
        lengths, bars = _numbers(reading, "lengths", problems), _numbers(reading, "bars", problems)
        biases = _numbers(naming, "biases", problems)
        if not lengths or len(lengths) != len(bars):
            problems.append(f"{SETTINGS}: lengths and bars are one for one")
        if not weights.size:
            problems.append(f"{WEIGHTS}: there are no weights")
        if not names or len(names) != len(biases) or danger_weights.size % max(1, len(names)):
            problems.append(f"{SETTINGS}: dangers, their biases and {DANGER_WEIGHTS} do not belong together")
        return cls(
            weights=weights,
            runs=tuple((int(length), bar) for length, bar in zip(lengths, bars, strict=False)),
            urgent=_number(reading, "urgent", problems),
            emergency=_number(reading, "emergency", problems),
            dangers=tuple(Flag(str(name)) for name in names),
            danger_weights=danger_weights,
            danger_biases=tuple(biases),
        )

    def look(self, findings: Findings) -> Impression:
        """What the text reads like."""
        words = seen(findings)
        score, first, last = self.highest(words)
        if score <= self.urgent:
            return Impression(score)
        dangers, sure = self._told_of(words[max(0, first - _AROUND) : last + 1 + _AROUND])
        acuity = Acuity.EMERGENCY if score > self.emergency else Acuity.URGENT
        return Impression(score, Suspicion(acuity, first, last, dangers, sure))

    def believed(self, words: Sequence[str]) -> tuple[Flag, ...]:
        """All dangers, the likeliest to be told of first."""
        return self._told_of(words)[0]

    def highest(self, words: Sequence[str]) -> tuple[float, int, int]:
        """The score of the run that scores highest, and its first and last word; no words, no score (minus infinity).

        A score is the sum of the run's weights over the root of its length, and the bar of that length.
        """
        if not self.weights.size:
            return NOTHING
        each, ones, twos = self._weighed(words)
        alone_to = [0, *accumulate(each)]
        ones_to, twos_to = [0, *accumulate(ones)], [0, *accumulate(twos)]
        #: The run from `i` to before `j` weighs `ends[j] - begins[i]`: what its first word stands behind is left out.
        ends = [a + b + c for a, b, c in zip(alone_to, ones_to, twos_to, strict=True)]
        behind_first = [*ones_to[1:], ones_to[-1]]
        behind_second = [*twos_to[2:], twos_to[-1], twos_to[-1]][: len(ends)]
        begins = [a + b + c for a, b, c in zip(alone_to, behind_first, behind_second, strict=True)]
        best = NOTHING
        for length, bar in self.runs:
            if length > len(words):
                continue
            sums = each if length == 1 else list(map(sub, ends[length:], begins))
            highest = max(sums)
            score = highest * self.weights.unit / math.sqrt(length) + bar
            if score > best[0]:
                first = sums.index(highest)
                best = (score, first, first + length - 1)
        return best

    def _weighed(self, words: Sequence[str]) -> tuple[list[int], list[int], list[int]]:
        """Of each word: what it weighs, what it weighs behind the one before it, and behind the one before that."""
        size, values = self.weights.size, self.weights.values
        known: dict[str, int] = {}
        for word in words:
            if word not in known:
                known[word] = sum(values[at] for at in alone(word, size))
        ones = [values[behind(before, word, size)] for before, word in pairwise(words)]
        twos = [values[behind_two(before, word, size)] for before, word in zip(words, words[2:], strict=False)]
        return [known[word] for word in words], [0, *ones][: len(words)], [0, 0, *twos][: len(words)]

    def _told_of(self, words: Sequence[str]) -> tuple[tuple[Flag, ...], bool]:
        """All dangers, the likeliest first, and whether that one is likelier than all others together by far."""
        many, values = len(self.dangers), self.danger_weights.values
        features = list(danger_features(words, self.danger_weights.size // many))
        per = self.danger_weights.unit / math.sqrt(max(1, len(features)))
        scores = [
            sum(values[feature * many + at] for feature in features) * per + bias
            for at, bias in enumerate(self.danger_biases)
        ]
        ordered = sorted(range(many), key=lambda at: -scores[at])
        top = scores[ordered[0]]
        sure = 1 / sum(math.exp(score - top) for score in scores) >= _SURE
        return tuple(self.dangers[at] for at in ordered), sure


def seen(findings: Findings) -> list[str]:
    """The words of a text as this reader sees them: what the text says not to be so is only seen to be that."""
    text = findings.text
    words = [text.twins.get(at, word) for at, word in enumerate(text.words)] if text.twins else list(text.words)
    present: set[int] = set()
    said: dict[int, Assertion] = {}
    for hit in findings.hits:
        span = range(hit.first, hit.last + 1)
        if hit.assertion is Assertion.PRESENT:
            present.update(span)
        else:
            said.update(dict.fromkeys(span, hit.assertion))
    for at, assertion in said.items():
        if at not in present:
            words[at] = f"~{assertion.value}"
    return words


def danger_features(words: Sequence[str], size: int) -> Iterator[int]:
    """What counts for the kind of danger, each below `size`."""
    for at, word in enumerate(words):
        yield from alone(word, size)
        if at > 0:
            yield behind(words[at - 1], word, size)


def _bytes(data: Packaged, path: str, problems: list[str]) -> Sequence[int]:
    return array("b", data.read_bytes(path, problems))


def _number(found: Table, name: str, problems: list[str]) -> float:
    value = found.get(name)
    if isinstance(value, int | float):
        return float(value)
    problems.append(f"{SETTINGS}: {name} is a number")
    return 0.0


def _numbers(found: Table, name: str, problems: list[str]) -> list[float]:
    values = texts(found.get(name))
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    if len(numbers) != len(values):
        problems.append(f"{SETTINGS}: {name} are numbers")
    return numbers
