import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from delta_server.app import Application
from delta_server.core.ids import text as ids_text
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.schemas import EndpointChange
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import walk
from tests.conftest import Keys, bearer, shared, shared_fixture
from tests.features.history import timelines
from tests.features.history.timelines import Version
from tests.features.rows import Row, check
from tests.storage.opened import START_MS

NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
HOUR, DAY = 3_600_000, 86_400_000
DOCUMENTS = [
    b'{"at":1,"items":[{"sku":"A7","price":12.50},{"sku":"B1","price":3}]}',
    b'{"at":2,"items":[{"sku":"B1","price":3},{"sku":"A7","price":12.5}]}',
    b'{"at":3,"items":[{"sku":"B1","price":3},{"sku":"A7","price":13}]}',
    b'{"at":4,"items":[{"sku":"B1","price":3}]}',
    b'{"at":5,"items":[{"sku":"B1","price":4},{"sku":"A7","price":13.0}]}',
]
A7 = "/items/[sku=A7]/price"


def ask(title: str, what: str, query: str = "", *, says: str = "", field: str | None = None, status: int = 400) -> Row:
    return Row(title, "GET", f"/v1/endpoints/prices/{what}?{query}", status, says=says, field=field)


def path(title: str, text: str, what: str = "history", *, says: str = "") -> Row:
    return ask(title, what, f"path={quote(text)}", says=says)


REFUSED = [
    *[
        Row(f"{what} without a key", "GET", f"/v1/endpoints/prices/{what}?path=/at", 401, key=None)
        for what in ("history", "fields", "blame", "stats")
    ],
    Row("another's history", "GET", "/v1/endpoints/prices/history?path=/at", 404, key="other"),
    Row("another's fields", "GET", "/v1/endpoints/prices/fields", 404, key="other"),
    Row("another's blame", "GET", "/v1/endpoints/prices/blame", 404, key="other"),
    Row("another's stats", "GET", "/v1/endpoints/prices/stats", 404, key="other"),
    Row("an account's key", "GET", "/v1/endpoints/prices/stats", 403, key="account"),
    Row("a revoked key", "GET", "/v1/endpoints/prices/stats", 401, key="revoked", says="revoked"),
    Row("no such endpoint", "GET", f"/v1/endpoints/{NOBODY}/history?path=/at", 404),
    Row("a name of NUL", "GET", "/v1/endpoints/%00/stats", 404),
    ask("history without a path", "history", field="path"),
    ask("an unknown parameter", "history", "path=/at&color=red", field="color"),
    ask("no unknown parameter of fields", "fields", "path=/at", field="path"),
    ask("nothing to include", "history", "path=/at&include=all", field="include"),
    ask("no order", "history", "path=/at&order=up", field="order"),
    ask("no time", "history", "path=/at&from=soon", field="from"),
    ask("an absurd time", "history", "path=/at&to=99999-01-01", field="to"),
    ask("a time without a zone", "stats", "from=2026-01-01T00:00:00", says="zone", field="from"),
    ask("from after to", "history", "path=/at&from=2026-01-02&to=2026-01-01", field="from"),
    ask("stats from after to", "stats", "from=2026-01-02&to=2026-01-01", field="from"),
    ask("limit 0", "history", "path=/at&limit=0", field="limit"),
    ask("limit 1001", "fields", "limit=1001", field="limit"),
    ask("limit abc", "blame", "limit=abc", field="limit"),
    ask("a broken cursor", "history", "path=/at&cursor=abc", field="cursor"),
    ask("a broken cursor of fields", "fields", "cursor=%F0%9F%90%8B", field="cursor"),
    ask("a broken cursor of blame", "blame", "cursor=AAAAAAAA", field="cursor"),
    path("a path without its slash", "items", says="begin with /"),
    ask("an endless path", "history", "path=" + "/a" * 10_000, status=414, says="longer than"),
    path("a bad escape", "/a~2", says="~0"),
    path("a bad escape at the end", "/a~", "blame", says="~0"),
    path("an unclosed step by key", "/items/[sku=A7", says="[field=value]"),
    path("a step by key with rubbish behind", "/items/[sku=A7]x", says="[field=value]"),
    path("a step by key without a bracket at the end", "/items/[sku=A7/price", "blame", says="[field=value]"),
    path("an unclosed quote", '/items/[sku="A7]', says="[field=value]"),
    path("a bad string in a step by key", '/items/[sku="\\x"]', says="JSON string"),
    path("a field pattern", "/items/*/price", says="[sku=A7]"),
    path("any number of steps", "/items/**", says="key or index"),
    path("blame of a field pattern", "/items/*/price", "blame", says="key or index"),
    ask("no UTF-8 in a path", "history", "path=/%FF", says="UTF-8"),
    ask("no interval", "stats", "interval=often", field="interval"),
    ask("interval 0", "stats", "interval=0h", field="interval"),
    ask("too many buckets", "stats", "interval=1s", says="take 1h", field="interval"),
    ask("far too many buckets", "stats", "interval=1ms&from=0001-01-01&to=9999-12-31", says="buckets, at most 1000"),
    ask("nothing to include in a blame", "blame", "include=totals", field="include"),
    ask("a snapshot and a time", "blame", f"snapshot={NOBODY}&time=24h", field="time"),
    ask("no time of blame", "blame", "time=never", field="time"),
    ask("no such snapshot", "blame", f"snapshot={NOBODY}", status=404),
    ask("a snapshot that is no id", "blame", "snapshot=latest", status=404),
    ask("a time before the first", "blame", "time=2020-01-01", status=404, says="no snapshot"),
    ask("a leaf that is not there", "blame", "path=/nothing", status=404, says="nothing at /nothing"),
]
HARMLESS = [
    "/" + "a/" * 1_500,
    "/at/at/at",
    "/items/-",
    "/items/00",
    "/items/99999999999999999999",
    "/items/[",
    "/items/[]",
    "/items/]",
    "/items/[sku]",
    "/items/[sku=]",
    "/items/[\0=1]",
    "/items/[\x01=1]/price",
    "/items/[sku=C]/price",
    "/items/[sku/x/y=A7]",
    "/items/[price=1e400]",
    "/\0",
    "/\u202e/\ufeff",
    "/\U0001f40b/\u00e9",
    "//",
    "/" + "[a=b]/" * 400,
    "/%2525",
    "/at' OR 1=1 --",
]


