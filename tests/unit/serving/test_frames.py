"""Messages come out whole and in order, however the pipe cuts them."""

from hypothesis import given
from hypothesis import strategies as st

from serving.frames import FrameReader, encode


@given(
    messages=st.lists(st.binary(max_size=300) | st.integers() | st.text(max_size=20), max_size=12),
    cuts=st.lists(st.integers(1, 400), min_size=1, max_size=60),
)
def test_any_cutting_gives_the_same_messages(messages: list[object], cuts: list[int]) -> None:
    stream = b"".join(map(encode, messages))
    reader, found, at, turn = FrameReader(), [], 0, 0
    space = bytearray(400)
    while at < len(stream):
        size = min(cuts[turn % len(cuts)], len(stream) - at)
        space[:size] = stream[at : at + size]  # one buffer for all reads, as the child has it
        found += list(reader.feed(memoryview(space)[:size]))
        at, turn = at + size, turn + 1
    assert found == messages
