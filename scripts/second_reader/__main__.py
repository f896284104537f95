"""`python -m scripts.second_reader [--vignettes FOLDER] [--write | --unseen]`: trains on messages, judges beside rules.

Prints, for thresholds from low to high, how many of the emergencies that the rules answer too low it would catch, and
how many texts it would lift above what they may be at most. Judge by vignettes that nothing was tuned on. `--write`
makes what was learned the service's own. `--unseen` does neither: it prints the figures for messages of authors that
were not learned from, which are an estimate of first sight that uses up no held-out set.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.evaluation.vignettes import FOLDER, load
from scripts.second_reader.corpus import digest, messages, words_of
from scripts.second_reader.export import Scores, write
from scripts.second_reader.naming import Naming
from scripts.second_reader.unseen import figures, level, scores_of_strangers
from scripts.second_reader.urgency import Urgency
from service_chat import safety
from service_chat.safety.assess import Ruleset
from service_chat.safety.second_reader import seen
from service_chat.safety.values import Acuity, Flag

DATA = Path(safety.__file__).parent / "data"
#: Chosen on messages of authors that the reader had not learned from, so that few harmless ones reach them.
SCORES = Scores(urgent=-0.6, emergency=0.8)
THRESHOLDS = (-2.0, -1.5, -1.2, -1.0, -0.8, -0.6, -0.4, -0.2, 0.0, 0.5, 1.0)


def trained(ruleset: Ruleset, seed: int = 0) -> tuple[Urgency, Naming]:
    """Two minutes, most of them for reading."""
    some = messages()
    read = words_of(ruleset, some)
    urgency, naming = Urgency(), Naming(tuple(Flag))
    urgency.learn(read, [message.least for message in some], seed)
    told = [(words, message.dangers) for words, message in zip(read, some, strict=True) if message.dangers]
    naming.learn([words for words, _ in told], [dangers for _, dangers in told], seed)
    return urgency, naming


def judge(ruleset: Ruleset, urgency: Urgency, folder: Path) -> None:
    judged = load(folder)
    told = [ruleset.explain(each.text) for each in judged]
    scores = urgency.scores([seen(each.findings) for each in told])
    by_rules = [max([Acuity.INFORMATIONAL, *(fired.rule.acuity for fired in each.fired)]) for each in told]
    rows = list(zip(judged, scores, by_rules, strict=True))
    missed = [score for each, score, floor in rows if each.emergency and floor < Acuity.EMERGENCY]
    low = [score for each, score, floor in rows if each.emergency and floor < Acuity.URGENT]
    capped = [(each.acuity_max, score, floor) for each, score, floor in rows if each.acuity_max is not None]
    print(f"{len(judged)} texts; by rules and text alone {len(missed)} emergencies missed, {len(low)} below urgent")
    for bar in THRESHOLDS:
        over = {
            level: sum(score > bar and floor <= most < level for most, score, floor in capped)
            for level in (Acuity.EMERGENCY, Acuity.URGENT)
        }
        print(
            f"{bar:5.1f}: catches {sum(score > bar for score in missed)} and {sum(score > bar for score in low)}; "
            f"lifts {over[Acuity.EMERGENCY]} too high as emergency, {over[Acuity.URGENT]} as urgent, of {len(capped)}"
        )


def judge_strangers(ruleset: Ruleset) -> None:
    """Six trainings, a minute each on a quiet core."""
    some = messages()
    told = [ruleset.explain(message.text) for message in some]
    words = [seen(each.findings) for each in told]

    def learner(learned: Sequence[int], asked: Sequence[int]) -> list[float]:
        urgency = Urgency()
        urgency.learn([words[at] for at in learned], [some[at].least for at in learned])
        return urgency.scores([words[at] for at in asked])

    by_rules = [max([Acuity.INFORMATIONAL, *(fired.rule.acuity for fired in each.fired)]) for each in told]
    scores = scores_of_strangers([message.author for message in some], learner)
    levels = [level(floor, score, SCORES) for floor, score in zip(by_rules, scores, strict=True)]
    print(f"rules alone: {figures(some, by_rules)}")
    print(f"with a reader that is a stranger to the author: {figures(some, levels)}")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.second_reader", description="Train and judge the reader.")
    parser.add_argument("--vignettes", type=Path, default=FOLDER, metavar="FOLDER", help="to judge by")
    parser.add_argument("--write", action="store_true", help="make it the service's reader")
    parser.add_argument("--urgent", type=float, default=SCORES.urgent, metavar="SCORE", help="above: urgent")
    parser.add_argument(
        "--emergency", type=float, default=SCORES.emergency, metavar="SCORE", help="above: an emergency"
    )
    parser.add_argument("--unseen", action="store_true", help="only judge, by authors left out")
    given = parser.parse_args(arguments)
    ruleset = Ruleset.read([])  # which reads without weights too, should there be none
    if given.unseen:
        judge_strangers(ruleset)
        return 0
    urgency, naming = trained(ruleset)
    judge(ruleset, urgency, given.vignettes)
    if given.write:
        scores = Scores(given.urgent, given.emergency)
        write(DATA, urgency, naming, scores, digest())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
