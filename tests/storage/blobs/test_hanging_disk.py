"""A disk that hangs keeps the threads of its store, and no others."""

import asyncio
import threading
from pathlib import Path

import pytest

from delta_server.storage.blobs import local
from delta_server.storage.blobs.local import LocalBlobs

CALLS = 40
"""More than the event loop's own threads ever are."""


async def test_it_leaves_all_else_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs, goes_on = LocalBlobs(tmp_path), threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(local, "_read_range", lambda *_: goes_on.wait())
        patched.setattr(local, "_write_all", lambda *_: goes_on.wait())
        reads = [asyncio.create_task(blobs.get_range("a/b", 0, 1)) for _ in range(CALLS)]
        write = asyncio.create_task(_write(blobs))
        try:
            async with asyncio.timeout(30):
                await asyncio.to_thread(int)
                for task in (*reads, write):
                    task.cancel()
                await asyncio.gather(*reads, write, return_exceptions=True)
        finally:
            goes_on.set()
    await _write(blobs)
    assert await blobs.get_range("a/b", 0, 9) == b"written"


async def _write(blobs: LocalBlobs) -> None:
    async with blobs.create_write_stream("a/b") as out:
        await out.write(b"written")
