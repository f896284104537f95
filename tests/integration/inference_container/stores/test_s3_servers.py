"""The suite of all stores on real servers: VersityGW, and rclone with what it lacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar

import pytest
from minio import Minio
from typing_extensions import override

from inference_container.errors import ObjectMissing, StoreUnavailable
from inference_container.stores.address import S3Address
from inference_container.stores.places import Places
from inference_container.stores.ports import ObjectStore
from inference_container.stores.s3 import S3Store
from serving.errors import DependencyFailed
from tests.unit.inference_container.stores.suite import (
    CONDITIONS,
    DATA,
    NESTED_NAMES,
    PLACES,
    StoreSuite,
    at_once,
)

pytestmark = pytest.mark.timeout(600)  # the first run builds the server


@contextmanager
def emptied(address: S3Address) -> Iterator[S3Store]:
    store = S3Store(address, PLACES)
    plain = Minio(address.endpoint, address.access_key, address.secret_key, secure=address.secure, region="us-east-1")
    store.ensure_buckets()
    for bucket in PLACES.buckets:
        for each in list(plain.list_objects(bucket, recursive=True)):
            plain.remove_object(bucket, each.object_name or "")
    yield store
    store.close()


class TestVersityGW(StoreSuite):
    lacks: ClassVar = frozenset({NESTED_NAMES})

    @override
    @pytest.fixture
    def store(self, versity_address: S3Address) -> Iterator[ObjectStore]:
        with emptied(versity_address) as store:
            yield store

    def test_wrong_credentials_are_nothing_to_try_again(self, versity_address: S3Address) -> None:
        store = S3Store(replace(versity_address, secret_key="another-secret"), PLACES)
        for ask in (lambda: store.get(DATA, "k", 10), lambda: store.put(DATA, "k", b"x"), store.ensure_buckets):
            with pytest.raises(DependencyFailed) as caught:
                ask()
            assert type(caught.value) is DependencyFailed
        store.close()

    def test_a_bucket_that_is_not_there_is_told(self, versity_address: S3Address) -> None:
        store = S3Store(versity_address, Places({"sluice-test-absent": ("",)}))
        with pytest.raises(ObjectMissing):
            store.get("sluice-test-absent", "k", 10)
        with pytest.raises(DependencyFailed, match="bucket"):
            store.put("sluice-test-absent", "k", b"x")
        with pytest.raises(ObjectMissing):
            list(store.list("sluice-test-absent", ""))
        store.close()

    def test_more_threads_than_connections_lose_nothing(self, store: ObjectStore) -> None:
        def work(number: int) -> bool:
            content = str(number).encode() * 20_000
            return all(
                store.put(DATA, f"t/{number}", content) and store.get(DATA, f"t/{number}", 100_000)[1] == content
                for _ in range(5)
            )

        assert at_once(24, work) == [True] * 24


class TestRclone(StoreSuite):
    lacks: ClassVar = frozenset({NESTED_NAMES, CONDITIONS})
    not_nested: ClassVar = StoreUnavailable  # all it says is 500

    @override
    @pytest.fixture
    def store(self, rclone_address: S3Address) -> Iterator[ObjectStore]:
        with emptied(rclone_address) as store:
            yield store
