import pytest

from service_chat.safety.drugs import DrugTable
from service_chat.safety.packaged import Packaged
from service_chat.services.condition_names import condition_names
from service_chat.services.grounding import Vocabulary
from service_chat.services.prescribing import changes_medicine

VOCABULARY = Vocabulary(DrugTable.read(Packaged(), []), condition_names())


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "You should not take any medicines."),
        ("en", "Stop taking your warfarin until the bleeding ends."),
        ("en", "You can skip the next dose."),
        ("en", "Don\u2019t take warfarin today."),
        ("en", "It may help to double the tablet."),
        ("en", "Please reduce your insulin."),
        ("en", "You could come off the medication for a week."),
        ("es", "Deje de tomar la metformina."),
        ("es", "No tome sus pastillas hoy."),
        ("fr", "Arrêtez le comprimé ce soir."),
        ("de", "Nehmen Sie heute keine Tabletten."),
        ("de", "Setzen Sie das Medikament ab."),
        ("pt", "Pare de tomar o remédio."),
        ("it", "Sospenda il farmaco."),
        ("pl", "Proszę odstawić leki."),
        ("ru", "Прекратите принимать таблетки."),
        ("zh", "请停药。"),
        ("ja", "薬をやめてください。"),
        ("ar", "توقف عن تناول الدواء."),
        ("hi", "दवा लेना बंद करें।"),
        ("de", "You should not take any medicines."),
    ],
)
def test_advice_to_stop_start_or_change_a_medicine_is_found(language: str, said: str) -> None:
    assert changes_medicine(said, language, VOCABULARY)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "You take warfarin, so a cut bleeds longer."),
        ("en", "You started lisinopril last week, and it may cause a cough."),
        ("en", "Do not stop taking warfarin before you have asked."),
        ("en", "Never change the dose without your clinic."),
        ("en", "Ask whether your tablets could be the reason."),
        ("en", "Stop if the pain gets worse."),
        ("en", "You should not take any medicine without consulting a doctor."),
        ("en", "Ask before you change the dose, and do not stop until your clinic says so."),
        ("en", "Avoid long walks, and do not use the sore hand."),
        ("es", "Usted toma metformina."),
        ("de", "Sie nehmen Warfarin, deshalb blutet es länger."),
        ("fr", "Vous prenez un comprimé chaque soir."),
        ("ru", "Вы принимаете варфарин."),
        ("sw", "Unatumia warfarin."),
    ],
)
def test_what_is_taken_may_be_told(language: str, said: str) -> None:
    assert not changes_medicine(said, language, VOCABULARY)
