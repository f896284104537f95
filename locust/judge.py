"""Ties a run to Locust: counts what is beside the requests, and when it ends says what held and what did not.

The verdict is Locust's exit status; the summary lies in the folder of the run. Headless it comes when Locust quits,
with the page whenever a test is stopped.
"""

import math
import time

import gevent
import locust.stats
from ledger import LedgerReport, bucket, nearest_rank
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner
from locust.stats import StatsEntry
from report import Told, markdown, page, spoken
from run import RUN
from scaling import overload_faults, scaling
from stages import TEMPO, set_tempo
from verdict import Evidence, Figures, broken, is_plain
from watch import Watch

from locust import events

#: How long a master waits for the last reports of its workers.
_LAST_REPORTS_S = 4.0
#: A rate over less than that says nothing.
_SHORTEST_S = 3
_KEY = "sluice_ledger"


class Judge:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._watch: Watch | None = None
        self._watching: gevent.Greenlet | None = None
        self._ended_at: float | None = None
        self._said = ""
        self.owed = False  #: a run was begun, and nobody has judged it yet

    def begin(self) -> None:
        wishes = RUN.wishes
        services = {"forecast": (self._environment.host or wishes.forecast_url).rstrip("/")}
        if RUN.chat:
            services["chat"] = wishes.chat_url
        RUN.ramped_at, RUN.stages, self._ended_at = None, [], None
        RUN.begun_at, self.owed = time.time(), True
        self._watch = Watch(services)
        self._watching = gevent.spawn(self._watch.run)

    def end(self) -> None:
        self._ended_at = time.time()
        if self._watching is not None:
            self._watching.kill(block=False)

    def write(self) -> None:
        """Judges what there is and writes the summary."""
        self.owed, told = False, self._told()
        folder = RUN.wishes.report_dir
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "summary.md").write_text(markdown(told))
        (folder / "summary.html").write_text(page(told))
        RUN.lines.write("verdict", passed=not told.broken, broken=list(told.broken), rate=told.evidence.rate)
        self._said = f"\n{spoken(told)}\n  summary: {folder}/summary.md"
        self._environment.process_exit_code = 1 if told.broken else 0

    def tell(self) -> None:
        print(self._said, flush=True)  # noqa: T201 - the verdict belongs on the terminal

    def _told(self) -> Told:
        promise, evidence = RUN.promise(), self._evidence()
        doubled = [number for number, each in enumerate(RUN.profile.stages) if each.pace == "twice the best"]
        faults = overload_faults(RUN.stages, doubled)
        if RUN.profile.stages and len(RUN.stages) < len(RUN.profile.stages) and not RUN.stopped:
            faults.append(f"{len(RUN.stages)} of {len(RUN.profile.stages)} stages were run")
        scaled = scaling(RUN.stages, RUN.wishes.replicas, RUN.claims_rate)
        begun = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(RUN.begun_at))
        config = {**RUN.config(), "payload": RUN.mode}
        says = [*broken(evidence, promise), *faults]
        return Told(
            RUN.profile.name,
            RUN.profile.says,
            begun,
            config,
            evidence,
            promise,
            says,
            self._notes(),
            RUN.stages,
            scaled,
        )

    def _notes(self) -> list[str]:
        wishes, notes = RUN.wishes, list(RUN.notes)
        if RUN.profile.triage_users and not RUN.chat:
            notes.append("The chat service was not asked: CHAT_URL is not set.")
        if RUN.profile.claims_users and not RUN.claims:
            notes.append("No claims were published: ADMIN_TOKEN is not set.")
        moved = ("LOAD_PREDICT_P95_MS", "LOAD_HEALTH_P99_MS", "LOAD_TRIAGE_P95_MS")
        limits = (wishes.predict_p95_ms, wishes.health_p99_ms, wishes.triage_p95_ms)
        notes += [
            f"The profile's limit was moved: {name}={limit:g}."
            for name, limit in zip(moved, limits, strict=True)
            if limit
        ]
        return notes

    def _evidence(self) -> Evidence:
        entries = list(self._environment.stats.entries.values())
        runner = self._environment.runner
        crashes = [str(crash["msg"]) for crash in runner.exceptions.values()] if runner is not None else []
        return Evidence(
            rows=sorted((figures_of(each) for each in entries), key=lambda row: row.name),
            series=RUN.ledger.figures(),
            rate=rate_after(RUN.ramped_at, self._ended_at or time.time(), entries) if not RUN.profile.stages else None,
            statuses=dict(RUN.ledger.statuses),
            crashes=crashes,
            stopped=RUN.stopped,
            growth=self._watch.growth() if self._watch is not None else {},
        )


def figures_of(entry: StatsEntry) -> Figures:
    times = entry.response_times
    return Figures(
        f"{entry.method} {entry.name}",
        entry.num_requests,
        entry.num_failures,
        entry.avg_response_time,
        nearest_rank(times, 0.5),
        nearest_rank(times, 0.95),
        nearest_rank(times, 0.99),
        bucket(entry.max_response_time),
    )


def rate_after(ramped_at: float | None, ended_at: float, entries: list[StatsEntry]) -> float | None:
    """Answers a second that were right and worked for, in the whole seconds between the ramp and the end."""
    if ramped_at is None:
        return None
    first, last = math.ceil(ramped_at) + 1, math.floor(ended_at) - 1
    if last - first < _SHORTEST_S:
        return None
    plain = [entry for entry in entries if is_plain(entry.name)]
    made = sum(entry.num_reqs_per_sec.get(second, 0) for entry in plain for second in range(first, last))
    failed = sum(entry.num_fail_per_sec.get(second, 0) for entry in plain for second in range(first, last))
    return (made - failed) / (last - first)


def sit(environment: Environment) -> None:
    """Called once, when Locust's environment is there."""
    runner = environment.runner
    # Locust's own rounding would let 104 ms pass for a limit of 100.
    locust.stats.bucket_response_time = bucket  # type: ignore[assignment]  # the same, by another name
    if isinstance(runner, WorkerRunner):
        events.report_to_master.add_listener(_hand_over)
        runner.register_message(TEMPO, lambda environment, msg, **_: set_tempo(msg.data))
        return
    judge = Judge(environment)
    if isinstance(runner, MasterRunner):
        events.worker_report.add_listener(_take)
    headless = environment.web_ui is None

    def begin(**_: object) -> None:
        if not headless:
            RUN.ledger.clear()  # another test of the same page; what the gate counted of it comes after this
        judge.begin()

    def spawned(**_: object) -> None:
        RUN.ramped_at = RUN.ramped_at or time.time()

    def stopped(**_: object) -> None:
        judge.end()
        if not headless:
            gevent.spawn_later(_LAST_REPORTS_S if isinstance(runner, MasterRunner) else 0.1, finish)

    def finish() -> None:
        judge.write()
        judge.tell()

    def quitting(**_: object) -> None:
        if headless or judge.owed:
            judge.write()
        RUN.lines.write("session_end", exit_code=environment.process_exit_code)

    def quit_(**_: object) -> None:
        if headless:
            judge.tell()

    events.test_start.add_listener(begin)
    events.spawning_complete.add_listener(spawned)
    events.test_stop.add_listener(stopped)
    events.quitting.add_listener(quitting)
    events.quit.add_listener(quit_)


def _hand_over(client_id: str, data: dict[str, object]) -> None:
    data[_KEY] = RUN.ledger.hand_over()


def _take(client_id: str, data: dict[str, LedgerReport]) -> None:
    if _KEY in data:
        RUN.ledger.take(data[_KEY])
