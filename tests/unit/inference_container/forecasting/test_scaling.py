import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inference_container.forecasting.plan import ScalerKind
from inference_container.forecasting.scaling import Scaler, fit_scaling

_KINDS: list[ScalerKind] = ["minmax", "standard", "robust", "none"]
_tables = arrays(np.float64, (9, 3), elements=st.floats(-1e6, 1e6))


@given(_tables, st.sampled_from(_KINDS))
def test_scaling_and_back_always_gives_the_raw_values(table: np.ndarray, kind: ScalerKind) -> None:
    scaler = Scaler(fit_scaling(table, kind))
    np.testing.assert_allclose(scaler.invert(scaler.apply(table)), table, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("kind", _KINDS)
def test_a_constant_column_maps_to_a_finite_value(kind: ScalerKind) -> None:
    scaler = Scaler(fit_scaling(np.full((5, 1), 4.0), kind))
    assert np.isfinite(scaler.apply(np.array([[4.0], [5.0]]))).all()


def test_each_kind_centers_and_scales_by_its_own_rule_and_skips_nan() -> None:
    table = np.array([[0.0], [1.0], [2.0], [3.0], [10.0], [np.nan]])
    assert fit_scaling(table, "minmax").center == (0.0,)
    assert fit_scaling(table, "minmax").scale == (10.0,)
    assert fit_scaling(table, "standard").center == pytest.approx((3.2,))
    assert fit_scaling(table, "standard").scale == pytest.approx((np.std([0, 1, 2, 3, 10]),))
    assert fit_scaling(table, "robust").center == (2.0,)
    assert fit_scaling(table, "robust").scale == (2.0,)
    assert fit_scaling(table, "none").scale == (1.0,)


def test_selected_columns_keep_their_own_numbers_in_the_order_named() -> None:
    scaler = Scaler(fit_scaling(np.array([[0.0, 5.0, 7.0], [2.0, 15.0, 8.0]]), "minmax"))
    assert scaler.select([2, 0]).invert(np.array([1.0, 1.0])).tolist() == [8.0, 2.0]
