"""The default bundle's quantiles, and the pages that quote how much its bands held."""

import re
from pathlib import Path

import pytest

from inference_container.bundles.loader import read_manifest
from inference_container.bundles.manifest_parts import Coverage
from inference_container.bundles.quantiles import decode_quantiles
from inference_container.defaults import default_bundle_path

_DOCS = Path(__file__).parents[4] / "docs"


@pytest.fixture(scope="module")
def coverage() -> tuple[Coverage, ...]:
    metrics = read_manifest(default_bundle_path()).metrics
    assert metrics is not None
    return metrics.targets["temp"].coverage


def test_it_says_how_sure_it_is_at_every_step_and_less_so_further_ahead() -> None:
    plan = decode_quantiles((default_bundle_path() / "quantiles.json").read_bytes(), ["temp"], horizon=24)
    low, high = plan.levels.index(0.1), plan.levels.index(0.9)
    widths = [step[0][high] - step[0][low] for step in plan.offsets]
    assert 2 < widths[0] < 5 < widths[11] < 15
    assert len(widths) == 24


def test_its_readme_tells_what_each_band_held_at_each_step(coverage: tuple[Coverage, ...]) -> None:
    readme = (default_bundle_path() / "README.md").read_text()
    cells = [[cell.strip() for cell in line.split("|")] for line in readme.splitlines() if line.startswith("| ")]
    told = {row[1]: row[-3:-1] for row in cells}
    for at in range(24):
        for text, band in zip(told[f"{at + 1}"], coverage, strict=True):
            assert float(text.rstrip("%")) / 100 == pytest.approx(band.by_step[at], abs=6e-4)


def test_the_page_on_training_quotes_the_same_shares(coverage: tuple[Coverage, ...]) -> None:
    text = (_DOCS / "training.md").read_text()
    rows = re.findall(r"^\| (\d+|mean of 24) \| ([\d.]+) % \| ([\d.]+) % \|$", text, re.MULTILINE)
    assert len(rows) == 5
    for label, *shares in rows:
        for share, band in zip(shares, coverage, strict=True):
            held = band.by_step[int(label) - 1] if label.isdigit() else band.mean
            assert float(share) / 100 == pytest.approx(held, abs=6e-4)


def test_its_picture_is_in_the_box_and_its_readme_shows_it() -> None:
    assert (default_bundle_path() / "backtest.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert "](backtest.png)" in (default_bundle_path() / "README.md").read_text()
