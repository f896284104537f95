"""`python3 -m scripts.cloud VERB`: what `make` calls. Status 1 comes with what happened and what to do next."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from scripts.cloud import (
    cluster,
    deploy,
    nodes,
    programs,
    region,
    registry,
    roots,
    teardown,
    urls,
    workloads,
)
from scripts.cloud.running import Runner, Stop, say
from scripts.cloud.session import Session
from scripts.cloud.wishes import read_wishes

Verb = Callable[[Session], None]


def _login(session: Session) -> None:
    registry.login(session, programs.account(session))


def _push(session: Session, key: str) -> None:
    registry.push_verb(session, key, programs.account(session))


def _urls(session: Session) -> None:
    cluster.is_configured(session)
    urls.urls(session)


def _config(session: Session) -> None:
    cluster.configure(session)
    cluster.answers(session)
    if not session.wishes.dry_run:
        say(f"kubectl --context {session.wishes.context} speaks to {session.wishes.cluster}.")


def _spin_up(session: Session) -> None:
    """Nodes that were away; where the whole was destroyed, the whole again."""
    programs.account(session)
    try:
        nodes.spin_up(session)
    except cluster.NoCluster as absent:
        say(f"{absent.words} So all of it is made.")
        deploy.deploy(session)


def _destroy(session: Session) -> None:
    programs.account(session)
    teardown.destroy(session)


def _shutdown_nodes(session: Session) -> None:
    programs.account(session)
    nodes.shutdown(session)


def _ask(session: Session, where: str) -> None:
    from scripts.cloud import triage  # here, because HTTP takes longer to import than all the rest

    {"local": triage.local, "cloud": triage.cloud}[where](session)


def _choose_region(session: Session) -> None:
    programs.account(session)
    region.choose(session)


#: Verb to what it does and the programs it needs.
VERBS: Mapping[str, tuple[Verb, tuple[str, ...]]] = {
    "deploy": (deploy.deploy, ()),  # looks for its own
    "deploy-chat": (partial(deploy.deploy_one, key="chat"), ()),
    "deploy-inference": (partial(deploy.deploy_one, key="inference"), ()),
    "ecr-login": (_login, ("aws", "docker")),
    "docker-build-chat": (partial(registry.build_verb, key="chat"), ("docker",)),
    "docker-build-inference": (partial(registry.build_verb, key="inference"), ("docker",)),
    "docker-push-chat": (partial(_push, key="chat"), ("aws", "docker")),
    "docker-push-inference": (partial(_push, key="inference"), ("aws", "docker")),
    "tf-init": (roots.init, ("terraform",)),
    "tf-plan": (roots.plan, ("terraform", "kubectl")),
    "tf-apply": (roots.apply, ("terraform", "kubectl")),
    "tf-destroy": (_destroy, ("aws", "terraform", "kubectl")),
    "k8s-config": (_config, ("aws", "kubectl")),
    "k8s-status": (workloads.status, ("kubectl",)),
    "k8s-get-urls": (_urls, ("kubectl",)),
    "k8s-logs": (workloads.logs, ("kubectl",)),
    "k8s-logs-errors": (workloads.errors, ("kubectl",)),
    "k8s-scale": (workloads.scale, ("kubectl",)),
    "k8s-restart": (workloads.restart, ("kubectl",)),
    "k8s-rollback": (workloads.rollback, ("kubectl",)),
    "k8s-history": (workloads.history, ("kubectl",)),
    "shutdown-nodes": (_shutdown_nodes, ("aws",)),
    "spinup-all": (_spin_up, ("aws", "kubectl")),
    "shutdown-all": (_destroy, ("aws", "terraform", "kubectl")),
    "region-status": (region.status, ("aws", "kubectl")),
    "region-set": (_choose_region, ("aws",)),
    "test-triage-local": (partial(_ask, where="local"), ()),
    "test-triage-cloud": (partial(_ask, where="cloud"), ("kubectl",)),
}


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in VERBS:
        print(f"usage: python3 -m scripts.cloud {' | '.join(VERBS)}", file=sys.stderr)
        return 2
    verb, needed = VERBS[arguments[0]]
    try:
        wishes = read_wishes(os.environ, choosing_region=arguments[0] == "region-set")
        session = Session(wishes, Runner(wishes.dry_run, wishes.programs))
        programs.need(session, *needed)
        verb(session)
    except Stop as stop:
        print(f"\nStopped: {stop.words}", file=sys.stderr)
        if stop.then:
            print(f"Next: {stop.then}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped by hand. The same command goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
