"""What promotion asks of the house around it: somebody who serves a bundle, a reader of events, a way for letters.

`wiring` brings them. Messages of a topic are read by `claims`, which stands on the same storey and is not known here:
what it finds comes as `Selected` or `Refused`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from inference_container.broker.ports import Headers
from inference_container.forecasting.messages import ServedModel


class Activate(Protocol):
    """Whoever serves; lives on the event loop. `ModelSwitch` is one."""

    @property
    def model(self) -> ServedModel | None:
        """What answers now; None before a first bundle is loaded."""

    async def activate(self, bundle: Path) -> ServedModel:
        """Loads, verifies and warms the bundle beside the present one, then serves it instead.

        Raises:
            BundleRefused: It can not be served; the present one goes on.
            WorkFailed: Its workers do not live long enough to load it.
            NotReady: The process is going down.
        """


@dataclass(frozen=True, slots=True)
class Selected:
    """A `model-selected` event that could be read."""

    identifier: str
    bundle_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a pointer or an event is not followed: a stable word, and a sentence that repeats nothing of it."""

    reason: str
    error: str


#: What a message of the topic says. Never raises.
ReadEvent: TypeAlias = Callable[[bytes | None], Selected | Refused]


@dataclass(frozen=True, slots=True)
class Letter:
    """What a dead letter of a promotion is made of."""

    key: bytes | None
    value: bytes | None = field(repr=False)
    headers: Headers
    #: `topic-partition-offset` of an event; of a pointer `topic-pointer-bundle_id`, which no message ever has.
    source: str
    why: Refused
    at_ms: int  #: the same for all who tell of the same, so that their letters have the same bytes
    #: True: it could be read, but what it names is not served.
    loading: bool


#: Returns when the broker has it. Blocking; called on any thread but the event loop's.
#: Raises BrokerUnavailable, MessageTooLarge.
Send: TypeAlias = Callable[[Letter], None]
