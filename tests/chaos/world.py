"""The world of a run: a real Kafka, a real VersityGW, and services as processes that come and go.

A `World` is started once for many tests and can be hurt: its broker killed, its store stopped or frozen. A `Scene` has
topics, a group and members of its own in it, so that what one test left behind is none of the next one's business.
"""

import json
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from inference_container.broker.kafka import KafkaBroker
from inference_container.broker.kafka_connection import KafkaConnection
from inference_container.broker.ports import Producer
from inference_container.claims.refusals import Reason
from inference_container.stores.opening import open_store
from inference_container.stores.places import Places as Allowed
from tests.chaos.orders import NOTHING, VARIABLE, Orders
from tests.chaos.reconcile import Books, Onlooker, Places, reconcile
from tests.chaos.workload import BUCKET, Expected, Message, Objects, publish
from tests.integration.object_servers import KEY, SECRET, ObjectServer, versitygw
from tests.integration.processes import ServiceProcess, running
from tests.kafka.server import KafkaServer

LOG_BUCKET = "inference-logs"
PARTITIONS = 8
#: The service with accidents on its way.
FAULTY = ("tests.chaos.service",)
#: Claims that a service may hold, as in the crash runs that this grew out of.
BOUND = 40
#: Results that may come twice after a death: of what was in work, and of what had ended since the last commit.
AGAIN = 2 * BOUND
#: A killed member is missed after so long; in production it is 45 s.
SESSION_S = 6
#: Events that tell of partitions that go, with what was in work of them.
_LEFT = ("partitions_revoked", "partitions_lost")


class World:
    """`folder`: for all data of this run."""

    def __init__(self, kafka: KafkaServer, objects: ObjectServer, data: Path, folder: Path) -> None:
        self.kafka, self.objects, self.folder = kafka, objects, folder
        self.buckets = data / "objects"
        store = open_store(objects.address, Allowed.read(f"{BUCKET},{LOG_BUCKET},model-promotion,models"))
        store.ensure_buckets()
        self.there = Objects(store)
        store.close()

    @contextmanager
    def broker_down(self) -> Iterator[None]:
        """Killed, as by a power cut; back on the same data and port afterwards."""
        self.kafka.kill()
        try:
            yield
        finally:
            self.kafka.start()

    @contextmanager
    def broker_frozen(self) -> Iterator[None]:
        """Connections are taken and nobody answers."""
        self.kafka.freeze()
        try:
            yield
        finally:
            self.kafka.thaw()

    @contextmanager
    def store_down(self) -> Iterator[None]:
        """Nobody listens."""
        self.objects.stop(signal.SIGKILL)
        try:
            yield
        finally:
            self.objects.start()

    @contextmanager
    def store_frozen(self) -> Iterator[None]:
        """Connections are taken and nobody answers."""
        process = self.objects.process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)


@contextmanager
def world(jars: Path, gateway: Path, folder: Path) -> Iterator[World]:
    kafka = KafkaServer(jars, folder / "kafka")
    try:
        kafka.start()
        with versitygw(gateway, folder / "store") as objects:
            yield World(kafka, objects, folder / "store", folder)
    finally:
        kafka.close()


