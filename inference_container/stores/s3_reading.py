"""An S3 server's answer to "give me this object": what it is, and its bytes, checked while they come.

Used by `s3`; `s3_short_road` takes from here which etags can be checked.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from urllib3.response import BaseHTTPResponse

from inference_container.errors import StoreUnavailable
from inference_container.stores.content_types import UNKNOWN
from inference_container.stores.ports import ObjectInfo
from inference_container.stores.s3_answers import telling
from inference_container.stores.whole_file import PIECE
from serving.errors import DependencyFailed

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_MD5 = re.compile(r"[0-9a-f]{32}")


def info_of(bucket: str, key: str, response: BaseHTTPResponse) -> ObjectInfo:
    headers = response.headers
    part = _RANGE.fullmatch(headers.get("content-range", ""))
    size = part[3] if part else headers.get("content-length", "")
    if not size.isdigit():
        raise DependencyFailed("The object store does not say how long an object is.")
    told_at = headers.get("last-modified")
    modified = parsedate_to_datetime(told_at) if told_at else datetime.fromtimestamp(0, UTC)
    etag = headers.get("etag", "").removeprefix("W/").strip('"')
    return ObjectInfo(bucket, key, int(size), etag, modified, headers.get("content-type", UNKNOWN))


def length_of(response: BaseHTTPResponse, info: ObjectInfo, start: int, whole: bool) -> int:
    """Bytes that the answer's body must have.

    Raises:
        DependencyFailed: It is not the part that was asked for.
    """
    told = response.headers.get("content-range")
    if told is None:  # not by the status: there are servers that send a part as 200
        if not whole and info.size:
            raise DependencyFailed("The object store does not serve parts of objects.")
        return info.size
    part = _RANGE.fullmatch(told)
    if part is None or int(part[1]) != start:
        raise DependencyFailed("The object store served another part than the one that was asked for.")
    return int(part[2]) - start + 1


def pieces_of(response: BaseHTTPResponse, info: ObjectInfo, length: int) -> Iterator[bytes]:
    """The body as the server keeps it.

    Raises:
        StoreUnavailable: It ends early, or a whole object is not what its etag says.
    """
    rest, digest = length, hashlib.md5(usedforsecurity=False)
    while rest > 0:
        with telling(info.bucket, info.key):
            # read1: what is there, as soon as it is there. `read` would wait for a full piece, however slowly it drips.
            piece = response.read1(min(PIECE, rest), decode_content=False)
        if not piece:
            raise StoreUnavailable("The object ended early.", bucket=info.bucket, key=info.key)
        rest -= len(piece)
        digest.update(piece)
        told = rest == 0 and length == info.size and is_digest(info.etag, response.headers)
        if told and digest.hexdigest() != info.etag:
            raise StoreUnavailable("The object is not what its etag says.", bucket=info.bucket, key=info.key)
        yield piece
    with telling(info.bucket, info.key):
        response.read1(1, decode_content=False)  # sees the end, and so gives the connection back to the pool


def is_digest(etag: str, headers: Mapping[str, str]) -> bool:
    """Whether the etag is the content's MD5: of objects in one part, unless the server has encrypted them by a key."""
    encrypted = "x-amz-server-side-encryption-customer-algorithm" in headers
    by_key = headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
    return _MD5.fullmatch(etag) is not None and not encrypted and not by_key
