"""The servers of a chat comparison: how each is started, and when it may be asked.

Called by the parts of `bench.triage`. All get the same model file, the same number of threads, the same context for
all their callers together, the same cores, and an environment that holds nothing of the shell's but what a program
needs. `bench.contest` starts and stops them.
"""

import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.chats.environment import peers_python
from bench.chats.model import model_file
from bench.chats.source import EXAMPLE_SERVER, source_file
from bench.contest import OURS, Contestant, ContestFailed, Running, started
from scripts.loopback import ROOT

EXAMPLE, NAIVE = "examples-server", "naive"
#: Cells of KV cache for all slots together.
N_CTX = 8192
#: Prompt tokens the peer reads in one step, while everybody who writes waits. Smaller ones made it slower.
EXAMPLE_BATCH = 256
#: As the engine's parent sets it; for the peers too, unless a run asks for libgomp's own.
SPIN: Mapping[str, str] = {"GOMP_SPINCOUNT": "500"}


@dataclass(frozen=True, slots=True)
class Stage:
    """What all measurements of a run share."""

    model: Path
    cores: frozenset[int]
    scratch: Path
    peers: tuple[str, ...]
    #: Added to the peers' environment.
    peer_environ: Mapping[str, str] = field(default_factory=lambda: SPIN)

    @property
    def threads(self) -> int:
        return len(self.cores)

    @contextmanager
    def ours(self, slots: int, more: Mapping[str, str] | None = None, *, loaded: bool = True) -> Iterator[Running]:
        """The service as it ships, with that many slots and `more` of its settings.

        Args:
            loaded: wait for the model; otherwise only until the door answers.

        Raises:
            ContestFailed: It did not become ready.
        """
        environ = {
            "HOST": "127.0.0.1",
            "CHAT_API_PORT": "{port}",
            "RECORDS_PATH": str(self.scratch / "records.sqlite"),
            "LLM_MODE": "gguf",
            "GGUF_PATH": str(self.model),
            "GGUF_SLOTS": str(slots),
            "GGUF_KV_CELLS": str(N_CTX),
            "GGUF_N_THREADS": str(self.threads),
            "ACCESS_LOG": "false",
            **(more or {}),
        }
        contestant = Contestant(OURS, (sys.executable, "-m", "service_chat"), environ, health="/health")
        with started(contestant, self.cores, self.scratch, _says_it_is_ready if loaded else _is_healthy) as server:
            yield server

    @contextmanager
    def peer(self, name: str, slots: int) -> Iterator[Running]:
        """One of the others.

        Raises:
            ContestFailed: It did not become ready.
            PeersMissing, SourceMissing: It could not be installed.
        """
        python = str(peers_python())
        common = (str(self.model), str(N_CTX))
        program: tuple[str, ...] = ("naive_server", "{port}", *common, str(self.threads))
        health = "/health"
        if name == EXAMPLE:
            numbers = (str(slots), str(self.threads), str(EXAMPLE_BATCH))
            program = ("example_server", str(source_file(EXAMPLE_SERVER)), "{port}", *common, *numbers)
            health = "/healthz"
        command = (python, "-m", f"bench.chats.peers.{program[0]}", *program[1:])
        contestant = Contestant(name, command, {"PYTHONPATH": str(ROOT), **self.peer_environ}, health)
        with started(contestant, self.cores, self.scratch, _is_healthy) as server:
            yield server

    @contextmanager
    def server(self, name: str, slots: int) -> Iterator[Running]:
        """Ours or a peer, by name."""
        with self.ours(slots) if name == OURS else self.peer(name, slots) as server:
            yield server


def prepare(scratch: Path, cores: frozenset[int], peers: tuple[str, ...], peer_environ: Mapping[str, str]) -> Stage:
    """Builds and installs what is missing.

    Raises:
        ModelFailed, SourceMissing, PeersMissing: As their modules say.
    """
    if peers:
        peers_python()
    return Stage(model_file(), cores, scratch, peers, peer_environ)


def _says_it_is_ready(server: Running) -> None:
    _answers(server, "/ready")


def _is_healthy(server: Running) -> None:
    # The peers load before they listen.
    _answers(server, server.contestant.health)


def _answers(server: Running, path: str) -> None:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=2).close()
    except urllib.error.HTTPError as refusal:
        raise ContestFailed(refusal.read().decode(errors="replace")) from refusal
    except OSError as nobody:
        raise ContestFailed(str(nobody)) from nobody
