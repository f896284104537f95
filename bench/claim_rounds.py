"""One measurement of claims at a time: a topic filled, a service started on it, what came out timed and weighed.

Throughput is counted by the timestamps that the results have in their topic, between the first tenth and the last: a
start-up and a last commit are no throughput. What is weighed is CPU, which a busy neighbour does not change.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bench.contest import ContestFailed
from bench.generator import Figures, Target
from bench.peers.workload import COLUMNS, ROWS, STEP_S
from bench.stage import Stage
from inference_container.claims.messages import Claim, encode_claim
from inference_container.stores.opening import open_store
from inference_container.stores.places import Places
from scripts.loopback import ROOT
from tests.chaos.reconcile import Onlooker, offsets, read_topic
from tests.chaos.workload import BUCKET, parquet_of
from tests.chaos.world import LOG_BUCKET, PARTITIONS, Member, Scene, World
from tests.integration.processes import descendants

SERVE = ("inference_container", "serve")
_OBJECTS = 32
_ROWS_PER_PART = 16
_DONE_WITHIN_S = 300
_WARM_UP_S = 1.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Steady:
    """A topic worked off."""

    per_second: float
    cpu_ms: float  #: of one claim, in all processes of whoever works
    store_cpu_ms: float  #: in the object server


@dataclass(frozen=True, slots=True)
class Burst:
    """Callers over HTTP, first alone and then beside a burst of claims."""

    quiet: Figures
    busy: Figures
    per_second: float  #: claims, meanwhile
    paused: int
    resumed: int
    rss_mib: float


class Claims:
    """`bundle`: the network that all forecast with; `scratch`: also holds its weights for the naive loop."""

    def __init__(self, world: World, bundle: Path, scratch: Path) -> None:
        self._world, self._bundle, self._scratch = world, bundle, scratch
        self._store = open_store(world.objects.address, Places.read(f"{BUCKET},{LOG_BUCKET}"))
        self._claims = [self._claim(number) for number in range(_OBJECTS)]

    def steady(self, name: str, claims: int, history: int) -> Steady:
        """Our service works off a full topic, on a log that has so many rows already."""
        with self._scene(name) as scene:
            self._remember(scene, history)
            self._fill(scene, claims)
            member = scene.member()
            with self._weighed() as store_cpu:
                member.start()
                assert member.service is not None
                spent = _worked_off(scene, member.service.process.pid)
            member.leave()
            return Steady(_rate(scene), 1000 * spent, 1000 * store_cpu[0] / claims)

    def naive(self, name: str, claims: int) -> Steady:
        """The naive loop works off a topic."""
        with self._scene(name) as scene:
            self._fill(scene, claims)
            places = (scene.places.bootstrap, scene.claims, scene.results, scene.group)
            address = self._world.objects.address
            inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
            with self._weighed() as store_cpu:
                process = subprocess.Popen(
                    [sys.executable, "-m", "bench.peers.naive_claims", *places, address.endpoint, LOG_BUCKET],
                    cwd=ROOT,
                    env={
                        **inherited,
                        "S3_ACCESS_KEY": address.access_key,
                        "S3_SECRET_KEY": address.secret_key,
                        "BENCH_NETWORK": str(self._scratch),
                        "OMP_NUM_THREADS": "1",
                    },
                )
                try:
                    spent = _worked_off(scene, process.pid)
                finally:
                    process.kill()
                    process.wait()
            return Steady(_rate(scene), 1000 * spent, 1000 * store_cpu[0] / claims)

    def bursts(self, stage: Stage, claims: int, rounds: int, seconds: float) -> list[Burst]:
        """One service, and so many bursts."""
        with self._scene("bursts") as scene:
            member = scene.join()
            assert member.service is not None
            target = Target(member.service.port, "/predict", stage.bodies, "/healthz")
            stage.generator.closed(target, 4, seconds=1.0, warm_up_s=0.0)
            return [self._burst(scene, member, stage, target, claims, seconds) for _ in range(rounds)]

    def _burst(self, scene: Scene, member: Member, stage: Stage, target: Target, claims: int, seconds: float) -> Burst:
        quiet = stage.generator.closed(target, 20, seconds, _WARM_UP_S)
        before = (len(member.events("consumer_paused")), len(member.events("consumer_resumed")))
        before_it = _done(scene)
        filler = threading.Thread(target=self._fill, args=(scene, claims))
        filler.start()
        busy = stage.generator.closed(target, 20, seconds, _WARM_UP_S)
        filler.join()
        done = _done(scene) - before_it
        scene.until_done(_DONE_WITHIN_S)
        assert member.service is not None
        return Burst(
            quiet,
            busy,
            done / (seconds + _WARM_UP_S),
            len(member.events("consumer_paused")) - before[0],
            len(member.events("consumer_resumed")) - before[1],
            _rss_mib(member.service.process.pid),
        )

    def _scene(self, name: str) -> Scene:
        return Scene(
            self._world,
            name,
            module=SERVE,
            BUNDLE_PATH=str(self._bundle),
            INFERENCE_LENGTH="1",
            QUEUE_MAXSIZE="512",
            CONSUMER_INSTANCE_ID="bench",
        )

    def _claim(self, number: int) -> Claim:
        draw = np.random.default_rng(number + 1)
        begin = datetime(2018, 2, 5, 23, 40) + timedelta(days=number)
        columns: dict[str, Sequence[object]] = {"ts": [begin + timedelta(seconds=STEP_S * row) for row in range(ROWS)]}
        for name, (mean, std) in COLUMNS.items():
            columns[name] = np.abs(draw.normal(mean, std, ROWS)).tolist()
        put = self._store.put(BUCKET, f"bench/{number}.parquet", parquet_of(columns))
        return Claim(2, BUCKET, put.key, f"bench-{number}", etag=put.etag, size=put.size, horizon=1)

    def _fill(self, scene: Scene, claims: int) -> None:
        values = [encode_claim(claim) for claim in self._claims]
        sent = [scene.producer.send(scene.claims, values[n % _OBJECTS], b"cell-%d" % (n % 97)) for n in range(claims)]
        for each in sent:
            each.result(60)

    def _remember(self, scene: Scene, rows: int) -> None:
        """A log of this hour, in parts as our service leaves them, where the next parts will lie."""
        now = datetime.now(UTC)
        line = (
            b'{"status":"ok","source":"earlier","forecast":{"predictions":[{"ts":"2018-02-05T23:40:00","down":1.0}]}}\n'
        )

        def put(part: int) -> None:
            folder = f"results/topic={scene.claims}/dt={now:%Y-%m-%d}/h={now:%H}/p={part % PARTITIONS:02d}"
            self._store.put(LOG_BUCKET, f"{folder}/earlier-{part:012d}.jsonl", line * _ROWS_PER_PART)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, range(rows // _ROWS_PER_PART)))

    @contextmanager
    def _weighed(self) -> Iterator[list[float]]:
        """Seconds of CPU that the object server took meanwhile, known afterwards."""
        server = self._world.objects.process
        assert server is not None
        before, found = _cpu_s(server.pid), [0.0]
        yield found
        found[0] = _cpu_s(server.pid) - before


def _done(scene: Scene) -> int:
    """Claims that are committed; in the topic of the results lie the callers' forecasts as well."""
    return sum(offsets(scene.places)[0].values())


