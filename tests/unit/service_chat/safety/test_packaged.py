import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import service_chat.safety.packaged as packaged
from service_chat.safety.packaged import Packaged
from tests.unit.service_chat.safety.small import EXAMPLES

DATA = Path(packaged.__file__).parent / "data"


def read(folder: Path, content: str) -> tuple[object, list[str]]:
    (folder / "some.toml").write_text(content, encoding="utf-8", newline="")
    problems: list[str] = []
    return Packaged(folder).read("some.toml", problems), problems


@pytest.mark.parametrize("path", sorted(DATA.rglob("*.toml")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_packaged_file_is_read_as_its_format_says(path: Path) -> None:
    assert Packaged(DATA).read(str(path.relative_to(DATA)), []) == tomllib.loads(path.read_text(encoding="utf-8"))


PIECES = (
    "a",
    "b ",
    "=",
    " = ",
    "[",
    "]",
    '"x"',
    '"y # ]"',
    '"\\n"',
    "'z'",
    ",",
    "\n",
    " ",
    "# c",
    "\r\n",
    '"',
    "\t",
    ".",
)


@EXAMPLES
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=14), start=st.sampled_from(['a = ["x",', "", "a = [\n"]))
def test_what_looks_like_lists_is_never_read_otherwise_than_its_format_says(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], start: str
) -> None:
    content = start + "".join(pieces)
    found, problems = read(tmp_path_factory.getbasetemp(), content)
    try:
        expected = tomllib.loads(content)
    except tomllib.TOMLDecodeError:
        assert found == {}
        assert problems
    else:
        assert found == expected
        assert not problems


def test_a_list_named_twice_is_refused_with_its_place(tmp_path: Path) -> None:
    _, problems = read(tmp_path, 'pain = ["ache"]\npain = ["hurts"]\n')
    assert problems
    assert "line 2" in problems[0]
