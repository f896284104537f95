"""`make load`: a load profile against a pair of services on loopback, or against `--target`, ending in a verdict.

What is asked and what must hold stands in `locust/` (docs/load.md). This file gives it somebody to talk to, the
default bundle with claims on a broker in memory and the chat service with a tiny model, and passes its verdict on.
"""

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from inference_container.defaults import default_data_path
from scripts.houses import ROOT, end_on_signals, free_port, running, until_ready
from scripts.tour import TourFailed

LOCUSTFILE = ROOT / "locust" / "locustfile.py"
BUCKET, KEY = "processed-data", "test_processed_data.parquet"
#: Rows of the object that claims point at and downloads fetch.
_ROWS = 120
#: Names of the load that a service refuses.
_NOT_FOR_SERVICES = ("PREDICT_PAYLOAD_MODE", "GATEWAY_BASE")
#: Names that would send the load elsewhere than to the pair or the target; an empty one would be an address for Locust.
_ELSEWHERE = ("PREDICT_URL", "TARGET_HOST", "LOCUST_DEFAULT_HOST", "LOCUST_HOST")


def chat_model(scratch: Path) -> Mapping[str, str]:
    """A model for the chat service: the caller's own, else a tiny one in the real engine.

    The load judges the door, the queue and the hand-off; a large model would only make the run longer.
    """
    if os.environ.get("GGUF_PATH") or os.environ.get("LLM_MODE"):
        return {}
    from tests.models.tiny_gguf import build_tiny_gguf, form_of

    # As grave as the questions are beside any of the records: a form below what the rules hold is none.
    reply = form_of("Drink water, rest, and call if it gets worse.", "urgent")
    return {"GGUF_PATH": str(build_tiny_gguf(scratch / "tiny.gguf", "script", reply=reply))}


def forecast_settings(scratch: Path, token: str) -> Mapping[str, str]:
    """The default bundle, claims and downloads; a broker in memory and a folder, where the environment names none."""
    settings = {
        "BUNDLE_PATH": os.environ.get("BUNDLE_PATH") or "default",
        "USE_KAFKA": "1",
        "ENABLE_PUBLISH_API": "1",
        "ADMIN_TOKEN": token,
        "PROCESSED_BUCKET": BUCKET,
        "TEST_OBJECT_KEY": KEY,
        "DOWNLOAD_BUCKETS": BUCKET,
        "INFERENCE_AUTOLOAD_PROMOTED": "0",
        **dict.fromkeys(_NOT_FOR_SERVICES, ""),
    }
    if not os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        settings["KAFKA_BOOTSTRAP_SERVERS"] = "memory"
    if not (os.environ.get("S3_ENDPOINT") or os.environ.get("MINIO_ENDPOINT")):
        objects = scratch / "objects"
        (objects / BUCKET).mkdir(parents=True)
        pd.read_csv(default_data_path()).tail(_ROWS).to_parquet(objects / BUCKET / KEY, index=False)
        settings["STORE_PATH"] = str(objects)
    return settings


def main(arguments: Sequence[str]) -> int:
    """Returns Locust's status: 0 when everything held, 1 when something did not, 2 when the environment is wrong."""
    asked = _parser().parse_args(arguments)
    if asked.target:
        return _locust(asked, {"TARGET_HOST": asked.target, "CHAT_URL": asked.chat or os.environ.get("CHAT_URL", "")})
    end_on_signals()
    try:
        with ExitStack() as houses:
            scratch = Path(houses.enter_context(tempfile.TemporaryDirectory(prefix="sluice-load-")))
            return _locust(asked, _pair(houses, scratch, asked.plant))
    except TourFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _pair(houses: ExitStack, scratch: Path, plant: bool) -> Mapping[str, str]:
    """Starts both services; they end with `houses`. Returns what Locust has to know of them."""
    token, port, chat_port = secrets.token_urlsafe(16), free_port(0), free_port(0)
    module = ("tests.load.planted",) if plant else ("inference_container", "serve")
    settings = {"INFERENCE_API_PORT": str(port), **forecast_settings(scratch, token)}
    forecast = houses.enter_context(running("forecast service", module, port, settings, scratch))
    settings = {"CHAT_API_PORT": str(chat_port), **chat_model(scratch), **dict.fromkeys(_NOT_FOR_SERVICES, "")}
    chat = houses.enter_context(running("chat service", ("service_chat",), chat_port, settings, scratch))
    for house, other in ((forecast, chat), (chat, forecast)):
        until_ready(house, (other,), print)
    return {"TARGET_HOST": forecast.url, "CHAT_URL": chat.url, "ADMIN_TOKEN": token, "GATEWAY_BASE": ""}


def _locust(asked: argparse.Namespace, environ: Mapping[str, str]) -> int:
    profile = asked.profile or os.environ.get("PROFILE") or "smoke"
    print(f"\n== load `{profile}` on {environ['TARGET_HOST']}", flush=True)
    # Its statistics are ours to print, its own log would only repeat them.
    command = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--loglevel", "WARNING"]
    command += [] if asked.page else ["--headless", "--only-summary"]
    command += ["--processes", str(asked.workers)] if asked.workers else []
    command += ["--run-time", asked.time] if asked.time else []
    kept = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    wished = {**kept, **environ, "PROFILE": profile}
    # A process of its own: locust replaces the standard library's sockets by gevent's.
    return subprocess.run(command, cwd=ROOT, env=wished, stdin=subprocess.DEVNULL, check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.load", description="A load profile with a verdict.")
    parser.add_argument("--profile", help="one of docs/load.md; default: PROFILE, else smoke")
    parser.add_argument("--target", help="URL of a forecast service, in place of a pair on loopback")
    parser.add_argument("--chat", help="URL of a chat service beside --target")
    parser.add_argument("--workers", type=int, default=0, help="Locust processes that make the load beside a master")
    parser.add_argument("--time", help="in place of the profile's, like 10s")
    parser.add_argument("--page", action="store_true", help="Locust's page on port 8089 instead of a run at once")
    parser.add_argument(
        "--plant", action="store_true", help="a service with 300 ms of sleep in its hot path: must fail"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
