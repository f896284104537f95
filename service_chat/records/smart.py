"""Bearer tokens for a FHIR server: none, one that stays, or SMART Backend Services.

Used by `fhir_server`; `record_stores` picks one. With SMART a client signs an assertion with its private key and gets a
token that lives for minutes (https://hl7.org/fhir/smart-app-launch/backend-services.html). It is kept until shortly
before its end and fetched once however many searches wait for it. It goes to the FHIR server and nowhere else.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from typing_extensions import override

from service_chat.records.fhir_server import Tokens
from service_chat.records.http_client import bounded, checked_base
from service_chat.records.json_values import number, objects, parse, text
from serving.clock import Clock
from serving.errors import DependencyFailed

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: An assertion lives so long; five minutes is the most that the specification allows.
_ASSERTION_S = 240
#: A token is renewed so long before its end, so that none ends on its way.
_MARGIN_S = 30.0
#: Where the answer does not say how long it lives.
_LIFE_S = 300.0
_MAX_BYTES = 1024 * 1024

#: Claims in, signed assertion out.
Sign = Callable[[Mapping[str, str | int]], str]


@dataclass(frozen=True, slots=True)
class SmartConfig:
    token_url: str  #: FHIR_TOKEN_URL
    client_id: str  #: FHIR_CLIENT_ID
    scope: str  #: FHIR_SCOPE


class FixedToken(Tokens):
    """FHIR_TOKEN; empty for a server that asks for none."""

    def __init__(self, token: str) -> None:
        self._token = token

    @override
    async def token(self) -> str:
        return self._token

    @override
    def refused(self, token: str) -> bool:
        return False


class SmartTokens(Tokens):
    def __init__(self, config: SmartConfig, sign: Sign, client: httpx.AsyncClient, clock: Clock) -> None:
        """`client` is used and not closed here; it must not follow redirects.

        Raises:
            ValueError: The token address is none.
        """
        self._url = str(checked_base(config.token_url))
        self._config, self._sign, self._client, self._clock = config, sign, client, clock
        self._lock = asyncio.Lock()
        self._token, self._ends = "", 0.0

    @override
    async def token(self) -> str:
        async with self._lock:
            if not self._token or self._clock.monotonic() >= self._ends:
                self._token, life = await self._fetched()
                self._ends = self._clock.monotonic() + max(0.0, life - _MARGIN_S)
            return self._token

    @override
    def refused(self, token: str) -> bool:
        """Revoked before its time: forgotten, unless it has been replaced meanwhile."""
        if token == self._token:
            self._token = ""
        return True

    async def _fetched(self) -> tuple[str, float]:
        now = int(self._clock.now().timestamp())
        who = self._config.client_id
        claims: dict[str, str | int] = {
            "iss": who,
            "sub": who,
            "aud": self._url,
            "exp": now + _ASSERTION_S,
            "iat": now,
            "jti": uuid.uuid4().hex,
        }
        form = {
            "grant_type": "client_credentials",
            "scope": self._config.scope,
            "client_assertion_type": _ASSERTION,
            "client_assertion": await asyncio.to_thread(self._sign, claims),
        }
        try:
            async with self._client.stream(
                "POST", self._url, data=form, headers={"Accept": "application/json"}
            ) as response:
                if not response.is_success:
                    raise DependencyFailed(
                        f"The authorization server answered with status {response.status_code}.",
                        upstream_status=response.status_code,
                    )
                answer = parse(await bounded(response, _MAX_BYTES))
        except httpx.HTTPError as error:
            raise DependencyFailed("The authorization server did not answer.", reason=type(error).__name__) from None
        except ValueError:
            raise DependencyFailed("The authorization server answered with something that is no JSON.") from None
        token = text(answer.get("access_token"))
        if not token or text(answer.get("token_type")).lower() not in ("", "bearer"):
            raise DependencyFailed("The authorization server gave no bearer token.")
        return token, number(answer.get("expires_in")) or _LIFE_S


def signer(key_file: Path, key_id: str) -> Sign:
    """Signs with RS384 or ES384, whichever the key in the file is for. Blocks: it reads the file.

    Raises:
        ValueError: The file can not be read, or holds no private RSA or EC P-384 key.
    """
    # A sixth of a second, and only for servers that want it.
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    try:
        data = key_file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{key_file}: {type(error).__name__}") from None
    for kind, algorithm in ((RSAKey, "RS384"), (ECKey, "ES384")):
        try:
            key = kind.import_key(_jwk(data) or data)
        except (JoseError, ValueError, TypeError):
            continue
        kid = key_id or key.kid
        header = {"alg": algorithm, "typ": "JWT", **({"kid": kid} if kid else {})}
        try:
            jwt.encode(header, {}, key, algorithms=[algorithm])
        except (JoseError, ValueError):  # a public key, another curve, too few bits
            break
        return lambda claims: jwt.encode(header, dict(claims), key, algorithms=[algorithm])
    raise ValueError(f"{key_file} holds no private RSA or EC P-384 key, PEM or JWK")


def _jwk(data: str) -> dict[str, str | list[str]] | None:
    """The key of a JSON file, or the first of a set."""
    if not data.lstrip().startswith("{"):
        return None
    found = parse(data.encode())
    key = next(objects(found.get("keys")), found)
    return {name: value for name, value in key.items() if isinstance(value, str)}
