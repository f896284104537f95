import json
from pathlib import Path
from typing import Any

import pytest

from inference_container.bundles.import_spec import calendar_names, encoded_schema, read_spec
from inference_container.errors import ImportRefused
from tests.unit.inference_container.bundles.foreign import foreign_spec

_DOCS = Path(__file__).parents[4] / "docs"


def _refusal(spec: dict[str, Any] | bytes) -> str:
    with pytest.raises(ImportRefused) as caught:
        read_spec(spec if isinstance(spec, bytes) else json.dumps(spec).encode()).manifest_scaler()
    return caught.value.message


def _scale(kind: str, **numbers: float) -> tuple[float, float]:
    spec = foreign_spec(input_columns=["down"], scaler={"kind": kind, "columns": {"down": numbers} if numbers else {}})
    entry = read_spec(json.dumps(spec).encode()).manifest_scaler().columns["down"]
    return entry.center, entry.scale


@pytest.mark.parametrize("key", sorted(foreign_spec()))
def test_a_missing_key_is_named(key: str) -> None:
    assert f"{key}: Field required" in _refusal(foreign_spec(**{key: None}))


def test_a_key_given_twice_is_named_and_neither_wins() -> None:
    spec = json.dumps(foreign_spec())
    assert "freq_seconds: given more than once" in _refusal(f'{spec[:-1]}, "freq_seconds": 7}}'.encode())


def test_all_unknown_keys_are_named_at_every_depth() -> None:
    assert "dropout: Extra" in _refusal(foreign_spec(dropout=0.1))
    spec = foreign_spec()
    spec["scaler"]["columns"]["up"]["mean"] = 1.0
    assert "up.mean: Extra" in _refusal(spec)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arch": "linear"}, "arch"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"hidden_size": "5"}, "hidden_size"),
        ({"num_layers": True}, "num_layers"),
        ({"input_len": 6.5}, "input_len"),
        ({"output_len": 10_001}, "output_len"),
        ({"freq_seconds": 0}, "freq_seconds"),
        ({"input_columns": []}, "input_columns"),
        ({"input_columns": ["up", "up"]}, "repeats up"),
        ({"target_columns": ["down", "down"]}, "repeats down"),
        ({"calendar": ["moon_phase"]}, "calendar"),
        ({"calendar": ["day_of_week", "day_of_week"]}, "repeats day_of_week"),
        ({"calendar": ["min_of_day", "minute_of_day"]}, "repeats minute_of_day"),
        ({"calendar": ["day_of_week_sin"]}, "day_of_week_sin, then day_of_week_cos"),
        ({"calendar": ["day_of_week_cos", "day_of_week_sin"]}, "day_of_week_sin, then day_of_week_cos"),
        ({"calendar": ["day_of_week_sin", "day_of_year_cos"]}, "day_of_week_sin, then day_of_week_cos"),
        ({"scaler": {"kind": "quantile", "columns": {}}}, "scaler"),
        ({"scaler": {"kind": "none", "columns": {"up": {"min": 0, "max": 1}}}}, "scaler.none.columns"),
    ],
)
def test_a_value_that_is_not_possible_is_named(changes: dict[str, Any], said: str) -> None:
    assert said in _refusal(foreign_spec(**changes))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"hidden_size": NaN}'])
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    _refusal(content)


def test_the_scaler_covers_inputs_and_targets_exactly() -> None:
    assert "lacks cold" in _refusal(foreign_spec(target_columns=["cold"]))
    assert "neither an input nor a target: users" in _refusal(foreign_spec(input_columns=["up", "down"]))


def test_numbers_become_center_and_scale_as_each_scaler_means_them() -> None:
    assert _scale("minmax", min=-10.0, max=40.0) == (-10.0, 50.0)
    assert _scale("standard", mean=3.0, std=2.0) == (3.0, 2.0)
    assert _scale("robust", median=7.0, iqr=0.5) == (7.0, 0.5)
    assert _scale("none") == (0.0, 1.0)


def test_a_column_that_never_changed_has_the_scale_one() -> None:
    assert _scale("minmax", min=5.0, max=5.0) == (5.0, 1.0)
    assert _scale("standard", mean=5.0, std=0.0) == (5.0, 1.0)
    assert _scale("robust", median=5.0, iqr=0.0) == (5.0, 1.0)


@pytest.mark.parametrize("numbers", [{"min": 2.0, "max": 1.0}, {"min": -1e308, "max": 1e308}])
def test_a_range_that_is_none_is_refused_by_column(numbers: dict[str, float]) -> None:
    spec = foreign_spec(input_columns=["down"], scaler={"kind": "minmax", "columns": {"down": numbers}})
    assert "down" in _refusal(spec)


def test_a_calendar_may_be_spelled_as_six_features() -> None:
    spelled = ["min_of_day_sin", "min_of_day_cos", "day_of_week_sin", "day_of_week_cos", "day_of_year"]
    spec = read_spec(json.dumps(foreign_spec(calendar=spelled)).encode())
    assert calendar_names(spec.calendar) == ("minute_of_day", "day_of_week", "day_of_year")
    assert spec.features == 9
    assert read_spec(json.dumps(foreign_spec(calendar=[])).encode()).features == 3


def test_forecasts_are_fed_back_when_every_target_is_an_input_and_the_others_are_held() -> None:
    spec = read_spec(json.dumps(foreign_spec()).encode())
    output = spec.output(None)
    assert (output.recursive, output.held, output.max_steps) == (True, ("up", "users"), 10_000)
    assert spec.output(48).max_steps == 48
    for steps in (2, 10_001):
        with pytest.raises(ImportRefused, match="3 to 10000"):
            spec.output(steps)


def test_a_target_that_is_no_input_is_forecast_for_the_native_steps_only() -> None:
    spec = read_spec(json.dumps(foreign_spec(input_columns=["up", "users"])).encode())
    output = spec.output(None)
    assert (output.recursive, output.held, output.max_steps) == (False, (), 3)
    with pytest.raises(ImportRefused, match="exactly 3"):
        spec.output(4)


def test_a_column_may_be_called_like_a_time_column() -> None:
    scaler = {"kind": "none"}
    spec = read_spec(json.dumps(foreign_spec(input_columns=["date", "down"], scaler=scaler)).encode())
    assert spec.input("reject", "reject").time_column == ("ts", "timestamp", "time")
    every = read_spec(
        json.dumps(foreign_spec(input_columns=["ts", "timestamp", "time", "date"], scaler=scaler)).encode()
    )
    with pytest.raises(ImportRefused, match="time column"):
        every.input("reject", "reject")


def test_the_published_schema_is_the_one_in_force() -> None:
    assert (_DOCS / "bundle-import.schema.json").read_bytes() == encoded_schema()
    schema = json.loads(encoded_schema())
    assert sorted(schema["required"]) == sorted(foreign_spec())
    assert schema["additionalProperties"] is False


def test_the_example_on_the_page_is_a_valid_specification() -> None:
    page = (_DOCS / "bundle-import.md").read_text()
    example = page.split("```json\n")[1].split("```")[0]
    assert sorted(json.loads(example)) == sorted(foreign_spec())
    read_spec(example.encode()).manifest_scaler()
