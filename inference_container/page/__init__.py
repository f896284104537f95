"""The page that a browser gets at `/`: its files, read once, and the sample it offers to try.

`routers.page` serves what stands here; what the page shows comes from the same routes that everybody else calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inference_container.defaults import default_data_path
from serving.http.page import Asset, read_assets

SAMPLE = "sample.csv"
#: Two weeks of hours: a window and some history before it. The last weeks of the data have no hole.
_SAMPLE_ROWS = 336
_SAMPLE_FREQ_SECONDS = 3600


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
    return read_assets(Path(__file__).parent)


def load_sample() -> Sample:
    """The last rows of the data that the default bundle was trained on."""
    header, *rows = default_data_path().read_bytes().splitlines(keepends=True)
    body = header + b"".join(rows[-_SAMPLE_ROWS:])
    _time, *columns = header.decode().strip().split(",")
    return Sample(Asset.of(body, "text/csv; charset=utf-8"), frozenset(columns))
