"""A published set in three levels, read from a file that the caller brought: accuracy and emergency recall.

The vignettes are those of Semigran et al., BMJ 2015;351:h3480, whose licence (CC BY-NC) is not ours to pass on, so
none of them stand here. Whoever may use them downloads `triage_bench/vignettes/semigran_vignettes.jsonl` from
github.com/medaks/medask-benchmarks and names the file: one JSON object a line, `case_description` and `urgency_level`
(`em`, `ne` or `sc`; the words of the paper are read too), other keys ignored. Age and sex stand in the first words of
every case; they become the patient's record, because a service that is asked knows them from there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from scripts.evaluation.figures import Share
from scripts.evaluation.outcomes import Outcome
from scripts.evaluation.vignettes import BadVignette, Patient, SexCode, Vignette
from service_chat.safety.values import Acuity

#: Share of emergencies that must be answered as one. Our own floor.
RECALL = 0.93
#: Share of all that must be on their level, with a model: without one nothing is `self_care`. Our own floor.
ACCURACY = 0.65


class Level(StrEnum):
    EMERGENT = "em"
    NON_EMERGENT = "ne"
    SELF_CARE = "sc"


_SPELLINGS: Mapping[str, Level] = {
    "em": Level.EMERGENT,
    "emergent": Level.EMERGENT,
    "emergency": Level.EMERGENT,
    "ne": Level.NON_EMERGENT,
    "nonemergent": Level.NON_EMERGENT,
    "nonemergency": Level.NON_EMERGENT,
    "sc": Level.SELF_CARE,
    "selfcare": Level.SELF_CARE,
}


def level_named(spelling: object) -> object:
    """Hyphens, blanks and case do not count; an unknown word is left for the reader to refuse."""
    word = "".join(letter for letter in str(spelling).casefold() if letter.isalpha())
    return _SPELLINGS.get(word, spelling)


_AGE = re.compile(r"(?i)\b(\d{1,3})[ -](year|month|week)s?[ -]old\b")
_SEXES: Mapping[str, SexCode] = {
    **dict.fromkeys(("woman", "female", "girl", "mrs", "ms", "she", "her", "daughter"), "F"),
    **dict.fromkeys(("man", "male", "boy", "mr", "he", "his", "son"), "M"),
}
_WORD = re.compile(r"[a-z]+")
_PER_YEAR = {"year": 1.0, "month": 12.0, "week": 52.0}


class _Case(BaseModel):
    case_description: str = Field(min_length=1)
    urgency_level: Annotated[Level, BeforeValidator(level_named)]


@dataclass(frozen=True, slots=True)
class Case:
    vignette: Vignette
    level: Level


@dataclass(frozen=True, slots=True)
class Verdict:
    accuracy: Share
    recall: Share
    under: Share  #: a level too low
    over: Share
    by_level: Mapping[Level, Share]


def load(path: Path) -> tuple[Case, ...]:
    """The cases of the file, in its order.

    Raises:
        BadVignette: The file can not be read, a line is not as told above, or there is none.
    """
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadVignette(f"{path.name}: {type(error).__name__}") from error
    cases = []
    for number, line in enumerate(lines, start=1):
        try:
            case = _Case.model_validate_json(line)
        except ValidationError as error:
            raise BadVignette(f"{path.name}:{number}: {error.errors()[0]['msg']}") from error
        text = case.case_description
        vignette = Vignette(
            f"semigran-{number:03d}", "semigran", "en", text, None, None, (), (), "", patient=patient_in(text)
        )
        cases.append(Case(vignette, case.urgency_level))
    if not cases:
        raise BadVignette(f"{path.name}: no case in it")
    return tuple(cases)


def patient_in(text: str) -> Patient:
    """Who a case is about: the first age and the first word with a sex in it; what is not told is not recorded."""
    age = _AGE.search(text)
    words = _WORD.findall(text.casefold())
    return Patient(
        age_years=int(age[1]) / _PER_YEAR[age[2].casefold()] if age is not None else None,
        sex=next((_SEXES[word] for word in words if word in _SEXES), "U"),
    )


def level_of(acuity: Acuity) -> Level:
    """Ours in the three levels of the paper: a day's notice and an appointment are both `non-emergent`."""
    if acuity >= Acuity.EMERGENCY:
        return Level.EMERGENT
    return Level.NON_EMERGENT if acuity >= Acuity.ROUTINE else Level.SELF_CARE


def judge(cases: Sequence[Case], outcomes: Mapping[str, Outcome]) -> Verdict:
    ranks = {Level.SELF_CARE: 0, Level.NON_EMERGENT: 1, Level.EMERGENT: 2}
    pairs = [(case.level, level_of(outcomes[case.vignette.id].acuity)) for case in cases]

    def share(of: Sequence[tuple[Level, Level]]) -> Share:
        return Share(sum(right is said for right, said in of), len(of))

    by_level = {level: share([pair for pair in pairs if pair[0] is level]) for level in Level}
    return Verdict(
        accuracy=share(pairs),
        recall=by_level[Level.EMERGENT],
        under=Share(sum(ranks[said] < ranks[right] for right, said in pairs), len(pairs)),
        over=Share(sum(ranks[said] > ranks[right] for right, said in pairs), len(pairs)),
        by_level=by_level,
    )


def broken(verdict: Verdict, with_model: bool) -> list[str]:
    """Every bound that does not hold, in words."""
    found = []
    if verdict.recall.value is not None and verdict.recall.value < RECALL:
        found.append(f"Semigran: emergencies answered as one: {verdict.recall}, at least {RECALL:.0%} must be")
    if with_model and verdict.accuracy.value is not None and verdict.accuracy.value < ACCURACY:
        found.append(f"Semigran: on their level: {verdict.accuracy}, at least {ACCURACY:.0%} must be")
    return found


def lines(verdict: Verdict) -> list[str]:
    levels = ", ".join(f"{level.name.lower()} {share}" for level, share in verdict.by_level.items())
    return [
        f"Semigran: accuracy {verdict.accuracy}, under-triage {verdict.under}, over-triage {verdict.over}",
        f"Semigran by level: {levels}",
    ]
