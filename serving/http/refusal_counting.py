"""uvicorn's protocol, telling what it answers by itself: no application hears of that, and no metric would.

The base of the protocol classes that `server` uses. A server at UVICORN_LIMIT_CONCURRENCY says 503 without asking the
application, bytes that are no HTTP get a 400; what a class of ours refuses besides, it tells with `on_refused`.
"""

from collections.abc import Callable

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def _tells_nobody(method: str, status: int) -> None:
    pass


class RefusalCounting(HttpToolsProtocol):
    #: Told of method and status. Set on a subclass; see `counting`.
    on_refused: Callable[[str, int], None] = staticmethod(_tells_nobody)

    @override
    def on_headers_complete(self) -> None:
        # uvicorn's own condition, and before it acts: afterwards this request is one of the tasks.
        limit = self.limit_concurrency
        full = limit is not None and (len(self.connections) >= limit or len(self.tasks) >= limit)
        super().on_headers_complete()
        if full:
            self.on_refused(self.parser.get_method().decode("latin-1"), 503)

    @override
    def send_400_response(self, msg: str) -> None:
        self.on_refused("other", 400)
        super().send_400_response(msg)


def counting(protocol: type[RefusalCounting], on_refused: Callable[[str, int], None] | None) -> type[RefusalCounting]:
    """`protocol`, telling `on_refused`."""
    if on_refused is None:
        return protocol
    return type(protocol.__name__, (protocol,), {"on_refused": staticmethod(on_refused)})
