"""Signed addresses of objects, as the client makes them and ten times as fast: AWS Signature Version 4 in a query.

The client puts a bucket's host and path together and derives its key anew for every address. Here it is asked for one
address of each bucket; of all others in the same second only the key of the object and the signature differ. A test
holds every address against the client's own. Used by `s3_short_road`.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from inference_container.stores.address import S3Address

LASTS_S = 300
_METHOD = "AWS4-HMAC-SHA256"


class Signed(NamedTuple):
    host: str  #: with a port where it needs one
    target: str  #: path and query


@dataclass(frozen=True, slots=True)
class _Second:
    """What addresses of one second have in common."""

    moment: str
    scope: str
    query: str
    key: bytes


class Addresses:
    """Thread-safe."""

    def __init__(self, address: S3Address, like: Callable[[str, str], str]) -> None:
        """`like`: an address of a bucket's key as the client makes it; only its host and path are looked at."""
        self._access_key, self._secret_key, self._region = address.access_key, address.secret_key, address.region
        self._like = like
        self._roots: dict[str, tuple[str, str]] = {}
        self._second: _Second | None = None

    def to_get(self, bucket: str, key: str, now: datetime) -> Signed:
        """Good for `LASTS_S` from `now`, a moment in UTC."""
        host, root = self._roots.get(bucket) or self._root(bucket)
        path, second = root + quote(key), self._in_second(now)
        request = f"GET\n{path}\n{second.query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(request.encode()).hexdigest()
        words = f"{_METHOD}\n{second.moment}\n{second.scope}\n{digest}"
        signature = hmac.digest(second.key, words.encode(), "sha256").hex()
        return Signed(host, f"{path}?{second.query}&X-Amz-Signature={signature}")

    def _root(self, bucket: str) -> tuple[str, str]:
        parts = urlsplit(self._like(bucket, "x"))
        found = self._roots[bucket] = (parts.netloc, parts.path.removesuffix("x"))
        return found

    def _in_second(self, now: datetime) -> _Second:
        moment, second = f"{now:%Y%m%dT%H%M%SZ}", self._second
        if second is None or second.moment != moment:
            second = self._second = self._begin(moment, moment[:8])
        return second

    def _begin(self, moment: str, day: str) -> _Second:
        scope = f"{day}/{self._region}/s3/aws4_request"
        key = f"AWS4{self._secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        query = (
            f"X-Amz-Algorithm={_METHOD}&X-Amz-Credential={quote(f'{self._access_key}/{scope}', safe='')}"
            f"&X-Amz-Date={moment}&X-Amz-Expires={LASTS_S}&X-Amz-SignedHeaders=host"
        )
        return _Second(moment, scope, query, key)
