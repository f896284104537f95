"""Whole small objects by the short road: a presigned address, and the standard library's client on a kept connection.

Around the few kilobytes of a claim's object the MinIO client and its pool spend nearly twice as much, on headers
that nobody reads and answers that could be anything (`docs/decisions/0024`). `s3` asks here first. What is plain (200,
as long as it says, as its etag says) is returned. Whatever is not plain is nobody's here: its connection is dropped,
and the MinIO client asks again, which knows what errors mean and how often to try. So the short road is for good
weather: it opens once that client was answered, and a connection that breaks shuts it for a moment.
"""

import hashlib
import ssl
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from urllib3.util.wait import wait_for_read

from inference_container.errors import StoreUnavailable
from inference_container.stores.address import S3Address
from inference_container.stores.content_types import UNKNOWN
from inference_container.stores.ports import ObjectInfo
from inference_container.stores.s3_reading import is_digest
from serving.clock import Clock

_PIECE = 256 * 1024
#: A connection that was idle for longer may have been dropped on the way without a word.
_IDLE_S = 20.0
#: How long it is shut after a connection broke.
_SHUT_S = 1.0
#: What says that the body is not simply what follows.
_NOT_PLAIN = frozenset({"transfer-encoding", "content-range", "content-encoding"})
#: What is read; of anything else there may be two. VersityGW names each request twice.
_READ = frozenset({"content-length", "etag", "connection", "content-type", "last-modified"})


class _Idle(NamedTuple):
    connection: HTTPConnection
    since: float


class _NotPlain(Exception):
    """An answer for the client to ask for again."""


class ShortRoad:
    """Thread-safe; `get` blocks."""

    def __init__(self, address: S3Address, presigned: Callable[[str, str], str], clock: Clock) -> None:
        """`presigned`: the address at which a bucket's key may be read for some minutes."""
        self._address, self._presigned, self._clock = address, presigned, clock
        self._tls: ssl.SSLContext | None = None
        self._idle: defaultdict[str, deque[_Idle]] = defaultdict(deque)
        #: When it opens next; None: not before the client has been answered.
        self._opens_at: float | None = None
        self._closed = False

    def answered(self) -> None:
        """The client has just got an object."""
        if self._opens_at is None:
            self._opens_at = self._clock.monotonic()

    def get(self, bucket: str, key: str, at_most: int) -> tuple[ObjectInfo, bytes] | None:
        """The whole object, at most so many bytes; None: ask the client.

        Raises:
            StoreUnavailable: No byte in time. Not worth asking again before whoever wants it has waited.
        """
        if self._opens_at is None or self._clock.monotonic() < self._opens_at:
            return None
        try:
            place = urlsplit(self._presigned(bucket, key))
            connection = self._connection(place.netloc)
        except ValueError:  # the client finds the words for it
            return None
        except OSError:
            self._shut()
            return None
        kept = False
        try:
            connection.request("GET", f"{place.path}?{place.query}")
            with connection.getresponse() as response:
                head = _head(response)
                body = self._body(response, head, at_most)
                info = _info(bucket, key, head, body)
                kept = not response.will_close
            return info, body
        except TimeoutError as late:
            self._shut()
            raise StoreUnavailable(reason=type(late).__name__, bucket=bucket, key=key) from late
        except OSError:
            self._shut()
            return None
        except (_NotPlain, HTTPException, ValueError):
            return None
        finally:
            self._release(place.netloc, connection, kept)

    def close(self) -> None:
        self._closed = True
        self._opens_at = None
        for idle in self._idle.values():
            while idle:
                idle.pop().connection.close()

    def _shut(self) -> None:
        if self._opens_at is not None:
            self._opens_at = self._clock.monotonic() + _SHUT_S

    def _connection(self, host: str) -> HTTPConnection:
        idle, freshly = self._idle[host], self._clock.monotonic() - _IDLE_S
        while idle:
            try:
                found = idle.pop()  # the last one used
            except IndexError:  # another thread was faster
                break
            # Readable before anything was asked: it has ended, or says more than it should have.
            if found.since >= freshly and not wait_for_read(found.connection.sock, 0.0):
                return found.connection
            found.connection.close()
        return self._connected(host)

    def _connected(self, host: str) -> HTTPConnection:
        wait = self._address.connect_timeout_s
        if self._address.secure:
            if self._tls is None:
                self._tls = ssl.create_default_context(cafile=self._address.ca_file)
            made: HTTPConnection = HTTPSConnection(host, timeout=wait, context=self._tls)
        else:
            made = HTTPConnection(host, timeout=wait)
        try:
            made.connect()
            made.sock.settimeout(self._address.read_timeout_s)
        except BaseException:  # whatever it was, nobody else holds this connection to close it
            made.close()
            raise
        return made

    def _release(self, host: str, connection: HTTPConnection, kept: bool) -> None:
        idle = self._idle[host]
        if kept and not self._closed and len(idle) < self._address.connections:
            idle.append(_Idle(connection, self._clock.monotonic()))
        else:
            connection.close()

    def _body(self, response: HTTPResponse, head: Mapping[str, str], at_most: int) -> bytes:
        until = self._clock.monotonic() + self._address.whole_timeout_s
        told = head.get("content-length", "")
        length = int(told) if told.isdigit() else -1
        if not 0 <= length <= at_most:
            raise _NotPlain
        body = bytearray()
        while len(body) < length:
            piece = response.read1(_PIECE)
            if not piece:
                raise _NotPlain
            body += piece
            if self._clock.monotonic() > until:
                raise TimeoutError
        return bytes(body)


def _head(response: HTTPResponse) -> Mapping[str, str]:
    """Fields by their names in lower case."""
    if response.status != 200 or response.version != 11:
        raise _NotPlain
    fields: dict[str, str] = {}
    for name, value in response.getheaders():
        name = name.lower()
        if name in _NOT_PLAIN or (name in fields and name in _READ):
            raise _NotPlain
        fields[name] = value
    return fields


def _info(bucket: str, key: str, head: Mapping[str, str], body: bytes) -> ObjectInfo:
    etag = head.get("etag", "").removeprefix("W/").strip('"')
    if is_digest(etag, head) and hashlib.md5(body, usedforsecurity=False).hexdigest() != etag:
        raise _NotPlain
    modified, kind = _moment(head.get("last-modified", "")), head.get("content-type", UNKNOWN)
    return ObjectInfo(bucket, key, len(body), etag, modified, kind)


@lru_cache(maxsize=256)
def _moment(told: str) -> datetime:
    return parsedate_to_datetime(told) if told else datetime.fromtimestamp(0, UTC)
