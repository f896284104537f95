"""Reads JSON that somebody else wrote: what is missing or of the wrong kind is absent, never an exception.

Used by the mappings of FHIR resources and of the CarePath API. Only `parse` refuses, because bytes that are no JSON are
no record; everything beneath it is read as far as it makes sense.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

import orjson

JsonObject = Mapping[str, object]

_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?![\d-])")


def parse(data: bytes) -> JsonObject:
    """Raises ValueError when it is no JSON object. orjson bounds the depth, so brackets can not exhaust the stack."""
    found = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))  # some editors write three bytes before everything
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def as_object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def objects(value: object) -> Iterator[JsonObject]:
    """Those in a list; one that stands alone counts as a list of one."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict):
            yield each


def text(*values: object) -> str:
    """The first that is a text with something in it, white space made single; else nothing."""
    for value in values:
        if isinstance(value, str) and (found := " ".join(value.split())):
            return found
    return ""


def number(*values: object) -> float | None:
    """The first that is a finite number, or a text that is one: servers differ about quotes."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        try:
            found = float(value)
        except (ValueError, OverflowError):
            continue
        if math.isfinite(found):
            return found
    return None


def day(*values: object) -> date | None:
    """The first that begins with a date; of a partial one the first day: `2019-05` is 2019-05-01."""
    return next((found[0] for value in values if (found := days(value)) is not None), None)


def days(value: object) -> tuple[date, date] | None:
    """The first and last day that a date, partial or not, can mean. A time behind it is not looked at."""
    match = _PARTIAL.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    year, month, of_month = match.groups()
    try:
        first = date(int(year), int(month or 1), int(of_month or 1))
        if of_month:
            return first, first
        after = date(first.year + 1, 1, 1) if not month else _next_month(first)
    except ValueError:  # a thirteenth month, the year 0 or 9999
        return None
    return first, after - timedelta(days=1)


def moment(*values: object) -> datetime | None:
    """The first that is a date or a moment, in UTC; a moment without an offset is taken as UTC."""
    for value in values:
        if not isinstance(value, str):
            continue
        try:
            found = datetime.fromisoformat(value.strip())
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            if (only := day(value)) is not None:
                return datetime(only.year, only.month, only.day, tzinfo=UTC)
    return None


def _next_month(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)
