"""Hears of promotions: a good event makes the watcher look at once, one that can not be read becomes a dead letter.

Two readers of the same topic, because they owe two things. Every process has to hear every event: its reader is alone
in a group of its own, commits nothing and begins at the earliest, which a compacted topic keeps short. But a bad event
is to be put aside once, not by every replica and again at every start: that reader shares a group with those of the
other replicas and commits when the letter is acknowledged. A letter is written twice only when its writer dies in
between, and then with the same bytes.

What the events say is not followed; the pointer is. Lost, late or out of order, they cost time and nothing else.
"""

import uuid
from collections.abc import Callable, Sequence

from inference_container import events_claims
from inference_container.broker.ports import Broker, Membership, Record
from inference_container.errors import MessageTooLarge
from inference_container.promotion.ports import Letter, ReadEvent, Refused, Selected, Send
from inference_container.promotion.topic_reader import TopicReader


class PromotionListener:
    def __init__(
        self,
        broker: Broker,
        topic: str,
        group: str,
        identifier: str,
        read: ReadEvent,
        hint: Callable[[], None],
        send: Send,
    ) -> None:
        """
        Args:
            group: of the service; the names of both groups here begin with it.
            hint: called on a thread of this room; must not block.
        """
        self._identifier, self._read, self._hint, self._send = identifier, read, hint, send
        alone = Membership(f"{group}-promotion-{uuid.uuid4().hex}", (topic,))
        together = Membership(f"{group}-promotion-letters", (topic,))
        self._readers = (
            TopicReader("promotion-hints", broker, alone, self._heard, commits=False),
            TopicReader("promotion-letters", broker, together, self._put_aside, commits=True),
        )

    def start(self) -> None:
        for reader in self._readers:
            reader.start()

    def stop(self) -> None:
        """Does not wait. Idempotent, from any thread."""
        for reader in self._readers:
            reader.stop()

    def join(self, wait_s: float) -> bool:
        """Whether both have ended, each within `wait_s`."""
        return all(reader.join(wait_s) for reader in self._readers)

    @property
    def alive(self) -> bool:
        return all(reader.alive for reader in self._readers)

    def _heard(self, records: Sequence[Record]) -> None:
        read = (self._read(record.value) for record in records)
        if any(isinstance(each, Selected) and each.identifier == self._identifier for each in read):
            self._hint()

    def _put_aside(self, records: Sequence[Record]) -> None:
        for record in records:
            # A tombstone takes an identifier's last event out of a compacted topic: nothing is wrong with it.
            found = self._read(record.value) if record.value is not None else None
            if isinstance(found, Refused):
                events_claims.promotion_refused(reason=found.reason, error=found.error, bundle_id=None)
                self._write(record, found)

    def _write(self, record: Record, why: Refused) -> None:
        letter = Letter(
            record.key, record.value, record.headers, record.source, why, record.timestamp_ms, loading=False
        )
        try:
            self._send(letter)
        except MessageTooLarge as error:  # it can never be put aside; those behind it can
            events_claims.promotion_listener_error(code=error.code, reason=error.message, after_s=0.0)
