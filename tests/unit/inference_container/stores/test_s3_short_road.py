"""When the S3 store reads an object by the short road, and when it leaves it to the client."""

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from inference_container.errors import ObjectMissing, ObjectTooLarge, StoreUnavailable
from inference_container.stores.places import Places
from inference_container.stores.s3 import S3Store
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.stores.bad_server import BadServer, Behaviour, answering

PLACES = Places({"data": ("",)})
CONTENT = b"0123456789" * 5000
DIGEST = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


def plain(content: bytes = CONTENT, status: str = "200 OK", length: int | None = None, **more: str) -> bytes:
    fields = {
        "Content-Length": str(len(content) if length is None else length),
        "ETag": f'"{DIGEST}"',
        "Last-Modified": "Wed, 04 Mar 2026 05:06:07 GMT",
        "Content-Type": "text/plain",
    } | {name.replace("_", "-"): value for name, value in more.items()}
    return (
        "\r\n".join([f"HTTP/1.1 {status}", *(f"{n}: {v}" for n, v in fields.items() if v)]).encode()
        + b"\r\n\r\n"
        + content
    )


MISSING = plain(b"<Error><Code>NoSuchKey</Code></Error>", "404 Not Found", ETag="", Content_Type="application/xml")


def short(server: BadServer) -> list[bool]:
    """For each request whether it came by the short road, which signs the address and not the head."""
    return ["X-Amz-Signature" in line for line in server.requests]


@contextmanager
def opened(behaviour: Behaviour, impatient: bool = False) -> Iterator[tuple[S3Store, BadServer, ManualClock]]:
    """A store that has been answered once, by the client."""
    clock = ManualClock()
    with answering(
        lambda connection, at: connection.sendall(plain()) if not at else behaviour(connection, at)
    ) as server:
        store = S3Store(server.impatient if impatient else server.address, PLACES, clock)
        assert store.get("data", "k", 10**6)[1] == CONTENT
        assert short(server) == [False]
        yield store, server, clock
        store.close()


def test_once_the_client_was_answered_objects_come_by_the_short_road() -> None:
    with opened(lambda connection, _: connection.sendall(plain())) as (store, server, _):
        info, body = store.get("data", "a b/\u00e9", 10**6)
        assert (body, info.key, info.etag, info.size) == (CONTENT, "a b/\u00e9", DIGEST, len(CONTENT))
        assert info.modified == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
        assert info.content_type == "text/plain"
        assert short(server) == [False, True]


def test_a_field_that_nobody_reads_may_come_twice() -> None:
    with opened(lambda connection, _: connection.sendall(plain(X_Id="1", X_id="1"))) as (store, server, _):
        assert store.get("data", "k", 10**6)[1] == CONTENT
        assert short(server) == [False, True]


def test_a_connection_is_used_again_unless_it_was_idle_for_long() -> None:
    ports = []

    def again(connection: socket.socket, _: int) -> None:
        with contextlib.suppress(OSError):  # the end of the test
            while True:
                ports.append(connection.getpeername()[1])
                connection.sendall(plain())
                if not connection.recv(65536):
                    return

    with opened(again) as (store, _, clock):
        for _ in range(3):
            assert store.get("data", "k", 10**6)[1] == CONTENT
        assert len(set(ports)) == 1
        clock.turn(60)
        assert store.get("data", "k", 10**6)[1] == CONTENT
        assert len(set(ports)) == 2


@pytest.mark.parametrize(
    "odd",
    [
        plain(b"", "503 Slow Down"),
        plain(status="206 Partial Content", Content_Range="bytes 0-49999/60000"),
        plain(Content_Length="", Transfer_Encoding="chunked"),
        plain(Content_Encoding="gzip"),
        plain(Content_Length=""),
        plain(Content_Length="-5"),
        plain(Content_length="50000"),
        plain(ETag=f'"{"f" * 32}"'),
        plain(CONTENT[:-1], length=len(CONTENT)),
        b"HTTP/1.0 200 OK\r\n\r\n" + CONTENT,
        b"SSH-2.0-something\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 40_000,
        b"",
    ],
)
def test_what_is_not_plain_is_asked_for_again_by_the_client(odd: bytes) -> None:
    with opened(lambda connection, at: connection.sendall(odd if at == 1 else plain())) as (store, server, _):
        assert store.get("data", "k", 10**6)[1] == CONTENT
        assert short(server) == [False, True, False]


def test_what_comes_behind_an_answer_is_no_answer_to_the_next_question() -> None:
    other, said = plain(b"of another", ETag=""), threading.Event()

    def says_too_much(connection: socket.socket, at: int) -> None:
        connection.sendall(plain())
        if at == 1:
            time.sleep(0.05)  # not together with it, so that it lies in the socket
            connection.sendall(other)
            said.set()
            time.sleep(0.2)

    with opened(says_too_much) as (store, server, _):
        assert store.get("data", "k", 10**6)[1] == CONTENT
        assert said.wait(10)
        assert store.get("data", "k", 10**6)[1] == CONTENT
        assert short(server) == [False, True, True]


def test_what_comes_with_an_answer_beyond_its_end_is_no_part_of_it() -> None:
    with opened(lambda connection, _: connection.sendall(plain(CONTENT + b"more", length=len(CONTENT)))) as opening:
        store, server, _ = opening
        assert store.get("data", "k", 10**6)[1] == CONTENT
        assert store.get("data", "k", 10**6)[1] == CONTENT
        assert short(server) == [False, True, True]


def test_a_missing_object_is_missing_and_shuts_no_road() -> None:
    with opened(lambda connection, at: connection.sendall(MISSING if at < 3 else plain())) as (store, server, _):
        with pytest.raises(ObjectMissing):
            store.get("data", "k", 10**6)
        assert store.get("data", "k", 10**6)[1] == CONTENT
        assert short(server) == [False, True, False, True]


def test_more_than_the_caller_takes_is_refused_with_its_size() -> None:
    with opened(lambda connection, _: connection.sendall(plain())) as (store, _, _):
        with pytest.raises(ObjectTooLarge) as refused:
            store.get("data", "k", 100)
        assert refused.value.details["size"] == len(CONTENT)


def test_a_server_that_falls_silent_is_not_waited_for_twice_and_the_road_is_shut_for_a_moment() -> None:
    over = threading.Event()

    def falls_silent(connection: socket.socket, at: int) -> None:
        if at == 1:
            over.wait(20)
        else:
            connection.sendall(plain())

    with opened(falls_silent, impatient=True) as (store, server, clock):
        with pytest.raises(StoreUnavailable):
            store.get("data", "k", 10**6)
        over.set()
        assert store.get("data", "k", 10**6)[1] == CONTENT
        clock.turn(2)
        assert store.get("data", "k", 10**6)[1] == CONTENT
        assert short(server) == [False, True, False, True]
