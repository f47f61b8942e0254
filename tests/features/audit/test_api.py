"""GET /v1/audit: each action has its row, and who may see it."""

import csv
import io
import json
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.core import secrets
from delta_server.core.errors import NotFound
from delta_server.features.accounts import tasks as accounts_tasks
from delta_server.features.audit import service as audit
from tests.conftest import Keys, bearer, shared, shared_fixture
from tests.features.audit.trail import entries, verified
from tests.features.users.people import signed_in
from tests.storage.opened import FakeClock


class Done(msgspec.Struct, frozen=True):
    """A request, and the row that it leaves: its action, and the kind of its target."""

    method: str
    path: str
    action: str
    target: str
    key: str = "project"
    body: Any = None
    status: int = 200
    name: str = ""
    detail: dict[str, Any] = {}

    def __str__(self) -> str:
        return f"{self.action} {self.method} {self.path}"


SQL = "SELECT 'ann@example.com' AS secret"
DONE = [
    Done("POST", "/v1/auth/api-keys", "key.create", "key", body={"scopes": ["read"], "name": "n"}, status=201, name="n",
        detail={"scopes": ["read"], "expires_at": None}),
    Done("DELETE", "/v1/auth/api-keys/{read}", "key.revoke", "key", status=204),
    Done("POST", "/v1/auth/api-keys/{read}/rotate", "key.rotate", "key", status=201),
    Done("POST", "/v1/projects/mine/transfer", "project.transfer", "project", "account", {"owner": "ada@example.com"},
        name="mine"),
    Done("POST", "/v1/projects", "project.create", "project", "account", {"name": "new"}, 201, "new"),
    Done("PATCH", "/v1/projects/mine", "project.update", "project", "account", {"name": "ours"}, name="ours",
        detail={"before": "mine"}),
    Done("PATCH", "/v1/projects/mine", "project.update", "project", body={"description": "x"}, name="mine"),
    Done("DELETE", "/v1/projects/mine", "project.delete", "project", "account", status=204, name="mine"),
    Done("PUT", "/v1/projects/mine/members/ada@example.com", "member.set", "user", body={"role": "editor"},
        name="ada@example.com", detail={"role": "editor"}),
    Done("DELETE", "/v1/projects/mine/members/ada@example.com", "member.remove", "user", status=204,
        name="ada@example.com"),
    Done("PATCH", "/v1/endpoints/prices", "endpoint.update", "endpoint", body={"retention": {"keep_days": 5}},
        name="prices", detail={"changed": ["retention"]}),
    Done("DELETE", "/v1/endpoints/prices", "endpoint.delete", "endpoint", status=204, name="prices"),
    Done("DELETE", "/v1/snapshots/{snapshot}", "snapshot.delete", "snapshot", status=204),
    Done("PUT", "/v1/events/retention", "event.retention", "", body={"days": 3}, detail={"days": 3}),
    Done("PUT", "/v1/visits/settings", "visit.settings", "", body={"origins": []}, detail={"origins": 0}),
    Done("DELETE", "/v1/users/ann@example.com", "erasure.request", "erasure", status=202),
    Done("GET", "/v1/export/events?format=csv", "event.export", "csv"),
    Done("GET", "/v1/export/aggregated?format=json", "event.export", "aggregated"),
    Done("POST", "/v1/sql", "sql.run", "sha256", body={"sql": SQL}),
    Done("GET", "/v1/audit?format=ndjson", "audit.export", ""),
    Done("GET", "/v1/backup", "backup.download", "", "account"),
]  # fmt: skip


@pytest.fixture
async def ids(app: Application, client: httpx.AsyncClient, keys: Keys) -> dict[str, str]:
    return await made_ids(app, client, keys)


@shared_fixture
async def shared_ids(shared_app: Application, shared_client: httpx.AsyncClient, shared_keys: Keys) -> dict[str, str]:
    return await made_ids(shared_app, shared_client, shared_keys)


async def made_ids(app: Application, client: httpx.AsyncClient, keys: Keys) -> dict[str, str]:
    await signed_in(app, client, "ada@example.com")
    await client.put("/v1/projects/mine/members/ada@example.com", json={"role": "viewer"}, headers=bearer(keys.project))
    made = await client.post("/v1/snapshots?endpoint=prices", json={"a": 1}, headers=bearer(keys.project))
    return {"snapshot": made.json()["snapshot"]["id"], "read": secrets.parse(keys.read).public_id}


