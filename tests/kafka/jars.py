"""Where Kafka's jars are: in `KAFKA_HOME`, or in a cache outside the tree, filled by Maven once for each `pom.xml`."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

_POM = Path(__file__).with_name("pom.xml")
_FETCH_TIMEOUT_S = 600


class NoKafka(Exception):
    """This machine can not run one; the sentence says what it lacks."""


def jars(say: Callable[[str], None]) -> Path:
    """The folder of jars; fetches them when they are not there, with a word about it.

    Raises:
        NoKafka: no Java, or no way to the jars.
    """
    if shutil.which("java") is None:
        raise NoKafka("no Kafka: there is no java on the PATH (Debian: apt-get install openjdk-17-jre-headless)")
    if home := os.environ.get("KAFKA_HOME"):
        if not (Path(home) / "libs").is_dir():
            raise NoKafka("no Kafka: KAFKA_HOME has no folder libs")
        return Path(home) / "libs"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice" / "kafka"
    folder = cache / hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]
    if not folder.is_dir():
        _fetch(folder, say)
    return folder


def _fetch(folder: Path, say: Callable[[str], None]) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise NoKafka(
            "no Kafka: there is no mvn on the PATH to fetch it (Debian: apt-get install maven), "
            "and neither KAFKA_HOME nor KAFKA_BOOTSTRAP_SERVERS is set"
        )
    say(f"Fetching Apache Kafka with Maven (54 MB, once) into {folder}")
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    copy = [maven, "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies", f"-DoutputDirectory={part}"]
    try:
        done = subprocess.run(
            [*copy, "-DincludeScope=runtime"], capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as failure:
        shutil.rmtree(part, ignore_errors=True)
        raise NoKafka(f"no Kafka: Maven did not fetch it in {_FETCH_TIMEOUT_S} s") from failure
    if done.returncode != 0:
        shutil.rmtree(part, ignore_errors=True)
        raise NoKafka(f"no Kafka: Maven could not fetch it: {(done.stdout + done.stderr)[-500:]}")
    try:
        part.rename(folder)
    except OSError:  # another run was quicker
        shutil.rmtree(part, ignore_errors=True)
