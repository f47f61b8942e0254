"""Answers over HTTP equal what a plain list gives, whether events wait, are sealed, or some of each."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio

from delta_server.core import times
from tests.conftest import SHARED, Keys, bearer, client_of, make_keys, started_in
from tests.features.queries.made import DAY, FIRST, HOUR, Made, counts, made, store
from tests.storage.opened import START_MS, FakeClock

EVENTS = made()
ALL = [times.format(FIRST), times.format(START_MS)]
Ask = Callable[..., Any]


pytestmark = SHARED


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[0, 250, 400], ids=["waiting", "some sealed", "sealed"]
)
async def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[httpx.AsyncClient, Keys]]:
    """Who may ask a server with the events. Nothing here changes anything."""
    clock = FakeClock()
    async with started_in(tmp_path_factory.mktemp("stored"), clock) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        await store(app, EVENTS, sealed=request.param)
        yield client, keys


@pytest.fixture(scope="module")
def client(stored: tuple[httpx.AsyncClient, Keys]) -> httpx.AsyncClient:
    return stored[0]


@pytest.fixture(scope="module")
def keys(stored: tuple[httpx.AsyncClient, Keys]) -> Keys:
    return stored[1]


@pytest.fixture(scope="module")
def ask(client: httpx.AsyncClient, keys: Keys) -> Ask:
    async def asking(path: str = "/v1/query", body: Any = None, **query: Any) -> Any:
        method = "GET" if body is None else "POST"
        target = f"{path}?{urlencode(query, doseq=True)}"
        answer = await client.request(method, target, json=body, headers=bearer(keys.read))
        assert answer.status_code == 200, answer.text
        return answer.json()

    return asking


def local(at: int, zone: str) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(ZoneInfo(zone))


def has_tag(*tags: str) -> Callable[[Made], bool]:
    return lambda one: bool(set(tags) & set(one["tags"] or ()))


def of_data(one: Made, name: str) -> Any:
    return (one["data"] or {}).get(name)


CHOSEN: list[tuple[dict[str, Any], Callable[[Made], bool]]] = [
    ({}, lambda one: True),
    ({"eventType": "purchase"}, lambda one: one["eventType"] == "purchase"),
    ({"event_type": "purchase"}, lambda one: one["eventType"] == "purchase"),
    ({"eventType": "purchase,Ärger"}, lambda one: one["eventType"] != "page_view"),
    ({"eventType": ["purchase", "page_view"]}, lambda one: one["eventType"] != "Ärger"),
    ({"source": "web", "status": "ok"}, lambda one: one["source"] == "web" and one["status"] == "ok"),
    ({"userId": "u3"}, lambda one: one["userId"] == "u3"),
    ({"anonymousId": "a3"}, lambda one: one["anonymousId"] == "a3"),
    ({"sessionId": "s1,s2"}, lambda one: one["sessionId"] in ("s1", "s2")),
    ({"tags": "red"}, has_tag("red")),
    ({"tags": "red,blue"}, has_tag("red", "blue")),
    ({"minPriority": 3}, lambda one: one["priority"] >= 3),
    ({"data.plan": "pro"}, lambda one: of_data(one, "plan") == "pro"),
    ({"data.price": "7"}, lambda one: of_data(one, "price") == 7),
    ({"data.price": ["7", "8"]}, lambda one: of_data(one, "price") in (7, 8)),
    ({r"data.a\.b.c": "2"}, lambda one: (of_data(one, "a.b") or {}).get("c") == 2),
    ({"metadata.words": "The Quick fox 5"}, lambda one: one["metadata"]["words"].endswith(" 5")),
    ({"q": "quick 5"}, lambda one: "5" in str(one)),
    ({"startTime": ALL[0], "endTime": times.format(FIRST + DAY)}, lambda one: one["at"] < FIRST + DAY),
    ({"startTime": "24h"}, lambda one: one["at"] >= START_MS + 2 - DAY),
    ({"endTime": "10d"}, lambda one: one["at"] < START_MS + 2 - 10 * DAY),
]


@pytest.mark.parametrize(("query", "fits"), CHOSEN, ids=[str(query) for query, _ in CHOSEN])
async def test_events_are_chosen(ask: Ask, query: dict[str, Any], fits: Callable[[Made], bool]) -> None:
    found = await ask("/v1/events/raw", **query, limit=1000)
    wanted = [one for one in EVENTS if fits(one)] if "q" not in query else None
    if wanted is not None:
        assert [event["timestamp"] for event in found["data"]] == sorted(
            (times.format(one["at"]) for one in wanted), reverse=True
        )
    grouped = await ask("/v1/events/analytics", **{"startTime": ALL[0], **query})
    assert grouped["data"] == [{"count": len(found["data"])}]
    assert found["data"]


async def test_events_are_shown_whole(ask: Ask) -> None:
    found = await ask("/v1/events/raw", order="asc", limit=1000)
    for event, one in zip(found["data"], sorted(EVENTS, key=lambda one: one["at"]), strict=True):
        shown = {name: value for name, value in one.items() if name not in ("at", "messageId")}
        times_ = {"timestamp": times.format(one["at"]), "receivedAt": times.format(one["at"] + 5)}
        assert {name: value for name, value in event.items() if name != "messageId"} == shown | times_
        assert event["messageId"] == one["messageId"] or (one["messageId"] is None and event["messageId"][:2] == "e-")
    assert (await ask("/v1/events/raw", order="asc"))["data"][7] == found["data"][7]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_of_events(ask: Ask, order: str) -> None:
    everything = (await ask("/v1/events/raw", order=order, limit=1000, source="web"))["data"]
    listed: list[Any] = []
    cursor: dict[str, Any] = {}
    while True:
        found = await ask("/v1/events/raw", order=order, limit=17, source="web", **cursor)
        listed += found["data"]
        if not found["has_more"]:
            break
        cursor = {"cursor": found["next_cursor"]}
    assert listed == everything
    second = await ask("/v1/events/raw", order=order, page=2, pageSize=17, source="web")
    assert second["data"] == everything[17:34]


async def test_a_page_by_number_links_to_the_next(client: httpx.AsyncClient, keys: Keys) -> None:
    first = await client.get("/v1/events/raw?page=2&pageSize=17", headers=bearer(keys.read))
    target = first.headers["link"].partition(">")[0].removeprefix("<")
    next_one = await client.get(target, headers=bearer(keys.read))
    third = await client.get("/v1/events/raw?page=3&pageSize=17", headers=bearer(keys.read))
    assert next_one.json()["data"] == third.json()["data"]
    assert len(third.json()["data"]) == 17


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("interval", ["1h", "6h", "1d"])
async def test_counts_along_time(ask: Ask, zone: str, interval: str) -> None:
    hours = {"1h": 1, "6h": 6, "1d": 24}[interval]

    def begin(one: Made) -> str:
        at = local(one["at"], zone)
        return (
            at.replace(hour=at.hour - at.hour % hours, minute=0, second=0, microsecond=0)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        )

    found = await ask("/v1/events/aggregated", startTime=ALL[0], interval=interval, timezone=zone)
    assert {row["time"]: row["count"] for row in found["data"]} == counts(EVENTS, begin)
    assert [row["time"] for row in found["data"]] == sorted(row["time"] for row in found["data"])
    filled = await ask("/v1/events/aggregated", startTime=ALL[0], interval=interval, timezone=zone, fill="zero")
    assert [row for row in filled["data"] if row["count"]] == found["data"]
    assert (START_MS + 2 - FIRST) / HOUR / hours <= len(filled["data"]) <= (START_MS - FIRST) / HOUR / hours + 2


async def test_every_metric(ask: Ask) -> None:
    names = ["count", "unique_sources", "unique_users", "unique_sessions", "unique_tags", "dominant_status"]
    names += [f"{name}_duration" for name in ("avg", "min", "max", "sum", "p50", "p90", "p95", "p99")]
    names += ["sum_data.price", "p50_data.price", "unique_data.plan", "avg_data.plan", "max_priority"]
    found = await ask(body={"metrics": names, "groupBy": ["eventType"], "range": ALL})
    assert [row["eventType"] for row in found["rows"]] == ["page_view", "purchase", "Ärger"]
    for row in found["rows"]:
        mine = [one for one in EVENTS if one["eventType"] == row["eventType"]]
        durations = sorted(one["duration"] for one in mine if one["duration"] is not None)
        prices = [of_data(one, "price") for one in mine if one["data"]]
        cuts = quantiles(durations, n=100, method="inclusive")
        statuses = counts((one for one in mine if one["status"]), lambda one: one["status"])
        wanted: dict[str, Any] = {
            "eventType": row["eventType"],
            "count": len(mine),
            "unique_sources": 2,
            "unique_users": len({one["userId"] or one["anonymousId"] for one in mine}),
            "unique_sessions": len({one["sessionId"] for one in mine}),
            "unique_tags": 3,
            "dominant_status": max(sorted(statuses), key=statuses.__getitem__),
            "avg_duration": sum(durations) / len(durations),
            "min_duration": durations[0],
            "max_duration": durations[-1],
            "sum_duration": sum(durations),
            **{f"p{share}_duration": cuts[share - 1] for share in (50, 90, 95, 99)},
            "sum_data.price": sum(prices),
            "p50_data.price": quantiles(prices, n=100, method="inclusive")[49],
            "unique_data.plan": 2,
            "avg_data.plan": None,
            "max_priority": 4,
        }
        for name, value in wanted.items():
            assert row[name] == (pytest.approx(value, rel=0.02) if isinstance(value, float) else value), name
        assert list(row) == ["eventType", *names]


async def test_the_issues_question(ask: Ask) -> None:
    body = {
        "metrics": ["count", "unique_users"],
        "groupBy": ["time:1d", "eventType", "data.plan"],
        "range": ALL,
        "timezone": "Europe/Paris",
        "filters": [["is", "source", ["api", "web"]], ["not", ["lt", "priority", 1]]],
        "having": [["gte", "count", 3]],
        "orderBy": [["count", "desc"]],
        "limit": 10_000,
    }
    found = await ask(body=body)
    mine = [one for one in EVENTS if one["source"] and one["priority"] >= 1]
    groups = counts(
        mine, lambda one: (local(one["at"], "Europe/Paris").date().isoformat(), one["eventType"], of_data(one, "plan"))
    )
    rows = {(row["time"][:10], row["eventType"], row["data.plan"]): row["count"] for row in found["rows"]}
    assert rows == {group: count for group, count in groups.items() if count >= 3}
    assert [row["count"] for row in found["rows"]] == sorted(rows.values(), reverse=True)
    again = await ask(body=found["query"])
    assert again["rows"] == found["rows"]
    assert again["query"] == found["query"]
    assert found["meta"]["source"] in ("raw", "rollup", "both")
    assert found["meta"]["took_ms"] > 0


@pytest.mark.parametrize("more", [{}, {"fill": "zero"}, {"compare": "previous"}, {"orderBy": ["-count"]}], ids=str)
async def test_pages_of_rows(ask: Ask, more: dict[str, Any]) -> None:
    body: dict[str, Any] = {"groupBy": ["time:6h", "source"], "range": ALL, **more}
    everything = (await ask(body=body))["rows"]
    listed, cursor = [], None
    while True:
        found = await ask(body={**body, "limit": 13, "cursor": cursor})
        listed += found["rows"]
        assert found["meta"]["has_more"] == (found["meta"]["next_cursor"] is not None)
        if not found["meta"]["has_more"]:
            break
        cursor = found["meta"]["next_cursor"]
    assert listed == everything
    assert len(everything) > 40


async def test_all_parts_of_a_question_at_once(ask: Ask) -> None:
    body: dict[str, Any] = {
        "metrics": ["count", "unique_users", "p95_duration"], "groupBy": ["time:6h", "eventType", "source"],
        "range": ALL, "timezone": "Europe/Paris", "filters": [["exists", "eventType"]], "orderBy": [["count", "desc"]],
        "limit": 7, "cursor": None, "fill": "zero", "compare": "previous",
    }  # fmt: skip
    found = await ask(body={**body, "having": [["gte", "count", 2]]})
    alone = await ask(body={**body, "having": [["gte", "count", 2]], "fill": None})
    assert found["rows"] == alone["rows"]
    assert len(found["rows"]) == 7
    silent = await ask(body={**body, "having": [["is", "count", 0]]})
    assert {row["count"] for row in silent["rows"]} == {0}


async def test_the_week_before(ask: Ask) -> None:
    middle = FIRST + 6 * DAY
    body = {"groupBy": ["time:1d"], "range": [times.format(middle), ALL[1]], "compare": "previous", "fill": "zero"}
    found = await ask(body=body)
    length = START_MS - middle
    before = counts(
        (one for one in EVENTS if middle - length <= one["at"] < middle),
        lambda one: (one["at"] - (middle - length)) // DAY,
    )
    assert [row["previous"]["count"] for row in found["rows"]][1:-1] == [
        before.get(n, 0) for n in range(1, len(found["rows"]) - 1)
    ] or START_MS % DAY
    alone = await ask(body={"range": body["range"], "compare": "previous"})
    assert alone["rows"][0]["previous"] == {"count": sum(before.values())}


async def test_groups_as_parameters(ask: Ask) -> None:
    found = await ask(
        "/v1/events/analytics",
        startTime=ALL[0],
        groupBy="source,status",
        having="count>=40,count<1000",
        orderBy="-count",
    )
    groups = counts(EVENTS, lambda one: (one["source"], one["status"]))
    assert {(row["source"], row["status"]): row["count"] for row in found["data"]} == {
        group: count for group, count in groups.items() if count >= 40
    }
    listed = [row["count"] for row in found["data"]]
    assert listed == sorted(listed, reverse=True)


async def test_another_tenant_sees_nothing(client: httpx.AsyncClient, keys: Keys) -> None:
    headers = bearer(keys.other)
    assert (await client.get("/v1/events/raw", headers=headers)).json()["data"] == []
    assert (await client.post("/v1/query", headers=headers, json={"range": ALL})).json()["rows"] == [{"count": 0}]
