"""The download door over a folder of files: what comes out, and that nothing else ever does."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import orjson
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message
from typing_extensions import override

from inference_container.errors import StoreUnavailable
from inference_container.main import STATUS
from inference_container.routers.download import Downloads, download_router
from inference_container.stores.files import FileStore
from inference_container.stores.places import Places
from inference_container.stores.ports import ObjectInfo, Opened
from serving.clock import SystemClock
from serving.http.problems import install_problems

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 400  # more than three pieces
SECRET = b"of nobody's business"


class WatchedStore(FileStore):
    """Counts readings that are open; may keep each waiting at its second piece."""

    def __init__(self, root: Path, places: Places) -> None:
        super().__init__(root, places)
        self.open_now, self.pieces_read = 0, 0
        self.gate: threading.Event | None = None
        self.breaks = False
        self.at_gate = threading.Event()

    @override
    @contextmanager
    def open(
        self, bucket: str, key: str, start: int = 0, length: int | None = None, etag: str | None = None
    ) -> Iterator[Opened]:
        with super().open(bucket, key, start, length, etag) as opened:
            self.open_now += 1
            try:
                yield Opened(opened.info, self._watched(opened.pieces))
            finally:
                self.open_now -= 1

    def _watched(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self.pieces_read and self.breaks:
                raise StoreUnavailable
            if self.pieces_read and self.gate is not None:
                self.at_gate.set()
                self.gate.wait(5)
            self.pieces_read += 1
            yield piece


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class House:
    app: FastAPI
    store: WatchedStore
    downloads: Downloads

    async def ask(self, raw: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
        """As a server hands a request on: the path decoded once."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope_of(raw, headers or {}, method), asyncio.Event().wait, send)  # type: ignore[arg-type]
        start = sent[0]
        found = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], found, b"".join(m.get("body", b"") for m in sent[1:]))


def scope_of(raw: str, headers: Mapping[str, str], method: str) -> dict[str, Any]:
    lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw),
        "raw_path": raw.encode("latin-1", "replace"),
        "query_string": b"",
        "root_path": "",
        "headers": lines,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    root = tmp_path / "objects"
    everything = FileStore(root, Places({"open": ("",), "half": ("",), "closed": ("",)}))
    everything.ensure_buckets()
    everything.put("open", "a/table.parquet", CONTENT)
    everything.put("open", "ä b%2e.txt", b"strange name")
    everything.put("open", "empty", b"")
    everything.put("half", "shown/x", b"shown")
    everything.put("half", "hidden/x", SECRET)
    everything.put("closed", "x", SECRET)
    everything.close()
    (tmp_path / "secret").write_bytes(SECRET)
    store = WatchedStore(root, Places({"open": ("",), "half": ("shown/",)}))
    downloads = Downloads(most=2, stall_s=0.2)
    app = FastAPI()
    app.include_router(download_router(store, SystemClock(), downloads))
    install_problems(app, STATUS)
    yield House(app, store, downloads)
    assert (store.open_now, downloads.running) == (0, 0)
    store.close()


async def test_the_whole_object_comes_with_all_that_describes_it(house: House) -> None:
    answer = await house.ask("/download/open/a/table.parquet")
    info = house.store.stat("open", "a/table.parquet")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["etag"] == f'"{info.etag}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''table.parquet"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["last-modified"].endswith(" GMT")


async def test_head_tells_the_same_of_it_without_it(house: House) -> None:
    got = await house.ask("/download/open/a/table.parquet")
    head = await house.ask("/download/open/a/table.parquet", {"Range": "bytes=0-1"}, "HEAD")
    assert (head.status, head.headers, head.body) == (200, got.headers, b"")
    assert (await house.ask("/download/open/absent", method="HEAD")).status == 404
    assert house.store.pieces_read == 4  # of the GET


async def test_a_part_comes_as_a_part(house: House) -> None:
    for line, first, last in (("bytes=40000-90000", 40_000, 90_000), ("bytes=-3", 102_397, 102_399)):
        answer = await house.ask("/download/open/a/table.parquet", {"Range": line})
        assert (answer.status, answer.body) == (206, CONTENT[first : last + 1])
        assert answer.headers["content-range"] == f"bytes {first}-{last}/102400"
        assert answer.headers["content-length"] == str(last - first + 1)
    assert (await house.ask("/download/open/a/table.parquet", {"Range": "bytes=0-1,4-5"})).body == CONTENT


async def test_a_range_behind_the_end_is_416_and_names_the_size(house: House) -> None:
    answer = await house.ask("/download/open/a/table.parquet", {"Range": "bytes=102400-"})
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */102400")
    assert answer.headers["content-type"] == "application/problem+json"
    assert orjson.loads(answer.body)["code"] == "range_not_satisfiable"


