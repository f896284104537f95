"""What a crowd met, in figures, and the middle of several rounds. Pure.

Called by the parts of `bench.triage`, which turn figures into promises. NaN stands for what was not there to measure;
no bound holds for it.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.chats.client import Answer
from bench.chats.crowd import Crowd, Probes

NAN = float("nan")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChatFigures:
    """One round of one server. Seconds, but for the probes' milliseconds."""

    wall_s: float
    first_p50_s: float
    first_max_s: float
    gap_p50_s: float
    gap_p99_s: float
    tokens_per_s: float  #: of all callers together, from the first request to the last end
    whole: int  #: answers that came to their end with every token that was asked for
    asked: int
    prompt_tokens: int  #: of one caller, the middle one
    cached_tokens: int
    health_p99_ms: float
    health_max_ms: float
    probes: int
    probes_failed: int


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that at least `percent` of all do not exceed; NaN when there are none."""
    found = sorted(values)
    return found[max(0, math.ceil(len(found) * percent / 100) - 1)] if found else NAN


def middle(values: Iterable[float]) -> float:
    """The median; NaN when there are none."""
    found = list(values)
    return statistics.median(found) if found else NAN


def over(rounds: Sequence[T], figure: Callable[[T], float]) -> float:
    """The median over rounds."""
    return middle(figure(each) for each in rounds)


def chat_figures(crowd: Crowd, probes: Probes, max_tokens: int) -> ChatFigures:
    whole = [answer for answer in crowd.answers if answer.whole and answer.tokens == max_tokens]
    firsts = [answer.first_s for answer in whole]
    gaps = [gap for answer in whole for gap in answer.gaps_s]
    return ChatFigures(
        wall_s=crowd.wall_s,
        first_p50_s=middle(firsts),
        first_max_s=max(firsts, default=NAN),
        gap_p50_s=percentile(gaps, 50),
        gap_p99_s=percentile(gaps, 99),
        tokens_per_s=sum(answer.tokens for answer in whole) / crowd.wall_s,
        whole=len(whole),
        asked=len(crowd.answers),
        prompt_tokens=round(middle(answer.prompt_tokens for answer in whole)) if whole else 0,
        cached_tokens=round(middle(answer.cached_tokens for answer in whole)) if whole else 0,
        health_p99_ms=percentile(probes.took_s, 99) * 1000,
        health_max_ms=max(probes.took_s, default=NAN) * 1000,
        probes=len(probes.took_s),
        probes_failed=probes.failed,
    )


def decode_rate(answers: Sequence[Answer]) -> float:
    """Tokens a second while all of them wrote: between the last one's first text and the first one's last.

    Outside of it some still read their prompts or have ended already. NaN when there was no such time.
    """
    if not answers or not all(answer.whole and len(answer.stamps) > 1 for answer in answers):
        return NAN
    began = max(answer.began + answer.stamps[0] for answer in answers)
    ended = min(answer.began + answer.stamps[-1] for answer in answers)
    if ended <= began:
        return NAN
    # A piece of text may hold several tokens: a character of several bytes, or tokens that were forced.
    written = sum(
        answer.tokens / len(answer.stamps) * sum(began < answer.began + stamp <= ended for stamp in answer.stamps)
        for answer in answers
    )
    return written / (ended - began)
