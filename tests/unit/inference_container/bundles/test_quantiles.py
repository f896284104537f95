from collections.abc import Callable
from typing import Any

import orjson
import pytest

from inference_container.bundles.quantiles import decode_quantiles, quantiles_file
from inference_container.errors import BundleRefused
from inference_container.forecasting.plan import QuantilePlan

_PLAN = QuantilePlan((0.1, 0.5, 0.9), (((-1.0, 0.0, 1.5), (-2.0, 0.5, 2.0)), ((-3.0, 0.0, 3.0), (-4.0, -4.0, 4.0))))
_TARGETS = ("load", "heat")


def _fields() -> dict[str, Any]:
    fields: dict[str, Any] = orjson.loads(quantiles_file(_PLAN, _TARGETS, windows=40).encode())
    return fields


def test_quantiles_survive_the_file() -> None:
    assert decode_quantiles(orjson.dumps(_fields()), _TARGETS, horizon=2) == _PLAN


_EDITS: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("surprise", lambda fields: fields.update(surprise=1)),
    ("windows", lambda fields: fields.pop("windows")),
    ("format", lambda fields: fields.update(format="quantiles/2")),
    ("method", lambda fields: fields.update(method="guess")),
    ("levels.0", lambda fields: fields.update(levels=[0.0, 0.5, 0.9])),
    ("levels must rise", lambda fields: fields.update(levels=[0.5, 0.1, 0.9])),
    ("levels must rise", lambda fields: fields.update(levels=[0.1, 0.1, 0.9])),
    ("a number per level", lambda fields: fields.update(levels=[0.1, 0.9])),
    ("a row per target", lambda fields: fields["offsets"][0].pop()),
    ("must not fall", lambda fields: fields["offsets"][0][0].reverse()),
    ("offsets.1.0.2", lambda fields: fields["offsets"][1][0].__setitem__(2, None)),
    ("offsets.1.0.2", lambda fields: fields["offsets"][1][0].__setitem__(2, "3")),
    ("repeats a name", lambda fields: fields.update(targets=["load", "load"])),
    ("targets of the manifest", lambda fields: fields.update(targets=["heat", "load"])),
    ("holds 1 steps", lambda fields: fields["offsets"].pop()),
]


@pytest.mark.parametrize(("fault", "edit"), _EDITS)
def test_a_file_that_does_not_fit_is_refused_with_what_is_wrong(
    fault: str, edit: Callable[[dict[str, Any]], object]
) -> None:
    fields = _fields()
    edit(fields)
    with pytest.raises(BundleRefused, match=fault):
        decode_quantiles(orjson.dumps(fields), _TARGETS, horizon=2)


def test_bytes_that_are_no_json_are_refused() -> None:
    with pytest.raises(BundleRefused, match=r"quantiles\.json"):
        decode_quantiles(b"{", _TARGETS, horizon=2)
