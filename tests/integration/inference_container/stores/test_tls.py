"""VersityGW behind a certificate of one's own: trusted with S3_CA_FILE, refused without."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from inference_container.stores.address import S3Address
from inference_container.stores.s3 import S3Store
from serving.errors import DependencyFailed
from tests.integration.object_servers import versitygw, versitygw_program
from tests.unit.inference_container.stores.suite import DATA, PLACES, SIX_PIECES

pytestmark = pytest.mark.timeout(600)  # the first run builds the server


def certificate_in(folder: Path) -> tuple[Path, Path]:
    """Made here and now, for localhost, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        lack = "no openssl to make a certificate with (Debian: apt-get install openssl)"
        if os.environ.get("CI") == "true":
            pytest.fail(lack)
        pytest.skip(lack)  # a machine without it; under CI it fails, above
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]) -> Iterator[S3Address]:
    folder = tmp_path_factory.mktemp("tls")
    with versitygw(versitygw_program(say), folder / "data", certificate_in(folder)) as server:
        yield server.address


def test_a_certificate_that_is_named_is_trusted(address: S3Address) -> None:
    store = S3Store(address, PLACES)
    store.ensure_buckets()
    store.put(DATA, "k", SIX_PIECES)
    assert store.get(DATA, "k", 10**6)[1] == SIX_PIECES
    assert store.put_new(DATA, "k", b"x") is None
    store.close()


def test_any_other_is_refused_at_once_and_in_words(address: S3Address) -> None:
    store = S3Store(replace(address, ca_file=None), PLACES)
    for ask in (lambda: store.get(DATA, "k", 10), lambda: store.put_new(DATA, "k", b"x")):
        with pytest.raises(DependencyFailed, match="S3_CA_FILE") as caught:
            ask()
        assert type(caught.value) is DependencyFailed
    store.close()
