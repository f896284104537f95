"""Builds llama-cpp-python's wheel once per machine and keeps it outside the tree.

`scripts/setup.sh` calls `build` in the background while the other packages download, then `path` to learn where the
wheel lies. PyPI carries only the source of llama-cpp-python, and compiling it takes minutes, so the result is kept in
the user's cache under a key of everything that shapes it. Runs on the standard library alone: nothing is installed yet.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

PACKAGE = "llama-cpp-python"
PROJECT = Path(__file__).parent.parent / "pyproject.toml"
NO_COMMON = Path(__file__).with_name("no_common.cmake")
REPORT_EVERY_S = 10.0
_NINJA_STEP = re.compile(r"\[(\d+)/(\d+)\]")


class BuildFailed(Exception):
    """The wheel could not be built; the message tells the person at the terminal what to do."""


def pinned_version(pyproject: str) -> str:
    """The version that the `gguf` extra names, e.g. `0.3.36`.

    Raises:
        BuildFailed: the project pins no llama-cpp-python.
    """
    found = re.search(rf"\"{PACKAGE}==([^\";,\s]+)", pyproject)
    if found is None:
        raise BuildFailed(f"pyproject.toml pins no {PACKAGE}")
    return found[1]


def cpu_flags(cpuinfo: str) -> str:
    """The instruction sets of the first processor, sorted; empty where the text lists none."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    return " ".join(sorted(found[1].split())) if found else ""


def this_cpu() -> str:
    """What `-march=native` looks at, as text."""
    with contextlib.suppress(OSError):
        if flags := cpu_flags(Path("/proc/cpuinfo").read_text()):
            return f"{platform.machine()} {flags}"
    return f"{platform.machine()} {platform.processor()}"  # macOS has no /proc


def wheel_key(version: str, cpu: str, python_tag: str, extra_args: str) -> str:
    """The name of the wheel's cache folder.

    ggml compiles for the processor it finds (GGML_NATIVE), so a wheel from another processor may die of an illegal
    instruction: its flags belong to the key, and so do the flags a caller added.
    """
    digest = hashlib.sha256("\n".join((cpu, extra_args)).encode()).hexdigest()[:16]
    return f"{version}-{python_tag}-{digest}"


def cmake_args(extra: str) -> str:
    """What scikit-build-core passes to CMake; without it the build takes about four times as long."""
    own = ("-DLLAVA_BUILD=OFF", f"-DCMAKE_PROJECT_llama.cpp_INCLUDE={NO_COMMON.resolve()}")
    return " ".join((*map(shlex.quote, own), extra)).strip()


def progress(log: str) -> str:
    """The build's last step as `[n/m]`, or what happens before the compiler starts."""
    steps = _NINJA_STEP.findall(log)
    return f"[{steps[-1][0]}/{steps[-1][1]}] compiling" if steps else "fetching the source and configuring"


def cache_root(environ: Mapping[str, str]) -> Path:
    """Where wheels are kept: the user's cache, so that a fresh clone finds what an older one built."""
    base = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "sluice" / "wheels"


def finished_wheel(folder: Path) -> Path | None:
    """The wheel in its cache folder, once it is whole."""
    return next(iter(sorted(folder.glob("*.whl"))), None)


def need_compiler() -> None:
    """CMake and Ninja come from PyPI by themselves when they are absent; a compiler does not.

    Raises:
        BuildFailed: there is no C or no C++ compiler.
    """
    for variable, names in (("CC", ("cc", "gcc", "clang")), ("CXX", ("c++", "g++", "clang++"))):
        chosen = shlex.split(os.environ.get(variable, ""))[:1]
        if not any(shutil.which(name) for name in (*chosen, *names)):
            raise BuildFailed(
                f"{PACKAGE} is compiled here once, and that needs a C and a C++ compiler; {names[0]} was not found.\n"
                "  Debian, Ubuntu:  apt-get install build-essential\n"
                "  Fedora:          dnf install gcc gcc-c++\n"
                "  macOS:           xcode-select --install\n"
                "Without a local model, `SETUP_GGUF=0 make setup` leaves it out (LLM_MODE=remote still works)."
            )


@contextlib.contextmanager
def _only_builder(lock: Path) -> Iterator[None]:
    """One build at a time per wheel, however many setups run."""
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another setup is building it, waiting for that one")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build(folder: Path, version: str, extra_args: str) -> Path:
    """Builds the wheel into `folder` unless it is there already.

    Raises:
        BuildFailed: no compiler, or the build broke; the message ends in the log's last lines.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _only_builder(folder / "lock"):
        if wheel := finished_wheel(folder):
            return wheel
        need_compiler()
        with tempfile.TemporaryDirectory(prefix="building-", dir=folder) as scratch:
            _run_build(Path(scratch), folder / "build.log", version, extra_args)
            built = finished_wheel(Path(scratch))
            if built is None:
                raise BuildFailed(f"the build ended without a wheel, see {folder / 'build.log'}")
            # The folder and its scratch lie on one file system, so nobody ever sees half a wheel.
            return built.replace(folder / built.name)


def _run_build(target: Path, log: Path, version: str, extra_args: str) -> None:
    # No pip cache: pip keeps the wheels it built by source address alone and knows nothing of CMAKE_ARGS or of the
    # processor, so it would hand out a wheel made with other flags.
    options = ("--no-deps", "--no-cache-dir", "--no-binary", PACKAGE, "--wheel-dir", str(target))
    command = [sys.executable, "-m", "pip", "wheel", "--verbose", *options, f"{PACKAGE}=={version}"]
    environ = {**os.environ, "CMAKE_ARGS": cmake_args(extra_args), "NINJA_STATUS": "[%f/%t] "}
    environ.setdefault("CMAKE_BUILD_PARALLEL_LEVEL", str(_cores()))
    started = time.monotonic()
    with log.open("wb") as sink, _whole_group(command, environ, sink.fileno()) as process:
        while True:
            try:
                status = process.wait(REPORT_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                _say(f"{time.monotonic() - started:4.0f} s  {progress(log.read_text(errors='replace'))}")
    if status != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise BuildFailed(f"building {PACKAGE} {version} failed; the end of {log}:\n{tail}")
    _say(f"{time.monotonic() - started:4.0f} s  built")


@contextlib.contextmanager
def _whole_group(command: Sequence[str], environ: Mapping[str, str], sink: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process group of its own, so that Ctrl-C or SIGTERM ends the compilers too and not only pip."""
    process = subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _say(text: str) -> None:
    print(f"  llama.cpp: {text}", flush=True)


def _stop(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)


def main(arguments: Sequence[str]) -> int:
    """`build` makes the wheel when it is missing; `path` prints where it lies, or fails when it is missing."""
    extra = os.environ.get("LLAMA_CMAKE_ARGS", "")
    python_tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    try:
        version = pinned_version(PROJECT.read_text())
        folder = cache_root(os.environ) / wheel_key(version, this_cpu(), python_tag, extra)
        if arguments == ["path"]:
            wheel = finished_wheel(folder)
            print(wheel if wheel else folder)
            return 0 if wheel else 1
        if arguments == ["build"]:
            # A job that a shell started in the background ignores SIGINT; the shell passes SIGTERM on instead.
            signal.signal(signal.SIGTERM, _stop)
            build(folder, version, extra)
            return 0
    except BuildFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    print("usage: llama_wheel.py build|path", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
