"""`Prefer` (RFC 7240): what a caller of `POST /triage` would rather have. Pure.

Two preferences are known: `respond-async` and `wait=N`. Others, and values that mean nothing, are ignored, as the RFC
asks: a preference is never a reason to refuse.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preferences:
    respond_async: bool = False
    wait_s: int | None = None

    def applied(self) -> dict[str, str]:
        """The header that says which ones were honoured."""
        told = ["respond-async"] if self.respond_async else []
        if self.wait_s is not None:
            told.append(f"wait={self.wait_s}")
        return {"Preference-Applied": ", ".join(told)} if told else {}


def preferences(values: Sequence[str]) -> Preferences:
    """From the header's values; the first of two equal names holds."""
    respond_async, wait_s = False, None
    for preference in ",".join(values).split(","):
        name, _, value = preference.split(";")[0].partition("=")
        match name.strip().lower():
            case "respond-async":
                respond_async = True
            case "wait" if wait_s is None:
                wait_s = _seconds(value.strip().strip('"'))
    return Preferences(respond_async, wait_s)


def _seconds(text: str) -> int | None:
    # Nine digits are thirty years; int() itself would also read "+5", "1_0" and other scripts' digits.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
