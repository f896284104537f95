"""Starts programs and shows what it starts; with a dry run it only shows.

Every other room goes through a `Runner`, so that `DRY_RUN=1` can promise to run nothing. Programs are called by their
plain names here (`aws`, `kubectl`); which program that is, the operator may say (`AWS`, `KUBECTL`).
"""

import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


class Stop(Exception):
    """Ends the command with status 1: what happened, and what the operator can do next."""

    def __init__(self, words: str, then: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.then = then


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """Its last words; the rest is usually advice about them."""
        lines = [line.strip() for line in (self.err.strip() or self.out.strip()).splitlines() if line.strip()]
        return lines[-1] if lines else f"status {self.status}, without a word"


@dataclass(slots=True)
class Runner:
    """Four ways to start a program: `run` for what is done, `read` and `ask` for what is asked, `pipe` for both.

    In a dry run each prints its line and starts nothing; `read` and `ask` then answer with `instead`.
    """

    dry_run: bool = False
    programs: Mapping[str, str] = field(default_factory=dict)  #: name to command, where it is not the name itself

    def run(self, *command: str) -> None:
        """Its words go to the terminal. Raises Stop when it fails."""
        self.show(*command)
        if self.dry_run:
            return
        status = self._started(command).wait()
        if status != 0:
            raise Stop(f"`{' '.join(command[:3])}` ended with status {status}; its words are above.")

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Goes on beside us; the caller ends it. Never called in a dry run."""
        assert not self.dry_run
        self.show(*command)
        return self._started(command)

    def ask(self, *command: str, instead: str = "", quietly: bool = False) -> Ended:
        """What it said, whether it failed or not. What is asked again and again is asked `quietly`."""
        if not quietly:
            self.show(*command)
        if self.dry_run:
            return Ended(0, instead, "")
        done = subprocess.run(self._argv(command), capture_output=True, text=True, check=False)
        return Ended(done.returncode, done.stdout, done.stderr)

    def read(self, *command: str, instead: str = "") -> str:
        """What it said. Raises Stop when it fails."""
        ended = self.ask(*command, instead=instead)
        if ended.status != 0:
            raise Stop(f"`{' '.join(command[:3])}` failed: {ended.reason}")
        return ended.out

    def pipe(self, source: Sequence[str], sink: Sequence[str]) -> None:
        """`source | sink`: what passes between them is seen by nobody. Raises Stop when one fails."""
        self._print(f"{shlex.join(source)} | {shlex.join(sink)}")
        if self.dry_run:
            return
        said = subprocess.run(self._argv(source), capture_output=True, text=True, check=False)
        if said.returncode != 0:
            raise Stop(f"`{' '.join(source[:3])}` failed: {Ended(said.returncode, '', said.stderr).reason}")
        took = subprocess.run(self._argv(sink), input=said.stdout, capture_output=True, text=True, check=False)
        if took.returncode != 0:
            raise Stop(f"`{' '.join(sink[:2])}` failed: {Ended(took.returncode, took.stdout, took.stderr).reason}")

    def show(self, *command: str) -> None:
        self._print(shlex.join(command))

    def pause(self, seconds: float) -> None:
        if not self.dry_run:
            time.sleep(seconds)

    def _argv(self, command: Sequence[str]) -> list[str]:
        return [*shlex.split(self.programs.get(command[0], command[0])), *command[1:]]

    def _started(self, command: Sequence[str]) -> "subprocess.Popen[str]":
        try:
            return subprocess.Popen(self._argv(command), text=True, env=os.environ)
        except OSError as error:
            raise Stop(f"{command[0]} could not be started: {error}") from error

    def _print(self, line: str) -> None:
        print(f"+ {line}", flush=True)


def say(words: str = "") -> None:
    print(words, flush=True)


@contextmanager
def step(title: str, then: str = "") -> Iterator[None]:
    """A part of a longer command. What stops inside it says `then`, unless it knows better."""
    say(f"\n== {title}")
    try:
        yield
    except Stop as stop:
        raise Stop(stop.words, stop.then or then) from stop


class Deadline:
    """Seconds until nobody waits any longer."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        return max(0.0, self._end - time.monotonic())

    @property
    def over(self) -> bool:
        return self.remaining() <= 0
