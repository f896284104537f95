"""What the desk writes down of a claim: a row of the log each time, and a message where somebody is to hear of it.

Pure, and without a clock or chance: a claim that is worked twice by the same bundle leaves the same bytes twice. So a
dead letter bears its message's own time as well; when it was put aside, its timestamp in the topic says.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import orjson

from inference_container.broker.ports import Record
from inference_container.claims.dead_letters import DeadLetter, DeadLetterTopics, Kind, Operation, Why, dead_letter
from inference_container.claims.messages import Claim
from inference_container.claims.ports import Entry, Item, Outgoing, Refused, Work
from inference_container.claims.results import (
    Forecast,
    ModelName,
    Place,
    dead_row,
    expired_row,
    ok_row,
    publication,
)
from serving.errors import WorkFailed

#: Of a bundle that nobody here can name any more.
_UNNAMED = "unknown"


@dataclass(frozen=True, slots=True)
class ClaimTopics:
    """Where claims' messages go."""

    results: str = "performance-eval"
    dead_letters: DeadLetterTopics = field(default_factory=DeadLetterTopics)


@dataclass(frozen=True, slots=True)
class Entries:
    identifier: str  #: IDENTIFIER, for claims that name none
    topics: ClaimTopics

    def answered(self, work: Work, model: ModelName, forecast: Forecast) -> Entry:
        row = ok_row(work.record, work.claim, model, forecast, self.identifier)
        return Entry(row, partial(self._result, work.record, work.claim, model, forecast), work.deadline)

    def expired(self, work: Work) -> Entry:
        return Entry(expired_row(work.record, work.claim, self.identifier), None)

    def letter(self, item: Item, because: Why, attempts: int, operation: Operation | None = None) -> DeadLetter:
        """`operation`: None for reading the message."""
        kind = item.kind if isinstance(item, Refused) else Kind.CLAIM
        record = item.record
        return dead_letter(record, kind, because, attempts, record.timestamp_ms, self.topics.dead_letters, operation)

    def dead(self, item: Item, letter: DeadLetter, reason: str) -> Entry:
        row = dead_row(item.record, item.claim, reason, self.identifier)
        message = Outgoing(letter.topic, letter.key, letter.value, letter.headers)
        return Entry(row, lambda _: message)

    def _result(
        self, record: Record, claim: Claim, model: ModelName, forecast: Forecast, log: Place | None
    ) -> Outgoing:
        made = publication(record, claim, model, forecast, self.identifier, log)
        return Outgoing(self.topics.results, made.key, made.value, made.headers)


def read_answer(body: bytes, name_of: Callable[[str], ModelName | None]) -> tuple[ModelName, Forecast]:
    """Which model answered, and how many rows ahead.

    Raises:
        WorkFailed: It is no answer as a worker writes them.
    """
    try:
        answer = orjson.loads(body)
        bundle_id, rows = answer["run_id"], len(answer["predictions"])
    except (ValueError, TypeError, KeyError):
        raise WorkFailed("The worker's answer is not one that claims can be answered with.") from None
    if not isinstance(bundle_id, str):
        raise WorkFailed("The worker's answer does not name its bundle.")
    return name_of(bundle_id) or ModelName(bundle_id, _UNNAMED, _UNNAMED), Forecast(body, rows)
