"""Objects on an S3-compatible server, through the MinIO client: pooled, bounded in time, read to the last byte or not.

What a refusal means stands in `s3_answers`, reading in `s3_reading`, writing under a condition in `s3_conditions`.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import S3Error
from typing_extensions import override
from urllib3.response import BaseHTTPResponse

from inference_container.errors import ObjectChanged, ObjectMissing, ObjectTooLarge, StoreUnavailable
from inference_container.stores.address import S3Address
from inference_container.stores.content_types import UNKNOWN, content_type_of
from inference_container.stores.places import Places
from inference_container.stores.ports import ObjectInfo, Opened, RemovingStore
from inference_container.stores.s3_answers import status_of, telling
from inference_container.stores.s3_conditions import Conditions
from inference_container.stores.s3_identity import Identity
from inference_container.stores.s3_reading import info_of, length_of, pieces_of
from inference_container.stores.s3_short_road import ShortRoad
from inference_container.stores.whole_file import whole_file
from serving.clock import Clock, SystemClock
from serving.errors import DependencyFailed

_LEAST_PART = 5 * 1024 * 1024  # the client asks for one, although an object goes out in one piece here
_MADE = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


class S3Store(RemovingStore):
    def __init__(self, address: S3Address, places: Places, clock: Clock | None = None) -> None:
        """Connects when something is asked.

        Raises:
            DependencyFailed: The endpoint is no address, or the CA file can not be read.
        """
        self._places, self._clock = places, clock or SystemClock()
        self._whole_timeout_s = address.whole_timeout_s
        if address.ca_file is not None and not Path(address.ca_file).is_file():
            raise DependencyFailed("S3_CA_FILE names no file.")
        self._http = urllib3.PoolManager(
            num_pools=2,
            maxsize=address.connections,
            timeout=urllib3.Timeout(connect=address.connect_timeout_s, read=address.read_timeout_s),
            retries=_retries(address.attempts),
            cert_reqs="CERT_REQUIRED",
            ca_certs=address.ca_file,
        )
        try:
            self._client = Minio(
                address.endpoint,
                address.access_key or None,
                address.secret_key or None,
                secure=address.secure,
                region=address.region,
                http_client=self._http,
                credentials=Identity() if address.identity else None,
            )
        except ValueError as error:
            raise DependencyFailed(f"S3_ENDPOINT is no address: {error}.") from error
        self._conditions = Conditions(self._http, partial(self._presigned, "PUT"), address.attempts)
        self._short_road = ShortRoad(address, partial(self._presigned, "GET"), self._clock)

    @override
    def stat(self, bucket: str, key: str) -> ObjectInfo:
        self._places.check(bucket, key)
        with telling(bucket, key):
            found = self._client.stat_object(bucket, key)
            modified = found.last_modified or datetime.fromtimestamp(0, UTC)
        return ObjectInfo(bucket, key, found.size or 0, found.etag or "", modified, found.content_type or UNKNOWN)

    @override
    def get(self, bucket: str, key: str, at_most: int) -> tuple[ObjectInfo, bytes]:
        self._places.check(bucket, key)
        if (found := self._short_road.get(bucket, key, at_most)) is not None:
            return found
        until = self._clock.monotonic() + self._whole_timeout_s
        with self.open(bucket, key) as opened:
            if opened.info.size > at_most:
                raise ObjectTooLarge(size=opened.info.size, at_most=at_most)
            body = bytearray()
            for piece in opened.pieces:
                body += piece
                if self._clock.monotonic() > until:
                    raise StoreUnavailable(reason="too slow", bucket=bucket, key=key)
        self._short_road.answered()
        return opened.info, bytes(body)

    @override
    @contextmanager
    def open(
        self, bucket: str, key: str, start: int = 0, length: int | None = None, etag: str | None = None
    ) -> Iterator[Opened]:
        self._places.check(bucket, key)
        response = self._part(bucket, key, start, length, etag) if length != 0 else None
        try:
            pieces: Iterator[bytes] = iter(())
            if response is None:
                info = self.stat(bucket, key)
            else:
                info = info_of(bucket, key, response)
                whole = not start and length is None
                pieces = pieces_of(response, info, length_of(response, info, start, whole))
            if etag not in (None, info.etag):  # a server that does not know the condition
                raise ObjectChanged(bucket=bucket, key=key)
            yield Opened(info, pieces)
        finally:
            if response is not None:
                response.close()  # drops the connection, unless all was read: then it is in the pool again
                response.release_conn()

    @override
    def put(self, bucket: str, key: str, content: bytes, content_type: str = UNKNOWN) -> ObjectInfo:
        self._places.check(bucket, key)
        size = len(content)
        with telling(bucket, key, writing=True):
            done = self._client.put_object(
                bucket, key, BytesIO(content), size, content_type, part_size=max(size, _LEAST_PART)
            )
        return ObjectInfo(bucket, key, size, done.etag or "", datetime.now(UTC), content_type)

    @override
    def put_new(self, bucket: str, key: str, content: bytes, content_type: str = UNKNOWN) -> ObjectInfo | None:
        self._places.check(bucket, key)
        self._conditions.need("If-None-Match", bucket, self._places.probe(bucket))
        try:
            etag = self._conditions.put("If-None-Match", "*", bucket, key, content, content_type)
        except ObjectChanged:
            return None
        return ObjectInfo(bucket, key, len(content), etag, datetime.now(UTC), content_type)

    @override
    def replace(self, bucket: str, key: str, content: bytes, etag: str) -> ObjectInfo:
        self._places.check(bucket, key)
        self._conditions.need("If-Match", bucket, self._places.probe(bucket))
        content_type = content_type_of(key)
        try:
            new = self._conditions.put("If-Match", f'"{etag}"', bucket, key, content, content_type)
        except ObjectChanged:
            self.stat(bucket, key)  # raises for one that is missing: servers say the same of it
            raise
        return ObjectInfo(bucket, key, len(content), new, datetime.now(UTC), content_type)

    @override
    def remove(self, bucket: str, key: str) -> None:
        self._places.check(bucket, key)
        with suppress(ObjectMissing), telling(bucket, key, writing=True):
            self._client.remove_object(bucket, key)

    @override
    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        self._places.check_prefix(bucket, prefix)
        return self._listed(bucket, prefix, after)

    @override
    def fetch(self, bucket: str, key: str, into: Path) -> ObjectInfo:
        with self.open(bucket, key) as opened:
            try:
                with whole_file(into) as file:
                    for piece in opened.pieces:
                        file.write(piece)
            except OSError as error:
                raise DependencyFailed("The file can not be written.", reason=type(error).__name__) from error
        return opened.info

    @override
    def ensure_buckets(self) -> None:
        for bucket in self._places.buckets:
            with telling(bucket, "", writing=True):
                if not self._client.bucket_exists(bucket):
                    try:
                        self._client.make_bucket(bucket)
                    except S3Error as error:
                        if error.code not in _MADE:  # by another replica, this moment
                            raise

    @override
    def close(self) -> None:
        self._short_road.close()
        self._http.clear()

    def _presigned(self, method: str, bucket: str, key: str) -> str:
        return self._client.get_presigned_url(method, bucket, key, expires=timedelta(minutes=5))

    def _part(self, bucket: str, key: str, start: int, length: int | None, etag: str | None) -> BaseHTTPResponse | None:
        """The server's answer, its body still to be read. None: there is nothing at `start`."""
        headers: dict[str, str | list[str] | tuple[str]] = {}
        if etag is not None:
            headers["If-Match"] = f'"{etag}"'
        if start or length is not None:
            headers["Range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
        try:
            with telling(bucket, key):
                return self._client.get_object(bucket, key, request_headers=headers)
        except DependencyFailed as error:
            if error.__cause__ is not None and status_of(error.__cause__) == 416:
                return None
            raise

    def _listed(self, bucket: str, prefix: str, after: str) -> Iterator[ObjectInfo]:
        found = self._client.list_objects(bucket, prefix, recursive=True, start_after=after or None)
        while True:
            with telling(bucket, prefix):
                each = next(found, None)
            if each is None:
                return
            key = each.object_name or ""
            if self._places.holds(bucket, key) and key > after:
                modified = each.last_modified or datetime.fromtimestamp(0, UTC)
                etag = (each.etag or "").strip('"')
                yield ObjectInfo(bucket, key, each.size or 0, etag, modified, content_type_of(key))


def _retries(attempts: int) -> urllib3.Retry:
    """For what may be done twice. A server's own Retry-After is not followed: it may name an hour."""
    return urllib3.Retry(
        total=attempts - 1,
        redirect=False,  # elsewhere may be anybody
        status_forcelist=(429, 500, 502, 503, 504),
        backoff_factor=0.1,
        backoff_jitter=0.1,
        backoff_max=2,
        raise_on_status=False,  # the client reads what the last answer says
        respect_retry_after_header=False,
    )
