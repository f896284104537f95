"""The page that a browser gets at `/`: its files, read once, and the sample it offers to try.

`routers.page` serves what stands here. The files ask for nothing outside their own folder, so they work without a
network and under any path prefix; what they show comes from the same routes that everybody else calls.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inference_container.defaults import default_data_path

_HERE = Path(__file__).parent

#: Kinds of file that are served. Everything else in this folder stays inside.
_MEDIA_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    # The type that a browser insists on before it runs a module.
    ".js": "text/javascript; charset=utf-8",
}

INDEX = "index.html"
SAMPLE = "sample.csv"
#: Two weeks of hours: a window and some history before it. The last weeks of the data have no hole.
_SAMPLE_ROWS = 336
_SAMPLE_FREQ_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it leaves the service."""

    body: bytes
    media_type: str
    etag: str  #: strong, quoted


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows that a visitor can try a fitting model with."""

    asset: Asset
    columns: frozenset[str]

    def fits(self, columns: tuple[str, ...], freq_seconds: int, input_len: int) -> bool:
        """Whether a model that reads `input_len` rows of `columns`, so many seconds apart, can forecast from it."""
        return (
            bool(columns)
            and self.columns.issuperset(columns)
            and freq_seconds == _SAMPLE_FREQ_SECONDS
            and input_len <= _SAMPLE_ROWS
        )


def load_assets() -> Mapping[str, Asset]:
    """Every file of the page by its name."""
    files = sorted(path for path in _HERE.iterdir() if path.suffix in _MEDIA_TYPES)
    return {path.name: _asset(path.read_bytes(), _MEDIA_TYPES[path.suffix]) for path in files}


def load_sample() -> Sample:
    """The last rows of the data that the default bundle was trained on."""
    header, *rows = default_data_path().read_bytes().splitlines(keepends=True)
    body = header + b"".join(rows[-_SAMPLE_ROWS:])
    _time, *columns = header.decode().strip().split(",")
    return Sample(_asset(body, "text/csv; charset=utf-8"), frozenset(columns))


def _asset(body: bytes, media_type: str) -> Asset:
    return Asset(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
