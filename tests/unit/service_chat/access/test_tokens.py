"""Tokens of a provider: which are good, what they allow, and what happens when its keys change or are not to be had."""

import asyncio
import base64
import hmac
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from service_chat.access.grant import Grant
from service_chat.access.jwks import MAX_AGE_S, MIN_GAP_S, Jwks, public_keys
from service_chat.access.tokens import OidcPolicy, Tokens
from service_chat.errors import IdentityProviderUnavailable
from service_chat.services.caller import Caller
from serving.errors import Unauthorized
from tests.fakes.clock import ManualClock
from tests.fakes.identity_provider import AUDIENCE, ISSUER, IdentityProvider, SigningKey, ec_key, rsa_key
from tests.unit.until import until

pytestmark = pytest.mark.anyio
LEEWAY_S = 30.0


@dataclass
class Door:
    provider: IdentityProvider
    tokens: Tokens
    clock: ManualClock
    algorithm: str = "ES256"

    def token(self, **more: Any) -> str:
        return self.provider.token(**{"now": self.clock.now().timestamp(), "algorithm": self.algorithm, **more})

    async def grant(self, **more: Any) -> Grant:
        return await self.tokens.grant(self.token(**more))

    async def refusal(self, token: str) -> str:
        with pytest.raises(Unauthorized) as refused:
            await self.tokens.grant(token)
        return refused.value.message


def door(*keys: SigningKey, answer: Callable[[httpx.Request], httpx.Response] | None = None) -> Door:
    provider, clock = IdentityProvider(*keys), ManualClock()
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer or provider))
    jwks = Jwks("https://login.example.org/jwks", client, clock)
    return Door(provider, Tokens(OidcPolicy(ISSUER, AUDIENCE, LEEWAY_S), jwks, clock), clock)


async def test_a_token_says_who_and_what_for() -> None:
    d = door()
    grant = await d.grant(scope="openid triage feedback profile", patient="P000123")
    assert grant == Grant(Caller(f"{ISSUER} nurse-7", "P000123"), frozenset({"triage", "feedback"}))
    assert (await d.grant(scope=["admin"], aud=["another", AUDIENCE])).scopes == {"admin"}
    assert (await d.grant(scope=None)).scopes == frozenset()


async def test_a_token_is_verified_once_and_its_keys_are_fetched_once() -> None:
    d = door()
    token = d.token()
    first, *others = await asyncio.gather(*(d.tokens.grant(token) for _ in range(8)))
    assert all(other == first for other in others)
    assert await d.tokens.grant(token) is await d.tokens.grant(token)
    assert d.provider.asked == 1


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa_key(), "RS256"),
        (rsa_key(), "RS512"),
        (rsa_key(), "PS256"),
        (ec_key(), "ES256"),
        (ec_key(curve="P-384"), "ES384"),
        (OKPKey.generate_key("Ed25519", {"kid": "ed-1"}), "Ed25519"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_signatures_with_a_public_key_are_accepted(key: SigningKey, algorithm: str) -> None:
    assert (await door(key).grant(algorithm=algorithm)).scopes == {"triage"}


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"iss": "https://evil.example.org"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "somebody-else"}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"aud": []}, "another audience"),
        ({"sub": None}, "names nobody"),
        ({"sub": ""}, "names nobody"),
        ({"exp": None}, "no end"),
        ({"exp": "tomorrow"}, "is no time"),
        ({"exp": True}, "is no time"),
        ({"exp": math.nan}, "is no time"),
        ({"exp": math.inf}, "is no time"),
        ({"exp": 10**400}, "is no time"),
        ({"nbf": "now"}, "is no time"),
        ({"nbf": -(10**400)}, "is no time"),
        ({"patient": ""}, "no record number"),
        ({"patient": ["P000123"]}, "no record number"),
        ({"patient": 123}, "no record number"),
    ],
)
async def test_a_claim_that_is_wrong_makes_the_token_wrong(claims: dict[str, Any], sentence: str) -> None:
    d = door()
    assert sentence in await d.refusal(d.token(**claims))


async def test_a_token_ends_with_its_leeway_also_when_it_is_remembered() -> None:
    d = door()
    token, fresh = d.token(), d.token(sub="another")
    await d.tokens.grant(token)
    d.clock.turn(3600 + LEEWAY_S - 1)
    await d.tokens.grant(token)
    d.clock.turn(1)
    assert "expired" in await d.refusal(token)
    assert "expired" in await d.refusal(token)
    assert "expired" in await d.refusal(fresh)


