"""Records of the CarePath API, the HTTP contract of the predecessor of this service. `RECORDS_BACKEND=carepath`.

Opened by `service_chat.wiring` when DB_API_BASE_URL is set. One GET for a patient's summary, over one client and its
connections for the life of the process; `carepath_mapping` reads what comes. The contract puts the number into the
path: it is escaped here, and httpx's own log lines are off.
"""

import asyncio
from dataclasses import dataclass
from urllib.parse import quote

import httpx
from typing_extensions import override

from service_chat.records.carepath_mapping import number_in, record_from_summary
from service_chat.records.http_client import bounded, checked_base
from service_chat.records.json_values import JsonObject, parse
from service_chat.records.ports import PatientRecord, RecordStore
from serving.clock import Clock
from serving.errors import DependencyFailed, NotFound

_MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CarePathConfig:
    base_url: str  #: DB_API_BASE_URL
    timeout_s: float  #: RECORDS_TIMEOUT_SECONDS


class CarePathRecords(RecordStore):
    def __init__(self, config: CarePathConfig, client: httpx.AsyncClient, clock: Clock) -> None:
        """Takes the client over: `aclose` closes it. It must not follow redirects.

        Raises:
            ValueError: The base address is none.
        """
        self._base, self._timeout_s = checked_base(config.base_url), config.timeout_s
        self._client, self._clock = client, clock

    @override
    async def patient(self, mrn: str) -> PatientRecord:
        # A path of dots is another path: it would ask for the list of all patients. Escapes do not help: the dot is
        # unreserved, and every client and proxy may fold it.
        if mrn in ("", ".", ".."):
            raise NotFound("Patient not found")
        try:
            async with asyncio.timeout(self._timeout_s):
                summary = await self._summary(mrn)
        except TimeoutError:
            raise DependencyFailed("The record API took too long.", reason="timeout") from None
        if number_in(summary) not in (None, mrn):
            raise DependencyFailed("The record API returned a patient with another number.")
        return record_from_summary(mrn, summary, self._clock.now().date())

    @override
    async def aclose(self) -> None:
        await self._client.aclose()

    async def _summary(self, mrn: str) -> JsonObject:
        address = f"{self._base}/patients/{quote(mrn, safe='')}/summary"
        try:
            async with self._client.stream("GET", address, headers={"Accept": "application/json"}) as response:
                if response.status_code == 404:
                    raise NotFound("Patient not found")
                if not response.is_success:
                    raise DependencyFailed(
                        f"The record API answered with status {response.status_code}.",
                        upstream_status=response.status_code,
                    )
                return parse(await bounded(response, _MAX_BYTES))
        except httpx.HTTPError as error:
            # Its words hold the address, and with it the number.
            raise DependencyFailed("The record API did not answer.", reason=type(error).__name__) from None
        except ValueError:
            raise DependencyFailed("The record API answered with something that is no JSON.") from None
