import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench.generator import NOTHING, Figures, Generator, GeneratorUnavailable, Target, compiled
from tests.unit.bench.scripted import Reply, Scripted, answering

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the generator waits with epoll"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here"),
]

BODIES = (b'{"n": 1}', b'{"number": 22}')


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("generator"))


@pytest.fixture
def generator(program: Path) -> Generator:
    return Generator(program, frozenset(os.sched_getaffinity(0)))


@pytest.fixture
def target(tmp_path: Path) -> Callable[[Scripted], Target]:
    for number, body in enumerate(BODIES):
        (tmp_path / str(number)).write_bytes(body)
    paths = [tmp_path / str(number) for number in range(len(BODIES))]
    return lambda server: Target(server.port, "/predict", paths, "/healthz", "X-Deadline-Ms: 250")


Aim = Callable[[Scripted], Target]


def seen(enough: Callable[[Figures], bool], over: Callable[[float], Figures], seconds: float) -> Figures:
    """Measures again over a longer window while too little was seen; the longest is judged whatever it shows.

    A machine with much else to do may stand still for the whole of a short window.
    """
    for longer in (1, 4, 16):
        found = over(seconds * longer)
        if enough(found):
            break
    return found


def test_a_closed_loop_asks_again_as_soon_as_it_was_answered(generator: Generator, target: Aim) -> None:
    def never_rested(found: Figures) -> bool:
        """The answers and the four still awaited fill the window of four callers, however slow the machine is."""
        return (found.accepted.count + 4) * found.accepted.max >= 4 * found.seconds * 1e3

    with answering(Reply(after_s=0.02)) as server:
        found = seen(
            lambda found: found.accepted.count >= 20 and never_rested(found),
            lambda seconds: generator.closed(target(server), 4, seconds, warm_up_s=0.1),
            seconds=0.6,
        )
    assert found.statuses == {"200": found.accepted.count}
    assert found.errors == found.unaccounted == 0
    assert 20 <= found.accepted.p50 <= found.accepted.p95 <= found.accepted.p99 <= found.accepted.max
    assert never_rested(found)
    assert 20 <= found.accepted.count <= 4 * (found.seconds / 0.02 + 1)


def test_every_request_is_whole_and_the_bodies_take_turns(generator: Generator, target: Aim) -> None:
    with answering(Reply()) as server:
        found = seen(
            lambda _: len(server.bodies) >= 4,
            lambda seconds: generator.closed(target(server), 1, seconds, warm_up_s=0.0),
            seconds=0.2,
        )
    assert server.bodies[:4] == [*BODIES, *BODIES]
    assert len(server.bodies) >= found.accepted.count
    assert server.heads[0].startswith("POST /predict HTTP/1.1\r\n")
    assert "\r\nX-Deadline-Ms: 250\r\n" in server.heads[0]


def test_warm_up_is_not_counted(generator: Generator, target: Aim) -> None:
    for warm_up_s in (0.3, 1.2, 4.8):  # longer, while the machine stood still
        with answering(Reply(after_s=0.01)) as server:
            begun = time.monotonic()
            found = generator.closed(target(server), 1, warm_up_s / 3, warm_up_s)
        after = sum(came >= begun + warm_up_s for came in server.came)
        if found.offered and after + 1 < len(server.came) / 2:
            break
    # One caller: what the server read before the end of the warm-up ended before it, but for the last.
    assert 0 < found.offered <= after + 1 < len(server.came) / 2


@pytest.mark.parametrize("body", [b"", b"x" * 7000, b"x" * 300_000], ids=["empty", "in the head's buffer", "large"])
def test_an_answer_is_read_whatever_its_length(generator: Generator, target: Aim, body: bytes) -> None:
    with answering(Reply(body=body)) as server:
        found = seen(
            lambda found: found.accepted.count > 0,
            lambda seconds: generator.closed(target(server), 2, seconds, warm_up_s=0.0),
            seconds=0.2,
        )
    assert found.accepted.count > 0
    assert found.errors == 0


def test_an_answer_may_come_in_pieces(generator: Generator, target: Aim) -> None:
    with answering(Reply(body=b"y" * 60, in_pieces=True)) as server:
        found = seen(
            lambda found: found.accepted.count > 0,
            lambda seconds: generator.closed(target(server), 2, seconds, warm_up_s=0.0),
            seconds=0.3,
        )
    assert found.accepted.count > 0
    assert found.errors == 0


def test_percentiles_are_of_the_answers_that_belong_to_them(generator: Generator, target: Aim) -> None:
    # One caller: every tenth answer is slow, so the slow ones are a tenth of all and lie beyond the 90th percentile.
    with answering(*[Reply()] * 9, Reply(after_s=0.1)) as server:
        found = seen(
            lambda found: found.accepted.count >= 30,
            lambda seconds: generator.closed(target(server), 1, seconds, warm_up_s=0.0),
            seconds=0.6,
        )
    assert found.accepted.p50 < 100 <= found.accepted.p95 <= found.accepted.p99