async def test_a_token_begins_with_its_leeway() -> None:
    d = door()
    now = d.clock.now().timestamp()
    await d.grant(nbf=now + LEEWAY_S)
    assert "not valid yet" in await d.refusal(d.token(nbf=now + LEEWAY_S + 1))


def packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def made_by_hand(d: Door, head: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """With the claims of a good token and a header that no library would write."""
    signed = f"{packed(json.dumps(head).encode())}.{d.token().split('.')[1]}"
    return f"{signed}.{packed(sign(signed.encode()))}"


def unsigned(d: Door) -> str:
    return made_by_hand(d, {"alg": "none", "kid": "ec-1"}, lambda _: b"")


def signed_with_the_public_key(d: Door) -> str:
    """The old trick: the published key, taken for a shared secret."""
    public = d.provider.keys[0].as_pem(private=False)
    return made_by_hand(d, {"alg": "HS256", "kid": "ec-1"}, lambda text: hmac.digest(public, text, "sha256"))


def with_other_claims(d: Door) -> str:
    head, payload, signature = d.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return f"{head}.{packed(json.dumps({**claims, 'scope': 'admin'}).encode())}.{signature}"


def by_somebody_else(d: Door) -> str:
    return d.token(key=ec_key("ec-1"))


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        signed_with_the_public_key,
        with_other_claims,
        by_somebody_else,
        lambda d: d.token() + "x",
        lambda d: d.token().rsplit(".", 1)[0] + ".",
        lambda d: d.token(key=rsa_key(), algorithm="RS256", header={"kid": "ec-1"}),
        lambda d: f".{d.token().split('.', 1)[1]}",
        lambda d: "a.b.c",
        lambda d: "...",
        lambda d: d.token().rsplit(".", 1)[0],
        lambda d: "\u2028.\ud800.é",
        lambda d: d.token(scope="x" * 9000),
        lambda d: f"{packed(b'[' * 5000)}.e30.x",
    ],
)
async def test_a_forged_or_mangled_token_is_refused(forge: Callable[[Door], str]) -> None:
    d = door()
    assert await d.refusal(forge(d))


def edwards() -> tuple[Door, Callable[[bytes], bytes]]:
    """A door whose provider's key signs bytes as they are."""
    key = OKPKey.generate_key("Ed25519", {"kid": "ed-1"})
    private = key.private_key
    assert isinstance(private, Ed25519PrivateKey)
    d = door(key)
    d.algorithm = "Ed25519"
    return d, private.sign


async def test_the_old_name_of_a_signature_is_accepted_without_a_warning() -> None:
    d, sign = edwards()
    assert await d.tokens.grant(made_by_hand(d, {"alg": "EdDSA", "kid": "ed-1"}, sign))


async def test_an_unknown_header_is_no_harm_and_one_that_must_be_understood_is() -> None:
    d, sign = edwards()
    head = {"alg": "Ed25519", "kid": "ed-1", "nonce": "n", "x5t": "t"}
    assert await d.tokens.grant(made_by_hand(d, head, sign))
    assert "signature" in await d.refusal(made_by_hand(d, {**head, "crit": ["nonce"]}, sign))


async def test_a_key_is_not_used_for_a_signature_that_it_is_not_for() -> None:
    key = rsa_key()
    d = door(key)
    d.provider.body = json.dumps({"keys": [{**key.as_dict(private=False), "alg": "PS256"}]}).encode()
    assert await d.grant(algorithm="PS256")
    assert "signature" in await d.refusal(d.token(algorithm="RS256", sub="other"))


async def test_a_provider_may_change_its_keys() -> None:
    d = door(ec_key("old"))
    await d.grant()
    d.provider.keys.insert(0, ec_key("new"))
    d.clock.turn(MIN_GAP_S)
    await d.grant()
    assert d.provider.asked == 2


async def test_a_key_that_was_taken_back_is_believed_no_longer_than_the_set_is_kept() -> None:
    d = door(ec_key("stolen"), ec_key("good"))
    token, good = d.token(exp=2**33), d.token(key=d.provider.keys[1])
    await d.tokens.grant(token)
    d.provider.keys.pop(0)
    d.clock.turn(MAX_AGE_S + 1)
    d.provider.keys.append(ec_key("next"))
    await d.grant(key=d.provider.keys[1])  # somebody's token makes it look again
    assert "does not publish" in await d.refusal(token)
    await d.tokens.grant(good)


