"""How soon the body of a request must come, and where answers are compressed."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from delta_server.config.sections import Limits
from delta_server.http import encodings
from delta_server.http.errors import RequestTimeout
from delta_server.http.exchange import COUNTED_ANSWER_BYTES, LEAST_RATE, STALL_SECONDS, BodyLimit, Budgets, Exchange
from delta_server.http.inflight import MemoryBudget
from tests.storage.opened import FakeClock

MIB = 1 << 20
PASSED_S = 20


async def _at_once() -> None: ...


def exchanged(
    method: str,
    headers: dict[bytes, bytes],
    piece: bytes,
    clock: FakeClock,
    taken: Callable[[], Awaitable[None]] = _at_once,
) -> Exchange:
    """One whose client sends `piece` again and again, and has taken what comes when `taken` says so."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": piece, "more_body": True}

    async def nothing(*_: Any) -> None: ...

    budgets = [MemoryBudget(MIB, owner_bytes=MIB) for _ in range(3)]
    return Exchange(
        method, headers, receive, nothing,
        request_id="r", limits=Limits(), budgets=Budgets(*budgets), address="a", body_pending=lambda: True,
        taken=taken, clock=clock,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("piece_bytes", "is_taken"),
    [
        pytest.param(1, False, id="a drop now and then"),
        pytest.param((PASSED_S - STALL_SECONDS) * LEAST_RATE, False, id="just too slow"),
        pytest.param((PASSED_S - STALL_SECONDS + 1) * LEAST_RATE, True, id="as slow as may be"),
    ],
)
async def test_a_body_that_may_last_has_a_least_rate(piece_bytes: int, is_taken: bool, clock: FakeClock) -> None:
    """It has no deadline, and each piece of it comes in time."""

    exchange = exchanged("PUT", {}, b"x" * piece_bytes, clock)
    exchange.limit_body(BodyLimit(MIB, is_streamed=True))
    await exchange.receive()
    exchange._begun -= PASSED_S
    if is_taken:
        assert len((await exchange.receive())["body"]) == piece_bytes
    else:
        with pytest.raises(RequestTimeout, match=f"{LEAST_RATE} bytes a second"):
            await exchange.receive()


@pytest.mark.parametrize(
    ("body_pending", "timers"), [(lambda: False, 0), (lambda: True, 1), pytest.param(None, 1, id="not told")]
)
async def test_a_body_that_is_there_is_not_timed(
    body_pending: Callable[[], bool] | None, timers: int, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[float | None] = []
    timeout_at = asyncio.timeout_at

    def noted(when: float | None) -> asyncio.Timeout:
        timed.append(when)
        return timeout_at(when)

    monkeypatch.setattr(asyncio, "timeout_at", noted)
    exchange = exchanged("PUT", {}, b"x", clock)
    exchange._body_pending = body_pending
    assert (await exchange.receive())["body"] == b"x"
    assert len(timed) == timers


@pytest.mark.parametrize("encoding", encodings.COMPRESSORS)
@pytest.mark.parametrize(("size", "is_on_the_loop"), [(1_000, True), (64 << 10, False)])
async def test_large_pieces_of_a_streamed_answer_are_compressed_away_from_the_loop(
    encoding: str, size: int, is_on_the_loop: bool, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    made = encodings.COMPRESSORS[encoding]

    class Noted:
        def __init__(self) -> None:
            self._real = made()

        def compress(self, data: bytes) -> bytes:
            threads.append(threading.get_ident())
            return self._real.compress(data)

        def flush(self) -> bytes:
            return self._real.flush()

    monkeypatch.setitem(encodings.COMPRESSORS, encoding, Noted)
    exchange = exchanged("GET", {b"accept-encoding": encoding.encode()}, b"", clock)
    await exchange.send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}
    )
    for number in range(3):
        await exchange.send({"type": "http.response.body", "body": b"x" * size, "more_body": number < 2})
    assert [thread == threading.get_ident() for thread in threads] == [is_on_the_loop] * 3


@pytest.mark.parametrize(("size", "is_counted"), [(COUNTED_ANSWER_BYTES + 1, True), (COUNTED_ANSWER_BYTES, False)])
async def test_a_large_answer_counts_until_its_last_piece_is_taken(
    size: int, is_counted: bool, clock: FakeClock
) -> None:
    took = asyncio.Event()

    async def taken() -> None:
        await took.wait()

    exchange = exchanged("GET", {}, b"", clock, taken)
    await exchange.send({"type": "http.response.start", "status": 200, "headers": []})
    sent = asyncio.ensure_future(exchange.send({"type": "http.response.body", "body": b"x" * size}))
    for _ in range(100):
        await asyncio.sleep(0)
    assert sent.done() is not is_counted
    took.set()
    await sent
