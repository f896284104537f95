"""The real forecast service with accidents on the way: `python -m tests.chaos.service` in place of `… serve`.

Settings, doors, broker and store are the product's; between it and its ports stand the wrappers of `faulty`, steered by
the file that SLUICE_CHAOS names. Beside that file a second one says what the service ever had in work: a killed process
can not be asked any more.
"""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inference_container import claim_house, process_pool
from inference_container.claims.consuming.consumer import ClaimConsumer
from inference_container.claims.consuming.consumer_statistics import ConsumerStatistics
from inference_container.main import create_app
from inference_container.outside import Outside, outside_of
from inference_container.settings import InferenceSettings
from inference_container.stores.places import Places
from inference_container.stores.ports import ObjectStore
from serving.http.server import or_exit, serve
from tests.chaos import killer
from tests.chaos.faulty import FaultyBroker, FaultyStore
from tests.chaos.orders import VARIABLE, Steering
from tests.chaos.planted import planted
from tests.chaos.spoiled import spoil_commits

_LOOK_EVERY_S = 0.02


def faulty(real: Outside, steering: Steering) -> Outside:
    def store(places: Places) -> ObjectStore | None:
        inner = real.store(places)
        return FaultyStore(inner, steering) if inner is not None else None

    assert real.broker is not None, "chaos needs a broker"
    return Outside(FaultyBroker(real.broker, steering, planted(steering.orders.plant)), store)


class Watcher(threading.Thread):
    """Writes down what the consumer tells of itself; of some things the most that any life has told."""

    def __init__(self, path: Path, ask: Callable[[], ConsumerStatistics | None], steering: Steering) -> None:
        super().__init__(daemon=True, name="chaos-watcher")
        self._path, self._ask, self._steering = path, ask, steering
        before: dict[str, float] = json.loads(path.read_bytes()) if path.exists() else {}
        self._most_before = before.get("most_depth", 0.0)

    def run(self) -> None:
        pause, last = threading.Event(), b""
        while not pause.wait(_LOOK_EVERY_S):
            told = self._ask()
            if told is None:
                continue
            said = json.dumps(
                {
                    "most_depth": max(told.most_depth, self._most_before),
                    "depth": told.depth,
                    "finished": told.ledger.finished,
                    "remembered": told.ledger.in_flight + told.ledger.orphaned + told.depth,
                    "lag": sum(told.lag.values()),
                    "commits": told.commits,
                    "spoiled": self._steering.spoiled,
                }
            ).encode()
            if said != last:
                last = said
                part = self._path.with_suffix(".part-seen")
                part.write_bytes(said)
                part.replace(self._path)


def main() -> None:
    orders = Path(os.environ[VARIABLE])
    steering = Steering(orders)
    spoil_commits(steering)
    process_pool.work = killer.work  # type: ignore[attr-defined]  # the pool's own name for what its children run
    consumers: list[ClaimConsumer] = []

    def noted(*arguments: Any) -> ClaimConsumer:
        consumers.append(ClaimConsumer(*arguments))
        return consumers[-1]

    setattr(claim_house, "ClaimConsumer", noted)  # noqa: B010  # to ask it beside the service; no export of that room
    settings = or_exit(InferenceSettings.from_environment)
    app = or_exit(lambda: create_app(settings, faulty(outside_of(settings), steering)))
    Watcher(orders.with_suffix(".seen"), lambda: consumers[0].statistics() if consumers else None, steering).start()
    state = app.state
    serve(state.door, settings, settings.inference_api_port, state.on_signal, state.metrics, state.protocol)


if __name__ == "__main__":
    main()
