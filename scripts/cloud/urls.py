"""The address of the chat service: waits for the balancer, prints it with examples.

AWS makes a balancer some minutes after the Service or Ingress, and names it by hostname; other clouds by address.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.cloud import cluster
from scripts.cloud.running import Deadline, Stop, say
from scripts.cloud.session import Session

SERVICE = "chat-api-service"
_CERTIFICATE = "alb.ingress.kubernetes.io/certificate-arn"
_STAND_IN = {
    "kind": "Service",
    "metadata": {"name": SERVICE},
    "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    "status": {"loadBalancer": {"ingress": [{"hostname": "<balancer>"}]}},
}


def chat_url(session: Session) -> str:
    """Raises Stop where there is no balancer, or none with an address within the deadline."""
    deadline = Deadline(session.wishes.deadline)
    told = False
    while True:
        items = _asked(session, quietly=told)
        found = next(_addresses(items), "")
        if found:
            return found
        if items is not None and not any(_is_balanced(each) for each in items):
            raise Stop(
                f"Nothing of namespace {session.wishes.namespace} stands behind a balancer: {SERVICE} is neither a "
                "Service of type LoadBalancer nor an Ingress.",
                "make tf-apply ROOT=30-apps, with lb_mode classic, nlb or alb; make k8s-status shows what is there.",
            )
        if deadline.over:
            raise Stop(
                f"{SERVICE} has no address after {deadline.seconds:.0f} s.\n{_why(session)}",
                "make k8s-get-urls asks again; with nlb or alb, look whether the controller runs: "
                "kubectl -n kube-system get pods.",
            )
        if not told:
            say("Waiting for the balancer's address ...")
            told = True
        session.runner.pause(session.wishes.poll)


def urls(session: Session) -> None:
    """`make k8s-get-urls`."""
    url = chat_url(session)
    namespace = session.wishes.namespace
    forward = shlex.join(cluster.kubectl(session, "port-forward", "service/inference", "8000:8000"))
    say(f"""
chat       {url}
  page     {url}/
  health   curl {url}/health
  ready    curl {url}/ready
  ask      curl {url}/triage -H "Authorization: Bearer $SLUICE_API_KEY" -H 'Content-Type: application/json' \\
                -d '{{"patient_mrn": "P000123", "query": "Can I take ibuprofen?"}}'
inference  http://inference:8000, inside the namespace {namespace} alone; from here:
           {forward}
A balancer's name can take some minutes until every resolver knows it.""")


def _asked(session: Session, quietly: bool) -> Sequence[Mapping[str, Any]] | None:
    """Services and Ingresses; None where the API did not answer this time. Raises Stop for the first time."""
    command = cluster.kubectl(session, "get", "services,ingresses", "--output", "json")
    told = session.runner.ask(*command, instead=json.dumps({"items": [_STAND_IN]}), quietly=quietly)
    if told.status == 0:
        items: list[Mapping[str, Any]] = json.loads(told.out)["items"]
        return [each for each in items if each["metadata"]["name"] == SERVICE]
    if not quietly:
        raise Stop(f"The cluster does not tell its services: {told.reason}", "make k8s-config, then this again.")
    return None


def _addresses(items: Sequence[Mapping[str, Any]] | None) -> Iterator[str]:
    """An Ingress before a Service of the same name, which then is only inside."""
    for each in sorted(items or (), key=lambda each: str(each["kind"])):
        for entry in each.get("status", {}).get("loadBalancer", {}).get("ingress") or ():
            name = entry.get("hostname") or entry.get("ip")
            if name:
                yield _url(each, str(name))


def _url(each: Mapping[str, Any], name: str) -> str:
    if each["kind"] == "Ingress":
        certified = _CERTIFICATE in each["metadata"].get("annotations", {})
        host = next((rule["host"] for rule in each.get("spec", {}).get("rules", ()) if rule.get("host")), name)
        return f"{'https' if certified else 'http'}://{host}"
    port = next((entry["port"] for entry in each["spec"]["ports"]), 80)
    return f"http://{name}" if port == 80 else f"http://{name}:{port}"


def _is_balanced(each: Mapping[str, Any]) -> bool:
    return bool(each["kind"] == "Ingress" or each["spec"].get("type") == "LoadBalancer")


def _why(session: Session) -> str:
    selector = f"involvedObject.name={SERVICE},type=Warning"
    told = session.runner.ask(
        *cluster.kubectl(session, "get", "events", "--field-selector", selector, "--output", "json"), quietly=True
    )
    said = json.loads(told.out)["items"] if told.status == 0 and told.out else []
    lines = [f"  {each['reason']}: {each['message']}" for each in said[-3:]]
    return "\n".join(lines) or "  No event says why."
