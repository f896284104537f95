"""`python -m service_chat.safety.check [--language CODE] [TEXT ...]`: is the data right, and what does it make of a
text?

For whoever edits `data/`: prints every problem, how much there is, which concepts have no words in which language, and
for each text every hit with its assertion, every reading, every rule that fired, and the floor. Leaves with 1 when
there is a problem; what begins with `?` is a doubt. The service itself never runs this; it refuses to start with the
same problems.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise

from service_chat.safety.assess import Explained, Ruleset
from service_chat.safety.packaged import Packaged, texts
from service_chat.safety.templates import Templates
from service_chat.safety.values import Flag, RecordFacts


def _say(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")


def _inventory(ruleset: Ruleset) -> None:
    concepts = ruleset.lexicon.concepts
    _say(f"ruleset {ruleset.version}: {len(concepts)} concepts, {len(ruleset.rules.rules)} rules")
    for language, sizes in sorted(ruleset.lexicon.sizes.items()):
        missing = [name for name in concepts if not sizes.get(name)]
        some = f", without words for {len(missing)}: {' '.join(missing[:8])}" if missing else ""
        _say(f"  {language}: {sum(sizes.values())} patterns{some}")
    named = {rule.flag for rule in ruleset.rules.rules}
    unused = [flag.value for flag in Flag if flag not in named]
    if unused:
        _say(f"  flags that no rule raises: {' '.join(unused)}")
    used = {concept for rule in ruleset.rules.rules for concept in rule.when.concepts()}
    idle = [name for name, concept in concepts.items() if name not in used and concept.symptom]
    if idle:
        _say(f"  symptoms that no rule asks for ({len(idle)}): {' '.join(idle)}")


def torn(packaged: Packaged) -> Iterator[str]:
    """Patterns that read as two places where their author may have meant two words of one alternative.

    "anus|back passage|rectum" finds no back passage. Told by the pair: some other pattern has "back passage" in words.
    """
    for language in packaged.names("lexicon"):
        path = f"lexicon/{language}.toml"
        places = [
            (name, str(pattern).split()) for name, some in packaged.read(path, []).items() for pattern in texts(some)
        ]
        plain = {
            pair for _, words in places for pair in pairwise(words) if "|" not in "".join(pair) and ".." not in pair
        }
        for name, words in places:
            for left, right in pairwise(words):
                pair = (left.split("|")[-1], right.split("|")[0])
                if left.count("|") > 1 and "|" in right and pair in plain:
                    yield f"{path}: {name}: is {' '.join(pair)!r} one alternative? then write {'_'.join(pair)!r}"


def _explain(text: str, told: Explained) -> None:
    findings, floor = told.findings, told.floor
    _say(f"\n{text}")
    _say(f"  language {floor.language}; looked up in {[' '.join(tongues) for tongues in told.spoken.tongues]}")
    for hit in findings.hits:
        said = f"{hit.assertion.value:<12} {hit.language}  {findings.quote(hit)!r} (clause {hit.clause})"
        _say(f"  {hit.concept:<24} {said}")
    for reading in findings.readings:
        _say(f"  {reading.quantity:<24} {reading.value:g}  {findings.text.quote(reading.start, reading.end)!r}")
    for fired in told.fired:
        flag = fired.rule.flag.value if fired.rule.flag else "-"
        _say(f"  -> {fired.rule.acuity.code:<14} {flag:<22} {fired.rule.reference}")
    if (suspicion := told.impression.suspicion) is not None:
        run = findings.text.quote_words(suspicion.first, suspicion.last)
        _say(f"  ~> {suspicion.acuity.code:<14} reads so: {run!r} (score {told.impression.score:.1f})")
    for rule in told.nearly[:6]:
        _say(f"  .. nearly {rule.reference}")
    _say(
        f"  = {floor.acuity.code}; flags {[flag.flag.value for flag in floor.flags]}; "
        f"notices {[notice.value for notice in floor.notices]}; gate {list(floor.gate)}; asks {list(floor.questions)}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the status to leave with."""
    parser = argparse.ArgumentParser(prog="python -m service_chat.safety.check", description=__doc__)
    parser.add_argument("texts", nargs="*", help="texts to explain")
    parser.add_argument("--language", help="look texts up in this language only")
    parser.add_argument("--age", type=float, help="age in years, as a record would say it")
    options = parser.parse_args(arguments)
    problems: list[str] = []
    ruleset = Ruleset.read(problems)
    Templates.read(Packaged(), problems)
    for problem in problems:
        _say(f"! {problem}")
    if not options.texts:
        for doubt in torn(Packaged()):
            _say(f"? {doubt}")
        _inventory(ruleset)
    for text in options.texts:
        _explain(text, ruleset.explain(text, RecordFacts(age_years=options.age), options.language))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
