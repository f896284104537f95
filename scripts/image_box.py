"""An image in a box: built by IMAGE_BUILDER, started without a container engine, listed from outside.

For `images_accept`, which says what is to be true. Needs root and buildah, whose chroot isolation serves where no
engine runs: the process sees the image as its root, under the image's own user, in the network of this machine.
"""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).parents[1]
#: What an entry of a listing says: mode, owner, group, size, time of writing, target of a link.
Entry = tuple[int, int, int, int, int, str]
Listing = Mapping[str, Entry]
_STOPPED_WITHIN_S = 60.0
#: Mounted or written by whoever starts the container, as root, before the image's process is there.
_NOT_OF_THE_IMAGE = ("/dev", "/proc", "/sys")
#: Programs of the builder that stand between us and the image's command.
_BUILDERS = ("buildah", "memfd:buildah")
_ENVIRONMENT = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
#: The root of the image is mounted as it will be in production: to read, but for the paths that follow it.
_READ_ONLY = """set -e
root=$1 user=$2; shift 2
mount --bind "$root" "$root"; mount -o remount,bind,ro "$root"
for path in $WRITABLE; do mount -t tmpfs -o mode=1777 tmpfs "$root$path"; done
mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
mount --bind "$MODELS" "$root/mnt"
exec chroot --userspec="$user" "$root" env -i "$@"
"""


class Unacceptable(Exception):
    """The image is not what was promised. The message is a sentence for whoever built it."""


@dataclass(frozen=True, slots=True)
class Image:
    name: str
    user: str
    command: tuple[str, ...]
    healthcheck: tuple[str, ...]
    environment: Mapping[str, str]
    #: Paths that it declares, and /tmp.
    writable: tuple[str, ...]


def build(builder: Path, name: str, dockerfile: str, arguments: Sequence[str]) -> None:
    """Raises Unacceptable with the end of what the builder said."""
    # In Docker's own format: OCI's knows no HEALTHCHECK, and the builder would leave it out.
    command = [str(builder), name, dockerfile, ".", "--layers", "--format", "docker", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    if done.returncode:
        raise Unacceptable(f"{dockerfile} can not be built: status {done.returncode}, see above")


def look_at(name: str) -> Image:
    said = json.loads(_buildah("inspect", "--type", "image", name))["Docker"]["config"]
    return Image(
        name,
        said["User"],
        tuple(said["Cmd"]),
        tuple(said.get("Healthcheck", {}).get("Test", ())[1:]),
        dict(each.split("=", 1) for each in said["Env"]),
        (*said.get("Volumes", {}), "/tmp"),
    )


@contextmanager
def container(image: Image) -> Iterator[tuple[str, Path]]:
    """Its name, and the folder that is its root."""
    name = _buildah("from", "--pull-never", image.name)
    try:
        yield name, Path(_buildah("mount", name))
    finally:
        _buildah("rm", name)


@contextmanager
def started(name: str, image: Image, settings: Mapping[str, str], log: BinaryIO) -> Iterator["subprocess.Popen[bytes]"]:
    """The image's own command under the image's own user; told to end with the block, and waited for."""
    given = [part for each in settings.items() for part in ("--env", "=".join(each))]
    command = ["buildah", "run", "--network", "host", *given, name, "--", *image.command]
    with _until_the_end(command, _ENVIRONMENT, log) as process:
        yield process


@contextmanager
def started_read_only(
    root: Path, image: Image, settings: Mapping[str, str], models: Path, log: BinaryIO
) -> Iterator["subprocess.Popen[bytes]"]:
    """The same on a root that is mounted read-only, with fresh memory at the declared paths and `models` at /mnt."""
    pairs = ["=".join(each) for each in {**image.environment, **settings}.items()]
    shell = ["unshare", "--mount", "sh", "-c", _READ_ONLY, "sh", str(root), image.user]
    more = {"WRITABLE": " ".join(image.writable), "MODELS": str(models)}
    with _until_the_end([*shell, *pairs, *image.command], {**os.environ, **more}, log) as process:
        yield process


@contextmanager
def _until_the_end(
    command: Sequence[str], environment: Mapping[str, str], log: BinaryIO
) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )
    try:
        yield process
    finally:
        for pid in inside(process)[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        try:
            process.wait(_STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise Unacceptable(f"it did not end within {_STOPPED_WITHIN_S:.0f} s of SIGTERM") from None


def healthcheck(name: str, image: Image) -> None:
    """Runs the image's HEALTHCHECK beside its command. Raises Unacceptable when it fails."""
    if not image.healthcheck:
        raise Unacceptable("the image has no HEALTHCHECK")
    done = subprocess.run(
        ["buildah", "run", "--network", "host", name, "--", *image.healthcheck],
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unacceptable(f"its HEALTHCHECK fails: {done.stderr.strip()[-300:]}")


def inside(process: "subprocess.Popen[bytes]") -> list[int]:
    """The processes of the image, its command first: all below `process` but the builder's own."""
    found, left = list[int](), [process.pid]
    while left:
        pid = left.pop(0)
        with suppress(OSError):
            if not Path(f"/proc/{pid}/exe").readlink().name.startswith(_BUILDERS):
                found.append(pid)
            for task in sorted(Path(f"/proc/{pid}/task").iterdir()):
                left += [int(child) for child in (task / "children").read_text().split()]
    return found


def owners(process: "subprocess.Popen[bytes]") -> set[int]:
    """User ids, real and effective, of all processes of the image."""
    found: set[int] = set()
    for pid in inside(process):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/status").read_text().split("Uid:", 1)[1].split()
            found |= {int(each) for each in words[:4]}
    return found


def listing(root: Path) -> Listing:
    """Every entry of the image as root sees it; nothing is hidden from a folder that its user may not open."""
    found: dict[str, Entry] = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder) / name
            told = path.lstat()
            target = str(path.readlink()) if stat.S_ISLNK(told.st_mode) else ""
            # A folder's time tells of what came and went in it, and that is listed by itself.
            size, when = (0, 0) if stat.S_ISDIR(told.st_mode) else (told.st_size, told.st_mtime_ns)
            found[f"/{path.relative_to(root)}"] = (told.st_mode, told.st_uid, told.st_gid, size, when, target)
    return {path: entry for path, entry in found.items() if not under(path, _NOT_OF_THE_IMAGE)}


def changed(before: Listing, after: Listing) -> list[str]:
    """What came, went, or is another."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def under(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def size_of(before: Listing) -> int:
    """Bytes of all files."""
    return sum(size for mode, _, _, size, _, _ in before.values() if stat.S_ISREG(mode))


def wait_until(question: Callable[[], bool], process: "subprocess.Popen[bytes]", within_s: float) -> None:
    """Raises Unacceptable when the process is gone, or the answer stays no."""
    end = time.monotonic() + within_s
    while not question():
        if process.poll() is not None:
            raise Unacceptable(f"its process ended with status {process.returncode}")
        if time.monotonic() > end:
            raise Unacceptable(f"it was not ready within {within_s:.0f} s")
        time.sleep(0.2)


def _buildah(*arguments: str) -> str:
    done = subprocess.run(
        ["buildah", *arguments], env=_ENVIRONMENT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise Unacceptable(f"buildah {arguments[0]}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()
