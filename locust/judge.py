"""Ties the verdict to Locust: when a run ends, its exit status says whether the limits held.

Both locustfiles use it. What they accept as an answer is their own matter.
"""

from collections.abc import Sequence

from locust.contrib.fasthttp import ResponseContextManager
from locust.env import Environment
from verdict import Figures, Limit, broken_limits

from locust import events


def judge_at_the_end(limits: Sequence[Limit]) -> None:
    """Sets Locust's exit status to 1 when a limit was broken, and says which below Locust's own tables."""
    verdict: list[str] = []

    def tell(**_: object) -> None:
        print("\n".join(verdict), flush=True)  # noqa: T201 - the verdict belongs on the terminal

    def judge(environment: Environment, **_: object) -> None:
        rows = [
            Figures(entry.name, entry.num_requests, entry.num_failures, entry.get_response_time_percentile(0.95) or 0.0)
            for entry in environment.stats.entries.values()
        ]
        said = broken_limits(rows, limits)
        # A user that broke made fewer requests, and those that it made look fine.
        crashes = environment.runner.exceptions.values() if environment.runner is not None else ()
        said += [f"a simulated user broke: {crash['msg']}" for crash in crashes]
        verdict.extend(
            [*(f"  broken: {sentence}" for sentence in said), f"  verdict: {'FAILED' if said else 'passed'}"]
        )
        environment.process_exit_code = 1 if said else 0

    events.quitting.add_listener(judge)
    events.quit.add_listener(tell)


def refused(answer: ResponseContextManager) -> float | None:
    """How many seconds a refused caller must wait; None when it was not refused.

    A full queue is the service doing its duty: it counts as a row of its own and not as a failure, provided that it
    says when to come back.
    """
    if answer.status_code not in (429, 503):
        return None
    wait = str(answer.headers.get("Retry-After", "")) if answer.headers is not None else ""
    answer.request_meta["name"] += f" ({answer.status_code})"
    if not wait.isdigit() or int(wait) < 1:
        answer.failure(f"{answer.status_code} without a whole Retry-After: {wait!r}")
        return 1.0
    answer.success()
    return float(wait)
