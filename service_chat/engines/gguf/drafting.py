"""Guessing what comes next from what stands there already, and whether the guessing pays. Pure.

Called by the engine's step loop. Answers that rest on a record repeat its words: what followed the same few tokens
before is put to the model beside the token that is due, and one step then confirms several tokens or refuses them. The
text stays the model's own, since a refused guess is taken back by the caller. Which rows are free is decided elsewhere.
"""

from collections.abc import Sequence

#: What a row is taken to cost where nobody measured it: the dearest CPU we have seen (four rows in 3.4 steps of one).
_UNKNOWN_COST = 0.8
#: How much of the past is left after one more guess was judged: about the last 20 count.
_MEMORY = 0.95
#: Refusals of `rows` between two probes: at first, and after many in vain.
_SOON, _SELDOM = 16, 512


class PromptLookup:
    """The tokens of one request, prompt and answer, by the n-grams in them."""

    def __init__(self, tokens: Sequence[int], max_ngram: int = 4, min_ngram: int = 2, longest: int = 6) -> None:
        """`longest`: tokens of a guess at most. Takes about a microsecond per token and n."""
        self._tokens: list[int] = []
        self._sizes = range(max_ngram, min_ngram - 1, -1)
        self._longest = longest
        #: n-gram -> where what followed it last begins. The n-gram at the end is not in: nothing follows it yet.
        self._followed: dict[tuple[int, ...], int] = {}
        for token in tokens:
            self.extend(token)

    def extend(self, token: int) -> None:
        """`token` was written."""
        end = len(self._tokens)
        for size in self._sizes:
            if size <= end:
                self._followed[tuple(self._tokens[end - size :])] = end
        self._tokens.append(token)

    def draft(self, at_most: int) -> list[int]:
        """What followed the longest n-gram that ends the tokens, the last time it stood there; [] for a new one."""
        tokens, end = self._tokens, len(self._tokens)
        wanted = min(at_most, self._longest)
        if wanted <= 0:
            return []
        for size in self._sizes:
            at = self._followed.get(tuple(tokens[end - size :])) if size <= end else None
            if at is not None:
                # Close to the end it runs into itself: a cycle is guessed to go on.
                period = end - at
                return [tokens[at + step % period] for step in range(wanted)]
        return []


class DraftGovernor:
    """Decides how many guessed tokens to put, from how often guesses came true. One for an engine, or one per request.

    A step with one row takes 1, each further row `c` more, so `n` rows decode n tokens in 1 + (n - 1) c. A row more is
    worth it when the tokens per time do not fall: it must bring at least the n tokens the others would have got in `c`,

        price = c n / (1 + (n - 1) c),

    which is c for one request and tends to 1 for many. If a guess comes true with probability `a`, the i-th in a row
    does so with a^i: guesses are put as long as a^i > price. `a` is measured over the last twenty or so that were
    judged; guesses behind a refused one were not.

    Where a < price nothing would ever be learnt again, so one token is put after 16 refusals, then after 32, and so on
    up to 512; a probe that comes true brings the next one soon. Prices of 1 and more are never paid, not even so.
    """

    def __init__(self, cost_of_row: float | None, longest: int = 6) -> None:
        """`cost_of_row`: what one more row adds to a one-row step, as a fraction of it; None where nobody knows."""
        self._cost = _UNKNOWN_COST if cost_of_row is None else max(0.0, cost_of_row)
        self._longest = longest
        self._true, self._judged = 1.0, 2.0  # it begins with an even chance, soon forgotten
        self._refused, self._patience = 0, _SOON

    @property
    def acceptance(self) -> float:
        """The chance that a guess comes true, from 0 to 1."""
        return self._true / self._judged

    def note(self, drafted: int, accepted: int) -> None:
        """A guess of `drafted` tokens was put, and its first `accepted` were what the model wrote."""
        if drafted <= 0:
            return
        judged = [True] * accepted + [False] * (accepted < drafted)
        for came_true in judged:
            self._judged = self._judged * _MEMORY + 1.0
            self._true = self._true * _MEMORY + came_true
        if self._refused:  # this was a probe
            self._refused = 0
            self._patience = _SOON if accepted else min(self._patience * 2, _SELDOM)

    def rows(self, active: int) -> int:
        """How many guessed tokens to put for one request now, with `active` rows decoding, its own included."""
        rows = max(1, active)
        price = self._cost * rows / (1 + (rows - 1) * self._cost)
        count, chance = 0, self.acceptance
        while count < self._longest and chance > price:
            count, chance = count + 1, chance * self.acceptance
        if count:
            self._refused, self._patience = 0, _SOON
        elif price < 1.0:
            self._refused += 1
            return 1 if self._refused > self._patience else 0  # until `note` tells: there may be nothing to guess now
        return count
