import os
import signal
import sys
import time
from pathlib import Path

import pytest

import bench.contest
from bench.contest import Contestant, ContestFailed, forecasts, running
from bench.generator import Generator
from bench.stage import Stage, agree, rounds_of

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux: processes are pinned")

#: Forecasts the length of the body, times the first argument; the second process sleeps.
SERVER = """
import http.server, json, os, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers["content-length"])
        self.rfile.read(length)
        value = length * float(sys.argv[2]) if float(sys.argv[2]) else 7
        body = json.dumps({"predictions": [{"ts": "2018-02-06T00:40:00Z", "down": value}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
print(os.environ.get("QUEUE_MAXSIZE"), os.environ.get("EXTRA"), file=sys.stderr, flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def contestant(name: str, factor: str, source: str = SERVER) -> Contestant:
    return Contestant(name, (sys.executable, "-c", source, "{port}", factor), {"EXTRA": "yes"})


def one_core() -> frozenset[int]:
    return frozenset({min(os.sched_getaffinity(0))})


@pytest.fixture
def bodies(tmp_path: Path) -> tuple[Path, ...]:
    for length in (3, 5):
        (tmp_path / f"{length}.json").write_bytes(b"x" * length)
    return tuple(tmp_path / f"{length}.json" for length in (3, 5))


def stage(tmp_path: Path, bodies: tuple[Path, ...], **factors: str) -> Stage:
    field = {name: contestant(name, factor) for name, factor in factors.items()}
    return Stage(field, bodies, Generator(tmp_path / "none", one_core()), tmp_path)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_server_runs_on_its_core_with_all_it_starts_and_leaves_nothing_behind(
    tmp_path: Path, bodies: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUE_MAXSIZE", "1")
    before = os.sched_getaffinity(0)
    with running(contestant("one", "2"), one_core(), bodies[0], tmp_path) as server:
        family = server.processes()
        assert len(family) == 2
        assert [os.sched_getaffinity(pid) for pid in family] == [one_core()] * 2
        assert server.rss_mib() > 5
        assert not server.maps_torch()
        assert forecasts(server, bodies) == [("2018-02-06T00:40:00Z", 6.0), ("2018-02-06T00:40:00Z", 10.0)]
    assert os.sched_getaffinity(0) == before
    give_up = time.monotonic() + 20
    while any(map(alive, family)) and time.monotonic() < give_up:
        time.sleep(0.01)
    assert not any(map(alive, family))
    # The caller's settings do not reach it, its own do.
    assert (tmp_path / "one.log").read_text() == "None yes\n"


def test_a_server_that_ends_at_its_start_is_quoted(tmp_path: Path, bodies: tuple[Path, ...]) -> None:
    broken = contestant("broken", "1", "import sys; sys.exit('no such model')")
    with (
        pytest.raises(ContestFailed, match=r"(?s)broken .*ended with status 1.*no such model"),
        running(broken, one_core(), bodies[0], tmp_path),
    ):
        pass


def test_a_server_that_never_answers_is_given_up(
    tmp_path: Path, bodies: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.contest, "READY_WITHIN_S", 0.3)
    asleep = contestant("asleep", "1", "import time; time.sleep(60)")
    with pytest.raises(ContestFailed, match="asleep did not become ready"):
        running(asleep, one_core(), bodies[0], tmp_path).__enter__()


def test_a_server_that_will_not_stop_is_stopped(
    tmp_path: Path, bodies: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.contest, "STOPPED_WITHIN_S", 0.2)
    stubborn = contestant("stubborn", "1", f"import signal; signal.signal({signal.SIGTERM}, signal.SIG_IGN)\n{SERVER}")
    with running(stubborn, one_core(), bodies[0], tmp_path) as server:
        pass
    assert not alive(server.pid)


def test_servers_that_forecast_the_same_may_be_compared(tmp_path: Path, bodies: tuple[Path, ...]) -> None:
    agree(stage(tmp_path, bodies, sluice="2", mosec="2.0001"), ("sluice", "mosec"), one_core())


def test_a_server_that_forecasts_something_else_ends_the_comparison(tmp_path: Path, bodies: tuple[Path, ...]) -> None:
    with pytest.raises(ContestFailed, match=r"mosec forecasts 6\.003 .* sluice 6"):
        agree(stage(tmp_path, bodies, sluice="2", mosec="2.001"), ("sluice", "mosec"), one_core())


def test_a_server_that_does_not_read_its_requests_ends_the_comparison(tmp_path: Path, bodies: tuple[Path, ...]) -> None:
    with pytest.raises(ContestFailed, match="forecast alike"):
        agree(stage(tmp_path, bodies, sluice="0"), ("sluice",), one_core())


def test_the_order_turns_with_every_round(
    tmp_path: Path, bodies: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(Stage, "levels", lambda _self, name, *_: order.append(name))
    rounds_of(stage(tmp_path, bodies), ("a", "b", "c"), one_core(), 3, (1,), 1.0)
    assert order == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