async def test_a_key_that_was_taken_back_ends_a_remembered_token_also_where_nobody_else_comes() -> None:
    d = door(ec_key("stolen"))
    token = d.token(exp=2**33)
    await d.tokens.grant(token)
    d.provider.keys[:] = [ec_key("good")]
    d.clock.turn(MAX_AGE_S + 1)
    await d.tokens.grant(token)  # and has the set fetched again
    await until(lambda: d.tokens._jwks.generation == 2)
    assert "does not publish" in await d.refusal(token)
    assert d.provider.asked == 2


async def test_an_old_set_is_fetched_again_while_the_known_key_serves() -> None:
    d = door()
    await d.grant()
    d.clock.turn(MAX_AGE_S + 1)
    d.provider.fail = 503
    await d.grant(sub="second")
    await until(lambda: d.provider.asked == 2)
    await d.grant(sub="third")


async def test_keys_that_were_fetched_at_the_start_are_there_for_the_first_token() -> None:
    d = door()
    d.tokens.begin()
    await until(lambda: d.provider.asked == 1)
    await d.grant()
    assert d.provider.asked == 1
    await d.tokens.aclose()


async def test_names_that_strangers_make_up_have_the_keys_fetched_once_in_a_while_only() -> None:
    d = door()
    await d.grant()
    for number in range(50):
        await d.refusal(d.token(header={"kid": f"made-up-{number}"}))
    assert d.provider.asked == 1
    d.clock.turn(MIN_GAP_S)
    await asyncio.gather(*(d.refusal(d.token(header={"kid": f"made-up-{number}"})) for number in range(50)))
    assert d.provider.asked == 2


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"[" * 100_000, b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'],
    ids=lambda body: ascii(body[:20]),
)
async def test_without_the_providers_keys_nobody_is_told_that_the_token_is_wrong(body: bytes) -> None:
    d = door()
    d.provider.body = body
    with pytest.raises(IdentityProviderUnavailable) as away:
        await d.grant()
    assert away.value.details["retry_after_s"] == MIN_GAP_S
    d.provider.body, d.provider.fail = None, 500
    with pytest.raises(IdentityProviderUnavailable):
        await d.grant()
    assert d.provider.asked == 1  # not again at once
    d.clock.turn(MIN_GAP_S)
    with pytest.raises(IdentityProviderUnavailable):
        await d.grant()
    d.provider.fail = None
    d.clock.turn(MIN_GAP_S)
    assert await d.grant()


async def test_a_provider_that_does_not_answer_is_not_to_be_had() -> None:
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    d = door(answer=away)
    with pytest.raises(IdentityProviderUnavailable):
        await d.grant()


async def test_a_key_nobody_knows_is_no_ones_fault_while_the_provider_is_away() -> None:
    d = door()
    await d.grant()
    d.provider.fail = 502
    d.clock.turn(MIN_GAP_S)
    with pytest.raises(IdentityProviderUnavailable):
        await d.grant(key=ec_key("new"))
    assert await d.grant(sub="another")


async def test_a_caller_who_hangs_up_does_not_end_the_fetch_for_others() -> None:
    gate = asyncio.Event()
    provider = IdentityProvider()

    async def slow(request: httpx.Request) -> httpx.Response:
        await gate.wait()
        return provider(request)

    clock = ManualClock()
    jwks = Jwks("https://login.example.org/jwks", httpx.AsyncClient(transport=httpx.MockTransport(slow)), clock)
    first, second = (asyncio.create_task(jwks.key("ec-1")) for _ in range(2))
    await until(lambda: jwks._fetching is not None)
    first.cancel()
    gate.set()
    assert await second is not None
    await jwks.aclose()


async def test_a_set_of_one_needs_no_names() -> None:
    d = door(ec_key("only"))
    assert await d.grant(header={"kid": None})
    two = door(ec_key("one"), ec_key("two"))
    assert "does not publish" in await two.refusal(two.token(header={"kid": None}))


def test_keys_that_can_not_verify_are_passed_over() -> None:
    good = ec_key("good").as_dict(private=False)
    listed = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "good"},
        {**ec_key("enc").as_dict(private=False), "use": "enc"},
        {"kty": "EC", "crv": "P-256", "x": "broken", "kid": "broken"},
        {"kty": "RSA", "n": base64.urlsafe_b64encode(b"\xff" * 64).decode().rstrip("="), "e": "AQAB", "kid": "small"},
        "nonsense",
        good,
    ]
    found = public_keys(json.dumps({"keys": listed}).encode())
    assert set(found) == {"good", None}
    assert found["good"].kid == "good"
