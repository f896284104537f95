"""Chats on their way to a lane: refused or let in already, while their door still fetches what to ask.

Kept by `chat_lane`, made for `triage`, which reads a record first. Of a burst all would look at the lane before the
first one is in it; so who may come is counted from its look on.
"""

import asyncio

#: For how long a place is kept, in seconds. A record takes milliseconds; one that hangs must not hold a lane shut, nor
#: a question that ended before it ran a line.
KEPT_S = 5.0


class Expected:
    """A place that is kept. Use it as a context for as long as the chat is on its way."""

    __slots__ = ("_among", "_timer")

    def __init__(self, among: "set[Expected]") -> None:
        """Is one of `among` until it is over."""
        self._among = among
        among.add(self)
        self._timer = asyncio.get_running_loop().call_later(KEPT_S, self.give_up)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.give_up()

    def give_up(self) -> None:
        """A second time changes nothing."""
        self._among.discard(self)
        self._timer.cancel()
