"""The download door of a whole service over VersityGW, asked byte by byte: no client tidies a path up first."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from inference_container.stores.address import S3Address
from inference_container.stores.places import Places
from inference_container.stores.s3 import S3Store
from tests.integration.inference_container.conftest import MODULE
from tests.integration.processes import ServiceProcess, eventually, running

pytestmark = pytest.mark.timeout(600)  # the first run builds the server

CONTENT = bytes(range(256)) * 80_000  # twenty megabytes: more than all buffers in between
SECRET = b"of nobody's business"
OPEN, HALF, CLOSED = "sluice-test-open", "sluice-test-half", "sluice-test-closed"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, versity_address: S3Address) -> Iterator[ServiceProcess]:
    address = versity_address
    store = S3Store(address, Places({OPEN: ("",), HALF: ("",), CLOSED: ("",)}))
    store.ensure_buckets()
    store.put(OPEN, "big", CONTENT)
    store.put(HALF, "shown/x", b"shown")
    store.put(HALF, "hidden/x", SECRET)
    store.put(CLOSED, "x", SECRET)
    store.close()
    settings = {
        "S3_ENDPOINT": address.endpoint,
        "S3_ACCESS_KEY": address.access_key,
        "S3_SECRET_KEY": address.secret_key,
        "S3_SECURE": str(address.secure),
        "S3_CA_FILE": address.ca_file or "",
        "DOWNLOAD_BUCKETS": f"{OPEN},{HALF}/shown/",
        "BUNDLE_PATH": "none",
    }
    with running(MODULE, "INFERENCE_API_PORT", tmp_path_factory.mktemp("door"), settings) as process:
        process.until_answering()
        yield process


def ask(door: ServiceProcess, target: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
    lines = [f"{method} {target} HTTP/1.1", "Host: here", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
        received = bytearray()
        while piece := connection.recv(65536):
            received += piece
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    pairs = (field.split(": ", 1) for field in fields)
    return Answer(int(status.split()[1]), {name.lower(): value for name, value in pairs}, body)


def test_an_object_comes_whole_and_in_parts(door: ServiceProcess) -> None:
    whole = ask(door, f"/download/{OPEN}/big")
    assert (whole.status, whole.body) == (200, CONTENT)
    part = ask(door, f"/download/{OPEN}/big", {"Range": "bytes=100-40000099"})
    assert (part.status, part.body) == (206, CONTENT[100:])
    assert part.headers["content-range"] == f"bytes 100-{len(CONTENT) - 1}/{len(CONTENT)}"
    last = ask(door, f"/download/{OPEN}/big", {"Range": "bytes=-2", "If-Range": whole.headers["etag"]})
    assert (last.status, last.body) == (206, CONTENT[-2:])
    assert ask(door, f"/download/{OPEN}/big", {"Range": "bytes=999999999-"}).status == 416


def test_head_and_not_modified_have_no_body(door: ServiceProcess) -> None:
    head = ask(door, f"/download/{OPEN}/big", method="HEAD")
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(CONTENT)), b"")
    kept = ask(door, f"/download/{OPEN}/big", {"If-None-Match": head.headers["etag"]})
    assert (kept.status, kept.body) == (304, b"")
    missing = ask(door, f"/download/{OPEN}/absent", method="HEAD")
    assert (missing.status, missing.body) == (404, b"")


@pytest.mark.parametrize(
    "target",
    [
        f"/download/{CLOSED}/x",
        f"/download/{HALF}/hidden/x",
        f"/download/{HALF}/shown/../hidden/x",
        f"/download/{HALF}/shown/%2e%2e/hidden/x",
        f"/download/{HALF}/shown/%2E%2E%2Fhidden%2Fx",
        f"/download/{HALF}/shown/%252e%252e/hidden/x",
        f"/download/{HALF}/shown/..%5chidden%5cx",
        f"/download/{HALF}/shown/..;/hidden/x",
        f"/download/{HALF}/shown/%c0%ae%c0%ae/hidden/x",
        f"/download/{HALF}/shown//../../hidden/x",
        f"/download/{HALF}/hidden/x%00shown/",
        f"/download/{OPEN}/../{CLOSED}/x",
        f"/download/{OPEN}/%2e%2e/{CLOSED}/x",
        f"/download/{OPEN}%2f..%2f{CLOSED}/x",
        f"/download/../download/{CLOSED}/x",
        f"/download/{OPEN}//etc/passwd",
        "/download/%2e%2e/%2e%2e/etc/passwd",
        f"/download//{CLOSED}/x",
        f"http://here/download/{HALF}/shown/../hidden/x",
    ],
)
def test_no_dressing_of_a_path_shows_what_is_not_allowed(door: ServiceProcess, target: str) -> None:
    answer = ask(door, target)
    assert answer.status in (403, 404)
    assert SECRET not in answer.body
    assert b"root:" not in answer.body


def test_who_hangs_up_in_the_middle_leaves_nothing_behind(door: ServiceProcess) -> None:
    for _ in range(40):  # more than may run at a time
        with socket.create_connection(("127.0.0.1", door.port), timeout=10) as connection:
            connection.sendall(f"GET /download/{OPEN}/big HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            assert connection.recv(12) == b"HTTP/1.1 200"
    eventually(lambda: ask(door, f"/download/{OPEN}/big").body == CONTENT, 10)
    assert door.events("unexpected_error") == []
