"""The rules: what combination of things means which danger.

`data/rules/*.toml` holds them, one file a part of the body or an area of life; `expressions` reads their conditions.
`assess` hands over what was found, and gets back what fired.

    [[rule]]
    id = "cardiac.chest_pressure"
    version = 1                        # grows with every change of meaning
    flag = "cardiac"                   # may be absent below `urgent`: such a rule only says how urgent
    acuity = "emergency_now"
    when = "chest_site & pressure_sensation"
    within = "sentence"                # clause, sentence (default), near (two sentences in a row) or text
    label = "Pressure in the chest"
    source = "https://www.cdc.gov/..."
    questions = ["breathing"]          # asked when it fired, or when one part of `when` is missing

How near: only the concepts of `when` have to stand together. Numbers and the record count wherever they stand. A
sentence that was wrapped over lines without a full stop is one sentence here.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service_chat.safety.expressions import ExpressionError, parse
from service_chat.safety.findings import Findings, Hit, quotes
from service_chat.safety.packaged import Packaged, Table, table, texts
from service_chat.safety.proof import PREGNANT, All, Condition, Proof, Scene
from service_chat.safety.values import Acuity, Assertion, Flag, RecordFacts, RedFlag

WITHIN: Final = ("clause", "sentence", "near", "text")
_ACUITIES: Final[Mapping[str, Acuity]] = {acuity.code: acuity for acuity in Acuity}
_FLAGS: Final[Mapping[str, Flag]] = {flag.value: flag for flag in Flag}
_KEYS: Final = frozenset({"id", "version", "flag", "acuity", "when", "within", "label", "source", "questions", "notes"})


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, checked."""

    name: str
    version: int
    flag: Flag | None
    acuity: Acuity
    when: Condition
    within: str
    label: str
    source: str
    questions: tuple[str, ...]
    file: str
    concepts: frozenset[str]  #: those that `when` names
    wordless: bool  #: `when` may hold without any of them

    @property
    def reference(self) -> str:
        """As results name it."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that holds, and why."""

    rule: Rule
    proof: Proof

    def red_flag(self, findings: Findings) -> RedFlag | None:
        """As callers see it; None for rules without a flag."""
        if self.rule.flag is None:
            return None
        numbers = (findings.text.quote(reading.start, reading.end) for reading in self.proof.readings)
        return RedFlag(
            flag=self.rule.flag,
            acuity=self.rule.acuity,
            rule=self.rule.reference,
            label=self.rule.label,
            evidence=tuple(dict.fromkeys((*quotes(findings, self.proof.hits), *numbers))),
            record=tuple(dict.fromkeys(self.proof.record)),
            source=self.rule.source,
        )


class Rules:
    """All rules. Read once, then shared."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._wordless = frozenset(at for at, rule in enumerate(self.rules) if rule.wordless)
        self._naming: dict[str, set[int]] = defaultdict(set)
        for at, rule in enumerate(self.rules):
            for concept in rule.concepts:
                self._naming[concept].add(at)

    def source_of(self, flag: Flag) -> str:
        """The public page that most of this flag's rules rest on; empty where it has none."""
        pages = Counter(rule.source for rule in self.rules if rule.flag is flag)
        return pages.most_common(1)[0][0] if pages else ""

    def fired(self, findings: Findings, facts: RecordFacts) -> tuple[list[Fired], list[Rule]]:
        """The rules that hold, in the order of the files, and those with questions that miss one part only."""
        hits = _meant(findings)
        pregnant = findings.present(PREGNANT)

        def scene(some: Iterable[Hit]) -> Scene:
            return Scene(_by_concept(some), findings.readings, facts, pregnant)

        whole = scene(hits)
        places = {"text": _Places([whole])}
        fired: list[Fired] = []
        nearly: list[Rule] = []
        for rule in self._in_question(whole):
            # Conditions are monotone: what the whole text can not prove, no part of it can.
            if rule.when.prove(whole) is None:
                if rule.questions and _misses_one(rule.when, whole):
                    nearly.append(rule)
                continue
            if rule.within not in places:
                places[rule.within] = _Places([scene(some) for some in _neighbourhoods(hits, rule.within)])
            near = places[rule.within].of(rule) if rule.concepts else [whole]
            proof = next((proof for place in near if (proof := rule.when.prove(place)) is not None), None)
            if proof is not None:
                fired.append(Fired(rule, proof))
            elif rule.questions:
                nearly.append(rule)
        return fired, nearly

    def possible(self, findings: Findings, least: Acuity) -> bool:
        """Whether with some record a rule of at least this acuity could fire; sooner yes than no."""
        whole = Scene(_by_concept(_meant(findings)), findings.readings, pregnant=findings.present(PREGNANT))
        return any(rule.acuity >= least and rule.when.possible(whole) for rule in self._in_question(whole))

    def _in_question(self, whole: Scene) -> Iterator[Rule]:
        """Those that this text could make fire, in the order of the files."""
        named = (self._naming[concept] for concept in whole.hits if concept in self._naming)
        return (self.rules[at] for at in sorted(self._wordless.union(*named)))


