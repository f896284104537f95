"""Addresses signed here are the client's own, sign for sign."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minio import Minio

from inference_container.stores.address import S3Address
from inference_container.stores.places import Places
from inference_container.stores.s3_addresses import LASTS_S, Addresses

ADDRESSES = [
    S3Address("127.0.0.1:9000", "key", "secret-key", secure=False),
    S3Address("store.example", "a/key+with=signs", "s3cret/+=", region="eu-central-1"),
    S3Address("s3.eu-west-1.amazonaws.com", "AKIAKEY", "secret", region="eu-west-1"),
]
PLACES = Places({"data": ("",)})
#: What may be asked for at all; of blanks alone the client makes no address.
keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(
    lambda key: PLACES.holds("data", key) and bool(key.strip())
)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: address.endpoint)
@given(wanted=st.lists(st.tuples(st.sampled_from(["data", "other-data"]), keys, moments), min_size=1, max_size=5))
def test_an_address_is_always_the_one_that_the_client_makes(
    address: S3Address, wanted: list[tuple[str, str, datetime]]
) -> None:
    client = Minio(
        address.endpoint, address.access_key, address.secret_key, secure=address.secure, region=address.region
    )

    def clients(bucket: str, key: str, moment: datetime | None = None) -> str:
        return client.get_presigned_url("GET", bucket, key, timedelta(seconds=LASTS_S), request_date=moment)

    ours = Addresses(address, clients)
    for bucket, key, moment in wanted:
        found = ours.to_get(bucket, key, moment)
        scheme = "https" if address.secure else "http"
        assert f"{scheme}://{found.host}{found.target}" == clients(bucket, key, moment)
