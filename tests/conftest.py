"""What every test gets: anyio on asyncio only, and a guard that fails a test whose code blocks the event loop."""

from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

from tests.kafka.fixtures import kafka_bootstrap, kafka_jars, kafka_node, no_sockets_left

__all__ = ["kafka_bootstrap", "kafka_jars", "kafka_node", "no_sockets_left"]

# Properties have no time limit per example: it would time the machine, and pytest's own limit stops what hangs.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

#: The guard looks at our own packages: pytest, hypothesis and the interpreter's imports may block as they like.
GUARDED = ("serving", "service_chat", "inference_container")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that the services run on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def free_loop() -> Iterator[None]:
    with blockbuster_ctx(scanned_modules=list(GUARDED)):
        yield
