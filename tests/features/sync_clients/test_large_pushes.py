"""Pushes of very many rows are staged: to whoever pushes and pulls they are as others, and nobody sees half of one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core.errors import NotFound
from delta_server.features.sync.uploads import large_pushes, staging
from delta_server.features.sync.uploads import store as uploads
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.adapter import SqliteDatabase
from tests.conftest import SHARED, Keys, bearer, client_of, make_keys, started_in
from tests.features.sync_clients.test_watermelon import PUSH, Replica, one, raw, table, two
from tests.features.sync_clients.test_watermelon import (
    test_another_epoch_replaces_all_and_lists_tables_that_are_empty_now as test_epochs,
)
from tests.features.sync_clients.test_watermelon import (
    test_overlapping_syncs_and_lost_answers_push_the_same_rows_again as test_again,
)
from tests.features.sync_clients.test_watermelon import (
    test_tables_are_stored_together_or_not_at_all as test_tables,
)
from tests.features.sync_clients.test_watermelon import (
    test_the_deleted_does_not_rise_again_and_goes_everywhere as test_deleted,
)
from tests.features.sync_clients.test_watermelon import test_two_replicas as test_two_replicas
from tests.features.sync_clients.test_watermelon import (
    test_very_many_deletions_want_a_confirmation as test_confirmation,
)
from tests.features.sync_clients.test_watermelon import (
    test_what_changed_since_is_refused_as_a_whole as test_conflicts,
)
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys
from tests.storage.opened import FakeClock

pytestmark = SHARED

__all__ = [
    "one",
    "test_again",
    "test_confirmation",
    "test_conflicts",
    "test_deleted",
    "test_epochs",
    "test_tables",
    "test_two_replicas",
    "two",
]

ROWS = 2


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_pushes, "STAGED_FROM", 1)
    monkeypatch.setattr(large_pushes, "ROWS_AT_ONCE", ROWS)


def rows(text: str, count: int = 5) -> list[dict[str, Any]]:
    return [raw(f"r{number}", text) for number in range(count)]


async def status(client: httpx.AsyncClient, keys: Keys) -> dict[str, Any]:
    """Records, bytes, digests: the sums of what there is."""
    answer = await client.get("/v1/sync/status", headers=bearer(keys.read))
    return dict(answer.json())


async def left(app: Application) -> tuple[int, int]:
    """Spaces that are closed, and versions that are hidden."""

    def count(tx: Tx) -> tuple[int, int]:
        row = tx.one(
            "SELECT (SELECT count(*) FROM sync_space WHERE staged IS NOT NULL), (SELECT count(*) FROM sync_change AS c"
            " WHERE c.seq > (SELECT s.seq FROM sync_space AS s WHERE s.id = c.space))"
        )
        assert row is not None
        return row[0], row[1]

    return await app.services.db.read(count)


async def test_the_sums_are_those_of_a_push_at_once(
    client: httpx.AsyncClient, keys: Keys, one: Replica, two: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second half undoes the first; what is left is as if it had never been staged."""
    await one.push(*rows("first"))
    await one.pull()
    await one.push(*rows("second"), deleted=["gone"])
    staged = await status(client, keys)
    monkeypatch.setattr(large_pushes, "STAGED_FROM", 1000)
    await one.pull()
    await one.push(*rows("first"))
    await one.pull()
    await one.push(*rows("second"), deleted=["gone"])
    at_once = await status(client, keys)
    assert [(each["data_type"], each["records"], each["digest"]) for each in staged["types"]] == [
        (each["data_type"], each["records"], each["digest"]) for each in at_once["types"]
    ]
    await two.pull()
    assert two.rows == {f"r{number}": {"id": f"r{number}", "text": "second"} for number in range(5)}


