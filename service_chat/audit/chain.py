"""The chain: what a row's hash is made of, and which keys may have made it. Pure.

A row's hash covers all of its cells, the hash before it among them, so that no cell can be changed, no row taken out,
put in or moved without every later hash being another one. With a key the hash is an HMAC: who can write the file can
then still not compute those later hashes. Without one they can, and the chain shows accidents and careless hands only.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

#: Cells of a row, in the order in which they are hashed; the hash itself stands behind them.
COLUMNS = (
    *("seq", "at", "principal", "patient_ref", "action", "outcome", "acuity", "rules"),
    *("trace_id", "job_id", "conversation_id", "detail", "key_id", "prev_hash"),
)
#: What the first row of all names as the hash before it.
GENESIS = "0" * 64
#: Goes into every hash: rows of another form can not be taken for these.
_FORM = "sluice-audit-1"


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chain."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> "Link":
        """Raises ValueError."""
        seq, _, found = text.strip().partition(":")
        if len(found) != 64 or not set(found) <= set("0123456789abcdef"):
            raise ValueError(f"not a place in a chain (NUMBER:HASH): {text!r}")
        return cls(int(seq), found)


BEGIN = Link(0, GENESIS)


def key_id(key: bytes) -> str:
    """Names a key without telling it."""
    return hashlib.sha256(b"sluice-key-id" + key).hexdigest()[:8]


class Keys:
    """The first one makes new hashes, all of them may have made older ones; none at all: plain SHA-256."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {key_id(key): key for key in keys}
        self.current = key_id(keys[0]) if keys else ""

    def digest(self, cells: Sequence[object], made_with: str) -> str | None:
        """The hash of a row, 64 hex digits; None where the key that made it is not here."""
        text = json.dumps([_FORM, *cells], ensure_ascii=True, separators=(",", ":"), default=repr).encode()
        if not made_with:
            return hashlib.sha256(text).hexdigest()
        key = self._keys.get(made_with)
        return hmac.new(key, text, hashlib.sha256).hexdigest() if key is not None else None
