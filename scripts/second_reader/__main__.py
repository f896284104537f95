"""`python -m scripts.second_reader --vignettes FOLDER`: trains on the messages and judges beside the rules.

Prints, for thresholds from low to high, how many of the emergencies that the rules answer too low it would catch, and
how many texts it would lift above what they may be at most. Judge by vignettes that nothing was tuned on.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from scripts.evaluation.vignettes import FOLDER, load
from scripts.second_reader.model import Reader
from service_chat.safety.values import Acuity
from service_chat.services.guard import Guard

MESSAGES = Path(__file__).parent / "messages"
THRESHOLDS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)


def messages(folder: Path, language: str = "en") -> tuple[list[str], list[bool]]:
    """Texts, and whether each is an emergency."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]
    told = [each for each in map(json.loads, lines) if each["language"] == language]
    return [each["text"] for each in told], [str(each["least"]).startswith("emergency") for each in told]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.second_reader", description="Train and judge the reader.")
    parser.add_argument("--vignettes", type=Path, default=FOLDER, metavar="FOLDER", help="to judge by")
    parser.add_argument("--epochs", type=int, default=12)
    given = parser.parse_args(arguments)
    reader = Reader()
    reader.learn(*messages(MESSAGES), given.epochs)
    guard, today = Guard.load("US", Acuity.ROUTINE), datetime.now(UTC).date()
    judged = [each for each in load(given.vignettes) if each.language == "en"]
    scores = reader.scores([each.text for each in judged])
    floors = [guard.of_record(guard.hear(each.text), each.record(today)).acuity for each in judged]
    rows = list(zip(judged, scores, floors, strict=True))
    missed = [score for each, score, floor in rows if each.emergency and floor < Acuity.EMERGENCY]
    low = [score for each, score, floor in rows if each.emergency and floor < Acuity.URGENT]
    capped = [(each.acuity_max, score, floor) for each, score, floor in rows if each.acuity_max is not None]
    print(f"{len(judged)} texts; emergencies missed by the rules: {len(missed)}, below urgent: {len(low)}")
    for bar in THRESHOLDS:
        over = {
            level: sum(score > bar and floor <= most < level for most, score, floor in capped)
            for level in (Acuity.EMERGENCY, Acuity.URGENT)
        }
        print(
            f"{bar:5.1f}: catches {sum(score > bar for score in missed)} and {sum(score > bar for score in low)}; "
            f"lifts {over[Acuity.EMERGENCY]} too high as emergency, {over[Acuity.URGENT]} as urgent, of {len(capped)}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
