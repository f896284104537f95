"""Tells when an answer has begun to say the same again and again. Pure.

Called by the engine's step loop for each token of an answer; what it ends, ends with `FinishReason.REPETITION`. Small
models fall into such loops, and without a guard one keeps its slot until max_tokens. Lists, tables and refrains repeat
as well, so only a cycle that fills everything for long counts: at least 8 times round, and at least 96 tokens.
"""

from collections import deque


class RepetitionGuard:
    def __init__(self, window: int = 512, repetitions: int = 8, least: int = 96) -> None:
        """`window`: tokens in which the repetitions must fit, so that the longest cycle is window / repetitions.

        `repetitions`: how often the cycle must have been gone through; `least`: tokens it must have filled.
        """
        self._repetitions, self._least = repetitions, least
        #: The last tokens, newest first: as many as the longest cycle has.
        self._recent: deque[int] = deque(maxlen=window // repetitions)
        #: For each distance at which the newest token stands again: for how many tokens that has been so.
        self._same: dict[int, int] = {}

    def feed(self, token: int) -> bool:
        """Whether the answer, `token` included, ends in one and the same cycle that has gone on for too long."""
        before = self._same
        self._same = {
            distance: before.get(distance, 0) + 1
            for distance, earlier in enumerate(self._recent, start=1)
            if earlier == token
        }
        self._recent.appendleft(token)
        # The first round has no token before it to be equal to: `same` counts from the second round on.
        return any(same + period >= max(self._repetitions * period, self._least) for period, same in self._same.items())
