"""`make load`: a bounded Locust profile against one service on loopback, ending in a verdict.

The profiles are `locust/chat.py` and `locust/inference.py`; they hold the limits and can be run against any address by
hand. This file gives them a service to talk to and passes their verdict on as its exit status.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from scripts.loopback import ROOT, Name, ServiceFailed, running


def model_environment(scratch: Path) -> dict[str, str]:
    """A model for the chat service: the caller's own, else a tiny one in the real engine.

    The profile judges the door, the queue and the hand-off; a large model would only make the run longer.
    """
    if os.environ.get("GGUF_PATH") or os.environ.get("LLM_MODE"):
        return {}
    from tests.models.tiny_gguf import build_tiny_gguf, form_of

    # As grave as the profile's questions are beside any of its records: a form below what the rules hold is none.
    reply = form_of("Drink water, rest, and call if it gets worse.", "urgent")
    model = build_tiny_gguf(scratch / "tiny.gguf", "script", reply=reply)
    return {"GGUF_PATH": str(model)}


def main(arguments: Sequence[str]) -> int:
    """Returns Locust's status: 0 when every limit held, 1 when one did not."""
    name: Name = "chat" if arguments == ["chat"] else "inference"
    if list(arguments) not in [[choice] for choice in get_args(Name)]:
        print(f"usage: python -m scripts.load {'|'.join(get_args(Name))}", file=sys.stderr)
        return 2
    users, seconds = os.environ.get("LOAD_USERS", "8"), os.environ.get("LOAD_SECONDS", "10")
    print(f"\n== load on {name}: {users} users for {seconds} s", flush=True)
    profile = ["--headless", "--only-summary", "--users", users, "--spawn-rate", users, "--run-time", f"{seconds}s"]
    # Its statistics are ours to print, its own log would only repeat them.
    quiet = ["--locustfile", str(ROOT / "locust" / f"{name}.py"), "--loglevel", "WARNING", "--stop-timeout", "20"]
    try:
        with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
            environ = model_environment(Path(scratch)) if name == "chat" else {}
            with running(name, environ) as service:
                # A process of its own: locust replaces the standard library's sockets by gevent's.
                locust = [sys.executable, "-m", "locust", *quiet, *profile, "--host", service.url]
                return subprocess.run(locust, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode
    except ServiceFailed as failure:
        print(failure, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
