"""Downloads over HTTP, from a real server on the loopback that cuts, lies and refuses."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_chat.models.web import download
from serving.errors import DependencyFailed
from tests.unit.service_chat.models.file_server import FileServer

CONTENT = bytes(range(256)) * 4096  # 1 MiB


def quiet(_phase: str, _done: int, _total: int | None) -> None:
    pass


def fetch(server: FileServer, part: Path, size: int | None = None) -> None:
    download(server.url, part, "the model", quiet, size=size, sleep=lambda _: None)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf.part"


def test_a_cut_connection_goes_on_where_it_stopped(part: Path) -> None:
    with FileServer(CONTENT, cuts=[300_000, 200_000]).serving() as server:
        fetch(server, part)
    assert part.read_bytes() == CONTENT
    assert server.ranges_asked == ["", "bytes=300000-", "bytes=500000-"]


def test_the_next_process_goes_on_with_what_the_last_one_left(part: Path) -> None:
    with FileServer(CONTENT, cuts=[400_000, 0, 0, 0]).serving() as server:
        with pytest.raises(DependencyFailed):
            fetch(server, part)
        assert part.stat().st_size == 400_000
        server.asked.clear()
        fetch(server, part)
    assert part.read_bytes() == CONTENT
    assert server.ranges_asked == ["bytes=400000-"]
    assert [path.name for path in part.parent.iterdir()] == [part.name]


def test_a_file_that_changed_in_between_is_fetched_from_its_beginning(part: Path) -> None:
    with FileServer(CONTENT, cuts=[400_000, 0, 0, 0]).serving() as server:
        with pytest.raises(DependencyFailed):
            fetch(server, part)
        server.content, server.etag = bytes(reversed(CONTENT)), '"two"'
        fetch(server, part)
    assert part.read_bytes() == bytes(reversed(CONTENT))


def test_a_server_without_ranges_is_read_again_from_the_start(part: Path) -> None:
    with FileServer(CONTENT, ranges=False, cuts=[400_000]).serving() as server:
        fetch(server, part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_tag_nothing_is_resumed(part: Path, etag: str | None) -> None:
    with FileServer(CONTENT, etag=etag, cuts=[400_000]).serving() as server:
        fetch(server, part)
    assert part.read_bytes() == CONTENT
    assert server.ranges_asked == ["", ""]


def test_a_part_longer_than_the_file_is_thrown_away(part: Path) -> None:
    part.write_bytes(b"x" * (len(CONTENT) + 5))
    part.with_name(f"{part.name}.tag").write_text('"one"')
    with FileServer(CONTENT).serving() as server:
        fetch(server, part)
    assert part.read_bytes() == CONTENT


def test_a_server_that_is_busy_is_asked_again(part: Path) -> None:
    with FileServer(CONTENT, statuses=[503, 429]).serving() as server:
        fetch(server, part)
    assert part.read_bytes() == CONTENT


def test_a_refusal_is_not_asked_twice(part: Path) -> None:
    with FileServer(CONTENT, statuses=[403]).serving() as server, pytest.raises(DependencyFailed) as failed:
        fetch(server, part)
    assert failed.value.details["reason"] == "http_403"
    assert len(server.asked) == 1


def test_a_server_that_brings_nothing_new_is_given_up(part: Path) -> None:
    with FileServer(CONTENT, cuts=[0] * 9).serving() as server, pytest.raises(DependencyFailed) as failed:
        fetch(server, part)
    assert failed.value.details["reason"] == "broken_off"
    assert len(server.asked) == 3


def test_a_file_of_the_wrong_size_is_refused_before_it_is_read(part: Path) -> None:
    with FileServer(CONTENT).serving() as server, pytest.raises(DependencyFailed, match="1048576 bytes, expected 5"):
        fetch(server, part, size=5)
    assert not part.exists()


def test_progress_grows_to_the_whole(part: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with FileServer(CONTENT, cuts=[500_000]).serving() as server:
        download(
            server.url,
            part,
            "it",
            lambda _, done, total: seen.append((done, total)),
            size=1 << 20,
            sleep=lambda _: None,
        )
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 30_000), max_size=8), ranges=st.booleans())
def test_however_often_it_is_cut_the_file_is_always_whole_or_refused(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], ranges: bool
) -> None:
    part = tmp_path_factory.mktemp("cut") / "part"
    content = CONTENT[:40_000]
    with FileServer(content, ranges=ranges, cuts=list(cuts)).serving() as server:
        try:
            fetch(server, part)
        except DependencyFailed:
            assert not ranges, "with ranges every attempt brings something new"
        else:
            assert part.read_bytes() == content
