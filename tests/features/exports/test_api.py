"""Exports over HTTP: what is refused, and what is in the files."""

import csv
import io
import tempfile
from typing import Any

import duckdb
import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.core import times
from tests.conftest import Keys, bearer, shared
from tests.features.queries.made import FIRST, Made, made, store
from tests.features.rows import Row, check
from tests.storage.opened import START_MS

EVENTS, COUNTS = "/v1/export/events", "/v1/export/aggregated"

REFUSED = [
    *(Row(f"{path} without a key", "GET", path, 401, key=None) for path in (EVENTS, COUNTS)),
    *(Row(f"{path} with an account's key", "GET", path, 403, key="account") for path in (EVENTS, COUNTS)),
    *(Row(f"{path} with an ingest key", "GET", path, 403, key="ingest") for path in (EVENTS, COUNTS)),
    Row("an unknown form", "GET", f"{EVENTS}?format=xlsx", 400, says="csv or json", field="format"),
    Row("an unknown parameter", "GET", f"{EVENTS}?colour=red", 400, field="colour"),
    Row("a switch that is none", "GET", f"{EVENTS}?formulas=perhaps", 400, field="formulas"),
    Row("a broken time", "GET", f"{EVENTS}?startTime=soon", 400, field="startTime"),
    Row("a range backwards", "GET", f"{EVENTS}?startTime=2026-02-01&endTime=2026-01-01", 400, field="startTime"),
    Row("no interval", "GET", f"{COUNTS}?interval=often", 400, field="interval"),
    Row("no metric", "GET", f"{COUNTS}?metrics=total", 400, field="metrics[0]"),
    Row("no field", "GET", f"{COUNTS}?groupBy=colour", 400),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refused(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)


@pytest.fixture(params=[0, 250, 400], ids=["waiting", "some sealed", "sealed"])
async def stored(app: Application, request: pytest.FixtureRequest) -> list[Made]:
    events = made()
    await store(app, events, sealed=request.param)
    return sorted(events, key=lambda one: one["at"])


async def fetch(client: httpx.AsyncClient, keys: Keys, path: str, **query: Any) -> httpx.Response:
    answer = await client.get(path, params=query, headers=bearer(keys.read))
    assert answer.status_code == 200, answer.text
    return answer


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def parquet(answer: httpx.Response, sql: str) -> list[tuple[Any, ...]]:
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file, duckdb.connect() as connection:
        file.write(answer.content)
        file.flush()
        return connection.execute(sql.format(file=f"'{file.name}'")).fetchall()


async def test_events_as_csv(client: httpx.AsyncClient, keys: Keys, stored: list[Made]) -> None:
    answer = await fetch(client, keys, EVENTS)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="events.csv"'
    rows = rows_of(answer)
    assert [row["timestamp"] for row in rows] == [times.format(one["at"]) for one in stored]
    by_id = {row["messageId"]: row for row in rows}
    for one in (one for one in stored if one["messageId"]):
        row = by_id[one["messageId"]]
        assert (row["eventType"], row["source"], row["userId"]) == (
            one["eventType"], one["source"] or "", one["userId"] or "",
        )  # fmt: skip
        assert row["duration"] == ("" if one["duration"] is None else str(one["duration"]))
        assert (msgspec.json.decode(row["tags"]) if row["tags"] else None) == one["tags"]
        assert (msgspec.json.decode(row["data"]) if row["data"] else None) == one["data"]


async def test_the_same_events_in_each_form(client: httpx.AsyncClient, keys: Keys, stored: list[Made]) -> None:
    as_json = (await fetch(client, keys, EVENTS, format="json")).json()
    as_lines = await fetch(client, keys, EVENTS, format="ndjson")
    assert [msgspec.json.decode(line) for line in as_lines.text.splitlines()] == as_json
    raw = (await fetch(client, keys, "/v1/events/raw", order="asc", limit=1000)).json()
    assert raw["data"] == as_json
    answer = await fetch(client, keys, EVENTS, format="parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    sql = "SELECT messageId, eventType, epoch_ms(timestamp), userId, duration, tags, data->>'plan' FROM {file}"
    assert parquet(answer, sql) == [
        (one["messageId"], one["eventType"], times.parse(one["timestamp"], field=""), one["userId"], one["duration"],
         one["tags"], (one["data"] or {}).get("plan"))
        for one in as_json
    ]  # fmt: skip
    types = dict(parquet(answer, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {file})"))
    assert (types["timestamp"], types["tags"]) == ("TIMESTAMP WITH TIME ZONE", "VARCHAR[]")
    assert list(types) == [*as_json[0], "originalTimestamp", "flags"]


async def test_filters_and_the_files_name(client: httpx.AsyncClient, keys: Keys, stored: list[Made]) -> None:
    day = times.format(FIRST + 2 * times.DAY_MS)[:10]
    end = times.format(FIRST + 5 * times.DAY_MS)[:10]
    query = {"startTime": day, "endTime": end, "eventType": "purchase", "data.plan": "pro"}
    answer = await fetch(client, keys, EVENTS, **query)
    wanted = [
        one
        for one in stored
        if FIRST + 2 * times.DAY_MS <= one["at"] < FIRST + 5 * times.DAY_MS
        and one["eventType"] == "purchase"
        and (one["data"] or {}).get("plan") == "pro"
    ]
    assert len(rows_of(answer)) == len(wanted) > 0
    assert answer.headers["content-disposition"] == f'attachment; filename="events-{day}-{end}.csv"'
    answer = await fetch(client, keys, EVENTS, startTime=f"{day}T10:30:00Z", format="ndjson")
    assert answer.headers["content-disposition"] == f'attachment; filename="events-from-{day}T1030.ndjson"'
    answer = await fetch(client, keys, EVENTS, endTime=day, format="json", timezone="Asia/Tokyo")
    assert answer.headers["content-disposition"] == f'attachment; filename="events-until-{day}.json"'


async def test_counts_are_those_of_aggregated(client: httpx.AsyncClient, keys: Keys, stored: list[Made]) -> None:
    query = {
        "startTime": times.format(FIRST), "endTime": times.format(START_MS), "interval": "1d",
        "groupBy": "eventType,data.plan", "metrics": "count,unique_users,p50_duration", "timezone": "Europe/Paris",
    }  # fmt: skip
    wanted = (await fetch(client, keys, "/v1/events/aggregated", **query)).json()["data"]
    assert (await fetch(client, keys, COUNTS, format="json", **query)).json() == wanted
    lines = await fetch(client, keys, COUNTS, format="ndjson", **query)
    assert [msgspec.json.decode(line) for line in lines.content.splitlines()] == wanted
    answer = await fetch(client, keys, COUNTS, **query)
    assert answer.headers["content-disposition"].startswith('attachment; filename="aggregated-')
    assert [(row["time"], row["data.plan"], row["count"]) for row in rows_of(answer)] == [
        (one["time"], one["data.plan"] or "", str(one["count"])) for one in wanted
    ]
    answer = await fetch(client, keys, COUNTS, format="parquet", **query)
    found = parquet(answer, 'SELECT epoch_ms("time"), eventType, "data.plan", count, p50_duration FROM {file}')
    assert sorted(map(repr, found)) == sorted(
        repr(
            (times.parse(one["time"], field=""), one["eventType"], one["data.plan"], one["count"], one["p50_duration"])
        )
        for one in wanted
    )


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "text/csv"),
        ("text/html", "text/csv"),
        ("application/json", "application/json"),
        ("application/x-ndjson, application/json", "application/x-ndjson"),
        ("application/json;q=0.5, application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("application/json;q=0, text/csv;q=0.1", "text/csv"),
        ("application/json;q=high", "text/csv"),
    ],
)
@shared
async def test_what_accept_asks_for(shared_client: httpx.AsyncClient, own_keys: Keys, accept: str, kind: str) -> None:
    for path in (EVENTS, COUNTS):
        answer = await shared_client.get(path, headers=bearer(own_keys.read) | {"accept": accept})
        assert answer.headers["content-type"].startswith(kind)
        assert "accept" in answer.headers["vary"]


@shared
async def test_nothing(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    assert (await fetch(shared_client, own_keys, EVENTS, format="json")).json() == []
    assert (await fetch(shared_client, own_keys, EVENTS, format="ndjson")).content == b""
    assert rows_of(await fetch(shared_client, own_keys, EVENTS)) == []
    assert (await fetch(shared_client, own_keys, EVENTS)).text.startswith("messageId,eventType,timestamp,")
    assert parquet(await fetch(shared_client, own_keys, EVENTS, format="parquet"), "SELECT count(*) FROM {file}") == [
        (0,)
    ]
    assert (await fetch(shared_client, own_keys, COUNTS)).text == "time,count\r\n"


async def test_nothing_of_another_project(client: httpx.AsyncClient, keys: Keys, stored: list[Made]) -> None:
    for path in (EVENTS, COUNTS):
        answer = await client.get(f"{path}?format=json", headers=bearer(keys.other))
        assert answer.json() == []


async def test_formulas_are_defused(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    evil = '=HYPERLINK("http://a.test")'
    await store(app, [made(1)[0] | {"source": evil, "userId": "-2+3", "duration": -5.0, "status": "@x"}])
    [row] = rows_of(await fetch(client, keys, EVENTS))
    assert (row["source"], row["userId"], row["status"], row["duration"]) == (f"'{evil}", "'-2+3", "'@x", "-5.0")
    [one] = (await fetch(client, keys, EVENTS, format="json")).json()
    assert (one["source"], one["userId"]) == (evil, "-2+3")
    [row] = rows_of(await fetch(client, keys, EVENTS, formulas="keep"))
    assert (row["source"], row["userId"], row["status"], row["duration"]) == (evil, "-2+3", "@x", "-5.0")
    counts = {"groupBy": "source", "startTime": times.format(FIRST), "endTime": times.format(START_MS)}
    assert rows_of(await fetch(client, keys, COUNTS, **counts))[0]["source"] == f"'{evil}"
    assert rows_of(await fetch(client, keys, COUNTS, **counts, formulas="keep"))[0]["source"] == evil


@shared
async def test_the_media_type_says_everything_once(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for path in (EVENTS, COUNTS):
        answer = await fetch(shared_client, own_keys, path, format="csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"


async def test_a_refusal_comes_before_the_file(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await store(app, made(10), sealed=5)
    answer = await client.get(f"{COUNTS}?metrics=avg_data.price&groupBy=tags&interval=1s", headers=bearer(keys.read))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("sealed", [False, True])
async def test_numbers_are_exported_as_they_were_sent(
    app: Application, client: httpx.AsyncClient, keys: Keys, sealed: bool
) -> None:
    data = '{"price":1.10,"id":9007199254740993,"e":1E5,"zero":-0}'
    body = f'{{"events":[{{"eventType":"a","data":{data},"metadata":{data}}}]}}'
    answer = await client.post("/v1/events/batch", content=body, headers=bearer(keys.project))
    assert answer.json()["accepted"] == 1
    if sealed:
        await app.services.event_maintenance.run_maintenance(seal=True)
    exported = await fetch(client, keys, EVENTS, format="parquet")
    assert parquet(exported, "SELECT data, metadata FROM {file}") == [(data, data)]
