"""Learns what makes a text read like an emergency: one weight a feature, one bar for each length of run.

Called by `__main__`. The score is the one of `service_chat.safety.second_reader`, with gradients. It learns two
questions at once, whether a text is urgent at least and whether it is an emergency: one score answers both, the first
from a lower height on. What is urgent and no emergency then stands between the two, instead of among the harmless.

Rules have no part in it: a reader that is spared what rules find already knows less of what they miss, too.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, embedding_bag, softplus

from service_chat.safety.values import Acuity
from service_chat.safety.word_features import alone, behind, behind_two

SIZE = 1 << 17
#: In words. A word or two alone ("can't", "help me") say too little, however grave what they stand in is.
LENGTHS = (3, 4, 6, 9, 14, 22, 34)
#: What a weight counts for, so that steps of one size suit weights and bars.
SCALE = 3.0
_NOTHING = -1e9
_BATCH, _RATE, _EPOCHS = 256, 0.03, 14
#: The most that a length adds: what is known of no word of a run must not be enough to suspect it.
_QUIET = -4.0
#: Keeps weights small: as many times their squares is added to the loss.
_DECAY = 3e-6
#: How much telling the urgent from the harmless counts, beside telling emergencies from all else.
_URGENT = 2.0


@dataclass(frozen=True, slots=True)
class Bags:
    """Numbers of features, one bag a word, one behind the other."""

    numbers: torch.Tensor
    begins: torch.Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts of about one length."""

    alone: Bags
    ones: Bags
    twos: Bags
    places: torch.Tensor  #: text by word, the word's place in the bags
    lengths: torch.Tensor
    urgent: torch.Tensor  #: 1 for what is that at least
    emergency: torch.Tensor


class Urgency:
    """A table of weights, and how high runs of each length have to reach."""

    def __init__(self) -> None:
        self.weights = torch.zeros(SIZE, requires_grad=True)
        self.bars = torch.full((len(LENGTHS),), _QUIET, requires_grad=True)

    def scores(self, texts: Sequence[Sequence[str]]) -> list[float]:
        """Of each text, in words; `-1e9` for one without any."""
        with torch.no_grad():
            return [float(score) for score in self._highest(_batch(texts, [None] * len(texts)))]

    def learn(
        self, texts: Sequence[Sequence[str]], least: Sequence[Acuity | None], seed: int = 0, epochs: int = _EPOCHS
    ) -> None:
        """
        Args:
            texts: in words.
            least: what each has to be answered as; None where nothing is too low.
        """
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        parts = [order[at : at + _BATCH] for at in range(0, len(order), _BATCH)]
        batches = [_batch([texts[at] for at in part], [least[at] for at in part]) for part in parts]
        apart = torch.ones(1, requires_grad=True)  # how much lower than an emergency the urgent begins
        steps = torch.optim.Adam([self.weights, self.bars, apart], lr=_RATE)
        slower = torch.optim.lr_scheduler.CosineAnnealingLR(steps, epochs * len(batches))
        shuffle = random.Random(seed)
        for _ in range(epochs):
            shuffle.shuffle(batches)
            for batch in batches:
                score = self._highest(batch)
                loss = binary_cross_entropy_with_logits(score, batch.emergency)
                loss = loss + _URGENT * binary_cross_entropy_with_logits(score + softplus(apart), batch.urgent)
                loss = loss + _DECAY * (self.weights**2).sum()
                steps.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                steps.step()
                slower.step()
                with torch.no_grad():
                    self.bars.clamp_(max=_QUIET)

    def _highest(self, batch: Batch) -> torch.Tensor:
        itself, ones, twos = (self._running(bags, batch) for bags in (batch.alone, batch.ones, batch.twos))
        longest = batch.places.shape[1]
        found = [torch.full((batch.places.shape[0], 1), _NOTHING)]
        for bar, length in zip(self.bars, LENGTHS, strict=True):
            if length > longest:
                continue
            ends, starts = slice(length, None), longest - length + 1
            score = itself[:, ends] - itself[:, :starts]
            score = score + ones[:, ends] - ones[:, 1 : starts + 1]
            if length > 1:
                score = score + twos[:, ends] - twos[:, 2 : starts + 2]
            fits = torch.arange(starts)[None] <= (batch.lengths[:, None] - length)
            found.append(torch.where(fits, score / (math.sqrt(length) * SCALE) + bar, torch.tensor(_NOTHING)))
        return torch.cat(found, 1).max(1).values

    def _running(self, bags: Bags, batch: Batch) -> torch.Tensor:
        """Sums from the first word on, text by text."""
        rows, longest = batch.places.shape
        if not len(bags.begins):
            return torch.zeros(rows, longest + 1)
        each = embedding_bag(bags.numbers, self.weights[:, None], bags.begins, mode="sum")[:, 0]
        there = torch.arange(longest)[None] < batch.lengths[:, None]
        return torch.cat([torch.zeros(rows, 1), torch.where(there, each[batch.places], torch.tensor(0.0)).cumsum(1)], 1)


def _batch(texts: Sequence[Sequence[str]], least: Sequence[Acuity | None]) -> Batch:
    itself, ones, twos = list[list[int]](), list[list[int]](), list[list[int]]()
    for words in texts:
        for at, word in enumerate(words):
            itself.append(alone(word, SIZE))
            ones.append([behind(words[at - 1], word, SIZE)] if at > 0 else [])
            twos.append([behind_two(words[at - 2], word, SIZE)] if at > 1 else [])
    lengths = [len(words) for words in texts]
    places = torch.zeros(len(texts), max([1, *lengths]), dtype=torch.long)
    begin = 0
    for row, length in enumerate(lengths):
        places[row, :length] = torch.arange(begin, begin + length)
        begin += length
    urgent, emergency = (
        torch.tensor([float(level is not None and level >= grave) for level in least])
        for grave in (Acuity.URGENT, Acuity.EMERGENCY)
    )
    return Batch(bags_of(itself), bags_of(ones), bags_of(twos), places, torch.tensor(lengths), urgent, emergency)


def bags_of(bags: Sequence[Sequence[int]]) -> Bags:
    begins, numbers = list[int](), list[int]()
    for bag in bags:
        begins.append(len(numbers))
        numbers += bag
    return Bags(torch.tensor(numbers, dtype=torch.long), torch.tensor(begins, dtype=torch.long))
