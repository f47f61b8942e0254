"""How SQLite goes about the statements that requests run, on a database whose averages mislead: one large endpoint,
many of one row each, nothing queued, and the planner's statistics of just that."""

import json
import re
from typing import Any

import apsw
import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.core.packs import codec
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.snapshots import store as snapshots
from delta_server.services import Services
from delta_server.storage.database import Row, Tx
from delta_server.storage.sqlite.adapter import DATABASE_NAME
from delta_server.storage.sqlite.transaction import SqliteTx
from delta_server.tasks.loops import Supervisor
from tests.conftest import Keys
from tests.features.snapshots.shots import Shots, batch, envelope, second

LARGE, SMALL, FILLED = 20_000, 400, 1_000_000
GROWING = re.compile(r"\b(snapshot|content|delta|field_change)\b")
"""Tables whose rows are as many as there were snapshots or changes of fields."""
SORTED = re.compile(r"FROM field\s+WHERE endpoint = \?.*ORDER BY changes DESC", re.DOTALL)
"""An endpoint's fields by number of changes: a few hundred rows, sorted when asked for."""


@pytest.fixture(autouse=True)
def no_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packing, for one, sorts what it packs."""
    monkeypatch.setattr(Supervisor, "start", lambda *_: None)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Any, ...]]:
    """The statements run during a test, each with the parameters it had last."""
    found: dict[str, tuple[Any, ...]] = {}
    execute, many = SqliteTx._execute, SqliteTx.many

    def execute_noting(tx: SqliteTx, sql: str, params: tuple[Any, ...]) -> Any:
        found[sql] = params
        return execute(tx, sql, params)

    def many_noting(tx: SqliteTx, sql: str, rows: Any) -> None:
        rows = list(rows)
        if rows:
            found[sql] = rows[0]
        many(tx, sql, rows)

    monkeypatch.setattr(SqliteTx, "_execute", execute_noting)
    monkeypatch.setattr(SqliteTx, "many", many_noting)
    return found


async def test_no_request_reads_more_than_it_shows(
    app: Application, client: httpx.AsyncClient, keys: Keys, ran: dict[str, tuple[Any, ...]]
) -> None:
    shots = Shots(client, keys)
    await shots.at(*((n, json.dumps({"a": n, "b": {"c": n % 3}}).encode()) for n in range(8)), endpoint="large")
    await shots.raw(b'{"a": 0}', "large", include="delta")
    while await deltas.compute_queued(app.services):
        pass
    await app.services.db.write(_fill)
    ran.clear()
    await _everything(shots)
    await deltas.compute_queued(app.services)
    plans = await app.services.db.write(_plans, dict(ran))
    assert len(plans) > 40
    assert [(step, sql) for sql, steps in plans.items() for step in steps if _is_slow(sql, step)] == []


async def test_totals_count_once_and_look_at_both_ends(services: Services) -> None:
    """The first and the last time are a look into the index each; the planner's words for a scan are the same."""
    numbers = f"WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {LARGE})"
    sql = "INSERT INTO snapshot (uid, endpoint, captured_at, content)"
    await services.db.write(lambda tx: tx.run(f"{sql} {numbers} SELECT randomblob(16), 1, i, 0 FROM n"))
    connection = apsw.Connection(str(services.config.storage.data_dir / DATABASE_NAME))
    steps = 0

    def step() -> bool:
        nonlocal steps
        steps += 1
        return False

    connection.set_progress_handler(step, 1)
    tx = SqliteTx(connection, 0)
    assert tx.one("SELECT count(*) FROM snapshot WHERE endpoint = ?", 1) == (LARGE,)
    counting, steps = steps, 0
    found = snapshots.extent(tx, 1)
    assert (found.count, found.first_captured_at, found.last_captured_at) == (LARGE, 0, LARGE - 1)
    assert steps < counting + 500
    connection.close()


