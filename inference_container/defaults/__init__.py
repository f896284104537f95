"""What a fresh checkout can forecast with: one bundle, trained by our own command on real observations.

`wiring` falls back to it when no bundle is named, and the tour and the load profile take their rows from its data.
Where the data comes from and how the model did is told in `jfk-temperature/README.md`.
"""

from pathlib import Path

_HERE = Path(__file__).parent


def default_bundle_path() -> Path:
    """The directory of the default bundle."""
    return _HERE / "jfk-temperature"


def default_data_path() -> Path:
    """The CSV file it was trained on."""
    return _HERE / "jfk-hourly-2013.csv"
