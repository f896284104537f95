"""`POST /publish_inference_claims`: a burst of claims into the topic, for load tests. Behind the administration token.

There only where ENABLE_PUBLISH_API says so. Publishing waits for the broker, so each burst has a thread, and there is
one burst at a time: a second could only make both slower.
"""

from functools import partial
from typing import Annotated, Literal

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from inference_container.claims.publishing.burst import LONGEST_TTL_MS, MOST_CLAIMS, Burst, Publisher
from inference_container.claims.wire import Bucket, Identifier, Key
from serving.errors import Draining, QueueFull, SluiceError
from serving.http.problems import declared

#: Seconds after which a burst of usual size is over.
_RETRY_AFTER_S = 5


class BurstOrder(BaseModel):
    """All of it may be left out: then one claim points at the service's own test object."""

    bucket: Bucket | None = Field(None, description="PROCESSED_BUCKET if absent.")
    object_key: Key | None = Field(None, description="TEST_OBJECT_KEY if absent.")
    count: int = Field(1, ge=1, le=MOST_CLAIMS, description="Claims, all for the same object.")
    ttl_ms: int | None = Field(
        None, ge=1, le=LONGEST_TTL_MS, description="Milliseconds until nobody wants the result any more."
    )
    key_prefix: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="The messages' keys are `<prefix>-<i>`; without it they have none."
    )
    identifier: Identifier | None = Field(None, description="Tenant label; comes back with the results.")


class BurstDone(BaseModel):
    status: Literal["ok"] = "ok"
    published: int = Field(description="Claims that the broker acknowledged.")
    topic: str
    v: Literal[1, 2] = Field(description="Version of the claims: 2 where the object could be looked at.")


def publish_router(publisher: Publisher, admin: APIRouter) -> APIRouter:
    """Adds the route to `admin`, which has the guard, and returns it."""
    threads: list[CapacityLimiter] = []
    running = False
    counted = publisher.metrics.published.labels(publisher.topic)

    @admin.post(
        "/publish_inference_claims",
        summary="Publish a burst of claims",
        responses=declared(413, 422, 429, 502, 503),
    )
    async def publish(order: BurstOrder | None = None) -> BurstDone:
        nonlocal running
        if publisher.closing():
            raise Draining(published=0, retry_after_s=1)
        if running:
            raise QueueFull("Another burst is being published, try again.", retry_after_s=_RETRY_AFTER_S)
        if not threads:
            threads.append(CapacityLimiter(1))  # its own, made on the loop: a burst lasts, and nobody waits behind it
        running = True
        try:
            work = partial(publisher.publish, _burst(order or BurstOrder(), publisher))
            done = await anyio.to_thread.run_sync(work, limiter=threads[0])
        except SluiceError as failure:
            counted.inc(failure.details["published"])
            raise
        finally:
            running = False
        counted.inc(done.count)
        return BurstDone(published=done.count, topic=publisher.topic, v=2 if done.version == 2 else 1)

    return admin


def _burst(order: BurstOrder, publisher: Publisher) -> Burst:
    return Burst(
        order.bucket if order.bucket is not None else publisher.bucket,
        order.object_key if order.object_key is not None else publisher.object_key,
        order.count,
        order.ttl_ms,
        order.key_prefix or None,
        order.identifier,
    )
