"""One question to the chat service, here or in the cloud: `test-triage-local` and `test-triage-cloud`."""

import json
import os
import shlex
import urllib.error
import urllib.request
from pathlib import Path

from scripts.cloud import cluster, urls
from scripts.cloud.running import Stop, say
from scripts.cloud.session import Session

_LOCAL = "http://localhost:8002"
_MRN, _QUERY = "P000123", "Can I take ibuprofen for my knee?"


def local(session: Session) -> None:
    """URL names another address than port 8002 here; the key is SLUICE_API_KEY's, or that of `make up`."""
    _ask(session, os.environ.get("URL") or _LOCAL, _key() or _key_of_the_street())


def cloud(session: Session) -> None:
    if os.environ.get("URL"):
        url = os.environ["URL"]
    else:
        cluster.is_configured(session)
        url = urls.chat_url(session)
    _ask(session, url, _key())


def _key() -> str:
    return os.environ.get("SLUICE_API_KEY", "")


def _key_of_the_street() -> str:
    file = Path(".env")
    lines = file.read_text().splitlines() if file.is_file() else []
    return next((line.partition("=")[2] for line in lines if line.startswith("SLUICE_API_KEY=")), "")


def _ask(session: Session, base: str, key: str) -> None:
    """Raises Stop unless it is answered, with an acuity, within the deadline."""
    url = f"{base.rstrip('/')}/triage"
    question = {"patient_mrn": os.environ.get("MRN") or _MRN, "query": os.environ.get("QUERY") or _QUERY}
    body = json.dumps(question)
    bearer = ("--header", "Authorization: Bearer $SLUICE_API_KEY") if key else ()
    session.runner.show("curl", url, *bearer, "--header", "Content-Type: application/json", "--data", body)
    if session.wishes.dry_run:
        return
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    answer = _answer(request, session.wishes.deadline)
    say(json.dumps(answer, indent=2, ensure_ascii=False))
    if not (isinstance(answer, dict) and answer.get("acuity") and answer.get("response")):
        raise Stop(f"{url} answered, but not as the chat service does.")


def _answer(request: urllib.request.Request, within: float) -> object:
    try:
        with urllib.request.urlopen(request, timeout=within) as reply:
            return json.loads(reply.read())
    except urllib.error.HTTPError as error:
        told = error.read().decode(errors="replace").strip()
        then = "SLUICE_API_KEY takes a key of docs/access.md." if error.code in (401, 403) else "make k8s-logs-errors"
        raise Stop(f"{request.full_url} answered {error.code}: {told}", then) from error
    except (OSError, ValueError) as error:
        reason = shlex.quote(str(getattr(error, "reason", error)))
        raise Stop(
            f"{request.full_url} does not answer: {reason}", "Is it up? make run-chat, or make k8s-status."
        ) from error
