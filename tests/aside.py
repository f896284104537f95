"""`pytest -p tests.aside --aside PATH`: a second pytest works these tests beside the first, which leaves them out.

For tests that measure no time, so that the second one may run at a lower priority, on what the first leaves of the
processor while it waits. Its reports are told in the end as if they were the first's own: one summary names every
failure and every skip, and there is one status. `make test` uses it.
"""

import ctypes
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

_PR_SET_PDEATHSIG = 1
#: Enough that the first hardly feels it, not so much that a broker of the second would miss its own heartbeats.
_NICE = 5
#: Of each of its tests, unless the test says otherwise: they wait for their turn as well.
_TIMEOUT_S = 300
#: The second one ended as it should: all passed, or some did not.
_ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)

Report = pytest.TestReport | pytest.CollectReport


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("aside")
    group.addoption("--aside", action="append", default=[], metavar="PATH", help="a folder worked by a second pytest")
    group.addoption("--aside-reports", metavar="FILE", help="(the second one's) where it writes its reports")


def pytest_configure(config: pytest.Config) -> None:
    if reports := config.getoption("aside_reports"):
        config.pluginmanager.register(Second(config, Path(reports)))
    elif (paths := config.getoption("aside")) and not config.getoption("collectonly"):
        config.pluginmanager.register(First(config, paths))


class Second:
    """Writes its reports down as they come."""

    def __init__(self, config: pytest.Config, reports: Path) -> None:
        os.nice(_NICE)
        if sys.platform == "linux":  # elsewhere it goes on to its end when the first was killed
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        self._config = config
        self._file = reports.open("wb", buffering=0)  # a test that takes too long ends this process at once

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._write(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._write(report)

    def pytest_unconfigure(self) -> None:
        self._file.close()

    def _write(self, report: Report) -> None:
        pickle.dump(self._config.hook.pytest_report_to_serializable(config=self._config, report=report), self._file)


class First:
    """Starts the second one, and tells its reports behind its own."""

    def __init__(self, config: pytest.Config, paths: list[str]) -> None:
        self._config = config
        self._paths = paths
        here = config.invocation_params.dir
        self._places = {(here / path).resolve() for path in paths}
        for given in config.args:  # pytest collects those without asking whether it should
            if any((here / given).resolve().is_relative_to(place) for place in self._places):
                raise pytest.UsageError(f"{given} is asked for twice: name a folder above it, or leave --aside out")
        self._kept = tempfile.TemporaryDirectory(prefix="aside-")
        self._reports, self._output = (Path(self._kept.name) / name for name in ("reports", "output"))
        self._process: subprocess.Popen[bytes] | None = None

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        return True if collection_path in self._places else None

    def pytest_sessionstart(self) -> None:
        options = ["-p", "tests.aside", f"--aside-reports={self._reports}", "-p", "no:cacheprovider"]
        options += ["-m", self._config.option.markexpr]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *options, *self._paths],
                cwd=self._config.invocation_params.dir,
                env={**os.environ, "PYTEST_TIMEOUT": str(_TIMEOUT_S)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        done = yield
        assert self._process is not None
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if self._process.poll() is None and reporter is not None:
            reporter.ensure_newline()
            reporter.write_line("waiting for those aside")
        status = self._process.wait()
        reports = list(self._read())
        session.testscollected += len({report.nodeid for report in reports})
        for report in reports:
            if isinstance(report, pytest.TestReport):
                session.config.hook.pytest_runtest_logreport(report=report)
            else:
                session.config.hook.pytest_collectreport(report=report)
        if status not in _ENDED or bool(status) != any(report.failed for report in reports):
            session.config.hook.pytest_runtest_logreport(report=self._broken(status))
        return done

    def pytest_unconfigure(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._kept.cleanup()

    def _read(self) -> Iterator[Report]:
        """As far as it came."""
        with self._reports.open("rb") as file:
            while True:
                try:
                    data = pickle.load(file)
                except (EOFError, pickle.UnpicklingError):
                    return
                yield self._config.hook.pytest_report_from_serializable(config=self._config, data=data)

    def _broken(self, status: int) -> pytest.TestReport:
        tail = "\n".join(self._output.read_text(errors="replace").splitlines()[-60:])
        return pytest.TestReport(
            nodeid=f"aside: {' '.join(self._paths)}",
            location=("aside", None, "aside"),
            keywords={},
            outcome="failed",
            longrepr=f"The second pytest ended with status {status}:\n{tail}",
            when="call",
        )
