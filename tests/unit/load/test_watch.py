from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture
def watch(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("watch")


def test_memory_is_that_of_a_service_and_its_children(watch: ModuleType) -> None:
    said = """# HELP process_resident_memory_bytes Resident memory.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 1.0e+08
child_resident_memory_bytes{child="worker-0"} 5e+07
child_resident_memory_bytes{child="worker-1"} 5e+07
process_resident_memory_bytes_total 7
"""
    assert watch.memory_of(said) == 2e8
    assert watch.memory_of("up 1\n") is None


def test_growth_begins_when_the_service_has_settled(watch: ModuleType) -> None:
    assert watch.Memory([(0, 50.0), (30, 90.0), (60, 100.0), (120, 110.0)]).growth() == pytest.approx(0.1)
    assert watch.Memory([(0, 50.0), (60, 100.0)]).growth() is None
