"""A content store over a real database with small packs, one endpoint, and documents that resemble each other."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from delta_server.app import open_services
from delta_server.config.sections import Config
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.contents.contents import Content, ContentStore
from delta_server.storage.contents.options import Packs
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.options import Storage
from tests.storage.opened import FAST, FakeClock, begin

SMALL = Packs(pack_bytes=6_000, pack_contents=12, deep_bytes=12_000, deep_contents=40, deep_after_days=7)


@asynccontextmanager
async def opened(
    data_dir: Path, *, packs: Packs = SMALL, cache_bytes: int = 1 << 20, clock: FakeClock | None = None
) -> AsyncIterator[ContentStore]:
    async with opened_services(data_dir, packs=packs, cache_bytes=cache_bytes, clock=clock) as services:
        yield services.contents


@asynccontextmanager
async def opened_services(
    data_dir: Path,
    *,
    packs: Packs = SMALL,
    cache_bytes: int = 1 << 20,
    clock: FakeClock | None = None,
    **options: Any,
) -> AsyncIterator[Services]:
    """`options` are fields of the config's storage section."""
    config = Config(storage=Storage(data_dir=begin(data_dir), cache_bytes=cache_bytes, **options), packs=packs)
    async with open_services(config, clock or FakeClock(), tuning=FAST) as services:
        yield services


async def new_endpoint(store: ContentStore, name: str = "prices") -> int:
    return await store.db.write(_insert_endpoint, name)


def _insert_endpoint(tx: Tx, name: str) -> int:
    account = tx.one("SELECT id FROM account")
    owner = (
        account[0]
        if account
        else tx.insert("INSERT INTO account (uid, name, created_at) VALUES (?, 'a', 0)", tx.new_id())
    )
    project = tx.insert(
        "INSERT INTO project (uid, account, name, description, created_at, updated_at) VALUES (?, ?, ?, '', 0, 0)",
        tx.new_id(),
        owner,
        name,
    )
    return tx.insert(
        "INSERT INTO endpoint (uid, project, name, description, diff, retention, diff_version, created_at, updated_at)"
        " VALUES (?, ?, ?, '', '{}', '{}', 1, 0, 0)",
        tx.new_id(),
        project,
        name,
    )


async def append(store: ContentStore, endpoint: int, captured_at: int, body: bytes) -> int:
    """As snapshots do it: encoded against the content in force then, with a snapshot row."""
    previous = await store.db.read(contents.content_at, endpoint, captured_at)
    frame = await encode_next(store, endpoint, previous, body)
    content = await store.db.write(_add, endpoint, captured_at, frame)
    assert content is not None
    contents.remember(store, endpoint, content, body)
    return content


async def encode_next(store: ContentStore, endpoint: int, previous: Content | None, body: bytes) -> contents.Frame:
    base = None
    if previous is not None:
        depth = await store.db.read(contents.frame_depth, endpoint, previous.id)
        base = await contents.base_of(store, endpoint, previous, depth, len(body))
    return contents.encode_frame(base, body, store.packs)


def _add(tx: Tx, endpoint: int, captured_at: int, frame: contents.Frame) -> int | None:
    content = contents.add(tx, endpoint, captured_at, frame)
    if content is not None:
        add_snapshot(tx, endpoint, captured_at, content)
    return content


def add_snapshot(tx: Tx, endpoint: int, captured_at: int, content: int) -> None:
    sql = "INSERT INTO snapshot (uid, endpoint, captured_at, content) VALUES (?, ?, ?, ?)"
    tx.run(sql, tx.new_id(), endpoint, captured_at, content)


async def append_batch(store: ContentStore, endpoint: int, items: list[tuple[int, bytes]]) -> list[int]:
    previous = await store.db.read(contents.content_at, endpoint, items[0][0])
    batch = await contents.encode_batch(store, endpoint, previous, items)
    ids = await store.db.write(_add_batch, endpoint, batch)
    assert ids is not None
    return ids


def _add_batch(tx: Tx, endpoint: int, batch: contents.Batch) -> list[int] | None:
    ids = contents.add_batch(tx, endpoint, batch)
    for content, captured_at in zip(ids or [], batch.captured_at, strict=True):
        add_snapshot(tx, endpoint, captured_at, content)
    return ids


async def kill(store: ContentStore, endpoint: int, content: int) -> None:
    await store.db.write(_kill, endpoint, content)


def _kill(tx: Tx, endpoint: int, content: int) -> None:
    row = contents.get(tx, endpoint, content)
    assert row is not None
    tx.run("DELETE FROM snapshot WHERE content = ? AND endpoint = ?", content, endpoint)
    contents.mark_dead(tx, endpoint, row)


async def order(store: ContentStore, endpoint: int) -> list[Content]:
    return await store.db.read(contents.follow, endpoint, (-(1 << 60), 0), limit=1 << 30)


def fresh_cache(store: ContentStore, limit_bytes: int = 1 << 20) -> ContentStore:
    """The same services with nothing cached."""
    return msgspec.structs.replace(store, cache=type(store.cache)(limit_bytes))


def documents(count: int, *, seed: int = 1, items: int = 8) -> list[bytes]:
    """A history in which a value or two change from one version to the next."""
    rng = random.Random(seed)
    values = [rng.getrandbits(64) for _ in range(items)]
    history = []
    for _ in range(count):
        values[rng.randrange(items)] = rng.getrandbits(64)
        history.append(msgspec.json.encode({"items": [{"id": i, "value": f"{v:x}"} for i, v in enumerate(values)]}))
    return history
