"""Text from token bytes: whole characters, nothing of a stop string, the same however the bytes were cut."""

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from service_chat.engines.gguf.text import TextStream


def run(pieces: list[bytes], stop: list[str]) -> tuple[list[str], TextStream]:
    stream = TextStream(stop)
    shown = [stream.feed(piece) for piece in pieces]
    return [*shown, stream.finish()], stream


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def test_a_character_over_three_tokens_is_shown_once_it_is_whole() -> None:
    shown, _ = run([b"a", b"\xe2", b"\x9c", b"\x93", b"b"], [])
    assert shown == ["a", "", "", "✓", "b", ""]


def test_half_a_character_at_the_end_is_replaced() -> None:
    assert "".join(run([b"38 \xc2"], [])[0]) == "38 \ufffd"


def test_the_beginning_of_a_stop_string_is_held_back_and_comes_after_all() -> None:
    shown, stream = run([b"so <|im", b"perfect"], ["<|im_end|>"])
    assert shown == ["so ", "<|imperfect", ""]
    assert not stream.stopped


def test_what_is_held_back_at_the_end_is_shown() -> None:
    assert run([b"so <|im"], ["<|im_end|>"])[0] == ["so ", "<|im"]


def test_a_stop_string_over_several_tokens_ends_the_text_before_it() -> None:
    shown, stream = run([b"Rest. EN", b"D and", b" more"], ["END"])
    assert "".join(shown) == "Rest. "
    assert stream.stopped


def test_the_stop_string_that_is_complete_first_wins() -> None:
    assert "".join(run([b"abc"], ["abc", "b"])[0]) == "a"


def test_an_empty_stop_string_stops_nothing() -> None:
    assert "".join(run([b"abc"], [""])[0]) == "abc"


def first_stop(text: str, stop: list[str]) -> int:
    ends = [(text.find(s) + len(s), text.find(s)) for s in stop if s and s in text]
    return min(ends)[1] if ends else len(text)


@given(
    text=st.text(st.sampled_from("abc°✓😀"), max_size=30),
    stop=st.lists(st.text(st.sampled_from("abc✓"), max_size=4), max_size=3),
    places=st.lists(st.integers(0, 200), max_size=12),
)
@example(text="aab", stop=["ab"], places=[1])
@example(text="abab✓", stop=["abb", "bab"], places=[2])
def test_the_text_never_depends_on_how_the_bytes_were_cut(text: str, stop: list[str], places: list[int]) -> None:
    shown, stream = run(cut(text.encode(), places), stop)
    assert "".join(shown) == text[: first_stop(text, stop)]
    assert stream.stopped == (first_stop(text, stop) < len(text) or any(s and s in text for s in stop))


@given(pieces=st.lists(st.binary(max_size=5), max_size=20))
def test_bytes_that_are_no_text_never_break_the_stream(pieces: list[bytes]) -> None:
    shown, _ = run(pieces, ["stop"])
    assert "".join(shown) == b"".join(pieces).decode(errors="replace").split("stop")[0]
