"""A switch between pools that do as a test says, and a temporary folder that it must leave empty."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from inference_container.defaults import default_bundle_path
from inference_container.forecasting.messages import Answered, ForecastQuery, ServedModel
from inference_container.forecasting.worker import WorkerArgs
from inference_container.model_pool import PoolListener
from inference_container.model_switch import ModelSwitch
from inference_container.services.ports import BatchOutcome
from serving.lifecycle import Lifecycle
from tests.fakes.pool import FakePool
from tests.unit.until import until


@dataclass
class House:
    switch: ModelSwitch
    life: Lifecycle
    folder: Path
    pools: list[FakePool] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    rooms: int = 0
    diary: list[str] = field(default_factory=list)

    def make_pool(self, args: WorkerArgs, workers: int, listener: PoolListener) -> FakePool:
        self.pools.append(FakePool(args, workers, listener))
        self.pools[-1].diary = self.diary
        return self.pools[-1]

    def bundle(self, name: str) -> Path:
        """The default bundle under another name."""
        folder = self.folder / name
        shutil.copytree(default_bundle_path(), folder, dirs_exist_ok=True)
        manifest = orjson.loads((folder / "manifest.json").read_bytes())
        (folder / "manifest.json").write_bytes(orjson.dumps(manifest | {"name": name}))
        return folder

    @property
    def copies(self) -> list[str]:
        """Which bundles are still kept as private copies."""
        return sorted(pool.args.bundle_name for pool in self.pools if Path(pool.args.bundle.folder).exists())

    async def activating(self, name: str) -> tuple["asyncio.Task[ServedModel]", FakePool]:
        """An activation that has come as far as its candidate."""
        before = len(self.pools)
        task = asyncio.create_task(self.switch.activate(self.bundle(name)))
        await until(lambda: len(self.pools) > before and self.pools[-1].opened)
        return task, self.pools[-1]

    async def activate(self, name: str) -> FakePool:
        task, pool = await self.activating(name)
        pool.load()
        await task
        return pool

    def start(self) -> list[BatchOutcome]:
        """A batch of one; its outcome, once there is one."""
        outcomes: list[BatchOutcome] = []
        self.switch.start([ForecastQuery("q", b"{}")], outcomes.append)
        return outcomes

    def note_room(self) -> None:
        self.rooms += 1


def answered_by(outcomes: list[BatchOutcome]) -> str:
    (outcome,) = outcomes
    assert isinstance(outcome, Answered)
    (reply,) = outcome.replies
    assert isinstance(reply, bytes)
    return str(orjson.loads(reply)["run_id"])


@asynccontextmanager
async def house(folder: Path, serving: str | None = "a", workers: int = 2) -> AsyncIterator[House]:
    """With `serving` loaded and ready. Leaves nothing in the temporary folder."""
    with pytest.MonkeyPatch.context() as patch:
        (folder / "tmp").mkdir(exist_ok=True)
        patch.setattr("tempfile.tempdir", str(folder / "tmp"))
        life = Lifecycle()
        made: list[House] = []
        switch = ModelSwitch(lambda *args: made[0].make_pool(*args), "unit", 4, workers, life)
        h = House(switch, life, folder)
        made.append(h)
        switch.on_room, switch.on_model = h.note_room, lambda model: h.models.append(model.bundle_id)
        async with switch:
            if serving is not None:
                await switch.serve(h.bundle(serving))
                h.pools[0].load()
            yield h
        assert all(pool.closed for pool in h.pools)
        assert list((folder / "tmp").iterdir()) == []
