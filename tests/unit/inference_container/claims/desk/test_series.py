import dataclasses
from pathlib import Path

import pytest

from inference_container.claims.desk.series import read_series
from inference_container.claims.messages import Claim
from inference_container.errors import ObjectChanged, ObjectMissing, ObjectRefused, ObjectTooLarge
from inference_container.stores.files import FileStore
from tests.unit.inference_container.claims.desk.desk_house import BUCKET, KEY, SERIES, digest
from tests.unit.inference_container.claims.samples import PLACES

CLAIM = Claim(2, BUCKET, KEY, "c-1")


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    made = FileStore(tmp_path, PLACES)
    made.ensure_buckets()
    made.put(BUCKET, KEY, SERIES)
    return made


def read(store: FileStore, at_most: int = 1000, **named: object) -> bytes:
    return read_series(store, dataclasses.replace(CLAIM, **named), at_most)  # type: ignore[arg-type]  # a claim's fields


def test_a_claim_that_names_no_version_takes_what_is_there(store: FileStore) -> None:
    assert read(store) == SERIES


def test_the_version_that_is_named_has_to_be_there(store: FileStore) -> None:
    etag = store.stat(BUCKET, KEY).etag
    assert read(store, etag=etag, size=len(SERIES), sha256=digest(SERIES)) == SERIES
    for wrong in ({"etag": "other"}, {"size": len(SERIES) + 1}, {"size": 0}, {"sha256": digest(b"other")}):
        with pytest.raises(ObjectChanged):
            read(store, **wrong)


def test_an_object_that_was_replaced_is_another_version_and_its_hash_may_still_be_the_same(store: FileStore) -> None:
    etag = store.stat(BUCKET, KEY).etag
    store.put(BUCKET, KEY, SERIES)
    with pytest.raises(ObjectChanged):
        read(store, etag=etag)
    assert read(store, sha256=digest(SERIES)) == SERIES


def test_what_the_store_says_goes_through(store: FileStore) -> None:
    with pytest.raises(ObjectMissing):
        read(store, key="elsewhere")
    with pytest.raises(ObjectRefused):
        read(store, bucket="another")
    with pytest.raises(ObjectTooLarge):
        read(store, at_most=3)
