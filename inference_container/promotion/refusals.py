"""What was not followed: told once, put aside as a dead letter, and not tried again until the pointer changes.

Every replica writes a letter of its own for a bundle that it refuses: whether a bundle can be served is a matter of the
machine too, and of one that only one replica refuses somebody has to hear. Letters of the same refusal have the same
source and the same time.
"""

from inference_container import events_claims
from inference_container.metrics_claims import ClaimMetrics
from inference_container.promotion.pointer import Pointer
from inference_container.promotion.ports import Letter, Refused, Send
from inference_container.promotion.shelf import Found
from serving.aside import Aside
from serving.errors import SluiceError


class Refusals:
    """Lives on the event loop."""

    def __init__(self, topic: str, send: Send | None, metrics: ClaimMetrics | None) -> None:
        self._topic, self._send, self._metrics = topic, send, metrics
        self._etag: str | None = None
        #: Why the pointer is not followed.
        self.present: Refused | None = None
        self._unsent: list[Letter] = []
        #: Bundles that did not come to serve here, whoever named them.
        self.versions: set[tuple[str, str]] = set()

    def knows(self, found: Found) -> bool:
        """Whether this very pointer was refused."""
        return found.etag == self._etag

    def add(self, found: Found, why: Refused) -> None:
        if self.knows(found):
            return
        self._etag, self.present = found.etag, why
        pointer = found.pointer if isinstance(found.pointer, Pointer) else None
        bundle_id = pointer.bundle_id if pointer is not None else None
        events_claims.promotion_refused(reason=why.reason, error=why.error, bundle_id=bundle_id)
        if self._metrics is not None:
            self._metrics.promotions.labels("refused").inc()
        if pointer is not None:
            self.versions.add(pointer.version)
            self._unsent.append(self._letter(found, pointer, why))

    def forget(self) -> None:
        """It is followed, or to be tried once more."""
        self._etag = self.present = None
        self.versions.clear()

    async def send(self, aside: Aside) -> None:
        """What the broker does not take now is tried again next time."""
        while self._unsent and self._send is not None:
            try:
                await aside.run(self._send, self._unsent[0])
            except SluiceError:
                return
            self._unsent.pop(0)

    def _letter(self, found: Found, pointer: Pointer, why: Refused) -> Letter:
        source = f"{self._topic}-pointer-{pointer.bundle_id}"
        at_ms = int(pointer.promoted_at.timestamp() * 1000)
        return Letter(pointer.identifier.encode(), found.content, (), source, why, at_ms, loading=True)
