"""What happens in a run of `schedule`, and when: drawn from a seed, and nothing else.

A plan is a list of steps that can be printed, kept and played again. The machine's own timing is not in it: a replay
meets the same accidents after the same claims, not in the same microsecond.
"""

import json
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from tests.chaos.orders import Point

#: Services at most; the first two are there from the beginning.
SLOTS = 3


class Action(StrEnum):
    KILL = "kill"  #: -9 at any moment; back after `seconds`
    KILL_AT = "kill-at"  #: -9 at `point`, its `passes`-th time, if it comes there within `seconds`
    KILL_BROKER = "kill-broker"  #: -9; back on the same data after `seconds`
    STORE_DOWN = "store-down"  #: nobody listens for `seconds`
    STORE_FROZEN = "store-frozen"  #: connections are taken and nobody answers
    STORE_REFUSES = "store-refuses"  #: every call fails
    STORE_SLOW = "store-slow"  #: every call takes a while longer
    JOIN = "join"
    LEAVE = "leave"  #: SIGTERM, under load
    OTHER_ASSIGNOR = "other-assignor"  #: all leave and come back with the other one
    REST = "rest"


@dataclass(frozen=True, slots=True)
class Step:
    burst: int  #: claims that are published before
    action: Action
    slot: int = 0  #: of the member that it befalls
    seconds: float = 0.0
    point: str = ""
    passes: int = 1

    def __str__(self) -> str:
        return json.dumps(asdict(self))


_WEIGHTS = {
    Action.KILL: 4,
    Action.KILL_AT: 5,
    Action.KILL_BROKER: 1,
    Action.STORE_DOWN: 1,
    Action.STORE_FROZEN: 1,
    Action.STORE_REFUSES: 1,
    Action.STORE_SLOW: 1,
    Action.JOIN: 3,
    Action.LEAVE: 3,
}
#: Each of these happens in every plan.
_ALWAYS = (Action.KILL, Action.KILL_AT, Action.KILL_BROKER, Action.STORE_DOWN, Action.JOIN, Action.LEAVE, Action.JOIN)


def plan(seed: int, claims: int) -> tuple[str, list[Step]]:
    """The assignor to begin with, and the steps; their bursts are `claims` in all."""
    dice = random.Random(f"schedule-{seed}")
    free = max(2, min(10, claims // 800))
    actions = [*_ALWAYS, *dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=free)]
    dice.shuffle(actions)
    actions.insert(len(actions) // 2, Action.OTHER_ASSIGNOR)
    shares = [dice.uniform(0.5, 1.5) for _ in actions]
    bursts = [int(claims * share / sum(shares)) for share in shares]
    bursts[-1] += claims - sum(bursts)
    steps = [_step(dice, action, burst) for action, burst in zip(actions, bursts, strict=True)]
    return dice.choice(("range", "cooperative-sticky")), steps


def read(lines: Iterable[str]) -> list[Step]:
    """Steps that were printed."""
    found = (json.loads(line.partition("  #")[0]) for line in lines if line.startswith("{"))
    return [Step(**{**each, "action": Action(each["action"])}) for each in found]


def _step(dice: random.Random, action: Action, burst: int) -> Step:
    slot, seconds = dice.randrange(SLOTS), round(dice.uniform(0.3, 3.0), 2)
    if action is Action.KILL_AT:
        return Step(burst, action, slot, 20.0, dice.choice(list(Point)), dice.choice((1, 2, 5, 20, 60)))
    return Step(burst, action, slot, seconds)
