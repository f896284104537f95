import os
import shlex
import shutil
from pathlib import Path

import pytest

from tests.terraform.planting import Tree


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    terraform = os.environ.get("TERRAFORM", "")
    if not terraform:
        pytest.skip("TERRAFORM names no program: `make tf-planted TERRAFORM=…` sets it")
    name, *arguments = shlex.split(terraform)
    program = shutil.which(name)
    assert program, f"TERRAFORM: there is no program {name}"
    return Tree(tmp_path_factory.mktemp("planted"), [str(Path(program).resolve()), *arguments])
