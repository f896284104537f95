"""The public keys of an OpenID provider (OIDC_JWKS_URL): fetched when needed, kept, fetched again when it changes them.

Used by `tokens`. A provider that is away stops nobody whose token is signed with a key that is known. One that names a
key nobody knows has the set fetched again, but not more often than MIN_GAP_S: strangers can make up names for ever.
"""

import asyncio
import json
import warnings
from collections.abc import Mapping
from typing import TypeAlias

import httpx
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from service_chat import events
from service_chat.errors import IdentityProviderUnavailable
from serving.clock import Clock

#: A set is fetched anew when it is older: a key that its provider took back is believed so long at most. Seconds.
MAX_AGE_S = 600.0
#: Between two fetches, whatever tokens say; also after one that failed.
MIN_GAP_S = 10.0
#: Of the whole fetch. Somebody may be waiting for it.
_TIMEOUT_S = 3.0
_MAX_BYTES = 512 * 1024
_MAX_KEYS = 100

PublicKey: TypeAlias = RSAKey | ECKey | OKPKey


class Jwks:
    """Lives on the event loop."""

    def __init__(self, url: str, client: httpx.AsyncClient, clock: Clock) -> None:
        """`client` is closed with this; it must not follow redirects."""
        self._url, self._client, self._clock = url, client, clock
        self._keys: Mapping[str | None, PublicKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failed = False
        self._fetching: asyncio.Task[None] | None = None
        self.generation = 0  #: grows with every set that differs from the one before

    def begin(self) -> None:
        """Fetches the set before anybody needs it, so that an address that leads nowhere is told at the start."""
        self._fetch()

    async def key(self, kid: str | None) -> PublicKey | None:
        """The key of that name; None when the provider has none. Without a name it must be the only one.

        Raises:
            IdentityProviderUnavailable: It can not be told: the set could not be fetched.
        """
        known = self._keys.get(kid)
        if known is None and (self._may_fetch() or self._fetching is not None):
            # Shielded: others wait for the same fetch, and a caller who hangs up must not end it for them.
            await asyncio.shield(self._fetch())
            known = self._keys.get(kid)
        if known is None and (self._failed or self._fetched_at is None):
            raise IdentityProviderUnavailable(retry_after_s=round(MIN_GAP_S))
        if known is not None:
            self.keep_fresh()
        return known

    def keep_fresh(self) -> None:
        """Fetches a set that has become old, for those who come after: nobody waits for it."""
        if self._old() and self._may_fetch():
            self._fetch()

    async def aclose(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self._client.aclose()

    def _old(self) -> bool:
        return self._fetched_at is not None and self._clock.monotonic() - self._fetched_at > MAX_AGE_S

    def _may_fetch(self) -> bool:
        return self._tried_at is None or self._clock.monotonic() - self._tried_at >= MIN_GAP_S

    def _fetch(self) -> "asyncio.Task[None]":
        if self._fetching is None:
            self._tried_at = self._clock.monotonic()
            self._fetching = asyncio.create_task(self._fetched(), name="jwks")
        return self._fetching

    async def _fetched(self) -> None:
        """Puts a new set in the place of the old one, or leaves that and says why. Never raises but when cancelled."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                found = public_keys(await self._body())
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            # The sentence of a ValueError is ours; that of a client may quote an address with credentials in it.
            reason = str(error) if type(error) is ValueError else type(error).__name__
            self._failed = True
            events.jwks_unavailable(reason=reason, keys=len(self._keys))
        else:
            self._failed, self._fetched_at = False, self._clock.monotonic()
            if {kid: key.thumbprint() for kid, key in found.items()} != {
                kid: key.thumbprint() for kid, key in self._keys.items()
            }:
                self.generation += 1
                self._keys = found
                events.jwks_loaded(keys=len(found))
        finally:
            self._fetching = None

    async def _body(self) -> bytes:
        pieces: list[bytes] = []
        length = 0
        async with self._client.stream("GET", self._url, headers={"Accept": "application/json"}) as response:
            if response.status_code != 200:
                raise ValueError(f"status {response.status_code}")
            async for piece in response.aiter_bytes():
                length += len(piece)
                if length > _MAX_BYTES:
                    raise ValueError(f"more than {_MAX_BYTES} bytes")
                pieces.append(piece)
        return b"".join(pieces)


def public_keys(body: bytes) -> dict[str | None, PublicKey]:
    """The keys that may sign, by their names; and under None the only one, if there is one only.

    Keys of other kinds (secret ones above all), for encryption, or that can not be read are passed over.

    Raises:
        ValueError: It is no set of keys, or none of them can be used.
    """
    try:
        listed = json.loads(body)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("no set of keys") from None
    if not isinstance(listed, list):
        raise ValueError("no set of keys")
    found: dict[str | None, PublicKey] = {}
    anonymous: list[PublicKey] = []
    for one in listed[:_MAX_KEYS]:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", SecurityWarning)  # RSA of less than 2048 bits
                key = KeySet.import_key_set({"keys": [one]}).keys[0]
        except (JoseError, ValueError, TypeError, KeyError, SecurityWarning):
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            kid = one.get("kid")
            anonymous.append(key)
            if isinstance(kid, str):
                found.setdefault(kid, key)
    if not anonymous:
        raise ValueError("no key that can be used")
    if len(anonymous) == 1:
        found[None] = anonymous[0]
    return found
