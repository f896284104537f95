"""`make images-accept`: both images built for real, started as user 10001, asked, and looked over.

IMAGE_BUILDER is a program that is called with name, Dockerfile, context and arguments of `buildah bud`. Of each image
it must be true that it

- has HEALTHCHECK, a command as a list and user 10001, and all its processes run as that user;
- answers its health path and one real request: the chat with SmolLM2, which it fetches into its volume, its answer
  checked as `make demo` checks it; the forecast with the default bundle, compared with a recomputation here;
- has changed nothing but its declared writable paths when it ended by SIGTERM, by a listing of all files before and
  after;
- does the same on a root that is mounted read-only.

Status 1 comes with a sentence. The first build compiles llama.cpp; later ones find its wheel.
"""

import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console

from scripts.demo import CACHE
from scripts.image_box import (
    ROOT,
    Unacceptable,
    build,
    changed,
    container,
    healthcheck,
    listing,
    look_at,
    owners,
    size_of,
    started,
    started_read_only,
    under,
    wait_until,
)
from scripts.tour import TourFailed, forecast_tour, triage_tour
from service_chat.models.manifest import SMALL_MODEL
from service_chat.models.store import ModelStore
from serving.errors import SluiceError

_UID = 10001
_READY_WITHIN_S = 180.0
LOGS = ROOT / "var" / "images"
_MODELS = "/mnt"  #: where a read-only root has the folder of models

console = Console(highlight=False, width=120)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One image: how it is built, and how one finds out that it works."""

    name: str
    dockerfile: str
    arguments: tuple[str, ...]
    health: str
    port_name: str
    port: int
    settings: Mapping[str, str]
    read_only_settings: Mapping[str, str]
    ask: Callable[[str], None]


def main(arguments: Sequence[str]) -> int:
    builder = Path(os.environ.get("IMAGE_BUILDER") or "absent")
    if not builder.is_file():
        print("No IMAGE_BUILDER: set it to a program that builds images by buildah.", file=sys.stderr)
        return 1
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        print("This starts images without a container engine, which takes root and unshare.", file=sys.stderr)
        return 1
    try:
        model = ModelStore(CACHE).fetch(SMALL_MODEL, lambda phase, done, total: None)
        with served(model.path.parent) as address:
            every = (chat(f"{address}/{model.path.name}", model.path.name, model.sha256), inference())
            for wanted in every:
                if not arguments or wanted.name in arguments:
                    accept(builder.resolve(), wanted, model.path.parent)
    except (Unacceptable, TourFailed, SluiceError, httpx.HTTPError) as error:
        print(f"\nNot acceptable: {error}\nWhat it said is in {LOGS.relative_to(ROOT)}.", file=sys.stderr)
        return 1
    return 0


def chat(address: str, file: str, sha256: str) -> Wanted:
    asked = {"MODEL_SHA256": sha256, "ALLOW_UNAUTHENTICATED": "1", "GGUF_MAX_TOKENS": "120"}
    return Wanted(
        *("sluice-chat", "docker/chat.Dockerfile", (), "/health", "CHAT_API_PORT", 8002),
        {**asked, "MODEL_SOURCE": address},
        {**asked, "GGUF_PATH": f"{_MODELS}/{file}"},
        lambda url: triage_tour(url, sha256, console),
    )


def inference() -> Wanted:
    return Wanted(
        *("sluice-inference", "docker/inference.Dockerfile", ("--target", "serving"), "/healthz"),
        *("INFERENCE_API_PORT", 8000, {}, {}),
        lambda url: forecast_tour(url, console),
    )


def accept(builder: Path, wanted: Wanted, models: Path) -> None:
    """Raises Unacceptable, TourFailed."""
    begun = time.monotonic()
    build(builder, wanted.name, wanted.dockerfile, ("--build-arg", f"REVISION={revision()}", *wanted.arguments))
    console.rule(f"{wanted.name}: built in {time.monotonic() - begun:.0f} s")
    image = look_at(wanted.name)
    if image.user != f"{_UID}:{_UID}":
        raise Unacceptable(f"its user is {image.user!r} and not {_UID}")
    LOGS.mkdir(parents=True, exist_ok=True)
    with container(image) as (name, root), (LOGS / f"{wanted.name}.log").open("wb") as log:
        # What the builder makes at a start (hosts, resolv.conf) is there before the listing.
        subprocess.run(["buildah", "run", name, "--", "true"], check=True, capture_output=True)
        before = listing(root)
        with started(name, image, {**wanted.settings, wanted.port_name: str(wanted.port)}, log) as process:
            answers(wanted, process, lambda: healthcheck(name, image))
        beside = [path for path in changed(before, listing(root)) if not under(path, image.writable)]
        if beside:
            raise Unacceptable(f"it wrote beside {' and '.join(image.writable)}: {', '.join(beside[:20])}")
        console.print(
            f"{wanted.name}: {size_of(before) / 1e6:.0f} MB in {len(before)} entries; none came, went or changed "
            f"but below {' and '.join(image.writable)}"
        )
        with started_read_only(root, image, settings_read_only(wanted), models, log) as process:
            answers(wanted, process, lambda: None)
        console.print(f"{wanted.name}: and the same on a root that is mounted read-only")


def settings_read_only(wanted: Wanted) -> Mapping[str, str]:
    return {**wanted.read_only_settings, wanted.port_name: str(wanted.port)}


def answers(wanted: Wanted, process: "subprocess.Popen[bytes]", check: Callable[[], None]) -> None:
    """Health, whose processes these are, and one real request."""
    url = f"http://127.0.0.1:{wanted.port}"
    with httpx.Client(trust_env=False, timeout=5, base_url=url) as client:
        wait_until(lambda: _is_ok(client, wanted.health), process, _READY_WITHIN_S)
        check()
        wait_until(lambda: _is_ok(client, "/ready"), process, _READY_WITHIN_S)
    uids = owners(process)
    if uids != {_UID}:
        raise Unacceptable(f"its processes run as {sorted(uids)}, not all as {_UID}")
    wanted.ask(url)


def _is_ok(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A web server on loopback, for an image that fetches its model."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def revision() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