def test_statuses_have_latencies_of_their_own(generator: Generator, target: Aim) -> None:
    script = (Reply(), Reply(429), Reply(504, after_s=0.03), Reply(503))
    with answering(*script) as server:
        found = seen(
            lambda found: found.offered >= len(script),
            lambda seconds: generator.closed(target(server), 1, seconds, warm_up_s=0.0),
            seconds=0.4,
        )
    assert set(found.statuses) == {"200", "429", "503", "504"}
    assert found.accepted.count == found.statuses["200"]
    assert found.refused.count == found.statuses["429"]
    assert found.expired.count == found.statuses["504"]
    assert found.expired.p50 >= 30
    assert found.errors == found.offered - found.statuses["200"] > 0


def test_who_is_hung_up_on_counts_it_and_goes_on(generator: Generator, target: Aim) -> None:
    with answering(Reply(), Reply(hangs_up=True)) as server:
        found = seen(
            lambda found: found.failures > 1 and found.accepted.count > 1,
            lambda seconds: generator.closed(target(server), 2, seconds, warm_up_s=0.0),
            seconds=0.3,
        )
    assert found.failures > 1
    assert found.accepted.count > 1
    assert found.unaccounted == 0


def test_who_is_not_answered_in_time_hangs_up(generator: Generator, target: Aim) -> None:
    with answering(Reply(after_s=60)) as server:
        found = seen(
            lambda found: found.timeouts >= 6,
            lambda seconds: generator.closed(target(server), 3, seconds, warm_up_s=0.0, patience_s=0.2),
            seconds=0.6,
        )
    assert found.timeouts >= 6
    assert found.accepted.count == 0
    assert found.accepted.p99 == NOTHING
    assert found.unaccounted == 0


def test_health_is_asked_every_20_ms_meanwhile(generator: Generator, target: Aim) -> None:
    with answering(Reply(after_s=0.01)) as server:
        found = seen(
            lambda found: found.probes.count >= 5,
            lambda seconds: generator.closed(target(server), 2, seconds, warm_up_s=0.0),
            seconds=0.6,
        )
    assert 5 <= found.probes.count <= found.seconds / 0.02 + 2
    assert server.probes >= found.probes.count
    assert found.probe_failures == 0


def accounted(found: Figures) -> int:
    return sum(found.statuses.values()) + found.timeouts + found.failures


@pytest.mark.parametrize(
    "script",
    [
        (Reply(),),
        (Reply(), Reply(429), Reply(429)),
        (Reply(after_s=0.05), Reply(504, after_s=0.1), Reply(429)),
        (Reply(), Reply(hangs_up=True), Reply(503)),
        (Reply(), Reply(after_s=60), Reply(429)),
    ],
    ids=["all well", "refusals", "expired", "hung up", "no answer"],
)
def test_an_open_loop_always_accounts_for_what_it_offered(
    generator: Generator, target: Aim, script: Sequence[Reply]
) -> None:
    with answering(*script) as server:
        found = generator.open(target(server), 225, seconds=0.4, warm_up_s=0.1, connections=20, patience_s=0.3)
    assert found.offered == accounted(found) > 0
    # Poisson, 90 expected, five standard deviations: the draw is fixed, the end of the last moment is not.
    assert 43 <= found.offered <= 137


def test_an_arrival_waits_in_our_backlog_and_its_latency_tells(generator: Generator, target: Aim) -> None:
    # One connection carries 20 a second, 60 arrive: a client that counted from the sending would see 50 ms for ever.
    with answering(Reply(after_s=0.05)) as server:
        found = generator.open(target(server), 60, seconds=0.5, warm_up_s=0.0, connections=1, patience_s=10)
    assert found.accepted.count == found.offered
    assert found.accepted.max > 400
    assert found.within_slo < found.accepted.count


def test_an_arrival_that_no_connection_came_free_for_is_a_time_out(generator: Generator, target: Aim) -> None:
    with answering(Reply(after_s=60)) as server:
        found = generator.open(target(server), 100, seconds=0.5, warm_up_s=0.0, connections=1, patience_s=0.2)
    assert found.timeouts == found.offered > found.unsent > 0
    assert accounted(found) == found.offered


def test_a_connection_that_ends_with_its_answer_is_no_failure(generator: Generator, target: Aim) -> None:
    with answering(Reply(is_the_last=True)) as server:
        found = seen(
            lambda found: found.accepted.count > 3,
            lambda seconds: generator.closed(target(server), 3, seconds, warm_up_s=0.0),
            seconds=0.3,
        )
    assert found.accepted.count > 3
    assert found.errors == 0


def test_nobody_at_the_port_is_said_at_once(generator: Generator, target: Aim, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = Scripted((), port=taken.getsockname()[1])
        with pytest.raises(GeneratorUnavailable, match="takes no connections"):
            generator.closed(target(nobody), 1, seconds=0.2, warm_up_s=0.0)


def test_a_machine_without_a_compiler_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(GeneratorUnavailable, match="install cc"):
        compiled(tmp_path)


def test_a_compiler_that_refuses_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = tmp_path / "cc"
    refusing.write_text("#!/bin/sh\necho 'no headers here' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("CC", str(refusing))
    with pytest.raises(GeneratorUnavailable, match="no headers here"):
        compiled(tmp_path)


def test_it_is_compiled_once(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert compiled(program.parent) == program
