"""The one question of every door: whose credentials are these, and what do they allow?

Called by `routers.access` for each request. Keys are found by their id in microseconds; tokens are verified once and
then remembered. Where neither keys nor a provider are configured everybody may ask.
"""

from contextlib import AsyncExitStack
from typing import Protocol

from service_chat.access.grant import SCOPES, Grant
from service_chat.access.key_file import KeyFile
from service_chat.services.caller import ANONYMOUS
from serving.errors import Unauthorized

EVERYBODY = Grant(ANONYMOUS, SCOPES)


class Tokens(Protocol):
    """`access.tokens`, which only a deployment with a provider imports."""

    def begin(self) -> None: ...

    async def grant(self, token: str) -> Grant: ...

    async def aclose(self) -> None: ...


class Access:
    """Open it as a context: then the file is watched, and a provider's keys are fetched. With neither all may ask."""

    def __init__(self, keys: KeyFile | None = None, tokens: Tokens | None = None) -> None:
        self._keys, self._tokens = keys, tokens
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Access":
        if self._tokens is not None:
            self._stack.push_async_callback(self._tokens.aclose)
            self._tokens.begin()
        if self._keys is not None:
            await self._stack.enter_async_context(self._keys)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def required(self) -> bool:
        """Whether anybody is asked for credentials at all."""
        return self._keys is not None or self._tokens is not None

    async def grant(self, credentials: str | None) -> Grant:
        """What they allow.

        Raises:
            Unauthorized: There are none, or they are wrong or over; the challenge in its details says which.
            IdentityProviderUnavailable: A token can not be verified now.
        """
        if not self.required:
            return EVERYBODY
        if not credentials:
            raise Unauthorized("This service asks for an API key or a token.", challenge=CHALLENGE)
        found = self._keys.find(credentials) if self._keys is not None else None
        if found is not None:
            return found
        try:
            if self._tokens is None or "." not in credentials:
                raise Unauthorized("The key is unknown, was revoked or has expired.")
            return await self._tokens.grant(credentials)
        except Unauthorized as error:
            raise error.with_details(challenge=f'{CHALLENGE}, error="invalid_token"') from None


#: RFC 6750 §3: what a 401 asks for.
CHALLENGE = 'Bearer realm="sluice"'
