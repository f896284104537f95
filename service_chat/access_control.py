"""Builds from the settings who may ask, and how often. Beside `wiring`, which calls it for the service.

What only one kind of deployment needs (signatures of tokens, a client for their provider) is imported for that alone.
"""

from service_chat.access.access import Access
from service_chat.access.key_file import KeyFile
from service_chat.access.limits import LimitPolicy, RateLimits
from service_chat.services.limits import Limits, NoLimits
from service_chat.settings_access import AccessSettings
from serving.clock import Clock
from serving.settings import SettingsError


def build_access(settings: AccessSettings, clock: Clock) -> Access:
    """Reads the file of keys; asks nobody. Open the result as a context while the service runs.

    Raises:
        SettingsError: The file of keys can not be used.
    """
    keys = None
    if settings.api_keys_file is not None:
        try:
            keys = KeyFile(settings.api_keys_file, clock)
        except ValueError as error:
            raise SettingsError(f"API_KEYS_FILE={settings.api_keys_file}: {error}") from None
    if not settings.oidc_issuer:
        return Access(keys)
    # A sixth of a second.
    import httpx

    from service_chat.access.jwks import Jwks
    from service_chat.access.tokens import OidcPolicy, Tokens

    policy = OidcPolicy(settings.oidc_issuer, settings.oidc_audience, settings.oidc_leeway_seconds)
    client = httpx.AsyncClient(timeout=5.0, follow_redirects=False)
    return Access(keys, Tokens(policy, Jwks(settings.oidc_jwks_url, client, clock), clock))


def build_limits(settings: AccessSettings, clock: Clock) -> Limits:
    if settings.rate_limit_per_minute == 0:
        return NoLimits()
    return RateLimits(LimitPolicy(settings.rate_limit_per_minute, settings.rate_limit_burst), clock)
