"""An OpenID provider of our own: it signs tokens, publishes its keys, and can be away or talk nonsense."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from typing_extensions import override

ISSUER = "https://login.example.org/realms/care"
AUDIENCE = "sluice-chat"

SigningKey: TypeAlias = RSAKey | ECKey | OKPKey


@cache
def rsa_key() -> RSAKey:
    """One for all tests of a process: it takes a tenth of a second to make."""
    return RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})


def ec_key(kid: str = "ec-1", curve: str = "P-256") -> ECKey:
    return ECKey.generate_key(curve, {"kid": kid, "use": "sig"})


class IdentityProvider:
    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys or (ec_key(),))
        self.asked = 0
        self.fail: int | None = None  #: status to answer with instead
        self.body: bytes | None = None  #: what to say instead

    def token(
        self,
        scope: object = "triage",
        key: SigningKey | None = None,
        algorithm: str = "ES256",
        header: dict[str, Any] | None = None,
        now: float | None = None,
        **claims: Any,
    ) -> str:
        """Good for an hour from `now`. A claim that is None is left out."""
        signing = key or self.keys[0]
        moment = int(now if now is not None else time.time())
        said = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "nurse-7",
            "iat": moment,
            "exp": moment + 3600,
            "scope": scope,
            **claims,
        }
        kept = {name: value for name, value in said.items() if value is not None}
        head = {"alg": algorithm, "kid": signing.kid, **(header or {})}
        known = {name: value for name, value in head.items() if value is not None}
        registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        return jwt.encode(known, kept, signing, registry=registry)

    def __call__(self, _: httpx.Request) -> httpx.Response:
        """As the far side of a `httpx.MockTransport`."""
        status, body = self._answer()
        return httpx.Response(status, content=body)

    @contextmanager
    def served(self) -> Iterator[str]:
        """The address of its keys, on a real loopback port."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = provider._answer()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, format: str, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/jwks"
        finally:
            server.shutdown()
            thread.join(5)
            server.server_close()

    def _answer(self) -> tuple[int, bytes]:
        self.asked += 1
        if self.fail is not None:
            return self.fail, b"away"
        if self.body is not None:
            return 200, self.body
        return 200, json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}).encode()
