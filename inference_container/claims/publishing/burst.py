"""Claims on their way into the topic: one with its file, or a burst of thousands that all point at one object.

Called by `routers.publish` and the command line, never on the event loop: it waits. What is counted was acknowledged
by the broker; of what was sent and never answered nobody can say more than that it may have arrived.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from inference_container import events_claims as events
from inference_container.broker.ports import Headers, Producer, Sent
from inference_container.claims import traces
from inference_container.claims.deadlines import deadline_header, milliseconds
from inference_container.claims.messages import Claim, encode_claim
from inference_container.claims.ports import Outgoing
from inference_container.claims.publishing.flight import Flight
from inference_container.claims.retries import code_of
from inference_container.errors import BrokerUnavailable
from inference_container.metrics_claims import ClaimMetrics
from inference_container.spans import PUBLISH
from inference_container.stores.ports import ObjectInfo, ObjectStore
from serving.clock import Clock
from serving.errors import SluiceError

#: Claims of one burst.
MOST_CLAIMS = 500_000
#: Milliseconds that a claim may be given to live: a day.
LONGEST_TTL_MS = 86_400_000
#: Messages that wait for their acknowledgement at a time: enough to keep a broker busy, little to be unsure about.
IN_FLIGHT = 2_000
#: Seconds without any acknowledgement after which a broker is not waited for.
_PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Burst:
    """Raises: ValueError, for a count or a time to live that is out of its range."""

    bucket: str
    object_key: str
    count: int = 1
    ttl_ms: int | None = None  #: from the moment at which each is sent
    key_prefix: str | None = None  #: keys `<prefix>-<i>`; None: no key, spread over all partitions
    identifier: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_CLAIMS:
            raise ValueError(f"count: 1 to {MOST_CLAIMS}")
        if self.ttl_ms is not None and not 1 <= self.ttl_ms <= LONGEST_TTL_MS:
            raise ValueError(f"ttl_ms: 1 to {LONGEST_TTL_MS}")


@dataclass(frozen=True, slots=True)
class Version:
    """Which version of the object is meant: what makes second-version claims of a burst."""

    etag: str
    size: int
    sha256: str | None = None

    @classmethod
    def of(cls, info: ObjectInfo) -> "Version":
        return cls(info.etag, info.size)


def numbered() -> Callable[[int], str]:
    """Ids of the claims of one burst: no other has them, and they tell which belong together."""
    burst = uuid4().hex
    return lambda number: f"{burst}-{number}"


def publish_burst(
    producer: Producer,
    topic: str,
    burst: Burst,
    clock: Clock,
    claim_ids: Callable[[int], str],
    version: Version | None = None,
    closing: Callable[[], bool] = lambda: False,
    patience_s: float = _PATIENCE_S,
    in_flight: int = IN_FLIGHT,
) -> int:
    """Sends one claim after the other, and returns how many were acknowledged: all of them.

    Args:
        claim_ids: by the number of the claim, from 0.
        version: without it the claims are of the first version, which names none.
        closing: asked before each, and while it waits; true ends the burst.
        patience_s: without any acknowledgement.

    Raises:
        SluiceError: What the first failure was, `BrokerUnavailable` where nobody answered, `Draining` where it was
            ended; nothing is sent after it. `published` are certain, `uncertain` may still arrive.
    """
    flight = Flight(closing, patience_s)
    for message in _messages(topic, burst, clock, claim_ids, version):
        if not flight.room(in_flight):
            break
        flight.begin(producer.send(message.topic, message.value, message.key, message.headers))
    return flight.ended(burst.count)


def send(producer: Producer, message: Outgoing, patience_s: float = _PATIENCE_S) -> Sent:
    """One message, and where it lies.

    Raises:
        BrokerUnavailable: Nobody acknowledged it; it may have arrived for all that.
        MessageTooLarge: It never will.
    """
    try:
        return producer.send(message.topic, message.value, message.key, message.headers).result(patience_s)
    except TimeoutError:
        raise BrokerUnavailable("The broker did not acknowledge the message in time; it may have arrived.") from None


def claim_message(topic: str, claim: Claim, key: bytes | None, deadline_ms: int | None = None) -> Outgoing:
    deadline: Headers = (deadline_header(deadline_ms),) if deadline_ms is not None else ()
    return Outgoing(topic, key, encode_claim(claim), (*deadline, *traces.headers()))


@dataclass(frozen=True, slots=True)
class Published:
    count: int
    version: int  #: of the claims: 2 where the object could be looked at


@dataclass(frozen=True, slots=True)
class Publisher:
    """What publishing over HTTP needs. `publish` may be called from any thread but the event loop's."""

    #: The process's producer, made when it is first asked for; not closed here. Raises as `Broker.producer` does.
    producer: Callable[[], Producer]
    topic: str
    bucket: str  #: PROCESSED_BUCKET: of an order that names none
    object_key: str  #: TEST_OBJECT_KEY: likewise
    clock: Clock
    store: ObjectStore | None  #: None: claims are of the first version
    metrics: ClaimMetrics  #: for the door, which counts on the event loop
    closing: Callable[[], bool]  #: whether the process goes down

    def publish(self, burst: Burst) -> Published:
        """
        Raises:
            SluiceError: as `publish_burst` does, with `published`.
        """
        version = version_of(self.store, burst)
        try:
            with PUBLISH(topic=self.topic, count=burst.count):
                published = publish_burst(
                    self.producer(), self.topic, burst, self.clock, numbered(), version, self.closing
                )
        except SluiceError as failure:
            told = failure.details.get("published", 0)
            published = told if isinstance(told, int) else 0
            events.publish_claim_error(topic=self.topic, published=published, code=code_of(failure))
            raise failure.with_details(published=published) from failure
        events.publish_claims_ok(topic=self.topic, count=published)
        return Published(published, 2 if version is not None else 1)


def version_of(store: ObjectStore | None, burst: Burst) -> Version | None:
    """The object as it is now; None where it can not be looked at: a claim of the first version needs none."""
    if store is None:
        return None
    try:
        return Version.of(store.stat(burst.bucket, burst.object_key))
    except SluiceError:
        return None


def _messages(
    topic: str, burst: Burst, clock: Clock, claim_ids: Callable[[int], str], version: Version | None
) -> Iterator[Outgoing]:
    for number in range(burst.count):
        key = f"{burst.key_prefix}-{number}".encode() if burst.key_prefix is not None else None
        until = milliseconds(clock) + burst.ttl_ms if burst.ttl_ms is not None else None
        yield claim_message(topic, _claim(burst, claim_ids(number), version, clock.now()), key, until)


def _claim(burst: Burst, claim_id: str, version: Version | None, made_at: datetime) -> Claim:
    if version is None:
        return Claim(1, burst.bucket, burst.object_key, identifier=burst.identifier)
    return Claim(
        2,
        burst.bucket,
        burst.object_key,
        claim_id=claim_id,
        identifier=burst.identifier,
        etag=version.etag,
        sha256=version.sha256,
        size=version.size,
        created_at=made_at,
    )
