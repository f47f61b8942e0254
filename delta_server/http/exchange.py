"""One request's body in and its answer out, as wrappers of ASGI's `receive` and `send`.

In: bytes are counted while they arrive, against the route's limit and the budget of all requests; the whole body has a
deadline, and a piece of it must come every few seconds; encoded bodies are decoded.
Out: headers every answer has, compression, no body for HEAD. Large answers count against a budget too, until they are
sent, and are written in pieces, so that a slow reader costs their bytes once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import Any

import msgspec

from delta_server.config.sections import Limits
from delta_server.core.errors import BadRequest, TooLarge
from delta_server.http import cors, encodings
from delta_server.http.asgi import Headers, Message, Receive, Send
from delta_server.http.errors import RequestTimeout, failure
from delta_server.http.inflight import MemoryBudget, Reservation
from delta_server.storage.database import Clock

STALL_SECONDS = 10
"""A body of which nothing comes for so long is given up."""
LEAST_RATE = 1 << 10
"""Bytes a second of a body that may last: a link of 1985 is faster."""
FREE_BYTES = 64 << 10
"""What each body of a known caller may have beside the budget: small requests are never refused for others' sake."""
COUNTED_ANSWER_BYTES = 64 << 10
PIECE_BYTES = 256 << 10
SMALLEST_COMPRESSED = 1024
_AWAY_FROM_LOOP = 64 << 10
"""From this size compression runs on a thread: 64 KiB take zstd 0.2 ms and gzip 1 ms."""

CSP = (
    b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    b"frame-ancestors 'none'"
)
_ALWAYS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
_POLICY = b"content-security-policy"
_COMPRESSIBLE = (
    b"application/json",
    b"application/problem+json",
    b"application/x-ndjson",
    b"text/",
    b"image/svg+xml",
    b"application/javascript",
)
_BODILESS = frozenset({204, 304})


class BodyLimit(msgspec.Struct, frozen=True):
    """`option` is the one that sets it, None for what cannot be set."""

    size: int
    option: str | None = None
    is_streamed: bool = False
    """Its handler takes a piece at a time and decodes it: it may last long, and only the piece counts as in flight."""


class Budgets(msgspec.Struct, frozen=True):
    """What is shared by all requests."""

    bodies: MemoryBudget
    unknown_bodies: MemoryBudget
    """For requests whose key is not known yet, or has none: on ingest it may stand in the body."""
    answers: MemoryBudget


