from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from inference_container.bundles.golden import TOLERANCE
from inference_container.bundles.golden_file import decode_golden, encode_golden
from inference_container.bundles.loader import load_bundle, open_inferencer
from inference_container.bundles.sealed import Golden
from inference_container.errors import BundleRefused, GoldenMismatch
from tests.unit.inference_container.bundles.samples import reseal, sample_bundle, sample_draft, sample_golden


def _tampered(into: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """A bundle whose golden file was edited and whose hashes were made to agree again."""
    bundle = sample_bundle(into)
    golden = orjson.loads((bundle / "golden.json").read_bytes())
    edit(golden)
    (bundle / "golden.json").write_bytes(orjson.dumps(golden))
    reseal(bundle)
    return bundle


def _shift(by: float) -> Callable[[dict[str, Any]], None]:
    def edit(golden: dict[str, Any]) -> None:
        golden["windows"][1]["expected"]["load"][2] += by

    return edit


def test_an_expected_value_off_by_more_than_the_tolerance_refuses_the_bundle(tmp_path: Path) -> None:
    scale = sample_draft().scaler.columns["load"].scale
    with pytest.raises(GoldenMismatch, match="Golden window 1") as caught:
        open_inferencer(load_bundle(_tampered(tmp_path, _shift(3 * TOLERANCE * scale))))
    assert caught.value.details["tolerance"] == TOLERANCE


def test_rounding_within_the_tolerance_is_reported_and_not_refused(tmp_path: Path) -> None:
    scale = sample_draft().scaler.columns["load"].scale
    opened = open_inferencer(load_bundle(_tampered(tmp_path, _shift(0.5 * TOLERANCE * scale))), backend="torch")
    assert opened.golden_max_rel_err == pytest.approx(0.5 * TOLERANCE, rel=0.05)


def test_another_input_in_a_window_refuses_the_bundle(tmp_path: Path) -> None:
    def edit(golden: dict[str, Any]) -> None:
        golden["windows"][0]["data"]["heat"][-1] += 1.0

    with pytest.raises(GoldenMismatch, match="Golden window 0"):
        open_inferencer(load_bundle(_tampered(tmp_path, edit)))


@pytest.mark.parametrize("column", ["heat", "ts"])
def test_a_window_that_can_not_be_forecast_refuses_the_bundle(tmp_path: Path, column: str) -> None:
    with pytest.raises(GoldenMismatch, match="can not be forecast"):
        open_inferencer(load_bundle(_tampered(tmp_path, lambda golden: golden["windows"][0]["data"].pop(column))))


def test_expectations_for_other_targets_or_steps_refuse_the_bundle(tmp_path: Path) -> None:
    with pytest.raises(GoldenMismatch, match="targets"):
        open_inferencer(load_bundle(_tampered(tmp_path, lambda g: g["windows"][0]["expected"].update(heat=[1, 2, 3]))))
    with pytest.raises(GoldenMismatch, match="3 steps"):
        open_inferencer(load_bundle(_tampered(tmp_path, lambda g: g["windows"][0]["expected"]["load"].pop())))


@pytest.mark.parametrize(
    "edit",
    [
        lambda golden: golden.update(windows=golden["windows"][:1]),
        lambda golden: golden.update(windows=golden["windows"] * 5),
        lambda golden: golden.update(tolerance=0.5),
        lambda golden: golden.update(extra=1),
        lambda golden: golden.pop("tolerance"),
    ],
    ids=["one window", "ten windows", "a lax tolerance", "an unknown key", "no tolerance"],
)
def test_a_golden_file_out_of_its_bounds_is_refused(tmp_path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(BundleRefused, match=r"golden\.json"):
        load_bundle(_tampered(tmp_path, edit))


def test_the_same_windows_make_the_same_bytes() -> None:
    golden: Golden = sample_golden(sample_draft())
    assert decode_golden(encode_golden(golden)) == golden
    assert encode_golden(sample_golden(sample_draft())) == encode_golden(golden)
