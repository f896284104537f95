"""The three roots: init, plan, apply, destroy, outputs, and what is handed from one to the next.

A fact is said once. What the platform knows (registry, bucket, kind of balancer) later roots get from its outputs and
not from files of their own; which of their variables that are, their variables.tf says.
"""

import json
import re
from collections.abc import Iterable, Mapping

from scripts.cloud.running import Stop
from scripts.cloud.session import Session
from scripts.cloud.tfvars import declared
from scripts.cloud.wishes import ROOTS

PLATFORM, ADDONS, APPS = ROOTS

#: Variable of a later root to output, by the root that says it.
HANDED: Mapping[str, Mapping[str, str]] = {
    PLATFORM: {
        "cluster_name": "cluster_name",
        "region": "region",
        "registry": "registry",
        "s3_bucket": "bucket",
        "llm_zone": "llm_zone",
        "vpc_id": "vpc_id",
        "lb_mode": "lb_mode",
        "kafka_mode": "kafka_mode",
        "kafka_bootstrap_servers": "msk_bootstrap_servers",
    },
    ADDONS: {"prometheus_address": "prometheus_url", "prometheus_namespace": "monitoring_namespace"},
}

_LOCK = "-lock-timeout=60s"  #: somebody else's apply is waited for a moment


def selected(session: Session) -> tuple[str, ...]:
    return (session.wishes.root,) if session.wishes.root else ROOTS


def terraform(session: Session, root: str, *arguments: str) -> tuple[str, ...]:
    return ("terraform", f"-chdir={session.wishes.root_path(root)}", *arguments)


def init(session: Session, root: str) -> None:
    """Raises Stop."""
    has_backend(session, root)
    session.runner.run(*terraform(session, root, "init", "-input=false", *session.wishes.init_args))


def has_backend(session: Session, root: str) -> None:
    """Raises Stop where nobody has said in which bucket the state lies."""
    folder = session.wishes.root_path(root)
    wanted = [argument.removeprefix("-backend-config=") for argument in session.wishes.init_args]
    absent = [file for file in wanted if file.endswith(".hcl") and not (folder / file).is_file()]
    if absent and not session.wishes.dry_run:
        raise Stop(
            f"There is no {folder / absent[0]}: it names the bucket of the state.",
            f"Copy {folder}/backend.hcl.example to it and fill it in (infra/terraform/README.md, First deployment).",
        )


def outputs(session: Session, root: str, expected: bool = True) -> dict[str, object]:
    """What a root says; nothing where it was never applied. In a dry run stand-ins, if `expected`. Raises Stop."""
    names = {*HANDED.get(root, {}).values(), *({"deployments"} if root == APPS else ())}
    stand_ins = {name: {"value": _stand_in(session, name)} for name in names} if expected else {}
    told = session.runner.ask(*terraform(session, root, "output", "-json"), instead=json.dumps(stand_ins))
    if told.status != 0:
        raise Stop(f"Terraform does not say what {root} has put out: {told.reason}", f"make tf-init ROOT={root}")
    return {name: output["value"] for name, output in json.loads(told.out or "{}").items()}


def _stand_in(session: Session, name: str) -> str:
    return session.wishes.region if name == "region" else f"<{name}>"


def platform(session: Session, expected: bool = True) -> dict[str, object]:
    """The platform's outputs. Raises Stop where it stands in another region: an apply would replace all of it."""
    said = outputs(session, PLATFORM, expected)
    if said.get("region", session.wishes.region) != session.wishes.region:
        raise Stop(
            f"This state's platform stands in {said['region']}, and Terraform's files mean {session.wishes.region}.",
            f"make region-set REGION={said['region']}; for a second platform take another `key` in backend.hcl.",
        )
    return said


def handed(session: Session, root: str, *said: tuple[str, Mapping[str, object]]) -> dict[str, str]:
    """Variables of `root` that earlier roots' outputs answer, and how the cluster is reached."""
    known = declared(session.wishes.root_path(root))
    values = {
        variable: str(outputs[output])
        for earlier, outputs in said
        for variable, output in HANDED[earlier].items()
        if outputs.get(output)
    }
    values |= {"kubeconfig_context": session.wishes.context, "kubeconfig": session.wishes.kubeconfig}
    return {name: value for name, value in values.items() if name in known and value}


def variables(values: Mapping[str, str]) -> list[str]:
    return [part for name in sorted(values) for part in ("-var", f"{name}={values[name]}")]


def plan(session: Session, root: str, values: Mapping[str, str]) -> None:
    session.runner.run(*terraform(session, root, "plan", "-input=false", _LOCK, *variables(values)))


def apply(session: Session, root: str, values: Mapping[str, str], unasked: bool) -> None:
    """Asks before it changes anything, unless it is to go `unasked`. Raises Stop."""
    session.runner.run(*terraform(session, root, "apply", *_asking(unasked), _LOCK, *variables(values)))


def destroy(session: Session, root: str, values: Mapping[str, str]) -> None:
    """Without a question: whoever calls this has asked. Raises Stop."""
    session.runner.run(*terraform(session, root, "destroy", *_asking(True), _LOCK, *variables(values)))


def resources(session: Session, root: str) -> list[str]:
    """Addresses of what a root's state holds; none where it was never applied or never initialised here."""
    told = session.runner.ask(*terraform(session, root, "state", "list"), instead="<resource>")
    if told.status != 0 and "No state file" not in told.err:
        raise Stop(f"Terraform does not say what {root} holds: {told.reason}", f"make tf-init ROOT={root}")
    return told.out.split()


def is_said(session: Session, root: str, variable: str) -> bool:
    """Does one of the root's own files set it?"""
    folder = session.wishes.root_path(root)
    files = [folder / "terraform.tfvars", *folder.glob("*.auto.tfvars")]
    return any(re.search(rf"^\s*{variable}\s*=", file.read_text(), re.MULTILINE) for file in files if file.is_file())


def missing_outputs(said: Mapping[str, object], names: Iterable[str]) -> list[str]:
    return [name for name in names if not said.get(name)]


def _asking(unasked: bool) -> tuple[str, ...]:
    return ("-input=false", "-auto-approve") if unasked else ()
