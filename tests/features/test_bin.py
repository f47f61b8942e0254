"""The bin: deleted projects and endpoints are found by nobody, come back as they were, or go for good."""

import re
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.errors import NotFound
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints import tasks as endpoint_tasks
from delta_server.features.projects import store as project_store
from delta_server.features.projects import tasks as project_tasks
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey
from tests.conftest import Keys, bearer, built, client_of, make_keys, shared, shared_fixture, started
from tests.features.rows import Row, check
from tests.features.test_foreign_tenants import BY_ID, COUNTED, SHOWN, Ask, Tenants, get
from tests.features.users.people import add, login, signed_in
from tests.storage.opened import FakeClock

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
UNTIL = "2026-01-08T00:00:00.002Z"
"""Seven days after the clock of these tests."""


@pytest.fixture
def tenants(app: Application, client: httpx.AsyncClient, keys: Keys) -> Tenants:
    return Tenants(app, client, keys)


@pytest.fixture
async def filled(client: httpx.AsyncClient, keys: Keys) -> dict[str, str]:
    return await fill(client, keys)


@shared_fixture
async def shared_filled(shared_client: httpx.AsyncClient, shared_keys: Keys) -> dict[str, str]:
    return await fill(shared_client, shared_keys)


async def fill(client: httpx.AsyncClient, keys: Keys) -> dict[str, str]:
    """Ids of `prices`, which is there, and of `gone` and the project `away`, which lie in the bin."""
    ids = {}
    for name in ("prices", "gone"):
        made = await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": name}))
        ids[name] = made["endpoint"]["id"]
    away = await check(client, keys, Row("", "POST", "/v1/projects", 201, key="account", body={"name": "away"}))
    ids["away"] = away["project"]["id"]
    await check(client, keys, Row("", "DELETE", "/v1/endpoints/gone", 204))
    await check(client, keys, Row("", "DELETE", "/v1/projects/away", 204, key="account"))
    return ids