class _Places:
    """The neighbourhoods of a text, by the concepts in them: a long text has a hundred, and a rule asks for few."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self._scenes = scenes
        self._naming: dict[str, list[int]] = defaultdict(list)
        for at, scene in enumerate(scenes):
            for concept in scene.hits:
                self._naming[concept].append(at)

    def of(self, rule: Rule) -> Sequence[Scene]:
        """Those in which a rule could hold, in the order of the text."""
        if rule.wordless:
            return self._scenes
        naming = self._naming
        places = {at for concept in rule.concepts if concept in naming for at in naming[concept]}
        return [self._scenes[at] for at in sorted(places)]


def _meant(findings: Findings) -> list[Hit]:
    return [hit for hit in findings.hits if hit.assertion is not Assertion.IDIOM]


def _by_concept(hits: Iterable[Hit]) -> Mapping[str, Sequence[Hit]]:
    found: dict[str, list[Hit]] = defaultdict(list)
    for hit in hits:
        found[hit.concept].append(hit)
    return found


def _neighbourhoods(hits: Sequence[Hit], within: str) -> Iterator[list[Hit]]:
    """The hits of each clause, sentence or pair of sentences that has any, in the order of the text."""
    by_place: dict[int, list[Hit]] = defaultdict(list)
    for hit in hits:
        by_place[hit.clause if within == "clause" else hit.block].append(hit)
    for place in sorted(by_place):
        yield [*by_place[place], *(by_place.get(place + 1, []) if within == "near" else [])]


def _misses_one(when: Condition, scene: Scene) -> bool:
    """Whether all parts of a conjunction but one hold, and one of those is named by the text."""
    if not isinstance(when, All):
        return False
    proofs = [part.prove(scene) for part in when.parts]
    return proofs.count(None) == 1 and any(proof is not None and proof.hits for proof in proofs)


def read_rules(data: Packaged, concepts: Iterable[str], questions: Iterable[str], problems: list[str]) -> Rules:
    """The rules of every file under `data/rules`. What is wrong with one goes to `problems`; that rule is left out."""
    known, askable = frozenset(concepts), frozenset(questions)
    rules: dict[str, Rule] = {}
    for file in data.names("rules"):
        path = f"rules/{file}.toml"
        for at, entry in enumerate(texts(data.read(path, problems).get("rule")), start=1):
            values = table(entry)
            where = f"{path}: {values.get('id', f'rule {at}')}"
            wrong = list(_wrong(values, askable))
            try:
                when = parse(str(values.get("when", "")), known)
            except ExpressionError as error:
                wrong.append(f"when: {error}")
            if str(values.get("id")) in rules:
                wrong.append(f"is in {rules[str(values['id'])].file} as well")
            if wrong:
                problems.extend(f"{where}: {what}" for what in wrong)
                continue
            rule = _rule(values, when, path)
            rules[rule.name] = rule
    return Rules(tuple(rules.values()))


def _wrong(values: Table, askable: frozenset[str]) -> Iterator[str]:
    """What is wrong with a rule's fields, but for its condition."""
    for key in ("id", "when", "label", "acuity"):
        if not isinstance(values.get(key), str) or not values[key]:
            yield f"has no {key}"
    for key in sorted(set(values) - _KEYS):
        yield f"{key} is no field of a rule"
    version = values.get("version")
    if not isinstance(version, int) or version < 1:
        yield "version is a whole number from 1"
    acuity = _ACUITIES.get(str(values.get("acuity")))
    if acuity is None:
        yield f"acuity is one of {', '.join(_ACUITIES)}"
    flag, source = values.get("flag"), values.get("source")
    if flag is None and acuity is not None and acuity > Acuity.URGENT:
        yield "a rule above urgent has a flag"
    if flag is not None and flag not in _FLAGS:
        yield f"flag {flag!r} is none of values.Flag"
    if (flag is not None or source is not None) and not str(source).startswith("https://"):
        yield "source is the https address of a public page"
    if values.get("within", "sentence") not in WITHIN:
        yield f"within is one of {', '.join(WITHIN)}"
    for question in texts(values.get("questions")):
        if question not in askable:
            yield f"question {question!r} stands in no templates/en.toml"


def _rule(values: Table, when: Condition, path: str) -> Rule:
    flag, version = values.get("flag"), values.get("version")
    return Rule(
        name=str(values["id"]),
        version=version if isinstance(version, int) else 1,
        flag=None if flag is None else _FLAGS[str(flag)],
        acuity=_ACUITIES[str(values["acuity"])],
        when=when,
        within=str(values.get("within", "sentence")),
        label=str(values["label"]),
        source=str(values.get("source", "")),
        questions=tuple(str(question) for question in texts(values.get("questions"))),
        file=path,
        concepts=when.concepts(),
        wordless=when.wordless(),
    )
