"""Learns which danger a text tells of, given that it tells of one.

Called by `__main__`. Some dangers are told of more often than others in our messages, which says nothing of patients:
while it learns, the frequencies are added to the scores, and left out afterwards.
"""

import math
import random
from collections import Counter
from collections.abc import Sequence

import torch
from torch.nn.functional import embedding_bag

from scripts.second_reader.urgency import bags_of
from service_chat.safety.second_reader import danger_features
from service_chat.safety.values import Flag

SIZE = 1 << 13
SCALE = 3.0
_BATCH, _RATE, _EPOCHS, _DECAY = 128, 0.02, 10, 1e-6


class Naming:
    def __init__(self, dangers: Sequence[Flag]) -> None:
        self.dangers = tuple(dangers)
        self.weights = torch.zeros(SIZE, len(dangers), requires_grad=True)
        self.biases = torch.zeros(len(dangers), requires_grad=True)

    def learn(
        self, texts: Sequence[Sequence[str]], dangers: Sequence[Sequence[Flag]], seed: int = 0, epochs: int = _EPOCHS
    ) -> None:
        """
        Args:
            texts: in words.
            dangers: one or more for each text.
        """
        place = {danger: at for at, danger in enumerate(self.dangers)}
        told = Counter(danger for some in dangers for danger in some)
        often = torch.tensor([math.log((told[danger] + 1) / len(texts)) for danger in self.dangers])
        features = [list(danger_features(words, SIZE)) for words in texts]
        wanted = torch.zeros(len(texts), len(self.dangers))
        for row, some in enumerate(dangers):
            wanted[row, [place[danger] for danger in some]] = 1 / len(some)
        order = list(range(len(texts)))
        steps = torch.optim.Adam([self.weights, self.biases], lr=_RATE)
        slower = torch.optim.lr_scheduler.CosineAnnealingLR(steps, epochs * math.ceil(len(order) / _BATCH))
        shuffle = random.Random(seed)
        for _ in range(epochs):
            shuffle.shuffle(order)
            for at in range(0, len(order), _BATCH):
                part = order[at : at + _BATCH]
                shares = (self._scores([features[each] for each in part]) + often).log_softmax(1)
                loss = -(wanted[part] * shares).sum(1).mean() + _DECAY * (self.weights**2).sum()
                steps.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                steps.step()
                slower.step()

    def _scores(self, features: Sequence[Sequence[int]]) -> torch.Tensor:
        bags = bags_of(features)
        roots = torch.tensor([math.sqrt(max(1, len(some))) * SCALE for some in features])
        return embedding_bag(bags.numbers, self.weights, bags.begins, mode="sum") / roots[:, None] + self.biases