async def _everything(shots: Shots) -> None:
    """Each request that reads or writes an endpoint's timeline."""
    every: list[dict[str, Any]] = [{}, {"endpoint_id": "large"}]
    filters: list[dict[str, Any]] = [{"kind": "all"}, {"path": "/a"}, {"path": "/b"}]
    for query in every:
        for order in ("asc", "desc"):
            span: dict[str, Any] = {"limit": 3, "order": order, **query}
            for changed_only in ("true", "false"):
                page = await shots.get("/v1/snapshots", changed_only=changed_only, **span)
                await shots.get("/v1/snapshots", changed_only=changed_only, cursor=page["next_cursor"], **span)
            for wanted in filters:
                page = await shots.get("/v1/deltas", **span, **wanted)
                await shots.get("/v1/deltas", cursor=page["next_cursor"], **span, **wanted)
    [first, *_, last] = (await shots.get("/v1/snapshots", endpoint_id="large", limit=5))["data"]
    for path in ("latest/large", first["id"], first["id"] + "/data"):
        await shots.get(f"/v1/snapshots/{path}")
    await shots.get("/v1/snapshots/at/large", time=second(3))
    await shots.get(f"/v1/deltas/{first['id']}")
    await shots.get("/v1/deltas", since_snapshot=last["id"])
    ends = {"from_snapshot_id": last["id"], "to_snapshot_id": first["id"]}
    await shots.send("POST", "/v1/deltas/compare", json=ends)
    since: dict[str, Any] = {"from": second(2)}
    await shots.get("/v1/endpoints/large/history", path="/a", **since)
    await shots.get("/v1/endpoints/large/history", path="/b/c", order="asc", **since)
    await shots.get("/v1/endpoints/large/blame", snapshot=last["id"], limit=2)
    await shots.get("/v1/endpoints/large/fields")
    await shots.get("/v1/endpoints")
    await shots.get("/v1/endpoints/large")
    await _write(shots, first["id"])


async def _write(shots: Shots, id: str) -> None:
    await shots.raw(b'{"a": 9}', "large", include="delta")
    for moment in (3, 3.5, 3, 4):  # taken, free, taken twice, beside others
        await shots.raw(b'{"a": 3.5}', "large", include="delta", captured_at=second(moment))
    more = [envelope(b'{"a": 1, "b": %d}' % n, "large", captured_at=second(n / 3)) for n in range(12)]
    await shots.send("POST", "/v1/snapshots/batch", content=batch(*more), params={"include": "delta"}, status=201)
    await shots.send("DELETE", f"/v1/snapshots/{id}", status=204)


def _fill(tx: Tx) -> None:
    """Years before the others, rows as the stores write them; all of one document, though deltas lie between."""
    [project] = tx.all("SELECT id FROM project WHERE name = 'mine'")[0]
    large = endpoints.ensure(tx, project, "large").id
    many = [endpoints.ensure(tx, project, f"small {number}").id for number in range(SMALL)]
    rows = [(FILLED + n, large, 1000 * n) for n in range(LARGE)]
    rows += [(FILLED + LARGE + n, endpoint, 1000 * n) for n, endpoint in enumerate(many)]
    uids = [(row[0].to_bytes(16), *row) for row in rows]
    document = b'{"a": 0}'
    frame = codec.encode(None, document, level=1)
    sql = (
        f"INSERT INTO content VALUES (?, ?, ?, {len(document)}, x'{codec.digest(document).hex()}', NULL, NULL, 0, 0, 0)"
    )
    tx.many(sql, rows)
    columns = "content, endpoint, size, base, depth, data"
    tx.run(
        f"INSERT INTO frame ({columns}) SELECT id, endpoint, size, NULL, 1, ? FROM content WHERE id >= ?", frame, FILLED
    )
    tx.many("INSERT INTO snapshot (uid, content, endpoint, captured_at) VALUES (?, ?, ?, ?)", uids)
    of_large = FILLED, FILLED + LARGE
    [field] = tx.all("SELECT id FROM field WHERE endpoint = ? AND pattern = '/a'", large)[0]
    tx.run(
        "INSERT INTO field_change (field, captured_at) SELECT ?, captured_at FROM content WHERE id > ? AND id < ?",
        field,
        *of_large,
    )
    fields = msgspec.msgpack.encode([[field, 1], []])
    tx.run(
        "INSERT INTO delta SELECT id, captured_at, 1, 0, 0, 0, 1, 0, 900000, ?, NULL FROM content"
        " WHERE id > ? AND id < ?",
        fields,
        *of_large,
    )
    tx.run("ANALYZE")


def _plans(tx: Tx, statements: dict[str, Row]) -> dict[str, list[str]]:
    planned = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
    return {
        sql: [row[3] for row in tx.all(f"EXPLAIN QUERY PLAN {sql}", *params)]
        for sql, params in statements.items()
        if planned.match(sql)
    }


def _is_slow(sql: str, step: str) -> bool:
    if not GROWING.search(sql):
        return False
    sorts = "TEMP B-TREE FOR ORDER BY" in step or "TEMP B-TREE FOR LAST TERM" in step
    names = re.findall(r"\b(?:snapshot|content|delta|field_change)\b(?:\s+(?:AS\s+)?(\w+))?", sql)
    return (sorts and not SORTED.search(sql)) or (
        step.startswith("SCAN ") and (bool(GROWING.search(step)) or step.split()[1] in names)
    )
