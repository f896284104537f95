"""A training run that takes a tenth of a second."""

from datetime import UTC, datetime
from pathlib import Path

from inference_container.training.demo_data import write_demo_data
from inference_container.training.spec import TrainSpec


def sample_spec(folder: Path) -> TrainSpec:
    """A month of synthetic traffic by the hour and a linear model of it."""
    write_demo_data(folder / "traffic.csv", days=30, freq_seconds=3600, seed=5)
    return TrainSpec(
        csv=folder / "traffic.csv",
        time_column="time",
        columns=("down", "users"),
        targets=("down",),
        input_len=24,
        horizon=6,
        arch="linear",
        out=folder / "bundles",
        name="traffic",
        cli="python -m inference_container train",
        created_at=datetime(2025, 5, 1, tzinfo=UTC),
    )
