"""A real Prometheus over a running pair: our own configuration and rules, only with the targets' ports and quicker.

Every duration of the rules, `for` and windows alike, is divided by one factor, so an hour of it is two minutes here and
what an alert asks for stays in proportion.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.integration.processes import eventually
from tests.observability.promtool import PROMETHEUS, program
from tests.ports import free_port

SCRAPE_S = 1.0
#: Five minutes become ten seconds: ten scrapes.
FACTOR = 30
_UNITS = {"s": 1, "m": 60, "h": 3600}
#: `5m` in `[5m]` and `for: 5m`.
_DURATION = re.compile(r"(?P<before>\[|for: )(?P<number>\d+)(?P<unit>[smh])")


def quicker(text: str) -> str:
    """Rules with all their durations divided; never below two scrapes, which a rate needs."""

    def divided(found: re.Match[str]) -> str:
        seconds = int(found["number"]) * _UNITS[found["unit"]] / FACTOR
        return f"{found['before']}{max(seconds, 2 * SCRAPE_S) * 1000:.0f}ms"

    return _DURATION.sub(divided, text)


@dataclass(frozen=True, slots=True)
class Prometheus:
    client: httpx.Client

    def query(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """Labels and values, at this moment."""
        found = self._ask("/api/v1/query", query=expression)
        result = (
            [({}, found["result"][1])]
            if found["resultType"] == "scalar"
            else [(each["metric"], each["value"][1]) for each in found["result"]]
        )
        return [(labels, float(value)) for labels, value in result]

    def targets(self) -> Mapping[str, str]:
        """Health by job."""
        found = self._ask("/api/v1/targets", state="active")["activeTargets"]
        return {each["labels"]["job"]: each["health"] for each in found}

    def discovered(self) -> list[Any]:
        """Active targets as the API tells of them: labels, addresses, health."""
        found = self._ask("/api/v1/targets", state="active")["activeTargets"]
        return list(found)

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        found = self._ask("/api/v1/alerts")["alerts"]
        return {each["labels"]["alertname"] for each in found if each["state"] == "firing"}

    def broken_rules(self) -> list[str]:
        """What Prometheus says of rules that it could not evaluate."""
        groups = self._ask("/api/v1/rules")["groups"]
        return [
            f"{rule['name']}: {rule['lastError']}"
            for group in groups
            for rule in group["rules"]
            if rule.get("lastError")
        ]

    def _ask(self, path: str, **parameters: str) -> Any:
        answer = self.client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


@contextmanager
def prometheus(folder: Path, targets: Mapping[str, str]) -> Iterator[Prometheus]:
    """Runs it on loopback, its data below `folder`; `targets`: `host:port` by job."""
    program("prometheus")  # before anything is written
    here = f"127.0.0.1:{free_port()}"
    _write_configuration(folder, {**targets, "prometheus": here})
    with configured(folder, here) as running:
        yield running


@contextmanager
def configured(folder: Path, here: str) -> Iterator[Prometheus]:
    """Runs it with `folder`/prometheus.yml, listening at `here`."""
    found = program("prometheus")
    log = folder / "prometheus.log"
    command = [found, f"--config.file={folder / 'prometheus.yml'}", f"--web.listen-address={here}"]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*command, f"--storage.tsdb.path={folder / 'data'}", "--log.level=warn"],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"http://{here}/-/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually(ready, 20, log.read_text)
        with httpx.Client(base_url=f"http://{here}", timeout=10) as client:
            yield Prometheus(client)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _write_configuration(folder: Path, targets: Mapping[str, str]) -> None:
    written = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    every = f"{SCRAPE_S * 1000:.0f}ms"
    written["global"] |= {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    for job in written["scrape_configs"]:
        job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
    (folder / "rules").mkdir(parents=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(written))
    for path in (PROMETHEUS / "rules").glob("*.yml"):
        (folder / "rules" / path.name).write_text(quicker(path.read_text()))
