"""A real FHIR server with the synthetic patients loaded: started once, by the tool that FHIR_SERVER names."""

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service_chat.records.bundle import records_in
from service_chat.records.ports import PatientRecord

#: Hospitals and practitioners come in files of their own, and hold no patient.
_NOBODY = ("hospitals", "practitioners")


@dataclass(frozen=True, slots=True)
class RealServer:
    base: str
    log: Path
    patients: Mapping[str, Path]  #: name of the bundle, without its endings
    records: Mapping[str, PatientRecord]  #: what the import reads from each
    tool: str
    port: int

    def load(self, *files: Path) -> None:
        subprocess.run([self.tool, "load", "--port", str(self.port), *map(str, files)], check=True, timeout=300)


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    tool, folder = os.environ.get("FHIR_SERVER", ""), os.environ.get("FHIR_PATIENTS", "")
    if not (tool and folder):
        pytest.skip("FHIR_SERVER and FHIR_PATIENTS name no server and no patients: `make fhir-accept` sets both")
    files = sorted(Path(folder).glob("*.json.gz"))
    patients = {path.name.split(".")[0]: path for path in files if not path.name.startswith(_NOBODY)}
    today = datetime.now(UTC).date()
    records = {name: next(records_in(path, today)) for name, path in patients.items()}
    data = tmp_path_factory.mktemp("fhir")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = subprocess.run(
        [tool, "start", "--data", str(data), "--port", str(port)],
        check=True, timeout=600, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        server = RealServer(started.stdout.split()[-1], data / "server.log", patients, records, tool, port)
        server.load(*files)
        yield server
    finally:
        subprocess.run([tool, "stop", "--data", str(data)], check=False, timeout=60)
