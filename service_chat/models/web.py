"""A resumable download over HTTP into one `.part` file. Called by `store`; knows no hub and no hash.

A download that broke off goes on where it stopped, in this process or in the next one, when the server allows ranges
and says that the file is still the same (`If-Range` with the entity tag of the first answer). Without a tag to ask
with, it starts over: half of one file and half of another is worse than a slow download.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from service_chat.models.report import Report
from serving.errors import DependencyFailed

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_TIMEOUT = httpx.Timeout(20.0, connect=10.0)
#: Attempts in a row that brought no new byte.
_MAX_BARREN = 3


class _Again(Exception):
    """This attempt ended early; what came is kept and the next one goes on from there."""


def download(
    url: str,
    part: Path,
    where: str,
    report: Report,
    headers: Mapping[str, str] | None = None,
    size: int | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Fills `part` until the file is whole and on the disk. `where` names the source in errors, without secrets.

    Raises:
        DependencyFailed: The server refuses, has a file of another size than `size`, or stays away.
        OSError: The disk is full or may not be written.
    """
    barren = 0
    with httpx.Client(follow_redirects=True, timeout=_TIMEOUT, headers=dict(headers or {})) as client:
        while True:
            before = _size(part)
            try:
                _attempt(client, url, part, where, report, size)
                return
            except (_Again, httpx.TransportError) as error:
                barren = 0 if _size(part) > before else barren + 1
                if barren >= _MAX_BARREN:
                    reason = str(error) or type(error).__name__
                    raise DependencyFailed(
                        f"The download of {where} broke off: {reason}", reason="broken_off"
                    ) from error
                report("downloading", _size(part), size)
                sleep(0.5 * 2**barren)


def _attempt(client: httpx.Client, url: str, part: Path, where: str, report: Report, size: int | None) -> None:
    have, tag_file = _size(part), part.with_name(f"{part.name}.tag")
    tag = tag_file.read_text().strip() if have and tag_file.exists() else ""
    asking = {"Accept-Encoding": "identity"}  # a compressed answer has other offsets than the file
    if tag:
        asking |= {"Range": f"bytes={have}-", "If-Range": tag}
    with client.stream("GET", url, headers=asking) as answer:
        goes_on = answer.status_code == 206 and _starts_at(answer, have)
        if answer.status_code == 416 or (answer.status_code == 206 and not goes_on):
            tag_file.unlink(missing_ok=True)  # our part is not a beginning of this file: the next attempt asks for all
            raise _Again(f"status {answer.status_code} for a range from {have}")
        _refuse(answer, where)
        if not goes_on:
            have = 0
            tag_file.write_text(_validator(answer))
        total = _total(answer, have)
        if size is not None and total is not None and total != size:
            raise DependencyFailed(f"{where} has {total} bytes, expected {size}", reason="size")
        with part.open("ab" if goes_on else "wb") as file:
            report("downloading", have, total)
            for chunk in answer.iter_bytes():  # no chunk size: httpx would keep back what does not fill a chunk
                file.write(chunk)
                have += len(chunk)
                report("downloading", have, total)
            file.flush()
            os.fsync(file.fileno())
    tag_file.unlink(missing_ok=True)


def _refuse(answer: httpx.Response, where: str) -> None:
    if answer.is_success:
        return
    if answer.is_server_error or answer.status_code in (408, 429):
        raise _Again(f"status {answer.status_code}")
    raise DependencyFailed(f"{where} was refused with status {answer.status_code}", reason=f"http_{answer.status_code}")


def _starts_at(answer: httpx.Response, offset: int) -> bool:
    found = _CONTENT_RANGE.match(answer.headers.get("content-range", ""))
    return found is not None and int(found[1]) == offset


def _total(answer: httpx.Response, have: int) -> int | None:
    found = _CONTENT_RANGE.match(answer.headers.get("content-range", ""))
    if found is not None:
        return None if found[2] == "*" else int(found[2])
    length = answer.headers.get("content-length")
    return have + int(length) if length and length.isdigit() else None


def _validator(answer: httpx.Response) -> str:
    """What `If-Range` may carry: a strong entity tag. A weak one says "about the same", which is not enough."""
    tag = str(answer.headers.get("etag", ""))
    return "" if tag.startswith("W/") else tag


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
