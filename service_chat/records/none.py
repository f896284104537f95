"""No records at all: for a deployment that answers questions without looking anybody up (`RECORDS_BACKEND=none`).

Every number is somebody of whom nothing is recorded. That is not the same as somebody healthy, and the values say so.
"""

from typing_extensions import override

from service_chat.records.ports import AllergyStatus, PatientRecord, Pregnancy, RecordStore, Sex
from serving.clock import Clock


class NoRecords(RecordStore):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @override
    async def patient(self, mrn: str) -> PatientRecord:
        return PatientRecord(
            mrn=mrn,
            sex=Sex.UNKNOWN,
            birth_date=None,
            pregnancy=Pregnancy.NOT_RECORDED,
            gestation_weeks=None,
            conditions=(),
            medications=(),
            allergy_status=AllergyStatus.NOT_RECORDED,
            allergies=(),
            vitals=(),
            labs=(),
            encounters=(),
            documents=(),
            as_of=self._clock.now().date(),
        )

    @override
    async def aclose(self) -> None:
        pass
