from functools import partial
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core import ids
from delta_server.features.accounts import service as accounts
from delta_server.features.projects import service as projects
from delta_server.features.projects import store, tasks
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.transaction import SqliteTx
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.storage.opened import FakeClock

NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"

REFUSED = [
    Row("list without a key", "GET", "/v1/projects", 401, key=None),
    Row("make without a key", "POST", "/v1/projects", 401, key=None, body={"name": "new"}),
    Row("get without a key", "GET", "/v1/projects/mine", 401, key=None),
    Row("usage without a key", "GET", "/v1/projects/mine/usage", 401, key=None),
    Row("change without a key", "PATCH", "/v1/projects/mine", 401, key=None, body={"name": "new"}),
    Row("delete without a key", "DELETE", "/v1/projects/mine", 401, key=None),
    Row("get with a revoked key", "GET", "/v1/projects/mine", 401, key="revoked", says="revoked"),
    Row("get with an expired key", "GET", "/v1/projects/mine", 401, key="expired", says="expired"),
    Row("get another's", "GET", "/v1/projects/mine", 404, key="other"),
    Row("usage of another's", "GET", "/v1/projects/mine/usage", 404, key="other"),
    Row("change another's", "PATCH", "/v1/projects/mine", 404, key="other", body={"name": "new"}),
    Row("delete another's", "DELETE", "/v1/projects/mine", 404, key="other"),
    Row("get what is not there", "GET", f"/v1/projects/{NOBODY}", 404, key="account", says="GET /v1/projects"),
    Row("get a name that is not there", "GET", "/v1/projects/%00%F0%9F%90%8B%2F", 404, key="account"),
    Row("make with a project's key", "POST", "/v1/projects", 403, body={"name": "new"}, says="account key"),
    Row("change with a write key", "PATCH", "/v1/projects/mine", 403, key="write", body={"name": "new"}),
    Row("delete with a write key", "DELETE", "/v1/projects/mine", 403, key="write"),
    Row("no name", "POST", "/v1/projects", 400, key="account", body={}, field="name"),
    Row("an empty name", "POST", "/v1/projects", 400, key="account", body={"name": ""}, field="name"),
    Row("a name of a wrong type", "POST", "/v1/projects", 400, key="account", body={"name": 7}, field="name"),
    Row(
        "an endless name", "POST", "/v1/projects", 400, key="account", body={"name": "x" * 100_000}, says="at most 200"
    ),
    Row("a name with NUL", "POST", "/v1/projects", 400, key="account", body={"name": "a\0b"}, says="U+0000"),
    Row("a name with a right-to-left mark", "POST", "/v1/projects", 400, key="account", body={"name": "a\u200fb"}),
    Row("a name like an id", "POST", "/v1/projects", 400, key="account", body={"name": NOBODY}, says="like an id"),
    Row("an unknown field", "POST", "/v1/projects", 400, key="account", body={"name": "a", "color": 1}, field="color"),
    Row("its id chosen", "POST", "/v1/projects", 400, key="account", body={"name": "a", "id": NOBODY}, field="id"),
    Row("its account chosen", "POST", "/v1/projects", 400, key="account", body={"name": "a", "account": 2}),
    Row(
        "a description too long",
        "POST",
        "/v1/projects",
        400,
        key="account",
        body={"name": "a", "description": "x" * 2001},
        field="description",
    ),
    Row("a list for a body", "POST", "/v1/projects", 400, key="account", body=[]),
    Row("no JSON", "POST", "/v1/projects", 400, key="account", raw=b"{name: 1}", says="not valid JSON"),
    Row("bad UTF-8", "POST", "/v1/projects", 400, key="account", raw=b'{"name": "\xff"}', says="UTF-8"),
    Row("half a surrogate pair", "POST", "/v1/projects", 400, key="account", raw=b'{"name": "\\ud800"}'),
    Row("a name given twice", "POST", "/v1/projects", 400, key="account", raw=b'{"name":"a","name":"b"}', field="name"),
    Row("a deep body", "POST", "/v1/projects", 400, key="account", raw=b'{"name":' + b"[" * 100_000),
    Row(
        "its creation changed",
        "PATCH",
        "/v1/projects/mine",
        400,
        body={"created_at": "2020-01-01T00:00:00Z"},
        field="created_at",
    ),
    Row("its name taken away", "PATCH", "/v1/projects/mine", 400, body={"name": None}, field="name"),
    Row("an unknown parameter", "GET", "/v1/projects?sort=name", 400, field="sort"),
    Row("a limit too large", "GET", "/v1/projects?limit=1001", 400, field="limit"),
    Row("a limit of nothing", "GET", "/v1/projects?limit=0", 400, field="limit"),
    Row("a broken cursor", "GET", "/v1/projects?cursor=x", 400, says="cursor"),
    Row("a name that is taken", "POST", "/v1/projects", 409, key="account", body={"name": "other"}, field="name"),
    Row(
        "a change to a name that is taken",
        "PATCH",
        "/v1/projects/mine",
        409,
        key="account",
        body={"name": "other"},
        field="name",
    ),
    Row("rename to a taken name by its own key", "PATCH", "/v1/projects/mine", 409, body={"name": "other"}),
    Row("rename with a write key", "PATCH", "/v1/projects/mine", 403, key="write", body={"name": "free"}),
    Row("its owner chosen", "PATCH", "/v1/projects/mine", 400, body={"owner_id": NOBODY}, field="owner_id"),
    Row("its id chosen, later", "PATCH", "/v1/projects/mine", 400, body={"id": NOBODY}, field="id"),
    Row("transfer without a key", "POST", "/v1/projects/mine/transfer", 401, key=None, body={"owner": "a@b.c"}),
    Row("transfer with its own key", "POST", "/v1/projects/mine/transfer", 403, body={"owner": "a@b.c"}),
    Row("transfer with a write key", "POST", "/v1/projects/mine/transfer", 403, key="write", body={"owner": "a@b.c"}),
    Row("transfer another's", "POST", "/v1/projects/mine/transfer", 404, key="other", body={"owner": "a@b.c"}),
    Row("transfer what is not there", "POST", "/v1/projects/no/transfer", 404, key="account", body={"owner": "a@b.c"}),
    Row("transfer to nobody", "POST", "/v1/projects/mine/transfer", 404, key="account", body={"owner": "a@b.c"}),
    Row("transfer to nothing", "POST", "/v1/projects/mine/transfer", 400, key="account", body={}, field="owner"),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals_change_nothing(shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    before = await listed(shared_client, shared_keys)
    await check(shared_client, shared_keys, row)
    assert await listed(shared_client, shared_keys) == before


@pytest.mark.parametrize("name", ["shop", "GET /prices", "..a", "價格", "מחירים", "🐋", "50 %", "x" * 200])
async def test_a_project_is_made_and_found_by_id_and_name(client: httpx.AsyncClient, keys: Keys, name: str) -> None:
    body = {"name": name, "description": "two\nlines"}
    made = (await check(client, keys, Row("", "POST", "/v1/projects", 201, key="account", body=body)))["project"]
    assert made == {
        "id": made["id"],
        "name": name,
        "description": "two\nlines",
        "created_at": "2026-01-01T00:00:00.002Z",
        "updated_at": "2026-01-01T00:00:00.002Z",
        "plan": "enterprise",
    }
    for text in (
        made["id"],
        made["id"].upper(),
        httpx.URL("/", params={"q": name}).query.decode()[2:].replace("+", "%20"),
    ):
        assert (await check(client, keys, Row("", "GET", f"/v1/projects/{text}", 200, key="account")))[
            "project"
        ] == made


@shared
async def test_the_same_name_in_other_forms_is_the_same_name(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await check(shared_client, own_keys, Row("", "POST", "/v1/projects", 201, key="account", body={"name": "dépôt"}))
    again = Row("", "POST", "/v1/projects", 409, key="account", body={"name": "de\u0301po\u0302t"})
    await check(shared_client, own_keys, again)


@shared
async def test_a_repeated_request_makes_one_project(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    headers = {**bearer(own_keys.account), "idempotency-key": "once"}
    first = await shared_client.post("/v1/projects", headers=headers, json={"name": "new"})
    second = await shared_client.post("/v1/projects", headers=headers, json={"name": "new"})
    third = await shared_client.post("/v1/projects", headers=headers, json={"name": "newer"})
    assert (first.status_code, second.status_code, third.status_code) == (201, 201, 422)
    assert first.content == second.content
    assert second.headers["idempotency-replayed"] == "true"
    assert [project["name"] for project in await listed(shared_client, own_keys)] == ["mine", "new", "other"]


async def test_a_change_leaves_the_rest(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    before = (await check(client, keys, Row("", "GET", "/v1/projects/mine", 200)))["project"]
    clock.advance(1000)
    steps: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"description": "words"}, {"description": "words", "updated_at": "2026-01-01T00:00:01.002Z"}),
        ({}, {"description": "words", "updated_at": "2026-01-01T00:00:01.002Z"}),
        ({"name": "ours"}, {"name": "ours", "description": "words", "updated_at": "2026-01-01T00:00:01.002Z"}),
        ({"description": None}, {"name": "ours", "description": "", "updated_at": "2026-01-01T00:00:01.002Z"}),
    ]
    for change, wanted in steps:
        row = Row("", "PATCH", f"/v1/projects/{before['id']}", 200, key="account", body=change)
        assert (await check(client, keys, row))["project"] == before | wanted
    await check(client, keys, Row("", "GET", "/v1/projects/mine", 404))


@shared
async def test_a_project_s_own_admin_key_renames_it(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await check(shared_client, own_keys, Row("", "PATCH", "/v1/projects/mine", 200, body={"name": "ours"}))
    ours = await check(shared_client, own_keys, Row("", "GET", "/v1/projects/ours", 200, key="read"))
    assert [scope in ours["scopes"] for scope in ("read", "snapshots:read", "snapshots:write")] == [True, True, False]
    assert [project["name"] for project in await listed(shared_client, own_keys)] == ["other", "ours"]


@shared
async def test_lists_go_on_where_the_page_before_ended(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for name in ("b/1", "b/2", "b", "c"):
        await check(shared_client, own_keys, Row("", "POST", "/v1/projects", 201, key="account", body={"name": name}))
    found, path = [], "/v1/projects?limit=2&namePrefix=b"
    while path:
        answer = await shared_client.get(path, headers=bearer(own_keys.account))
        page = answer.json()
        found.append([project["name"] for project in page["data"]])
        path = answer.links["next"]["url"] if page["has_more"] else ""
        assert (page["next_cursor"] is not None) == page["has_more"] == ("next" in answer.links)
    assert found == [["b", "b/1"], ["b/2"]]


@shared
async def test_a_projects_key_sees_its_own_alone(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    names = [
        [project["name"] for project in await listed(shared_client, own_keys, key)]
        for key in ("read", "other", "account")
    ]
    assert names == [["mine"], ["other"], ["mine", "other"]]
    none = await check(shared_client, own_keys, Row("", "GET", "/v1/projects?name_prefix=other", 200))
    assert none == {"data": [], "has_more": False, "next_cursor": None}


async def test_usage_counts_what_is_kept(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": "kept"}))
    await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": "gone"}))
    await check(client, keys, Row("", "POST", "/v1/endpoints", 201, key="other", body={"name": "elsewhere"}))
    await app.services.db.write(_fill)
    await check(client, keys, Row("", "DELETE", "/v1/endpoints/gone", 204))
    usage = (await check(client, keys, Row("", "GET", "/v1/projects/mine/usage", 200, key="read")))["usage"]
    assert usage == {"endpoints": 1, "snapshots": 3, "contents": 2, "raw_bytes": 1200, "stored_bytes": 120}


def _fill(tx: Tx) -> None:
    """In each endpoint 3 snapshots of 2 contents, 1 dead content, a pack of 1000 bytes in 70, a frame of 700 in 50."""
    for number, (endpoint,) in enumerate(tx.all("SELECT id FROM endpoint ORDER BY id")):
        base = 10 * number
        content = (
            "INSERT INTO content (id, endpoint, captured_at, size, hash, dead, pending) VALUES (?, ?, 0, ?, x'', ?, 0)"
        )
        tx.many(content, [(base + 1, endpoint, 500, 0), (base + 2, endpoint, 700, 0), (base + 3, endpoint, 500, 1)])
        snapshot = "INSERT INTO snapshot (uid, endpoint, captured_at, content) VALUES (?, ?, ?, ?)"
        tx.many(snapshot, [(tx.new_id(), endpoint, at, base + 1) for at in range(3)])
        tx.run(
            "INSERT INTO pack (endpoint, captured_at, deep, chain, contents, size, created_at, members, anchor, data)"
            " VALUES (?, 0, 0, 0, 2, 1000, 0, zeroblob(10), zeroblob(20), zeroblob(40))",
            endpoint,
        )
        frame = "INSERT INTO frame (content, endpoint, size, depth, data) VALUES (?, ?, 700, 1, zeroblob(50))"
        tx.run(frame, base + 2, endpoint)


async def test_a_deleted_project_is_gone_with_its_keys(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": "users"}))
    gone = (await check(client, keys, Row("", "GET", "/v1/projects/mine", 200)))["project"]
    await check(client, keys, Row("", "DELETE", "/v1/projects/mine", 204))
    for key in ("project", "read", "write"):
        await check(client, keys, Row("", "GET", "/v1/endpoints", 403, key=key, says="in the bin until 2026-01-08"))
    for text in ("mine", gone["id"]):
        await check(client, keys, Row("", "GET", f"/v1/projects/{text}", 404, key="account"))
        await check(client, keys, Row("", "DELETE", f"/v1/projects/{text}", 404, key="account"))
    await check(client, keys, Row("", "GET", "/v1/projects/other", 200, key="other"))
    again = Row("", "POST", "/v1/projects", 201, key="account", body={"name": "mine"})
    assert (await check(client, keys, again))["project"]["id"] != gone["id"]


async def test_a_deleted_projects_row_goes_once_it_is_empty(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    db = app.services.db
    await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": "users"}))
    await check(client, keys, Row("", "DELETE", "/v1/projects/mine?purge=true", 204))
    await tasks.remove_deleted(app.services)
    assert await db.read(lambda tx: tx.all("SELECT name, deleted_at IS NULL FROM endpoint")) == [("users", 0)]
    assert await db.read(lambda tx: tx.one("SELECT count(*) FROM project")) == (2,)
    await db.write(lambda tx: tx.run("DELETE FROM endpoint"))  # as the sweep of contents does in the end
    await tasks.remove_deleted(app.services)
    assert await db.read(lambda tx: tx.all("SELECT name FROM project")) == [("other",)]
    assert {key.project for _, key in await db.write(lambda tx: accounts.list_keys(tx, 1))} == {"other", None}


async def test_ensure_makes_a_project_once(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    made = [await app.services.db.write(projects.ensure, 1, "new") for _ in range(2)]
    assert made[0] == made[1]
    assert ids.time_ms(made[0].uid) == app.services.clock.now_ms()
    await check(client, keys, Row("", "GET", "/v1/projects/new", 200, key="account"))


async def listed(client: httpx.AsyncClient, keys: Keys, key: str = "account") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await check(client, keys, Row("", "GET", "/v1/projects", 200, key=key)))["data"]
    return found


async def test_deleting_reads_no_other_projects_rows(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has to do with one project is found by an index; so are the rows that refer to it when it goes."""
    ran: dict[str, tuple[Any, ...]] = {}
    execute = SqliteTx._execute

    def noting(tx: SqliteTx, sql: str, params: tuple[Any, ...]) -> Any:
        ran[sql] = params
        return execute(tx, sql, params)

    monkeypatch.setattr(SqliteTx, "_execute", noting)
    db = services.db
    await db.write(accounts.delete_keys_of, 1, 10)
    await db.write(partial(store.mark_deleted, purge_at=None), 1, 1)
    await db.read(store.being_removed, 10)
    await db.write(store.remove_endpoints, 1, 10)
    await db.read(store.removed_and_empty, 10)
    plans = {sql: await db.write(_plan, sql, params) for sql, params in list(ran.items()) if "project" in sql}
    assert len(plans) == 5
    for sql, plan in plans.items():
        assert not [line for line in plan if line.startswith("SCAN") and "project_bin" not in line], (sql, plan)
    indexed = await db.read(lambda tx: tx.all("SELECT tbl_name FROM sqlite_schema WHERE sql LIKE '% (project)'"))
    assert sorted(indexed) == [
        ("api_key",),
        ("dataset_client",),
        ("endpoint",),
        ("outbox",),
    ]  # the foreign keys that refer to project


def _plan(tx: Tx, sql: str, params: tuple[Any, ...]) -> list[str]:
    return [row[3] for row in tx.all(f"EXPLAIN QUERY PLAN {sql}", *params)]
