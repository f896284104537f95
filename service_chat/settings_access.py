"""The part of the chat service's settings that says who may ask, and how often. `ChatSettings` has it."""

import ipaddress
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from serving.settings import ServiceSettings, SettingsError


class AccessSettings(ServiceSettings):
    api_keys_file: Path | None = Field(
        None,
        description="API keys, one JSON object a line; `python -m service_chat keys new` writes it. Read again when "
        "it changes. Set: every route but probes, metrics and the page asks for a key.",
    )
    oidc_issuer: str = Field(
        "",
        description="OpenID provider whose tokens are accepted, as it stands in their `iss`. Set with the two below.",
    )
    oidc_audience: str = Field("", description="What must stand in a token's `aud`: the name of this service there.")
    oidc_jwks_url: str = Field("", description="Where that provider publishes its public keys (JWKS).")
    oidc_leeway_seconds: float = Field(
        30.0,
        ge=0,
        le=300,
        description="How far the provider's clock and ours may be apart when a token begins or ends.",
    )
    allow_unauthenticated: bool = Field(
        False,
        description="Serve to the network (HOST is not a loopback address) though nobody is asked for credentials. "
        "Without it such a start is refused.",
    )
    rate_limit_per_minute: float = Field(
        0.0,
        ge=0,
        le=100_000,
        description="Questions that one caller, and one address, may ask in a minute; more get 429. Emergencies are "
        "never counted. 0: no limit.",
    )
    rate_limit_burst: int = Field(
        10, ge=1, le=100_000, description="How many of them may come at once after a quiet time."
    )
    forwarded_allow_ips: str = Field(
        "127.0.0.1",
        description="Proxies, as addresses or networks separated by commas, whose X-Forwarded-For is believed; `*`: "
        "all. Limits and access lines take a caller's address from there.",
    )

    @field_validator("oidc_jwks_url")
    @classmethod
    def _check_jwks_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with https:// or http://")
        return value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _check_networks(cls, value: str) -> str:
        for part in (part.strip() for part in value.split(",")):
            try:
                if part != "*":
                    ipaddress.ip_network(part)
            except ValueError as error:
                raise ValueError(f"must be addresses, networks, or *: {error}") from None
        return value

    @model_validator(mode="after")
    def _oidc_is_whole(self) -> Self:
        given = [bool(value) for value in (self.oidc_issuer, self.oidc_audience, self.oidc_jwks_url)]
        if any(given) and not all(given):
            raise ValueError("OIDC_ISSUER, OIDC_AUDIENCE and OIDC_JWKS_URL are set together, or none of them")
        return self

    @property
    def asks_for_credentials(self) -> bool:
        return self.api_keys_file is not None or bool(self.oidc_issuer)

    def refuse_open_door(self) -> None:
        """
        Raises:
            SettingsError: Patients' records would be open to a network, and nobody said that they may.
        """
        if self.asks_for_credentials or self.allow_unauthenticated or _is_loopback(self.host):
            return
        raise SettingsError(
            f"HOST={self.host}: whoever reaches this address could read every patient's record. Set API_KEYS_FILE "
            "(`python -m service_chat keys new` writes it) or OIDC_ISSUER; or listen on 127.0.0.1; or say "
            "ALLOW_UNAUTHENTICATED=1 where something else asks who comes."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
