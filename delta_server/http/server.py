"""uvicorn's HTTP protocol with the limits it lacks: how large a request's head may be, and how long it may take."""

from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

ABORT = "abort"
"""In a scope's state: closes the connection at once, whatever is still to be sent. Only under uvicorn."""
MAX_HEAD_BYTES = 64 << 10
HEAD_SECONDS = 20


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose request head grows past MAX_HEAD_BYTES or is not complete after HEAD_SECONDS."""

    _head_bytes = 0
    _head_timer: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        waiting = self._head_timer is not None
        super().data_received(data)
        if waiting and self._head_timer is not None:
            self._count(len(data))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][ABORT] = self.transport.abort
        if self._head_timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._head_came()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._drop)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response("The request's head is too large.")
            self._drop()

    def _drop(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def uvicorn_config(application: Any, *, shutdown_seconds: int) -> uvicorn.Config:
    """uvicorn without logs, headers and guesses about proxies of its own."""
    return uvicorn.Config(
        application,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=shutdown_seconds,
    )
