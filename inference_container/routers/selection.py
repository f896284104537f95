"""Which part of an object a request gets, if any: conditions and ranges as RFC 9110 has them. Pure; `download` asks.

The order is that of §13.2.2: If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since, then Range with If-Range.
What is no valid header is as good as absent, as the RFC wants it; several ranges at once are answered with the whole.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_RANGE = re.compile(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE | re.ASCII)
#: As large as an object can not be; a number of more digits is cut to it, since Python refuses to read very long ones.
_BEYOND = 10**18


class Verdict(Enum):
    SEND = 200
    NOT_MODIFIED = 304
    FAILED = 412


@dataclass(frozen=True, slots=True)
class Asked:
    """The headers that select; each as all its lines, in their order."""

    if_match: Sequence[str] = ()
    if_unmodified_since: Sequence[str] = ()
    if_none_match: Sequence[str] = ()
    if_modified_since: Sequence[str] = ()
    range: Sequence[str] = ()
    if_range: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What there is."""

    etag: str  #: strong, without quotes
    modified: datetime
    size: int


@dataclass(frozen=True, slots=True)
class Part:
    start: int
    length: int

    def content_range(self, size: int) -> str:
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


class Unsatisfiable(Exception):
    """The range begins behind the end."""


def judge(asked: Asked, held: Held) -> Verdict:
    if asked.if_match:
        if not _matches(asked.if_match, held.etag, weak=False):
            return Verdict.FAILED
    elif (limit := _date(asked.if_unmodified_since)) is not None and _second(held.modified) > limit:
        return Verdict.FAILED
    if asked.if_none_match:
        if _matches(asked.if_none_match, held.etag, weak=True):
            return Verdict.NOT_MODIFIED
    elif (known := _date(asked.if_modified_since)) is not None and _second(held.modified) <= known:
        return Verdict.NOT_MODIFIED
    return Verdict.SEND


def part_of(asked: Asked, held: Held, now: datetime) -> Part | None:
    """The one part that is asked for; None for the whole.

    Raises:
        Unsatisfiable: There is nothing in it.
    """
    found = _RANGE.fullmatch(asked.range[0].strip()) if len(asked.range) == 1 else None
    if found is None or not _still(asked.if_range, held, now):
        return None
    first, last = found[1], found[2]
    if not first:
        return _suffix(last, held.size) if last else None
    start = _number(first)
    if last and _number(last) < start:
        return None  # not a range at all
    if start >= held.size:
        raise Unsatisfiable
    end = min(_number(last), held.size - 1) if last else held.size - 1
    return Part(start, end - start + 1)


def _suffix(last: str, size: int) -> Part | None:
    length = min(_number(last), size)
    if not _number(last):
        raise Unsatisfiable
    return Part(size - length, length) if size else None  # of nothing, the last bytes are the whole


def _still(lines: Sequence[str], held: Held, now: datetime) -> bool:
    """If-Range: whether what the caller has a part of is what there is. Absent means yes."""
    if not lines:
        return True
    tag = _TAG.fullmatch(lines[0].strip())
    if tag is not None:
        return tag[1] is None and tag[2] == held.etag
    since = _date(lines)
    # A second that has not passed may bring another version with the same date.
    return since is not None and since == _second(held.modified) and now - held.modified >= timedelta(seconds=1)


def _matches(lines: Sequence[str], etag: str, weak: bool) -> bool:
    text = ",".join(lines).strip()
    return text == "*" or any(tag == etag and (weak or not mark) for mark, tag in _TAG.findall(text))


def _date(lines: Sequence[str]) -> datetime | None:
    """None for what is no date of HTTP, and for more than one."""
    if len(lines) != 1:
        return None
    try:
        found = parsedate_to_datetime(lines[0])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _number(digits: str) -> int:
    significant = digits.lstrip("0")
    return _BEYOND if len(significant) > 18 else int(significant or "0")
