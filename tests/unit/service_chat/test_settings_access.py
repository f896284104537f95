"""When the service refuses to start for the sake of its patients' records, and which settings mean nothing."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service_chat.access_control import build_access, build_limits
from service_chat.services.caller import Caller
from service_chat.services.limits import NoLimits
from service_chat.settings_access import AccessSettings
from serving.settings import SettingsError
from tests.fakes.clock import ManualClock

OIDC = {"oidc_issuer": "https://login.example.org", "oidc_audience": "chat", "oidc_jwks_url": "https://login/jwks"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_may_be_open(host: str) -> None:
    AccessSettings(host=host).refuse_open_door()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "127.0.0.1.example.org", "triage.example.org", ""])
def test_a_network_may_not_unless_somebody_asks_or_it_is_meant(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="ALLOW_UNAUTHENTICATED=1"):
        AccessSettings(host=host).refuse_open_door()
    AccessSettings(host=host, allow_unauthenticated=True).refuse_open_door()
    AccessSettings(host=host, api_keys_file=tmp_path / "keys").refuse_open_door()
    AccessSettings.model_validate({"host": host, **OIDC}).refuse_open_door()


@pytest.mark.parametrize("missing", OIDC)
def test_a_provider_is_named_whole(missing: str) -> None:
    with pytest.raises(ValidationError, match="are set together"):
        AccessSettings.model_validate({**OIDC, missing: ""})


@pytest.mark.parametrize("proxies", ["10.0.0.0/8, 127.0.0.1", "*", "::1", "fd00::/8"])
def test_proxies_are_addresses_and_networks(proxies: str) -> None:
    assert AccessSettings(forwarded_allow_ips=proxies).forwarded_allow_ips == proxies


@pytest.mark.parametrize("proxies", ["10.0.0.0/99", "proxy", "10.0.0.1/8", ""])
def test_what_is_no_address_would_trust_nobody_in_silence(proxies: str) -> None:
    with pytest.raises(ValidationError, match="must be addresses"):
        AccessSettings(forwarded_allow_ips=proxies)


def test_a_file_of_keys_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"API_KEYS_FILE=.*No such file"):
        build_access(AccessSettings(api_keys_file=tmp_path / "absent"), ManualClock())
    (tmp_path / "keys").write_text("\n{")
    with pytest.raises(SettingsError, match="line 2 is no JSON"):
        build_access(AccessSettings(api_keys_file=tmp_path / "keys"), ManualClock())


def test_without_settings_everybody_may_and_without_a_limit() -> None:
    settings = AccessSettings()
    assert not build_access(settings, ManualClock()).required
    limits = build_limits(settings, ManualClock())
    assert isinstance(limits, NoLimits)
    limits.take(Caller("key:a"), "10.0.0.1")
