"""What the callers say: plain words of about one token each, fixed by seeds, so that every server reads the same.

Pure. Called by the parts of `bench.triage`. The words mean nothing; how many are shared, and where the sharing ends,
is what the comparison is about.
"""

import random
from collections.abc import Mapping

from bench.chats.client import Json

#: Each is one token of Qwen2 when a space stands before it.
_WORDS = """
after again always before better between blood body breath call care change chest child cold cough daily day deep
doctor drink early ear evening eye family feel fever first food hand head health heart help high history home
hospital hour kidney left leg light liver long low lung meal medical mild minute month morning mouth muscle neck
never night normal nurse often pain past patient pressure pulse rate red rest result right risk salt severe short
skin sleep slow small sometimes stomach strong sugar swelling tablet test throat tired today treatment twice walk
water week weight work year young
"""
WORDS = _WORDS.split()


def text(count: int, seed: int) -> str:
    """`count` words."""
    draw = random.Random(seed)
    return " ".join(draw.choice(WORDS) for _ in range(count))


def chat(
    number: int,
    shared: int,
    own: int,
    max_tokens: int,
    *,
    stream: bool = True,
    system_seed: int = 0,
    more: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    """A request's body: `shared` words of system text, equal for equal seeds, and `own` that only this number says."""
    body: dict[str, Json] = {
        "model": "default",
        "messages": [
            {"role": "system", "content": text(shared, system_seed)},
            # The number comes first: two questions part at once, whatever words they were dealt.
            {"role": "user", "content": f"{number}: {text(own, 1000 + number)}"},
        ],
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": stream,
    }
    if stream:
        body["stream_options"] = {"include_usage": True}
    return {**body, **(more or {})}
