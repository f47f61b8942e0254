"""A receiver of webhooks: keeps what it was sent, and answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


class Received(msgspec.Struct, frozen=True):
    """`headers` by names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def name(self) -> str:
        """Type and endpoint: `delta.created a`."""
        endpoint = self.message["data"].get("endpoint")
        return f"{self.message['type']} {endpoint['name']}" if endpoint else str(self.message["type"])


class Receiver:
    """`behave` says what is answered to a request, bytes or a coroutine that has the connection; 204 by default."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.received: list[Received] = []
        self.behave: Callable[[Received], bytes | None] = lambda _: NO_CONTENT
        self._arrived = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    def next_answers(self, answers: Iterable[bytes | None]) -> None:
        """One after the other, then 204; None is silence."""
        left = list(answers)
        self.behave = lambda _: left.pop(0) if left else NO_CONTENT

    async def wait_for(self, count: int) -> list[Received]:
        """All there is, when there are so many."""
        async with asyncio.timeout(30):
            while len(self.received) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.received

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                received = Received(head[0], headers, body)
                said = self.behave(received)
                self.received.append(received)
                self._arrived.set()
                if said is None:
                    await reader.read()
                    break
                writer.write(said)
                await writer.drain()
                if b"connection: close" in said:
                    break
        writer.transport.abort()


@asynccontextmanager
async def receiving(**options: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, **options)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
