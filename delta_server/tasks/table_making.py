"""Tables, each made by a process of its own (table_worker.py, feature_worker.py) that is sent the documents."""

import asyncio
import pickle
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import structlog

from delta_server.core.errors import TooCostly, Unavailable
from delta_server.storage import process_messages
from delta_server.storage.child_process import Child
from delta_server.storage.turns import Turns
from delta_server.tasks.table_worker import ERROR

PLACES = 2
"""Tables that are made at once, of all projects."""
TURN_S = 60.0
MAKE_S = 600.0
READ_TIMEOUT_S = 30.0
"""A piece that is not taken in this time ends the table: others wait for its place."""

log = structlog.get_logger("delta.tables")


class TableMaker:
    """Used on the event loop."""

    def __init__(self) -> None:
        self._turns = Turns(PLACES)

    async def make(
        self, project: int, argument: str, task: bytes, documents: AsyncIterator[bytes], folder: Path
    ) -> AsyncGenerator[bytes, None]:
        """The file in pieces, the first when all documents were read: by the process that is called with `argument` and
        takes such a task and such messages. It is killed when this is closed, and `folder` deleted, where it spills.

        Raises what reading the documents does, RateLimited and Unavailable where too many are made, TooCostly, and
        Invalid."""
        await self._turns.take(project, seconds=TURN_S)
        try:
            process = await Child.start(argument, asked=True)
            try:
                try:
                    async with asyncio.timeout(MAKE_S):
                        await _send(process, task, documents)
                        piece = await _next(process)
                except TimeoutError:
                    raise TooCostly(f"the table was not made in {MAKE_S:g} s: ask for less") from None
                while piece is not None:
                    unread = asyncio.get_running_loop().call_later(READ_TIMEOUT_S, process.kill)
                    try:
                        yield piece
                    finally:
                        unread.cancel()
                    piece = await _next(process)
            finally:
                process.kill()
                await asyncio.shield(_delete(process, folder))
        finally:
            self._turns.give_back(project)


async def _delete(process: Child, folder: Path) -> None:
    await process.wait()
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _send(process: Child, task: bytes, documents: AsyncIterator[bytes]) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(process_messages.packed(task))
        async for document in documents:
            process.stdin.write(process_messages.packed(document))
            await process.stdin.drain()
        process.stdin.write(process_messages.packed(b""))
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionError):
        pass  # it has said why


async def _next(process: Child) -> bytes | None:
    """A piece, None at the end."""
    try:
        size = int.from_bytes(await process.stdout.readexactly(process_messages.LENGTH_BYTES))
        message = await process.stdout.readexactly(size)
    except asyncio.IncompleteReadError:
        code = await process.wait()
        if code == 0:
            return None
        log.warning("a table's process ended", exit_code=code)
        raise Unavailable("the table was given up before its end: try again", retry_after_s=60) from None
    if message[:1] == ERROR:
        raise pickle.loads(message[1:])  # noqa: S301 - of our own process
    return message[1:]
