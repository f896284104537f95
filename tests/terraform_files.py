"""infra/terraform as text and as what a plan would fill in: for tests that need no Terraform.

Blocks are found by the form that `terraform fmt` gives them: one begins and ends at the beginning of a line, and its
arguments stand two columns further in.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
TREE = ROOT / "infra/terraform"
APPS = TREE / "envs/demo/30-apps"
#: Every module and every root.
PLACES = sorted(file.parent for file in TREE.rglob("terraform.tf") if ".terraform" not in file.parts)
ROOTS = [place for place in PLACES if place.parent.name == "demo"]
_BLOCK = re.compile(r'^(\w+)((?: "[\w./-]+")*) \{\n(.*?)^\}$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    kind: str  #: variable, output, resource, ...
    labels: tuple[str, ...]
    body: str

    @property
    def name(self) -> str:
        return self.labels[-1]

    def argument(self, name: str) -> str | None:
        """What stands behind the equals sign, on its line; None where there is no such argument."""
        found = re.search(rf"^  {name} *= (.*)$", self.body, re.MULTILINE)
        return None if found is None else found[1]


def blocks(place: Path, kind: str) -> list[Block]:
    """Of all .tf files of a module or root."""
    found = [
        Block(match[1], tuple(re.findall(r'"([^"]+)"', match[2])), match[3])
        for file in sorted(place.glob("*.tf"))
        for match in _BLOCK.finditer(file.read_text())
    ]
    return [block for block in found if block.kind == kind]


def default_of(place: Path, variable: str) -> str:
    """The default of a variable whose value is a word or a number."""
    (block,) = (each for each in blocks(place, "variable") if each.name == variable)
    default = block.argument("default")
    assert default is not None, f"{variable} has no default"
    return default.strip('"')


def names_filled_in() -> set[str]:
    """What services.tf gives to the template of the services."""
    call = re.search(r"templatefile\(.*?\{\n(.*?)\n  \}\)\)", (APPS / "services.tf").read_text(), re.DOTALL)
    assert call is not None
    return set(re.findall(r"^    (\w+) +=", call[1], re.MULTILINE))


def services(values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The template of the services, filled in.

    Raises:
        KeyError: It asks for a value that is not there.
    """
    found = yaml.safe_load(Template((APPS / "services.yaml.tftpl").read_text()).substitute(values))
    assert isinstance(found, dict)
    return found
