from typing import Any

import httpx
import pytest

from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check

GETS = ["/v1/events/raw", "/v1/events/aggregated", "/v1/events/analytics"]


def ask(title: str, body: Any, *, field: str | None = None, says: str = "") -> Row:
    return Row(title, "POST", "/v1/query", 400, body=body, field=field, says=says)


def get(title: str, what: str, query: str, *, field: str | None = None, says: str = "") -> Row:
    return Row(title, "GET", f"/v1/events/{what}?{query}", 400, field=field, says=says)


REFUSED = [
    *[Row(f"{path} without a key", "GET", path, 401, key=None) for path in GETS],
    *[Row(f"{path} with an account's key", "GET", path, 403, key="account") for path in GETS],
    *[Row(f"{path} with an ingest key", "GET", path, 403, key="ingest") for path in GETS],
    Row("a question without a key", "POST", "/v1/query", 401, key=None, body={}),
    Row("a question with an ingest key", "POST", "/v1/query", 403, key="ingest", body={}),
    Row("no JSON", "POST", "/v1/query", 400, raw=b"{"),
    ask("no object", []),
    ask("an unknown part", {"metric": ["count"]}, field="metric", says="known here are metrics"),
    ask("metrics that are no list", {"metrics": "count"}, field="metrics"),
    ask("no metric", {"metrics": ["count", "uniq_users"]}, field="metrics[1]", says="(unique_users?)"),
    ask("no field", {"groupBy": ["data"]}, field="groupBy[0]", says="data.NAME"),
    ask("no field, in snake_case", {"group_by": ["data"]}, field="groupBy[0]", says="data.NAME"),
    ask("a name twice", {"group_by": [], "groupBy": []}, field="groupBy", says="given twice"),
    ask("no filter", {"filters": [["is", "source", ["a"]], ["equals", "source", "b"]]}, field="filters[1][0]"),
    ask("no zone", {"timezone": "Paris"}, field="timezone"),
    ask("no range", {"range": "last week"}, field="range"),
    ask("no fill", {"fill": "one", "groupBy": ["time:1h"]}, field="fill", says="zero"),
    ask("fill without time", {"fill": "zero"}, field="fill", says="time"),
    ask("no comparison", {"compare": "next"}, field="compare"),
    ask("many rows", {"limit": 10_001}, field="limit", says="10000"),
    ask("no cursor", {"cursor": "abc"}, field="cursor"),
    *(
        ask(f"the broken pattern {pattern}", {"filters": [["matches", "source", pattern]]}, says="a regular expression")
        for pattern in ("(", ")", "[", "*", "a**", "\\", "\\q", "(?z)", "[z-a]", "(?P<n")
    ),
    ask("a broken pattern like an address", {"filters": [["matches", "source", "http://("]]}, says="cannot be used"),
    ask("many buckets", {"groupBy": ["time:1s"], "range": "7d"}, field="groupBy[0]", says="take 5m"),
    get("an unknown parameter", "raw", "type=a", field="type"),
    get("an unknown parameter like one", "raw", "event=a", says="eventType"),
    get("data itself", "raw", "data=a", field="data"),
    get("a deep path", "raw", "data.a.b.c.d.e.f.g.h.i=1", field="data.a.b.c.d.e.f.g.h.i", says="9 levels"),
    get("no path", "raw", "data..a=1", field="data..a"),
    get("NUL in a value", "raw", "eventType=a%00", field="eventType[0]"),
    get("no priority", "raw", "minPriority=hig", field="minPriority[0]", says="critical"),
    get("no JSON", "raw", "where=[", field="where", says="in JSON"),
    get("no filter in JSON", "raw", 'where=[["equals"]]', field="where[0][0]"),
    get("many filters in JSON", "raw", "where=" + 4_097 * "[", field="where", says="4096"),
    get("deep JSON", "raw", "where=" + 4_096 * "[", field="where"),
    get("no time", "raw", "startTime=soon", field="startTime"),
    get("a range backwards", "raw", "startTime=2026-01-02&endTime=2026-01-01", field="startTime"),
    get("no zone", "raw", "timezone=Paris", field="timezone"),
    get("no order", "raw", "order=up", field="order"),
    get("no words", "raw", "q=" + "+".join("abcdefghijklmnopqrstuvwxyz"), field="q"),
    get("no limit", "raw", "limit=0", field="limit"),
    get("page zero", "raw", "page=0", field="page"),
    get("a far page", "raw", "page=102&pageSize=1000", field="page", says="next_cursor"),
    get("page and cursor", "raw", "page=2&cursor=abc", says="cursor"),
    get("another list's cursor", "raw", "cursor=i0Zp0JRkZWx0YXM", field="cursor"),
    get("a parameter twice", "raw", "order=asc&order=asc", field="order"),
    get("no interval", "aggregated", "interval=often", field="interval"),
    get("no field beside the interval", "aggregated", "groupBy=source,sauce", field="groupBy[1]", says="(source?)"),
    get("no metric, by name", "aggregated", "metrics=count,total", field="metrics[1]"),
    get("no field, by name", "analytics", "groupBy=sauce", field="groupBy[0]", says="(source?)"),
    get("no bound", "analytics", "having=count", field="having[0]", says="count>10"),
    get("a bound on what is not there", "analytics", "having=avg_duration>1", field="having[0][1]"),
    get("no order by", "analytics", "orderBy=-cuont", field="orderBy[0]", says="(count?)"),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refused(shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    await check(shared_client, shared_keys, row)


async def test_nothing_is_there(client: httpx.AsyncClient, keys: Keys) -> None:
    headers = bearer(keys.read)
    found = (await client.get("/v1/events/raw", headers=headers)).json()
    assert found == {"data": [], "has_more": False, "next_cursor": None}
    found = (await client.post("/v1/query", headers=headers, json={})).json()
    assert found["rows"] == [{"count": 0}]
    assert found["query"]["metrics"] == ["count"]
    assert (await client.get("/v1/events/aggregated", headers=headers)).json()["data"] == []
    assert (await client.get("/v1/events/analytics?groupBy=source", headers=headers)).json()["data"] == []