def _rate(scene: Scene) -> float:
    moments = sorted(message.timestamp for message in read_topic(scene.places.bootstrap, scene.results))
    tenth = len(moments) // 10
    return (len(moments) - 2 * tenth - 1) / ((moments[-1 - tenth] - moments[tenth]) / 1000)


def _worked_off(scene: Scene, pid: int) -> float:
    """Waits until all is committed; seconds of CPU that one claim took, from the first commit on.

    Raises:
        ContestFailed: it takes too long, or the process has ended.
    """
    first: tuple[int, float] | None = None
    end = time.monotonic() + _DONE_WITHIN_S
    with Onlooker(scene.places) as onlooker:
        while True:
            committed, ends = onlooker.offsets()
            try:
                done, spent = sum(committed.values()), _cpu_s(pid)
            except FileNotFoundError as gone:
                raise ContestFailed(f"Who worked on {scene.claims} has ended.\n{scene.tail()}") from gone
            if done and first is None:
                first = (done, spent)
            if committed == ends:
                assert first is not None
                return (spent - first[1]) / max(1, done - first[0])
            if time.monotonic() > end:
                raise ContestFailed(f"{scene.claims} takes too long: {done} done.\n{scene.tail()}")
            time.sleep(0.3)


def _cpu_s(pid: int) -> float:
    """Of the process and its children that live."""
    ticks = 0
    for each in {pid, *descendants(pid)}:
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def _rss_mib(pid: int) -> float:
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in {pid, *descendants(pid)})
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
