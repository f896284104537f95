"""What the operator says, read once from the environment: make hands on what stands on its command line.

Cluster and region have one source, Terraform's variable files; CLUSTER and REGION may repeat them, to be sure, and
are refused when they differ. Everything else has a default here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.cloud.running import Stop
from scripts.cloud.tfvars import REGION_FILE, value_of

PROGRAMS = ("aws", "docker", "terraform", "kubectl", "git")
ROOTS = ("10-platform", "20-addons", "30-apps")
DEPLOYMENTS = ("chat-api", "inference", "inference-claims")
_SHORT = {"chat": "chat-api", "claims": "inference-claims"}


@dataclass(frozen=True, slots=True)
class Wishes:
    """One command's settings. Durations are seconds."""

    env: str  #: ENV: folder below infra/terraform/envs
    cluster: str
    region: str
    namespace: str
    context: str  #: KUBE_CONTEXT: context of the kubeconfig; empty: its current one
    kubeconfig: str  #: KUBECONFIG, its first file; empty: kubectl's own default
    dry_run: bool
    deadline: float  #: DEADLINE: how long a rollout, or an address, is waited for
    patience: float  #: PATIENCE: how long a pod may stand in its way before that counts as the end
    poll: float  #: POLL
    image_tag: str  #: IMAGE_TAG: empty: the checkout's
    allow_dirty: bool  #: ALLOW_DIRTY
    build_args: tuple[str, ...]  #: DOCKER_BUILD_ARGS
    init_args: tuple[str, ...]  #: TF_INIT_ARGS
    auto_approve: bool  #: AUTO_APPROVE
    root: str  #: ROOT: one of ROOTS, or empty for all
    app: str  #: APP: a Deployment, or empty for all
    replicas: str  #: REPLICAS
    revision: str  #: REVISION
    tail: int  #: TAIL
    follow: bool  #: FOLLOW
    confirm: str  #: CONFIRM
    wanted_region: str  #: REGION as it was said
    programs: Mapping[str, str]

    def root_path(self, root: str) -> Path:
        return envs(self.env) / root


def envs(env: str) -> Path:
    return Path("infra/terraform/envs") / env


def read_wishes(said: Mapping[str, str], choosing_region: bool = False) -> Wishes:
    """Raises Stop for a value that can not be meant."""
    env = said.get("ENV") or "demo"
    platform = envs(env) / ROOTS[0]
    cluster, region = value_of(platform, "name", "sluice-demo"), value_of(platform, "region", "us-east-2")
    _same(said, "CLUSTER", cluster, f'name = "…" in {platform}/terraform.tfvars')
    if not choosing_region:
        _same(said, "REGION", region, f"make region-set REGION={said.get('REGION')}, which writes {REGION_FILE}")
    return Wishes(
        env=env,
        cluster=cluster,
        region=region,
        namespace=said.get("NAMESPACE") or "sluice",
        context=said.get("KUBE_CONTEXT", cluster),
        kubeconfig=(said.get("KUBECONFIG") or "").split(":")[0],
        dry_run=_flag(said, "DRY_RUN"),
        deadline=seconds(said.get("DEADLINE") or "600s", "DEADLINE"),
        patience=seconds(said.get("PATIENCE") or "60s", "PATIENCE"),
        poll=seconds(said.get("POLL") or "2s", "POLL"),
        image_tag=said.get("IMAGE_TAG") or "",
        allow_dirty=_flag(said, "ALLOW_DIRTY"),
        build_args=tuple((said.get("DOCKER_BUILD_ARGS") or "").split()),
        init_args=tuple(said.get("TF_INIT_ARGS", "-backend-config=backend.hcl").split()),
        auto_approve=_flag(said, "AUTO_APPROVE"),
        root=_root(said.get("ROOT") or ""),
        app=_app(said.get("APP") or ""),
        replicas=said.get("REPLICAS") or "",
        revision=_number(said, "REVISION"),
        tail=int(_number(said, "TAIL") or 200),
        follow=_flag(said, "FOLLOW"),
        confirm=said.get("CONFIRM") or "",
        wanted_region=said.get("REGION") or "",
        programs={name: said[name.upper()] for name in PROGRAMS if said.get(name.upper())},
    )


def seconds(text: str, name: str) -> float:
    """`90`, `90s`, `10m` or `1h`. Raises Stop."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", text.strip())
    if found is None:
        raise Stop(f"{name}={text} is no duration.", f"Say it as in {name}=90s or {name}=10m.")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"]


def _same(said: Mapping[str, str], name: str, meant: str, where: str) -> None:
    if said.get(name) and said[name] != meant:
        raise Stop(f"{name} is {said[name]}, but Terraform's files mean {meant}.", f"To change it: {where}.")


def _flag(said: Mapping[str, str], name: str) -> bool:
    return (said.get(name) or "0").lower() not in ("0", "false", "no")


def _number(said: Mapping[str, str], name: str) -> str:
    value = said.get(name) or ""
    if value and not value.isdecimal():
        raise Stop(f"{name}={value} is no number.")
    return value


def _root(said: str) -> str:
    found = [root for root in ROOTS if said and said in (root, *root.split("-"))]
    if said and not found:
        raise Stop(f"ROOT={said} is none of {', '.join(ROOTS)}.")
    return found[0] if found else ""


def _app(said: str) -> str:
    app = _SHORT.get(said, said)
    if app and app not in DEPLOYMENTS:
        raise Stop(f"APP={said} is none of {', '.join(DEPLOYMENTS)}.")
    return app