@pytest.fixture
async def prices(app: Application, keys: Keys) -> EndpointRef:
    return await prices_of(app)


@shared_fixture
async def shared_prices(shared_app: Application, shared_keys: Keys) -> EndpointRef:
    return await prices_of(shared_app)


async def prices_of(app: Application) -> EndpointRef:
    """Five documents, one a day, the last before the clock's time; all deltas computed."""
    endpoint = await timelines.endpoint_named(app.services, "prices")
    first = START_MS - (len(DOCUMENTS) + 1) * DAY
    await timelines.fill(
        app.services, endpoint, [Version(first + n * DAY, document) for n, document in enumerate(DOCUMENTS)]
    )
    await timelines.compute(app.services)
    return endpoint


async def get(client: httpx.AsyncClient, keys: Keys, path: str, /, **params: Any) -> Any:
    answer = await client.get(f"/v1/endpoints/{path}", params=params, headers=bearer(keys.read))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refused(
    shared_client: httpx.AsyncClient, shared_keys: Keys, shared_prices: EndpointRef, row: Row
) -> None:
    await check(shared_client, shared_keys, row)


@pytest.mark.parametrize("text", HARMLESS)
@shared
async def test_odd_paths_are_paths_with_nothing_there(
    shared_client: httpx.AsyncClient, shared_keys: Keys, shared_prices: EndpointRef, text: str
) -> None:
    found = await get(shared_client, shared_keys, "prices/history", path=text)
    assert found == {
        "path": text,
        "data": [],
        "has_more": False,
        "next_cursor": None,
        "total": 0,
        "min": None,
        "max": None,
        "share": 0.0,
    }
    answer = await shared_client.get(
        "/v1/endpoints/prices/blame", params={"path": text}, headers=bearer(shared_keys.read)
    )
    assert answer.status_code == 404


