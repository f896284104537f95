"""How rules and second reader do on messages of authors that the reader has not learned from.

Called by `__main__` with `--unseen`. An author's own words come back in all that he writes: a reader that has learned
from some of his messages knows the others half already. So authors are left out whole, a few at a time, and what is
left learns anew. The rules are as they are; some of them were told more closely with messages in sight, so what these
figures say of rules is kinder than what a stranger's message would.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scripts.second_reader.corpus import Message
from scripts.second_reader.export import Scores
from service_chat.safety.values import Acuity

#: Authors who are left out together, about equally many messages a group.
GROUPS = ("ai", "bh", "cem", "dj", "fgn", "kl")

_NO_CAP = (Acuity.EMERGENCY, Acuity.EMERGENCY_NOW)

#: Learns from the messages with the first numbers, and scores those with the second ones, in their order.
Learner = Callable[[Sequence[int], Sequence[int]], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Figures:
    """What `scripts.evaluation` counts, of messages."""

    emergencies: int
    as_such: int
    below_urgent: int
    capped: int
    above: int  #: of the capped, those answered above what they may be at most
    sent: int  #: of those, the ones sent as an emergency

    def __str__(self) -> str:
        low, such = (100 * each / max(1, self.emergencies) for each in (self.below_urgent, self.as_such))
        above, sent = (100 * each / max(1, self.capped) for each in (self.above, self.sent))
        return (
            f"{self.emergencies} emergencies: {such:.1f} % as such, {low:.1f} % below urgent; "
            f"{self.capped} capped: {above:.1f} % above, {sent:.1f} % as an emergency"
        )


def scores_of_strangers(authors: Sequence[str], learner: Learner, groups: Sequence[str] = GROUPS) -> list[float]:
    """The score of each message by a reader that has learned from none of its author's.

    Raises:
        ValueError: An author is in no group.
    """
    if missing := set(authors) - set("".join(groups)):
        raise ValueError(f"in no group: {sorted(missing)}")
    found = [0.0] * len(authors)
    for group in groups:
        asked = [at for at, author in enumerate(authors) if author in group]
        learned = [at for at, author in enumerate(authors) if author not in group]
        for at, score in zip(asked, learner(learned, asked) if asked else (), strict=True):
            found[at] = score
    return found


def level(by_rules: Acuity, score: float, scores: Scores) -> Acuity:
    """What the rules and the reader come to together, at least `routine`: nothing is known of who wrote."""
    read = Acuity.EMERGENCY if score > scores.emergency else Acuity.URGENT if score > scores.urgent else Acuity.ROUTINE
    return max(by_rules, read)


def figures(some: Sequence[Message], levels: Sequence[Acuity]) -> Figures:
    """Of messages and what each was answered as."""
    told = list(zip(some, levels, strict=True))
    grave = [given for message, given in told if message.least is not None and message.least >= Acuity.EMERGENCY]
    capped = [(message.most, given) for message, given in told if message.most not in (None, *_NO_CAP)]
    # `routine` is the least that is given where the age is unknown, so it is never too much here.
    above = [given for most, given in capped if most is not None and given > max(most, Acuity.ROUTINE)]
    return Figures(
        emergencies=len(grave),
        as_such=sum(given >= Acuity.EMERGENCY for given in grave),
        below_urgent=sum(given < Acuity.URGENT for given in grave),
        capped=len(capped),
        above=len(above),
        sent=sum(given >= Acuity.EMERGENCY for given in above),
    )
