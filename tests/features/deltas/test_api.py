"""Lists of deltas, one delta, comparisons: what is refused, and what is answered."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import httpx
import jsonpatch
import msgspec
import pytest
import pytest_asyncio

from delta_server import services
from delta_server.features.deltas import row_windows, summaries
from delta_server.features.deltas import service as deltas
from tests.conftest import SHARED, Keys, shared, shared_fixture
from tests.features.rows import Row, check
from tests.features.snapshots.shots import NOBODY, Shots, second
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys

pytestmark = SHARED

LIST = "/v1/deltas"
COMPARE = "/v1/deltas/compare"

Document = dict[str, Any]
A: Document = {"UniqueId": "a", "Acres": 1, "Name": "Ash"}
B: Document = {"UniqueId": "b", "Acres": 2, "Name": "Birch"}
C: Document = {"UniqueId": "c", "Acres": 3, "Name": "Cedar"}
DOCUMENTS: list[tuple[int, str, Document | str]] = [
    # second, kind of the delta that leads to it, document
    (0, "", {"fires": [A, B], "at": 0, "years": {"2024": 1}}),
    (10, "content", {"fires": [A | {"Acres": 5}, B], "at": 0, "years": {"2024": 1}}),
    (20, "reorder", {"fires": [B, A | {"Acres": 5}], "at": 0, "years": {"2024": 1}}),
    (30, "format", json.dumps({"fires": [B, A | {"Acres": 5}], "at": 0, "years": {"2024": 1}}, indent=2)),
    (40, "ignored", {"fires": [B, A | {"Acres": 5}], "at": 7, "years": {"2024": 1}}),
    (50, "content", {"fires": [A | {"Acres": 5}, C], "at": 8, "years": {"2024": 1}}),
    (60, "content", {"fires": [A | {"Acres": 6}, C | {"Acres": 9}], "at": 8, "years": {"2024": 2}}),
]


@pytest.fixture
def shots(client: httpx.AsyncClient, keys: Keys) -> Shots:
    return Shots(client, keys)


@pytest_asyncio.fixture(loop_scope="module")
async def fires(shots: Shots) -> dict[int, dict[str, Any]]:
    return await fires_of(shots)


@shared_fixture
async def shared_fires(shared_client: httpx.AsyncClient, shared_keys: Keys) -> dict[int, dict[str, Any]]:
    return await fires_of(Shots(shared_client, shared_keys))


async def fires_of(shots: Shots) -> dict[int, dict[str, Any]]:
    """The snapshots of "fires", by second; all their deltas are computed. "other" has one delta of its own."""
    await shots.send("POST", "/v1/endpoints", json={"name": "fires", "diff": {"ignore": ["/at"]}}, status=201)
    found = {}
    for moment, _, document in DOCUMENTS:
        body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
        found[moment] = await shots.put(body, "fires", captured_at=second(moment), include="delta")
    for moment, body in ((5, b"1"), (15, b"2")):
        await shots.put(body, "other", captured_at=second(moment), include="delta")
    return found


def compare(title: str, body: Any, status: int = 400, *, says: str = "", field: str | None = None) -> Row:
    return Row(title, "POST", COMPARE, status, body=body, says=says, field=field)


IDS = {"from_snapshot_id": "<0>", "to_snapshot_id": "<10>"}
REFUSED = [
    Row("list without a key", "GET", LIST, 401, key=None),
    Row("get without a key", "GET", f"{LIST}/<10>", 401, key=None),
    Row("compare without a key", "POST", COMPARE, 401, key=None, body=IDS),
    Row("list with a revoked key", "GET", LIST, 401, key="revoked"),
    Row("list another's", "GET", f"{LIST}?endpoint_id=fires", 404, key="other"),
    Row("get another's", "GET", f"{LIST}/<10>", 404, key="other", says="no such delta in this project"),
    Row("compare another's", "POST", COMPARE, 404, key="other", body=IDS),
    Row(
        "compare another's at times", "POST", COMPARE, 404, key="other", body={"endpoint_id": "<e>", "from_time": "1h"}
    ),
    Row("since another's", "GET", f"{LIST}?since_snapshot=<0>", 404, key="other"),
    Row("list with an account's key", "GET", LIST, 403, key="account"),
    Row("an unknown kind", "GET", f"{LIST}?kind=big", 400, field="kind", says="content, reorder, format, ignored"),
    Row("no kind", "GET", f"{LIST}?kind=", 400, field="kind"),
    Row("one unknown kind", "GET", f"{LIST}?kind=content,all", 400, field="kind"),
    Row("fewer than no changes", "GET", f"{LIST}?min_changes=-1", 400, field="min_changes"),
    Row("5,000 digits of changes", "GET", f"{LIST}?min_changes={'9' * 5000}", 400, field="min_changes"),
    Row("half a change", "GET", f"{LIST}?min_changes=0.5", 400, field="min_changes"),
    Row("a path that is none", "GET", f"{LIST}?path=fires", 400, field="path", says="begin with /"),
    Row("a path with a bad escape", "GET", f"{LIST}?path=/a~2", 400, field="path"),
    Row("a path by half a key", "GET", f"{LIST}?path=/fires/[UniqueId=", 400, field="path"),
    Row(
        "a pattern with a key", "GET", f"{LIST}?path=/fires/[UniqueId=a]/*", 400, field="path", says="in place of a key"
    ),
    Row("too many steps of any number", "GET", f"{LIST}?path=/**/a/**/b/**", 400, field="path", says="more than 2"),
    Row("part of a name", "GET", f"{LIST}?path=/fir*", 400, field="path", says="one whole step"),
    Row("a format of a list", "GET", f"{LIST}?format=changes", 400, field="format", says="since_snapshot"),
    Row("since and a kind", "GET", f"{LIST}?since_snapshot=<0>&kind=ignored", 400, field="kind"),
    Row("a list that includes something else", "GET", f"{LIST}?include=diff", 400, field="include", says="changes"),
    *[
        Row(f"no include {text}", "GET", f"{LIST}?include={text}", 400, field="include")
        for text in ("rows", "first", "first:0", "first:21", "first:3,changes")
    ],
    Row("since and what to include", "GET", f"{LIST}?since_snapshot=<0>&include=changes", 400, field="include"),
    Row("since and a path", "GET", f"{LIST}?since_snapshot=<0>&path=/fires", 400, field="path"),
    Row("since and a limit", "GET", f"{LIST}?since_snapshot=<0>&limit=5&format=changes", 400, field="limit"),
    Row("since and least changes", "GET", f"{LIST}?sinceSnapshot=<0>&minChanges=1", 400, field="min_changes"),
    Row("a cursor of snapshots", "GET", f"{LIST}?cursor=AAAAAA", 400, field="cursor"),
    Row("an unknown format", "GET", f"{LIST}/<10>?format=xml", 400, field="format"),
    Row("an unknown parameter", "GET", f"{LIST}/<10>?fmt=changes", 400, field="fmt"),
    Row("of the first snapshot", "GET", f"{LIST}/<0>", 404, says="the id of the snapshot it leads to"),
    Row("what is not there", "GET", f"{LIST}/{NOBODY}", 404),
    Row("what is no id", "GET", f"{LIST}/latest", 404),
    Row("since nothing", "GET", f"{LIST}?since_snapshot={NOBODY}", 404),
    Row("since a snapshot of another endpoint", "GET", f"{LIST}?since_snapshot=<0>&endpoint_id=other", 404),
    compare("nothing", {}, field="from_snapshot_id"),
    compare("one side", {"from_snapshot_id": "<0>"}, field="to_snapshot_id"),
    compare("a time without an endpoint", {"from_time": second(1), "to_time": second(2)}, field="from_snapshot_id"),
    compare("an id and a time", {**IDS, "from_time": second(1), "endpoint_id": "fires"}, field="from_time"),
    compare("an absurd time", {"endpoint_id": "fires", "from_time": "soon"}, field="from_time"),
    compare("before the first", {"endpoint_id": "fires", "from_time": "1980-01-01"}, 404),
    compare("an unknown endpoint", {"endpoint_id": "none", "from_time": "1h"}, 404),
    compare("an unknown snapshot", {**IDS, "to_snapshot_id": NOBODY}, 404),
    compare("a snapshot of another endpoint", {**IDS, "to_snapshot_id": "<other>"}, says="different endpoints"),
    compare("a snapshot not of the endpoint", {**IDS, "endpoint_id": "other"}, 404, says="of other"),
    compare("an unknown format", {**IDS, "format": "xml"}, field="format"),
    compare("an unknown field", {**IDS, "ignore": []}, field="ignore"),
    compare("an unknown setting", {**IDS, "diff": {"magic": 1}}, field="diff.magic"),
    compare("a pattern that is none", {**IDS, "diff": {"ignore": ["at"]}}, field="diff.ignore[0]"),
    compare("a tolerance below 0", {**IDS, "diff": {"tolerance": -1}}, field="diff.tolerance"),
    compare("too many patterns", {**IDS, "diff": {"ignore": [f"/{n}" for n in range(1000)]}}, field="diff"),
    compare("a window of another format", {**IDS, "start": 5}, field="start", says="format=rows"),
    compare("a window of no rows", {**IDS, "format": "rows", "count": 0}, field="count"),
    compare("a window of all rows", {**IDS, "format": "rows", "count": 10**6}, field="count"),
    compare("a row before the first", {**IDS, "format": "rows", "start": -1}, field="start"),
    compare("an unknown kind of rows", {**IDS, "format": "rows", "ops": ["change"]}, field="ops[0]"),
    compare("rows of a field that is none", {**IDS, "format": "rows", "fields": ["at"]}, field="fields"),
    compare("rows of fields that multiply", {**IDS, "format": "rows", "fields": ["/**" * 5]}, field="fields"),
    compare("rows of too many fields", {**IDS, "format": "rows", "fields": ["/a"] * 101}, field="fields"),
    compare("rows with a long text", {**IDS, "format": "rows", "q": "x" * 201}, field="q"),
    compare("values of nothing", {**IDS, "format": "rows", "value_limit": 0}, field="value_limit"),
    compare("a row of another format", {**IDS, "row": "/at"}, field="row", says="format=rows"),
    compare("a row that is no path", {**IDS, "format": "rows", "row": "at"}, field="row"),
    compare("what is the same, maybe", {**IDS, "format": "rows", "unchanged": "yes"}, field="unchanged"),
    Row("a row that is no path", "GET", f"{LIST}/<10>?format=rows&row=at", 400, field="row"),
    Row("rows of a kind that is none", "GET", f"{LIST}/<10>?format=rows&ops=add,change", 400, field="ops"),
    Row("rows of a path that is none", "GET", f"{LIST}/<10>?format=rows&fields=at", 400, field="fields"),
    Row("a filter of another format", "GET", f"{LIST}/<10>?q=x", 400, field="q"),
    Row("rows since", "GET", f"{LIST}?since_snapshot=<0>&format=rows", 400, field="format"),
    Row("another's rows", "GET", f"{LIST}/<10>?format=rows", 404, key="other"),
    compare("steps that multiply", {**IDS, "diff": {"ignore": ["/**" * 20]}}, field="diff.ignore[0]"),
    compare("keys of a wrong type", {**IDS, "diff": {"array_keys": {"/fires": "UniqueId"}}}),
    Row("compare by 1e400", "POST", COMPARE, 400, raw=b'{"diff":{"tolerance":1e400}}'),
    Row("compare deep", "POST", COMPARE, 400, raw=b'{"diff":' + b"[" * 100_000),
    Row("compare twice", "POST", COMPARE, 400, raw=b'{"endpoint_id":"a","endpoint_id":"b"}'),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals(
    shared_client: httpx.AsyncClient, shared_keys: Keys, shared_fires: dict[int, dict[str, Any]], row: Row
) -> None:
    ids = {f"<{moment}>": one["id"] for moment, one in shared_fires.items()} | {"<e>": shared_fires[0]["endpoint_id"]}
    if "<other>" in repr(row.body):
        ids["<other>"] = (await Shots(shared_client, shared_keys).get("/v1/snapshots/latest/other"))["snapshot"]["id"]
    body = {
        name: ids.get(value, value) if isinstance(value, str) else value for name, value in (row.body or {}).items()
    }
    path = row.path
    for name, id in ids.items():
        path = path.replace(name, id)
    await check(
        shared_client, shared_keys, msgspec.structs.replace(row, path=path, body=body if row.body is not None else None)
    )


KEYED = "/fires/[UniqueId=a]/Acres"
FILTERS: list[tuple[str, dict[str, Any], list[int]]] = [
    ("content only", {}, [10, 50, 60]),
    ("all kinds", {"kind": "all"}, [10, 20, 30, 40, 50, 60]),
    ("two kinds", {"kind": "format,ignored"}, [30, 40]),
    ("only order", {"kind": "reorder"}, [20]),
    ("more than one change", {"min_changes": 2}, [50, 60]),
    ("three changes", {"min_changes": 3}, [60]),
    ("more than there are", {"min_changes": 4}, []),
    ("a field", {"path": "/fires/*/Acres"}, [10, 60]),
    ("a place by index", {"path": "/fires/0/Acres"}, [10, 50, 60]),
    ("a place by key", {"path": "/fires/[UniqueId=a]/Acres"}, [10, 60]),
    ("a record by key", {"path": "/fires/[UniqueId=b]"}, [50]),
    ("a record that is not there", {"path": "/fires/[UniqueId=z]"}, []),
    ("any number of steps", {"path": "/**/Acres"}, [10, 60]),
    ("any number of steps, at the end", {"path": "/fires/**"}, [10, 50, 60]),
    ("any number of steps, none of them", {"path": "/fires/**/*/Acres"}, [10, 60]),
    ("two of any", {"path": "/*/*/Acres"}, [10, 60]),
    ("more steps than there are", {"path": "/*/*/*/*"}, []),
    ("all below a place", {"path": "/fires"}, [10, 50, 60]),
    ("whole elements and all in them", {"path": "/fires/*"}, [10, 50, 60]),
    ("a member named by digits", {"path": "/years/2024"}, [60]),
    ("the whole document", {"path": ""}, [10, 50, 60]),
    ("nothing of that name", {"path": "/fires/*/Name"}, []),
    ("a name that only begins so", {"path": "/fire"}, []),
    ("an ignored field", {"path": "/at", "kind": "all"}, []),
    ("a path and at least two", {"path": "/fires/*/Acres", "min_changes": 2}, [60]),
    ("from", {"from": second(50)}, [50, 60]),
    ("to", {"to": second(50)}, [10]),
    ("between, on a path", {"from": second(11), "to": second(60), "path": "/fires"}, [50]),
    ("nothing between", {"from": second(11), "to": second(49)}, []),
]


async def test_filters(shots: Shots, fires: dict[int, dict[str, Any]]) -> None:
    for what, query, moments in FILTERS:
        for limit in (1, 2, 100):
            up = await shots.walk(LIST, endpoint_id="fires", limit=limit, order="asc", **query)
            assert (what, [one["id"] for one in up]) == (what, [fires[moment]["id"] for moment in moments])
            assert up == (await shots.walk(LIST, endpoint_id="fires", limit=limit, **query))[::-1]


async def test_a_name_may_hold_a_star(shots: Shots) -> None:
    for body in (b'{"Total*": 1}', b'{"Total*": 2}'):
        await shots.put(body, include="delta")
    assert len((await shots.get(LIST, path="/Total*"))["data"]) == 1


async def test_a_project_s_deltas_in_order_of_time(shots: Shots, fires: dict[int, dict[str, Any]]) -> None:
    for limit in (1, 2, 100):
        found = await shots.walk(LIST, limit=limit, order="asc")
        assert [one["captured_at"] for one in found] == [second(moment) for moment in (10, 15, 50, 60)]
        assert found == (await shots.walk(LIST, limit=limit))[::-1]


async def test_what_a_delta_tells(shots: Shots, fires: dict[int, dict[str, Any]]) -> None:
    found = {one["id"]: one for one in await shots.walk(LIST, kind="all", endpoint_id="fires")}
    moments = [moment for moment, _, _ in DOCUMENTS]
    for before, (moment, kind, _) in zip(moments, DOCUMENTS[1:], strict=False):
        one = found[fires[moment]["id"]]
        assert (one["kind"], one["from_snapshot_id"], one["to_snapshot_id"]) == (
            kind,
            fires[before]["id"],
            fires[moment]["id"],
        )
    fifty = found[fires[50]["id"]]
    assert fifty == {
        "id": fires[50]["id"],
        "endpoint_id": fires[50]["endpoint_id"],
        "from_snapshot_id": fires[40]["id"],
        "to_snapshot_id": fires[50]["id"],
        "captured_at": second(50),
        "kind": "content",
        "changes_count": 2,
        "added": 1,
        "removed": 1,
        "replaced": 0,
        "moved": 0,
        "similarity_score": 0.454545,  # 5 / 11: three leaves of A, at, the year; three of B are gone, three of C new
        "fields": [{"path": "/fires/*", "changes": 2}],
        "schema_changes": [],
        "notes": [],
    }


def decoded(document: Document | str) -> Any:
    return json.loads(document) if isinstance(document, str) else document


async def test_one_delta_in_three_formats(shots: Shots, fires: dict[int, dict[str, Any]]) -> None:
    for (_, _, before), (moment, kind, after) in pairwise(DOCUMENTS):
        id = fires[moment]["id"]
        plain = await shots.get(f"{LIST}/{id}")
        assert (plain["format"], plain["id"], plain["kind"]) == ("json-patch", id, kind)
        patched = jsonpatch.apply_patch(decoded(before), plain["diff"])
        assert patched | {"at": 0} == decoded(after) | {"at": 0}  # what is ignored is in no patch
        changes = await shots.get(f"{LIST}/{id}", format="changes")
        assert (changes["format"], len(changes["diff"])) == ("changes", plain["changes_count"])
        merge = await shots.get(f"{LIST}/{id}", format="merge-patch")
        assert (decoded(before) | merge["diff"])["fires"] == decoded(after)["fires"]
    ten = await shots.get(f"{LIST}/{fires[10]['id']}", format="changes")
    assert ten["diff"] == [
        {"op": "replace", "path": KEYED, "before": "/fires/0/Acres", "after": "/fires/0/Acres", "old": 1, "new": 5}
        | {"key": {"UniqueId": "a"}}
    ]


async def test_a_list_with_old_and_new_values(shots: Shots, fires: dict[int, dict[str, Any]]) -> None:
    for query in ({}, {"kind": "all"}, {"endpoint_id": "fires", "path": "/fires/*/Acres"}):
        plain = await shots.walk(LIST, **query)
        for limit in (1, 2, 100):
            found = await shots.walk(LIST, include="changes", limit=limit, **query)
            for one in found:
                alone = await shots.get(f"{LIST}/{one['id']}", format="changes")
                assert (one.pop("changes"), one.pop("changes_complete")) == (alone["diff"], True)
            assert found == plain


async def test_a_list_with_first_rows(shots: Shots, fires: dict[int, dict[str, Any]]) -> None:
    plain = await shots.walk(LIST)
    for count in (1, 3, 20):
        found = await shots.walk(LIST, include=f"first:{count}", limit=2)
        for one in found:
            alone = await shots.get(f"{LIST}/{one['id']}", format="rows", count=count)
            assert one.pop("first") == alone["rows"] != []
        assert found == plain


async def test_a_list_with_values_is_bounded(shots: Shots, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(5):
        await shots.put(json.dumps({str(i): n for i in range(7)}).encode(), include="delta")
    [five, *_] = await shots.walk(LIST, include="changes")
    monkeypatch.setattr(deltas, "MOST_CHANGES", 3)
    monkeypatch.setattr(deltas, "PAGE_BYTES", 1)
    page = await shots.get(LIST, include="changes")
    assert (len(page["data"]), page["has_more"]) == (1, True)
    found = await shots.walk(LIST, include="changes")
    assert [one["to_snapshot_id"] for one in found] == [one["to_snapshot_id"] for one in await shots.walk(LIST)]
    assert found[0]["changes"] == five["changes"][:3]
    assert [one["changes_complete"] for one in found] == [False] * 4
    monkeypatch.setattr(deltas, "CHANGES_BYTES", 10)
    assert [one["changes"] for one in await shots.walk(LIST, include="changes")] == [[]] * 4


async def test_halves_of_surrogate_pairs_in_a_list(shots: Shots) -> None:
    for body in (b'{"a":"\\ud800"}', b'{"a":"\\udc00b"}'):
        await shots.put(body, include="delta")
    assert [change["new"] for change in (await shots.get(LIST, include="changes"))["data"][0]["changes"]] == ["\udc00b"]


async def test_comparisons_by_ids_and_times(shots: Shots, fires: dict[int, dict[str, Any]]) -> None:
    by_ids = await shots.send(
        "POST", COMPARE, json={"from_snapshot_id": fires[0]["id"], "to_snapshot_id": fires[50]["id"]}
    )
    assert "id" not in by_ids
    assert (by_ids["changes_count"], by_ids["captured_at"]) == (3, second(50))
    for body in (
        {"endpoint_id": "fires", "from_time": second(9.9), "to_time": second(55)},
        {"endpoint_id": fires[0]["endpoint_id"], "from_time": second(0), "to_snapshot_id": fires[50]["id"]},
        {"endpointId": "fires", "fromSnapshotId": fires[0]["id"], "toTime": second(50)},
    ):
        assert await shots.send("POST", COMPARE, json=body) == by_ids
    to_now = await shots.send("POST", COMPARE, json={"endpoint_id": "fires", "from_time": second(0)})
    assert to_now["to_snapshot_id"] == fires[60]["id"]
    back = await shots.send(
        "POST", COMPARE, json={"from_snapshot_id": fires[60]["id"], "to_snapshot_id": fires[0]["id"]}
    )
    old = jsonpatch.apply_patch(decoded(DOCUMENTS[-1][2]), back["diff"])
    assert old | {"at": 0} == DOCUMENTS[0][2]
    same = await shots.send(
        "POST", COMPARE, json={"from_snapshot_id": fires[0]["id"], "to_snapshot_id": fires[0]["id"]}
    )
    assert (same["kind"], same["diff"], same["changes_count"], same["similarity_score"]) == ("none", [], 0, 1.0)


SETTINGS: list[tuple[str, dict[str, Any], int, int, str, int]] = [
    # settings, from, to, kind, changes
    ("the endpoint's", {}, 30, 40, "ignored", 0),
    ("nothing ignored", {"diff": {}}, 30, 40, "content", 1),
    ("tolerant", {"diff": {"tolerance": 4}}, 0, 10, "ignored", 0),
    ("tolerant elsewhere", {"diff": {"tolerance": {"/at": 9}}}, 0, 10, "content", 1),
    ("ignored fields", {"diff": {"ignore": ["/**/Acres", "/at"]}}, 0, 10, "ignored", 0),
    ("order means nothing", {"diff": {"order": {"/fires": "set"}, "ignore": ["/at"]}}, 10, 20, "reorder", 0),
    ("another key", {"diff": {"array_keys": {"/fires": ["Acres"]}, "ignore": ["/at"]}}, 0, 10, "content", 2),
]


async def test_comparisons_with_settings_of_their_own(shots: Shots, fires: dict[int, dict[str, Any]]) -> None:
    for what, more, start, end, kind, count in SETTINGS:
        body = {"from_snapshot_id": fires[start]["id"], "to_snapshot_id": fires[end]["id"], **more}
        said = await shots.send("POST", COMPARE, json=body)
        assert (what, said["kind"], said["changes_count"]) == (what, kind, count)
    assert (await shots.get("/v1/endpoints/fires"))["endpoint"]["diff"]["ignore"] == ["/at"]


async def test_what_changed_since_i_last_looked(shots: Shots, fires: dict[int, dict[str, Any]]) -> None:
    for moment, one in fires.items():
        said = await shots.get(LIST, since_snapshot=one["id"], format="changes", endpoint_id="fires")
        body = {"from_snapshot_id": one["id"], "to_snapshot_id": fires[60]["id"], "format": "changes"}
        assert said == await shots.send("POST", COMPARE, json=body)
        assert (said["kind"] == "none") == (moment == 60)


async def test_an_unchanged_snapshot_has_no_delta(shots: Shots, fires: dict[int, dict[str, Any]]) -> None:
    body = await shots.data(fires[60]["id"])
    stored = await shots.raw(body, "fires", captured_at=second(70), include="delta")
    assert (stored["snapshot"]["unchanged"], stored["delta"]) == (True, None)
    await shots.get(f"{LIST}/{stored['snapshot']['id']}", status=404)
    after = await shots.raw(b"[]", "fires", captured_at=second(80), include="delta")
    assert after["delta"]["from_snapshot_id"] == stored["snapshot"]["id"]


async def test_include_delta_waits_for_it(shots: Shots) -> None:
    first = await shots.raw(b'{"a": 1}', include="delta")
    then = await shots.raw(b'{"a": 2}', include="delta")
    assert first["delta"] is None
    assert (then["delta"]["id"], then["delta"]["replaced"]) == (then["snapshot"]["id"], 1)
    assert [one["id"] for one in (await shots.get(LIST))["data"]] == [then["delta"]["id"]]
    assert then["delta"] == (await shots.get(LIST))["data"][0]


async def test_a_merge_patch_that_cannot_be_said(shots: Shots) -> None:
    await shots.put(b'{"a": 1}')
    stored = await shots.put(b'{"a": null}')
    said = await shots.get(f"{LIST}/{stored['id']}", format="merge-patch", status=400)
    assert said["code"] == "VALIDATION_ERROR"
    assert (await shots.get(f"{LIST}/{stored['id']}"))["diff"] == [{"op": "replace", "path": "/a", "value": None}]


async def test_a_mistyped_pattern_is_noted(shots: Shots) -> None:
    patterns = {"ignore": ["/at", "/fiers/*/Acres"], "array_keys": {"/fires/*": ["Name"]}}
    await shots.send("POST", "/v1/endpoints", json={"name": "noted", "diff": patterns}, status=201)
    first = await shots.put(json.dumps({"fires": [A], "at": 0}).encode(), "noted", captured_at=second(0))
    last = await shots.put(json.dumps({"fires": [B], "at": 1}).encode(), "noted", captured_at=second(1))
    notes = [
        {"path": "/fiers/*/Acres", "message": "the pattern of ignore meets nothing in either document"},
        {"path": "/fires/*", "message": "the pattern of array_keys meets no array in either document"},
    ]
    assert (await shots.get(f"{LIST}/{last['id']}"))["notes"] == notes
    sides = {"from_snapshot_id": first["id"], "to_snapshot_id": last["id"]}
    compared = await shots.send("POST", COMPARE, json=sides, status=200)
    assert compared["notes"] == notes
    compared = await shots.send("POST", COMPARE, json=sides | {"diff": {"ignore": ["/at"]}}, status=200)
    assert compared["notes"] == []


async def test_rows_of_a_delta_and_of_a_comparison(shots: Shots, fires: dict[int, dict[str, Any]]) -> None:
    sixty = await shots.get(f"{LIST}/{fires[60]['id']}", format="rows")
    assert (sixty["id"], sixty["format"], sixty["changes_count"]) == (fires[60]["id"], "rows", 3)
    assert (sixty["total"], sixty["matched"], sixty["records"], sixty["lines"]) == (3, 3, 2, 6)
    assert sixty["keys"] == {"/fires": {"fields": ["UniqueId"], "from": "found"}}
    assert [(row["record"], row["at"], row.get("label")) for row in sixty["rows"]] == [
        ("", "years/2024", None),
        ("/fires/[UniqueId=a]", "Acres", "Ash"),
        ("/fires/[UniqueId=c]", "Acres", "Cedar"),
    ]
    assert sixty["fields"] == [
        {"path": path, "changes": n, "added": 0, "removed": 0, "replaced": n, "moved": 0}
        for path, n in (("/fires/*/Acres", 2), ("/years/2024", 1))
    ]
    ends = {"from_snapshot_id": fires[50]["id"], "to_snapshot_id": fires[60]["id"]}
    compared = await shots.send("POST", COMPARE, json={**ends, "format": "rows"})
    assert compared == {name: value for name, value in sixty.items() if name != "id"}
    one = await shots.get(
        f"{LIST}/{fires[60]['id']}", format="rows", ops="replace,add", fields="/fires/*/Acres", q="ash"
    )
    body = {**ends, "format": "rows", "ops": ["replace", "add"], "fields": ["/fires/*/Acres"], "q": "Ash"}
    filtered = await shots.send("POST", COMPARE, json=body)
    assert filtered == {name: value for name, value in one.items() if name != "id"}
    assert (filtered["total"], filtered["matched"], [row["n"] for row in filtered["rows"]]) == (3, 1, [1])
    later = await shots.get(f"{LIST}/{fires[60]['id']}", format="rows", start=2, count=5, value_limit=16, text_from=0)
    assert later["rows"] == sixty["rows"][2:]
    whole = await shots.get(f"{LIST}/{fires[60]['id']}", format="rows", unchanged=True, row="/fires/UniqueId=c/Name")
    posted = {**ends, "format": "rows", "unchanged": True, "row": "/fires/[UniqueId=c]/Name"}
    assert await shots.send("POST", COMPARE, json=posted) == {name: of for name, of in whole.items() if name != "id"}
    assert (whole["total"], whole["matched"], whole["records"]) == (3, 3, 2)
    changed = [row for row in whole["rows"] if row["op"] != "same"]
    assert [(row["record"], row["at"]) for row in changed] == [(row["record"], row["at"]) for row in sixty["rows"]]
    assert whole["unchanged"] == len(whole["rows"]) - 3
    assert whole["rows"][whole["place"]]["record"] == "/fires/[UniqueId=c]"
    near = await shots.send("POST", COMPARE, json=posted | {"diff": {"tolerance": {"/fires/*/Acres": 1e9}}})
    assert ("same", "fires") in [(row["op"], row["at"]) for row in near["rows"]]
    settings = {"labels": {"/fires": "UniqueId"}, "array_keys": {"/fires": ["Name"]}}
    named = await shots.send("POST", COMPARE, json={**ends, "format": "rows", "diff": settings})
    assert named["keys"] == {"/fires": {"fields": ["Name"], "from": "settings"}}
    assert [row["label"] for row in named["rows"] if "label" in row] == ["a", "c"]
    same = await shots.send("POST", COMPARE, json=ends | {"to_snapshot_id": fires[50]["id"], "format": "rows"})
    assert (same["kind"], same["total"], same["lines"], same["rows"]) == ("none", 0, 0, [])


async def test_a_pair_is_compared_once(
    shots: Shots, fires: dict[int, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"from_snapshot_id": fires[0]["id"], "to_snapshot_id": fires[60]["id"], "format": "rows"}
    first = await shots.send("POST", COMPARE, json=body)
    monkeypatch.setattr(row_windows, "compare_as_rows", None)
    assert await shots.send("POST", COMPARE, json=body) == first
    assert (await shots.send("POST", COMPARE, json=body | {"start": 1}))["rows"] == first["rows"][1:]
    assert (await shots.send("POST", COMPARE, json=body | {"q": "ash"}))["total"] == first["total"]


async def test_windows_of_many_rows_make_all_of_them(shots: Shots, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for at once, they are computed once; beside the event loop, which the tests watch."""
    for step in (0, 1):
        body = json.dumps([{"id": n, "name": f"Record {n}", "v": n + step} for n in range(3000)])
        last = await shots.put(body.encode(), "many", captured_at=second(step), include="delta")
    computed = []
    compare_once = summaries.compare_as_rows

    def counted(*given: Any) -> Any:
        computed.append(1)
        return compare_once(*given)

    monkeypatch.setattr(row_windows, "compare_as_rows", counted)
    monkeypatch.setattr(services, "APART_BYTES", 1 << 30)  # or it is not this process that counts
    answers = await asyncio.gather(
        *[shots.get(f"{LIST}/{last['id']}", format="rows", start=start, count=1000) for start in (0, 1000, 2000)]
    )
    assert len(computed) == 1
    found = [row for answer in answers for row in answer["rows"]]
    assert [(row["n"], row["line"], row["label"], row["new"]) for row in found] == [
        (n, 2 * n + 1, f"Record {n}", n + 1) for n in range(3000)
    ]
    assert {(answer["total"], answer["matched"], answer["lines"], answer["rail"]) for answer in answers} == {
        (3000, 3000, 6000, answers[0]["rail"])
    }
