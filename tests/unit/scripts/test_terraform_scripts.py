"""tf-check finds every place and takes no silence for success; tf-render writes what Kubernetes reads."""

import os
import stat
from pathlib import Path

import pytest

from scripts import terraform_check, terraform_render
from scripts.terraform_check import badly_formed, check, places
from scripts.terraform_render import tidied


def terraform(folder: Path, script: str) -> list[str]:
    """A program that answers as a test wants it; `$2` is the first word after -chdir."""
    program = folder / "terraform"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return [str(program)]


# --- tf-check


def test_every_folder_with_a_terraform_tf_is_a_place(tmp_path: Path) -> None:
    for place in ("modules/app", "envs/demo/30-apps", "modules/app/.terraform/modules/other", "modules/empty"):
        (tmp_path / place).mkdir(parents=True)
    for place in ("modules/app", "envs/demo/30-apps", "modules/app/.terraform/modules/other"):
        (tmp_path / place / "terraform.tf").touch()
    assert places(tmp_path) == ["envs/demo/30-apps", "modules/app"]


def test_the_tests_that_passed_are_counted(tmp_path: Path) -> None:
    call = terraform(tmp_path, 'echo "Success! 41 passed, 0 failed."')
    checked = check(call, tmp_path, "modules/app")
    assert (checked.place, checked.tests, checked.problem) == ("modules/app", 41, "")


@pytest.mark.parametrize("step", ["init", "validate", "test"])
def test_a_step_that_fails_is_named_with_its_words(tmp_path: Path, step: str) -> None:
    script = f'echo "Success! 1 passed, 0 failed."; [ "$2" != {step} ] || {{ echo "its words" >&2; exit 1; }}'
    checked = check(terraform(tmp_path, script), tmp_path, "modules/app")
    assert checked.problem.startswith(f"terraform {step} ended with 1")
    assert "its words" in checked.problem


def test_a_module_without_tests_is_no_success(tmp_path: Path) -> None:
    checked = check(terraform(tmp_path, 'echo "Success! 0 passed, 0 failed."'), tmp_path, "modules/app")
    assert checked.problem == "terraform test ran no test"


def test_files_that_fmt_would_change_are_named(tmp_path: Path) -> None:
    assert badly_formed(terraform(tmp_path, "echo main.tf; exit 3"), tmp_path) == ["main.tf"]
    assert badly_formed(terraform(tmp_path, "exit 0"), tmp_path) == []


def test_a_place_that_fails_fails_the_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = terraform(tmp_path, 'case "$1" in *modules/app) exit 1;; esac; echo "Success! 2 passed, 0 failed."')
    status = terraform_check.main(["--terraform", program[0], "modules/app", "modules/storage"])
    told = capsys.readouterr().out
    assert status == 1
    assert "2 modules and roots, 2 tests: FAILED: modules/app" in told
    assert terraform_check.main(["--terraform", program[0], "modules/storage"]) == 0


def test_a_program_that_is_not_there_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert terraform_check.main(["--terraform", "no-such-terraform"]) == 2
    assert "there is no program no-such-terraform" in capsys.readouterr().err


# --- tf-render


def test_what_kubernetes_has_once_is_no_list() -> None:
    assert tidied({"labelSelector": [{"matchLabels": {"a": "b"}}]}) == {"labelSelector": {"matchLabels": {"a": "b"}}}
    assert tidied({"lifecycle": {"preStop": [{"exec": {"command": ["sleep"]}}]}}) == {
        "lifecycle": {"preStop": {"exec": {"command": ["sleep"]}}}
    }


def test_what_the_provider_alone_is_told_is_left_out() -> None:
    assert tidied({"kind": "Service", "waitForLoadBalancer": False}) == {"kind": "Service"}
    assert tidied({"kind": "Secret", "dataWoRevision": 1}) == {"kind": "Secret"}


def test_a_mode_is_the_number_that_it_means() -> None:
    assert tidied({"defaultMode": "0440"}) == {"defaultMode": 0o440}


def test_an_ingress_has_paths_and_a_probe_a_path() -> None:
    assert tidied({"http": {"path": [{"path": "/"}]}}) == {"http": {"paths": [{"path": "/"}]}}
    assert tidied({"httpGet": {"path": "/ready"}}) == {"httpGet": {"path": "/ready"}}


def test_a_stateful_set_has_templates_of_claims_and_a_pod_has_one() -> None:
    template = {"spec": {"storageClassName": "gp3"}}
    spec = {"volumeClaimTemplate": [template]}
    assert tidied({"kind": "StatefulSet", "spec": spec})["spec"] == {"volumeClaimTemplates": [template]}
    assert tidied({"ephemeral": spec}) == {"ephemeral": {"volumeClaimTemplate": template}}


def test_variables_of_the_environment_win_over_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TF_VAR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TF_VAR_llm_zone", "us-east-2b")
    log = tmp_path / "calls"
    call = terraform(tmp_path, f'echo "$@" >>{log}; echo "{{}}"')
    terraform_render.render(call[0], "echo", Path("schema.json"), ["image_tag=mine"], tmp_path / "out.yaml")
    (plan,) = (line for line in log.read_text().splitlines() if " plan " in line)
    words = plan.split()
    assert words.index("-var-file=terraform.tfvars.example") < words.index("-var=llm_zone=us-east-2b")
    assert [word for word in words if "image_tag" in word][-1] == "-var=image_tag=mine"
    assert "-refresh=false" in words
