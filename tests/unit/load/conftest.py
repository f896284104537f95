"""`locust/` is a folder of profiles and no package: the name belongs to the library. Its modules find each other as
Locust lets them, by the folder on the path. Only those that know no Locust are loaded here: importing the library swaps
the sockets of this whole process for gevent's."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[3] / "locust"


@pytest.fixture(scope="session")
def load() -> Callable[[str], ModuleType]:
    def module(name: str) -> ModuleType:
        sys.path.insert(0, str(FOLDER))
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove(str(FOLDER))

    return module


@pytest.fixture(scope="session")
def verdict(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("verdict")


@pytest.fixture(scope="session")
def profiles(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("profiles")


@pytest.fixture(scope="session")
def names(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("names")


@pytest.fixture(scope="session")
def wishes(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("wishes")


@pytest.fixture(scope="session")
def payloads(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("payloads")


@pytest.fixture(scope="session")
def ledger(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("ledger")


@pytest.fixture(scope="session")
def scaling(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("scaling")
