"""Services with cold storage, and an endpoint whose history is in packs that are old enough for it."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from delta_server.core.times import DAY_MS
from delta_server.services import Services
from delta_server.storage.contents import contents, maintenance
from delta_server.storage.contents.contents import ContentStore
from delta_server.storage.database import Tx
from tests.storage.contents.opened import append_batch, new_endpoint, opened_services
from tests.storage.opened import FakeClock

HISTORY = [json.dumps({"n": at, "text": random.Random(at).randbytes(150).hex()}).encode() for at in range(80)]
AFTER_DAYS = 90
LEAST = 1 << 10


@asynccontextmanager
async def server(tmp_path: Path, address: str, clock: FakeClock, *, kept_days: int = 7) -> AsyncIterator[Services]:
    options: dict[str, Any] = {
        "cold_after_days": AFTER_DAYS,
        "cold_least_bytes": LEAST,
        "cold_kept_days": kept_days,
    }
    async with opened_services(tmp_path / "data", clock=clock, cold=address, **options) as svc:
        yield svc


def fresh(svc: Services) -> ContentStore:
    """With nothing at hand."""
    store = svc.contents
    return msgspec.structs.replace(store, cache=type(store.cache)(1 << 20), cold=store.cold.uncached())


async def filled(svc: Services, clock: FakeClock, name: str = "prices", upto: int = 80) -> tuple[int, list[int]]:
    endpoint = await new_endpoint(svc.contents, name)
    ids = await append_batch(svc.contents, endpoint, [(at * 10, HISTORY[at]) for at in range(upto)])
    await maintenance.pack_everything(svc.contents)
    clock.advance((AFTER_DAYS + 1) * DAY_MS)
    return endpoint, ids


async def read_all(store: ContentStore, endpoint: int, ids: list[int]) -> list[bytes]:
    return [body async for _, body in contents.read_run(store, endpoint, ids)]


def moved(tx: Tx) -> list[Any]:
    """(pack, size of the object, what is left here) of what is in cold storage."""
    return tx.all("SELECT o.pack, o.size, length(p.data) FROM cold_object o JOIN pack p ON p.id = o.pack ORDER BY 1")


def large(tx: Tx) -> list[int]:
    return [row[0] for row in tx.all("SELECT id FROM pack WHERE length(data) >= ? ORDER BY id", LEAST)]


def free(tx: Tx) -> int:
    return len(tx.all("SELECT 1 FROM cold_object WHERE pack IS NULL AND segment IS NULL"))
