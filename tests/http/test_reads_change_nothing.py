"""No GET changes anything: a page of another site can make a browser send one. But for what is on record of it."""

import re
from hashlib import sha256

import httpx
import pytest

from delta_server.app import Application
from delta_server.storage.database import Tx
from tests.conftest import bearer
from tests.features.users.people import signed_in
from tests.http.requested import Made
from tests.http.test_all_routes import SOME_ID, routes

RECORDED = {"audit", "audit_head"}
"""Exports and SQL are on record, and when keys and sessions were used."""
LEARNED = {"endpoint_schema", "endpoint_schema_change", "event_schema", "event_schema_values", "event_schema_change"}
LEARNED |= {"event_schema_progress"}
"""From what is stored, by the background or by who asks before it: no caller has a say in it."""
USES = {"last_used_at", "first_used_at"}
COUNTS = "/v1/pixel"
"""A GET that stores a visit, for that is what it is for; tests/features/visits has who may send it."""


def state(tx: Tx) -> dict[str, str]:
    """By table, a hash of all its rows."""
    tables = tx.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    hashes = {}
    for (table,) in tables:
        if table not in RECORDED | LEARNED:
            columns = [row[0] for row in tx.all(f"SELECT name FROM pragma_table_info('{table}')") if row[0] not in USES]
            rows = tx.all(f"SELECT {', '.join(map(_quoted, columns))} FROM {table}")
            hashes[table] = sha256(repr(sorted(map(repr, rows))).encode()).hexdigest()
    return hashes


def _quoted(column: str) -> str:
    return f'"{column}"'


def paths(app: Application, made: Made) -> list[str]:
    known = {
        "project_id": made.mine,
        "endpoint": made.endpoint,
        "endpoint_id": made.endpoint,
        "snapshot_id": made.last_snapshot,
        "key_id": made.key,
        "user_id": "u-1",
    }
    return [
        re.sub(r"\{([^}:]*)[^}]*\}", lambda found: known.get(found[1], SOME_ID), template)
        + ("?topics=none" if template == "/v1/stream" else "")
        for method, template, _ in routes(app)
        if method == "GET"
        and template != COUNTS
        and not (template.startswith("/v1/sync") and template.endswith("/stream"))  # stay open
    ]


async def quiet(client: httpx.AsyncClient, key: str) -> None:
    while any((await client.get("/healthz/details", headers=bearer(key))).json()["queues"].values()):
        pass


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_reads_change_nothing(app: Application, client: httpx.AsyncClient, made: Made, method: str) -> None:
    token = await signed_in(app, client, "ada@example.com", "owner")
    callers = [
        bearer(made.keys.project),
        bearer(made.keys.account) | {"x-tenant-id": "mine"},
        bearer(token) | {"x-tenant-id": "mine", "cookie": "delta_refresh=dr_x"},
        {},
    ]
    await quiet(client, made.keys.account)
    before = await app.services.db.read(state)
    answered = set()
    for path in paths(app, made):
        for headers in callers:
            answer = await client.request(method, path, headers=headers)
            assert answer.status_code < 500, (path, answer.text)
            if answer.is_success:
                answered.add(path)
    assert len(answered) > len(paths(app, made)) / 2, "most of them were answered, not refused"
    after = await app.services.db.read(state)
    assert {table for table in before.keys() | after.keys() if before.get(table) != after.get(table)} == set()
    made_one = await client.post("/v1/endpoints", json={"name": "noticed"}, headers=callers[0])
    assert made_one.status_code == 201
    changed = await app.services.db.read(state)
    assert changed["endpoint"] != after["endpoint"]
