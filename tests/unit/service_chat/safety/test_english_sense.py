"""English sentences through the whole floor: many ways of saying one danger, and plain talk that resembles it.

The sentences are this file's own. Dangers name the flag and the least acuity; plain talk names what must not be passed.
"""

import pytest

from service_chat.safety.assess import Ruleset
from service_chat.safety.values import Acuity, Flag, RecordFacts
from tests.unit.service_chat.safety.small import packaged

_DANGER = (
    ("half of my body just stopped working", Flag.STROKE),
    ("left hand suddenly won't do what I tell it", Flag.STROKE),
    ("he took two toes clean off with the mower", Flag.BURN_TRAUMA),
    ("I cut my fingertip off with a mandolin", Flag.BURN_TRAUMA),
    ("he fell 5 metres from the scaffolding", Flag.BURN_TRAUMA),
    ("blood is squirting out of my wrist", Flag.HAEMORRHAGE),
    ("brought up a basin of dark blood", Flag.HAEMORRHAGE),
    ("the toilet pan was full of red when I went", Flag.HAEMORRHAGE),
    ("watery stuff running out of his ear since the bike crash", Flag.HEAD_INJURY),
    ("two year old got into nan's heart tablets", Flag.POISONING_OVERDOSE),
    ("bleach bottle open, red round his mouth", Flag.POISONING_OVERDOSE),
    ("my white count is really low after chemo and I feel shivery", Flag.IMMUNOCOMPROMISED_FEVER),
    ("3 day old baby brought up bright green stuff", Flag.PAEDIATRIC_DANGER),
    ("I'm 39 weeks and I can feel something coming down", Flag.PREGNANCY_EMERGENCY),
    ("I fell against the table right on my bump, 33+2", Flag.PREGNANCY_EMERGENCY),
    ("got kneed in the privates, very swollen now", Flag.ACUTE_SCROTUM),
    ("viagra last night and it still won't go down", Flag.ACUTE_SCROTUM),
    ("she hasn't spoken or moved since morning, just stares", Flag.MENTAL_HEALTH_CRISIS),
    ("my stepdad touches me at night", Flag.VIOLENCE_ABUSE),
    ("my husband waved a knife at me", Flag.VIOLENCE_ABUSE),
    ("bruises shaped like fingers on her arm, she is 2", Flag.VIOLENCE_ABUSE),
    ("like a belt being pulled tight around my ribs", Flag.CARDIAC),
    ("chst presure and sweating", Flag.CARDIAC),
    ("would a handful of these be enough to never wake", Flag.SELF_HARM),
    ("mate sent me a goodbye message and drove to the cliffs", Flag.SELF_HARM),
)
_PASSIVE = (
    "I wish I could fall asleep tonight and never wake up",
    "if a truck hit me tomorrow I'd be glad",
    "what's the point of me being around",
)
_PLAIN = (
    "my phone bill nearly gave me a stroke",
    "nearly had a heart attack opening that invoice",
    "my shoulder aches when I lift boxes at work",
    "my gums bleed when I brush",
    "my eyelid keeps twitching today",
    "I don't know what to do about this rash",
    "I take paracetamol three times a day",
    "headache goes away when I take paracetamol",
    "should I do it when I am fasting",
    "I don't have enough insulin for the weekend",
    "no vision problems, just want new glasses",
    "I drank a whole bottle of water",
    "slept on my arm and it went numb",
    "not feeling well today",
    "I overdosed on netflix this weekend",
)


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return packaged()


@pytest.mark.parametrize(("text", "flag"), _DANGER)
def test_a_danger_is_heard_however_it_is_said(rules: Ruleset, text: str, flag: Flag) -> None:
    floor = rules.assess(text)
    assert flag in {found.flag for found in floor.flags}
    assert floor.acuity >= Acuity.EMERGENCY


@pytest.mark.parametrize("text", _PASSIVE)
def test_a_wish_not_to_be_is_a_risk_of_self_harm(rules: Ruleset, text: str) -> None:
    floor = rules.assess(text)
    assert {found.flag for found in floor.flags} == {Flag.SELF_HARM}


@pytest.mark.parametrize("text", _PLAIN)
def test_plain_talk_raises_no_flag(rules: Ruleset, text: str) -> None:
    floor = rules.assess(text)
    assert floor.flags == ()
    assert floor.acuity <= Acuity.ROUTINE


@pytest.mark.parametrize(
    "text",
    ["is my son's chickenpox contagious, all scabbed", "sore wrist from gaming", "does testing hurt", "ear piercing"],
)
def test_a_right_word_that_looks_like_a_danger_is_none(text: str) -> None:
    assert packaged().assess(text, RecordFacts(age_years=30)).acuity <= Acuity.ROUTINE
