"""How often somebody may ask, as the use case and the OpenAI door see it. `access.limits` counts."""

from typing import Protocol

from typing_extensions import override

from service_chat.services.caller import Caller


class Limits(Protocol):
    def take(self, caller: Caller, address: str | None) -> None:
        """One question of this caller, from this address (None: unknown).

        Raises:
            RateLimited: There were too many; it is not counted, and the error says when to come back.
        """
        ...


class NoLimits(Limits):
    """RATE_LIMIT_PER_MINUTE=0."""

    @override
    def take(self, caller: Caller, address: str | None) -> None:
        return
