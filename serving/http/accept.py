"""Which of two media types a caller would rather have (RFC 9110 §12.5.1)."""

from collections.abc import Sequence


def prefers(wanted: str, default: str, accept: Sequence[str]) -> bool:
    """Whether `wanted` is named in `accept` (the header's values) with a weight above 0, and not below `default`'s.

    A wildcard is no wish for `wanted`: who accepts anything gets the default.
    """
    weights = dict(_weighted(part) for value in accept for part in value.split(","))
    weight = weights.get(wanted, 0.0)
    return weight > 0 and weight >= weights.get(default, 0.0)


def _weighted(part: str) -> tuple[str, float]:
    media_type, *parameters = part.split(";")
    weight = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                weight = float(value)
            except ValueError:
                weight = 0.0
    return media_type.strip().lower(), weight
