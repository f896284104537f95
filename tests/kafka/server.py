"""One Kafka node as a process of ours: started, stopped, killed and started again on the same data and port."""

import base64
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from tests.ports import free_port

#: On a machine with much else to do a JVM takes its time.
_START_TIMEOUT_S = 170
_STOP_TIMEOUT_S = 30
_TOOL_TIMEOUT_S = 60


class KafkaServer:
    """Keeps its data under `folder`. Has to be started, and closed in the end."""

    def __init__(
        self,
        jars: Path,
        folder: Path,
        listeners: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        """`listeners`: security protocol by name, beside PLAINTEXT; `properties`: of the broker, beside those here."""
        self._jars = jars
        self._folder = folder
        protocols = {"PLAINTEXT": "PLAINTEXT", **(listeners or {})}
        ports = [free_port() for _ in range(len(protocols) + 1)]
        self._controller_port = ports.pop()
        self._ports = dict(zip(protocols, ports, strict=True))
        self._protocols = protocols
        self._more = dict(properties or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return self.address("PLAINTEXT")

    def address(self, listener: str) -> str:
        return f"localhost:{self._ports[listener]}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns when a client can connect. After any kind of end it goes on with what it had."""
        assert not self.running
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / "server.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()))
        if not (self._folder / "log" / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "k")
            self.java("kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", str(config))
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("kafka.Kafka", str(config), heap="512m"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + _START_TIMEOUT_S
        while not all(_answers(port) for port in self._ports.values()):
            assert self.running, f"Kafka ended at once:\n{self.log()}"
            assert time.monotonic() < end, f"Kafka is not up after {_START_TIMEOUT_S} s:\n{self.log()}"
            time.sleep(0.05)

    def stop(self) -> None:
        """As an operator does: it says goodbye to everybody."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a power cut does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It takes connections and answers nobody, until `thaw`."""
        self._sent(signal.SIGSTOP)

    def thaw(self) -> None:
        self._sent(signal.SIGCONT)

    def close(self) -> None:
        if self.running:
            self.kill()

    def log(self, lines: int = 20) -> str:
        """The end of what it wrote."""
        return "\n".join((self._folder / "broker.log").read_text(errors="replace").splitlines()[-lines:])

    def java(self, main: str, *arguments: str, given: str | None = None) -> str:
        """Runs one of Kafka's own programs to its end; returns what it printed."""
        done = subprocess.run(
            self._command(main, *arguments), input=given, capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S
        )
        assert done.returncode == 0, f"{main}: {done.stdout}{done.stderr}"
        return done.stdout

    def _end(self, sign: signal.Signals) -> None:
        self._sent(sign).wait(_STOP_TIMEOUT_S)

    def _sent(self, sign: signal.Signals) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        self._process.send_signal(sign)
        return self._process

    def _command(self, main: str, *arguments: str, heap: str = "128m") -> list[str]:
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        # Lives of a few minutes: the second compiler would take more of them than it gives back.
        brief = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        return ["java", f"-Xmx{heap}", *brief, quiet, "-cp", f"{self._jars}/*", main, *arguments]

    def _properties(self) -> dict[str, str]:
        listeners = {name: f"{name}://localhost:{port}" for name, port in self._ports.items()}
        kinds = {**self._protocols, "CONTROLLER": "PLAINTEXT"}
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": ",".join([*listeners.values(), f"CONTROLLER://localhost:{self._controller_port}"]),
            "advertised.listeners": ",".join(listeners.values()),
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in kinds.items()),
            "controller.quorum.bootstrap.servers": f"localhost:{self._controller_port}",
            "log.dirs": str(self._folder / "log"),
            "auto.create.topics.enable": "false",
            "num.partitions": "4",
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            # A killed broker may register again only when its old session is over: nine seconds unless said otherwise.
            "broker.session.timeout.ms": "1500",
            "broker.heartbeat.interval.ms": "300",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            **self._more,
        }


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
