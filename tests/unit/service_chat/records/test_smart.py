"""SMART Backend Services: a signed assertion buys a token, which is kept, renewed and sent nowhere else."""

import asyncio
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from service_chat.records.fhir import FhirConfig, FhirRecords
from service_chat.records.smart import SmartConfig, SmartTokens, signer
from serving.errors import DependencyFailed
from tests.fakes.clock import ManualClock
from tests.fakes.fhir_server import FakeFhir
from tests.fakes.written_patient import MRN, MRN_SYSTEM, bundle

pytestmark = pytest.mark.anyio
CONFIG = SmartConfig("https://auth.test/token", "client-1", "system/*.read")


class Authorization:
    """An authorization server: gives `token-1`, `token-2`, …"""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.answer = httpx.Response(200)
        self.expires_in: object = 300
        self.fail: httpx.Response | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.forms.append({name: values[0] for name, values in parse_qs(request.content.decode()).items()})
        if self.fail is not None:
            return self.fail
        token = f"token-{len(self.forms)}"
        return httpx.Response(200, json={"access_token": token, "token_type": "bearer", "expires_in": self.expires_in})


def tokens(server: Authorization, clock: ManualClock) -> SmartTokens:
    client = httpx.AsyncClient(transport=httpx.MockTransport(server))
    return SmartTokens(CONFIG, lambda claims: f"signed for {claims['aud']}", client, clock)


async def test_one_token_is_fetched_for_all_who_wait_and_kept_until_shortly_before_its_end() -> None:
    server, clock = Authorization(), ManualClock()
    smart = tokens(server, clock)
    assert set(await asyncio.gather(*(smart.token() for _ in range(8)))) == {"token-1"}
    clock.turn(269)
    assert await smart.token() == "token-1"
    clock.turn(2)
    assert await smart.token() == "token-2"
    assert server.forms[0]["grant_type"] == "client_credentials"
    assert server.forms[0]["scope"] == "system/*.read"
    assert server.forms[0]["client_assertion"] == "signed for https://auth.test/token"


async def test_a_token_that_was_refused_is_forgotten_once() -> None:
    server = Authorization()
    smart = tokens(server, ManualClock())
    assert await smart.token() == "token-1"
    assert smart.refused("token-1")
    assert await smart.token() == "token-2"
    assert smart.refused("token-1")  # said late, of the one that was replaced
    assert await smart.token() == "token-2"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, json={"error": "invalid_client"}),
        httpx.Response(302, headers={"location": "https://evil.test"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"access_token": "x", "token_type": "mac"}),
    ],
)
async def test_no_token_is_a_failed_dependency(answer: httpx.Response) -> None:
    server = Authorization()
    server.fail = answer
    with pytest.raises(DependencyFailed, match="authorization server"):
        await tokens(server, ManualClock()).token()


async def test_a_server_that_revoked_a_token_is_asked_again_with_a_new_one() -> None:
    fhir = FakeFhir(bundle())
    fhir.tokens = {"token-2"}
    client = httpx.AsyncClient(transport=httpx.ASGITransport(fhir.app))
    smart = tokens(Authorization(), ManualClock())
    records = FhirRecords(FhirConfig("http://fhir.test/fhir", MRN_SYSTEM, 5), smart, client, ManualClock())
    assert (await records.patient(MRN)).mrn == MRN
    await records.aclose()


CLAIMS: dict[str, str | int] = {"iss": "client-1", "aud": CONFIG.token_url, "exp": 2_000_000_000}


def test_assertions_are_signed_by_the_key_in_the_file(tmp_path: Path) -> None:
    for name, key, algorithm in (
        ("rsa.pem", RSAKey.generate_key(2048), "RS384"),
        ("ec.pem", ECKey.generate_key("P-384"), "ES384"),
    ):
        path = tmp_path / name
        path.write_bytes(key.as_pem(private=True))
        signed = signer(path, "key-1")(CLAIMS)
        read = jwt.decode(signed, key, algorithms=[algorithm])
        assert read.claims == CLAIMS
        assert read.header["kid"] == "key-1"


def test_a_key_may_be_a_jwk_that_knows_its_own_name(tmp_path: Path) -> None:
    key = RSAKey.generate_key(2048, {"kid": "own"})
    path = tmp_path / "key.json"
    path.write_text(httpx.Response(200, json={"keys": [key.as_dict(private=True)]}).text)
    assert jwt.decode(signer(path, "")(CLAIMS), key, algorithms=["RS384"]).header["kid"] == "own"


def test_a_key_that_can_not_sign_is_refused_at_the_start(tmp_path: Path) -> None:
    public = RSAKey.generate_key(2048).as_pem(private=False)
    curve = ECKey.generate_key("P-256").as_pem(private=True)
    for number, content in enumerate((b"", b"junk", b"{}", b"{", b"\xff", public, curve)):
        path = tmp_path / f"{number}"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=path.name):
            signer(path, "")
    with pytest.raises(ValueError, match="FileNotFoundError"):
        signer(tmp_path / "none", "")