E, P = "/v1/endpoints", "/v1/projects"
REFUSED = [
    Row("restore an endpoint without a key", "POST", f"{E}/gone/restore", 401, key=None),
    Row("restore another's endpoint", "POST", f"{E}/gone/restore", 404, key="other", says="?deleted=true"),
    Row("restore another's endpoint by id", "POST", f"{E}/{{gone}}/restore", 404, key="other"),
    Row("purge another's endpoint", "DELETE", f"{E}/{{gone}}?purge=true", 404, key="other"),
    Row("restore an endpoint with a write key", "POST", f"{E}/gone/restore", 403, key="write", says="endpoints:admin"),
    Row("purge an endpoint with a write key", "DELETE", f"{E}/gone?purge=true", 403, key="write"),
    Row("restore an endpoint that is there", "POST", f"{E}/prices/restore", 404),
    Row("restore an endpoint that never was", "POST", f"{E}/{ID}/restore", 404),
    Row("restore an endpoint under a name that is taken", "POST", f"{E}/gone/restore?name=prices", 409, field="name"),
    Row("restore an endpoint under no name", "POST", f"{E}/gone/restore?name=%20", 400, field="name"),
    Row("restore an endpoint under a control character", "POST", f"{E}/gone/restore?name=a%00", 400, field="name"),
    Row("delete an endpoint again", "DELETE", f"{E}/gone", 404),
    Row("delete an endpoint with a wrong purge", "DELETE", f"{E}/gone?purge=maybe", 400),
    Row("list what is deleted with a cursor of the other list", "GET", f"{E}?deleted=true&cursor=x", 400),
    Row("restore a project without a key", "POST", f"{P}/away/restore", 401, key=None),
    Row("restore a project with a project's key", "POST", f"{P}/away/restore", 404, key="other"),
    Row("restore a project with a read key", "POST", f"{P}/away/restore", 403, key="read", says="projects:admin"),
    Row("purge a project with a project's key", "DELETE", f"{P}/{{away}}?purge=true", 404, key="other"),
    Row("restore a project that is there", "POST", f"{P}/mine/restore", 404, key="account"),
    Row("restore a project that never was", "POST", f"{P}/{ID}/restore", 404, key="account"),
    Row(
        "restore a project under a taken name", "POST", f"{P}/away/restore?name=mine", 409, key="account", says="?name="
    ),
    Row("restore a project under no name", "POST", f"{P}/away/restore?name=", 400, key="account", field="name"),
    Row("delete a project again", "DELETE", f"{P}/{{away}}", 404, key="account"),
    Row("get a project in the bin", "GET", f"{P}/{{away}}", 404, key="account"),
    Row("rename a project in the bin", "PATCH", f"{P}/{{away}}", 404, key="account", body={"name": "x"}),
    Row("members of a project in the bin", "GET", f"{P}/{{away}}/members", 404, key="account"),
    Row("a key for a project in the bin", "POST", "/v1/auth/api-keys", 404, key="account", body={"project": "away"}),
    Row("within a project in the bin", "GET", f"{E}?project_id=away", 403, key="account"),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals_change_nothing(
    shared_client: httpx.AsyncClient, shared_keys: Keys, shared_filled: dict[str, str], row: Row
) -> None:
    client, keys = shared_client, shared_keys
    before = [await _listed(client, keys.account, P), await _listed(client, keys.project, E)]
    await check(client, keys, msgspec.structs.replace(row, path=row.path.format(**shared_filled)))
    assert [await _listed(client, keys.account, P), await _listed(client, keys.project, E)] == before
    [endpoint] = await _listed(client, keys.project, f"{E}?deleted=true")
    assert (endpoint["name"], endpoint["deleted_at"], endpoint["purge_at"]) == (
        "gone", "2026-01-01T00:00:00.002Z", UNTIL
    )  # fmt: skip
    assert [one["name"] for one in await _listed(client, keys.account, f"{P}?deleted=true")] == ["away"]
    assert await _listed(client, keys.other, f"{E}?deleted=true") == []
    assert await _listed(client, keys.other, f"{P}?deleted=true") == []


async def _listed(client: httpx.AsyncClient, key: str, path: str) -> list[dict[str, Any]]:
    answer = await client.get(path, headers=bearer(key))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


NAMED = [ask for ask in (*SHOWN, *BY_ID) if "prices" in ask.path or "{endpoint}" in ask.path]
READS = [*SHOWN, *(ask for ask in BY_ID if ask.method == "GET"), *(Ask(*counted[:3]) for counted in COUNTED)]


async def _bytes(tenants: Tenants, name: str, asked: list[Ask]) -> dict[str, bytes]:
    """Answers, without those that tell how long they took or when a key was last used."""
    lasting = [ask for ask in asked if "/v1/auth/api-keys" not in ask.path and not ask.path.startswith("/v1/query")]
    lasting = [ask for ask in lasting if ask.path != "/v1/sql" and "analytics" not in ask.path]
    sent = {str(ask): await tenants.send(name, _of(ask, tenants.ids[name])) for ask in lasting}
    return {ask: re.sub(rb'"took_ms":[0-9.e-]+', b"", answer.content) for ask, answer in sent.items()}


def _of(ask: Ask, ids: dict[str, str]) -> Ask:
    return ask.of(ids) if ask in BY_ID else msgspec.structs.replace(ask, path=ask.path.format(**ids))


async def test_an_endpoint_is_gone_and_comes_back_byte_for_byte(tenants: Tenants, keys: Keys) -> None:
    for name in ("project", "other"):
        await tenants.fill(name)
    before = {name: await _bytes(tenants, name, READS) for name in ("project", "other")}
    sql = {name: await tenants.shown(name) for name in ("project", "other")}
    await tenants.send("project", Ask("DELETE", "/v1/endpoints/prices"), status=204)
    for ask in NAMED:
        await tenants.send("project", _of(ask, tenants.ids["project"]), status=404)
    mark = tenants.ids["project"]["mark"] + "-"
    for ask in (get("/v1/snapshots"), get("/v1/deltas"), get("/v1/endpoints")):
        assert mark not in (await tenants.send("project", ask)).text
    for view in ("snapshots", "deltas", "fields"):
        answer = await tenants.send("project", Ask("POST", "/v1/sql", {"sql": f"SELECT count(*) AS n FROM {view}"}))
        assert answer.json()["rows"] in ([[0]], [{"n": 0}]), answer.text
    await _work(tenants.app.services)
    assert await _bytes(tenants, "other", READS) == before["other"]
    await tenants.send("project", Ask("POST", "/v1/endpoints/prices/restore"), status=200)
    assert await _bytes(tenants, "project", READS) == before["project"]
    assert {name: await tenants.shown(name) for name in ("project", "other")} == sql


async def test_a_project_is_gone_with_its_keys_and_comes_back_byte_for_byte(
    tenants: Tenants, client: httpx.AsyncClient, keys: Keys
) -> None:
    for name in ("project", "other"):
        await tenants.fill(name)
    before = {name: await _bytes(tenants, name, READS) for name in ("project", "other")}
    shown = {name: await tenants.shown(name) for name in ("project", "other")}
    await tenants.send("account", Ask("DELETE", "/v1/projects/mine"), status=204)
    for ask in (*READS, *BY_ID):
        refused = await tenants.send("project", _of(ask, tenants.ids["project"]), status=403)
        assert f"in the bin until {UNTIL}" in refused.json()["message"], str(ask)
    events = [{"eventType": "late", "userId": "u"}]
    for key in (keys.ingest, keys.write):
        sent = await client.post("/v1/events/batch", json=events, headers=bearer(key))
        assert sent.status_code == 403, sent.text
    there = await _listed(client, keys.account, "/v1/auth/api-keys?limit=1000")
    assert "mine" not in {key["project"] for key in there}
    await _work(tenants.app.services)
    await tenants.send("account", Ask("POST", "/v1/projects/mine/restore"), status=200)
    assert await _bytes(tenants, "project", READS) == before["project"]
    assert await _bytes(tenants, "other", READS) == before["other"]
    assert {name: await tenants.shown(name) for name in ("project", "other")} == shown


async def test_what_is_purged_does_not_come_back(tenants: Tenants, client: httpx.AsyncClient, keys: Keys) -> None:
    """At once, also out of the bin; what others have stays."""
    for name in ("project", "other"):
        await tenants.fill(name)
    other = await _bytes(tenants, "other", READS)
    ids = tenants.ids["project"]
    await tenants.send("project", Ask("DELETE", "/v1/endpoints/prices"), status=204)
    await tenants.send("project", Ask("DELETE", "/v1/endpoints/prices?purge=true"), status=204)
    assert await _listed(client, keys.project, f"{E}?deleted=true") == []
    await tenants.send("project", Ask("POST", f"/v1/endpoints/{ids['endpoint']}/restore"), status=404)
    await tenants.send("account", Ask("DELETE", "/v1/projects/mine?purge=true"), status=204)
    assert await _listed(client, keys.account, f"{P}?deleted=true") == []
    await tenants.send("account", Ask("POST", f"/v1/projects/{ids['project']}/restore"), status=404)
    await tenants.send("account", Ask("DELETE", f"/v1/projects/{ids['project']}?purge=true"), status=404)
    refused = await tenants.send("project", get("/v1/endpoints"), status=401)
    assert "has been deleted" in refused.json()["message"]
    await _work(tenants.app.services)
    assert await _left(tenants.app.services) == {}
    assert await _bytes(tenants, "other", READS) == other


async def _work(svc: Services) -> None:
    """What the background does about deleted things."""
    await project_tasks.remove_deleted(svc)
    await endpoint_tasks.remove_deleted(svc)
    await project_tasks.remove_deleted(svc)


async def _left(svc: Services) -> dict[str, int]:
    """Rows of the project with the number 1."""

    def count(tx: Tx) -> dict[str, int]:
        of_endpoints = "SELECT count(*) FROM {} WHERE endpoint NOT IN (SELECT id FROM endpoint)"
        found = {
            "project": tx.one("SELECT count(*) FROM project WHERE project.id = 1"),
            **{
                table: tx.one(f"SELECT count(*) FROM {table} WHERE project = 1")
                for table in ("endpoint", "api_key", "member", "event_block", "segment", "profile", "outbox")
            },
            **{table: tx.one(of_endpoints.format(table)) for table in ("snapshot", "content", "frame", "pack")},
        }
        return {table: row[0] for table, row in found.items() if row and row[0]}

    return await svc.db.read(count)


@pytest.mark.parametrize("days", [0, 1, 7])
async def test_after_its_time_the_background_removes_it(config: Config, clock: FakeClock, days: int) -> None:
    storage = msgspec.structs.replace(config.storage, bin_days=days)
    config = msgspec.structs.replace(config, storage=storage)
    async with started(built(config, clock)) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        await check(client, keys, Row("", "POST", "/v1/snapshots?endpoint=e", 201, body={"a": 1}))
        await check(client, keys, Row("", "POST", "/v1/snapshots?endpoint=f", 201, key="other", body={"a": 1}))
        await check(client, keys, Row("", "DELETE", "/v1/endpoints/f", 204, key="other"))
        await check(client, keys, Row("", "DELETE", "/v1/projects/mine", 204))
        if days:
            clock.advance(days * times.DAY_MS - 1)
            await _work(app.services)
            assert len(await _listed(client, keys.account, f"{P}?deleted=true")) == 1
            clock.advance(1)
        status = 404  # its time has ended, whether or not the background has been there
        await check(client, keys, Row("", "POST", "/v1/projects/mine/restore", status, key="account"))
        await check(client, keys, Row("", "POST", "/v1/endpoints/f/restore", status, key="other"))
        assert await _listed(client, keys.account, f"{P}?deleted=true") == []
        assert await _listed(client, keys.other, f"{E}?deleted=true") == []
        await _work(app.services)
        assert await _left(app.services) == {}
        assert await app.services.db.read(lambda tx: tx.all("SELECT name FROM endpoint")) == []


async def test_a_clock_that_goes_back_brings_nothing_back_that_is_being_removed(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock, filled: dict[str, str]
) -> None:
    clock.advance(7 * times.DAY_MS)
    await _work(app.services)
    clock.advance(-7 * times.DAY_MS)
    await check(client, keys, Row("", "POST", "/v1/projects/away/restore", 404, key="account"))
    await check(client, keys, Row("", "POST", "/v1/endpoints/gone/restore", 404))


async def test_removal_that_is_broken_off_anywhere_goes_on(
    tenants: Tenants, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by kill -9 before any of its writes: each is a transaction."""
    await tenants.fill("project")
    await tenants.fill("other")
    other = await _bytes(tenants, "other", READS)
    await tenants.send("account", Ask("DELETE", "/v1/projects/mine?purge=true"), status=204)
    svc = tenants.app.services
    write = type(svc.db).write
    broken = 0
    for survived in range(1, 100):
        left = survived

        async def write_or_die(self: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyError("killed")
            return await write(self, fn, *args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(type(svc.db), "write", write_or_die)
            try:
                await _work(svc)
                break
            except KeyError:
                broken += 1
    assert broken > 2
    assert await _left(svc) == {}
    assert await _bytes(tenants, "other", READS) == other


async def test_what_an_older_version_deleted_goes_on_being_removed(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    """It set no time until which that can be restored."""
    await check(client, keys, Row("", "POST", "/v1/snapshots?endpoint=e", 201, body={"a": 1}))
    for table, of in (("endpoint", "project"), ("project", "id")):
        await app.services.db.write(
            lambda tx, table, of: tx.run(f"UPDATE {table} SET deleted_at = 5 WHERE {of} = 1"), table, of
        )
    assert await _listed(client, keys.account, f"{P}?deleted=true") == []
    await check(client, keys, Row("", "POST", "/v1/projects/mine/restore", 404, key="account"))
    await _work(app.services)
    assert await _left(app.services) == {}


async def test_names_are_free_at_once_and_several_in_the_bin_are_told_apart_by_id(
    client: httpx.AsyncClient, keys: Keys
) -> None:
    for path, key in ((E, "project"), (P, "account")):
        ids = []
        for _ in range(3):
            made = await check(client, keys, Row("", "POST", path, 201, key=key, body={"name": "again"}))
            [thing] = made.values()
            ids.append(thing["id"])
            await check(client, keys, Row("", "DELETE", f"{path}/again", 204, key=key))
        said = await check(client, keys, Row("", "POST", f"{path}/again/restore", 409, key=key, says="by its id"))
        assert "again" not in {one["name"] for one in await _listed(client, getattr(keys, key), path)}, said
        await check(client, keys, Row("", "DELETE", f"{path}/again?purge=true", 409, key=key, says="by its id"))
        await check(client, keys, Row("", "POST", f"{path}/{ids[0]}/restore", 200, key=key))
        taken = Row("", "POST", f"{path}/{ids[1]}/restore", 409, key=key, says="?name=")
        await check(client, keys, taken)
        other = await check(client, keys, Row("", "POST", f"{path}/{ids[1]}/restore?name=other+one", 200, key=key))
        [thing] = other.values()
        assert (thing["id"], thing["name"]) == (ids[1], "other one")
        assert "deleted_at" not in thing
        await check(client, keys, Row("", "DELETE", f"{path}/{ids[2]}?purge=true", 204, key=key))


async def test_pages_of_the_bin(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    for path, key in ((E, "project"), (P, "account")):
        for number in range(7):
            await check(client, keys, Row("", "POST", path, 201, key=key, body={"name": f"n{number}"}))
            await check(client, keys, Row("", "DELETE", f"{path}/n{number}", 204, key=key))
            clock.advance(number % 2)
        found, link = [], f"{path}?deleted=true&limit=3"
        while link:
            answer = await client.get(link, headers=bearer(getattr(keys, key)))
            found += [one["name"] for one in answer.json()["data"]]
            link = answer.links["next"]["url"] if "next" in answer.links else ""
        assert found == [f"n{number}" for number in reversed(range(7))]
        assert [
            one["name"] for one in await _listed(client, getattr(keys, key), f"{path}?deleted=true&name_prefix=n5")
        ] == ["n5"]
        numbered = await _listed(client, getattr(keys, key), f"{path}?deleted=true&page=3&page_size=3")
        assert [one["name"] for one in numbered] == ["n0"]


async def test_what_lies_in_the_bin_is_storage_and_no_endpoint(client: httpx.AsyncClient, keys: Keys) -> None:
    await check(client, keys, Row("", "PATCH", "/v1/projects/mine", 200, key="account", body={"plan": "free"}))
    for number in range(5):
        await check(client, keys, Row("", "POST", f"/v1/snapshots?endpoint=e{number}", 201, body={"n": number}))
    used = (await check(client, keys, Row("", "GET", "/v1/projects/mine/usage", 200)))["occupied"]
    await check(client, keys, Row("", "DELETE", "/v1/endpoints/e0", 204))
    assert (await check(client, keys, Row("", "GET", "/v1/projects/mine/usage", 200)))["occupied"] == used
    await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": "e5"}))
    await check(client, keys, Row("", "POST", "/v1/endpoints/e0/restore", 402, says="endpoints"))
    await check(client, keys, Row("", "DELETE", "/v1/endpoints/e5?purge=true", 204))
    await check(client, keys, Row("", "POST", "/v1/endpoints/e0/restore", 200))


@pytest.mark.parametrize("role", ["admin", "editor", "viewer", None])
async def test_a_projects_admin_restores_what_they_deleted(
    app: Application, client: httpx.AsyncClient, keys: Keys, role: str | None
) -> None:
    """A member of the instance who is the project's admin; nobody else but admins of the instance."""
    token = await signed_in(app, client, "bo@example.com")
    if role is not None:
        path = "/v1/projects/mine/members/bo@example.com"
        await check(client, keys, Row("", "PUT", path, 200, key="account", body={"role": role}))
    if role == "admin":
        assert (await client.delete("/v1/projects/mine", headers=bearer(token))).status_code == 204
    else:
        await check(client, keys, Row("", "DELETE", "/v1/projects/mine", 204, key="account"))
    listed = await _listed(client, token, f"{P}?deleted=true")
    assert [one["name"] for one in listed] == ([] if role is None else ["mine"])
    restored = await client.post("/v1/projects/mine/restore", headers=bearer(token))
    purged = await client.delete("/v1/projects/mine?purge=true", headers=bearer(token))
    assert (restored.status_code, purged.status_code) == ((200, 204) if role == "admin" else (403, 403))
    await add(app, "ada@example.com", "owner")
    owner = (await login(client, "ada@example.com"))["access_token"]
    again = await client.post("/v1/projects/mine/restore", headers=bearer(owner))
    assert again.status_code == (404 if role == "admin" else 200)


async def test_what_happens_to_the_bin_is_on_record(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock, filled: dict[str, str]
) -> None:
    await check(client, keys, Row("", "POST", "/v1/endpoints/gone/restore?name=back", 200))
    await check(client, keys, Row("", "POST", "/v1/projects/away/restore", 200, key="account"))
    await check(client, keys, Row("", "DELETE", "/v1/projects/away?purge=true", 204, key="account"))
    await check(client, keys, Row("", "DELETE", "/v1/endpoints/back", 204))
    clock.advance(7 * times.DAY_MS)
    await _work(app.services)
    entries = await _listed(client, keys.account, "/v1/audit?limit=1000")
    of_bin = [one for one in reversed(entries) if one["action"].split(".")[0] in ("endpoint", "project")]
    told = [(one["action"], one["name"]) for one in of_bin if one["name"] in ("gone", "back", "away")]
    assert told == [
        ("project.create", "away"),
        ("endpoint.delete", "gone"),
        ("project.delete", "away"),
        ("endpoint.restore", "gone"),
        ("project.restore", "away"),
        ("project.delete", "away"),
        ("endpoint.delete", "back"),
        ("endpoint.purge", "back"),
    ]


async def test_a_write_that_waited_while_its_project_went_into_the_bin_is_refused(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    svc = app.services
    await check(client, keys, Row("", "POST", "/v1/snapshots?endpoint=e", 201, body={"a": 1}))
    endpoint = endpoints.resolve(svc, 1, "e")
    await check(client, keys, Row("", "DELETE", "/v1/projects/mine", 204))
    for named in (endpoint, "e", "another"):
        new = NewSnapshot(named, b"[2]", svc.clock.now_ms(), None, None)
        with pytest.raises(NotFound):
            await snapshots.create_snapshots(svc, 1, [new], IdempotencyKey.none(), limited=False)
    assert await svc.db.read(lambda tx: tx.one("SELECT count(*) FROM snapshot")) == (1,)


async def test_deleting_and_restoring_a_project_changes_one_row(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    """However much is in it, keys and endpoints included."""
    for number in range(20):
        await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": f"e{number}"}))

    def delete(tx: Tx) -> int:
        before = tx.one("SELECT total_changes()") or (0,)
        project_store.mark_deleted(tx, 1, 1, purge_at=tx.now_ms + 1)
        project_store.restore(tx, 1, 1, name="mine")
        after = tx.one("SELECT total_changes()") or (0,)
        return int(after[0]) - int(before[0])

    assert await app.services.db.write(delete) == 2
