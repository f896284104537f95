"""uvicorn's protocol with a bound that it lacks: on what a caller sends that is no body.

Used by `server` where a service brings no protocol of its own. The parser keeps a head, and what follows the last chunk
of a body, for as long as it goes on; bodies are bounded by `trace`. Without this, whoever reaches the port fills the
memory with one header, before anybody has asked for credentials.
"""

from typing_extensions import override

from serving.http.refusal_counting import RefusalCounting

#: Of one request, beside its body. Chunks of one byte each need six; nobody sends so many.
MOST_BYTES = 256 * 1024
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHead(RefusalCounting):
    _beside = 0  #: bytes of the present request that are no body, but for those that came with its first

    @override
    def data_received(self, data: bytes) -> None:
        self._beside += len(data)
        super().data_received(data)
        if self._beside > MOST_BYTES and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:  # else it would stand in the middle of an answer
                self.transport.write(_TOO_LARGE)
                self.on_refused("other", 431)
            self.transport.close()

    @override
    def on_message_begin(self) -> None:
        self._beside = 0
        super().on_message_begin()

    @override
    def on_body(self, body: bytes) -> None:
        self._beside -= len(body)
        super().on_body(body)
