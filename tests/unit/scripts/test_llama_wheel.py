import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import llama_wheel
from scripts.llama_wheel import BuildFailed

X86 = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 sse3 avx\n\nprocessor\t: 1\nflags\t\t: fpu\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd i8mm\nCPU part\t: 0xd40\n"

#: Stands in for `python -m pip wheel`: says how far it is, then leaves a wheel where it was told to.
FAKE_PIP = """#!/bin/sh
echo started >>"$COUNTER"
echo "[1/2] Building C object"
while [ $# -gt 0 ]; do [ "$1" = --wheel-dir ] && target=$2; shift; done
[ -z "$BREAK" ] || { echo "error: no such instruction"; exit 3; }
sleep 0.2
printf '%s' "$CMAKE_ARGS" >"$target/llama_cpp_python-9-py3-none-any.whl"
"""


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with compilers and a pip that counts its builds in the file this gives back."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("cc", "c++"):
        program(tools / name, "#!/bin/sh\n")
    counter = tmp_path / "builds"
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("COUNTER", str(counter))
    monkeypatch.setenv("BREAK", "")
    monkeypatch.setattr("sys.executable", str(program(tools / "python", FAKE_PIP)))
    return counter


def test_the_pinned_version_is_the_one_of_the_gguf_extra() -> None:
    assert llama_wheel.pinned_version('gguf = ["sluice[chat]", "llama-cpp-python==0.3.36"]') == "0.3.36"
    assert llama_wheel.pinned_version(llama_wheel.PROJECT.read_text())


def test_a_project_without_a_pin_is_refused() -> None:
    with pytest.raises(BuildFailed, match="pins no"):
        llama_wheel.pinned_version('gguf = ["llama-cpp-python>=0.3"]')


@pytest.mark.parametrize(("text", "flags"), [(X86, "avx avx2 fpu sse3"), (ARM, "asimd fp i8mm"), ("", "")])
def test_cpu_flags_are_those_of_the_first_processor(text: str, flags: str) -> None:
    assert llama_wheel.cpu_flags(text) == flags


@given(st.lists(st.text(min_size=1, alphabet="abcxyz019 ="), min_size=4, max_size=4), st.integers(0, 3))
def test_whatever_shapes_the_wheel_always_changes_its_key(parts: list[str], changed: int) -> None:
    version, cpu, python, extra = parts
    other = list(parts)
    other[changed] += "!"
    assert llama_wheel.wheel_key(version, cpu, python, extra) != llama_wheel.wheel_key(*other)


def test_progress_is_the_last_step_the_build_named() -> None:
    assert llama_wheel.progress("Collecting llama-cpp-python") == "fetching the source and configuring"
    assert llama_wheel.progress("[1/83] one\n[12/83] twelve\nwarning: x[3]") == "[12/83] compiling"


def test_wheels_lie_in_the_users_cache_and_not_in_the_tree() -> None:
    assert llama_wheel.cache_root({"XDG_CACHE_HOME": "/c"}) == Path("/c/sluice/wheels")
    assert llama_wheel.cache_root({}) == Path.home() / ".cache/sluice/wheels"


def test_a_built_wheel_is_kept_with_the_flags_it_was_built_with(tmp_path: Path, builds: Path) -> None:
    wheel = llama_wheel.build(tmp_path / "key", "9", "-DGGML_NATIVE=OFF")
    assert wheel.parent == tmp_path / "key"
    assert wheel.read_text() == llama_wheel.cmake_args("-DGGML_NATIVE=OFF")
    assert "-DLLAVA_BUILD=OFF" in wheel.read_text()
    assert wheel.read_text().endswith("no_common.cmake -DGGML_NATIVE=OFF")
    assert not list((tmp_path / "key").glob("building-*"))


def test_two_setups_at_once_build_one_wheel(tmp_path: Path, builds: Path) -> None:
    wheels: list[Path] = []
    setups = [
        threading.Thread(target=lambda: wheels.append(llama_wheel.build(tmp_path / "key", "9", ""))) for _ in "ab"
    ]
    for setup in setups:
        setup.start()
    for setup in setups:
        setup.join()
    assert len(wheels) == 2
    assert wheels[0] == wheels[1]
    assert builds.read_text() == "started\n"


def test_a_broken_build_shows_the_end_of_its_log_and_leaves_no_wheel(
    tmp_path: Path, builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAK", "1")
    with pytest.raises(BuildFailed, match="no such instruction"):
        llama_wheel.build(tmp_path / "key", "9", "")
    assert llama_wheel.finished_wheel(tmp_path / "key") is None


def test_a_missing_compiler_is_said_before_anything_is_fetched(
    tmp_path: Path, builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildFailed, match="build-essential"):
        llama_wheel.build(tmp_path / "key", "9", "")
    assert not builds.exists()


def test_a_kept_wheel_needs_no_compiler(tmp_path: Path, builds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = llama_wheel.build(tmp_path / "key", "9", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert llama_wheel.build(tmp_path / "key", "9", "") == first
