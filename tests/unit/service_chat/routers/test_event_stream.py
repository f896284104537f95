from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from service_chat.routers.event_stream import event_stream, server_sent_event


def test_an_event_is_its_number_its_name_and_one_line_of_json() -> None:
    written = server_sent_event(7, "delta", {"text": "a\nb"})
    assert written == b'id: 7\nevent: delta\ndata: {"text":"a\\nb"}\n\n'


@given(st.text())
def test_no_text_ends_an_event_early(text: str) -> None:
    written = server_sent_event(1, "delta", {"text": text})
    assert written.endswith(b"\n\n")
    assert written.count(b"\n") == 4
    assert b"\r" not in written


def test_no_cache_and_no_proxy_may_hold_a_stream_back() -> None:
    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    answer = event_stream(nothing(), {"Idempotency-Replayed": "true"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache, no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["idempotency-replayed"] == "true"
