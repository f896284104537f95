"""`make chaos-claims SEED=n`: claims while everything breaks that can, and the books afterwards.

Plays the plan of a seed against real services on a real Kafka and a real object server. Prints every step as it is
played; those lines are the replay (`--replay FILE`). Ends with 1 when the books do not add up.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGKILL, SIGTERM, signal
from typing import get_args

from tests.chaos.orders import Orders, Plant
from tests.chaos.plan import SLOTS, Action, Step, plan, read
from tests.chaos.verdicts import HEAD, Run, Verdict
from tests.chaos.workload import Workload
from tests.chaos.world import Member, Scene, World, world
from tests.integration.object_servers import versitygw_program
from tests.kafka.jars import jars

_OTHER = {"range": "cooperative-sticky", "cooperative-sticky": "range"}
_DONE_WITHIN_S = 240


def say(words: str) -> None:
    print(words, flush=True)  # noqa: T201  # the log of the run


@dataclass(slots=True)
class Play:
    """One run of a plan."""

    scene: Scene
    workload: Workload
    assignor: str
    slots: list[Member] = field(default_factory=list)
    deaths: int = 0
    problems: list[str] = field(default_factory=list)

    def begin(self) -> None:
        self.slots = [self.scene.member(CONSUMER_ASSIGNOR=self.assignor) for _ in range(SLOTS)]
        for member in self.slots[:2]:
            member.start()

    def step(self, step: Step) -> None:
        # Of those who come, the burst has two halves: partitions are to move while there is work in hand.
        later = step.burst // 2 if step.action in (Action.JOIN, Action.KILL, Action.KILL_AT) else 0
        self.scene.send(self.workload.messages(step.burst - later))
        self._act(step)
        self.scene.send(self.workload.messages(later))

    def _act(self, step: Step) -> None:
        member = self.slots[step.slot]
        world = self.scene.world
        match step.action:
            case Action.KILL:
                self._kill(self._somebody(member), step.seconds)
            case Action.KILL_AT:
                self._kill_at(self._somebody(member), step)
            case Action.KILL_BROKER:
                self._meanwhile(world.broker_down(), step.seconds)
            case Action.STORE_DOWN:
                self._meanwhile(world.store_down(), step.seconds)
            case Action.STORE_FROZEN:
                self._meanwhile(world.store_frozen(), step.seconds)
            case Action.STORE_REFUSES:
                self._all_suffer(Orders(store_down_until=time.time() + step.seconds))
                time.sleep(step.seconds)
            case Action.STORE_SLOW:
                self._all_suffer(Orders(store_slow_until=time.time() + 3 * step.seconds, store_slow_s=step.seconds / 3))
                time.sleep(step.seconds)
            case Action.JOIN:
                if absent := [each for each in self.slots if not each.alive]:
                    absent[0].start()
            case Action.LEAVE:
                if len(self._alive) > 1:
                    self._leave(self._somebody(member))
            case Action.OTHER_ASSIGNOR:
                self._change()
            case Action.REST:
                time.sleep(step.seconds)

    def end(self) -> None:
        for member in self._alive or [self.slots[0].start()]:
            member.obey(member.usual)
        # A planted bug may leave what is never committed: that is seen soon enough.
        self.scene.until_done(_DONE_WITHIN_S, 20 if self.slots[0].usual.plant else 60)
        for member in self._alive:
            self._leave(member)

    @property
    def _alive(self) -> list[Member]:
        self._notice_deaths()
        return [each for each in self.slots if each.alive]

    def _somebody(self, wanted: Member) -> Member:
        """Who is there; the last who left comes back if nobody is."""
        alive = self._alive
        if not alive:
            return wanted.start()
        return wanted if wanted.alive else alive[0]

    def _kill(self, member: Member, seconds: float) -> None:
        member.kill()
        self.deaths += 1
        time.sleep(seconds)
        member.start()

    def _kill_at(self, member: Member, step: Step) -> None:
        member.obey(replace(member.usual, kill_at=step.point, kill_after=step.passes))
        end = time.monotonic() + step.seconds
        while member.alive and time.monotonic() < end and not (member.consuming and self._all_done()):
            time.sleep(0.05)
        if member.alive:
            member.obey(member.usual)
        self._notice_deaths()
        if not member.alive:
            member.start()

    def _all_done(self) -> bool:
        """As far as the members know; only then is there nothing left that could bring one to its point."""
        return all(member.seen.get("lag", 1) == 0 for member in self.slots if member.alive)

    def _leave(self, member: Member) -> None:
        consuming = member.consuming
        status = member.leave()
        # Who has not begun yet has nothing to finish: the signal ends it as it ends any process.
        if status and (consuming or status != -SIGTERM):
            self.problems.append(f"{member.name} ended with {status} when told to leave")

    def _change(self) -> None:
        self.assignor = _OTHER[self.assignor]
        alive = self._alive
        for member in alive:
            self._leave(member)
        for member in self.slots:
            member.will(CONSUMER_ASSIGNOR=self.assignor)
        for member in alive:
            member.start(ready=False)

    def _all_suffer(self, orders: Orders) -> None:
        for member in self._alive:
            member.obey(replace(orders, plant=member.usual.plant))

    def _meanwhile(self, trouble: AbstractContextManager[None], seconds: float) -> None:
        with trouble:
            time.sleep(seconds)

    def _notice_deaths(self) -> None:
        for member in self.slots:
            if member.service is not None and not member.alive:
                status = member.bury()
                self.deaths += 1
                if status != -SIGKILL:
                    self.problems.append(f"{member.name} ended by itself, with {status}")


def play(world: World, name: str, given: Run) -> Verdict:
    """What came of it; the steps are said as they are played."""
    with Scene(world, name, Orders(plant=given.plant)) as scene:
        run = Play(scene, Workload(given.seed, world.there), given.assignor)
        begun = time.monotonic()
        run.begin()
        for step in given.steps:
            say(f"{step}  # {time.monotonic() - begun:.1f} s")
            run.step(step)
        try:
            run.end()
        except AssertionError as late:
            run.problems.append(f"not all is done: {late}")
        books = scene.reconcile(most_blamed=run.deaths)
        books.problems += run.problems
        verdict = Verdict(given, books, run.deaths, time.monotonic() - begun)
        say(f"{books}\n{len(given.steps)} steps, {run.deaths} deaths, {verdict.seconds:.0f} s")
        if books.problems:
            _keep_logs(scene, world.folder / f"{name}.log")
        return verdict


def _keep_logs(scene: Scene, path: Path) -> None:
    with path.open("w") as sink:
        for member in scene.members:
            for life, log in enumerate(member.logs):
                sink.writelines(f"{member.name}.{life} {line}\n" for line in log)
    say(f"the services' own words: {path}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", required=True, help="a number, or `first-last`")
    parser.add_argument("--claims", type=int, default=10_000)
    parser.add_argument("--plant", choices=[each for each in get_args(Plant) if each], default="")
    parser.add_argument("--replay", type=Path, help="a file with the printed steps; the seed still makes the claims")
    parser.add_argument("--assignor", choices=list(_OTHER), help="to begin with; the seed's own otherwise")
    parser.add_argument("--table", type=Path, metavar="FILE", help="a line for each seed is put at its end")
    given = parser.parse_args(arguments)
    first, _, last = given.seed.partition("-")
    # Python ends at SIGTERM without a word; as an exception it passes through here, and all that was started ends.
    signal(SIGTERM, lambda number, _: sys.exit(128 + number))
    verdicts: list[Verdict] = []
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    with world(jars(say), versitygw_program(say), folder) as there:
        for seed in range(int(first), int(last or first) + 1):
            assignor, steps = plan(seed, given.claims)
            steps = read(given.replay.read_text().splitlines()) if given.replay else steps
            assignor = given.assignor or assignor
            run = Run(seed, given.claims, given.plant, assignor, steps)
            say(f"SEED={seed} CLAIMS={given.claims} {given.plant or 'nothing planted'}, begins with {assignor}")
            verdicts.append(play(there, f"seed-{seed}", run))
            say(f"SEED={seed}: {verdicts[-1].outcome}")
            if given.table:
                with given.table.open("a") as sink:
                    sink.write(f"{verdicts[-1]}\n")
    say("\n".join(["", HEAD, *map(str, verdicts)]))
    broken = [verdict.run.seed for verdict in verdicts if verdict.books.problems]
    if broken:
        say(f"failed: {json.dumps(broken)}; logs and data under {folder}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
