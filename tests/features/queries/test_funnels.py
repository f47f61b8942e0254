"""Funnels, retention and paths over HTTP: what is refused, and answers against plain loops, waiting and sealed."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from delta_server.app import Application
from delta_server.core import times
from delta_server.core.query import time_buckets
from delta_server.core.query.plan import Span
from tests.conftest import Keys, bearer, client_of, make_keys, shared, started_in
from tests.features.queries.made import DAY, FIRST, Made, made, store
from tests.features.rows import Row, check
from tests.storage.events import behaviour_reference as plain
from tests.storage.events.behaviour_reference import Happened
from tests.storage.opened import START_MS, FakeClock

FUNNEL, RETENTION, PATHS = "/v1/query/funnel", "/v1/query/retention", "/v1/query/paths"
STEPS = ["page_view", "purchase"]


def funnel(title: str, field: str, says: str = "", **body: Any) -> Row:
    return Row(title, "POST", FUNNEL, 400, body={"steps": STEPS} | body, says=says, field=field)


def retention(title: str, field: str, says: str = "", **body: Any) -> Row:
    return Row(title, "POST", RETENTION, 400, body=body, says=says, field=field)


def paths(title: str, field: str, says: str = "", **body: Any) -> Row:
    return Row(title, "POST", PATHS, 400, body=body, says=says, field=field)


REFUSED = [
    *(Row(f"{path} without a key", "POST", path, 401, key=None, body={}) for path in (FUNNEL, RETENTION, PATHS)),
    *(Row(f"{path} with an account's key", "POST", path, 403, key="account", body={}) for path in (FUNNEL, PATHS)),
    Row("a funnel without steps", "POST", FUNNEL, 400, body={}, field="steps"),
    funnel("one step", "steps", "2 to 8", steps=["a"]),
    funnel("nine steps", "steps", "2 to 8", steps=["a"] * 9),
    funnel("a step that is a number", "steps[1]", "event type", steps=["a", 1]),
    funnel("an empty step", "steps[0]", "event type", steps=[{}, "a"]),
    funnel("a step of anything", "steps[0]", "any event", steps=[{"name": "all"}, "a"]),
    funnel("a step with a wrong name", "steps[1]", "eventType?", steps=["a", {"event_typ": "b"}]),
    funnel("a step without a name", "steps[1].name", "a string", steps=["a", {"eventType": "b", "name": ""}]),
    funnel(
        "a filter of a step",
        "steps[1].filters[0][1]",
        "not a known field",
        steps=["a", {"filters": [["is", "x", "y"]]}],
    ),
    funnel("a window that is no length", "window", "length of time", window="soon"),
    funnel("an endless window", "window", "at most 366d", window="400d"),
    funnel("by a list", "groupBy", "one value", groupBy="tags"),
    funnel("by two fields", "breakdown", "another name", groupBy="source", breakdown="status"),
    funnel("by an unknown field", "groupBy", "not a known field", groupBy="colour"),
    funnel("no values", "limit", "from 1 to", limit=0),
    funnel("a broken range", "range", "length of time", range="long"),
    funnel("an unknown zone", "timezone", "Europe/Paris", timezone="Europe/Pari"),
    funnel("a broken filter", "filters[0]", "2 parts", filters=[["is", "source"]]),
    funnel("an unknown member", "window_ms", "unknown", window_ms=5),
    retention("hours", "every", "whole days", every="1h"),
    retention("no periods", "periods", "from 1 to", periods=0),
    retention("too many periods", "periods", "from 1 to", periods=101),
    retention("a start that is nothing", "start", "event type", start=[]),
    retention(
        "a wrong filter in again", "again.filters[0][0]", "not a known operator", again={"filters": [["has", "a", "b"]]}
    ),
    paths("too deep", "depth", "from 1 to 10", depth=11),
    paths("by a list", "by", "one value", by="tags"),
    paths("a direction", "direction", "next or previous", direction="back"),
    paths("no gap", "gap", "length of time", gap="0m"),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refused(shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    await check(shared_client, shared_keys, row)


EVENTS = made()
RANGE = [times.format(FIRST), times.format(START_MS)]
Ask = Callable[..., Any]


def happened(one: Made, number: int) -> Happened:
    return Happened(one["at"], number, one["eventType"], one["userId"], one["anonymousId"], one["source"])


HAPPENED = [happened(one, number) for number, one in enumerate(EVENTS)]


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[0, 250, 400], ids=["waiting", "some sealed", "sealed"]
)
async def stored(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    shared_clock: FakeClock,
    secrets_of_module: None,
) -> AsyncIterator[tuple[Application, Keys]]:
    """A server for all that only ask."""
    async with started_in(tmp_path_factory.mktemp("stored"), shared_clock) as app:
        keys = await make_keys(app.services, shared_clock)
        await store(app, EVENTS, sealed=request.param)
        yield app, keys


@pytest_asyncio.fixture(loop_scope="module")
async def ask(stored: tuple[Application, Keys]) -> AsyncIterator[Ask]:
    app, keys = stored
    async with client_of(app) as client:

        async def asking(path: str, **body: Any) -> Any:
            answer = await client.post(path, json={"range": RANGE} | body, headers=bearer(keys.read))
            assert answer.status_code == 200, answer.text
            return answer.json()

        yield asking


def of(*types: str) -> plain.Is:
    return lambda event: event.type in types


@shared
async def test_a_funnel(ask: Ask) -> None:
    steps = ["page_view", {"name": "bought", "filters": [["is", "eventType", "purchase"]]}, "page_view"]
    answer = await ask(FUNNEL, steps=steps, window="1d")
    wanted = plain.funnel(HAPPENED, [of("page_view"), of("purchase"), of("page_view")], DAY, lambda event: None)
    assert {(None, row["step"] - 1, row["users"], row["median_ms"]) for row in answer["rows"]} == wanted
    first, second, third = answer["rows"]
    assert [row["name"] for row in answer["rows"]] == ["page_view", "bought", "page_view"]
    assert (first["conversion"], first["conversion_from_previous"]) == (1.0, 1.0)
    assert third["conversion"] == pytest.approx(third["users"] / first["users"], abs=1e-6)
    assert third["conversion_from_previous"] == pytest.approx(third["users"] / second["users"], abs=1e-6)
    assert answer["meta"]["source"] == "raw"
    assert answer["meta"]["rows_scanned"] == len(EVENTS)
    assert answer["query"] == {
        "steps": steps, "window": "1d", "range": RANGE, "timezone": "UTC", "filters": [], "groupBy": None, "limit": 25,
    }  # fmt: skip


@shared
async def test_a_funnel_by_the_first_steps_source(ask: Ask) -> None:
    answer = await ask(FUNNEL, steps=STEPS, window="2d", groupBy="source")
    wanted = plain.funnel(HAPPENED, [of("page_view"), of("purchase")], 2 * DAY, lambda event: event.source)
    assert {(row["source"], row["step"] - 1, row["users"], row["median_ms"]) for row in answer["rows"]} == wanted
    same = await ask(FUNNEL, steps=STEPS, window="2d", breakdown="source")
    assert (same["rows"], same["query"]["groupBy"]) == (answer["rows"], "source")


@shared
async def test_a_funnel_of_filtered_events(ask: Ask) -> None:
    answer = await ask(FUNNEL, steps=STEPS, filters=[["is", "source", ["web"]]])
    web = [event for event in HAPPENED if event.source == "web"]
    wanted = plain.funnel(web, [of("page_view"), of("purchase")], 7 * DAY, lambda event: None)
    assert {(None, row["step"] - 1, row["users"], row["median_ms"]) for row in answer["rows"]} == wanted


@shared
async def test_a_funnel_nobody_began(ask: Ask) -> None:
    rows = (await ask(FUNNEL, steps=["nothing", "purchase"]))["rows"]
    assert [(row["users"], row["conversion"], row["median_ms"]) for row in rows] == [(0, 0.0, None)] * 2
    assert (await ask(FUNNEL, steps=["nothing", "purchase"], groupBy="source"))["rows"] == []


@shared
async def test_retention(ask: Ask) -> None:
    answer = await ask(RETENTION, start="page_view", again="purchase", every="1d", periods=5, timezone="Asia/Tokyo")
    zone, span = time_buckets.time_zone("Asia/Tokyo"), Span(FIRST, START_MS)
    interval = time_buckets.parse("1d", zone, span, at="every")
    wanted = plain.retention(HAPPENED, interval, 5, of("page_view"), of("purchase"))
    text = {time_buckets.text(zone, time_buckets.begins(interval, cohort)): cohort for cohort, _, _ in wanted}
    assert {(text[row["cohort"]], row["period"], row["users"]) for row in answer["rows"] if row["users"]} == wanted
    for row in answer["rows"]:
        assert row["share"] == pytest.approx(row["users"] / row["size"], abs=1e-6)
        end = time_buckets.begins(interval, text[row["cohort"]] + (row["period"] + 1) * DAY)
        assert row["complete"] == (end <= START_MS)
        assert time_buckets.begins(interval, text[row["cohort"]] + row["period"] * DAY) < START_MS


@shared
async def test_retention_of_anything(ask: Ask) -> None:
    rows = (await ask(RETENTION, every="1w"))["rows"]
    assert sum(row["size"] for row in rows if row["period"] == 0) == len(plain.by_person(HAPPENED))


@pytest.mark.parametrize("direction", ["next", "previous"])
@shared
async def test_paths(ask: Ask, direction: str) -> None:
    answer = await ask(PATHS, start="purchase", direction=direction, depth=2, gap="2d", limit=1000)
    wanted = plain.paths(
        HAPPENED, of("purchase"), lambda event: event.type, 2, 2 * DAY, backwards=direction == "previous"
    )
    assert {(row["step"], row["from"], row["to"], row["users"], row["times"]) for row in answer["rows"]} == wanted
    assert [row["step"] for row in answer["rows"]] == sorted(row["step"] for row in answer["rows"])


@shared
async def test_times_are_written_out(ask: Ask) -> None:
    there = {times.format(one["at"]) for one in EVENTS}
    funnel = await ask(FUNNEL, steps=STEPS, groupBy="timestamp")
    paths = await ask(PATHS, by="timestamp", depth=1)
    assert {row["timestamp"] for row in funnel["rows"]} <= there
    assert {row[name] for row in paths["rows"] for name in ("from", "to")} <= there


@shared
async def test_paths_of_data(ask: Ask) -> None:
    rows = (await ask(PATHS, by="data.plan", depth=1, gap="5d"))["rows"]
    assert {row["from"] for row in rows} <= {"free", "pro", None}
    assert sum(row["times"] for row in rows) > 0


@shared
async def test_nothing_of_another_project(stored: tuple[Application, Keys]) -> None:
    app, keys = stored
    async with client_of(app) as client:
        for path, body in [(FUNNEL, {"steps": STEPS}), (RETENTION, {}), (PATHS, {})]:
            answer = await client.post(path, json={"range": RANGE} | body, headers=bearer(keys.other))
            assert answer.json()["meta"]["rows_scanned"] == 0
            assert not any(row["users"] for row in answer.json()["rows"])


async def test_a_kept_answer_goes_with_a_new_event(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await store(app, EVENTS)
    clock.advance(60_000)
    body = {"steps": STEPS, "range": RANGE}

    async def users() -> int:
        answer = await client.post(FUNNEL, json=body, headers=bearer(keys.read))
        return int(answer.json()["rows"][0]["users"])

    before = await users()
    assert await users() == before
    late = EVENTS[0] | {"eventType": "page_view", "userId": "quite new", "messageId": "late"}
    await store(app, [late])
    assert await users() == before + 1
