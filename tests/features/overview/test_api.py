import json
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core.times import DAY_MS, format, parse
from tests.conftest import Keys, bearer
from tests.features.history import timelines
from tests.features.history.timelines import Version
from tests.features.overview.test_activity import as_before
from tests.features.rows import Row, check

NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
HOUR = 3_600_000
FIRST = parse("2020-01-01T00:10:00Z", field="")
LINE = "/v1/endpoints/prices/timeline"


def get(title: str, path: str, status: int = 400, *, field: str | None = None, key: str | None = "project") -> Row:
    return Row(title, "GET", path, status, key=key, field=field)


REFUSED = [
    get("a timeline without a key", LINE, 401, key=None),
    get("a project's without a key", f"/v1/projects/{NOBODY}/timeline", 401, key=None),
    get("another's timeline", LINE, 404, key="other"),
    get("no such project", f"/v1/projects/{NOBODY}/timeline", 404),
    get("no summaries for who may not read snapshots", "/v1/endpoints?include=summary", 403, key="ingest"),
    get("no time", f"{LINE}?from=soon", field="from"),
    get("from after to", f"{LINE}?from=2026-01-02&to=2026-01-01", field="from"),
    get("no field", f"{LINE}?field=n", field="field"),
    get("no pattern", f"{LINE}?field=/*/[id=1]", field="field"),
    get("no buckets", f"{LINE}?buckets=0", field="buckets"),
    get("too many buckets", f"{LINE}?buckets=2001", field="buckets"),
    get("an unknown option", f"{LINE}?interval=1h", field="interval"),
    get("a spark without summaries", "/v1/endpoints?spark=72", field="spark"),
    get("an absurd spark", "/v1/endpoints?include=summary&spark=1000", field="spark"),
    get("totals without summaries", "/v1/endpoints?include=totals", field="include"),
    get("totals of the bin", "/v1/endpoints?deleted=true&include=summary,totals", field="deleted"),
    get("an unknown order", "/v1/endpoints?sort=age", field="sort"),
    get("an order of the bin", "/v1/endpoints?deleted=true&sort=size", field="deleted"),
    get("summaries of the bin", "/v1/endpoints?deleted=true&include=summary", field="deleted"),
    get("a cursor of no list", "/v1/endpoints?sort=size&cursor=i0Zp0JRkZWx0YXM", field="cursor"),
    get("place and nonsense", "/v1/snapshots/latest/prices?include=place,rank", field="include"),
    get("around a time of nothing", "/v1/snapshots?around=now", field="endpoint_id"),
    get("around nothing", "/v1/snapshots?endpoint_id=prices&around=x", field="around"),
    get("around beside order", "/v1/snapshots?endpoint_id=prices&around=now&order=asc", field="order"),
    get("around an unknown one", f"/v1/snapshots?around={NOBODY}", 404),
    get("around another's", "/v1/snapshots?around=now&endpoint_id=prices", 404, key="other"),
]


async def test_refused(client: httpx.AsyncClient, keys: Keys) -> None:
    await client.post("/v1/snapshots?endpoint=prices", json=1, headers=bearer(keys.project))
    for row in REFUSED:
        await check(client, keys, row)