async def test_conditions_decide(house: House) -> None:
    path = "/download/open/a/table.parquet"
    tag = (await house.ask(path, method="HEAD")).headers["etag"]
    kept = await house.ask(path, {"If-None-Match": tag})
    assert (kept.status, kept.body, kept.headers["etag"]) == (304, b"", tag)
    assert "content-length" not in kept.headers
    assert (await house.ask(path, {"If-None-Match": tag}, "HEAD")).status == 304
    failed = await house.ask(path, {"If-Match": '"other"'})
    assert (failed.status, orjson.loads(failed.body)["code"]) == (412, "object_changed")
    assert (await house.ask(path, {"If-Match": tag, "Range": "bytes=0-0"})).body == CONTENT[:1]
    assert (await house.ask(path, {"If-Range": '"other"', "Range": "bytes=0-0"})).status == 200
    assert (await house.ask(path, {"If-Range": tag, "Range": "bytes=0-0"})).status == 206


async def test_an_empty_object_is_an_answer(house: House) -> None:
    answer = await house.ask("/download/open/empty", {"Range": "bytes=-1"})
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "0", b"")


async def test_a_name_is_decoded_once(house: House) -> None:
    answer = await house.ask("/download/open/" + quote("ä b%2e.txt"))
    assert (answer.status, answer.body) == (200, b"strange name")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%A4%20b%252e.txt"


async def test_what_is_missing_is_404_and_what_is_not_allowed_403(house: House) -> None:
    for path, status, code in (
        ("/download/open/absent", 404, "object_missing"),
        ("/download/closed/x", 403, "object_refused"),
        ("/download/half/hidden/x", 403, "object_refused"),
        ("/download/half/shown/../hidden/x", 403, "object_refused"),
        ("/download/open/", 403, "object_refused"),
    ):
        answer = await house.ask(path)
        problem = orjson.loads(answer.body)
        assert (answer.status, problem["status"], problem["code"]) == (status, status, code)
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await house.ask("/download/half/shown/x")).body == b"shown"


TRICKS = ("..", ".", "%2e%2e", "%2E.", "%252e%252e", "/", "%2f", "%252F", "\\", "%5c", "%00", "%0a", "%c0%ae", "secret")
NAMES = ("open", "half", "closed", "shown", "hidden", "objects", ".sluice", "x", "a", "", "%ff", "etc", "passwd")


@given(st.lists(st.sampled_from([*TRICKS, *NAMES]), min_size=1, max_size=9), st.sampled_from(["/", "%2f", ""]))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_path_ever_leads_to_what_is_not_allowed(house: House, steps: list[str], between: str) -> None:
    answer = await house.ask("/download/" + between.join(steps))
    assert SECRET not in answer.body
    assert answer.status in (200, 307, 403, 404)  # 307: no key at all; the framework adds the slash
    assert answer.status != 200 or answer.body in (CONTENT, b"", b"shown", b"strange name")


async def test_one_too_many_is_told_to_come_again(house: House) -> None:
    house.downloads.begin()
    house.downloads.begin()
    answer = await house.ask("/download/open/empty")
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    house.downloads.end()
    house.downloads.end()


async def test_the_reading_stops_when_the_caller_is_gone(house: House) -> None:
    house.store.gate = threading.Event()
    hang_up = asyncio.Event()

    async def receive() -> Message:
        await hang_up.wait()
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        await asyncio.sleep(0)

    asking = asyncio.create_task(house.app(scope_of("/download/open/a/table.parquet", {}, "GET"), receive, send))
    await asyncio.to_thread(house.store.at_gate.wait, 5)
    hang_up.set()
    house.store.gate.set()
    await asking
    assert house.store.pieces_read == 2  # of four: the second was being read


async def test_a_caller_that_takes_nothing_is_cut_off(house: House) -> None:
    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    asking = house.app(scope_of("/download/open/a/table.parquet", {}, "GET"), asyncio.Event().wait, send)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="already started"):
        await asking


async def test_a_store_that_fails_in_the_middle_never_lets_the_answer_look_whole(house: House) -> None:
    house.store.breaks = True
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asking = house.app(scope_of("/download/open/a/table.parquet", {}, "GET"), asyncio.Event().wait, send)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="already started"):  # the server cuts the connection
        await asking
    assert [message.get("more_body") for message in sent] == [None, True]


async def test_a_store_that_does_not_answer_is_503(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> ObjectInfo:
        raise StoreUnavailable(reason="ReadTimeoutError")

    monkeypatch.setattr(house.store, "stat", fails)
    answer = await house.ask("/download/open/a/table.parquet")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_a_version_that_changes_in_between_is_looked_at_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = [b"second", b"third"]
    look = house.store.stat

    def changing(bucket: str, key: str) -> ObjectInfo:
        info = look(bucket, key)
        if changes:
            house.store.put(bucket, key, changes.pop(0))
        return info

    await asyncio.to_thread(house.store.put, "open", "busy", b"first")
    monkeypatch.setattr(house.store, "stat", changing)
    assert (await house.ask("/download/open/busy")).body == b"third"
