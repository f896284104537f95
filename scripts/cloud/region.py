"""Which region is meant, and choosing another: `region-status` and `region-set`.

A region is more than its name: its zones come with it, and not every zone has the model's machines. So choosing one
writes all three where Terraform reads them, and nothing else is asked for a region.
"""

import json
import os

from scripts.cloud import terraform
from scripts.cloud.running import Stop, say
from scripts.cloud.session import Session
from scripts.cloud.tfvars import REGION_FILE, value_of

_MACHINE = "c6i.xlarge"  #: of both node groups, by default
_ZONES = 3


def status(session: Session) -> None:
    """`make region-status`: what each of them means, so that a difference is seen."""
    wishes = session.wishes
    root = wishes.root_path(terraform.PLATFORM)
    chosen = root / REGION_FILE
    say(f"Terraform   {wishes.region}, cluster {wishes.cluster} ({chosen if chosen.is_file() else root})")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if os.environ.get(name, wishes.region) != wishes.region:
            say(f"{name} {os.environ[name]}: not followed here, every command says {wishes.region} itself")
    listed = session.runner.ask(
        *("aws", "eks", "list-clusters", "--region", wishes.region, "--query", "clusters", "--output", "text")
    )
    there = listed.out.split()
    say(
        f"clusters    {', '.join(there) or 'none'} in {wishes.region}"
        if listed.status == 0
        else f"aws         {listed.reason}"
    )
    known = session.runner.ask(
        *("kubectl", "config", "view", "--minify", *(("--context", wishes.context) if wishes.context else ())),
        *("--output", "jsonpath={.contexts[0].context.cluster}"),
    )
    say(f"kubectl     {known.out.strip() if known.status == 0 else 'does not know it: make k8s-config'}")


def choose(session: Session) -> None:
    """`make region-set REGION=…`. Raises Stop where the region is none, is not enabled, or the platform stands."""
    region, root = session.wishes.wanted_region, session.wishes.root_path(terraform.PLATFORM)
    if not region:
        raise Stop("REGION is missing.", "make region-set REGION=eu-west-1")
    if (root / ".terraform").is_dir():
        stands = terraform.outputs(session, terraform.PLATFORM, expected=False).get("region", region)
        if stands != region:
            raise Stop(
                f"A platform stands in {stands}: an apply from {region} would destroy it to build another.",
                "make tf-destroy first; or keep both, by another `key` in backend.hcl and `make tf-init`.",
            )
    zones = _zones(session, region)
    name = value_of(root, "name", "sluice-demo")
    words = "\n".join(
        (
            "# Written by `make region-set`; it wins over terraform.tfvars.",
            f'region             = "{region}"',
            f"availability_zones = {json.dumps(zones)}",
            f'llm_zone           = "{zones[0]}"',
        )
    )
    if session.wishes.dry_run:
        say(f"# would write {root / REGION_FILE}:\n{words}")
        return
    (root / REGION_FILE).write_text(words + "\n")
    say(f"{name} is meant for {region} now, zones {', '.join(zones)} ({root / REGION_FILE}).")
    say("The state's bucket may stay where it is: backend.hcl has a region of its own.")


def _zones(session: Session, region: str) -> list[str]:
    """Up to three that have the machines. Raises Stop where fewer than two do: EKS wants two."""
    told = session.runner.ask(
        *("aws", "ec2", "describe-instance-type-offerings", "--region", region),
        *("--location-type", "availability-zone", "--filters", f"Name=instance-type,Values={_MACHINE}"),
        *("--query", "InstanceTypeOfferings[].Location", "--output", "text"),
        instead=f"{region}a {region}b {region}c",
    )
    if told.status != 0:
        raise Stop(
            f"AWS does not know {region} for this account: {told.reason}", "aws ec2 describe-regions lists them."
        )
    zones = sorted(told.out.split())[:_ZONES]
    if len(zones) < 2:
        raise Stop(f"Fewer than two zones of {region} have {_MACHINE}, and EKS wants two.", "Take another region.")
    return zones
