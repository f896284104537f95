"""The operator's commands against what they speak of: Terraform's roots, Make's targets, the images."""

import re
import sys
from pathlib import Path

import pytest

from scripts.cloud.__main__ import VERBS
from scripts.cloud.registry import IMAGES
from scripts.cloud.terraform import HANDED
from scripts.cloud.tfvars import declared, value_of
from scripts.cloud.wishes import DEPLOYMENTS, ROOTS

ROOT = Path(__file__).parents[2]
ENVS = sorted((ROOT / "infra/terraform/envs").iterdir())


def outputs(root: Path) -> set[str]:
    return set(re.findall(r'^output "(\w+)"', (root / "outputs.tf").read_text(), re.MULTILINE))


@pytest.mark.parametrize("env", ENVS, ids=lambda env: env.name)
def test_every_output_that_is_handed_on_is_put_out_and_wanted_by_a_later_root(env: Path) -> None:
    for earlier, names in HANDED.items():
        assert set(names.values()) <= outputs(env / earlier)
        later = [declared(env / root) for root in ROOTS[ROOTS.index(earlier) + 1 :]]
        assert set(names) <= set().union(*later)


@pytest.mark.parametrize("env", ENVS, ids=lambda env: env.name)
def test_name_and_region_are_understood_as_terraform_does(env: Path) -> None:
    assert value_of(env / ROOTS[0], "name", "") == "sluice-demo"
    assert value_of(env / ROOTS[0], "region", "") == "us-east-2"


@pytest.mark.parametrize("env", ENVS, ids=lambda env: env.name)
def test_what_a_deploy_says_of_images_is_what_the_services_root_asks(env: Path) -> None:
    apps = env / ROOTS[-1]
    assert {"image_tag", "image_tags", "image_digest", "kubeconfig_context"} <= declared(apps)
    written = (apps / "services.yaml.tftpl").read_text()
    assert set(re.findall(r"^  image: ([\w-]+)$", written, re.MULTILINE)) == {image.name for image in IMAGES.values()}
    assert tuple(re.findall(r"^([\w-]+):", written, re.MULTILINE)) == DEPLOYMENTS


@pytest.mark.parametrize("env", ENVS, ids=lambda env: env.name)
def test_the_registry_has_a_repository_for_every_image(env: Path) -> None:
    (made,) = re.findall(r"repositories = (\[.*\])", (env / ROOTS[0] / "main.tf").read_text())
    assert set(re.findall(r'"([\w-]+)"', made)) == {image.name for image in IMAGES.values()}


def test_every_verb_is_a_target_with_words_of_help_and_every_target_a_verb() -> None:
    targets = re.findall(r"^([a-z0-9-]+): ## (.+)\n\t\$\(CLOUD\) \$@$", (ROOT / "infra/cloud.mk").read_text(), re.M)
    assert {name for name, _ in targets} == set(VERBS)
    assert all(len(words) <= 120 for _, words in targets)


def test_dockerfiles_and_their_targets_are_there() -> None:
    for image in IMAGES.values():
        text = (ROOT / image.dockerfile).read_text()
        assert not image.target or re.search(rf"^FROM \w+ AS {image.target}$", text, re.MULTILINE)


def test_the_commands_import_nothing_but_the_standard_library() -> None:
    imported = {
        name
        for file in (ROOT / "scripts/cloud").glob("*.py")
        for name in re.findall(r"^\s*(?:from|import) (\w+)", file.read_text(), re.MULTILINE)
    }
    known = {*sys.stdlib_module_names, "scripts"}
    assert imported <= known
