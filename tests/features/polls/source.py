"""A server that is polled: it answers what it is told to, and keeps what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.parser import BytesParser
from types import MappingProxyType
from typing import Any

import msgspec


class Asked(msgspec.Struct, frozen=True):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answer(msgspec.Struct, frozen=True):
    """Without a `raw` answer it is built of the others."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({"content-type": "application/json"})
    raw: bytes | None = None

    @property
    def sent(self) -> bytes:
        if self.raw is not None:
            return self.raw
        body = b"" if self.status in (204, 304) else self.body
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in self.headers.items())]
        lines += [f"content-length: {len(body)}"] if self.status != 304 else []
        return "\r\n".join([*lines, "", ""]).encode() + body


Say = Callable[[Asked], Answer]


class Source:
    def __init__(self, say: Say, address: str) -> None:
        self.say = say
        self.address = address
        self.asked: list[Asked] = []
        self.at_once = self.most_at_once = 0
        self.port = 0
        self.let_go = asyncio.Event()
        self.let_go.set()

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}/data"

    def always(self, answer: Answer) -> None:
        self.say = lambda _: answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            asked = await _read(reader)
            self.asked.append(asked)
            await self.let_go.wait()
            writer.write(self.say(asked).sent)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.at_once -= 1
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = await reader.readuntil(b"\r\n\r\n")
    line, _, rest = head.partition(b"\r\n")
    headers = {name.lower(): value for name, value in BytesParser().parsebytes(rest).items()}
    method, path, _version = line.decode().split(" ")
    return Asked(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@asynccontextmanager
async def source(say: Say | Answer, address: str = "127.0.0.1") -> AsyncIterator[Source]:
    made = Source((lambda _: say) if isinstance(say, Answer) else say, address)
    server = await asyncio.start_server(made.serve, address, 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.let_go.set()
        server.close()


def json(body: bytes, **headers: str) -> Answer:
    named: dict[str, Any] = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(body, headers={"content-type": "application/json", **named})
