"""HTTP as uvicorn speaks it, with bounds that it lacks: how long a request's head may be, and how slowly it may come.

Anybody may open a connection; without a bound one of them fills the memory with a single header that never ends.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Bytes of address, headers and trailers. What is read at one go (256 KiB) is parsed before it is judged.
LONGEST_HEAD = 64 * 1024
#: Seconds from a connection, or the first byte of a further request on it, to the end of the head.
HEAD_WITHIN = 30.0
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        #: Bytes since the last that were no head: a body's, or a request's end.
        self._head = 0
        self._awaits_head = True
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._head > LONGEST_HEAD:
            if not self._is_answering():
                self.transport.write(_TOO_LONG)
            self.transport.close()
        elif self._awaits_head and self._head and self._late is None:
            self._watch()

    def on_headers_complete(self) -> None:
        self._head, self._awaits_head = 0, False
        self._forget()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head, self._awaits_head = 0, True
        super().on_message_complete()

    def _watch(self) -> None:
        self._late = self.loop.call_later(HEAD_WITHIN, self._is_late)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _is_late(self) -> None:
        self._late = None
        if self._is_answering():
            # It began the next request while it is answered: that answer goes on.
            self._watch()
        elif not self.transport.is_closing():
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete
