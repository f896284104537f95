"""The load on both services, for Locust: `locust --locustfile locust/locustfile.py`, with or without its page.

PROFILE chooses how many users and what must hold (`profiles`), the environment who is asked and how (`names`). This
file gives Locust the profile's numbers as defaults, so that its own options and variables still win, and opens the
gate.
"""

import os
import sys

from gate import Closed, Gate
from judge import sit
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner
from run import RUN
from stages import Stages
from users_claims import Publisher
from users_forecast import Forecaster
from users_triage import Patient

from locust import events

__all__ = ["Forecaster", "Patient", "Publisher", "Stages"]


@events.init_command_line_parser.add_listener
def defaults(parser: LocustArgumentParser) -> None:
    profile, wishes = RUN.profile, RUN.wishes
    parser.set_defaults(host=wishes.forecast_url, stop_timeout=10)
    if not profile.stages:
        parser.set_defaults(num_users=profile.users, spawn_rate=profile.spawn_rate, run_time=f"{profile.seconds}s")
    if "--worker" not in sys.argv and not os.environ.get("LOCUST_MODE_WORKER"):
        parser.set_defaults(csv_prefix=str(wishes.report_dir / "locust"))


@events.init.add_listener
def begin(environment: Environment, **_: object) -> None:
    sit(environment)
    gate = Gate(RUN, environment.host or RUN.wishes.forecast_url)
    if isinstance(environment.runner, WorkerRunner):
        events.test_start.add_listener(lambda **_: gate.learn())
        return
    RUN.lines.write("session_start", **RUN.config())
    if environment.web_ui is None:
        # Before the clock of --run-time starts: waiting for a model must not shorten the run.
        try:
            gate.pass_through()
        except Closed as closed:
            RUN.lines.write("gate_closed", reason=str(closed))
            print(f"  not begun: {closed}\n  verdict: failed", file=sys.stderr)  # noqa: T201 - for whoever started it
            sys.exit(1)
        return

    def pass_through(**_: object) -> None:
        RUN.stopped = ""
        try:
            gate.pass_through()
        except Closed as closed:
            RUN.stopped = str(closed)
            assert environment.runner is not None
            environment.runner.stop()

    events.test_start.add_listener(pass_through)
