"""What credentials allow, once they are known to be good. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from service_chat.services.caller import Caller


class Scope(StrEnum):
    """What a key or a token may be for. One without a scope may still look at the queue."""

    TRIAGE = "triage"  #: to ask, and to come back for what one asked
    OPENAI = "openai"  #: the routes below /v1
    FEEDBACK = "feedback"  #: to say whether an answer was right
    ADMIN = "admin"  #: what ADMIN_TOKEN opens


SCOPES = frozenset(scope.value for scope in Scope)


@dataclass(frozen=True, slots=True)
class Grant:
    caller: Caller
    scopes: frozenset[str]
