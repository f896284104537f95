"""Opens the record store that the settings name. Beside `wiring`, which calls it for the service; `commands` does too.

Each adapter is imported only when it is asked for. What the settings say wrong is told in their words, at the start;
a server that does not answer yet is no reason not to start.
"""

from typing import assert_never

from service_chat.records.ports import RecordStore
from service_chat.settings import ChatSettings, RecordsBackend
from serving.clock import Clock
from serving.settings import SettingsError


async def open_records(settings: ChatSettings, clock: Clock) -> RecordStore:
    """The store, ready to be asked; whoever opens it closes it.

    Raises:
        SettingsError: An address or a key file means nothing.
        DependencyFailed: The embedded file can not be opened.
    """
    source = settings.records_source
    try:
        return await _opened(source, settings, clock)
    except ValueError as error:
        raise SettingsError(f"RECORDS_BACKEND={source}: {error}") from None


async def _opened(source: RecordsBackend, settings: ChatSettings, clock: Clock) -> RecordStore:
    match source:
        case "sqlite":
            from service_chat.records.sqlite import SqliteRecords

            return await SqliteRecords.open(settings.records_path, clock)
        case "carepath":
            from service_chat.records.carepath import CarePathConfig, CarePathRecords
            from service_chat.records.http_client import client_for

            config = CarePathConfig(settings.db_api_base_url, settings.records_timeout_seconds)
            return CarePathRecords(config, client_for(settings.records_timeout_seconds), clock)
        case "fhir":
            return await _fhir(settings, clock)
        case "none":
            from service_chat.records.none import NoRecords

            return NoRecords(clock)
        case _:
            assert_never(source)


async def _fhir(settings: ChatSettings, clock: Clock) -> RecordStore:
    import asyncio

    from service_chat.records.fhir import FhirConfig, FhirRecords
    from service_chat.records.fhir_server import Tokens
    from service_chat.records.http_client import client_for
    from service_chat.records.smart import FixedToken, SmartConfig, SmartTokens, signer

    client = client_for(settings.records_timeout_seconds)
    tokens: Tokens = FixedToken(settings.fhir_token)
    if settings.fhir_client_id and settings.fhir_private_key_file is not None:
        sign = await asyncio.to_thread(signer, settings.fhir_private_key_file, settings.fhir_key_id)
        smart = SmartConfig(settings.fhir_token_url, settings.fhir_client_id, settings.fhir_scope)
        tokens = SmartTokens(smart, sign, client, clock)
    config = FhirConfig(settings.fhir_base_url, settings.fhir_mrn_system, settings.records_timeout_seconds)
    return FhirRecords(config, tokens, client, clock)
