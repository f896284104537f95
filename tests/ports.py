"""Ports for the servers that tests start as processes of their own.

Not those that the system gives away: between the moment in which one was found free and the moment in which a server
listens there, seconds later, a connection or another test would get it.
"""

import itertools
import os
import socket

#: Below what a system gives to connections unless it was told otherwise, above what services are known by.
_FIRST, _LAST = 10_000, 32_000
#: Two processes of tests begin far from each other.
_numbers = itertools.count(os.getpid() * 7919)


def free_port() -> int:
    """A loopback port that nobody holds at this moment, and that this process is not given again soon."""
    while True:
        port = _FIRST + next(_numbers) % (_LAST - _FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
