"""What to ask next: the follow-up questions of an answer, without those that the text has answered already.

`assess` asks last. Rules name questions by code; templates hold their words. What a text names, with whatever it says
of it, it has answered: who writes "no fever" is not asked for a fever, and who tells of chest pain not for chest pain.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from service_chat.safety import gate
from service_chat.safety.findings import Findings
from service_chat.safety.rules import Fired, Rule
from service_chat.safety.values import Acuity, RecordFacts

#: A question, and what answers it: any of these groups, of which all concepts or quantities stand in the text.
ANSWERED: Final[Mapping[str, tuple[frozenset[str], ...]]] = {
    "age": tuple(map(frozenset, ({"age_years"}, {"newborn"}))),
    "onset": tuple(map(frozenset, ({"sudden"}, {"persistent"}, {"duration_min"}, {"recent", "came_and_went"}))),
    "severity": tuple(map(frozenset, ({"severe"}, {"worst_ever"}, {"pain_score"}))),
    "breathing": tuple(
        map(frozenset, ({"short_breath"}, {"cant_breathe"}, {"not_breathing"}, {"fast_breathing"}, {"spo2"}))
    ),
    "chest": tuple(
        map(
            frozenset,
            (
                {"chest_site", "pain"}, {"chest_site", "pressure_sensation"}, {"chest_site", "burning_sensation"},
                {"heart_attack_said"},
            ),
        )
    ),
    "fever": tuple(map(frozenset, ({"fever"}, {"temp_c"}))),
    "bleeding": tuple(map(frozenset, ({"bleeding", "bleeding_wont_stop"}, {"heavy_bleeding"}))),
    "pregnancy": tuple(map(frozenset, ({"gestation_weeks"},))),
    "weakness": tuple(map(frozenset, ({"weakness"}, {"numbness"}, {"slurred_speech"}, {"face_droop"}))),
    "injury": tuple(map(frozenset, ({"injury"}, {"head_blow"}, {"fall"}, {"fall_height"}, {"vehicle_crash"}))),
    "fluids": tuple(map(frozenset, ({"cant_keep_down"}, {"wont_feed"}))),
    "medicines": tuple(map(frozenset, ({"took", "medicine_substance", "tablets"},))),
}  # fmt: skip


def asked(
    findings: Findings,
    facts: RecordFacts,
    fired: Sequence[Fired],
    nearly: Sequence[Rule],
    codes: Sequence[str],
    acuity: Acuity,
) -> Iterable[str]:
    """Codes of questions: of the gravest rules first, then of those that would make it graver, then to tell at all.

    Args:
        nearly: rules that miss one part.
        codes: the gate's reasons.
        acuity: what it came to.
    """
    wanted: dict[str, None] = {}
    for each in sorted(fired, key=lambda each: (-each.rule.acuity, each.rule.name)):
        wanted.update(dict.fromkeys(each.rule.questions))
    for rule in sorted(nearly, key=lambda rule: (-rule.acuity, rule.name)):
        if rule.acuity > acuity:
            wanted.update(dict.fromkeys(rule.questions))
    if gate.AGE_UNKNOWN in codes:
        wanted["age"] = None
    if {gate.VAGUE, gate.SYMPTOM_UNRECOGNISED, gate.SYMPTOM_UNRULED} & set(codes):
        wanted.update({"onset": None, "severity": None})
    if not wanted:
        return ()
    named = {hit.concept for hit in findings.hits} | {reading.quantity for reading in findings.readings}
    if facts.age_years is not None:
        named.add("age_years")
    return [code for code in wanted if not any(group <= named for group in ANSWERED.get(code, ()))]