def document(n: int) -> bytes:
    """Every third is like the one before, every fifth differs in order only."""
    items = [{"id": k} for k in range(n // 3)]
    return json.dumps({"items": items[::-1] if n % 5 == 0 else items}).encode()


async def filled(app: Application, name: str, versions: list[Version]) -> list[str]:
    endpoint = await timelines.endpoint_named(app.services, name, {"array_keys": {"/items": ["id"]}}, project="mine")
    stored = await timelines.fill(app.services, endpoint, versions)
    await timelines.compute(app.services)
    return stored


async def ask(client: httpx.AsyncClient, keys: Keys, path: str) -> Any:
    answer = await client.get(path, headers=bearer(keys.project))
    assert answer.status_code == 200, answer.text
    return answer.json()


OPS = ("added", "removed", "replaced", "moved")
SPANS = [5, 60, 24 * 60, 40 * 24 * 60]
"""Minutes between versions: buckets are of minutes, of hours, of days."""


@pytest.mark.parametrize("minutes", SPANS)
@pytest.mark.parametrize("is_counted", [True, False])
async def test_a_timeline(
    app: Application, client: httpx.AsyncClient, keys: Keys, minutes: int, is_counted: bool
) -> None:
    stored = await filled(app, "prices", [Version(FIRST + n * minutes * 60_000, document(n)) for n in range(40)])
    if not is_counted:
        await app.services.db.write(as_before)
    each = await ask(client, keys, LINE)
    assert (each["unit"], each["interval_ms"]) == ("version", None)
    assert [row["snapshot_id"] for row in each["data"]] == stored
    assert {row["kind"] for row in each["data"]} == {"first", "content", "reorder", "unchanged"}
    deltas = (await ask(client, keys, "/v1/deltas?endpoint_id=prices&kind=all&order=asc"))["data"]
    told = [row for row in each["data"] if row["kind"] in ("content", "reorder")]
    wanted = [(d["id"], d["kind"], *(d[op] for op in OPS)) for d in deltas]
    assert [(r["snapshot_id"], r["kind"], *(r[op] for op in OPS)) for r in told] == wanted

    buckets = await ask(client, keys, f"{LINE}?buckets=10")
    rows, width = buckets["data"], buckets["interval_ms"]
    assert buckets["unit"] == "bucket"
    assert len(rows) <= 10
    assert sum(row["versions"] for row in rows) == 40
    for row in rows:
        begins = parse(row["time"], field="")
        inside = [r for r in each["data"] if begins <= parse(r["time"], field="") < begins + width]
        assert row["versions"] == len(inside)
        assert row["snapshot_id"] == inside[-1]["snapshot_id"]
        assert [row[op] for op in OPS] == [sum(r[op] for r in inside) for op in OPS]
        assert row["kind"] == ("content" if any(r["kind"] == "content" for r in inside) else row["kind"])
    some = await ask(client, keys, f"{LINE}?from={each['data'][10]['time']}&to={each['data'][20]['time']}")
    assert [row["snapshot_id"] for row in some["data"]] == stored[10:20]
    assert (some["first_captured_at"], some["last_captured_at"]) == (each["data"][0]["time"], each["data"][-1]["time"])
    assert (await ask(client, keys, f"{LINE}?from=2010-01-01&to=2011-01-01"))["data"] == []


async def test_a_timeline_of_one_field(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    bodies = [{"n": n // 4, "at": n, "items": [{"id": 1, "v": n // 3}, {"id": 2, "v": n // 6}]} for n in range(40)]
    versions = [Version(FIRST + n * HOUR, json.dumps(body).encode()) for n, body in enumerate(bodies)]
    stored = await filled(app, "prices", versions)
    every = dict(enumerate((await ask(client, keys, LINE))["data"]))
    for field, changed in (
        ("/n", [0, *range(4, 40, 4)]),
        ("/items/*/v", list(range(3, 40, 3))),
        ("/items/[id=2]/v", [0, *range(6, 40, 6)]),
        ("/nothing", []),
        ("/items/*/none", []),
    ):
        found = await ask(client, keys, f"{LINE}?field={field}")
        assert (found["unit"], found["complete"]) == ("version", True)
        assert found["data"] == [every[n] for n in changed], field
        buckets = await ask(client, keys, f"{LINE}?field={field}&buckets=10")
        assert sum(row["versions"] for row in buckets["data"]) == len(changed)
        whole = {row["time"]: row for row in (await ask(client, keys, f"{LINE}?buckets=10"))["data"]}
        assert [row | {"versions": 0} for row in buckets["data"]] == [
            whole[row["time"]] | {"versions": 0} for row in buckets["data"]
        ]
    assert len(stored) == 40


async def test_places_and_what_is_around(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    times = [FIRST + n * 7 * HOUR for n in range(30)]
    stored = await filled(app, "prices", [Version(at, document(n)) for n, at in enumerate(times)])
    rows = (await ask(client, keys, LINE))["data"]
    changes = [n for n, row in enumerate(rows) if row["kind"] == "content"]
    for is_counted in (True, False):
        if not is_counted:
            await app.services.db.write(as_before)
        for n, id in enumerate(stored):
            found = await ask(client, keys, f"/v1/snapshots/{id}?include=place&data=false")
            before = next((k for k in reversed(changes) if k < n), None)
            after = next((k for k in changes if k > n), None)
            assert "data" not in found
            assert found["place"] == {
                "number": n + 1,
                "of": 30,
                "previous": stored[n - 1] if n else None,
                "next": stored[n + 1] if n < 29 else None,
                "previous_change": None if before is None else stored[before],
                "next_change": None if after is None else stored[after],
                "previous_change_at": None if before is None else format(times[before]),
                "next_change_at": None if after is None else format(times[after]),
            }
    latest = await ask(client, keys, "/v1/snapshots/latest/prices?include=place,delta")
    assert latest["data"] == json.loads(document(29))
    assert latest["place"]["number"] == 30
    assert latest["delta"] == (await ask(client, keys, f"/v1/snapshots/{stored[29]}?include=delta"))["delta"]
    for around, limit, first, end in (
        (stored[10], 5, 8, 13), (format(times[10] + 1), 5, 8, 13), (stored[0], 4, 0, 4), (stored[29], 4, 26, 30),
        (stored[5], 100, 0, 30), ("2019-01-01", 2, 0, 2), (stored[7], 1, 7, 8), (stored[7], 2, 6, 8),
    ):  # fmt: skip
        path = f"/v1/snapshots?endpoint_id=prices&around={around}&limit={limit}&include=delta"
        page = await ask(client, keys, path)
        assert [row["id"] for row in page["data"]] == stored[first:end][::-1], (around, limit)
        kinds = {row["id"]: row["delta"] and row["delta"]["kind"] for row in page["data"]}
        assert kinds == {
            row["snapshot_id"]: None if row["kind"] in ("first", "unchanged") else row["kind"]
            for row in rows[first:end]
        }


async def test_a_place_has_an_etag_of_its_own(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    [id] = await filled(app, "prices", [Version(FIRST, b"1")])
    path, headers = f"/v1/snapshots/{id}?include=place", bearer(keys.project)
    headers["if-none-match"] = (await client.get(path, headers=headers)).headers["etag"]
    assert (await client.get(path, headers=headers)).status_code == 304
    await filled(app, "prices", [Version(FIRST + 1, b"2")])
    assert (await client.get(path, headers=headers)).json()["place"]["of"] == 2


async def test_summaries(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    now = app.services.clock.now_ms()
    hour = now - now % HOUR
    await filled(app, "b", [Version(hour - n * HOUR, document(60 - 3 * n)) for n in range(20)])
    await filled(app, "a", [Version(hour - 30 * HOUR, b"[1, 2, 3]"), Version(hour - 29 * HOUR, b"[4]")])
    await filled(app, "c", [Version(hour - n * DAY_MS, b'{"n":%d,"x":"%s"}' % (n, b"x" * 9000)) for n in (1, 2, 3)])
    await timelines.endpoint_named(app.services, "empty", project="mine")
    found = await ask(client, keys, "/v1/endpoints?include=summary&spark=72&sort=changed")
    rows = {row["name"]: row for row in found["data"]}
    assert list(rows) == ["b", "c", "a", "empty"]
    assert parse(found["spark_to"], field="") - parse(found["spark_from"], field="") == 72 * HOUR
    for name, row in rows.items():
        stats = (await ask(client, keys, f"/v1/endpoints/{name}/stats"))["totals"]
        assert (row["versions"], row["changes"]) == (stats["snapshots"], stats["deltas"])
        assert (row["raw_bytes"], row["first_captured_at"]) == (stats["raw_bytes"], stats["first_captured_at"])
        assert row["stored_bytes"] >= stats["stored_bytes"] > 0 or name == "empty"
        deltas = (await ask(client, keys, f"/v1/deltas?endpoint_id={name}"))["data"]
        shown = row["last_delta"]
        assert shown is None if not deltas else shown == {part: deltas[0][part] for part in shown}
        assert len(row["spark"]) == 72
        grown = sum(d["added"] + d["replaced"] + d["moved"] for d in deltas)
        assert [sum(side) for side in zip(*row["spark"], strict=True)] == [grown, sum(d["removed"] for d in deltas)]
    assert rows["empty"]["size_bytes"] is None
    assert rows["a"]["size_bytes"] == 3
    whole = await ask(client, keys, "/v1/endpoints?include=summary&spark=5&from=30d")
    assert [row["name"] for row in whole["data"]] == ["a", "b", "c", "empty"]
    assert len(whole["data"][0]["spark"]) <= 5
    assert sum(rows["c"]["spark"][0]) == 0
    assert sum(map(sum, whole["data"][2]["spark"])) == 2
    for sort, names in (("changed", ["b", "c", "a", "empty"]), ("size", None), ("name", ["a", "b", "c", "empty"])):
        pages: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await ask(client, keys, f"/v1/endpoints?sort={sort}&limit=1" + (cursor and f"&cursor={cursor}"))
            pages += [row["name"] for row in page["data"]]
            cursor = page["next_cursor"]
        assert pages == (names or sorted(rows, key=lambda name: (-rows[name]["stored_bytes"], rows[name]["id"])))


async def test_totals_are_of_all_endpoints_whatever_page_is_asked_for(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    path = "/v1/endpoints?include=summary,totals&sort=changed"
    nothing = (await ask(client, keys, path))["totals"]
    assert set(nothing.values()) == {0, None}
    now = app.services.clock.now_ms()
    for name, first in (("a", now - 40 * HOUR), ("b", now - 3 * HOUR), ("other", now - 9 * HOUR)):
        await filled(app, name, [Version(first + n * HOUR, document(60 - 3 * n)) for n in range(3)])
    await filled(app, "new", [Version(now - HOUR // 2, b"1")])
    whole = await ask(client, keys, path)
    assert [row["name"] for row in whole["data"]] == ["new", "b", "other", "a"]  # the new one did not change yet
    for part in ("versions", "changes", "raw_bytes", "stored_bytes"):
        assert whole["totals"][part] == sum(row[part] for row in whole["data"])
    assert whole["totals"]["endpoints"] == 4
    assert whole["totals"]["first_captured_at"] == min(row["first_captured_at"] for row in whole["data"])
    lately = [row["spark"][-24:] for row in whole["data"]]
    assert whole["totals"]["edits_last_day"] == sum(sum(map(sum, spark)) for spark in lately) > 0
    page = await ask(client, keys, f"{path}&limit=1")
    rest = await ask(client, keys, f"{path}&limit=2&cursor={page['next_cursor']}")
    assert page["totals"] == rest["totals"] == whole["totals"]
    assert [row["name"] for row in page["data"] + rest["data"]] == ["new", "b", "other"]
    assert (await ask(client, keys, f"{path}&name_prefix=o"))["totals"]["endpoints"] == 1
    assert "totals" not in await ask(client, keys, "/v1/endpoints?include=summary")


async def test_a_projects_timeline(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    now = app.services.clock.now_ms()
    for name in ("a", "b"):
        await filled(app, name, [Version(now - n * HOUR, document(60 - 3 * n)) for n in range(20)])
    project = (await ask(client, keys, "/v1/projects"))["data"][0]["id"]
    path = f"/v1/projects/{project}/timeline"
    found = await ask(client, keys, path)
    lines = [await ask(client, keys, f"/v1/endpoints/{name}/timeline") for name in ("a", "b")]
    assert (found["unit"], found["interval_ms"]) == ("bucket", HOUR)
    for op in OPS:
        assert sum(row[op] for row in found["data"]) == sum(row[op] for line in lines for row in line["data"])
    assert len((await ask(client, keys, f"{path}?buckets=3"))["data"]) <= 3
    await client.delete("/v1/endpoints/a", headers=bearer(keys.project))
    left = await ask(client, keys, path)
    assert sum(row["added"] for row in left["data"]) * 2 == sum(row["added"] for row in found["data"])


async def test_nothing_is_a_timeline_too(client: httpx.AsyncClient, keys: Keys) -> None:
    await client.post("/v1/endpoints", json={"name": "prices"}, headers=bearer(keys.project))
    empty = await ask(client, keys, LINE)
    assert (empty["data"], empty["first_captured_at"]) == ([], None)
