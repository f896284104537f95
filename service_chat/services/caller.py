"""Who asks. Pure.

Made by the door that looked at the credentials, carried by the question, and read by whoever keeps something apart by
caller: jobs, idempotency keys, limits, the audit.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Two callers with one principal are the same one, wherever they call from."""

    principal: str  #: stable, and safe to keep: the id of a key, issuer and subject of a token, or `anonymous`
    patient: str | None = None  #: the only record number that may be asked about; None: any


#: Where no credentials are asked for.
ANONYMOUS = Caller("anonymous")
