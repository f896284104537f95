import dataclasses
import struct
from pathlib import Path

import numpy as np
import pytest

from inference_container.training.pipeline import TrainResult, train
from inference_container.training.plot import draw
from tests.unit.inference_container.training.samples import sample_spec

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    spec = sample_spec(tmp_path_factory.mktemp("plot"))
    return train(dataclasses.replace(spec, targets=("down", "users")))


def _size(picture: bytes) -> tuple[int, int]:
    """Width and height, from the header."""
    assert picture.startswith(_SIGNATURE)
    assert picture[12:16] == b"IHDR"
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


@pytest.fixture(scope="module")
def picture(result: TrainResult) -> bytes:
    drawn = draw(result.panels, "traffic")
    assert drawn is not None
    return drawn


def test_the_picture_is_a_png_that_fits_on_a_screen_and_is_not_blank(picture: bytes) -> None:
    width, height = _size(picture)
    assert 1200 <= width <= 1900
    assert 500 <= height <= 1000
    # A blank page of that size packs into some six kilobytes.
    assert 40_000 < len(picture) < 400_000


def test_fewer_targets_make_a_picture_less_tall(picture: bytes, result: TrainResult) -> None:
    one = draw(result.panels[:1], "traffic")
    assert one is not None
    assert 300 < _size(one)[1] < _size(picture)[1]


def test_forecast_and_band_can_be_seen_to_lie_where_the_back_test_has_them(result: TrainResult) -> None:
    down, users = result.panels
    assert [panel.scores.target for panel in (down, users)] == ["down", "users"]
    assert down.band is not None
    assert down.band.share == 0.8
    assert len(down.origins) == 3
    for origin in down.origins:
        assert len(origin.forecast) == 6
        assert len(origin.times) == len(origin.series) == 18 + 6
        assert set(np.diff(origin.times).tolist()) == {origin.times[1].item() - origin.times[0].item()}
        # The history ends at a step that the forecast goes on from: far closer than a day's swing.
        assert abs(origin.forecast[0] - origin.series[17]) < np.ptp(origin.series)


def test_a_history_with_holes_and_no_band_still_makes_a_picture(result: TrainResult) -> None:
    (panel, *_) = result.panels
    holed = panel.origins[0].series.copy()
    holed[3:6] = np.nan
    bare = dataclasses.replace(panel, origins=(dataclasses.replace(panel.origins[0], series=holed),), band=None)
    assert draw([bare], "traffic") is not None


def test_a_column_name_with_dollar_signs_is_no_formula(result: TrainResult) -> None:
    (panel, *_) = result.panels
    priced = dataclasses.replace(panel, scores=dataclasses.replace(panel.scores, target=r"$\cost$"))
    assert draw([priced], r"$\cost$") is not None


def test_the_command_puts_the_picture_beside_the_bundle_and_the_bundle_still_loads(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from inference_container.bundles.loader import load_bundle
    from inference_container.commands.app import app

    spec = sample_spec(tmp_path)
    options = ["--target", "down", "--input-len", "24", "--horizon", "6", "--model", "linear", "--name", "drawn"]
    ran = CliRunner().invoke(app, ["train", str(spec.csv), *options, "--out", str(spec.out)])
    assert ran.exit_code == 0, ran.output
    picture = spec.out / "drawn" / "backtest.png"
    assert f"plot: {picture}" in ran.output
    _size(picture.read_bytes())
    assert picture.name not in load_bundle(spec.out / "drawn").manifest.files
