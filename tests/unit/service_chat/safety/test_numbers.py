import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.safety.numbers import QUANTITIES, Numbers, read_numbers
from service_chat.safety.packaged import Packaged
from service_chat.safety.text import read
from tests.unit.service_chat.safety.small import EXAMPLES

PROBLEMS: list[str] = []
NUMBERS: Numbers = read_numbers(Packaged(), PROBLEMS)


def values(text: str, quantity: str) -> list[float]:
    return [round(reading.value, 2) for reading in NUMBERS.find(read(text)) if reading.quantity == quantity]


def test_the_packaged_ways_of_writing_are_in_order() -> None:
    assert PROBLEMS == []


@pytest.mark.parametrize(
    ("text", "quantity", "expected"),
    [
        ("fever of 39.5", "temp_c", 39.5),
        ("temp 103", "temp_c", 39.44),
        ("102.5F", "temp_c", 39.17),
        ("Fieber 39,8 Grad", "temp_c", 39.8),
        ("\u4f53\u6e2938\u5ea65\u5206", "temp_c", 38.5),
        ("\u0442\u0435\u043c\u043f\u0435\u0440\u0430\u0442\u0443\u0440\u0430 39,5", "temp_c", 39.5),
        ("her sats are 86%", "spo2", 86),
        ("saturation \u00e0 84", "spo2", 84),
        ("bp 200/120", "systolic", 200),
        ("bp 200/120", "diastolic", 120),
        ("my blood pressure is 210 over 115", "diastolic", 115),
        ("pulse 150", "pulse", 150),
        ("blood sugar 450", "glucose_mgdl", 450),
        ("my sugar is 2.8", "glucose_mgdl", 50.4),
        ("glucose 28 mmol", "glucose_mgdl", 504),
        ("took 30 paracetamol tablets", "tablets", 30),
        ("20 of my mum's pills", "tablets", 20),
        ("twenty five pills", "tablets", 25),
        ("\u5403\u4e86\u4e09\u5341\u7247", "tablets", 30),
        ("34+2 weeks pregnant", "gestation_weeks", 34),
        ("embarazada de 36 semanas", "gestation_weeks", 36),
        ("\u598a\u5a2034\u9031", "gestation_weeks", 34),
        ("7 months pregnant", "gestation_weeks", 30.41),
        ("my 3 month old baby", "age_years", 0.25),
        ("6-week-old", "age_years", 0.12),
        ("I'm 70", "age_years", 70),
        ("45M chest pain", "age_years", 45),
        ("mein Baby ist 3 Monate alt", "age_years", 0.25),
        ("mon b\u00e9b\u00e9 a 2 mois", "age_years", 0.17),
        ("\u0639\u0645\u0631\u0647 2 \u0634\u0647\u0631", "age_years", 0.17),
        ("pain 9/10", "pain_score", 9),
        ("for 45 minutes", "duration_min", 45),
    ],
)
def test_quantities_are_read_as_people_write_them(text: str, quantity: str, expected: float) -> None:
    assert expected in values(text, quantity)


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("40 minutes after the pills", "tablets"),
        ("500 mg tablets", "tablets"),
        ("I'm 30 weeks pregnant", "age_years"),
        ("il y a 3 mois", "age_years"),
        ("my son had it 3 weeks ago", "gestation_weeks"),
        ("it was 38 degrees outside", "temp_c"),
        ("on 12/10/2024", "systolic"),
        ("I have 2 dogs", "glucose_mgdl"),
    ],
)
def test_other_numbers_are_none_of_ours(text: str, quantity: str) -> None:
    assert values(text, quantity) == []


def test_a_reading_knows_the_words_that_it_was_read_from() -> None:
    text = read("Fi\u00e8vre \u00e0 39,5")
    (reading,) = [reading for reading in NUMBERS.find(text) if reading.quantity == "temp_c"]
    assert text.quote(reading.start, reading.end) == "39,5"


@EXAMPLES
@given(st.text(st.sampled_from("0123456789 .,/%+-cmfweksdayo\u5341\u4e8c\n"), max_size=120))
def test_reading_never_fails_and_names_known_quantities_only(text: str) -> None:
    assert {reading.quantity for reading in NUMBERS.find(read(text))} <= QUANTITIES.keys()


@EXAMPLES
@given(st.text(max_size=80), st.text(max_size=80))
def test_another_line_never_hides_a_reading(before: str, after: str) -> None:
    assert 39.5 in values(f"{before}\nfever of 39.5\n{after}", "temp_c")
