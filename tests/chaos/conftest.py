"""One world for all tests of the matrix: the Kafka that all tests share and a VersityGW of their own.

Some hurt them, and leave them well.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.chaos.orders import NOTHING, Orders
from tests.chaos.workload import Workload
from tests.chaos.world import Scene, World
from tests.integration.object_servers import versitygw, versitygw_program
from tests.kafka.server import KafkaServer

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def the_world(
    kafka_node: KafkaServer, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[World]:
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")

    def say(word: str) -> None:
        if reporter is not None:
            reporter.write_line(f"\n{word}")

    folder = tmp_path_factory.mktemp("chaos")
    with versitygw(versitygw_program(say), folder / "store") as objects:
        yield World(kafka_node, objects, folder / "store", folder)


SceneOf = Callable[..., Scene]


@pytest.fixture
def scene_of(the_world: World) -> Iterator[SceneOf]:
    """Makes a scene with these settings of its services; ended with the test."""
    scenes: list[Scene] = []
    with ExitStack() as opened:

        def make(usual: Orders = NOTHING, **settings: str) -> Scene:
            scenes.append(opened.enter_context(Scene(the_world, f"row-{next(_numbers)}", usual, **settings)))
            return scenes[-1]

        yield make
        print(*(scene.tail() for scene in scenes), sep="\n")  # noqa: T201  # shown beside a failure, and only there


@pytest.fixture
def work(the_world: World) -> Workload:
    return Workload(1, the_world.there)
