"""Nodes away and back, everything away, and which region is meant."""

import pytest

from scripts.cloud.tfvars import said_in_files
from tests.integration.cloud.place import Place
from tests.integration.cloud.world import PLATFORM, listed, node_group, outputs, service

_ENV = "infra/terraform/envs/demo"
_NODE = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def resized(place: Place) -> dict[str, str]:
    found = [call for call in place.calls if "update-nodegroup-config" in call]
    return {call[call.index("--nodegroup-name") + 1]: call[call.index("--scaling-config") + 1] for call in found}


def test_nodes_go_and_their_group_remembers_how_many_there_were(place: Place) -> None:
    assert place.make("shutdown-nodes").status == 0
    zero = {"general-1": "minSize=0,maxSize=4,desiredSize=0", "llm-1": "minSize=0,maxSize=2,desiredSize=0"}
    assert resized(place) == zero
    tags = [call[call.index("--tags") + 1] for call in place.calls if "tag-resource" in call]
    assert tags == ["sluice/sizes=1:4:2", "sluice/sizes=1:2:1"]


def test_a_group_that_is_away_keeps_what_it_remembers(place: Place) -> None:
    place.answer("describe-nodegroup", "general-1", out=node_group("general-1", (0, 4, 0), "1:4:2"))
    assert place.make("shutdown-nodes").status == 0
    assert list(resized(place)) == ["llm-1"]


def test_nodes_come_back_as_many_as_they_were_and_then_pods_and_addresses(place: Place) -> None:
    place.answer("describe-nodegroup", "general-1", out=node_group("general-1", (0, 4, 0), "1:4:2"))
    place.answer("describe-nodegroup", "llm-1", out=node_group("llm-1", (0, 2, 0)))  # went without our knowing
    place.answer("get nodes --output json", out=listed(_NODE, _NODE, _NODE))
    place.answer("get nodes --output json", out=listed(_NODE), once=True)
    done = place.make("spinup-all", POLL="0.1s")
    assert done.status == 0, done.err
    assert resized(place) == {
        "general-1": "minSize=1,maxSize=4,desiredSize=2",
        "llm-1": "minSize=1,maxSize=2,desiredSize=1",
    }
    assert "1 of 3 nodes are ready" in done.out
    assert len([line for line in place.lines if "rollout status" in line]) == 3
    assert "chat       http://" in done.out


def test_nodes_that_do_not_come_are_told(place: Place) -> None:
    done = place.make("spinup-all", DEADLINE="0.2s", POLL="0.1s")
    assert done.status != 0
    assert "0 of 3 nodes are ready" in done.err
    assert "make spinup-all again" in done.err


def test_spinup_after_everything_was_destroyed_is_a_deploy(place: Place) -> None:
    gone = "An error occurred (ResourceNotFoundException) when calling ListNodegroups: No cluster found\n"
    place.answer("list-nodegroups", status=254, err=gone, once=True)
    done = place.make("spinup-all")
    assert done.status == 0, done.err
    assert f"terraform -chdir={_ENV}/10-platform apply -input=false -auto-approve -lock-timeout=60s" in place.lines


@pytest.mark.parametrize("target", ["tf-destroy", "shutdown-all"])
def test_nothing_is_destroyed_that_was_not_named(place: Place, target: str) -> None:
    for said in ({}, {"CONFIRM": "yes"}):
        done = place.make(target, said)
        assert done.status != 0
        assert "CONFIRM=sluice-demo" in done.err
    assert not [line for line in place.lines if "delete" in line or "destroy" in line]


def destroyed(place: Place) -> list[str]:
    """Objects and roots, in the order in which they go."""
    found = []
    for call in place.calls:
        if "delete" in call:
            found.append(call[call.index("delete") + 1])
        elif "destroy" in call:
            found.append(call[1].rpartition("/")[2])
    return found


_OBJECTS = ["scaledobjects", "ingresses", "service/chat-api-service"]
_PODS = ["deployments,statefulsets,jobs", "persistentvolumeclaims"]
_ALL = [*_OBJECTS, *_PODS, "30-apps", "20-addons", "persistentvolumeclaims", "10-platform"]


def test_balancers_and_volumes_go_before_the_roots_and_those_in_reverse(place: Place) -> None:
    volume = {"metadata": {"name": "pv-1"}, "spec": {"claimRef": {"namespace": "sluice"}}}
    place.answer("get persistentvolumes", out=listed(volume), once=True)
    place.answer("get services --output json", out=listed(service(), {**service(kind="ClusterIP")}))
    done = place.make("tf-destroy", CONFIRM="sluice-demo", POLL="0.1s")
    assert done.status == 0, done.err
    assert destroyed(place) == [*_OBJECTS, *_PODS, *_ALL[5:]]
    looked = [number for number, line in enumerate(place.lines) if "get persistentvolumes" in line]
    first = next(number for number, line in enumerate(place.lines) if "30-apps destroy" in line)
    assert looked[1] < first, "the disk was still there at the first look"
    assert "get-resources" in place.lines[-1]


