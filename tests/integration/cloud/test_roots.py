"""The Terraform targets, one root or all."""

from tests.integration.cloud.place import Place
from tests.integration.cloud.world import PLATFORM, outputs

_ENV = "infra/terraform/envs/demo"


def done_to(place: Place, verb: str) -> list[str]:
    return [call[1].rpartition("/")[2] for call in place.calls if call[0] == "terraform" and verb in call]


def test_all_roots_are_taken_in_order_and_one_by_its_name_or_number(place: Place) -> None:
    assert place.make("tf-init").status == 0
    assert done_to(place, "init") == ["10-platform", "20-addons", "30-apps"]
    for name in ("30-apps", "30", "apps"):
        place.forget()
        assert place.make("tf-plan", ROOT=name).status == 0
        assert done_to(place, "plan") == ["30-apps"]


def test_a_plan_has_the_images_that_run_so_that_it_shows_what_else_changes(place: Place) -> None:
    assert place.make("tf-plan", ROOT="30-apps").status == 0
    assert "image_tag=0123abc" in place.calls[-1]
    assert place.make("tf-plan", ROOT="30-apps", IMAGE_TAG="456def").status == 0
    assert "image_tag=456def" in place.calls[-1]


def test_what_can_not_be_planned_yet_is_said(place: Place) -> None:
    place.answer("10-platform output -json", out="{}")
    done = place.make("tf-plan")
    assert done.status == 0, done.err
    assert done_to(place, "plan") == ["10-platform"]
    assert "20-addons stands on 10-platform" in done.out
    assert place.make("tf-plan", ROOT="30-apps").status != 0


def test_terraform_asks_before_it_changes_anything_unless_told_not_to(place: Place) -> None:
    assert place.make("tf-apply", ROOT="10-platform").status == 0
    assert place.lines[-1] == f"terraform -chdir={_ENV}/10-platform apply -lock-timeout=60s"
    assert place.make("tf-apply", ROOT="10-platform", AUTO_APPROVE="1").status == 0
    assert "-auto-approve" in place.calls[-1]


def test_an_apply_that_fails_ends_those_after_it(place: Place) -> None:
    place.answer("20-addons apply", status=1, err="it broke\n")
    done = place.make("tf-apply")
    assert done.status != 0
    assert done_to(place, "apply") == ["10-platform", "20-addons"]
    assert "make tf-apply ROOT=20-addons" in done.err


def test_the_state_may_lie_where_no_backend_file_says(place: Place) -> None:
    (place.folder / _ENV / "10-platform/backend.hcl").unlink()
    assert place.make("tf-init", ROOT="10").status != 0
    assert place.make("tf-init", ROOT="10", TF_INIT_ARGS="-backend=false").status == 0
    assert place.lines[-1] == f"terraform -chdir={_ENV}/10-platform init -input=false -backend=false"


def test_a_plan_from_a_region_of_another_platform_is_refused(place: Place) -> None:
    place.answer("10-platform output -json", out=outputs({**PLATFORM, "region": "eu-west-1"}))
    for target in ("tf-plan", "tf-apply", "tf-destroy"):
        assert place.make(target, ROOT="10-platform", CONFIRM="sluice-demo").status != 0
    assert not [line for line in place.lines if "plan" in line.split() or "apply" in line or "destroy" in line]
