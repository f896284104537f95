"""What Terraform's variable files say of the platform: its name and region.

Terraform reads `terraform.tfvars`, then every `*.auto.tfvars` by name; the last one wins. The other programs must
mean the same cluster, so the same files are read here. Only plain `name = "value"` lines are understood, which is how
the examples write them.
"""

import re
from pathlib import Path

from scripts.cloud.running import Stop

_LINE = re.compile(r'^\s*(\w+)\s*=\s*"([^"]*)"\s*(?:#.*)?$', re.MULTILINE)
_DEFAULT = r'variable "{name}" \{{.*?default\s*=\s*"([^"]*)"'
_DECLARED = re.compile(r'^variable "(\w+)"', re.MULTILINE)

#: What `make region-set` writes. It comes after terraform.tfvars, so it wins.
REGION_FILE = "region.auto.tfvars"


def said_in_files(root: Path) -> dict[str, str]:
    """Plain strings of a root's variable files."""
    files = [root / "terraform.tfvars", *sorted(root.glob("*.auto.tfvars"))]
    return {name: value for file in files if file.is_file() for name, value in _LINE.findall(file.read_text())}


def declared(root: Path) -> frozenset[str]:
    """Names of a root's variables. Raises Stop where there is no such root."""
    file = root / "variables.tf"
    if not file.is_file():
        raise Stop(f"There is no {file}.", "ENV names a folder below infra/terraform/envs.")
    return frozenset(_DECLARED.findall(file.read_text()))


def value_of(root: Path, name: str, fallback: str) -> str:
    """What Terraform will take for a variable: its files, else its default."""
    said = said_in_files(root).get(name)
    if said is not None:
        return said
    file = root / "variables.tf"
    found = re.search(_DEFAULT.format(name=name), file.read_text(), re.DOTALL) if file.is_file() else None
    return found[1] if found else fallback
