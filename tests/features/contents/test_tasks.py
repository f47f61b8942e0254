"""When contents are packed."""

import asyncio

import msgspec
import pytest

from delta_server.features.contents import tasks
from delta_server.services import Services
from delta_server.storage.database import Tx
from tests.storage.contents.opened import append, documents, new_endpoint


def packs(tx: Tx) -> int:
    return int(tx.all("SELECT count(*) FROM pack")[0][0])


async def test_new_contents_wake_the_packing(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "GATHERED_S", 0)
    small = msgspec.structs.replace(services.contents.packs, pack_contents=20)
    services = msgspec.structs.replace(services, contents=msgspec.structs.replace(services.contents, packs=small))
    loop = asyncio.create_task(tasks.keep_packed(services))
    endpoint = await new_endpoint(services.contents)
    for at, body in enumerate(documents(20)):
        await append(services.contents, endpoint, at, body)
    async with asyncio.timeout(60):
        while await services.db.read(packs) == 0:
            services.topics.wake("contents")
    loop.cancel()
    await asyncio.wait({loop})
