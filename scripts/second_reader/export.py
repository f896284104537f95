"""Writes what was learned as the data that the service reads: whole numbers of one byte, and their units.

Called by `__main__`.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from scripts.second_reader import naming, urgency
from scripts.second_reader.naming import Naming
from scripts.second_reader.urgency import LENGTHS, Urgency
from service_chat.safety.second_reader import DANGER_WEIGHTS, SETTINGS, WEIGHTS

_MOST = 127
#: Share of the weights that may be larger than a byte can hold; they are cut.
_LARGER = 1e-5


@dataclass(frozen=True, slots=True)
class Scores:
    """Where what begins."""

    urgent: float  #: above it a text is that
    emergency: float


def write(folder: Path, read: Urgency, named: Naming, scores: Scores, digest: str) -> None:
    """
    Args:
        digest: of the messages that were learned from.
    """
    weights, unit = _bytes(read.weights)
    danger_weights, danger_unit = _bytes(named.weights)
    (folder / WEIGHTS).write_bytes(weights)
    (folder / DANGER_WEIGHTS).write_bytes(danger_weights)
    dangers = ", ".join(f'"{danger.value}"' for danger in named.dangers)
    (folder / SETTINGS).write_text(
        f"""# Written by `python -m scripts.second_reader --write`, as the weights beside it were.
messages = "{digest}"

[reading]
unit = {unit / urgency.SCALE:.6g}
lengths = {list(LENGTHS)}
bars = {_rounded(read.bars)}
urgent = {scores.urgent}
emergency = {scores.emergency}

[naming]
unit = {danger_unit / naming.SCALE:.6g}
dangers = [{dangers}]
biases = {_rounded(named.biases)}
""",
        encoding="utf-8",
    )


def _bytes(weights: torch.Tensor) -> tuple[bytes, float]:
    """The weights as signed bytes, and what a one is worth."""
    values = weights.detach().flatten()
    most = float(values.abs().sort().values[int(len(values) * (1 - _LARGER)) - 1])
    unit = most / _MOST or 1.0
    whole = (values / unit).round().clamp(-_MOST, _MOST).to(torch.int8)
    return bytes(whole.view(torch.uint8).tolist()), unit


def _rounded(numbers: torch.Tensor) -> list[float]:
    return [round(float(number), 3) for number in numbers.detach()]
