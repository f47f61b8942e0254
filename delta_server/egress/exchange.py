"""A request and its whole answer, on a connection of its own.

Answers are read by httptools, in C. With the connection that takes 0.1 ms of processor time, where h11 and asyncio's
streams take 0.2. Lines may end without a carriage return, as those of some small devices do: nobody else reads what
comes on this connection, so nothing can be made of it.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from typing import cast

import httptools

from delta_server.core.destinations import Url
from delta_server.egress.dialing import Reason, RequestFailed
from delta_server.egress.steps import Steps

HEAD_BYTES = 32 << 10
_SLICE_BYTES = 16 << 10
_EVENTS_AT_ONCE = 500
_REQUEST_LINE = re.compile(r"[A-Z]+ [!-~]+ HTTP/1\.1")
_HEADER = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+: [\t -~]*")


def encoded(method: str, target: Url, headers: Mapping[str, str], body: bytes) -> bytes:
    """The bytes of a request. Raises RequestFailed for what is no header, or more than one."""
    lines = [f"{method} {target.target} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]]
    if not (_REQUEST_LINE.fullmatch(lines[0]) and all(map(_HEADER.fullmatch, lines[1:]))):
        raise RequestFailed("protocol", f"{target.authority}: a header has signs that none may have")
    return "\r\n".join([*lines, "\r\n"]).encode("ascii") + body


class Exchange(asyncio.Protocol):
    """`headers` are by names in lower case; the values of one that comes several times with commas between."""

    def __init__(self, authority: str, most_bytes: int, steps: Steps) -> None:
        """`most_bytes` is what an answer may have with its head."""
        self._authority = authority
        self._most_bytes = self._left = most_bytes
        self._steps = steps
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[None] = self._loop.create_future()
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self._waiting = b""
        self._is_lost, self._error = False, cast("Exception | None", None)
        self._head_left = HEAD_BYTES
        self._events = 0
        self._parts: list[bytes] = []
        self.status = 0
        """0 as long as the head has not come whole."""
        self.headers: dict[str, str] = {}

    async def send(self, request: bytes) -> bytes:
        """The body of the answer, as it came. Raises RequestFailed."""
        assert self._transport is not None, "connected"
        self._transport.write(request)
        await self._answered
        self._steps.mark("read")
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def abort(self) -> None:
        """Who does not close the connection does not hold us up."""
        if self._transport is not None:
            self._transport.abort()
        if not self._answered.cancel() and not self._answered.cancelled():
            self._answered.exception()  # where nobody waited for it
        self._parser = self._transport = None  # or they hold each other

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._answered.done():
            return
        if self._left < 0:
            self._fail(RequestFailed("too large", f"an answer of more than {self._most_bytes} bytes"))
        elif self._waiting:
            self._waiting += data
        elif len(data) <= _SLICE_BYTES:
            self._read(data)
        else:
            self._waiting = data
            self._read_waiting()

    def eof_received(self) -> None:
        return None

    def connection_lost(self, error: Exception | None) -> None:
        self._is_lost, self._error = True, error
        if not self._waiting:
            self._end()

    # What the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        self._events += 1
        if not self.status:  # behind a body others may come
            key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        assert self._parser is not None, "it calls"
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = {}  # an interim answer: the one that counts is still to come
        else:
            self.status = status
            self._steps.mark("wait")

    def on_body(self, body: bytes) -> None:
        self._events += 1
        if not self._answered.done():
            self._parts.append(body)

    def on_message_complete(self) -> None:
        if self.status and not self._answered.done():
            self._answered.set_result(None)

    def _read_waiting(self) -> None:
        """A slice at a time: each chunk of a body is an event, and others have their turn between many."""
        self._events = 0
        while self._waiting and self._transport is not None and not self._answered.done():
            data, self._waiting = self._waiting[:_SLICE_BYTES], self._waiting[_SLICE_BYTES:]
            self._read(data)
            if self._events > _EVENTS_AT_ONCE and self._waiting:
                self._transport.pause_reading()
                self._loop.call_soon(self._read_waiting)
                return
        if self._is_lost:
            self._end()
        elif self._transport is not None and not self._answered.done():
            self._transport.resume_reading()

    def _read(self, data: bytes) -> None:
        assert self._parser is not None, "not over"
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(RequestFailed("protocol", "the answer changes the protocol, which was not asked for"))
        except httptools.HttpParserError as error:
            self._fail(RequestFailed("protocol", f"{self._authority}: the answer is not HTTP: {error}"))
        if not self.status:
            self._head_left -= len(data)
            if self._head_left < 0:
                self._fail(RequestFailed("protocol", f"an answer whose head has more than {HEAD_BYTES} bytes"))

    def _end(self) -> None:
        """The connection is closed: that ends a body whose length was not said (RFC 9112, 6.3)."""
        if self._error is not None:
            reason: Reason = "tls" if isinstance(self._error, ssl.SSLError) else "connection"
            self._fail(RequestFailed(reason, f"{self._authority}: {self._error}"))
        elif self.status and not self.headers.keys() & {"content-length", "transfer-encoding"}:
            self.on_message_complete()
        else:
            self._fail(RequestFailed("protocol", "the connection was closed without a whole answer"))

    def _fail(self, error: RequestFailed) -> None:
        if not self._answered.done():
            self._answered.set_exception(error)
