"""What has come on a connection and waits for the parser, which is given it in small pieces, one a turn of the loop.

One read may bring 256 KiB: thousands of requests, chunks of a byte or header fields, each a call of Python.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

PIECE_BYTES = 8 << 10
"""430 of the smallest requests or 1,300 chunks of a byte: 4 ms at most. Most requests are smaller than this."""


class Intake:
    """`feed` parses a piece. `body_left` are the bytes of the body that is coming, which cost little together.
    `is_held` says that nothing more shall be parsed for now; `look_again` is called when that may be over.

    It is also the transport of uvicorn's flow control, which stops the reading while a body is not taken.
    """

    def __init__(
        self,
        transport: Any,
        feed: Callable[[bytes | memoryview], None],
        *,
        body_left: Callable[[], int],
        is_held: Callable[[], bool],
    ) -> None:
        self._transport = transport
        self._feed = feed
        self._body_left = body_left
        self._is_held = is_held
        self._waiting: deque[memoryview] = deque()
        self._is_paused = False
        self._turn: asyncio.Handle | None = None

    def receive(self, data: bytes) -> None:
        if len(data) <= PIECE_BYTES and not self._waiting and not self._is_held():
            self._feed(data)
            return
        self._waiting.append(memoryview(data))
        if self._turn is None:
            self._feed_next()

    def pause_reading(self) -> None:
        self._is_paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._is_paused = False
        self._go_on()

    def look_again(self) -> None:
        if not self._is_paused:
            self._go_on()

    def close(self) -> None:
        """Forget what waits, and whom to ask: the connection and this hold each other."""
        self._waiting.clear()
        self._feed, self._body_left, self._is_held = _drop, _nothing_left, _not_held
        if self._turn is not None:
            self._turn.cancel()

    def _go_on(self) -> None:
        if self._is_held():
            self._transport.pause_reading()
        elif not self._waiting:
            self._transport.resume_reading()
        elif self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._feed_next)

    def _feed_next(self) -> None:
        self._turn = None
        if self._is_paused or self._is_held() or self._transport.is_closing():
            self._transport.pause_reading()
            return
        self._feed(self._taken(PIECE_BYTES))
        while self._waiting and not self._is_paused and (left := self._body_left()) > 0:
            self._feed(self._taken(left))
        if self._waiting:
            self._transport.pause_reading()
        if not self._is_paused:
            self._go_on()

    def _taken(self, size: int) -> memoryview:
        first = self._waiting.popleft()
        if len(first) > size:
            self._waiting.appendleft(first[size:])
        return first[:size]


def _drop(data: bytes | memoryview) -> None:
    """Of a connection that is closed."""


def _nothing_left() -> int:
    return 0


def _not_held() -> bool:
    return False
