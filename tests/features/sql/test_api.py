"""POST /v1/sql: what is refused, and what comes back. What SQL reaches is tried in
tests/storage/events/sql/test_runner.py."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from tests.conftest import Keys, bearer
from tests.features.queries.made import made, store
from tests.features.rows import Row, check
from tests.storage.opened import FakeClock

SQL = "/v1/sql"


def refused(title: str, field: str, says: str = "", **body: Any) -> Row:
    return Row(title, "POST", SQL, 400, body=body, says=says, field=field)


ROWS = [
    Row("without a key", "POST", SQL, 401, key=None, body={"sql": "SELECT 1"}),
    Row("with an account's key", "POST", SQL, 403, key="account", body={"sql": "SELECT 1"}),
    refused("without SQL", "sql", "is missing"),
    refused("SQL that is a number", "sql", "a string", sql=1),
    refused("no rows", "limit", "at least 1", sql="SELECT 1", limit=0),
    refused("too many rows", "limit", "at most 10000", sql="SELECT 1", limit=10_001),
    refused("a list as a parameter", "params[0]", sql="SELECT ?", params=[[1]]),
    refused("a parameter of more than 64 bits", "params[0]", sql="SELECT ?", params=[1 << 64]),
    refused("too many parameters", "params", "at most 1000", sql="SELECT 1", params=[1] * 1001),
    refused("an unknown member", "query", "unknown", sql="SELECT 1", query="SELECT 1"),
    refused("a file", "sql", "no table", sql="SELECT * FROM '/etc/passwd'"),
    refused("no SQL", "sql", 'at line 1, column 1: syntax error at or near "selec"', sql="selec 1"),
    refused("no SQL in the second line", "sql", "at line 2, column 4:", sql="SELECT 'ü',\n 1 +"),
    refused("another statement", "sql", "only a SELECT", sql="DROP VIEW events"),
    refused("an unknown column", "sql", "colour", sql="SELECT colour FROM events"),
    refused("a parameter too few", "sql", "parameters", sql="SELECT ?"),
    refused("a parameter too many", "sql", "", sql="SELECT 1", params=[1]),
    Row("half a character", "POST", SQL, 400, raw=b'{"sql": "SELECT \'\\ud800\'"}'),
    Row("of one's own", "POST", SQL, 200, key="read", body={"sql": "SELECT count(*) FROM events"}),
]


async def test_rows(client: httpx.AsyncClient, keys: Keys) -> None:
    for row in ROWS:
        await check(client, keys, row)


async def test_an_answer(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    events = made()
    await store(app, events, sealed=200)
    text = "SELECT event_type, count(*) AS count, count(*) AS count FROM events WHERE source = ? GROUP BY 1 ORDER BY 1"
    body = {"sql": text, "params": ["web"], "limit": 2}
    answer = (await client.post(SQL, json=body, headers=bearer(keys.read))).json()
    web = [one["eventType"] for one in events if one["source"] == "web"]
    assert answer["rows"] == [
        {"event_type": kind, "count": web.count(kind), "count_1": web.count(kind)} for kind in ["page_view", "purchase"]
    ]
    assert answer["columns"] == [
        {"name": "event_type", "type": "VARCHAR"},
        {"name": "count", "type": "BIGINT"},
        {"name": "count_1", "type": "BIGINT"},
    ]
    assert answer["truncated"] is True
    assert answer["meta"]["rows_scanned"] == len(events)
    other = (await client.post(SQL, json=body, headers=bearer(keys.other))).json()
    assert (other["rows"], other["meta"]["rows_scanned"]) == ([], 0)


async def test_snapshots_beside_events(clock: FakeClock, client: httpx.AsyncClient, keys: Keys) -> None:
    headers = bearer(keys.project) | {"content-type": "application/json"}
    for document in (b'{"a": 1}', b'{"a": 2}'):
        answer = await client.post("/v1/snapshots?endpoint=prices&include=delta", content=document, headers=headers)
        assert answer.status_code == 201
        clock.advance(1000)
    text = "SELECT s.endpoint, size_bytes, kind, changes_count FROM snapshots s LEFT JOIN deltas ON snapshot_id = s.id"
    answer = await client.post(SQL, json={"sql": f"{text} ORDER BY s.captured_at"}, headers=bearer(keys.read))
    assert answer.json()["rows"] == [
        {"endpoint": "prices", "size_bytes": 8, "kind": None, "changes_count": None},
        {"endpoint": "prices", "size_bytes": 8, "kind": "content", "changes_count": 1},
    ]
    answer = await client.post(SQL, json={"sql": "SELECT path, changes FROM fields"}, headers=bearer(keys.read))
    assert answer.json()["rows"] == [{"path": "/a", "changes": 1}]


@pytest.mark.parametrize("text", ["SELECT range(1000000000)", "SELECT repeat('x', 4000000000)"])
async def test_bombs_are_the_callers_fault(client: httpx.AsyncClient, keys: Keys, text: str) -> None:
    answer = await client.post(SQL, json={"sql": text}, headers=bearer(keys.read))
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")
