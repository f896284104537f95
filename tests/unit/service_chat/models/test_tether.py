"""A command that is started on a tether ends with the process that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from service_chat.models.wheel import tethered

SLEEP = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
STARTER = """
import subprocess, time
from service_chat.models.wheel import tethered
child = subprocess.Popen(tethered({command!r}), stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.split(")")[1].split()[0] != "Z"  # a zombie that nobody reaps here is as good as gone
    except FileNotFoundError:
        return False


def test_the_command_runs_as_it_would_without() -> None:
    done = subprocess.run(tethered([sys.executable, "-c", "print(7); exit(3)"]), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (3, b"7\n")


def test_the_command_does_not_outlive_a_killed_starter() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    code = STARTER.format(command=SLEEP)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert alive(pid)
        starter.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while alive(pid):
        assert time.monotonic() < end
        time.sleep(0.01)
