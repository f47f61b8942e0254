"""Processes of ours: pipes both ways, an end that is noticed, and nothing left of one that nobody waits for."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from delta_server.storage import child_process
from delta_server.storage.child_process import Child

ECHO = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()); sys.exit(3)"
ENDLESS = "import sys; [sys.stdout.write('x' * 65536) for _ in iter(int, 1)]"
SAYS = "import sys; print('out', end=''); print('why', file=sys.stderr, end='')"
WAITS = "import sys; print('ready', flush=True); sys.stdin.read()"


Test = Callable[[], Coroutine[Any, Any, None]]

pytestmark = pytest.mark.usefixtures("whole_starts")


def on_each_loop(test: Test) -> Callable[[Callable[[], asyncio.AbstractEventLoop]], None]:
    @pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
    def run(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        with asyncio.Runner(loop_factory=loop) as runner, pytest.MonkeyPatch.context() as patched:
            patched.setattr(child_process, "program", lambda: [sys.executable, "-c"])
            runner.run(test())

    return run


@on_each_loop
async def test_what_is_asked_is_answered_and_the_end_is_noticed() -> None:
    process = await Child.start(ECHO, asked=True)
    assert process.stdin is not None
    process.stdin.write(b"x" * 300_000)
    await process.stdin.drain()
    process.stdin.close()
    assert await process.stdout.read() == b"x" * 300_000
    assert await process.wait() == 3
    assert process.returncode == 3


@on_each_loop
async def test_its_last_words_can_be_read() -> None:
    process = await Child.start(SAYS)
    assert process.stdin is None
    assert (await process.stdout.read(), await process.stderr.read()) == (b"out", b"why")
    assert await process.wait() == 0


@on_each_loop
async def test_one_that_is_killed_sends_nothing_more() -> None:
    process = await Child.start(ENDLESS)
    assert await process.stdout.read(10) == b"x" * 10
    process.kill()
    assert len(await process.stdout.read()) < 10_000_000
    assert await process.wait() < 0


@on_each_loop
async def test_one_whose_caller_gives_up_ends() -> None:
    begun = child_process._begun
    left: asyncio.Future[subprocess.Popen[bytes]] = asyncio.get_running_loop().create_future()

    def noted(started: "asyncio.Future[subprocess.Popen[bytes]]", process: "subprocess.Popen[bytes]") -> None:
        begun(started, process)
        left.set_result(process)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(child_process, "_begun", noted)
        starting = asyncio.create_task(Child.start(WAITS, asked=True))
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        process = await left
    assert await asyncio.to_thread(process.wait) < 0


@on_each_loop
async def test_one_that_cannot_be_started_says_so() -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(child_process, "program", lambda: ["/nowhere/program"])
        with pytest.raises(FileNotFoundError):
            await Child.start("x")
