"""Why a message is not worked on: one word that is counted and charted, and one sentence for whoever reads the letter.

`messages` and `deadlines` answer with a `Refusal` instead of raising: a message that can not be read is an ordinary
thing in a topic that anybody may write to. What goes wrong later comes as an error, whose `code` is the word then.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Values of `dlq-reason` that are no error's code. Stable: people alert on them."""

    TOMBSTONE = "tombstone"  #: the value is null
    TOO_LARGE = "too_large"  #: more bytes than a message of this kind ever needs; it was not read
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    WRONG_SCHEMA = "wrong_schema"  #: JSON, but not of the published schema
    NOT_ALLOWED = "not_allowed"  #: names a bucket or a key outside the allow-list
    NO_BUNDLE_ID = "no_bundle_id"  #: a promotion as they were before there were bundles
    BAD_DEADLINE = "bad_deadline"  #: a `deadline_ms` that says no moment, or two
    WORKER_KILLER = "worker_killer"  #: begun again and again, alone too, and no process lived to finish it


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: Reason
    #: A sentence of our own; never a piece of the message.
    error: str
