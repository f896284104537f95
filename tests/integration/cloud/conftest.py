import shutil
from pathlib import Path

import pytest

from tests.integration.cloud.place import Place, make_place
from tests.integration.cloud.world import all_goes_well


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_place(tmp_path_factory.mktemp("cloud") / "checkout").folder


@pytest.fixture
def place(pristine: Path, tmp_path: Path) -> Place:
    """The platform stands, nothing of this commit was pushed, and all goes well."""
    copy = Place(shutil.copytree(pristine, tmp_path / "checkout", symlinks=True))
    all_goes_well(copy)
    return copy