@asynccontextmanager
async def held(monkeypatch: pytest.MonkeyPatch, name: str) -> AsyncIterator[asyncio.Event]:
    """Before the write of that name; set the event and it goes on."""
    is_there, may_go_on = asyncio.Event(), asyncio.Event()
    write = SqliteDatabase.write

    async def waiting(db: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
        if fn is getattr(large_pushes, name):
            is_there.set()
            await may_go_on.wait()
        return await write(db, fn, *args, **kwargs)

    monkeypatch.setattr(SqliteDatabase, "write", waiting)
    yield is_there
    may_go_on.set()


async def test_nothing_is_seen_until_all_is_and_nothing_else_is_pushed(
    app: Application, one: Replica, two: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    await one.push(*rows("old"))
    await one.pull()
    async with held(monkeypatch, "_show") as is_there:
        pushing = asyncio.create_task(one.push(*rows("new"), raw("more", "new")))
        await is_there.wait()
        await two.pull()
        assert two.rows == {f"r{number}": {"id": f"r{number}", "text": "old"} for number in range(5)}
        assert (await two.push(raw("r1", "theirs"), status=503))["code"] == "SPACE_BUSY"
        assert await left(app) == (1, 6)
    await pushing
    await two.pull()
    assert len(two.rows) == 6
    assert {row["text"] for row in two.rows.values()} == {"new"}
    assert await left(app) == (0, 0)


async def test_one_whose_caller_leaves_goes_to_its_end(
    app: Application, client: httpx.AsyncClient, keys: Keys, two: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with held(monkeypatch, "_show") as is_there:
        body = {"changes": {"notes": table(*rows("new"))}, "lastPulledAt": None}
        pushing = asyncio.create_task(client.post(PUSH, json=body, headers=bearer(keys.write)))
        await is_there.wait()
        pushing.cancel()
        with suppress(asyncio.CancelledError):
            await pushing
    while await left(app) != (0, 0):
        await asyncio.sleep(0)
    await two.pull()
    assert len(two.rows) == 5


async def test_what_is_refused_when_it_would_be_shown_is_taken_away(
    app: Application, client: httpx.AsyncClient, keys: Keys, one: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    await one.push(*rows("old", 3))
    await one.pull()
    before = await status(client, keys)

    def refusing(*given: Any) -> Any:
        raise NotFound("the space was deleted meanwhile")

    with monkeypatch.context() as patched:
        patched.setattr(staging, "add_sums", refusing)
        await one.push(*rows("new"), status=404)
    assert await left(app) == (0, 0)
    assert (await status(client, keys))["types"] == before["types"]
    await one.push(*rows("new"))
    await one.pull()
    assert {row["text"] for row in one.rows.values()} == {"new"}


class Killed(Exception):
    pass


async def test_what_a_crash_leaves_goes_before_the_next_start(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whatever write it dies: all rows are there, or none, and another push goes through."""
    write, writes = SqliteDatabase.write, 1 << 30

    async def write_or_die(db: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal writes
        if fn.__module__ in (large_pushes.__name__, uploads.__name__):
            writes -= 1
            if writes < 0:
                raise Killed
        return await write(db, fn, *args, **kwargs)

    monkeypatch.setattr(SqliteDatabase, "write", write_or_die)
    seen = []
    async with started_in(tmp_path, clock) as app:
        keys = await make_keys(app.services, clock)
    for survived in range(6):
        writes = 1 << 30
        async with started_in(tmp_path, clock) as app, client_of(app) as client:
            replica = Replica(client, keys)
            await replica.pull()
            seen.append({row["text"] for row in replica.rows.values()})
            assert len(replica.rows) in (0, 5)
            assert await left(app) == (0, 0)
            writes = survived
            with suppress(Killed, AssertionError):
                await replica.push(*rows(f"{survived}"))
    assert seen == [set()] * 6, "five of its writes are not the last"
    async with started_in(tmp_path, clock) as app, client_of(app) as client:
        replica = Replica(client, keys)
        await replica.pull()
        assert {row["text"] for row in replica.rows.values()} == {"5"}
