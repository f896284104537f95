"""The event loop inside a client of kafka-python, held from outside.

A client starts its IO thread before it knows whether anybody answers. When nobody does, its constructor raises and the
thread stays; a service that tries again every few seconds would collect them. So the loop is made here and ended here.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kafka.net.compat import KafkaNetClient  # type: ignore[import-untyped]  # ships no types
from kafka.net.selector import NetworkSelector  # type: ignore[import-untyped]  # ships no types

from inference_container.broker.kafka_errors import translated
from inference_container.broker.kafka_listener import Loop


class Made:
    """What one client was given to work with."""

    def __init__(self) -> None:
        self._loop: NetworkSelector | None = None
        self._client: KafkaNetClient | None = None

    def client(self, **options: object) -> object:
        """Called by the client's constructor (`kafka_client=`)."""
        self._loop = NetworkSelector(**options)
        self._client = KafkaNetClient(net=self._loop, **options)
        return self._client

    @property
    def loop(self) -> Loop:
        assert self._loop is not None
        found: Loop = self._loop
        return found

    def end(self) -> None:
        """Ends the IO thread and what it had open. Harmless when the client did so itself."""
        if self._client is not None:
            with suppress(Exception):  # it is thrown away: how its connections fail to close is nobody's concern
                self._client.close()

    def kill(self) -> None:
        """Stops the loop at once, as the death of the process would: no heartbeat more, no farewell, shut sockets."""
        if self._loop is not None:
            self._loop.stop()
        self.end()


@contextmanager
def connecting() -> Iterator[Made]:
    """Around the constructor of a client; ends the loop and translates the failure when it raises.

    A client that is refused while it looks for its first broker keeps looking, so a wrong password shows as
    `BrokerUnavailable`; only the client's own log says why.
    """
    made = Made()
    try:
        yield made
    except Exception as failure:
        made.end()
        raise translated(failure) from failure
