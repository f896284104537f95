"""Log events, each declared once with a sentence and its fields. People alert on these names, so they are an interface.

A declared event is called like a function and carries its declared fields only: text a patient wrote, names and record
numbers have no field to travel in. An undeclared field is a programming error and raises at the call, in every test.

    queue_job_rejected_full = declare("queue_job_rejected_full", "A lane was full.", "qsize", level=WARNING)
    queue_job_rejected_full(qsize=40)
"""

import logging
from dataclasses import dataclass

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

#: The attribute of a log record under which an event's fields travel to `serving.logging`.
FIELDS = "event_fields"

#: Every event of the process, by name. A contract test pins the list.
DECLARED: dict[str, "Event"] = {}


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    sentence: str
    fields: frozenset[str]
    level: int
    logger: logging.Logger

    @property
    def enabled(self) -> bool:
        """Whether anybody listens: for events so frequent that their fields should not even be put together."""
        return self.logger.isEnabledFor(self.level)

    def __call__(self, **values: object) -> None:
        """Raises TypeError for a field that was not declared."""
        if not values.keys() <= self.fields:
            raise TypeError(f"event {self.name} does not declare {sorted(values.keys() - self.fields)}")
        if self.logger.isEnabledFor(self.level):
            self.logger.log(self.level, self.name, extra={FIELDS: values})


def declare(name: str, sentence: str, *fields: str, level: int = INFO, logger: str = "serving") -> Event:
    """Raises ValueError when the name is taken: one event per fact."""
    if name in DECLARED:
        raise ValueError(f"event {name} is declared twice")
    event = Event(name, sentence, frozenset(fields), level, logging.getLogger(logger))
    DECLARED[name] = event
    return event


lifecycle_changed = declare(
    "lifecycle_changed", "The process went from one state of its life to the next.", "before", "after", "reason"
)
shutdown_begun = declare("shutdown_begun", "No new work from here on; what runs is drained.", "grace_s", "depth")
shutdown_done = declare(
    "shutdown_done", "The queue is empty; what the work needed is closed next.", "drained", "abandoned"
)
event_loop_blocked = declare(
    "event_loop_blocked", "Something held the event loop longer than a probe may wait.", "lag_ms", level=WARNING
)
resource_usage = declare(
    "resource_usage",
    "What the process used since the last such line, its children by kind, and its cgroup; null is not known.",
    "cpu_percent",
    "mem_mb",
    "open_fds",
    "children",
    "throttled_s",
    "cgroup_mem_mb",
    "cgroup_limit_mb",
)
unexpected_error = declare(
    "unexpected_error",
    "An error outside the tree reached a door. Types and places only: its words may hold a patient's.",
    "error_type",
    "at",
    level=ERROR,
)
child_started = declare("child_started", "A child process was spawned.", "child", "pid", "start")
child_exited = declare(
    "child_exited",
    "A child process ended; the next one starts after the wait.",
    "child",
    "pid",
    "reason",
    "failures",
    "wait_s",
    level=WARNING,
)
child_stderr = declare("child_stderr", "A line that a child process wrote to its standard error.", "child", "line")
spans_not_exported = declare(
    "spans_not_exported",
    "The collector does not take spans; they are dropped, and nothing else is lost. Told once, until it does again.",
    "collector",
    level=WARNING,
)
spans_exported_again = declare("spans_exported_again", "The collector takes spans again.", "collector")
setting_without_effect = declare(
    "setting_without_effect",
    "A variable is set whose behaviour is not built yet.",
    "name",
    "sentence",
    level=WARNING,
)
