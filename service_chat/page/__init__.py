"""The page that a browser gets at `/`: its files, read once. `routers.page` serves them.

What the page shows comes from the same routes that everybody else calls.
"""

from collections.abc import Mapping
from pathlib import Path

from serving.http.page import Asset, read_assets


def load_assets() -> Mapping[str, Asset]:
    """Every file of the page by its name."""
    return read_assets(Path(__file__).parent)
