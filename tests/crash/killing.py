"""What the tests of `kill -9` share: chance whose seed is printed, and kills in the middle of work, not by time."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.server_process import Server, run

WITHIN_S = 60
TURNS = 200
"""Of the event loop, at most, from when there is enough until the kill: so it hits what comes next, too."""

DYING = """
import asyncio, os, signal, sys
from delta_server.__main__ import main
from delta_server.storage.sqlite.adapter import SqliteDatabase

left, write = int(sys.argv.pop()), SqliteDatabase.write

async def write_or_die(self, *args, **kwargs):
    global left
    left -= 1
    writing = asyncio.ensure_future(write(self, *args, **kwargs))
    if left < 0:
        await asyncio.sleep(0)  # the writer's thread has it
        os.kill(os.getpid(), signal.SIGKILL)
    return await writing

SqliteDatabase.write = write_or_die
main()
"""


def chance() -> random.Random:
    """DELTA_SEED runs a test again as it was."""
    seed = int(os.environ.get("DELTA_SEED") or time.time_ns())
    print(f"DELTA_SEED={seed}")
    return random.Random(seed)


class Enough:
    """Set when so many more are acknowledged than there were."""

    def __init__(self) -> None:
        self._wanted = 0
        self._reached = asyncio.Event()

    def of(self, count: int) -> None:
        self._wanted = count
        self._reached.clear()

    def acknowledged(self, count: int) -> None:
        if count >= self._wanted:
            self._reached.set()

    async def wait(self) -> None:
        await self._reached.wait()


async def kill_after(server: Server, enough: Enough, workers: Sequence[asyncio.Task[Any]], rng: random.Random) -> None:
    """Kill the server soon after there is `enough`, or at once when a worker has ended, and wait for the workers."""
    waiting = asyncio.create_task(enough.wait())
    async with asyncio.timeout(WITHIN_S):
        await asyncio.wait([waiting, *workers], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for _ in range(rng.randrange(TURNS)):
        await asyncio.sleep(0)
    os.kill(server.process.pid, signal.SIGKILL)
    await asyncio.gather(*workers)


def run_and_kill(directory: Path, *arguments: str, writes: int, **env: str) -> None:
    """`delta-server` with these arguments, which dies in its write after `writes` others, if it comes to that."""
    ended = run(directory, *arguments, str(writes), code=DYING, env=env, check=False)
    assert ended.returncode in (0, -signal.SIGKILL)
