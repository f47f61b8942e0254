"""A receiver for benches: prints its port, counts requests by the name in their path, answers 204. /closed answers 503
until /open was asked for, /hangs nothing at all, /count/NAME says how many came."""

import asyncio
from collections import Counter


class _Requests(asyncio.Protocol):
    counts: Counter[str] = Counter()
    is_open = False

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            _, _, length = head.partition(b"content-length: ")
            size = end + 4 + int(length.split(b"\r\n", 1)[0] or 0)
            if len(self._received) < size:
                return
            self._received = self._received[size:]
            said = self._answer(head.split(b" ", 2)[1].decode().strip("/"))
            if said:
                self._transport.write(said)  # type: ignore[attr-defined]  # of a TCP connection it writes

    def _answer(self, name: str) -> bytes:
        if name == "open":
            _Requests.is_open = True
        elif name.startswith("count/"):
            body = str(self.counts[name.removeprefix("count/")]).encode()
            return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        else:
            self.counts[name] += 1
        if name == "hangs":
            return b""
        is_closed = name == "closed" and not self.is_open
        return b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n" if is_closed else b"HTTP/1.1 204 No Content\r\n\r\n"


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(_Requests, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