def test_a_disk_that_stays_stops_the_teardown_before_its_driver_goes(place: Place) -> None:
    disk = {"claimRef": {"namespace": "sluice"}, "csi": {"volumeHandle": "vol-0a1b"}}
    place.answer("get persistentvolumes", out=listed({"metadata": {"name": "pv-1"}, "spec": disk}))
    done = place.make("tf-destroy", CONFIRM="sluice-demo", POLL="0.1s", DEADLINE="0.3s")
    assert done.status != 0
    assert "pv-1 (vol-0a1b)" in done.err
    assert destroyed(place) == [*_OBJECTS, *_PODS]


def test_a_disk_that_is_to_be_kept_is_told_and_not_waited_for(place: Place) -> None:
    disk = {"claimRef": {"namespace": "sluice"}, "csi": {"volumeHandle": "vol-0a1b"}}
    kept = {"metadata": {"name": "pv-1"}, "spec": {**disk, "persistentVolumeReclaimPolicy": "Retain"}}
    place.answer("get persistentvolumes", out=listed(kept))
    done = place.make("tf-destroy", CONFIRM="sluice-demo", DEADLINE="5s")
    assert done.status == 0, done.err
    assert "vol-0a1b" in done.out


def test_a_teardown_that_stopped_goes_on_where_the_cluster_is_gone_already(place: Place) -> None:
    place.answer("10-platform destroy", status=1, err="DependencyViolation: the subnet has dependencies\n", once=True)
    done = place.make("tf-destroy", CONFIRM="sluice-demo")
    assert done.status != 0
    assert "run the same command again" in done.err
    place.forget()
    for root in ("30-apps", "20-addons"):
        place.answer(f"{root} state list", out="")
    place.answer("update-kubeconfig", status=254, err="(ResourceNotFoundException) No cluster found\n")
    done = place.make("tf-destroy", CONFIRM="sluice-demo")
    assert done.status == 0, done.err
    assert destroyed(place) == ["10-platform"]


def test_one_root_is_not_destroyed_from_under_another(place: Place) -> None:
    done = place.make("tf-destroy", ROOT="10-platform", CONFIRM="sluice-demo")
    assert done.status != 0
    assert "30-apps still holds something" in done.err
    assert destroyed(place) == []
    assert place.make("tf-destroy", ROOT="30-apps", CONFIRM="sluice-demo").status == 0
    assert destroyed(place) == [*_OBJECTS, *_PODS, "30-apps"]


def test_what_aws_still_has_is_told(place: Place) -> None:
    place.answer("get-resources", out="arn:aws:ec2:us-east-2:123456789012:volume/vol-0a1b\n")
    done = place.make("shutdown-all", CONFIRM="sluice-demo")
    assert done.status == 0, done.err
    assert "volume/vol-0a1b" in done.out


def test_a_region_is_chosen_with_zones_that_have_the_machines(place: Place) -> None:
    place.answer("describe-instance-type-offerings", "eu-west-1", out="eu-west-1c eu-west-1a eu-west-1b\n")
    done = place.make("region-set", REGION="eu-west-1")
    assert done.status == 0, done.err
    said = (place.folder / _ENV / "10-platform/region.auto.tfvars").read_text()
    assert 'availability_zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]' in said
    known = said_in_files(place.folder / _ENV / "10-platform")
    assert known == {"region": "eu-west-1", "llm_zone": "eu-west-1a"}
    assert place.make("k8s-config").status == 0
    assert "aws eks update-kubeconfig --region eu-west-1 --name sluice-demo --alias sluice-demo" in place.lines
    place.git("diff", "--exit-code")  # a choice of this machine's, in no commit


def test_the_variable_files_of_terraform_name_cluster_and_region(place: Place) -> None:
    (place.folder / _ENV / "10-platform/terraform.tfvars").write_text('name   = "other" # ours\nregion = "eu-west-3"\n')
    done = place.make("k8s-config", DRY_RUN="1")
    wanted = "aws eks update-kubeconfig --region eu-west-3 --name other --alias other"
    assert " ".join(done.shown[0]) == wanted


def test_a_region_is_not_changed_under_a_platform_that_stands(place: Place) -> None:
    (place.folder / _ENV / "10-platform/.terraform").mkdir()
    done = place.make("region-set", REGION="eu-west-1")
    assert done.status != 0
    assert "stands in us-east-2" in done.err
    place.answer("10-platform output -json", out=outputs({**PLATFORM, "region": "eu-west-1"}))
    place.answer("describe-instance-type-offerings", "eu-west-1", out="eu-west-1a eu-west-1b\n")
    assert place.make("region-set", REGION="eu-west-1").status == 0


def test_a_region_without_enough_zones_is_refused(place: Place) -> None:
    place.answer("describe-instance-type-offerings", out="us-west-1a\n")
    assert "EKS wants two" in place.make("region-set", REGION="us-west-1").err
    place.answer("describe-instance-type-offerings", status=254, err="Could not connect to the endpoint URL\n")
    assert "Could not connect" in place.make("region-set", REGION="mars-1").err


def test_region_status_tells_what_each_of_them_means(place: Place) -> None:
    done = place.make_with({"AWS_REGION": "eu-west-1"}, "region-status")
    assert done.status == 0, done.err
    assert "Terraform   us-east-2, cluster sluice-demo" in done.out
    assert "AWS_REGION eu-west-1: not followed" in done.out
    assert "clusters    sluice-demo in us-east-2" in done.out
    assert "kubectl     arn:aws:eks:us-east-2" in done.out
