"""Requests to servers that get many of them, on connections that stay open.

Each new connection is dialled past the guard (dialing.py); one that stays open is used for the same scheme, name and
port only, and not for longer than OLDEST_S, so that a name that moves is followed. Answers are read by httptools, in
1 us instead of the 150 of h11: nothing of them is followed, and kept are a status, headers and the begin of a body.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import cast

import httptools
import msgspec

from delta_server import __version__
from delta_server.config.sections import Egress as Options
from delta_server.core.destinations import Url
from delta_server.egress.dialing import Dialer, RequestFailed, parsed

HEAD_BYTES = 32 << 10
KEPT_BYTES = 4 << 10
"""Of a body; after BODY_BYTES of it the connection is closed."""
BODY_BYTES = 256 << 10
IDLE_S = 30.0
OLDEST_S = 300.0
MOST_IDLE = 16
"""Of one destination."""


class Reply(msgspec.Struct, frozen=True):
    """Headers by names in lower case; of one that comes twice the last. `body` is its begin."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Closed(Exception):
    """The connection was closed before a byte of an answer came."""


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.opened_at = self.idle_since = self._loop.time()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answered: asyncio.Future[None] | None = None
        self._begin()

    def _begin(self) -> None:
        self._received = 0
        self._status = 0
        self._keeps = self._is_over = False
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._answered is None or self._answered.done():
            self.abort()  # nobody asked: what comes next would be taken for another request's answer
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(RequestFailed("protocol", "the answer changes the protocol, which was not asked for"))
        except httptools.HttpParserError as error:
            if not self._answered.done():
                self._fail(RequestFailed("protocol", f"the answer is not HTTP: {error}"))
        if self._received > (BODY_BYTES if self._status else HEAD_BYTES):
            if self._status:
                self._finish()
            else:
                self._fail(RequestFailed("too large", f"an answer whose head has more than {HEAD_BYTES} bytes"))

    def eof_received(self) -> None:
        return None

    def connection_lost(self, error: Exception | None) -> None:
        if self._answered is None or self._answered.done():
            return
        if self._status:  # a body without a length ends with the connection; a half one is half an excerpt
            self._finish()
        elif self._received or isinstance(error, ssl.SSLError):
            self._fail(RequestFailed("protocol", f"the connection was closed within an answer: {error or 'no reason'}"))
        else:
            self._answered.set_exception(_Closed())

    # What the parser calls

    def on_message_begin(self) -> None:
        if self._status:  # a second answer behind the one that was asked for
            self._is_over, self._keeps = True, False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_over:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status = self._parser.get_status_code()
        if self._is_over:
            return
        if status < 200:
            self._headers = {}  # an interim answer: the one that counts is still to come
        else:
            self._status = status

    def on_body(self, body: bytes) -> None:
        if not self._is_over:
            self._body += body[: KEPT_BYTES - len(self._body)]

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if self._status and self._answered is not None and not self._answered.done():
            self._keeps = bool(self._parser.should_keep_alive())
            self._finish()

    # What `Connections` calls

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def keeps(self) -> bool:
        """Whether another request may be sent on it."""
        return self._keeps and self.is_open

    async def request(self, data: bytes) -> None:
        """Raises _Closed, RequestFailed."""
        assert self._transport is not None
        self._begin()
        self._parser = httptools.HttpResponseParser(self)
        self._answered = self._loop.create_future()
        self._transport.write(data)
        await self._answered

    def reply(self) -> Reply | None:
        """What has come so far, None where no status has."""
        return Reply(self._status, self._headers, bytes(self._body)) if self._status else None

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _finish(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def _fail(self, error: RequestFailed) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)


class Connections:
    """Used on the event loop only."""

    def __init__(self, options: Options) -> None:
        self._dialer = Dialer(options)
        self._idle: dict[tuple[str, str, int], list[_Connection]] = {}

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, seconds: float) -> Reply:
        """A redirect is an answer like others. One whose status has come counts, however its body goes on. Raises
        RequestFailed."""
        target = parsed(url)
        data = _encoded(method, target, headers, body)
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(seconds):
                kept = self._take(target)
                if kept is not None:
                    connection = kept
                    try:
                        await kept.request(data)
                    except _Closed:  # it was closed while it was idle, or as this was sent: nobody has seen a status
                        connection = None
                if connection is None:
                    connection = await self._new(target)
                    await connection.request(data)
        except TimeoutError:
            if connection is None or (reply := connection.reply()) is None:
                raise RequestFailed("timeout", f"{target.authority} took longer than {seconds} s") from None
            return reply
        except _Closed:
            raise RequestFailed("connection", f"{target.authority} closed the connection without an answer") from None
        except OSError as error:
            raise RequestFailed("connection", f"{target.authority}: {error}") from None
        finally:
            self._put(target, connection)
        reply = connection.reply()
        assert reply is not None
        return reply

    def close(self) -> None:
        for connection in [one for idle in self._idle.values() for one in idle]:
            connection.abort()
        self._idle.clear()

    def close_idle(self) -> None:
        """Those that nobody used for IDLE_S; called now and then."""
        now = asyncio.get_running_loop().time()
        for origin, idle in list(self._idle.items()):
            kept = [one for one in idle if one.is_open and now - one.idle_since < IDLE_S]
            for one in idle:
                if one not in kept:
                    one.abort()
            if kept:
                self._idle[origin] = kept
            else:
                del self._idle[origin]

    async def _new(self, target: Url) -> _Connection:
        return (await self._dialer.dial(target, _Connection))[1]

    def _take(self, target: Url) -> _Connection | None:
        now = asyncio.get_running_loop().time()
        idle = self._idle.get(target.origin, [])
        while idle:
            connection = idle.pop()
            if connection.is_open and now - connection.idle_since < IDLE_S and now - connection.opened_at < OLDEST_S:
                return connection
            connection.abort()
        return None

    def _put(self, target: Url, connection: _Connection | None) -> None:
        """Keep it where it may be used again, and close it otherwise."""
        if connection is None:
            return
        if connection.keeps and len(self._idle.get(target.origin, ())) < MOST_IDLE:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.setdefault(target.origin, []).append(connection)
        else:
            connection.abort()


def _encoded(method: str, target: Url, headers: Mapping[str, str], body: bytes) -> bytes:
    """Raises RequestFailed for what would be more than one header."""
    own = {"host": target.authority, "user-agent": f"delta-server/{__version__}", "accept-encoding": "identity"}
    lines = [f"{method} {target.target} HTTP/1.1", *(f"{name}: {value}" for name, value in {**own, **headers}.items())]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise RequestFailed("protocol", f"{target.authority}: a header has a line break in it")
    try:
        head = "\r\n".join(lines).encode("latin-1")
    except UnicodeEncodeError as error:
        raise RequestFailed("protocol", f"{target.authority}: {error}") from None
    return head + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body
