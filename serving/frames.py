"""Frames on a pipe: a length, then one pickled message. Spoken by `serving.child` on both of its ends.

Only for pipes between a parent and a child that it started itself: pickle trusts its sender.
"""

import pickle
import struct
from collections.abc import Iterator

_LENGTH = struct.Struct("!Q")


def encode(message: object) -> bytes:
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Collects bytes as they come and gives back whole messages."""

    def __init__(self) -> None:
        self._rest = bytearray()
        #: Bytes that the message at the front of `_rest` will have in all, its length included.
        self._wanted = 0

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[object]:
        """What `data` completes. Take all of it before `data` is used again: messages are read where they lie."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return  # a large message comes in hundreds of pieces: it is not copied for each of them
            whole = memoryview(bytes(self._rest))
            self._rest.clear()
        else:
            whole = memoryview(data)
        at, end = 0, len(whole)
        self._wanted = _LENGTH.size
        while end - at >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(whole, at)
            begin, behind = at + _LENGTH.size, at + _LENGTH.size + size
            if behind > end:
                self._wanted = behind - at
                break
            at = behind
            yield pickle.loads(whole[begin:behind])
        self._rest += whole[at:]
