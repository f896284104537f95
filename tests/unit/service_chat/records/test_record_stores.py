"""Which store the settings open, and what they are told when they mean none."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service_chat.record_stores import open_records
from service_chat.records.carepath import CarePathRecords
from service_chat.records.fhir import FhirRecords
from service_chat.records.none import NoRecords
from service_chat.records.ports import AllergyStatus, RecordStore, Sex
from service_chat.records.sqlite import SqliteRecords
from service_chat.settings import ChatSettings
from serving.settings import SettingsError
from tests.fakes.clock import ManualClock

pytestmark = pytest.mark.anyio
DB, FHIR = "http://db.test:8001", "https://ehr.test/fhir"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, SqliteRecords),
        ({"db_api_base_url": DB}, CarePathRecords),
        ({"db_api_base_url": DB, "records_backend": "sqlite"}, SqliteRecords),
        ({"db_api_base_url": DB, "records_backend": "none"}, NoRecords),
        ({"fhir_base_url": FHIR, "records_backend": "fhir"}, FhirRecords),
        ({"fhir_base_url": FHIR, "records_backend": "fhir", "fhir_token": "t"}, FhirRecords),
    ],
)
async def test_the_settings_name_the_store(
    settings: dict[str, Any], expected: type[RecordStore], tmp_path: Path
) -> None:
    store = await open_records(ChatSettings(records_path=tmp_path / "records.sqlite", **settings), ManualClock())
    assert type(store) is expected
    await store.aclose()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"records_backend": "carepath"}, "DB_API_BASE_URL"),
        ({"records_backend": "fhir"}, "FHIR_BASE_URL"),
        ({"fhir_base_url": FHIR}, "RECORDS_BACKEND=fhir"),
        ({"fhir_base_url": "ehr.test", "records_backend": "fhir"}, "must begin with https://"),
        ({"fhir_base_url": FHIR, "records_backend": "fhir", "fhir_token": "t", "fhir_client_id": "c"}, "one of them"),
        ({"fhir_base_url": FHIR, "records_backend": "fhir", "fhir_client_id": "c"}, "FHIR_TOKEN_URL"),
    ],
)
def test_settings_that_contradict_themselves_stop_the_start(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ChatSettings(**settings)


async def test_a_key_file_that_is_none_stops_the_start(tmp_path: Path) -> None:
    settings = ChatSettings(
        records_backend="fhir",
        fhir_base_url=FHIR,
        fhir_client_id="c",
        fhir_token_url="https://auth.test/token",
        fhir_private_key_file=tmp_path / "missing.pem",
    )
    with pytest.raises(SettingsError, match=r"RECORDS_BACKEND=fhir: .*missing\.pem"):
        await open_records(settings, ManualClock())


def test_secrets_stand_in_no_representation() -> None:
    settings = ChatSettings(records_backend="fhir", fhir_base_url=FHIR, fhir_token="canary")
    assert "canary" not in repr(settings)


async def test_without_records_everybody_is_somebody_of_whom_nothing_is_recorded() -> None:
    found = await NoRecords(ManualClock()).patient("P1")
    assert (found.sex, found.age_years, found.allergy_status) == (Sex.UNKNOWN, None, AllergyStatus.NOT_RECORDED)
    assert (found.conditions, found.medications) == ((), ())
