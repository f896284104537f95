"""Tokens of an OpenID provider (OIDC_ISSUER): what one allows, if its signature, its time and its audience are right.

Used by `access`. Verified once and then remembered by the token's hash, so that every further request with it costs a
look into a table. Only signatures with a public key are accepted: with a shared secret everybody who can check a token
could make one.
"""

import base64
import hashlib
import json
import math
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jws import JWSRegistry

from service_chat.access.grant import SCOPES, Grant
from service_chat.access.jwks import Jwks
from service_chat.services.caller import Caller
from serving.clock import Clock
from serving.errors import Unauthorized

#: Signatures that are accepted, all of them with a public key.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
#: A longer one is refused unread. Real ones with many groups have 4 kB.
_MOST_CHARS = 8192
#: Verified tokens that are remembered; the least used go first and are verified again.
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class OidcPolicy:
    issuer: str  #: OIDC_ISSUER, as it stands in `iss`
    audience: str  #: OIDC_AUDIENCE, one of `aud`
    leeway_s: float  #: OIDC_LEEWAY_SECONDS: clocks differ


@dataclass(frozen=True, slots=True)
class _Remembered:
    grant: Grant
    ends: float  #: seconds since 1970, leeway included
    generation: int  #: of the key set it was verified with


class Tokens:
    def __init__(self, policy: OidcPolicy, jwks: Jwks, clock: Clock) -> None:
        self._policy, self._jwks, self._clock = policy, jwks, clock
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()

    async def grant(self, token: str) -> Grant:
        """
        Raises:
            Unauthorized: The token is none of our provider's, not for us, or over.
            IdentityProviderUnavailable: It can not be told, because the provider's keys are not to be had.
        """
        if len(token) > _MOST_CHARS:
            raise Unauthorized("The token is too long.")
        now = self._clock.now().timestamp()
        mark = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._remembered.get(mark)
        if known is not None and known.generation == self._jwks.generation:
            if now < known.ends:
                self._jwks.keep_fresh()  # else a key that was taken back would go on for those who came before
                self._remembered.move_to_end(mark)
                return known.grant
            del self._remembered[mark]
            raise Unauthorized("The token has expired.")
        claims = await self._verified(token)
        ends = self._checked_times(claims, now)
        grant = self._grant(claims)
        self._remembered[mark] = _Remembered(grant, ends, self._jwks.generation)
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return grant

    def begin(self) -> None:
        self._jwks.begin()

    async def aclose(self) -> None:
        await self._jwks.aclose()

    async def _verified(self, token: str) -> Mapping[str, object]:
        kid, algorithm = _header(token)
        if algorithm not in ALGORITHMS:
            raise Unauthorized("The token's signature is of a kind that is not accepted.")
        key = await self._jwks.key(kid)
        if key is None:
            raise Unauthorized("The token is signed with a key that its provider does not publish.")
        try:
            with warnings.catch_warnings():
                # "EdDSA" has got another name (RFC 9864); providers go on to use the old one.
                warnings.simplefilter("ignore", SecurityWarning)
                # Not strict: a provider may put headers of its own into a token. `crit` is heeded all the same.
                registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
                return jwt.decode(token, key, registry=registry).claims
        except (JoseError, ValueError, TypeError, RecursionError):
            raise Unauthorized("The token's signature is wrong.") from None

    def _checked_times(self, claims: Mapping[str, object], now: float) -> float:
        """When it ends, leeway included."""
        expires, begins = _moment(claims, "exp"), _moment(claims, "nbf")
        if expires is None:
            raise Unauthorized("The token has no end (`exp`).")
        if now >= expires + self._policy.leeway_s:
            raise Unauthorized("The token has expired.")
        if begins is not None and now < begins - self._policy.leeway_s:
            raise Unauthorized("The token is not valid yet.")
        return expires + self._policy.leeway_s

    def _grant(self, claims: Mapping[str, object]) -> Grant:
        policy, audience, subject = self._policy, claims.get("aud"), claims.get("sub")
        if claims.get("iss") != policy.issuer:
            raise Unauthorized("The token is of another issuer.")
        if policy.audience not in (audience if isinstance(audience, list) else [audience]):
            raise Unauthorized("The token is for another audience.")
        if not isinstance(subject, str) or not subject:
            raise Unauthorized("The token names nobody (`sub`).")
        patient = claims.get("patient")
        if "patient" in claims and (not isinstance(patient, str) or not patient):
            raise Unauthorized("The token's `patient` is no record number.")  # and not: any patient
        said = claims.get("scope", "")
        scopes = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
        caller = Caller(f"{policy.issuer} {subject}", patient if isinstance(patient, str) else None)
        return Grant(caller, frozenset(scope for scope in scopes if isinstance(scope, str)) & SCOPES)


def _header(token: str) -> tuple[str | None, object]:
    """Key name and algorithm, before anything is verified: they only choose what to verify with."""
    first = token.split(".", 1)[0]
    try:
        header = json.loads(base64.b64decode(first + "=" * (-len(first) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):  # a thousand open brackets fit into any header
        header = None
    if not isinstance(header, dict) or token.count(".") != 2:
        raise Unauthorized("The credentials are neither a key nor a token of ours.")
    kid = header.get("kid")
    return kid if isinstance(kid, str) else None, header.get("alg")


def _moment(claims: Mapping[str, object], name: str) -> float | None:
    """Seconds since 1970. Raises Unauthorized for what is no number."""
    value = claims.get(name)
    if value is None:
        return None
    try:
        moment = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        moment = math.inf
    if not math.isfinite(moment):  # what is no number would never be over: nothing is later than NaN
        raise Unauthorized(f"The token's `{name}` is no time.")
    return moment
