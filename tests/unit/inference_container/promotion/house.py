"""A store of files, bundles of a small linear model, and replicas that follow: everything real but the time."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from typing_extensions import override

from inference_container.bundles.files import MANIFEST
from inference_container.bundles.golden import record_golden
from inference_container.bundles.writer import write_bundle_at
from inference_container.errors import BrokerUnavailable, StoreUnavailable
from inference_container.forecasting.backends.linear import LinearBackend
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.worker import WorkerArgs
from inference_container.inline_pool import InlinePool
from inference_container.model_pool import PoolListener
from inference_container.model_switch import ModelSwitch
from inference_container.promotion.cache import BundleCache
from inference_container.promotion.pointer import Pointer, pointer_key
from inference_container.promotion.ports import Letter
from inference_container.promotion.promote import Promoter
from inference_container.promotion.shelf import PointerShelf
from inference_container.promotion.sources import Sources
from inference_container.promotion.watcher import PromotionWatcher
from inference_container.stores.files import FileStore
from inference_container.stores.places import Places
from inference_container.stores.ports import ObjectInfo, Opened
from serving.clock import Clock
from serving.lifecycle import Lifecycle, State
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.bundles.samples import golden_data, plan_of, sample_draft
from tests.unit.inference_container.forecasting.samples import sample_weights

POINTERS, MODELS = "model-promotion", "models"
BUNDLES = Places({MODELS: ("",)})


class Store(FileStore):
    """Files that a test may take away, and what was asked of them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, Places({POINTERS: ("",), MODELS: ("",)}))
        self.ensure_buckets()
        self.root = root
        self.down = False
        self.asked: list[str] = []

    @override
    def stat(self, bucket: str, key: str) -> ObjectInfo:
        self._note(f"stat {bucket}/{key}")
        return super().stat(bucket, key)

    @override
    @contextmanager
    def open(
        self, bucket: str, key: str, start: int = 0, length: int | None = None, etag: str | None = None
    ) -> Iterator[Opened]:
        self._note(f"open {bucket}/{key}")
        with super().open(bucket, key, start, length, etag) as opened:
            yield opened

    def path(self, bucket: str, key: str) -> Path:
        return self.root / bucket / key

    def _note(self, call: str) -> None:
        self.asked.append(call)
        if self.down:
            raise StoreUnavailable


class TickingClock(Clock):
    """Goes on by a millisecond whenever it is asked; from many threads."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now, self._lock = start, threading.Lock()

    @override
    def monotonic(self) -> float:
        return self.now().timestamp()

    @override
    def now(self) -> datetime:
        with self._lock:
            self._now += timedelta(milliseconds=1)
            return self._now

    @override
    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits for this clock")


def make_bundle(folder: Path, name: str = "sample", seed: int = 1, rmse: float = 1.0) -> Path:
    """`seed` makes it another bundle; `rmse` of its back-test, where persistence has 2."""
    draft = sample_draft(name)
    assert draft.metrics is not None
    scores = {key: each.model_copy(update={"rmse": rmse}) for key, each in draft.metrics.targets.items()}
    draft = replace(draft, metrics=draft.metrics.model_copy(update={"targets": scores}))
    plan = plan_of(draft)
    weights = sample_weights(plan.network, seed)
    inferencer = Inferencer(plan, LinearBackend(plan.network, weights))
    golden = record_golden(inferencer, [golden_data(1), golden_data(2)])
    return write_bundle_at(draft, weights, golden, folder / f"{name}-{seed}")


def id_of(bundle: Path) -> str:
    return str(orjson.loads((bundle / MANIFEST).read_bytes())["bundle_id"])


@dataclass
class Letters:
    """A way to the broker, which may be closed."""

    sent: list[Letter] = field(default_factory=list)
    down: bool = False

    def __call__(self, letter: Letter) -> None:
        if self.down:
            raise BrokerUnavailable
        self.sent.append(letter)


@dataclass
class Replica:
    switch: ModelSwitch
    life: Lifecycle
    watcher: PromotionWatcher
    cache: BundleCache
    clock: ManualClock
    letters: Letters

    @property
    def served(self) -> str | None:
        return self.switch.model.bundle_id if self.switch.model is not None else None


@dataclass
class House:
    folder: Path
    store: Store
    shelf: PointerShelf
    promoter: Promoter
    announced: list[Pointer]

    def bundle(self, seed: int, name: str = "sample", rmse: float = 1.0) -> Path:
        folder = self.folder / "made" / f"{name}-{seed}"
        return folder if folder.exists() else make_bundle(self.folder / "made", name, seed, rmse)

    def promote(self, seed: int, identifier: str = "default") -> Pointer:
        return self.promoter.promote(self.bundle(seed), identifier, "tester").pointer

    def write_pointer(self, content: bytes, identifier: str = "default") -> None:
        self.store.put(POINTERS, pointer_key(identifier), content)

    def spoil(self, pointer: Pointer, file: str, content: bytes | None) -> None:
        """Other bytes for a promoted file, or none."""
        path = self.store.path(pointer.bucket, pointer.key_of(file))
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)

    @asynccontextmanager
    async def replica(self, fallback: Path | None = None, disk: str = "disk") -> AsyncIterator[Replica]:
        """A switch and its watcher, which is not yet opened. The same `disk`: the same machine, later."""
        life, clock, letters = Lifecycle(), ManualClock(), Letters()
        switch = ModelSwitch(_inline, "default", 4, 0, life)
        cache = BundleCache(self.folder / disk, "default", BUNDLES)
        sources = Sources(self.store, self.shelf, cache, "default")
        watcher = PromotionWatcher(
            sources,
            switch,
            clock,
            fallback=fallback,
            send=letters,
            gave_up=lambda: life.state is State.FAILED,
        )
        async with switch:
            yield Replica(switch, life, watcher, cache, clock, letters)


@contextmanager
def house(folder: Path, clock: Clock | None = None) -> Iterator[House]:
    store = Store(folder / "objects")
    shelf = PointerShelf(store, POINTERS, BUNDLES)
    announced: list[Pointer] = []
    promoter = Promoter(store, shelf, MODELS, clock or TickingClock(), announced.append)
    yield House(folder, store, shelf, promoter, announced)
    store.down = False
    store.close()


async def started(replica: Replica) -> Path | None:
    """As `wiring` starts it: the first bundle is loaded by the switch, the watcher is told nothing of it."""
    first = await replica.watcher.first()
    if first is not None:
        await replica.switch.serve(first)
        async with asyncio.timeout(20):
            while replica.switch.model is None and replica.life.state is not State.FAILED:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    return first


def _inline(args: WorkerArgs, _: int, listener: PoolListener) -> InlinePool:
    return InlinePool(args, listener)
