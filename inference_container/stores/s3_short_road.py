"""Whole small objects by the short road: an address, one message out, one message in.

Around the few kilobytes of a claim's object the client spends a millisecond: on headers that nobody reads, on answers
that could be anything. `s3` asks here first. What is plain (200, as long as it says, as its etag says) is returned.
Whatever is not plain is nobody's here: its connection is dropped, and the client asks again, which knows what errors
mean and how often to try. So the short road is for good weather: it opens once the client was answered, and a
connection that breaks shuts it for a moment.
"""

import hashlib
import socket
import ssl
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple

from inference_container.errors import StoreUnavailable
from inference_container.stores.address import S3Address
from inference_container.stores.content_types import UNKNOWN
from inference_container.stores.ports import ObjectInfo
from inference_container.stores.s3_addresses import Addresses
from inference_container.stores.s3_reading import is_digest
from serving.clock import Clock

_PIECE = 256 * 1024
_HEAD_BYTES = 16 * 1024
#: A connection that was idle for longer may have been dropped on the way without a word.
_IDLE_S = 20.0
#: How long it is shut after a connection broke.
_SHUT_S = 1.0
_END = b"\r\n\r\n"
#: What says that the body is not simply what follows.
_NOT_PLAIN = frozenset({"transfer-encoding", "content-range", "content-encoding"})
#: What is read; of anything else there may be two. VersityGW names each request twice.
_READ = frozenset({"content-length", "etag", "connection", "content-type", "last-modified"})


class _Idle(NamedTuple):
    connection: socket.socket
    since: float


class _NotPlain(Exception):
    """An answer for the client to ask for again."""


class ShortRoad:
    """Thread-safe; `get` blocks."""

    def __init__(self, address: S3Address, like: Callable[[str, str], str], clock: Clock) -> None:
        """`like`: as `Addresses` has it."""
        self._address, self._addresses, self._clock = address, Addresses(address, like), clock
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
            host, target = self._addresses.to_get(bucket, key, datetime.now(UTC))
            message = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n\r\n".encode("ascii")
            connection = self._connection(host)
        except ValueError:  # the client finds the words for it
            return None
        except OSError:
            self._shut()
            return None
        kept = False
        try:
            connection.sendall(message)
            head, body = self._answer(connection, at_most)
            info = _info(bucket, key, head, body)
            kept = head.get("connection", "").lower() != "close"
            return info, body
        except TimeoutError as late:
            self._shut()
            raise StoreUnavailable(reason=type(late).__name__, bucket=bucket, key=key) from late
        except OSError:
            self._shut()
            return None
        except (_NotPlain, ValueError):
            return None
        finally:
            self._release(host, connection, kept)

    def close(self) -> None:
        self._closed = True
        self._opens_at = None
        for idle in self._idle.values():
            while idle:
                idle.pop().connection.close()

    def _shut(self) -> None:
        if self._opens_at is not None:
            self._opens_at = self._clock.monotonic() + _SHUT_S

    def _connection(self, host: str) -> socket.socket:
        idle, freshly = self._idle[host], self._clock.monotonic() - _IDLE_S
        while idle:
            try:
                found = idle.pop()  # the last one used
            except IndexError:  # another thread was faster
                break
            if found.since >= freshly:
                return found.connection
            found.connection.close()
        name, colon, port = host.rpartition(":")
        if not colon or not port.isdigit():
            name, port = host, "443" if self._address.secure else "80"
        made = socket.create_connection((name.strip("[]"), int(port)), self._address.connect_timeout_s)
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._address.secure:
                if self._tls is None:
                    self._tls = ssl.create_default_context(cafile=self._address.ca_file)
                made = self._tls.wrap_socket(made, server_hostname=name.strip("[]"))
            made.settimeout(self._address.read_timeout_s)
        except BaseException:  # whatever it was, nobody else holds this connection to close it
            made.close()
            raise
        return made

    def _release(self, host: str, connection: socket.socket, kept: bool) -> None:
        idle = self._idle[host]
        if kept and not self._closed and len(idle) < self._address.connections:
            idle.append(_Idle(connection, self._clock.monotonic()))
        else:
            connection.close()

    def _answer(self, connection: socket.socket, at_most: int) -> tuple[Mapping[str, str], bytes]:
        until = self._clock.monotonic() + self._address.whole_timeout_s
        got = connection.recv(_PIECE)
        while (end := got.find(_END)) < 0:
            piece = connection.recv(_PIECE)
            if not piece or len(got) > _HEAD_BYTES or self._clock.monotonic() > until:
                raise _NotPlain
            got += piece
        head = _head(got[:end])
        length = int(head["content-length"]) if head.get("content-length", "").isdigit() else -1
        if not 0 <= length <= at_most:
            raise _NotPlain
        body = bytearray(got[end + len(_END) :])
        while len(body) < length:
            piece = connection.recv(_PIECE)
            if not piece:
                raise _NotPlain
            if self._clock.monotonic() > until:
                raise TimeoutError
            body += piece
        if len(body) > length:
            raise _NotPlain
        return head, bytes(body)


def _head(raw: bytes) -> Mapping[str, str]:
    """Fields by their names in lower case."""
    first, *lines = raw.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1.1 200"):
        raise _NotPlain
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or name in _NOT_PLAIN or (name in fields and name in _READ):
            raise _NotPlain
        fields[name] = value.strip()
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
