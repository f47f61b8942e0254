"""How SQLite goes about what people ask of records, devices and conflicts: by an index, with and without statistics."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.transaction import SqliteTx
from tests.conftest import Keys, bearer
from tests.features.sync.test_conflicts import disagree
from tests.features.sync.test_push_pull import batch, change, pull, push

LARGE = 30_000
LISTS = [
    "/v1/sync/notes/records?limit=3&content=false",
    "/v1/sync/notes/records?limit=3&prefix=r",
    "/v1/sync/notes/records?limit=3&deleted=true&prefix=r",
    "/v1/sync/notes/records/r1",
    "/v1/sync/notes/records/r1/history?limit=3&content=false",
    "/v1/sync/notes/delta?limit=3",
    "/v1/sync/notes/deleted?limit=3",
    "/v1/sync/watermelon/pull?tables=%5B%22notes%22%5D",
    "/v1/sync/spaces?limit=3",
    "/v1/sync/types?limit=3&prefix=n",
    "/v1/sync/conflicts?limit=3",
    "/v1/sync/status",
    "/v1/sync/download",
    "/v1/devices?limit=3&q=o",
]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Any, ...]]:
    """The statements on tables of sync run during a test, each with the parameters it had last."""
    found: dict[str, tuple[Any, ...]] = {}
    execute = SqliteTx._execute

    def noting(tx: SqliteTx, sql: str, params: tuple[Any, ...]) -> Any:
        if "sync_" in sql and sql.startswith("SELECT"):
            found[sql] = params
        return execute(tx, sql, params)

    monkeypatch.setattr(SqliteTx, "_execute", noting)
    return found


def _fill(tx: Tx) -> None:
    """Many records of another type in the same space, half of them replaced, and many other spaces."""
    [space] = tx.all("SELECT id FROM sync_space")[0]
    other = tx.insert("INSERT INTO sync_collection (space, data_type, seq, digest) VALUES (?, 'x', 0, x'00')", space)
    tx.many(
        "INSERT INTO sync_change (space, seq, collection, record_id, kind, content, superseded_by, changed_at)"
        " VALUES (?, ?, ?, ?, 0, x'30', ?, 1)",
        [(space, 1000 + n, other, f"x{n // 2}", None if n % 2 else 1001 + n) for n in range(LARGE)],
    )
    [project] = tx.all("SELECT project FROM sync_space")[0]
    tx.many(
        "INSERT INTO sync_space (project, owner, seq, changed_at, created_at) VALUES (?, ?, 1, ?, 1)",
        [(project, f"p{n}", n) for n in range(1000)],
    )
    tx.run(
        "INSERT INTO sync_device (uid, space, device_id, made_at, seen_at)"
        " SELECT randomblob(16), id, 'phone', 1, 1 FROM sync_space"
        " WHERE id NOT IN (SELECT space FROM sync_device)"
    )


@pytest.mark.parametrize("has_statistics", [False, True])
async def test_no_list_reads_more_than_it_shows(
    app: Application, client: httpx.AsyncClient, keys: Keys, ran: dict[str, tuple[Any, ...]], has_statistics: bool
) -> None:
    await disagree(client, keys)
    await push(client, keys, batch("phone", 3, *[change(i, f"r{i}", i) for i in range(10, 20)]))
    await push(client, keys, batch("phone", 4, *[change(20 + i, f"r{i}", base_version=i - 7) for i in range(12, 16)]))
    await pull(client, keys, "device_id=phone", key="project")
    await app.services.db.write(_fill)
    if has_statistics:
        await app.services.db.write(lambda tx: tx.run("ANALYZE"))
    ran.clear()
    for path in LISTS:
        answer = await client.get(path, headers=bearer(keys.project))
        assert answer.status_code == 200, (path, answer.text)

    await client.post("/v1/sync/digest", json={"data_type": "notes"}, headers=bearer(keys.project))

    def plans(tx: Tx) -> dict[str, list[str]]:
        return {
            sql: [row[3] for row in tx.all(f"EXPLAIN QUERY PLAN {sql}", *params)] for sql, params in list(ran.items())
        }

    found = await app.services.db.read(plans)
    assert len(found) > 15
    slow = [
        (step, sql)
        for sql, steps in found.items()
        for step in steps
        if ("TEMP B-TREE" in step and "FROM sync_device" not in sql) or step.startswith("SCAN sync_")
    ]
    assert slow == [], "but for the devices of a space, which are few (sync.devices)"
    walked = [
        sql for sql, steps in found.items() if "collection = ?" in sql and "PRIMARY KEY (space=? AND seq>" in steps[0]
    ]
    assert walked == [], "along the changes of other data types"
