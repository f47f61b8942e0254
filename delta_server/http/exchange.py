"""One request's body in and its answer out, as wrappers of ASGI's `receive` and `send`.

In: bytes are counted while they arrive, against the request's limit and that of all requests together; the whole body
has a deadline, encoded bodies are decoded.
Out: headers every answer has, compression, no body for HEAD. Bodies pass through without being copied.
"""

import asyncio

from delta_server.config import Limits
from delta_server.core.errors import BadRequest, TooLarge
from delta_server.http import cors, encodings
from delta_server.http.asgi import Headers, Message, Receive, Send
from delta_server.http.errors import RequestTimeout, failure
from delta_server.http.inflight import Inflight, Share
from delta_server.storage.database import Clock

SMALLEST_COMPRESSED = 1024
_AWAY_FROM_LOOP = 128 << 10
"""Answers from this size are compressed on a thread: 128 KiB takes zstd 0.4 ms and gzip 2 ms."""

CSP = (
    b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    b"frame-ancestors 'none'"
)
_ALWAYS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", CSP),
    (b"referrer-policy", b"no-referrer"),
]
_COMPRESSIBLE = (
    b"application/json",
    b"application/problem+json",
    b"application/x-ndjson",
    b"text/",
    b"image/svg+xml",
    b"application/javascript",
)
_BODILESS = frozenset({204, 304})


class Exchange:
    def __init__(
        self,
        method: str,
        headers: dict[bytes, bytes],
        receive: Receive,
        send: Send,
        *,
        request_id: str,
        limits: Limits,
        inflight: Inflight,
        clock: Clock,
    ) -> None:
        self.request_id = request_id
        self.status = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.origin_headers = cors.SAME_ORIGIN
        """Which sites may have the answer; the gate widens it (cors.py)."""
        self._head = method == "HEAD"
        self._headers = headers
        self._receive = receive
        self._send = send
        self._limits = limits
        self._share = Share(inflight)
        self._clock = clock
        self._deadline: float | None = None
        self._body_ended = False
        self._start: Message | None = None
        self._started = False
        self._compressor: encodings.Compressor | None = None

    # The body

    async def receive(self) -> Message:
        """The decoded body's next piece. Raises TooLarge, Unavailable, RequestTimeout, BadRequest, NotAcceptable."""
        if self._body_ended or self._start is not None:
            return await self._receive()  # only a disconnect is of interest now
        if self._deadline is None:
            self._refuse_declared_size()
            self._deadline = asyncio.get_running_loop().time() + self._limits.request_seconds
        encoding = encodings.request_encoding(self._headers.get(b"content-encoding", b""))
        return await self._next() if encoding is None else await self._decoded(encoding)

    def _refuse_declared_size(self) -> None:
        declared = self._headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) > self._limits.request_bytes:
            raise self._too_large()

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise RequestTimeout(f"the body did not arrive within {self._limits.request_seconds} seconds") from None
        if message["type"] == "http.disconnect":
            raise BadRequest("the connection was closed before the body was complete")
        self.bytes_in += len(message.get("body", b""))
        if self.bytes_in > self._limits.request_bytes:
            raise self._too_large()
        self._share.take(len(message.get("body", b"")))
        self._body_ended = not message.get("more_body", False)
        return message

    async def _decoded(self, encoding: str) -> Message:
        pieces = []
        while not self._body_ended:
            message = await self._next()
            pieces.append(message.get("body", b""))
        wire = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        # Always on a thread: how long it takes cannot be told from the size on the wire.
        limit = self._limits.request_bytes
        body = await asyncio.to_thread(encodings.decode, wire, encoding, limit=limit, reserve=self._share.take)
        self._share.give_back(len(wire))
        return {"type": "http.request", "body": body, "more_body": False}

    def end(self) -> None:
        """The request is over: its body's memory is free for others."""
        self._share.end()

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is larger than {self._limits.request_bytes} bytes")

    # The answer

    async def fail(self, error: Exception) -> bool:
        """Answer with `error`; False when an answer has begun, which cannot be taken back."""
        if self._started:
            return False
        answer = failure(error, request_id=self.request_id, now_ms=self._clock.now_ms())
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
        if not self._started:
            body = await self._begin(body, more=more)
        elif self._compressor is not None:
            body = self._compressor.compress(body) + (b"" if more else self._compressor.flush())
        if self._head:
            body = b""
        self.bytes_out += len(body)
        if body or not more:
            await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def _begin(self, body: bytes, *, more: bool) -> bytes:
        """Send the start, now that it is known how the body begins; returns the body's first piece to send."""
        start: Message = self._start or {"type": "http.response.start", "status": 500, "headers": []}
        self._started, self.status = True, start["status"]
        headers: Headers = [
            *start["headers"],
            *_ALWAYS,
            *self.origin_headers,
            (b"x-request-id", self.request_id.encode()),
        ]
        present = {name.lower() for name, _ in headers}
        if b"cache-control" not in present:
            headers.append((b"cache-control", b"no-store"))
        if self.status == 304 or _varies(headers):
            headers.append((b"vary", b"accept-encoding"))
            headers, body = await self._encoded(headers, body, more=more)
        await self._send_start(start, headers)
        return body

    async def _send_start(self, start: Message, headers: Headers) -> None:
        message: Message = {"type": "http.response.start", "status": start["status"], "headers": headers}
        await self._send(message)

    async def _encoded(self, headers: Headers, body: bytes, *, more: bool) -> tuple[Headers, bytes]:
        encoding = encodings.answer_encoding(self._headers.get(b"accept-encoding", b""))
        if encoding is None or self._head or self.status in _BODILESS or (not more and len(body) < SMALLEST_COMPRESSED):
            return headers, body
        headers = [(name, value) for name, value in map(_weaken, headers) if name.lower() != b"content-length"]
        headers.append((b"content-encoding", encoding.encode()))
        if more:
            self._compressor = encodings.COMPRESSORS[encoding]()
            return headers, self._compressor.compress(body)
        if len(body) < _AWAY_FROM_LOOP:
            body = encodings.compress(body, encoding)
        else:
            body = await asyncio.to_thread(encodings.compress, body, encoding)
        headers.append((b"content-length", str(len(body)).encode()))
        return headers, body


def _varies(headers: Headers) -> bool:
    """Whether the answer is one of those that may be compressed. Server-sent events are not: they must not wait."""
    kind = b""
    for name, value in headers:
        name = name.lower()
        if name == b"content-encoding":
            return False
        if name == b"content-type":
            kind = value.lower()
    return kind.startswith(_COMPRESSIBLE) and not kind.startswith(b"text/event-stream")


def _weaken(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """A strong ETag names exact bytes; the compressed ones are others (RFC 9110 8.8.3.3)."""
    name, value = header
    if name.lower() == b"etag" and not value.startswith(b"W/"):
        return name, b"W/" + value
    return header
