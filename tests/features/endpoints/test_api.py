from typing import Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio

from delta_server.app import Application
from tests.conftest import SHARED, Keys, bearer, shared, shared_fixture
from tests.features.rows import Row, check
from tests.one_server import alone
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys
from tests.storage.opened import FakeClock

pytestmark = SHARED

NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
DEFAULT_DIFF = {"array_keys": {}, "ignore": [], "tolerance": 0, "order": {}, "labels": {}}
DIFF = {
    "array_keys": {"/items": ["sku"]},
    "ignore": ["/at"],
    "tolerance": 0.5,
    "order": {"/tags": "set"},
    "labels": {"/items": "name"},
}


def new(title: str, body: Any, *, says: str = "", field: str | None = None) -> Row:
    return Row(title, "POST", "/v1/endpoints", 400, body=body, says=says, field=field)


def change(title: str, body: Any, *, says: str = "", field: str | None = None) -> Row:
    return Row(title, "PATCH", "/v1/endpoints/users", 400, body=body, says=says, field=field)


REFUSED = [
    Row("list without a key", "GET", "/v1/endpoints", 401, key=None),
    Row("make without a key", "POST", "/v1/endpoints", 401, key=None, body={"name": "new"}),
    Row("get without a key", "GET", "/v1/endpoints/users", 401, key=None),
    Row("change without a key", "PATCH", "/v1/endpoints/users", 401, key=None, body={"name": "new"}),
    Row("delete without a key", "DELETE", "/v1/endpoints/users", 401, key=None),
    Row("list with a revoked key", "GET", "/v1/endpoints", 401, key="revoked", says="revoked"),
    Row("list with an expired key", "GET", "/v1/endpoints", 401, key="expired", says="expired"),
    Row("get another's", "GET", "/v1/endpoints/users", 404, key="other", says="GET /v1/endpoints"),
    Row("change another's", "PATCH", "/v1/endpoints/users", 404, key="other", body={"name": "new"}),
    Row("delete another's", "DELETE", "/v1/endpoints/users", 404, key="other"),
    Row("get what is not there", "GET", f"/v1/endpoints/{NOBODY}", 404),
    Row("get a name that is not there", "GET", "/v1/endpoints/%00%F0%9F%90%8B%2F..%2F", 404),
    Row("climb out", "GET", "/v1/endpoints/..%2F..%2Fusers", 404),
    Row("get an endless name", "GET", "/v1/endpoints/" + "x" * 5000, 404),
    Row("list with an account's key", "GET", "/v1/endpoints", 403, key="account", says="project's key"),
    Row("make with a read key", "POST", "/v1/endpoints", 403, key="read", body={"name": "new"}),
    Row("change with a read key", "PATCH", "/v1/endpoints/users", 403, key="read", body={"name": "new"}),
    Row(
        "delete snapshots by retention with a write key",
        "PATCH",
        "/v1/endpoints/users",
        403,
        key="write",
        body={"name": "new", "retention": {"keep_last": 1}},
        says="endpoints:admin",
    ),
    Row("delete with a write key", "DELETE", "/v1/endpoints/users", 403, key="write"),
    new("no name", {}, field="name"),
    new("an empty name", {"name": ""}, field="name"),
    new("a name of spaces", {"name": "  "}, field="name"),
    new("a name with space at its end", {"name": "users "}, says="white space"),
    new("an endless name", {"name": "x" * 100_000}, says="at most 200"),
    new("a name with NUL", {"name": "a\0b"}, says="U+0000"),
    new("a name with an escape", {"name": "a\x1b[2J"}, says="U+001B"),
    new("a name with a line break", {"name": "a\nb"}, says="U+000A"),
    new("a name with a right-to-left mark", {"name": "a\u202eb"}, says="U+202E"),
    new("a name like an id", {"name": NOBODY}, says="like an id"),
    new("a name that URLs swallow", {"name": ".."}, says="URLs"),
    new("a number for a name", {"name": 1}, field="name"),
    new("an unknown field", {"name": "a", "color": 1}, field="color"),
    new("its id chosen", {"name": "a", "id": NOBODY}, field="id"),
    Row("page 0", "GET", "/v1/endpoints?page=0", 400, field="page"),
    Row("a page past what is counted off", "GET", "/v1/endpoints?page=12&page_size=1000", 400, field="page"),
    Row("a page and a cursor", "GET", "/v1/endpoints?page=2&cursor=x", 400),
    new("its project chosen", {"name": "a", "project": 2}, field="project"),
    new("its version chosen", {"name": "a", "diff_version": 9}, field="diff_version"),
    new("an unknown diff setting", {"name": "a", "diff": {"magic": 1}}, field="diff.magic"),
    new("keys of a wrong type", {"name": "a", "diff": {"array_keys": {"/a": "id"}}}),
    new("a pattern that is none", {"name": "a", "diff": {"ignore": ["at"]}}, field="diff.ignore[0]"),
    new("a pattern that ignores all", {"name": "a", "diff": {"ignore": [""]}}, field="diff.ignore[0]"),
    new("too many patterns", {"name": "a", "diff": {"ignore": [f"/{n}" for n in range(1000)]}}, field="diff"),
    new("a tolerance below 0", {"name": "a", "diff": {"tolerance": -1}}, field="diff.tolerance"),
    new("a label by an index", {"name": "a", "diff": {"labels": {"/a": "b[0]"}}}, field="diff.labels['/a']"),
    new("labels of no path", {"name": "a", "diff": {"labels": {"a": "b"}}}, field="diff.labels"),
    new("an unknown order", {"name": "a", "diff": {"order": {"/a": "random"}}}),
    new("a text for days", {"name": "a", "retention": {"keep_days": "30"}}, field="retention.keep_days"),
    new("no days", {"name": "a", "retention": {"keep_days": 0}}, field="retention.keep_days"),
    new("days beyond time", {"name": "a", "retention": {"keep_days": 10**30}}, field="retention.keep_days"),
    new("half a snapshot", {"name": "a", "retention": {"keep_last": 1.5}}, field="retention.keep_last"),
    new("an unknown rule", {"name": "a", "retention": {"keep_all": True}}, field="retention.keep_all"),
    Row("an endless tolerance", "POST", "/v1/endpoints", 400, raw=b'{"name":"a","diff":{"tolerance":1e400}}'),
    Row("no JSON", "POST", "/v1/endpoints", 400, raw=b"{", says="not valid JSON"),
    Row("bad UTF-8", "POST", "/v1/endpoints", 400, raw=b'{"name": "\xff"}', says="UTF-8"),
    Row("half a surrogate pair", "POST", "/v1/endpoints", 400, raw=b'{"name": "\\udc00"}'),
    Row("a setting given twice", "POST", "/v1/endpoints", 400, raw=b'{"name":"a","diff":{"ignore":[],"ignore":[]}}'),
    Row("deep settings", "PATCH", "/v1/endpoints/users", 400, raw=b'{"diff":{"ignore":' + b"[" * 100_000),
    change("its id changed", {"id": NOBODY}, field="id"),
    change("its creation changed", {"created_at": "2020-01-01T00:00:00Z"}, field="created_at"),
    change("its name taken away", {"name": None}, field="name"),
    change("an unknown diff setting changed", {"diff": {"magic": None}}, field="diff.magic"),
    change("one wrong among right", {"description": "b", "diff": {"ignore": ["at"]}}, field="diff.ignore[0]"),
    change("days below 1", {"retention": {"keep_days": -1}}, field="retention.keep_days"),
    Row("an unknown parameter", "GET", "/v1/endpoints?colour=2", 400, field="colour"),
    Row("a limit too large", "GET", "/v1/endpoints?limit=1001", 400, field="limit"),
    Row("a cursor of another list", "GET", "/v1/endpoints?cursor=nn-x_JKocHJvamVjdHOhYg", 400, says="cursor"),
    Row("a name that is taken", "POST", "/v1/endpoints", 409, body={"name": "users"}, field="name"),
    Row("a change to a name that is taken", "PATCH", "/v1/endpoints/users", 409, body={"name": "prices"}, field="name"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def users(client: httpx.AsyncClient, keys: Keys) -> dict[str, Any]:
    return await users_of(client, keys)


@shared_fixture
async def shared_users(shared_client: httpx.AsyncClient, shared_keys: Keys) -> dict[str, Any]:
    return await users_of(shared_client, shared_keys)


async def users_of(client: httpx.AsyncClient, keys: Keys) -> dict[str, Any]:
    """The first tenant's endpoint "users"; it has "prices" too."""
    await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": "prices"}))
    body = {"name": "users", "description": "all", "diff": DIFF, "retention": {"keep_days": 30}}
    made: dict[str, Any] = await check(client, keys, Row("", "POST", "/v1/endpoints", 201, key="write", body=body))
    return made["endpoint"]  # type: ignore[no-any-return]  # JSON


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals_change_nothing(
    shared_client: httpx.AsyncClient, shared_keys: Keys, shared_users: dict[str, Any], row: Row
) -> None:
    before = await listed(shared_client, shared_keys)
    await check(shared_client, shared_keys, row)
    assert await listed(shared_client, shared_keys) == before


async def test_an_endpoint_with_all_its_settings(users: dict[str, Any]) -> None:
    assert users == {
        "id": users["id"],
        "name": "users",
        "description": "all",
        "diff": DIFF,
        "diff_version": 1,
        "retention": {"keep_days": 30, "keep_last": None},
        "last_captured_at": None,
        "created_at": "2026-01-01T00:00:00.002Z",
        "updated_at": "2026-01-01T00:00:00.002Z",
    }


@pytest.mark.parametrize("body", [{}, {"diff": None, "retention": None}, {"diff": {}, "retention": {}}])
@shared
async def test_settings_have_defaults(shared_client: httpx.AsyncClient, own_keys: Keys, body: dict[str, Any]) -> None:
    row = Row("", "POST", "/v1/endpoints", 201, body={"name": "plain", **body})
    made = (await check(shared_client, own_keys, row))["endpoint"]
    assert (made["description"], made["diff"]) == ("", DEFAULT_DIFF)
    assert made["retention"] == {"keep_days": None, "keep_last": None}


@shared
async def test_settings_are_taken_in_camel_case(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    body = {"name": "a", "diff": {"arrayKeys": {"/arrayKeys": ["firstName"]}}, "retention": {"keepLast": 5}}
    made = (await check(shared_client, own_keys, Row("", "POST", "/v1/endpoints", 201, body=body)))["endpoint"]
    assert made["diff"]["array_keys"] == {"/arrayKeys": ["firstName"]}
    changed = Row("", "PATCH", "/v1/endpoints/a", 200, body={"retention": {"keepDays": 5}})
    assert (await check(shared_client, own_keys, changed))["endpoint"]["retention"] == {"keep_days": 5, "keep_last": 5}


NAMES = [
    "GET /prices",
    "/",
    "//",
    "a//b",
    "a/",
    "..a",
    "100%",
    "a%2Fb",
    "?q=1#x",
    "a+b",
    "מחירים",
    "价格",
    "👩‍🚀",
    "x" * 200,
]


@pytest.mark.parametrize("name", NAMES)
@shared
async def test_every_name_fits_into_a_path(shared_client: httpx.AsyncClient, own_keys: Keys, name: str) -> None:
    made = (await check(shared_client, own_keys, Row("", "POST", "/v1/endpoints", 201, body={"name": name})))[
        "endpoint"
    ]
    for text in (quote(name, safe=""), made["id"], made["id"].upper()):
        path = f"/v1/endpoints/{text}"
        assert (await check(shared_client, own_keys, Row("", "GET", path, 200, key="read")))["endpoint"] == made
        await check(shared_client, own_keys, Row("", "PATCH", path, 200, body={"description": text[:9]}))
        await check(shared_client, own_keys, Row("", "PATCH", path, 200, body={"description": None}))
    await check(shared_client, own_keys, Row("", "DELETE", f"/v1/endpoints/{quote(name, safe='')}", 204))
    assert await listed(shared_client, own_keys) == []


async def test_two_tenants_use_the_same_name(client: httpx.AsyncClient, keys: Keys, users: dict[str, Any]) -> None:
    body = {"name": "users"}
    theirs = (await check(client, keys, Row("", "POST", "/v1/endpoints", 201, key="other", body=body)))["endpoint"]
    assert theirs["id"] != users["id"]
    for method, sent in (("GET", None), ("PATCH", body), ("DELETE", None)):
        await check(client, keys, Row("", method, f"/v1/endpoints/{theirs['id']}", 404, body=sent))
    await check(client, keys, Row("", "DELETE", "/v1/endpoints/users", 204))
    assert (await check(client, keys, Row("", "GET", "/v1/endpoints/users", 200, key="other")))["endpoint"] == theirs


@shared
async def test_a_repeated_request_makes_one_endpoint(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    headers = {**bearer(own_keys.write), "idempotency-key": "once"}
    first = await shared_client.post("/v1/endpoints", headers=headers, json={"name": "new"})
    second = await shared_client.post("/v1/endpoints", headers=headers, json={"name": "new"})
    theirs = await shared_client.post("/v1/endpoints", headers=headers | bearer(own_keys.other), json={"name": "new"})
    assert (first.status_code, second.status_code, theirs.status_code) == (201, 201, 201)
    assert first.content == second.content != theirs.content
    assert len(await listed(shared_client, own_keys)) == 1


PATCHES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("nothing", {}, {}),
    ("what it is already", {"name": "users", "description": "all", "diff": {"tolerance": 0.5}}, {}),
    ("the name", {"name": "people"}, {"name": "people"}),
    ("the description away", {"description": None}, {"description": ""}),
    ("one diff setting", {"diff": {"ignore": ["/x"]}}, {"diff": DIFF | {"ignore": ["/x"]}, "diff_version": 2}),
    ("one diff setting away", {"diff": {"tolerance": None}}, {"diff": DIFF | {"tolerance": 0}, "diff_version": 2}),
    (
        "a tolerance by path",
        {"diff": {"tolerance": {"/a": 1}}},
        {"diff": DIFF | {"tolerance": {"/a": 1}}, "diff_version": 2},
    ),
    ("labels, which change no comparison", {"diff": {"labels": {"": "n"}}}, {"diff": DIFF | {"labels": {"": "n"}}}),
    ("all diff settings away", {"diff": None}, {"diff": DEFAULT_DIFF, "diff_version": 2}),
    ("another rule", {"retention": {"keep_last": 9}}, {"retention": {"keep_days": 30, "keep_last": 9}}),
    ("one rule away", {"retention": {"keep_days": None}}, {"retention": {"keep_days": None, "keep_last": None}}),
    ("all rules away", {"retention": None}, {"retention": {"keep_days": None, "keep_last": None}}),
]


@pytest.mark.parametrize(("what", "change", "wanted"), PATCHES, ids=[what for what, _, _ in PATCHES])
async def test_a_change_leaves_the_rest(
    client: httpx.AsyncClient,
    keys: Keys,
    users: dict[str, Any],
    clock: FakeClock,
    what: str,
    change: dict[str, Any],
    wanted: dict[str, Any],
) -> None:
    clock.advance(1000)
    changed_at = {"updated_at": "2026-01-01T00:00:01.002Z"} if wanted else {}
    row = Row(what, "PATCH", "/v1/endpoints/users", 200, body=change)
    changed = (await check(client, keys, row))["endpoint"]
    assert changed == users | wanted | changed_at
    assert (await check(client, keys, Row("", "GET", f"/v1/endpoints/{users['id']}", 200)))["endpoint"] == changed


@shared
async def test_lists_go_on_where_the_page_before_ended(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for name in ("b/2", "b", "a", "b/1", "c", "é"):
        await check(shared_client, own_keys, Row("", "POST", "/v1/endpoints", 201, body={"name": name}))
    assert await pages(shared_client, own_keys, "/v1/endpoints?limit=4") == [["a", "b", "b/1", "b/2"], ["c", "é"]]
    assert await pages(shared_client, own_keys, "/v1/endpoints?limit=2&name_prefix=b") == [["b", "b/1"], ["b/2"]]
    assert await pages(shared_client, own_keys, "/v1/endpoints?name_prefix=b%2F") == [["b/1", "b/2"]]
    assert await pages(shared_client, own_keys, "/v1/endpoints?name_prefix=e%CC%81") == [["é"]]


@alone
async def test_it_tells_when_it_was_last_captured(
    app: Application, client: httpx.AsyncClient, keys: Keys, users: dict[str, Any]
) -> None:
    await app.services.db.write(
        lambda tx: tx.many(
            "INSERT INTO snapshot (uid, endpoint, captured_at, content)"
            " SELECT ?, id, ?, 1 FROM endpoint WHERE name = ?",
            [(tx.new_id(), at, "users") for at in (1000, 3000, 2000)],
        )
    )
    assert [one["last_captured_at"] for one in await listed(client, keys)] == [None, "1970-01-01T00:00:03.000Z"]


async def test_a_deleted_endpoint_is_gone_and_its_name_free(
    client: httpx.AsyncClient, keys: Keys, users: dict[str, Any]
) -> None:
    await check(client, keys, Row("", "DELETE", "/v1/endpoints/users", 204))
    for text in ("users", users["id"]):
        for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
            await check(client, keys, Row("", method, f"/v1/endpoints/{text}", 404, body=body))
    assert [one["name"] for one in await listed(client, keys)] == ["prices"]
    again = (await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": "users"})))["endpoint"]
    assert again["id"] != users["id"]
    assert again["diff"] == DEFAULT_DIFF


async def listed(client: httpx.AsyncClient, keys: Keys) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await check(client, keys, Row("", "GET", "/v1/endpoints", 200)))["data"]
    return found


async def pages(client: httpx.AsyncClient, keys: Keys, path: str) -> list[list[str]]:
    """The names on each page, following the Link headers."""
    found = []
    while path:
        answer = await client.get(path, headers=bearer(keys.read))
        found.append([one["name"] for one in answer.json()["data"]])
        path = answer.links["next"]["url"] if "next" in answer.links else ""
    return found


@shared
async def test_a_write_key_changes_how_documents_are_compared(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await check(shared_client, own_keys, Row("", "POST", "/v1/endpoints", 201, key="write", body={"name": "compared"}))
    path = "/v1/endpoints/compared"
    body = {"diff": {"ignore": ["/at"]}, "description": "with the time left out"}
    changed = await check(shared_client, own_keys, Row("", "PATCH", path, 200, key="write", body=body))
    assert changed["endpoint"]["diff"]["ignore"] == ["/at"]
    await check(shared_client, own_keys, Row("", "PATCH", path, 403, key="write", body={"retention": {"keep_days": 1}}))
    await check(
        shared_client, own_keys, Row("", "PATCH", path, 200, key="project", body={"retention": {"keep_days": 1}})
    )
