"""Languages that nobody here reads are told as such, and those that we read never are."""

import pytest

from service_chat.safety.assess import Ruleset
from service_chat.safety.values import Acuity, Notice
from tests.unit.service_chat.safety.small import packaged

#: One complaint in languages without a lexicon: neighbours of ours, strangers, and ones of which no list has a word.
FOREIGN = [
    "Em costa molt respirar i tinc una pressió al pit des d'ahir",
    "Non podo respirar ben e teño moita febre dende onte",
    "àyà ń dùn mí gan-an, mi ò lè mí dáadáa",
    "Mijn moeder praat raar en haar mond hangt scheef",
    "Rintaan sattuu kovasti enkä saa henkeä",
    "bularreko mina daukat eta ezin dut arnasarik hartu",
    "kirjina yana ciwo sosai ba na iya numfashi",
    "xabadka ayaa i xanuunaysa mana neefsan karo",
    "obi na-egbu m mgbu, enweghị m ike iku ume",
    "болить груди, дуже важко дихати, мені погано",
    "боли ме силно в гърдите и не мога да дишам",
    "imam jak bol u prsima i ne mogu disati",
    "Der Mann sagt: nem kapok levegőt, erős mellkasi fájdalmam van, nagyon rosszul vagyok",
]
#: Texts of ours that are hard to tell: mixed, without accents, names of places and of drugs, few small words.
OURS = [
    "vomitando sangue vivo",
    "usne chuhe maar dawa kha li",
    "mujhe chest pain ho raha hai aur left arm numb hai",
    "caiu da laje, uns 5 metros",
    "Ich brauche ein neues Rezept für Metformin und Ramipril",
    "refill metformin lisinopril atorvastatin please",
    "mi marido tiene fever y chills desde anoche",
    "голова болит второй день, температура 38",
]


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return packaged()


@pytest.mark.parametrize("text", FOREIGN)
def test_a_complaint_in_a_language_that_nobody_here_reads_is_urgent_and_says_so(ruleset: Ruleset, text: str) -> None:
    floor = ruleset.assess(text)
    assert Notice.LANGUAGE_UNSUPPORTED in floor.notices
    assert floor.acuity >= Acuity.URGENT


@pytest.mark.parametrize("text", OURS)
def test_a_language_of_ours_is_never_called_unsupported(ruleset: Ruleset, text: str) -> None:
    assert Notice.LANGUAGE_UNSUPPORTED not in ruleset.assess(text).notices
