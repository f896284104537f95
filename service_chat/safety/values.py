"""The words that safety speaks in: how urgent, why, and what else the reader must be told. Pure.

Made by the rooms beside it, carried by `services.triage` to every door. The scale is our own, a disposition for text
from afar; it maps to no licensed protocol.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum


class Acuity(IntEnum):
    """A lattice: joining two opinions takes the higher one, in whatever order they come."""

    INFORMATIONAL = 0  #: a question about the record or an appointment, no symptom
    SELF_CARE = 1  #: care at home, with advice on when to come back
    ROUTINE = 2  #: book an appointment
    URGENT = 3  #: a clinician within 24 hours
    EMERGENCY = 4  #: an emergency department now
    EMERGENCY_NOW = 5  #: call the emergency number now

    @property
    def code(self) -> str:
        """As callers read it."""
        return self.name.lower()


class Flag(StrEnum):
    """What kind of danger. Callers match on these; one is added, none ever renamed."""

    CARDIAC = "cardiac"
    BREATHING = "breathing"
    STROKE = "stroke"
    NEURO = "neuro"
    SEIZURE = "seizure"
    ALTERED_CONSCIOUSNESS = "altered_consciousness"
    ANAPHYLAXIS = "anaphylaxis"
    SEPSIS = "sepsis"
    MENINGITIS = "meningitis"
    IMMUNOCOMPROMISED_FEVER = "immunocompromised_fever"
    HAEMORRHAGE = "haemorrhage"
    CLOT = "clot"
    HEAD_INJURY = "head_injury"
    SPINAL_CORD = "spinal_cord"
    ACUTE_ABDOMEN = "acute_abdomen"
    ACUTE_SCROTUM = "acute_scrotum"
    EYE_EMERGENCY = "eye_emergency"
    BURN_TRAUMA = "burn_trauma"
    DIABETIC_EMERGENCY = "diabetic_emergency"
    ENDOCRINE_EMERGENCY = "endocrine_emergency"
    POISONING_OVERDOSE = "poisoning_overdose"
    MEDICATION_TOXICITY = "medication_toxicity"
    DRUG_INTERACTION = "drug_interaction"
    ALLERGY_CONFLICT = "allergy_conflict"
    PREGNANCY_EMERGENCY = "pregnancy_emergency"
    PAEDIATRIC_DANGER = "paediatric_danger"
    SELF_HARM = "self_harm"
    MENTAL_HEALTH_CRISIS = "mental_health_crisis"
    VIOLENCE_ABUSE = "violence_abuse"


class Notice(StrEnum):
    """What a reader should know that is no danger by itself."""

    PROMPT_INJECTION = "prompt_injection"
    PRIVACY = "privacy"
    OUT_OF_SCOPE = "out_of_scope"
    LANGUAGE_UNSUPPORTED = "language_unsupported"


class Assertion(Enum):
    """What a text says of a thing that it names. When in doubt it is present."""

    PRESENT = "present"
    NEGATED = "negated"  #: "no chest pain"
    PAST = "past"  #: over and resolved long ago; what came and went today is present
    FAMILY = "family"  #: somebody else's, and not the one who is asked for
    HYPOTHETICAL = "hypothetical"  #: "what should I do if"
    IDIOM = "idiom"  #: "this queue is killing me"


@dataclass(frozen=True, slots=True)
class RedFlag:
    """A rule that fired."""

    flag: Flag
    acuity: Acuity  #: at least this
    rule: str  #: its id and version, `cardiac.chest_pressure@1`
    label: str  #: what it is about, in plain words of the text's language, for people who read the result
    evidence: tuple[str, ...]  #: the caller's own words that it rests on, as they were written
    record: tuple[str, ...] = ()  #: short ids or displays of the record's items that it rests on
    source: str = ""  #: the public page that says so


@dataclass(frozen=True, slots=True)
class Floor:
    """What holds whatever a model says."""

    acuity: Acuity
    flags: tuple[RedFlag, ...]  #: the gravest first, one for each rule
    notices: tuple[Notice, ...]
    language: str  #: of the text, ISO 639-1; `und` where it can not be told
    #: Codes of what keeps the answer from being `self_care`: see `gate`.
    gate: tuple[str, ...] = ()
    #: Codes of questions that the rules would like answered; `templates` has their words.
    questions: tuple[str, ...] = ()

    @property
    def emergency(self) -> bool:
        return self.acuity >= Acuity.EMERGENCY


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What rules may know of a record: classes, never names or numbers of people. `facts` makes it from a record."""

    age_years: float | None = None  #: with months as a fraction, where the birth date is known
    sex: str = "U"  #: F, M or U
    pregnant: bool | None = None  #: None: not recorded
    gestation_weeks: int | None = None
    #: Classes of active drugs (`anticoagulant`, `insulin`, `immunosuppressant`), with the displays they came from.
    drugs: tuple[tuple[str, str], ...] = ()
    #: Classes of active conditions (`immunodeficiency`, `heart_failure`), with their displays.
    conditions: tuple[tuple[str, str], ...] = ()
    #: Classes of allergies (`penicillin`), with their displays.
    allergies: tuple[tuple[str, str], ...] = ()
    #: Displays of drugs that were started in the month before the record's day.
    new_drugs: tuple[str, ...] = ()
    deceased: bool = False
