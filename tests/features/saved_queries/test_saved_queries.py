"""Saved queries: what may be saved, changing it, finding it again."""

from typing import Any

import httpx
import pytest

from delta_server.core.query import saved
from delta_server.features.saved_queries import service
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check

PATH = "/v1/saved-queries"
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
SPECS: dict[str, dict[str, Any]] = {
    "explorer": {"metrics": ["count"], "groupBy": ["time:1h"], "range": "7d", "fill": "zero"},
    "sql": {"sql": "select count(*) from events where user_id = ?", "params": ["ann"]},
    "funnel": {"steps": ["signup", "purchase"], "window": "1d"},
    "retention": {"start": "signup", "every": "1d", "periods": 7},
    "paths": {"start": "signup", "depth": 2},
}


def new(kind: str, **changes: Any) -> dict[str, Any]:
    return {"name": "Mine", "kind": kind, "spec": SPECS[kind], **changes}


REFUSED = [
    Row("no key", "POST", PATH, 401, key=None, body=new("sql")),
    Row("without the scope", "POST", PATH, 403, key="read", body=new("sql"), says="boards:write"),
    Row("a write key", "POST", PATH, 403, key="ingest", body=new("sql")),
    Row("deleting takes more", "DELETE", f"{PATH}/{NOBODY}", 403, key="write", says="boards:admin"),
    Row("no such kind", "POST", PATH, 400, body={**new("sql"), "kind": "chart"}, field="kind"),
    Row("no name", "POST", PATH, 400, body=new("sql", name=" "), field="name"),
    Row("of another kind", "POST", PATH, 400, body=new("sql", spec=SPECS["funnel"]), field="spec", says="steps"),
    Row("unknown member", "POST", PATH, 400, body=new("paths", spec={"colour": 1}), field="spec"),
    Row("no such metric", "POST", PATH, 400, body=new("explorer", spec={"metrics": ["shoes"]})),
    Row("a cursor", "POST", PATH, 400, body=new("explorer", spec={"cursor": "x"}), field="spec"),
    Row("one step", "POST", PATH, 400, body=new("funnel", spec={"steps": ["a"]}), field="steps"),
    Row("no days", "POST", PATH, 400, body=new("retention", spec={"every": "1h"}), field="every"),
    Row("too deep", "POST", PATH, 400, body=new("paths", spec={"depth": 99}), field="depth"),
    Row("empty SQL", "POST", PATH, 400, body=new("sql", spec={"sql": " "}), field="spec"),
    Row(
        "no SQL",
        "POST",
        PATH,
        400,
        body=new("sql", spec={"sql": "SELECT 1,\nSELEC 1"}),
        field="sql",
        says="cannot be read at line 2, column 7",
    ),
    Row(
        "no such table",
        "POST",
        PATH,
        400,
        body=new("sql", spec={"sql": "SELECT * FROM event"}),
        field="sql",
        says="(events?)",
    ),
    Row(
        "no such column",
        "POST",
        PATH,
        400,
        body=new("sql", spec={"sql": "SELECT colour FROM events"}),
        field="sql",
        says='"colour" not found',
    ),
    Row("a parameter too few", "POST", PATH, 400, body=new("sql", spec={"sql": "SELECT ?"}), field="sql"),
    Row("no SELECT", "POST", PATH, 400, body=new("sql", spec={"sql": "DROP TABLE events"}), says="only a SELECT"),
    Row("a long spec", "POST", PATH, 400, body=new("sql", spec={"sql": "x" * 40_000}), says="at most 32768"),
    Row("a long view", "POST", PATH, 400, body=new("sql", view="x" * 4001), field="view"),
    Row("a view of two lines", "POST", PATH, 400, body=new("sql", view="a\nb"), field="view"),
    Row("no such query", "GET", f"{PATH}/{NOBODY}", 404),
    Row("no id", "PATCH", f"{PATH}/x", 404, body={}),
    Row("another list's cursor", "GET", f"{PATH}?cursor=abc", 400),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals(shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    await check(shared_client, shared_keys, row)


async def test_each_kind_is_saved_changed_listed_and_deleted(client: httpx.AsyncClient, keys: Keys) -> None:
    made = {}
    for kind in saved.KINDS:
        answer = await client.post(PATH, json=new(kind, view=f"k={kind}"), headers=bearer(keys.write))
        assert answer.status_code == 201, answer.text
        found = answer.json()["saved_query"]
        assert (found["spec"], found["view"]) == (SPECS[kind], f"k={kind}")
        assert answer.headers["location"] == f"{PATH}/{found['id']}"
        made[kind] = found["id"]
    first = (await client.get(f"{PATH}?limit=3", headers=bearer(keys.read))).json()
    rest = (await client.get(f"{PATH}?limit=3&cursor={first['next_cursor']}", headers=bearer(keys.read))).json()
    listed = [one["kind"] for one in first["data"] + rest["data"]]
    assert listed == list(saved.KINDS)[::-1]
    assert "spec" not in first["data"][0]
    [one] = (await client.get(f"{PATH}?kind=sql", headers=bearer(keys.read))).json()["data"]
    path = f"{PATH}/{one['id']}"
    changed = await client.patch(path, json={"name": "Other", "view": None}, headers=bearer(keys.write))
    assert (changed.json()["saved_query"]["name"], changed.json()["saved_query"]["view"]) == ("Other", None)
    for spec in (SPECS["paths"], {"sql": "SELEC 1"}):
        wrong = await client.patch(path, json={"spec": spec}, headers=bearer(keys.write))
        assert wrong.status_code == 400
    kept = (await client.get(path, headers=bearer(keys.read))).json()["saved_query"]
    assert (kept["name"], kept["spec"]) == ("Other", SPECS["sql"])
    assert (await client.delete(path, headers=bearer(keys.project))).status_code == 204
    assert (await client.get(path, headers=bearer(keys.read))).status_code == 404


async def test_a_repeated_request_saves_once_and_there_are_so_many(
    client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_QUERIES", 2)
    headers = {**bearer(keys.write), "idempotency-key": "one"}
    first, again = [await client.post(PATH, json=new("sql"), headers=headers) for _ in range(2)]
    assert first.json() == again.json()
    assert (await client.post(PATH, json=new("sql"), headers=bearer(keys.write))).status_code == 201
    assert (await client.post(PATH, json=new("sql"), headers=bearer(keys.write))).status_code == 409
