"""What the S3 store makes of servers that are slow, busy, cut off, lying or strange."""

import contextlib
import hashlib
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from inference_container.errors import ObjectMissing, StoreUnavailable
from inference_container.stores.places import Places
from inference_container.stores.s3 import S3Store
from serving.errors import DependencyFailed
from tests.unit.inference_container.stores.bad_server import Behaviour, answer, answering

PLACES = Places({"data": ("",)})
CONTENT = b"0123456789" * 5000
DIGEST = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
WHEN = "Wed, 04 Mar 2026 05:06:07 GMT"


def good(etag: str = DIGEST, length: int | None = None, **more: str) -> bytes:
    return answer("200 OK", CONTENT, length, ETag=f'"{etag}"', Last_Modified=WHEN, **more)


def always(response: bytes) -> Behaviour:
    return lambda connection, _: connection.sendall(response)


def test_a_server_that_never_answers_is_given_up_in_bounded_time() -> None:
    def mute(_: socket.socket, __: int) -> None:
        server.ended.wait(20)

    with answering(mute) as server:
        store = S3Store(server.impatient, PLACES)
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.get("data", "k", 10**6)
        assert time.monotonic() - begun < 15
        assert len(server.requests) == 3
        store.close()


def test_a_port_where_nobody_listens_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with answering(always(b"")) as server:
        store = S3Store(replace(server.address, endpoint=f"127.0.0.1:{port}"), PLACES)
        with pytest.raises(StoreUnavailable):
            store.put("data", "k", b"x")
        store.close()


def test_a_busy_server_is_asked_again_and_then_told_as_unavailable() -> None:
    busy = answer(
        "503 Slow Down", b"<Error><Code>SlowDown</Code></Error>", Content_Type="application/xml", Retry_After="3600"
    )
    with answering(lambda connection, number: connection.sendall(busy if number < 2 else good())) as server:
        store = S3Store(server.address, PLACES)
        assert store.get("data", "k", 10**6)[1] == CONTENT
        store.close()
    with answering(always(busy)) as server:
        store = S3Store(server.address, PLACES)
        for ask in (
            lambda: store.get("data", "k", 9),
            lambda: store.stat("data", "k"),
            lambda: store.put("data", "k", b""),
        ):
            server.requests.clear()
            with pytest.raises(StoreUnavailable):
                ask()
            assert len(server.requests) == 3
        store.close()


def test_an_object_that_is_cut_off_is_never_passed_on(tmp_path: Path) -> None:
    with answering(always(good(length=len(CONTENT) + 7))) as server:
        store = S3Store(server.address, PLACES)
        with pytest.raises(StoreUnavailable):
            store.get("data", "k", 10**6)
        with pytest.raises(StoreUnavailable):
            store.fetch("data", "k", tmp_path / "file")
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(StoreUnavailable), store.open("data", "k") as opened:
            b"".join(opened.pieces)
        store.close()


def test_an_object_that_is_not_what_its_etag_says_is_never_passed_on(tmp_path: Path) -> None:
    with answering(always(good(etag="f" * 32))) as server:
        store = S3Store(server.address, PLACES)
        with pytest.raises(StoreUnavailable, match="etag"):
            store.get("data", "k", 10**6)
        with pytest.raises(StoreUnavailable):
            store.fetch("data", "k", tmp_path / "file")
        assert list(tmp_path.iterdir()) == []
        store.close()


@pytest.mark.parametrize(
    "response",
    [good("f" * 32 + "-3"), good("f" * 32, x_amz_server_side_encryption="aws:kms"), good("opaque")],
)
def test_an_etag_that_is_no_digest_is_not_taken_for_one(response: bytes) -> None:
    with answering(always(response)) as server:
        store = S3Store(server.address, PLACES)
        assert store.get("data", "k", 10**6)[1] == CONTENT
        store.close()


def test_a_steady_drip_is_given_up() -> None:
    def drip(connection: socket.socket, _: int) -> None:
        with contextlib.suppress(OSError):  # the other side has gone: what this is about
            connection.sendall(good()[: -len(CONTENT)])
            for _ in range(400):
                connection.sendall(b"0")
                time.sleep(0.05)

    with answering(drip) as server:
        store = S3Store(server.impatient, PLACES)
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.get("data", "k", 10**6)
        assert time.monotonic() - begun < 15
        store.close()


def test_a_404_without_the_xml_of_s3_means_missing() -> None:
    with answering(always(answer("404 Not Found", b"nothing here", Content_Type="text/plain"))) as server:
        store = S3Store(server.address, PLACES)
        with pytest.raises(ObjectMissing):
            store.get("data", "k", 9)
        with pytest.raises(ObjectMissing):
            store.stat("data", "k")
        store.close()


@pytest.mark.parametrize(
    "response",
    [
        answer("403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>", Content_Type="application/xml"),
        answer("403 Forbidden", b"go away", Content_Type="text/html"),
        answer("301 Moved Permanently", b"", Location="http://127.0.0.1:1/elsewhere"),
        answer(
            "400 Bad Request",
            b"<Error><Code>AuthorizationHeaderMalformed</Code></Error>",
            Content_Type="application/xml",
        ),
    ],
)
def test_what_no_second_try_mends_is_tried_once(response: bytes) -> None:
    with answering(always(response)) as server:
        store = S3Store(server.address, PLACES)
        with pytest.raises(DependencyFailed) as caught:
            store.get("data", "k", 9)
        assert type(caught.value) is DependencyFailed
        assert len(server.requests) == 1
        store.close()


def test_an_error_that_breaks_off_in_its_xml_is_worth_another_try() -> None:
    with answering(always(answer("500 Oh", b"<Error><Co", Content_Type="application/xml"))) as server:
        store = S3Store(server.address, PLACES)
        with pytest.raises(StoreUnavailable):
            store.get("data", "k", 9)
        with pytest.raises(StoreUnavailable):
            list(store.list("data", ""))
        store.close()


def test_a_part_that_is_another_than_the_one_asked_for_is_refused() -> None:
    for response in (
        good(),
        answer("206 Partial Content", b"01", ETag='"x"', Content_Range="bytes 5-6/9"),
        answer("206 Partial Content", b"01", ETag='"x"', Content_Range="lines 1-2/9"),
    ):
        with answering(always(response)) as server:
            store = S3Store(server.address, PLACES)
            with pytest.raises(DependencyFailed), store.open("data", "k", 1, 2):
                pass
            store.close()


def test_a_condition_whose_answer_was_lost_is_not_sent_again() -> None:
    def lost(connection: socket.socket, number: int) -> None:
        if number < 2:  # the store finds out about the server: it keeps conditions
            refused = b"<Error><Code>PreconditionFailed</Code></Error>"
            connection.sendall(answer("412 No", refused, Content_Type="application/xml"))

    with answering(lost) as server:
        store = S3Store(server.address, PLACES)
        assert store.put_new("data", "k", b"x") is None  # asks twice: the probe, then the object
        with pytest.raises(StoreUnavailable):
            store.put_new("data", "other", b"x")
        assert len(server.requests) == 3
        store.close()


def test_the_secret_is_in_no_words_about_the_address() -> None:
    with answering(always(b"")) as server:
        assert "secret-key" not in repr(server.address)
