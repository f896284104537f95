"""One command: what was wished, and the runner that does it. Every verb takes one."""

from dataclasses import dataclass

from scripts.cloud.running import Runner
from scripts.cloud.wishes import Wishes


@dataclass(frozen=True, slots=True)
class Session:
    """What a verb works with."""

    wishes: Wishes
    runner: Runner