class Exchange:
    """`address` is whom a request without a key counts for; `body_pending` says whether its body is still to come, None
    that the transport does not tell; `taken` waits until the client has taken most of what was sent."""

    note_caller: Callable[[], None] | None = None
    """To be called once the caller is known."""

    def __init__(
        self,
        method: str,
        headers: dict[bytes, bytes],
        receive: Receive,
        send: Send,
        *,
        request_id: str,
        limits: Limits,
        budgets: Budgets,
        address: str,
        body_pending: Callable[[], bool] | None,
        taken: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self.request_id = request_id
        self.status = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.origin_headers = cors.SAME_ORIGIN
        """Which sites may have the answer; the gate widens it (cors.py)."""
        self.rate_headers: Headers = []
        """What is left of the caller's rate limit (rate_limits.py)."""
        self.is_head = method == "HEAD"
        """Only how the answer begins is wanted; handlers see a GET."""
        self._headers = headers
        self._receive = receive
        self._send = send
        self._limits = limits
        self._body_limit = BodyLimit(limits.request_bytes, "limits.request_bytes")
        self._budgets = budgets
        self.address = address
        self._owner = address
        self._share = Reservation(budgets.unknown_bodies, address)
        self._answer_share: Reservation | None = None
        self._body_pending = body_pending
        self._taken = taken
        self._clock = clock
        self.longest_retry_s: int | None = None
        """The largest `Retry-After` that clients of this route wait for."""
        self.code: str | None = None
        """The error code of a failed request."""
        self._check_after_body: Callable[[], None] | None = None
        self._deadline: float | None = None
        self._begun = 0.0
        self._piece_bytes = 0
        self._body_ended = False
        self._start: Message | None = None
        self._started = False
        self._compressor: encodings.Compressor | None = None

    # The body

    def charge_to(self, owner: str) -> None:
        """The caller is known, by its project or key: the body counts as that owner's."""
        self._owner = owner
        self._share = Reservation(self._budgets.bodies, owner, free_bytes=FREE_BYTES)
        if self.note_caller is not None:
            self.note_caller()

    def limit_body(self, limit: BodyLimit) -> None:
        """Set what the route takes, encoded and decoded."""
        self._body_limit = limit

    def check_after_body(self, check: Callable[[], None]) -> None:
        """`check` may refuse the request when its body is there; where that came with the headers, it need not ask."""
        self._check_after_body = check

    async def receive(self) -> Message:
        """The decoded body's next piece. Raises TooLarge, Unavailable, RequestTimeout, BadRequest, NotAcceptable, and
        what `check_after_body` does."""
        if self._body_ended or self._start is not None:
            return await self._receive()  # only a disconnect is of interest now
        if self._deadline is None:
            self._refuse_declared_size()
            if not self._is_body_pending():
                self._check_after_body = None
            self._begun = asyncio.get_running_loop().time()
            self._deadline = self._begun + (inf if self._body_limit.is_streamed else self._limits.request_seconds)
        if self._body_limit.is_streamed:
            return await self._next_of_stream()
        encoded = self._headers.get(b"content-encoding")
        encoding = None if encoded is None else encodings.request_encoding(encoded)
        return await self._next() if encoding is None else await self._decoded(encoding)

    def _is_body_pending(self) -> bool:
        return self._body_pending is not None and self._body_pending()

    def _refuse_declared_size(self) -> None:
        declared = self._headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) > self._body_limit.size:
            raise self._too_large()

    async def _next_of_stream(self) -> Message:
        passed = asyncio.get_running_loop().time() - self._begun
        if self.bytes_in < (passed - STALL_SECONDS) * LEAST_RATE:
            raise RequestTimeout(f"the body comes at less than {LEAST_RATE} bytes a second")
        self._share.give_back(self._piece_bytes)
        self._piece_bytes = 0
        message = await self._next()
        self._piece_bytes = len(message.get("body", b""))
        return message

    async def _next(self) -> Message:
        # Most bodies are there with their headers, and are not waited for: no timer is set.
        is_there = self._body_pending is not None and not self._body_pending()
        message = await (self._receive() if is_there else self._received())
        if message["type"] == "http.disconnect":
            raise BadRequest("the connection was closed before the body was complete")
        size = len(message.get("body", b""))
        self.bytes_in += size
        if self.bytes_in > self._body_limit.size:
            raise self._too_large()
        self._share.take(size)
        self._body_ended = not message.get("more_body", False)
        if self._body_ended and self._check_after_body is not None:
            self._check_after_body()
        return message

    async def _received(self) -> Message:
        """What comes next, in time. Raises RequestTimeout."""
        assert self._deadline is not None
        stalled = asyncio.get_running_loop().time() + STALL_SECONDS
        try:
            async with asyncio.timeout_at(min(stalled, self._deadline)):
                return await self._receive()
        except TimeoutError:
            if stalled < self._deadline:
                raise RequestTimeout(f"nothing of the body arrived for {STALL_SECONDS} seconds") from None
            raise RequestTimeout(f"the body did not arrive within {self._limits.request_seconds} seconds") from None

    async def _decoded(self, encoding: str) -> Message:
        pieces = []
        while not self._body_ended:
            message = await self._next()
            pieces.append(message.get("body", b""))
        wire = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        # Always on a thread: how long it takes does not follow from the size on the wire.
        limit, reserve = self._body_limit.size, self._share.take
        body = await asyncio.to_thread(encodings.decode, wire, encoding, limit=limit, reserve=reserve)
        self._share.give_back(len(wire))
        return {"type": "http.request", "body": body, "more_body": False}

    def end(self) -> None:
        """The request is over: what it had of the budgets is free for others."""
        self._share.end()
        if self._answer_share is not None:
            self._answer_share.end()

    def _too_large(self) -> TooLarge:
        option = f", the limit {self._body_limit.option}" if self._body_limit.option else ""
        return TooLarge(f"the body is larger than {self._body_limit.size} bytes{option}")

    # The answer

    def reserve_answer(self, size_bytes: int) -> None:
        """Have the budget's share of an answer before it is made, where its size is known by then: what is refused is
        not read for nothing. Raises Unavailable."""
        if not self.is_head and size_bytes > COUNTED_ANSWER_BYTES and self._answer_share is None:
            self._answer_share = Reservation(self._budgets.answers, self._owner)
            self._answer_share.take(size_bytes)

    async def fail(self, error: Exception) -> bool:
        """Answer with `error`; False when an answer has begun, which cannot be taken back."""
        if self._started:
            return False
        answer = failure(error, request_id=self.request_id, now_ms=self._clock.now_ms())
        self.code = answer.code
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        headers.append((b"content-length", str(len(answer.body)).encode()))
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": answer.body, "more_body": False})
        return True

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        elif message["type"] == "http.response.body":
            await self._send_body(message)
        else:
            await self._send(message)

    async def _send_body(self, message: Message) -> None:
        body, more = message.get("body", b""), message.get("more_body", False)
        if self.is_head:
            if self._started:
                return
            more = False  # a streamed answer ends here: the server says "disconnected" to whoever still makes it
        if not self._started:
            self.reserve_answer(len(body))
            if self._answer_share is not None:
                self._answer_share.grow_to(len(body))
            body = await self._begin(body, more=more)
        elif self._compressor is not None:
            body = await self._compressed(self._compressor, body, more=more)
        if self.is_head:
            body = b""
        self.bytes_out += len(body)
        if body or not more:
            await self._write(body, more=more)
            if not more and self._answer_share is not None:
                await self._taken()  # until then it is in memory, and counts

    async def _write(self, body: bytes, *, more: bool) -> None:
        """uvicorn waits between two messages until the client has taken most of the first."""
        if len(body) <= PIECE_BYTES:
            await self._send({"type": "http.response.body", "body": body, "more_body": more})
            return
        rest = memoryview(body)
        while len(rest) > PIECE_BYTES:
            await self._send({"type": "http.response.body", "body": rest[:PIECE_BYTES], "more_body": True})
            rest = rest[PIECE_BYTES:]
        await self._send({"type": "http.response.body", "body": bytes(rest), "more_body": more})

    async def _compressed(self, compressor: encodings.Compressor, body: bytes, *, more: bool) -> bytes:
        """The next piece of a streamed answer."""

        def compress() -> bytes:
            return compressor.compress(body) + (b"" if more else compressor.flush())

        return compress() if len(body) < _AWAY_FROM_LOOP else await asyncio.to_thread(compress)

    async def _begin(self, body: bytes, *, more: bool) -> bytes:
        """Send the start, now that it is known how the body begins; returns the body's first piece to send."""
        start: Message = self._start or {"type": "http.response.start", "status": 500, "headers": []}
        self._started, self.status = True, start["status"]
        headers: Headers = [
            *start["headers"],
            *_ALWAYS,
            *self.origin_headers,
            *self.rate_headers,
            (b"x-request-id", self.request_id.encode()),
        ]
        if self.longest_retry_s is not None:
            headers = [_shortened_retry(header, self.longest_retry_s) for header in headers]
        sent = {name.lower(): value for name, value in start["headers"]}
        if _POLICY not in sent:  # the dashboard has a stricter one
            headers.append((_POLICY, CSP))
        if b"cache-control" not in sent:
            headers.append((b"cache-control", b"no-store"))
        if self._is_body_pending():
            headers.append((b"connection", b"close"))  # server.py drops what still comes
        if self.status == 304 or _is_compressible(sent):
            headers.append((b"vary", b"accept-encoding"))
            headers, body = await self._encoded(headers, body, more=more)
        await self._send_start(start, headers)
        return body

    async def _send_start(self, start: Message, headers: Headers) -> None:
        message: Message = {"type": "http.response.start", "status": start["status"], "headers": headers}
        await self._send(message)

    async def _encoded(self, headers: Headers, body: bytes, *, more: bool) -> tuple[Headers, bytes]:
        encoding = encodings.answer_encoding(self._headers.get(b"accept-encoding", b""))
        is_small = not more and len(body) < SMALLEST_COMPRESSED
        if encoding is None or self.is_head or self.status in _BODILESS or is_small:
            return headers, body
        headers = [(name, value) for name, value in map(_weak_etag, headers) if name.lower() != b"content-length"]
        headers.append((b"content-encoding", encoding.encode()))
        if more:
            self._compressor = encodings.COMPRESSORS[encoding]()
            return headers, await self._compressed(self._compressor, body, more=True)
        if len(body) < _AWAY_FROM_LOOP:
            body = encodings.compress(body, encoding)
        else:
            body = await asyncio.to_thread(encodings.compress, body, encoding)
        headers.append((b"content-length", str(len(body)).encode()))
        return headers, body


def reserve_answer(scope: Mapping[str, Any], size_bytes: int) -> None:
    """For a request's answer, as `Exchange.reserve_answer` does."""
    scope["state"]["exchange"].reserve_answer(size_bytes)


def _is_compressible(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the answer is one of those that may be compressed. Server-sent events are not: they must not wait."""
    if b"content-encoding" in headers:
        return False
    kind = headers.get(b"content-type", b"").lower()
    return kind.startswith(_COMPRESSIBLE) and not kind.startswith(b"text/event-stream")


def _shortened_retry(header: tuple[bytes, bytes], most_s: int) -> tuple[bytes, bytes]:
    name, value = header
    return (name, b"%d" % min(int(value), most_s)) if name.lower() == b"retry-after" else header


def _weak_etag(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """A strong ETag names exact bytes; the compressed ones are others (RFC 9110 8.8.3.3)."""
    name, value = header
    if name.lower() == b"etag" and not value.startswith(b"W/"):
        return name, b"W/" + value
    return header
