"""`python -m scripts.evaluation`: every vignette answered three times, the figures, and a status that is their verdict.

Without a model the rules answer in this process. `--model FILE` starts the chat service with that GGUF file and records
of the vignettes' patients; `--url URL` asks one that runs already and reads what `--write-records FILE` wrote. With a
model its words are judged too; `--answers FILE` keeps them for reading.
Status 0: every bound holds; 1: one is broken, or a vignette was not answered; 2: the call or a file is wrong.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import httpx

from scripts.evaluation import semigran, words
from scripts.evaluation.figures import Outcomes, figures, regressions
from scripts.evaluation.floor import FloorAnswers
from scripts.evaluation.outcomes import Answerer, NoAnswer, Outcome
from scripts.evaluation.report import in_short, report
from scripts.evaluation.service import ServiceAnswers
from scripts.evaluation.vignettes import FOLDER, BadVignette, Vignette, load
from scripts.loopback import ServiceFailed, running
from service_chat.records.sqlite_file import create
from service_chat.safety.packaged import RulesError

#: The same acuity and the same flags, this many times. Our own floor.
RUNS = 3
#: As many as the service answers at the same time by default.
AT_ONCE = 4
#: Longer than the service's own deadline.
TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line."""

    model: Path | None
    url: str | None
    records: Path | None
    semigran: Path | None
    answers: Path | None
    folder: Path
    runs: int

    @property
    def with_model(self) -> bool:
        return self.model is not None or self.url is not None


def parse(arguments: Sequence[str]) -> Asked:
    parser = argparse.ArgumentParser(prog="python -m scripts.evaluation", description="Judge the triage by vignettes.")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--model", type=Path, metavar="GGUF", help="start the chat service with this model and ask it")
    who.add_argument("--url", help="ask a chat service that runs already")
    parser.add_argument(
        "--write-records", type=Path, metavar="FILE", help="write the patients' records (SQLite) for --url and end"
    )
    parser.add_argument(
        "--semigran", type=Path, metavar="FILE", help="judge this downloaded file too: see docs/safety.md"
    )
    parser.add_argument("--answers", type=Path, metavar="FILE", help="write what was answered, a JSON object a line")
    parser.add_argument("--vignettes", type=Path, default=FOLDER, metavar="FOLDER", help="other vignettes than our own")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how often each is asked ({RUNS})")
    found = parser.parse_args(arguments)
    if found.runs < 1:
        parser.error("--runs must be at least 1")
    return Asked(
        found.model, found.url, found.write_records, found.semigran, found.answers, found.vignettes, found.runs
    )


def run(answerer: Answerer, vignettes: Sequence[Vignette]) -> Outcomes:
    """Every vignette's answer by its id.

    Raises:
        NoAnswer: One was not answered.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip((v.id for v in vignettes), pool.map(answerer.answer, vignettes), strict=True))


@contextmanager
def answering(asked: Asked, vignettes: Sequence[Vignette], today: date) -> Iterator[Answerer]:
    """Whoever the command line asks for; a service that was started here ends with the block."""
    if asked.url is not None:
        with httpx.Client(base_url=asked.url, timeout=TIMEOUT_S, trust_env=False) as client:
            yield ServiceAnswers(client)
    elif asked.model is not None:
        with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
            records = Path(scratch) / "records.sqlite"
            create(records, (v.record(today) for v in vignettes))
            environ = {"GGUF_PATH": str(asked.model.resolve()), "RECORDS_PATH": str(records), "LLM_MODE": "gguf"}
            with (
                running("chat", environ) as service,
                httpx.Client(base_url=service.url, timeout=TIMEOUT_S, trust_env=False) as client,
            ):
                yield ServiceAnswers(client)
    else:
        yield FloorAnswers.load(today)


def evaluate(asked: Asked) -> int:
    """Raises BadVignette, NoAnswer, RulesError and ServiceFailed."""
    vignettes = load(asked.folder)
    cases = semigran.load(asked.semigran) if asked.semigran is not None else ()
    everything = [*vignettes, *(case.vignette for case in cases)]
    today = datetime.now(UTC).date()
    if asked.records is not None:
        create(asked.records, (v.record(today) for v in everything))
        print(f"{len(everything)} records for RECORDS_PATH")
        return 0
    with answering(asked, everything, today) as answerer:
        runs = [run(answerer, everything) for _ in range(asked.runs)]
    broken = regressions(vignettes, runs)
    if asked.answers is not None:
        asked.answers.write_text("".join(_kept(v, runs[0][v.id]) for v in everything), encoding="utf-8")
    if asked.with_model:
        found = words.words(everything, runs[0], words.Reader.load(today))
        told = [outcome.told for outcome in runs[0].values() if outcome.told is not None]
        print(*words.lines(found, Counter(why for each in told for why in each.degraded)), sep="\n")
        broken += words.broken(found)
        alone = run(FloorAnswers.load(today), vignettes)
        print(*in_short(figures(vignettes, alone), "rules alone"), sep="\n")
    if cases:
        verdict = semigran.judge(cases, runs[0])
        print(*semigran.lines(verdict), sep="\n")
        broken += semigran.broken(verdict, asked.with_model)
    title = "model on" if asked.with_model else "model off"
    print(*report(vignettes, runs[0], f"{title}, {asked.runs} runs", broken), sep="\n")
    return 1 if broken else 0


def _kept(vignette: Vignette, outcome: Outcome) -> str:
    """An answer as a line to read later."""
    answer = {
        "id": vignette.id,
        "text": vignette.text,
        "acuity": outcome.acuity.code,
        "flags": sorted(flag.value for flag in outcome.flags),
        "degraded": list(outcome.told.degraded) if outcome.told is not None else [],
        "ungrounded_terms": list(outcome.told.ungrounded) if outcome.told is not None else [],
        "response": outcome.told.response if outcome.told is not None else "",
    }
    return json.dumps(answer, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str]) -> int:
    asked = parse(arguments)
    try:
        return evaluate(asked)
    except BadVignette as error:
        print(error, file=sys.stderr)
        return 2
    except RulesError as error:
        print(error, *error.details.get("problems", ()), sep="\n", file=sys.stderr)
        return 2
    except (NoAnswer, ServiceFailed) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
