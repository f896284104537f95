import pytest

from serving.http.accept import prefers

STREAM, JSON = "text/event-stream", "application/json"


@pytest.mark.parametrize(
    ("accept", "streams"),
    [
        ([], False),
        (["*/*"], False),
        ([JSON], False),
        ([STREAM], True),
        (["TEXT/Event-Stream"], True),
        ([f"{STREAM}; charset=utf-8"], True),
        ([f"{JSON}, {STREAM}"], True),
        ([JSON, STREAM], True),
        ([f"{STREAM};q=0"], False),
        ([f"{JSON}, {STREAM};q=0.1"], False),
        ([f"{JSON};q=0.5, {STREAM};q=0.9"], True),
        ([f"{STREAM};q=nonsense"], False),
        (["text/event-streaming"], False),
    ],
)
def test_a_stream_is_sent_to_those_who_would_rather_have_one(accept: list[str], streams: bool) -> None:
    assert prefers(STREAM, JSON, accept) is streams
