"""The threads for pure work."""

import asyncio
import threading

import pytest

from delta_server.core.errors import Unavailable
from delta_server.services import Cpu

WAIT_S = 60
"""Only a deadlock waits this long."""


async def test_closing_waits_for_what_runs_and_gives_up_the_rest_and_the_loop_goes_on() -> None:
    cpu, entered, let_go = Cpu(1, "test"), threading.Event(), threading.Event()

    def run() -> bool:
        entered.set()
        return let_go.wait(WAIT_S)

    running = asyncio.ensure_future(cpu(run))
    queued = [asyncio.ensure_future(cpu(let_go.wait, WAIT_S)) for _ in range(3)]
    assert await asyncio.to_thread(entered.wait, WAIT_S)
    closing = asyncio.create_task(cpu.close())
    await asyncio.wait(queued, timeout=WAIT_S)
    assert all(future.cancelled() for future in queued)
    assert not closing.done()
    with pytest.raises(Unavailable, match="shutting down"):
        await cpu(run)
    let_go.set()
    await closing
    assert await running


async def test_what_is_raised_reaches_the_caller() -> None:
    cpu = Cpu(1, "test")
    with pytest.raises(ValueError, match="invalid literal"):
        await cpu(int, "x")
    await cpu.close()