class Member:
    """A service with a name, over all its lives. Has its own file of orders."""

    def __init__(
        self, name: str, folder: Path, settings: Mapping[str, str], usual: Orders, module: Sequence[str]
    ) -> None:
        """`usual`: what it has to suffer all its lives."""
        self.name, self._folder, self._settings = name, folder, dict(settings)
        self.usual = usual
        self._module = module
        self._orders, self._seen = folder / f"{name}.orders", folder / f"{name}.seen"
        self._life = ExitStack()
        self.service: ServiceProcess | None = None
        #: What former lives wrote, oldest first.
        self.logs: list[list[str]] = []

    def will(self, **settings: str) -> None:
        """Its settings from the next life on."""
        self._settings |= settings

    def start(self, orders: Orders | None = None, ready: bool = True) -> "Member":
        self.obey(orders or self.usual)
        environment = {**self._settings, VARIABLE: str(self._orders)}
        self.service = self._life.enter_context(running(self._module, "INFERENCE_API_PORT", self._folder, environment))
        self.logs.append(self.service.log)
        if ready:
            self.service.until_ready(90)
        return self

    def obey(self, orders: Orders) -> None:
        orders.give(self._orders)

    @property
    def alive(self) -> bool:
        return self.service is not None and self.service.process.poll() is None

    @property
    def consuming(self) -> bool:
        """Whether this life has begun with claims."""
        return self.alive and any('"consumer_loop_start"' in line for line in list(self.logs[-1]))

    def kill(self) -> None:
        """As a power cut does."""
        assert self.service is not None
        with suppress(ProcessLookupError):
            self.service.process.kill()
        self.bury()

    def bury(self, within_s: float = 30) -> int:
        """Waits for the end of this life; its exit status."""
        assert self.service is not None
        status = self.service.process.wait(within_s)
        self._life.close()
        self.service = None
        return status

    def leave(self, within_s: float = 60) -> int:
        """SIGTERM; the exit status."""
        assert self.service is not None
        self.service.process.send_signal(signal.SIGTERM)
        try:
            return self.bury(within_s)
        except subprocess.TimeoutExpired:
            self.service.process.send_signal(signal.SIGABRT)  # faulthandler tells where every thread stands
            self.bury()
            raise

    def close(self) -> None:
        if self.service is not None:
            self.kill()

    def events(self, name: str) -> list[dict[str, object]]:
        """Of all lives."""
        parsed = (json.loads(line) for log in self.logs for line in list(log) if line.startswith("{"))
        return [line for line in parsed if line["event"] == name]

    @property
    def seen(self) -> dict[str, float]:
        """What the service's own watcher wrote down last; highest values are over all lives."""
        try:
            found: dict[str, float] = json.loads(self._seen.read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def tail(self, lines: int = 40) -> str:
        return "\n".join([f"--- {self.name}, life {len(self.logs)}", *(self.logs[-1][-lines:] if self.logs else [])])


class Scene:
    """One group of services over topics of its own. A context: what it started is ended with it."""

    def __init__(
        self, world: World, name: str, usual: Orders = NOTHING, module: Sequence[str] = FAULTY, **settings: str
    ) -> None:
        """`usual`: what its members suffer all their lives; `module`: what they run."""
        self.world, self.name, self._usual, self._module = world, name, usual, module
        self.claims, self.results, self.letters = f"{name}-claims", f"{name}-results", f"{name}-letters"
        self.group = f"{name}-group"
        self.expected: dict[str, Expected] = {}
        self.members: list[Member] = []
        self._more = settings
        self._broker = KafkaBroker(KafkaConnection((world.kafka.bootstrap,)))
        self._broker.ensure_topics({self.claims: PARTITIONS, self.results: PARTITIONS, self.letters: 1})
        self.producer: Producer = self._broker.producer()

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.close()
        self.producer.close()
        self._broker.close()

    def tail(self) -> str:
        """The end of what each member wrote."""
        return "\n".join(member.tail() for member in self.members)

    def member(self, **settings: str) -> Member:
        """Not started yet."""
        folder = self.world.folder / self.name
        folder.mkdir(exist_ok=True)
        everything = {**self._settings(), **settings}
        made = Member(f"member-{len(self.members)}", folder, everything, self._usual, self._module)
        self.members.append(made)
        return made

    def join(self, **settings: str) -> Member:
        return self.member(**settings).start()

    @property
    def places(self) -> Places:
        log = self.world.buckets / LOG_BUCKET
        none = self._more.get("INFERENCE_DISABLE_LOG_UPLOAD") == "1"
        return Places(
            self.world.kafka.bootstrap, self.claims, self.results, self.letters, self.group, None if none else log
        )

    def send(self, messages: Iterable[Message]) -> dict[str, Expected]:
        """Returns when the broker has them; they are expected from now on."""
        sent = publish(self.producer, self.claims, messages)
        self.expected |= sent
        return sent

    def until_done(self, within_s: float = 60, idle_s: float = 60) -> None:
        """All that was sent is committed. `idle_s`: how long nothing more may be."""
        end = time.monotonic() + within_s
        with Onlooker(self.places) as onlooker:
            before, changed = onlooker.lag(), time.monotonic()
            while before:
                time.sleep(0.5)
                behind, now = onlooker.lag(), time.monotonic()
                before, changed = behind, now if behind != before else changed
                assert now < end, "\n".join([f"not within {within_s} s", *behind])
                assert now < changed + idle_s, "\n".join([f"nothing for {idle_s} s", *behind])

    def leave(self) -> list[int]:
        """All members, one after the other; their exit statuses."""
        return [member.leave() for member in self.members if member.service is not None]

    @property
    def given_back(self) -> int:
        """Claims that were in work when their partition went: somebody works each of them again."""
        told = [event for member in self.members for name in _LEFT for event in member.events(name)]
        return sum(int(str(event["in_flight"])) for event in told)

    def reconcile(self, most_blamed: int = 0) -> Books:
        bound = int(self._settings()["QUEUE_MAXSIZE"])
        depth = max((int(member.seen.get("most_depth", 0)) for member in self.members), default=0)
        return reconcile(self.expected, self.places, depth, bound, Reason.WORKER_KILLER, most_blamed)

    def _settings(self) -> dict[str, str]:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.world.kafka.bootstrap,
            "KAFKA_TOPIC_PARTITIONS": "0",
            "CONSUMER_TOPIC_0": self.claims,
            "CONSUMER_TOPIC_1": "none",
            "CONSUMER_GROUP_ID": self.group,
            "CONSUMER_SESSION_TIMEOUT": str(SESSION_S),
            "PRODUCER_TOPIC": self.results,
            "DLQ_PERFORMANCE_TOPIC": self.letters,
            "PROMOTION_TOPIC": "none",
            "INFERENCE_AUTOLOAD_PROMOTED": "0",
            "S3_ENDPOINT": self.world.objects.address.endpoint,
            "S3_ACCESS_KEY": KEY,
            "S3_SECRET_KEY": SECRET,
            "S3_SECURE": "0",
            "INFERENCE_LOG_BUCKET": LOG_BUCKET,
            "DISABLE_BUCKET_ENSURE": "1",
            "QUEUE_MAXSIZE": str(BOUND),
            "QUEUE_WORKERS": "1",
            "HOST": "127.0.0.1",
            **self._more,
        }
