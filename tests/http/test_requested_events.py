"""The filters, metrics, intervals, pages and files of events, as the systems that Delta stands in for have them."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.conftest import SHARED
from tests.http.requested import EVENT, OTHER_EVENT, PREFIXES, RANGE, Made

pytestmark = SHARED


@pytest.fixture(scope="module")
def made(shared_made: Made) -> Made:
    """Nothing here changes anything."""
    return shared_made


METRICS = (
    *("count", "unique_sources", "unique_users", "unique_sessions", "avg_duration", "min_duration", "max_duration"),
    *("dominant_status", "unique_tags", "p50_duration", "p90_duration", "p95_duration", "p99_duration"),
)
INTERVALS = ["1m", "5m", "15m", "1h", "1d"]

FILTERS = [
    (RANGE, 2),
    ("startTime=2025-12-31T23:00:00.000Z", 1),
    ("endTime=2025-12-31T23:00:00%2B00:00", 1),
    ("eventType=page_view", 1),
    ("eventType=page_view,error", 2),
    ("eventType=page_view&eventType=error", 2),
    ("source=web", 1),
    ("source=web,api,cli", 2),
    ("userId=u-2", 1),
    ("userId=u-1&userId=u-2", 2),
    ("sessionId=s-1", 1),
    ("tags=docs", 1),
    ("tags=docs,beta", 1),
    ("tags=none", 0),
    ("tags[]=docs&tags[]=beta", 1),
    ("minPriority=high", 1),
    ("minPriority=30", 1),
    ("minPriority=low", 2),
    ("minPriority=31", 0),
    ("minPriority=critical", 0),
    ('where=[["is_not","source",["web"]]]', 1),
    ('where=[["or",[["is","source",["web"]],["exists","status"]]]]', 2),
    ("where=[]", 2),
    ("status=ok", 1),
    ("status=ok,failed", 2),
    (f"{RANGE}&eventType=error&source=api&userId=u-2&sessionId=s-2&minPriority=10&status=failed", 1),
]


@pytest.mark.parametrize(("query", "count"), FILTERS)
async def test_filters_of_events(made: Made, query: str, count: int) -> None:
    key = made.keys.project
    for prefix in PREFIXES:
        raw = (await made.call("GET", f"{prefix}/events/raw?{query}&page=1&pageSize=50", x_api_key=key)).json()
        assert len(raw["data"]) == count
    for path in ("aggregated?interval=1d&", "analytics?"):
        found = (await made.call("GET", f"/api/events/{path}{query}", x_api_key=key)).json()
        assert sum(row["count"] for row in found["data"]) == count
    for path, column in (("events", "messageId"), ("aggregated", "count")):
        answer = await made.call("GET", f"/api/export/{path}?{query}&format=json&interval=1d", x_api_key=key)
        assert len(answer.json()) == count if path == "events" else sum(r[column] for r in answer.json()) == count


async def test_an_event_comes_back_as_it_was_sent(made: Made) -> None:
    [event] = (await made.call("GET", "/api/events/raw?userId=u-1", x_api_key=made.keys.project)).json()["data"]
    assert {name: event[name] for name in EVENT} == {**EVENT, "priority": 30}


async def test_pages_of_events(made: Made) -> None:
    for number, kinds in ((1, ["page_view"]), (2, ["error"]), (3, [])):
        path = f"/api/events/raw?{RANGE}&page={number}&pageSize=1"
        found = (await made.call("GET", path, x_api_key=made.keys.project)).json()
        assert [row["eventType"] for row in found["data"]] == kinds


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("path", ["aggregated", "analytics"])
async def test_intervals(made: Made, path: str, interval: str) -> None:
    query = f"/api/events/{path}?{RANGE}&interval={interval}&groupBy=eventType&metrics=count,avg_duration"
    found = (await made.call("GET", query, x_api_key=made.keys.project)).json()["data"]
    begins = {"1d": "2025-12-31T00:00:00.000Z", "1h": "2025-12-31T22:00:00.000Z"}.get(
        interval, OTHER_EVENT["timestamp"]
    )
    assert [(row["time"], row["eventType"], row["count"], row["avg_duration"]) for row in found] == [
        (begins, "error", 1, 20),
        (EVENT["timestamp"], "page_view", 1, 120.5),
    ]


@pytest.mark.parametrize("path", ["aggregated", "analytics"])
async def test_pages_of_rows(made: Made, path: str) -> None:
    query = f"/api/events/{path}?{RANGE}&interval=1h"
    counts = [
        (await made.call("GET", f"{query}&{page}", x_api_key=made.keys.project)).json()["data"]
        for page in ("page=1&pageSize=1", "page=2&page_size=1", "page=3&pageSize=1", "pageSize=2")
    ]
    assert [len(rows) for rows in counts] == [1, 1, 0, 2]
    assert [*counts[0], *counts[1]] == counts[3]
    first = await made.call("GET", f"{query}&page=1&pageSize=1", x_api_key=made.keys.project)
    following = first.headers["link"].partition(">")[0].removeprefix("<")
    assert (await made.call("GET", following, x_api_key=made.keys.project)).json()["data"] == counts[1]


@pytest.mark.parametrize("path", ["events/aggregated", "events/analytics", "export/aggregated"])
async def test_every_metric_alone_and_all_together(made: Made, path: str) -> None:
    async def data(query: str) -> list[dict[str, Any]]:
        form = "&format=json" if path.startswith("export") else ""
        found: Any = (await made.call("GET", f"/api/{path}?{RANGE}{form}&{query}", x_api_key=made.keys.project)).json()
        data: list[dict[str, Any]] = found if form else found["data"]
        return data

    together = await data(f"interval=1d&metrics={','.join(METRICS)}")
    assert set(METRICS) <= set(together[0])
    assert await data("interval=1d&" + "&".join(f"metrics={name}" for name in METRICS)) == together
    assert await data("interval=1d&" + "&".join(f"metrics[]={name}" for name in METRICS)) == together
    assert await data(f"interval=1d&metrics={quote(', '.join(METRICS))}") == together
    for name in METRICS:
        assert [row[name] for row in await data(f"interval=1d&metrics={name}")] == [row[name] for row in together]


async def test_the_values_of_the_metrics(made: Made) -> None:
    path = f"/api/events/analytics?{RANGE}&metrics={','.join(METRICS)}"
    [row] = (await made.call("GET", path, x_api_key=made.keys.project)).json()["data"]
    whole = {name: row[name] for name in METRICS if not name.startswith("p")}
    assert whole == {
        "count": 2,
        "unique_sources": 2,
        "unique_users": 2,
        "unique_sessions": 2,
        "avg_duration": 70.25,
        "min_duration": 20,
        "max_duration": 120.5,
        "dominant_status": "failed",
        "unique_tags": 2,
    }
    assert 20 <= row["p50_duration"] <= row["p90_duration"] <= row["p95_duration"] <= row["p99_duration"] <= 120.5


@pytest.mark.parametrize(
    ("query", "sources"),
    [
        ("groupBy=source&orderBy=source", ["api", "web"]),
        ("groupBy=source&orderBy=-source", ["web", "api"]),
        ("groupBy=source&orderBy=source desc", ["web", "api"]),
        ("groupBy=source&orderBy=source:DESC", ["web", "api"]),
        ("groupBy=source&orderBy=source%20asc", ["api", "web"]),
        ("groupBy=source,status&orderBy=-count,source", ["api", "web"]),
        ("groupBy=source&groupBy=status&orderBy=-count&orderBy=-source", ["web", "api"]),
        ("groupBy=source&metrics=count,avg_duration&orderBy=-avg_duration", ["web", "api"]),
        ("groupBy=source&metrics=count,avg_duration&having=avg_duration>50", ["web"]),
        ("groupBy=source&metrics=count,avg_duration&having=avg_duration%20%3E%2050", ["web"]),
        ("groupBy=source&metrics=count,avg_duration&having=count>=1,avg_duration<=20", ["api"]),
        ("groupBy=source&metrics=count,avg_duration&having=count%3E%3D1&having=avg_duration%3C%3D20", ["api"]),
        ("groupBy=source&metrics=avg_duration&having=avg_duration==20", ["api"]),
        ("groupBy=source&metrics=avg_duration&having=avg_duration!=20", ["web"]),
        ("groupBy=source&metrics=avg_duration&having=avg_duration:gt:100.5", ["web"]),
        ("groupBy=source&metrics=avg_duration&having=avg_duration lt 100.5", ["api"]),
        ("groupBy=source&having=count>1", []),
        ("groupBy=source&interval=1d&orderBy=time", ["api", "web"]),
        ("groupBy=source&interval=1d&orderBy=time desc", ["web", "api"]),
    ],
)
async def test_groups_bounds_and_order(made: Made, query: str, sources: list[str]) -> None:
    for prefix in PREFIXES:
        answer = await made.call("GET", f"{prefix}/events/analytics?{RANGE}&{query}", x_api_key=made.keys.project)
        assert answer.status_code == 200, answer.text
        assert [row["source"] for row in answer.json()["data"]] == sources


async def test_silence_is_filled_in_when_analytics_goes_along_time(made: Made) -> None:
    query = "startTime=2025-12-31T22:00:00Z&endTime=2026-01-01T01:00:00Z&interval=1h&fill=zero"
    found = (await made.call("GET", f"/v1/events/analytics?{query}", x_api_key=made.keys.project)).json()["data"]
    assert [row["count"] for row in found] == [1, 0, 1]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("what", "query", "name", "media_type"),
    [
        ("events", f"{RANGE}&format=csv", "events-2025-12-31-2026-01-02.csv", "text/csv"),
        ("events", f"{RANGE}&format=json", "events-2025-12-31-2026-01-02.json", "application/json"),
        ("events", "startTime=2025-12-31T22:30:00Z", "events-from-2025-12-31T2230.csv", "text/csv"),
        ("events", "endTime=2026-01-02", "events-until-2026-01-02.csv", "text/csv"),
        ("events", "format=json", "events.json", "application/json"),
        ("aggregated", f"{RANGE}&format=csv&interval=1d", "aggregated-2025-12-31-2026-01-02.csv", "text/csv"),
        ("aggregated", f"{RANGE}&format=json&interval=1h", "aggregated-2025-12-31-2026-01-02.json", "application/json"),
    ],
)
async def test_exports_are_named_by_their_range(
    made: Made, prefix: str, what: str, query: str, name: str, media_type: str
) -> None:
    answer = await made.call("GET", f"{prefix}/export/{what}?{query}", x_api_key=made.keys.project)
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["content-type"].startswith(media_type)
    if media_type == "application/json":
        assert len(answer.json()) == 2
    else:
        assert len(answer.text.splitlines()) == 3