async def test_history(client: httpx.AsyncClient, keys: Keys, prices: EndpointRef) -> None:
    listed = await client.get("/v1/snapshots?endpoint_id=prices&order=asc", headers=bearer(keys.read))
    ids = [snapshot["id"] for snapshot in listed.json()["data"]]
    answer = await client.get("/v1/endpoints/prices/history", params={"path": A7}, headers=bearer(keys.read))
    assert '"value":12.50}' in answer.text, "numbers keep their text"
    assert answer.json() == {
        "path": A7,
        "data": [
            {"snapshot_id": ids[0], "captured_at": "2025-12-26T00:00:00.000Z", "value": 12.5},
            {"snapshot_id": ids[2], "captured_at": "2025-12-28T00:00:00.000Z", "value": 13},
            {"snapshot_id": ids[3], "captured_at": "2025-12-29T00:00:00.000Z", "exists": False},
            {"snapshot_id": ids[4], "captured_at": "2025-12-30T00:00:00.000Z", "value": 13.0},
        ],
        "has_more": False,
        "next_cursor": None,
        "total": 4,
        "min": 12.5,
        "max": 13,
        "share": 0.75,
    }
    totals = ("total", "min", "max", "share")
    newest = await get(client, keys, "prices/history", path=A7, order="desc", limit=1)
    assert [row["snapshot_id"] for row in newest["data"]] == [ids[4]]
    assert newest["has_more"]
    recent = await get(client, keys, "prices/history", path=A7, **{"from": "80h"})
    assert [row["snapshot_id"] for row in recent["data"]] == [ids[3], ids[4]]
    assert [newest[name] for name in totals] == [None] * 4
    assert [recent[name] for name in totals] == [2, 13, 13, None], "a share of all deltas is not one of some"
    for order in ("asc", "desc"):
        first = await get(client, keys, "prices/history", path=A7, order=order, limit=1, include="totals")
        assert len(first["data"]) == 1
        assert [first[name] for name in totals] == [4, 12.5, 13, 0.75]
        second = {"cursor": first["next_cursor"], "include": "totals", "order": order, "limit": 2}
        page = await get(client, keys, "prices/history", path=A7, **second)
        assert (len(page["data"]), page["has_more"], page["total"]) == (2, True, None)
    by_id = await get(client, keys, f"{ids_text(prices.uid)}/history", path="/items/0/sku")
    assert [row["value"] for row in by_id["data"]] == ["A7", "B1"]


async def test_blame_tells_how_often_a_leaf_changed(client: httpx.AsyncClient, keys: Keys, prices: EndpointRef) -> None:
    found = await get(client, keys, "prices/blame")
    assert {leaf["path"]: leaf.get("changes") for leaf in found["data"]} == {
        "/at": 4,
        "/items/[sku=B1]/price": 1,
        "/items/[sku=B1]/sku": None,
        A7: 2,
        "/items/[sku=A7]/sku": 1,
    }


async def test_a_key_needs_no_brackets(client: httpx.AsyncClient, keys: Keys, prices: EndpointRef) -> None:
    for bracketed, plain in ((A7, "/items/sku=A7/price"), ("/items/[sku=B1]", "/items/sku=B1")):
        for route in ("/v1/endpoints/prices/history", "/v1/endpoints/prices/blame", "/v1/deltas"):
            wanted, found = [
                (await client.get(route, params={"path": path}, headers=bearer(keys.read))).json()["data"]
                for path in (bracketed, plain)
            ]
            assert found, route
            assert json.loads(json.dumps(found).replace(plain, bracketed)) == wanted
    assert (await get(client, keys, "prices/history", path="/items/sku=C/price"))["data"] == []


