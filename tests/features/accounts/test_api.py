import re
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.core import secrets
from delta_server.core.scopes import opened
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.storage.opened import FakeClock

NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
KEYS = "/v1/auth/api-keys"


def new(title: str, body: Any, *, says: str = "", field: str | None = None) -> Row:
    return Row(title, "POST", KEYS, 400, body=body, says=says, field=field)


def rotation(title: str, body: Any, *, says: str = "", field: str | None = None) -> Row:
    return Row(title, "POST", f"{KEYS}/{{project_id}}/rotate", 400, body=body, says=says, field=field)


REFUSED = [
    Row("list without a key", "GET", KEYS, 401, key=None),
    Row("make without a key", "POST", KEYS, 401, key=None, body={}),
    Row("revoke without a key", "DELETE", f"{KEYS}/00000000000", 401, key=None),
    Row("list with a revoked key", "GET", KEYS, 401, key="revoked"),
    Row("make for what is not there", "POST", KEYS, 404, key="account", body={"project_id": NOBODY}),
    Row("make for no such name", "POST", KEYS, 404, key="account", body={"project_id": "nobody"}),
    Row("revoke what is not there", "DELETE", f"{KEYS}/00000000000", 404),
    Row("revoke nonsense", "DELETE", f"{KEYS}/%00%2F..%2F{'x' * 1000}", 404),
    Row("list with a read key", "GET", KEYS, 403, key="read"),
    Row("make with a write key", "POST", KEYS, 403, key="write", body={}),
    Row("revoke with a write key", "DELETE", f"{KEYS}/00000000000", 403, key="write"),
    Row("list with a public key", "GET", KEYS, 403, key="ingest", says="only send events"),
    Row("make with a public key", "POST", KEYS, 403, key="ingest", body={"kind": "write"}),
    Row("revoke with a public key", "DELETE", f"{KEYS}/00000000000", 403, key="ingest"),
    new("an unknown kind", {"kind": "account"}, field="kind", says="project or write"),
    Row("a write key of no project", "POST", KEYS, 400, key="account", body={"kind": "write"}, field="project_id"),
    Row("a project key of none", "POST", KEYS, 400, key="account", body={"kind": "project"}, field="project_id"),
    new("a write key that reads", {"kind": "write", "scopes": ["ingest", "read"]}, field="scopes", says="one scope"),
    new("a write key without a scope", {"kind": "write", "scopes": []}, field="scopes", says="leave scopes out"),
    new("a secret key that ingests", {"scopes": ["ingest"]}, field="scopes", says="keys of kind write"),
    new("sites for a secret key", {"origins": ["*"]}, field="origins", says="kind write"),
    new("sites for a key of a project", {"kind": "project", "origins": []}, field="origins"),
    new("a site with a path", {"kind": "write", "origins": ["*", "https://a.b/"]}, field="origins[1]", says="path"),
    new("a site that is a number", {"kind": "write", "origins": [1]}, field="origins[0]"),
    new("sites that are a text", {"kind": "write", "origins": "*"}, field="origins"),
    new("too many sites", {"kind": "write", "origins": [f"http://a:{n}" for n in range(1, 102)]}, field="origins"),
    new("a write key's time gone by", {"kind": "write", "expires_at": "2020-01-01"}, field="expires_at"),
    new("no scopes", {"scopes": []}, field="scopes"),
    new("an unknown scope", {"scopes": ["root"]}, field="scopes[0]", says="not 'root'"),
    new("a scope of no family", {"scopes": ["read", "roots:read"]}, field="scopes[1]"),
    new("a verb of no scope", {"scopes": ["sql:admin"]}, field="scopes[0]", says="sql:read"),
    new("several scopes in one", {"scopes": ["read write"]}, field="scopes[0]"),
    new("a scope of a wrong type", {"scopes": [1]}, field="scopes[0]"),
    new("a time gone by", {"expires_at": "2020-01-01"}, field="expires_at", says="future"),
    new("a time without its zone", {"expires_at": "2030-01-01T00:00:00"}, field="expires_at", says="zone"),
    new("a time that is none", {"expires_at": "soon"}, field="expires_at"),
    new("a name with NUL", {"name": "a\0"}, field="name"),
    new("an endless name", {"name": "x" * 10_000}, field="name"),
    new("its id chosen", {"id": "00000000000"}, field="id"),
    new("its secret chosen", {"key": "dk_proj_x"}, field="key"),
    new("its account chosen", {"account": 1}, field="account"),
    Row("its own last admin key", "DELETE", f"{KEYS}/{{project_id}}", 409, says="?force=true"),
    Row("the account's last admin key", "DELETE", f"{KEYS}/{{account_id}}", 409, key="account", says="of the account"),
    Row("forced otherwise", "DELETE", f"{KEYS}/{{project_id}}?force=2", 400, field="force"),
    Row("rotate without a key", "POST", f"{KEYS}/{{project_id}}/rotate", 401, key=None, body={}),
    Row("rotate with a write key", "POST", f"{KEYS}/{{project_id}}/rotate", 403, key="write", body={}),
    Row("rotate with a public key", "POST", f"{KEYS}/{{project_id}}/rotate", 403, key="ingest", body={}),
    Row("rotate another's", "POST", f"{KEYS}/{{project_id}}/rotate", 404, key="other", body={}),
    Row("rotate the account's", "POST", f"{KEYS}/{{account_id}}/rotate", 404, body={}),
    Row("rotate what is not there", "POST", f"{KEYS}/00000000000/rotate", 404, body={}),
    Row("rotate nonsense", "POST", f"{KEYS}/%00%2F/rotate", 404, body={}),
    Row("rotate a revoked one", "POST", f"{KEYS}/{{revoked_id}}/rotate", 409, body={}, says="active"),
    Row("rotate an expired one", "POST", f"{KEYS}/{{expired_id}}/rotate", 409, body={}, says="active"),
    rotation("an overlap that is none", {"overlap": "soon"}, field="overlap"),
    rotation("an overlap that is a number", {"overlap": 5}, field="overlap"),
    rotation("an overlap for ever", {"overlap": "999999999d"}, field="overlap", says="at most 30d"),
    rotation("a negative overlap", {"overlap": "-1h"}, field="overlap"),
    rotation("rotated into the past", {"expires_at": "2020-01-01"}, field="expires_at"),
    rotation("two ends", {"expires_at": "2030-01-01", "expires_in": "1d"}, field="expires_in"),
    rotation("its scopes chosen", {"scopes": ["admin"]}, field="scopes"),
    rotation("a list", [], says="object"),
    new("no length of time", {"expires_in": "soon"}, field="expires_in"),
    new("a length of nothing", {"expires_in": "0d"}, field="expires_in"),
    new("an endless time", {"expires_in": "999999999d"}, field="expires_in"),
    new("two ends", {"expires_in": "1d", "expires_at": "2030-01-01"}, field="expires_in"),
    new("a project in two ways", {"project": "mine", "project_id": "mine"}, field="project"),
    new("who made it chosen", {"created_by": "me"}, field="created_by"),
    Row("make for no such name, said shortly", "POST", KEYS, 404, key="account", body={"project": "nobody"}),
    Row("said otherwise", "DELETE", f"{KEYS}/{{project_id}}?even_if_last=perhaps", 400, field="even_if_last"),
    Row("a broken cursor", "GET", f"{KEYS}?cursor=x", 400, says="cursor"),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals_change_nothing(shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    before = await listed(shared_client, shared_keys)
    for name in ("project", "account", "revoked", "expired"):
        row = msgspec.structs.replace(row, path=row.path.replace(f"{{{name}_id}}", id_of(getattr(shared_keys, name))))
    await check(shared_client, shared_keys, row)
    assert await listed(shared_client, shared_keys) == before


@shared
async def test_a_projects_key_reaches_its_projects_keys_alone(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    mine = (await check(shared_client, own_keys, Row("", "GET", "/v1/projects/mine", 200)))["project"]["id"]
    for project in (mine, "mine"):
        body = {"project_id": project}
        await check(shared_client, own_keys, Row("make for another", "POST", KEYS, 404, key="other", body=body))
    for theirs in (own_keys.project, own_keys.account):
        path = f"{KEYS}/{secrets.parse(theirs).public_id}"
        await check(shared_client, own_keys, Row("revoke another's", "DELETE", path, 404, key="other"))
    await check(shared_client, own_keys, Row("still good", "GET", "/v1/endpoints", 200))
    assert {key["project"] for key in await listed(shared_client, own_keys, "project")} == {"mine"}
    assert {key["project"] for key in await listed(shared_client, own_keys, "other")} == {"other"}
    assert {key["project"] for key in await listed(shared_client, own_keys, "account")} == {"mine", "other", None}


async def test_a_made_key_works_until_it_is_revoked(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    project = (await check(client, keys, Row("", "POST", "/v1/projects", 201, key="account", body={"name": "new"})))[
        "project"
    ]
    body = {"project_id": project["id"], "name": "ci", "scopes": ["read", "admin", "read"], "expiresAt": "2026-02-01"}
    made = await check(client, keys, Row("", "POST", KEYS, 201, key="account", body=body))
    shown = {
        "id": secrets.parse(made["key"]).public_id,
        "last_four": made["key"][-4:],
        "kind": "project",
        "project_id": project["id"],
        "project": "new",
        "name": "ci",
        "scopes": ["read", "admin"],
        "origins": [],
        "created_at": "2026-01-01T00:00:00.002Z",
        "expires_at": "2026-02-01T00:00:00.000Z",
        "revoked_at": None,
        "first_used_at": None,
        "last_used_at": None,
        "created_by": {"kind": "key", "id": id_of(keys.account), "email": None, "state": None},
        "replaced_by": None,
        "state": "active",
    }
    assert made["api_key"] == shown == (await listed(client, keys, "account"))[0]
    assert made["key"].startswith("dk_proj_")
    assert (await client.get("/v1/projects", headers=bearer(made["key"]))).json()["data"] == [project]
    assert (await client.get("/v1/projects", headers={"x-api-key": made["key"]})).status_code == 200
    clock.advance(1)
    await check(client, keys, Row("", "DELETE", f"{KEYS}/{shown['id']}", 204, key="account"))
    assert (await client.get("/v1/projects", headers=bearer(made["key"]))).status_code == 401
    revoked = {"state": "revoked", "revoked_at": "2026-01-01T00:00:00.003Z"}
    assert (await listed(client, keys, "account"))[0] == shown | revoked
    await check(client, keys, Row("twice", "DELETE", f"{KEYS}/{shown['id']}", 404, key="account"))


@pytest.mark.parametrize(("by", "kind", "project"), [("project", "dk_proj_", "mine"), ("account", "dk_user_", None)])
@shared
async def test_without_a_project_a_key_is_made_like_its_makers(
    shared_client: httpx.AsyncClient, own_keys: Keys, by: str, kind: str, project: str | None
) -> None:
    made = await check(shared_client, own_keys, Row("", "POST", KEYS, 201, key=by, body={}))
    assert (made["key"][:8], made["api_key"]["project"], made["api_key"]["scopes"]) == (kind, project, ["write"])


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        ({}, ["*"]),
        ({"origins": None, "scopes": ["ingest"]}, ["*"]),
        ({"origins": []}, []),
        (
            {"origins": ["https://Shop.example:443", "http://localhost:3000"]},
            ["https://shop.example", "http://localhost:3000"],
        ),
    ],
)
@shared
async def test_a_write_key_only_sends_events(
    shared_client: httpx.AsyncClient, own_keys: Keys, given: dict[str, Any], origins: list[str]
) -> None:
    for by, body in (("project", {}), ("account", {"project_id": "mine"})):
        made = await check(
            shared_client, own_keys, Row("", "POST", KEYS, 201, key=by, body={"kind": "write", **body, **given})
        )
        shown = made["api_key"]
        assert made["key"].startswith(f"dk_write_{shown['id']}_")
        assert (shown["kind"], shown["project"], shown["scopes"]) == ("write", "mine", ["ingest"])
        assert (await listed(shared_client, own_keys))[0] == shown
        assert shown["origins"] == origins
        for path in ("/v1/endpoints", "/v1/projects", "/healthz/details", "/metrics"):
            answer = await shared_client.get(path, headers=bearer(made["key"]))
            assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
            assert "only send events" in answer.json()["message"]


@shared
async def test_kinds_are_listed(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    assert {key["kind"] for key in await listed(shared_client, own_keys, "account")} == {"project", "account", "write"}


@shared
async def test_a_project_is_named_by_id_or_name(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    mine = (await check(shared_client, own_keys, Row("", "GET", "/v1/projects/mine", 200)))["project"]["id"]
    for body in ({"project_id": mine}, {"project_id": "mine"}, {"projectId": "mine"}):
        answer = await shared_client.post(KEYS, headers=bearer(own_keys.account), json=body)
        made = answer.json()["api_key"]
        assert (made["project_id"], made["project"]) == (mine, "mine")
        assert answer.headers["location"] == f"{KEYS}/{made['id']}"


@shared
async def test_a_repeated_request_makes_one_key_and_tells_it_once(
    shared_client: httpx.AsyncClient, own_keys: Keys
) -> None:
    headers = {**bearer(own_keys.project), "idempotency-key": "once"}
    first, second = [(await shared_client.post(KEYS, headers=headers, json={"name": "ci"})) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json() | {"key": None}
    assert [key["name"] for key in await listed(shared_client, own_keys)].count("ci") == 1


@shared
async def test_lists_go_on_where_the_page_before_ended(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    whole = await listed(shared_client, own_keys)
    found, path = [], f"{KEYS}?limit=2"
    while path:
        answer = await shared_client.get(path, headers=bearer(own_keys.project))
        found.append(answer.json()["data"])
        path = answer.links["next"]["url"] if "next" in answer.links else ""
    assert [len(page) for page in found] == [2, 2, 2]
    assert [key for page in found for key in page] == whole
    assert {key["state"] for key in whole} == {"active", "expired", "revoked"}


def id_of(key: str) -> str:
    return secrets.parse(key).public_id


async def made_by(client: httpx.AsyncClient, keys: Keys, by: str, **body: Any) -> str:
    return id_of((await check(client, keys, Row("", "POST", KEYS, 201, key=by, body=body)))["key"])


@pytest.mark.parametrize("by", ["project", "account"])
@pytest.mark.parametrize(
    ("other", "status"),
    [
        ({"scopes": ["admin"]}, 204),
        ({"scopes": ["read", "admin"], "expires_at": "2026-02-01"}, 204),
        ({"scopes": ["admin"], "expires_at": "2026-01-01T00:59:00Z"}, 409),
        ({"scopes": ["write", "read"]}, 409),
    ],
    ids=str,
)
@shared
async def test_somebody_can_make_keys_afterwards(
    shared_client: httpx.AsyncClient, own_keys: Keys, by: str, other: dict[str, Any], status: int
) -> None:
    await made_by(shared_client, own_keys, by, **other)
    await check(shared_client, own_keys, Row("", "DELETE", f"{KEYS}/{id_of(getattr(own_keys, by))}", status, key=by))


@pytest.mark.parametrize("force", ["force", "evenIfLast"])
async def test_a_key_that_has_expired_or_is_revoked_is_no_other(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock, force: str
) -> None:
    mine = Row("", "DELETE", f"{KEYS}/{id_of(keys.project)}", 409)
    await made_by(client, keys, "project", scopes=["admin"], expires_at="2026-01-03")
    gone = await made_by(client, keys, "project", scopes=["admin"])
    await check(client, keys, Row("", "DELETE", f"{KEYS}/{gone}", 204))
    clock.advance(2 * 86_400_000)
    await check(client, keys, mine)
    last = Row("", "DELETE", f"{KEYS}/{id_of(keys.project)}?{force}=true", 204)
    await check(client, keys, last)


@shared
async def test_only_who_would_be_without_is_asked(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    """Other keys go as ever; an account's key can make a project another one, so it may take the last."""
    for key in (own_keys.read, own_keys.write, own_keys.ingest):
        await check(shared_client, own_keys, Row("", "DELETE", f"{KEYS}/{id_of(key)}", 204))
    await check(shared_client, own_keys, Row("", "DELETE", f"{KEYS}/{id_of(own_keys.project)}", 204, key="account"))
    await check(
        shared_client,
        own_keys,
        Row("", "DELETE", f"{KEYS}/{id_of(own_keys.other)}?project_id=other", 204, key="account"),
    )
    elsewhere = f"{KEYS}/{id_of(own_keys.account)}?project_id=mine"
    await check(shared_client, own_keys, Row("", "DELETE", elsewhere, 404, key="account"))


async def listed(client: httpx.AsyncClient, keys: Keys, key: str = "project") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await check(client, keys, Row("", "GET", KEYS, 200, key=key)))["data"]
    return found


@pytest.mark.parametrize(
    ("has", "wants", "status"),
    [
        (["admin"], ["admin"], 201),
        (["keys:admin"], ["keys:admin"], 201),
        (["keys:admin"], None, 403),
        (["keys:admin"], ["snapshots:read"], 403),
        (["keys:admin"], ["admin"], 403),
        (["keys:admin", "read"], ["read"], 201),
        (["keys:admin", "read"], ["snapshots:read", "sql:read"], 201),
        (["keys:admin", "read"], ["snapshots:read", "snapshots:write"], 403),
        (["keys:admin", "write"], ["write", "keys:admin"], 201),
        (["keys:admin", "snapshots:admin"], ["snapshots:read"], 403),
    ],
    ids=str,
)
@pytest.mark.parametrize("by", ["project", "account"])
@shared
async def test_a_key_makes_none_that_may_do_more(
    shared_client: httpx.AsyncClient, own_keys: Keys, by: str, has: list[str], wants: list[str] | None, status: int
) -> None:
    key = (await check(shared_client, own_keys, Row("", "POST", KEYS, 201, key=by, body={"scopes": has})))["key"]
    before = await listed(shared_client, own_keys, by)
    body = {} if wants is None else {"scopes": wants}
    answer = await shared_client.post(KEYS, json=body, headers=bearer(key))
    assert answer.status_code == status, answer.text
    if status == 403:
        assert await listed(shared_client, own_keys, by) == before
        asked = set(body.get("scopes", ["write"]))
        lacking = re.search(r"this one lacks ([a-z:, ]+): leave", answer.json()["message"])
        assert lacking is not None
        assert set(lacking[1].split(", ")) == asked - set(has) - opened(" ".join(has))


@pytest.mark.parametrize(
    ("has", "status"), [(["keys:admin"], 403), (["keys:admin", "read"], 403), (["keys:admin", "events:write"], 201)]
)
@shared
async def test_who_cannot_send_events_makes_no_write_key(
    shared_client: httpx.AsyncClient, own_keys: Keys, has: list[str], status: int
) -> None:
    key = (await check(shared_client, own_keys, Row("", "POST", KEYS, 201, body={"scopes": has})))["key"]
    assert (await shared_client.post(KEYS, json={"kind": "write"}, headers=bearer(key))).status_code == status
