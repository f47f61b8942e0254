"""The data of large frames on its way into the store: in parts, before the transaction that stores the contents."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from msgspec.structs import replace

from delta_server.storage import large_files
from delta_server.storage.contents.packing import Batch
from delta_server.storage.contents.rows import FrameData
from delta_server.storage.database import Database

PART_BYTES = 1 << 20
SMALL_BYTES = 64 << 10
"""What is smaller is never stored ahead: that costs two transactions."""
TOGETHER_BYTES = 4 << 20
"""Of what is stored at once so much is not stored ahead, unless it is larger than a part."""


@asynccontextmanager
async def storing(db: Database) -> AsyncIterator[Callable[[bytes], Awaitable[FrameData]]]:
    """What stores the data of frames ahead if it is large, and else gives it back. What is not taken over within the
    block goes."""
    left = TOGETHER_BYTES
    async with large_files.storing(db, PART_BYTES, frees=False) as store:

        async def ahead(data: bytes) -> FrameData:
            nonlocal left
            if len(data) > PART_BYTES or SMALL_BYTES < len(data) > left:
                return await store(data)
            left -= len(data)
            return data

        yield ahead


@asynccontextmanager
async def batch_ahead(db: Database, batch: Batch) -> AsyncIterator[Batch]:
    """With the data of its large frames stored ahead."""
    async with storing(db) as ahead:
        data = [await ahead(each) if isinstance(each, bytes) else each for each in batch.data]
        yield replace(batch, data=data)
