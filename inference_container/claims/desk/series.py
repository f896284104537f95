"""A claim's object, read whole and held to what the claim says of it. Blocking: the desk calls it on its own threads.

A claim of the second version names the version of the object that it means, by its etag, by the hash of its bytes, or
both. What has been replaced since is another series, and its forecast would be an answer to something nobody asked.
"""

import hashlib

from inference_container.claims.messages import Claim
from inference_container.errors import ObjectChanged
from inference_container.stores.ports import ObjectStore


def read_series(store: ObjectStore, claim: Claim, at_most: int) -> bytes:
    """The object's bytes, at most so many.

    Raises:
        ObjectMissing, ObjectTooLarge, ObjectRefused: As the store says.
        ObjectChanged: It is not the version that the claim means.
        StoreUnavailable: Worth another try, later.
    """
    info, body = store.get(claim.bucket, claim.key, at_most)
    if claim.etag is not None and claim.etag != info.etag:
        raise ObjectChanged("The object's etag is not the one in the claim.", bucket=claim.bucket, key=claim.key)
    if claim.size is not None and claim.size != len(body):
        raise ObjectChanged("The object's size is not the one in the claim.", bucket=claim.bucket, key=claim.key)
    if claim.sha256 is not None and claim.sha256 != hashlib.sha256(body).hexdigest():
        raise ObjectChanged(
            "The object's bytes are not those that the claim names.", bucket=claim.bucket, key=claim.key
        )
    return body