@pytest.mark.parametrize("done", DONE, ids=str)
async def test_what_is_done_is_on_record(
    client: httpx.AsyncClient, keys: Keys, ids: dict[str, str], done: Done
) -> None:
    before = (await entries(client, keys.account))[0]["seq"]
    key = getattr(keys, done.key)
    headers = bearer(key) | {"x-request-id": "trace-1"}
    answer = await client.request(done.method, done.path.format(**ids), json=done.body, headers=headers)
    assert answer.status_code == done.status, answer.text
    [row] = [row for row in await entries(client, keys.account, action=done.action) if row["seq"] > before]
    assert row["actor"] == f"key {secrets.parse(key).public_id}"
    assert (row["address"], row["request_id"], row["outcome"], row["repeats"]) == ("127.0.0.1", "trace-1", "ok", 1)
    assert row["target"].partition(" ")[0] == done.target
    assert row["name"] == done.name
    assert row["detail"].items() >= done.detail.items()
    assert (row["project_id"] is None) == (done.action == "backup.download")
    assert "ann@example.com" not in json.dumps(row)


@shared
async def test_what_is_exported_of_all_projects_is_about_none(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await shared_client.get("/v1/audit?format=csv", headers=bearer(own_keys.account))
    [row] = await entries(shared_client, own_keys.account, action="audit.export")
    assert row["project_id"] is None


@pytest.mark.parametrize("done", [done for done in DONE if done.method != "GET" and done.action != "sql.run"], ids=str)
@shared
async def test_what_is_refused_is_not(
    shared_client: httpx.AsyncClient, shared_keys: Keys, shared_ids: dict[str, str], done: Done
) -> None:
    """By a key of the project without the scope for it."""
    client, keys, path = shared_client, shared_keys, done.path.format(**shared_ids)
    before = await entries(client, keys.account)
    answer = await client.request(done.method, path, json=done.body, headers=bearer(keys.ingest))
    assert answer.status_code == 403
    assert await entries(client, keys.account) == before


@shared
async def test_a_repeated_request_is_one_row(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for _ in range(2):
        headers = bearer(own_keys.account) | {"idempotency-key": "once"}
        assert (await shared_client.post("/v1/projects", json={"name": "once"}, headers=headers)).status_code == 201
    assert [row["name"] for row in await entries(shared_client, own_keys.account, action="project.create")].count(
        "once"
    ) == 1


async def test_a_key_is_recorded_when_it_is_used_for_the_first_time(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    for _ in range(2):
        for _ in range(3):
            await client.post("/v1/track", json={"userId": "u", "event": "e"}, headers=bearer(keys.ingest))
        await accounts_tasks.write_last_uses(app.services)
        clock.advance(60_000)
    rows = await entries(
        client, keys.account, action="key.first_use", target=f"key {secrets.parse(keys.ingest).public_id}"
    )
    assert [(row["actor"], row["address"]) for row in rows] == [(rows[0]["target"], "127.0.0.1")]


@shared
async def test_events_and_snapshots_leave_no_rows(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    before = await entries(shared_client, own_keys.account)
    for path in ("/v1/track", "/v1/events", "/v1/snapshots?endpoint=prices"):
        body = {"userId": "u", "event": "e", "eventType": "e", "source": "s"}
        assert (await shared_client.post(path, json=body, headers=bearer(own_keys.project))).is_success
    assert await entries(shared_client, own_keys.account) == before


async def test_many_alike_are_one_row(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    for _ in range(5):
        await client.post("/v1/sql", json={"sql": SQL}, headers=bearer(keys.project))
    await audit.write_repeats(app.services)
    rows = await entries(client, keys.account, action="sql.run")
    assert [row["repeats"] for row in rows] == [4, 1]
    assert rows[0]["target"] == rows[1]["target"]
    assert (rows[0]["request_id"], (await verified(app.services)).broken) == ("", [])


# Who sees what


@shared
async def test_a_project_sees_its_own_and_nobody_elses(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for key in (own_keys.project, own_keys.other):
        await shared_client.put("/v1/events/retention", json={"days": 3}, headers=bearer(key))
    mine, others = await entries(shared_client, own_keys.project), await entries(shared_client, own_keys.other)
    assert {row["project_id"] for row in mine}.isdisjoint(row["project_id"] for row in others)
    assert len({row["project_id"] for row in mine}) == len({row["project_id"] for row in others}) == 1
    [other] = {row["project_id"] for row in others}
    assert await entries(shared_client, own_keys.project, project=other) == []
    assert await entries(shared_client, own_keys.account, project=other) == others
    assert await entries(shared_client, own_keys.account, project_id=other) == others
    for seen in (*mine, *others):
        assert seen in await entries(shared_client, own_keys.account, limit=1000)


@shared
async def test_a_deleted_projects_rows_stay_with_the_account(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    [mine] = {row["project_id"] for row in await entries(shared_client, own_keys.project)}
    await shared_client.delete("/v1/projects/mine", headers=bearer(own_keys.account))
    assert (await entries(shared_client, own_keys.account, project=mine))[0]["action"] == "project.delete"


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("editor", 403), ("admin", 200)])
async def test_members_see_their_projects_rows_as_admins(
    app: Application, client: httpx.AsyncClient, keys: Keys, role: str, status: int
) -> None:
    token = await signed_in(app, client, "ada@example.com")
    await client.put("/v1/projects/mine/members/ada@example.com", json={"role": role}, headers=bearer(keys.account))
    answer = await client.get("/v1/audit", headers=bearer(token) | {"x-tenant-id": "mine"})
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["data"] == await entries(client, keys.project)
    assert (await client.get("/v1/audit", headers=bearer(token))).status_code == 403


# Filters, pages, files


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("action=nonsense", "action"),
        ("format=xml", "format"),
        ("project=mine", "project"),
        ("from=nonsense", "from"),
        ("from=2026-01-02&to=2026-01-01", "from"),
        ("cursor=nonsense", "cursor"),
        ("limit=0", "limit"),
        ("nonsense=1", "nonsense"),
    ],
)
@shared
async def test_wrong_filters_are_refused(
    shared_client: httpx.AsyncClient, own_keys: Keys, query: str, field: str
) -> None:
    answer = await shared_client.get(f"/v1/audit?{query}", headers=bearer(own_keys.account))
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_filters(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    clock.advance(10_000)
    for name in ("one", "two"):
        await client.post("/v1/projects", json={"name": name}, headers=bearer(keys.account))
        clock.advance(10_000)
    [two, one] = await entries(client, keys.account, action="project.create", limit=2)
    assert (two["name"], one["name"]) == ("two", "one")
    assert await entries(client, keys.account, target=one["target"]) == [one]
    assert await entries(client, keys.account, actor=one["actor"]) == [two, one]
    assert await entries(client, keys.account, project=one["project_id"].upper()) == [one]
    assert await entries(client, keys.account, **{"from": two["at"]}) == [two]
    assert await entries(client, keys.account, to=two["at"], limit=1) == [one]
    assert await entries(client, keys.account, actor="x", action="login", target="y") == []


@shared
async def test_pages_of_one_time_follow_each_other(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for n in range(7):
        await shared_client.post("/v1/projects", json={"name": f"p{n}"}, headers=bearer(own_keys.account))
    every = await entries(shared_client, own_keys.account)
    paged, url = [], "/v1/audit?limit=2"
    while url:
        answer = await shared_client.get(url, headers=bearer(own_keys.account))
        paged += answer.json()["data"]
        url = answer.links.get("next", {}).get("url", "")
    assert paged == every
    assert [row["seq"] for row in every] == sorted((row["seq"] for row in every), reverse=True)


@shared
async def test_files_hold_all_rows(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await shared_client.post("/v1/projects", json={"name": "=cmd()"}, headers=bearer(own_keys.account))
    await shared_client.get(
        "/v1/audit?format=csv", headers=bearer(own_keys.account)
    )  # is on record itself, once in a minute
    every = await entries(shared_client, own_keys.account)
    lines = await shared_client.get("/v1/audit?format=ndjson&limit=1", headers=bearer(own_keys.account))
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in lines.text.splitlines()] == every
    table = await shared_client.get("/v1/audit?format=csv", headers=bearer(own_keys.account))
    assert table.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["hash"] for row in rows] == [row["hash"] for row in every]
    assert "'=cmd()" in {row["name"] for row in rows}


@pytest.mark.parametrize("detail", ["", "{", "[]", "7"])
async def test_an_entry_that_somebody_else_wrote_is_reported_as_damage(
    app: Application, client: httpx.AsyncClient, keys: Keys, detail: str
) -> None:
    await app.services.db.write(lambda tx: tx.run("UPDATE audit SET detail = ? WHERE seq = 2", detail))
    answer = await client.get("/v1/audit", headers=bearer(keys.account))
    assert (answer.status_code, answer.json()["code"]) == (500, "DATABASE_ERROR")
    assert "row 2 of the audit log is damaged" in answer.json()["message"]


async def test_a_project_that_is_gone_is_not_found(app: Application) -> None:
    """A request may wait until its project is deleted and swept."""
    with pytest.raises(NotFound, match="deleted"):
        await audit.note_in(app.services, 4711, "sql.run")
    with pytest.raises(NotFound, match="deleted"):
        await app.services.db.write(audit.record_in, 4711, "endpoint.delete")
