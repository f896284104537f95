"""Kafka and the object store as docker-compose.yaml sets them up, as processes of this machine."""

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compose_file import environment, services
from tests.integration.object_servers import versitygw_program
from tests.integration.processes import eventually
from tests.kafka.fixtures import kafka_jars
from tests.ports import free_port

__all__ = ["kafka_jars"]


@pytest.fixture(scope="session")
def street() -> dict[str, dict[str, Any]]:
    return services()


@pytest.fixture(scope="session")
def store(
    street: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[str]:
    """Its address. The folders are what `store-folders` makes."""
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    program = versitygw_program(lambda word: reporter.write_line(f"\n{word}") if reporter else None)
    data, address = tmp_path_factory.mktemp("store"), f"127.0.0.1:{free_port()}"
    for folder in street["store-folders"]["entrypoint"][-2:]:
        (data / folder.removeprefix("/data/")).mkdir()
    command = [part.replace("/data", str(data), 1) for part in street["store"]["command"]]
    given = {**environment(street["store"]), "VGW_PORT": address, "PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        [str(program), *command], env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    health = street["store"]["healthcheck"]["test"][-1].replace("127.0.0.1:7070", address)
    try:
        eventually(lambda: _is_well(health), 20)
        yield address
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def kafka(
    street: dict[str, dict[str, Any]], kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Its address. Configured by the variables of the image and by nothing else, formatted under its CLUSTER_ID."""
    folder, given = tmp_path_factory.mktemp("kafka"), environment(street["kafka"])
    ports = {name: free_port() for name in ("INTERNAL", "HOST", "CONTROLLER")}
    moved = _moved(given, ports, folder)
    config = folder / "server.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in moved.items()))
    java = ["java", *given["KAFKA_HEAP_OPTS"].split(), "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    java += ["-XX:+UseSerialGC", "-cp", f"{kafka_jars}/*"]
    formatting = [*java, "kafka.tools.StorageTool", "format", "-t", given["CLUSTER_ID"], "-c", str(config)]
    subprocess.run(formatting, check=True, capture_output=True, timeout=60)
    with (folder / "broker.log").open("wb") as log:
        process = subprocess.Popen(
            [*java, "kafka.Kafka", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        # Both doors: the one for containers and the one for this machine.
        eventually(
            lambda: process.poll() is None and _listens(ports["INTERNAL"]) and _listens(ports["HOST"]),
            60,
            lambda: (folder / "broker.log").read_text()[-2000:],
        )
        yield f"localhost:{ports['INTERNAL']}"
    finally:
        process.kill()
        process.wait()


def _moved(given: Mapping[str, str], ports: Mapping[str, int], folder: Path) -> dict[str, str]:
    """The properties that the image makes of its variables, on free ports of loopback and in a folder of ours."""
    found = {name[6:].lower().replace("_", "."): value for name, value in given.items() if name.startswith("KAFKA_")}
    del found["heap.opts"]
    found["log.dirs"] = str(folder / "log")
    found["listeners"] = ",".join(
        f"{name}://localhost:{ports[name]}"
        for name in (each.partition("://")[0] for each in found["listeners"].split(","))
    )
    found["advertised.listeners"] = ",".join(
        f"{name}://localhost:{ports[name]}"
        for name in (each.partition("://")[0] for each in found["advertised.listeners"].split(","))
    )
    voter = found["controller.quorum.voters"]
    found["controller.quorum.voters"] = f"{voter.rpartition(':')[0]}:{ports['CONTROLLER']}"
    return found


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("localhost", port), timeout=1):
            return True
    except OSError:
        return False


def _is_well(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False
