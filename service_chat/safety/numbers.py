"""Quantities in a text."""
from service_chat.safety.findings import Reading
from service_chat.safety.packaged import Packaged
from service_chat.safety.text import Text
QUANTITIES: frozenset[str] = frozenset(
    {
        "temp_c", "spo2", "systolic", "diastolic", "pulse", "glucose_mgdl", "tablets", "gestation_weeks", "age_years",
        "pain_score", "duration_min",
    }
)  # fmt: skip
class Numbers:
    def find(self, text: Text) -> tuple[Reading, ...]:
        return ()
def read_numbers(data: Packaged, problems: list[str]) -> Numbers:
    return Numbers()
