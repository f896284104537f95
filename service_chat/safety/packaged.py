"""The data files that safety is made of, read once at start, and the error for those that are wrong.

Every loader beside it begins here. Files are read from the package itself (`importlib.resources`), so an installed
wheel and a checkout behave alike. What is wrong is collected, one sentence each, so that whoever edits data sees all of
it at once; `Ruleset.load` raises when there is any, and the process does not start with half a safety floor.
"""

import gc
import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from importlib.resources.abc import Traversable

from serving.errors import SluiceError

Table = Mapping[str, object]

#: A file of nothing but lists of plain texts, line by line: a comment, `name = ["one", "two"]`, a list over many lines.
_TEXT = r'"[^"\\\x00-\x08\x0a-\x1f\x7f]*"'
_SPACE = r"(?:[ \t\n]|#[^\x00-\x08\x0b-\x1f\x7f\n]*\n)*+"
_LIST = re.compile(
    rf"{_SPACE}([A-Za-z0-9_-]+)[ \t]*=[ \t]*\[((?:{_SPACE}{_TEXT}{_SPACE}(?:,|(?=\])))*+{_SPACE})\][ \t]*(?=\n|#)"
)
_REST = re.compile(_SPACE)
_PARTS = re.compile(rf"#[^\n]*|({_TEXT})")


class RulesError(SluiceError):
    """The packaged safety data is wrong. `details["problems"]` names file and place; it never quotes a patient."""

    code = "rules_invalid"
    default_message = "The safety rules can not be loaded."


class Packaged:
    """The files under `data/`, and a digest over the bytes of all that were read.

    Args:
        root: another folder of the same shape; tests bring small ones.
    """

    def __init__(self, root: Traversable | None = None) -> None:
        self._root: Traversable = resources.files(__package__) / "data" if root is None else root
        self._digests: dict[str, str] = {}
        self._known: dict[str, Table] = {}  #: files that are slow to read and that several rooms ask for

    def names(self, folder: str) -> list[str]:
        """Stems of the TOML files in a folder, sorted; empty when there is no such folder."""
        place = self._root / folder
        if not place.is_dir():
            return []
        return sorted(entry.name.removesuffix(".toml") for entry in place.iterdir() if entry.name.endswith(".toml"))

    def read(self, path: str, problems: list[str]) -> Table:
        """One file's table; empty, with a problem noted, when it is absent or no TOML."""
        if path in self._known:
            return self._known[path]
        content = self.read_bytes(path, problems)
        try:
            text = content.decode("utf-8")
            plain = _plain_lists(text)
            if plain is not None:
                return plain
            found = self._known[path] = tomllib.loads(text)
            return found
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
            problems.append(f"{path}: {wrong}")
            return {}

    def read_bytes(self, path: str, problems: list[str]) -> bytes:
        """One file as it is; empty, with a problem noted, when it is absent."""
        try:
            content = (self._root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            problems.append(f"{path}: there is no such file")
            return b""
        self._digests[path] = hashlib.sha256(content).hexdigest()
        return content

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change with any byte of what was read."""
        lines = "".join(f"{path}={digest}\n" for path, digest in sorted(self._digests.items()))
        return hashlib.sha256(lines.encode()).hexdigest()[:12]


def _plain_lists(text: str) -> Table | None:
    """What `tomllib` makes of a file of plain lists, ten times as fast; None for any other.

    The lexicons are such files, a million letters: they took half of the start.
    """
    found: dict[str, object] = {}
    at = 0
    while entry := _LIST.match(text, at):
        name, inner = entry.groups()
        if name in found:
            return None  # `tomllib` says where
        found[name] = [part[1:-1] for part in _PARTS.findall(inner) if part]
        at = entry.end()
    rest = _REST.match(text, at)
    return found if rest is not None and rest.end() == len(text) else None


def table(value: object) -> Table:
    """The value as a table; empty when it is none."""
    return value if isinstance(value, Mapping) else {}


def texts(value: object) -> list[object]:
    """The entries of a list; empty when it is none. Whether each is a text is for whoever reads it to complain of."""
    return list(value) if isinstance(value, list) else []


def text_items(values: Table) -> Iterator[tuple[str, str]]:
    """The entries of a table that are texts."""
    for key, value in values.items():
        if isinstance(value, str):
            yield key, value


@contextmanager
def all_of_it_stays() -> Iterator[None]:
    """Keeps the collector from walking again and again through what is being built and all of it kept."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def refuse(problems: Iterable[str]) -> None:
    """
    Raises:
        RulesError: there is a problem.
    """
    found = list(problems)
    if found:
        shown = "; ".join(found[:5])
        raise RulesError(f"The safety rules can not be loaded: {shown}", problems=found)
