"""What every record server over HTTP is asked with: one client, bounded answers, addresses that mean one place.

Used by `carepath`, `fhir_server` and `smart`; made by `record_stores`. httpx's own log lines are off for the whole
process (`serving.logging`): an address may name a patient.
"""

import httpx

from service_chat.outgoing import traced
from serving.errors import DependencyFailed

#: Of one answer. A server that sends more is not taken at its word.
_MAX_BYTES = 32 * 1024 * 1024


def client_for(timeout_s: float) -> httpx.AsyncClient:
    """One for the life of the process: its connections are kept. It follows no redirect, so that nothing that it
    carries goes where nobody sent it.

    Args:
        timeout_s: for each wait of a request; the store bounds a patient as a whole.
    """
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
    timeout = httpx.Timeout(timeout_s, connect=min(5.0, timeout_s))
    return httpx.AsyncClient(timeout=timeout, limits=limits, follow_redirects=False, event_hooks=traced())


async def bounded(response: httpx.Response, most: int = _MAX_BYTES) -> bytes:
    """The body. Raises DependencyFailed when it is longer than `most` bytes."""
    pieces: list[bytes] = []
    length = 0
    async for piece in response.aiter_bytes():
        length += len(piece)
        if length > most:
            raise DependencyFailed("The record server's answer is too long.", most_bytes=most)
        pieces.append(piece)
    return b"".join(pieces)


def checked_base(address: str) -> httpx.URL:
    """An address without a slash at its end. Raises ValueError when it is none that can be asked."""
    wrong = "must be an address like https://ehr.example.org/fhir, without user, ? and #"
    try:
        url = httpx.URL(address.rstrip("/"))
    except httpx.InvalidURL as error:
        raise ValueError(f"{wrong}: {error}") from None
    if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 80) < 65_536:
        raise ValueError(wrong)
    if url.query or url.fragment or url.userinfo:
        raise ValueError(wrong)
    return url


def origin(url: httpx.URL) -> tuple[str, str, int]:
    """Scheme, host and port, the port also where it is the usual one."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
