"""The event loop inside a client of kafka-python, held from outside.

A client starts its IO thread before it knows whether anybody answers. When nobody does, its constructor raises and the
thread stays; a service that tries again every few seconds would collect them. So the loop is made here and ended here.

A client that is refused while it looks for its first broker keeps looking, and says in the end that nobody answered. So
the connections are made here too, by a manager that remembers why one was refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from kafka import errors  # type: ignore[import-untyped]  # ships no types
from kafka.net.compat import KafkaNetClient  # type: ignore[import-untyped]  # ships no types
from kafka.net.connection import KafkaConnection  # type: ignore[import-untyped]  # ships no types
from kafka.net.manager import KafkaConnectionManager  # type: ignore[import-untyped]  # ships no types
from kafka.net.selector import NetworkSelector  # type: ignore[import-untyped]  # ships no types
from typing_extensions import override

from inference_container.broker.kafka_errors import NOT_THERE_YET, is_hopeless, translated
from inference_container.broker.kafka_listener import Loop


class _Manager(KafkaConnectionManager):  # type: ignore[misc]  # the client ships no types
    #: Why a broker would not have us, if one would not and nobody has since.
    refusal: Exception | None = None

    _hung_up = 0

    @override
    def get_connection(self, node_id: object, **more: object) -> KafkaConnection:
        is_new = node_id not in self._conns
        connection = super().get_connection(node_id, **more)
        if is_new:
            connection.init_future.add_errback(partial(self._failed, connection))
            connection.init_future.add_callback(self._welcome)
        return connection

    def _failed(self, connection: KafkaConnection, failure: Exception) -> None:
        if is_hopeless(failure):
            self.refusal = failure
        elif connection.sasl_enabled and connection.broker_version_data is not None:
            # It spoke to us, and hung up when we said who we are. As a rule that is its refusal, which the client drops
            # unread where it comes together with the end of the connection. Once may be a broker that goes down.
            self._hung_up += 1
            if self._hung_up > 1:
                self.refusal = errors.SaslAuthenticationFailedError()

    def _welcome(self, _: object) -> None:
        self.refusal, self._hung_up = None, 0


class Made:
    """What one client was given to work with."""

    def __init__(self) -> None:
        self._loop: NetworkSelector | None = None
        self._manager: _Manager | None = None
        self._client: KafkaNetClient | None = None

    def client(self, **options: object) -> object:
        """Called by the client's constructor (`kafka_client=`)."""
        self._loop = NetworkSelector(**options)
        self._manager = _Manager(self._loop, **options)
        # Asking about a topic must not make one; the client forgets to hand this setting on.
        self._manager.cluster.config["allow_auto_create_topics"] = False
        self._client = KafkaNetClient(net=self._loop, manager=self._manager, **options)
        return self._client

    @property
    def loop(self) -> Loop:
        assert self._loop is not None
        found: Loop = self._loop
        return found

    def learn_topics(self, timeout_s: float) -> None:
        """Until the client knows the topics that it has just subscribed to, or that they are not there (yet).

        The client asks about them when it subscribes, unless it is just then asking about none: that answer counts as
        this one's, and the member is assigned nothing until the next look, half a minute later. So it is made to ask
        twice. Its own way to be sure, `partitions_for_topic`, asks about every topic of the cluster, and the sticky
        assignor then goes through all of them on the loop: seconds without a heartbeat where there are thousands.
        """
        assert self._loop is not None
        assert self._manager is not None
        for _ in range(2):
            with suppress(*NOT_THERE_YET):
                self._loop.run(self._manager.wait_for, self._manager.cluster.request_update(), timeout_s * 1000)

    @property
    def refusal(self) -> Exception | None:
        return self._manager.refusal if self._manager is not None else None

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
    """Around the constructor of a client; ends the loop and translates the failure when it raises."""
    made = Made()
    try:
        yield made
    except Exception as failure:
        made.end()
        raise translated(made.refusal or failure) from failure