async def test_pages_of_history_by_link(client: httpx.AsyncClient, keys: Keys, prices: EndpointRef) -> None:
    for order in ("asc", "desc"):
        values = []
        url = f"/v1/endpoints/prices/history?path=/at&limit=2&order={order}"
        while url:
            answer = await client.get(url, headers=bearer(keys.read))
            values += [row["value"] for row in answer.json()["data"]]
            url = answer.links.get("next", {}).get("url", "")
        assert values == ([1, 2, 3, 4, 5] if order == "asc" else [5, 4, 3, 2, 1])
    cursor = (await get(client, keys, "prices/history", path="/at", limit=1))["next_cursor"]
    await check(client, keys, ask("another order's cursor", "history", f"path=/at&order=desc&cursor={cursor}"))


async def test_fields(client: httpx.AsyncClient, keys: Keys, prices: EndpointRef) -> None:
    found = await get(client, keys, "prices/fields")
    listed = await client.get("/v1/snapshots/latest/prices", headers=bearer(keys.read))
    latest = listed.json()["snapshot"]["id"]
    last = {"last_changed_at": "2025-12-30T00:00:00.000Z", "last_snapshot_id": latest}
    assert found == {
        "data": [
            {"path": "/at", "changes": 4, "types": ["number"], "share_of_deltas": 1.0, **last},
            {"path": "/items/*", "changes": 2, "types": ["object"], "share_of_deltas": 0.5, **last},
            {"path": "/items/*/price", "changes": 2, "types": ["number"], "share_of_deltas": 0.5, **last},
        ],
        "has_more": False,
        "next_cursor": None,
    }


async def test_fields_by_text_and_in_pages(client: httpx.AsyncClient, keys: Keys, prices: EndpointRef) -> None:
    for q, wanted in {"PRICE": ["/items/*/price"], "items": ["/items/*", "/items/*/price"], "%": [], "\0": []}.items():
        assert [field["path"] for field in (await get(client, keys, "prices/fields", q=q))["data"]] == wanted
    paths: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await get(client, keys, "prices/fields", limit=1, **cursor)
        paths += [field["path"] for field in page["data"]]
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert paths == ["/at", "/items/*", "/items/*/price"]


async def test_blame(client: httpx.AsyncClient, keys: Keys, prices: EndpointRef) -> None:
    found = await get(client, keys, "prices/blame", path="/items")
    assert found["captured_at"] == "2025-12-30T00:00:00.000Z"
    assert found["complete"]
    assert [(leaf["path"], leaf["value"], leaf["captured_at"][:10]) for leaf in found["data"]] == [
        ("/items/[sku=B1]/sku", "B1", "2025-12-26"),
        ("/items/[sku=B1]/price", 4, "2025-12-30"),
        ("/items/[sku=A7]/sku", "A7", "2025-12-30"),
        ("/items/[sku=A7]/price", 13.0, "2025-12-30"),
    ]
    earlier = await get(client, keys, "prices/blame", path=A7, time="2025-12-28")
    assert [leaf["captured_at"][:10] for leaf in earlier["data"]] == ["2025-12-28"]
    same = await get(client, keys, "prices/blame", path=A7, snapshot=earlier["snapshot_id"])
    assert same == earlier


@pytest.mark.parametrize("search_s", [0, 100])
async def test_pages_of_blame(
    client: httpx.AsyncClient, keys: Keys, prices: EndpointRef, monkeypatch: pytest.MonkeyPatch, search_s: float
) -> None:
    whole = await get(client, keys, "prices/blame")
    monkeypatch.setattr(walk, "SEARCH_S", search_s)
    leaves: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = await get(client, keys, "prices/blame", limit=2, **cursor)
        leaves += page["data"]
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(leaves, key=lambda leaf: leaf["path"]) == sorted(whole["data"], key=lambda leaf: leaf["path"])
    assert len(leaves) == 5
    row = ask("another path's cursor", "blame", f"path=/items&cursor={cursor['cursor']}", says="another path")
    await check(client, keys, row)


