"""Parts that the command line sends behind a command: each a head and a body of bytes.

A part is the lengths of both (4 bytes each, big-endian), then both; two zeros end them. What is not read yet waits in
the socket, so whoever sends goes at the pace of whoever reads, and neither holds more than a part and a few MB.
"""

import asyncio
import io
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, BinaryIO, NamedTuple, TypeVar, cast

import msgspec

from delta_server.core.errors import Invalid

_MOST_BYTES = 1 << 28
_LENGTHS = struct.Struct(">II")
_BUFFER_BYTES = 256 << 10

END = _LENGTHS.pack(0, 0)
"""What stands behind the last part."""

T = TypeVar("T")


class Part(NamedTuple):
    head: bytes
    body: bytes


class Feed(msgspec.Struct, frozen=True):
    """What a command is sent. `parts` blocks: it is for `thread`, which is the command's own."""

    thread: ThreadPoolExecutor
    parts: Iterator[Part]

    async def next(self) -> Part:
        """Raises Invalid where there is none."""
        part = await asyncio.get_running_loop().run_in_executor(self.thread, next, self.parts, None)
        if part is None:
            raise Invalid("a part is missing")
        return part


def framed(part: Part) -> tuple[bytes, bytes]:
    """What `received` reads back."""
    return _LENGTHS.pack(len(part.head), len(part.body)) + part.head, part.body


@asynccontextmanager
async def feed(reader: asyncio.StreamReader) -> AsyncIterator[Feed]:
    """Until its end the thread may read; what it waits for then ends as a connection does."""
    raw = _Sent(reader, asyncio.get_running_loop())
    sent = cast("BinaryIO", io.BufferedReader(raw, _BUFFER_BYTES))
    thread = ThreadPoolExecutor(1, thread_name_prefix="delta-feed")
    try:
        yield Feed(thread, received(sent))
    finally:
        raw.stop()
        await asyncio.to_thread(thread.shutdown)


def received(sent: BinaryIO) -> Iterator[Part]:
    """Raises ConnectionError where they break off, Invalid for what is none."""
    while True:
        head, body = _LENGTHS.unpack(_exactly(sent, _LENGTHS.size))
        if not head:
            return
        if max(head, body) > _MOST_BYTES:
            raise Invalid(f"a part of {head} and {body} bytes is too large")
        yield Part(_exactly(sent, head), _exactly(sent, body))


def _exactly(sent: BinaryIO, size: int) -> bytes:
    piece = sent.read(size)
    if len(piece) < size:
        raise ConnectionResetError("whoever sent this went away before its end")
    return piece


class _Sent(io.RawIOBase):
    """What a reader of the event loop is sent, for a thread."""

    def __init__(self, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop) -> None:
        self._reader = reader
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: Future[bytes] | None = None
        self._stopped = False

    def stop(self) -> None:
        """From now on nothing more comes, also for who waits."""
        with self._lock:
            self._stopped = True
            if self._waiting is not None:
                self._waiting.cancel()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._lock:
            if self._stopped:
                return 0
            self._waiting = asyncio.run_coroutine_threadsafe(self._reader.read(len(buffer)), self._loop)
        try:
            piece = self._waiting.result()
        except CancelledError:
            return 0
        buffer[: len(piece)] = piece
        return len(piece)


def send(connection: socket.socket, parts: Iterable[Part], answer: Callable[[], T]) -> T:
    """Send all parts while `answer` reads, in a thread, what comes back; what it returns or raises.

    What `parts` ends with by itself is raised once the parts before have been answered, unless the answer is an error.
    """
    answered: list[T] = []
    failed: list[BaseException] = []

    def listen() -> None:
        try:
            answered.append(answer())
        except BaseException as error:
            failed.append(error)

    listener = threading.Thread(target=listen, daemon=True)  # Ctrl-C ends the process, whatever it waits for
    listener.start()
    broken: Exception | None = None
    with suppress(ConnectionError):  # the answer says why
        try:
            for part in parts:
                for piece in framed(part):
                    connection.sendall(piece)
        except ConnectionError:
            raise
        except Exception as error:
            broken = error
        connection.sendall(END)
    listener.join()
    if failed:
        raise failed[0]
    if broken is not None:
        raise broken
    return answered[0]
