"""A connection's bounds, which uvicorn's protocol has not: heads that do not end, silences, callers that do not read.

`express` is built on it. It leans on names of uvicorn's class that are not promised; see `express.fits`.
"""

from typing_extensions import override

from serving.http.refusal_counting import RefusalCounting

_MAX_HEAD_BYTES = 64 * 1024
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(RefusalCounting):
    #: The request that is being answered on the fast road.
    _now: object | None = None
    #: The connection ends with the present answer; whatever still comes on it is not looked at.
    _last = False
    _head_bytes = 0
    #: Since when nothing has been asked; the loop's time.
    _quiet_since = 0.0

    def _rest(self) -> None:
        """Between two requests. One timer watches over many silences: setting one for each costs too much."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.write_paused:
            self.flow.pause_reading()
        self._quiet_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._watch()

    @override
    def timeout_keep_alive_handler(self) -> None:
        quiet_s = 0.0 if self._now is not None else self.loop.time() - self._quiet_since
        if quiet_s < self.timeout_keep_alive:
            left = self.timeout_keep_alive - quiet_s
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _bound_head(self, size: int) -> None:
        """A head that does not end: neither for ever nor without a bound. The parser has none of its own."""
        self._head_bytes += size
        if self._head_bytes > _MAX_HEAD_BYTES:
            self._last = True
            self.transport.write(_HEAD_TOO_LARGE)
            self.on_refused("other", 431)
            self.transport.close()
        elif self.timeout_keep_alive_task is None:
            self._watch()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.flow.write_paused:
            self.flow.pause_reading()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self.flow.pause_reading()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.pipeline:
            self.flow.resume_reading()

    def _watch(self) -> None:
        """The timer of silences runs from now on."""
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