async def test_stats(app: Application, client: httpx.AsyncClient, keys: Keys, prices: EndpointRef) -> None:
    await timelines.fill(app.services, prices, [Version(START_MS - DAY + HOUR, DOCUMENTS[-1])])
    found = await get(client, keys, "prices/stats")
    stored = found["totals"].pop("stored_bytes")
    size = sum(map(len, DOCUMENTS))
    assert 0 < stored < size + 200
    assert found["totals"] == {
        "snapshots": 6,
        "contents": 5,
        "deltas": 4,
        "deltas_failed": 0,
        "raw_bytes": size,
        "first_captured_at": "2025-12-26T00:00:00.000Z",
        "last_captured_at": "2025-12-31T01:00:00.000Z",
    }
    assert found["interval"] == "1d"
    assert len(found["buckets"]) == 30
    assert found["buckets"][-6:] == [
        *[
            {
                "time": f"2025-12-{26 + n}T00:00:00.000Z",
                "snapshots": 1,
                "changes": min(n, 1),
                "bytes": len(document),
            }
            for n, document in enumerate(DOCUMENTS)
        ],
        {"time": "2025-12-31T00:00:00.000Z", "snapshots": 1, "changes": 0, "bytes": 0},
    ]


@pytest.mark.parametrize(
    ("query", "first", "buckets", "snapshots"),
    [
        ({"interval": "1w"}, "2025-12-01", 5, 5),
        ({"interval": "52w"}, "2025-10-27", 1, 5),
        ({"from": "2025-12-27", "to": "2025-12-29"}, "2025-12-27", 2, 2),
        ({"from": "2025-12-27T12:00:00Z", "to": "2025-12-28T12:00:00Z"}, "2025-12-27", 2, 1),
        ({"from": "2025-12-27", "to": "2025-12-27"}, None, 0, 0),
        ({"from": "73h", "interval": "6h"}, "2025-12-28T18", 6, 2),
        ({"from": "2025-12-31"}, None, 0, 0),
        ({"to": "2025-12-27"}, "2025-11-27", 30, 1),
        ({"from": "0001-01-01", "interval": "99999w"}, "0001-01-01", 3, 5),
        ({"from": "9999-12-31", "to": "9999-12-31T23:59:59.999Z"}, "9999-12-31", 1, 0),
    ],
)
async def test_ranges_of_stats(
    client: httpx.AsyncClient,
    keys: Keys,
    prices: EndpointRef,
    query: Any,
    first: str | None,
    buckets: int,
    snapshots: int,
) -> None:
    found = (await get(client, keys, "prices/stats", **query))["buckets"]
    assert len(found) == buckets
    assert sum(bucket["snapshots"] for bucket in found) == snapshots
    assert first is None or found[0]["time"].startswith(first)


async def test_an_endpoint_without_snapshots(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await timelines.endpoint_named(app.services, "empty")
    assert (await get(client, keys, "empty/history", path="/a"))["data"] == []
    assert (await get(client, keys, "empty/fields"))["data"] == []
    found = await get(client, keys, "empty/stats")
    assert found["buckets"] == []
    assert set(found["totals"].values()) == {0, None}
    await check(client, keys, Row("blame", "GET", "/v1/endpoints/empty/blame", 404, says="no snapshot"))


async def test_history_while_deltas_are_computed_again(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    """Deltas computed with `ignore` say nothing of the field; the new ones do not exist yet."""
    endpoint = await timelines.endpoint_named(app.services, "e", {"ignore": ["/a"]})
    await timelines.fill(app.services, endpoint, [Version(1000 * n, b'{"a":%d,"b":0}' % n) for n in range(1, 40)])
    while await deltas.compute_queued(app.services):
        pass
    change = EndpointChange(diff=None)
    await endpoints.update_endpoint(app.services, endpoint.project, "e", change)
    found = await get(client, keys, "e/history", path="/a")
    assert [row["value"] for row in found["data"]] == list(range(1, 40))
