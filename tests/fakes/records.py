"""Records kept in a dictionary."""

from collections.abc import Iterable

from typing_extensions import override

from service_chat.records.ports import PatientRecord, RecordStore
from serving.errors import NotFound, SluiceError


class FakeRecords(RecordStore):
    def __init__(self, records: Iterable[PatientRecord], error: SluiceError | None = None) -> None:
        self._records = {record.mrn: record for record in records}
        self._error = error

    @override
    async def patient(self, mrn: str) -> PatientRecord:
        if self._error is not None:
            raise self._error
        if mrn not in self._records:
            raise NotFound()
        return self._records[mrn]

    @override
    async def aclose(self) -> None:
        pass
