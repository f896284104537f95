"""Writes that happen only if: `If-None-Match: *` makes an object once, `If-Match` replaces one version of it.

The client's own `put_object` has no place for these headers, so they go out on a presigned address, which leaves them
free. Servers exist that ignore them and overwrite what is there; before the first of each kind a store tries it on an
object that is nobody's (`places.PROBE`, a few bytes that stay) and refuses to go on where nothing stopped it.
"""

import hashlib
import threading
from base64 import b64encode
from collections.abc import Callable
from typing import Literal

import urllib3

from inference_container.errors import ObjectChanged, ObjectMissing
from inference_container.stores.content_types import UNKNOWN
from inference_container.stores.s3_answers import code_in, telling, told_answer
from serving.errors import DependencyFailed

Condition = Literal["If-None-Match", "If-Match"]
#: A version that no object has: what is put has another digest than 32 zeros.
_NO_VERSION = '"00000000000000000000000000000000"'
_PROBE_CONTENT = b"sluice asks whether this server keeps conditions\n"


class Conditions:
    def __init__(self, http: urllib3.PoolManager, presign: Callable[[str, str], str], attempts: int) -> None:
        """`presign`: an address for one PUT of a bucket's key."""
        self._http, self._presign = http, presign
        # A connection that broke is not tried again: the write may have happened, and its second try would be told
        # that somebody else has written. A 409 or 503 has changed nothing.
        self._retries = urllib3.Retry(
            total=attempts - 1,
            read=0,
            other=0,
            redirect=False,
            allowed_methods=None,
            status_forcelist=(409, 429, 503),
            backoff_factor=0.1,
            backoff_jitter=0.1,
            backoff_max=2,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        self._kept: set[Condition] = set()
        self._probing = threading.Lock()

    def put(
        self, condition: Condition, value: str, bucket: str, key: str, content: bytes, content_type: str = UNKNOWN
    ) -> str:
        """The new version's etag.

        Raises:
            ObjectChanged: The condition does not hold; some servers say so of a missing object too.
            StoreUnavailable: Also when the connection broke: then nobody knows whether it was written.
        """
        digest = b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        headers = {condition: value, "Content-Type": content_type, "Content-MD5": digest}
        with telling(bucket, key, writing=True):
            answer = self._http.request(
                "PUT", self._presign(bucket, key), body=content, headers=headers, retries=self._retries
            )
        if answer.status not in (200, 201, 204):
            raise told_answer(answer.status, code_in(answer.data), bucket, key, writing=True)
        return answer.headers.get("etag", "").strip('"')

    def need(self, condition: Condition, bucket: str, probe: str) -> None:
        """Returns once it is known that the server keeps the condition.

        Raises:
            DependencyFailed: It does not.
        """
        with self._probing:
            if condition in self._kept:
                return
            if not self._stops(condition, bucket, probe):
                raise DependencyFailed(f"This object store ignores {condition}: it overwrites what is there.")
            self._kept.add(condition)

    def _stops(self, condition: Condition, bucket: str, probe: str) -> bool:
        value, tries = ("*", 2) if condition == "If-None-Match" else (_NO_VERSION, 1)
        try:
            for _ in range(tries):  # the first may find nothing there and rightly write
                self.put(condition, value, bucket, probe, _PROBE_CONTENT)
        except (ObjectChanged, ObjectMissing):
            return True
        return False
