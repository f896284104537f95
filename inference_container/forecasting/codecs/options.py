"""What a request may ask for beside its series, checked alike in every format and in the query string.

Codecs call these on what they found in a body; a value that JSON can not tell apart (5.0 is 5) is taken as meant.
"""

from collections.abc import Sequence

from inference_container.errors import MalformedRequest

#: The contract's bounds of `inference_length`, whatever the model can do.
MIN_LENGTH, MAX_LENGTH, DEFAULT_LENGTH = 1, 10_000, 1

#: Most levels of one request: each is a number per target and step of the answer.
MAX_QUANTILES = 20


def checked_length(value: object) -> int:
    """Steps to forecast; None means the default.

    Raises:
        MalformedRequest: no integer, or out of bounds.
    """
    if value is None:
        return DEFAULT_LENGTH
    # JSON has one kind of number: 5.0 is the integer 5. A bool is an int to Python only.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise MalformedRequest("inference_length must be an integer.", field="inference_length")
    if not MIN_LENGTH <= value <= MAX_LENGTH:
        raise MalformedRequest(
            f"inference_length must lie between {MIN_LENGTH} and {MAX_LENGTH}.", field="inference_length"
        )
    return value


def checked_quantiles(value: object) -> tuple[float, ...]:
    """Quantile levels, rising; None means none.

    Raises:
        MalformedRequest: no list of at most `MAX_QUANTILES` different numbers strictly between 0 and 1.
    """
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise MalformedRequest("quantiles must be an array of numbers.", field="quantiles")
    levels = [level for level in value if isinstance(level, float) and 0.0 < level < 1.0]
    if len(levels) != len(value):
        raise MalformedRequest("Each of quantiles must be a number strictly between 0 and 1.", field="quantiles")
    if len(levels) > MAX_QUANTILES or len(set(levels)) != len(levels):
        raise MalformedRequest(f"quantiles must be at most {MAX_QUANTILES} different numbers.", field="quantiles")
    return tuple(sorted(levels))
