"""What the features of a text come to: the highest score of any run of its words, and how the weights are learned.

Called by `__main__`. Runs of a few fixed lengths are scored, and the highest counts. A run of a text is still there
when words are put before or behind it, and what joins a run to the words outside does not count: so adding text never
lowers a score, which is what every floor promises.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, embedding_bag

from scripts.second_reader.features import SIZE, features_of, words_of

RUNS = (1, 2, 3, 4, 6, 9, 14, 22, 34)
_NOTHING = -1e9
_BATCH, _RATE, _DECAY = 256, 0.03, 3e-6
#: Scores of runs of different lengths are made comparable by the root of the length; the rest is for the step size.
_SCALE = 3.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts as positions of words, one behind the other."""

    alone: torch.Tensor
    alone_at: torch.Tensor  #: where each word's features begin
    behind_one: torch.Tensor
    behind_one_at: torch.Tensor
    behind_two: torch.Tensor
    behind_two_at: torch.Tensor
    places: torch.Tensor  #: text by word, the word's position
    lengths: torch.Tensor


class Reader:
    """A table of weights, and how high each length of run has to reach."""

    def __init__(self) -> None:
        self.weights = torch.zeros(SIZE, requires_grad=True)
        self.bars = torch.full((len(RUNS),), -1.0, requires_grad=True)

    def scores(self, texts: Sequence[str]) -> list[float]:
        """Of each text; `-1e9` for one without words."""
        with torch.no_grad():
            return [float(score) for score in self._highest(_batch(texts))]

    def learn(self, texts: Sequence[str], grave: Sequence[bool], epochs: int, seed: int = 0) -> None:
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        parts = [order[at : at + _BATCH] for at in range(0, len(order), _BATCH)]
        batches = [
            (_batch([texts[at] for at in part]), torch.tensor([float(grave[at]) for at in part])) for part in parts
        ]
        steps = torch.optim.Adam([self.weights, self.bars], lr=_RATE)
        shuffle = random.Random(seed)
        for _ in range(epochs):
            shuffle.shuffle(batches)
            for batch, wanted in batches:
                loss = binary_cross_entropy_with_logits(self._highest(batch), wanted)
                loss = loss + _DECAY * (self.weights**2).sum()
                steps.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                steps.step()

    def _highest(self, batch: Batch) -> torch.Tensor:
        alone = self._running(batch, batch.alone, batch.alone_at)
        behind_one = self._running(batch, batch.behind_one, batch.behind_one_at)
        behind_two = self._running(batch, batch.behind_two, batch.behind_two_at)
        longest = batch.places.shape[1]
        found = [torch.full((batch.places.shape[0], 1), _NOTHING)]
        for bar, run in zip(self.bars, RUNS, strict=True):
            if run > longest:
                continue
            ends, starts = slice(run, None), longest - run + 1
            score = alone[:, ends] - alone[:, :starts]
            score = score + behind_one[:, ends] - behind_one[:, 1 : starts + 1]
            if run > 1:
                score = score + behind_two[:, ends] - behind_two[:, 2 : starts + 2]
            fits = torch.arange(starts)[None] <= (batch.lengths[:, None] - run)
            found.append(torch.where(fits, score / (math.sqrt(run) * _SCALE) + bar, torch.tensor(_NOTHING)))
        return torch.cat(found, 1).max(1).values

    def _running(self, batch: Batch, features: torch.Tensor, begins: torch.Tensor) -> torch.Tensor:
        """Sums from the first word on, text by text."""
        rows = batch.places.shape[0]
        if not len(begins):
            return torch.zeros(rows, batch.places.shape[1] + 1)
        each = embedding_bag(features, self.weights[:, None], begins, mode="sum")[:, 0]
        there = torch.arange(batch.places.shape[1])[None] < batch.lengths[:, None]
        return torch.cat([torch.zeros(rows, 1), torch.where(there, each[batch.places], torch.tensor(0.0)).cumsum(1)], 1)


def _batch(texts: Sequence[str]) -> Batch:
    alone, one, two = list[int](), list[int](), list[int]()
    alone_at, one_at, two_at = list[int](), list[int](), list[int]()
    lengths: list[int] = []
    for text in texts:
        words = words_of(text)
        lengths.append(len(words))
        for found in features_of(words):
            alone_at.append(len(alone))
            one_at.append(len(one))
            two_at.append(len(two))
            alone += found.alone
            one += [] if found.behind_one is None else [found.behind_one]
            two += [] if found.behind_two is None else [found.behind_two]
    places = torch.zeros(len(texts), max([1, *lengths]), dtype=torch.long)
    begin = 0
    for row, length in enumerate(lengths):
        places[row, :length] = torch.arange(begin, begin + length)
        begin += length
    return Batch(
        *(_numbers(alone), _numbers(alone_at)),
        *(_numbers(one), _numbers(one_at)),
        *(_numbers(two), _numbers(two_at)),
        *(places, _numbers(lengths)),
    )


def _numbers(values: list[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.long)
