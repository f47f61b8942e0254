"""Training tables: a row is what was known at its label, whatever came later."""

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.app import Application
from delta_server.core.errors import TooCostly
from delta_server.core.tables import training
from delta_server.core.tables.training import Arrival, KnownBy, KnownContents, TrainingSpec
from delta_server.features.exports import store
from delta_server.features.exports import training as making
from tests.conftest import Keys, bearer
from tests.features.rows import Row, check
from tests.often import FUZZ
from tests.storage.opened import FakeClock

LINE = "/v1/export/features"
VIEWS: dict[str, Any] = {"name": "views", "event_type": "view", "window": "1d"}
LABELS: dict[str, Any] = {"event_type": "buy"}


def refused(title: str, field: str, *features: dict[str, Any], **spec: Any) -> Row:
    body = {"labels": LABELS, "features": list(features), **spec}
    return Row(title, "POST", LINE, 400, body=body, field=field)


REFUSED = [
    Row("without a key", "POST", LINE, 401, key=None, body={"labels": LABELS, "features": [VIEWS]}),
    Row("with an account's key", "POST", LINE, 403, key="account", body={"labels": LABELS, "features": [VIEWS]}),
    Row("with an ingest key", "POST", LINE, 403, key="ingest", body={"labels": LABELS, "features": [VIEWS]}),
    Row("no endpoint", "POST", LINE, 404,
        body={"labels": LABELS, "features": [{"name": "a", "endpoint": "none", "path": "/a"}]}),
    refused("no features", "features"),
    refused("two of one name", "features", VIEWS, VIEWS),
    refused("neither document nor events", "features[0]", {"name": "a"}),
    refused("both", "features[0]", VIEWS | {"endpoint": "shop", "path": "/a"}),
    refused("no window", "features[0].window", {"name": "a", "event_type": "view"}),
    refused("a window of no length", "features[0].window", VIEWS | {"window": "0d"}),
    refused("a sum of nothing", "features[0].of", VIEWS | {"metric": "sum"}),
    refused("a count of something", "features[0].of", VIEWS | {"of": "duration"}),
    refused("an unknown field", "features[0].of", VIEWS | {"metric": "sum", "of": "colour"}),
    refused("a field that is a list", "features[0].same", VIEWS | {"same": ["tags"]}),
    refused("a name that cannot be quoted", "features[0].same", VIEWS | {"same": ['data.a"b']}),
    refused("events with a path", "features[0]", VIEWS | {"path": "/a"}),
    refused("no path", "features[0].path", {"name": "a", "endpoint": "shop"}),
    refused("what is no path", "features[0].path", {"name": "a", "endpoint": "shop", "path": "a"}),
    refused("a document with a window", "features[0]", {"name": "a", "endpoint": "shop", "path": "/a", "window": "1d"}),
    refused("a name that is not given", "features[0].where", {"name": "a", "endpoint": "shop", "path": "/{x}"}),
    refused("a name within a step", "features[0].where",
            {"name": "a", "endpoint": "shop", "path": "/a{x}", "where": {"x": "userId"}}),
    refused("no moment", "split.at", VIEWS, split={"at": "soon"}),
    refused("a range backwards", "labels.from", VIEWS, labels=LABELS | {"from": "2025-12-02", "to": "2025-12-01"}),
]  # fmt: skip


async def test_refused(client: httpx.AsyncClient, keys: Keys) -> None:
    for row in REFUSED:
        await check(client, keys, row)


# Nothing known only later gets in

HOUR = 3_600_000
SPEC = msgspec.convert(
    {
        "labels": {"event_type": "buy", "value": "data.n"},
        "features": [
            {"name": "views", "event_type": "view", "window": "3h"},
            {"name": "sum", "event_type": "view", "window": "3h", "metric": "sum", "of": "data.n", "same": []},
            {"name": "avg", "event_type": "buy", "window": "9h", "metric": "avg", "of": "data.n"},
            {"name": "most", "event_type": "view", "window": "9h", "metric": "max", "of": "data.n"},
            {"name": "kinds", "event_type": "view", "window": "9h", "metric": "distinct", "of": "data.n"},
        ],
    },
    TrainingSpec,
)
event_rows = st.lists(
    st.tuples(
        st.sampled_from(["buy", "view"]),
        st.integers(0, 12),
        st.integers(-1, 6),
        st.sampled_from("ab"),
        st.integers(0, 3),
    ),
    max_size=8,
)
"""Type, when it happened, how much later it arrived, whose it is, and a number."""


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


Rows = list[tuple[Any, ...]]


def answer(connection: duckdb.DuckDBPyConnection, events: list[Any], spec: TrainingSpec = SPEC) -> Rows:
    connection.execute(
        "CREATE OR REPLACE TABLE events (message_id VARCHAR, event_type VARCHAR, time_ms BIGINT,"
        " received_at TIMESTAMPTZ, user_id VARCHAR, data JSON)"
    )
    columns = [
        [id for id, *_ in events],
        [kind for _, kind, *_ in events],
        [at * HOUR for _, _, at, *_ in events],
        [(at + late) * HOUR * 1000 for _, _, at, late, *_ in events],
        [user for *_, user, _ in events],
        [json.dumps({"n": n}) for *_, n in events],
    ]
    listed = "unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::BIGINT[]), make_timestamptz(unnest(?::BIGINT[]))"
    connection.execute(f"INSERT INTO events SELECT {listed}, unnest(?::VARCHAR[]), unnest(?::JSON[])", columns)
    text, params = store.query(training.plan(spec, 100 * HOUR))
    return connection.execute(text, list(params)).fetchall()


@settings(max_examples=20 * FUZZ)
@given(event_rows)
def test_a_row_is_made_of_what_was_known_at_its_label(connection: duckdb.DuckDBPyConnection, rows: list[Any]) -> None:
    events = [(f"m{number}", *row) for number, row in enumerate(rows)]
    for row in answer(connection, events):
        id, t = row[0], row[1] // HOUR
        known = [each for each in events if each[2] < t and each[2] + each[3] <= t]
        [label] = [each for each in events if each[0] == id]
        alone = [found for found in answer(connection, [*known, label]) if found[0] == id]
        assert alone == [row]
        mine = [each for each in known if each[1] == "view" and each[4] == label[4]]
        assert row[3] == len([each for each in mine if each[2] >= t - 3])
        of_all = [each[5] for each in known if each[1] == "view" and each[2] >= t - 3]
        assert row[4] == (sum(of_all) if of_all else None)
        bought = [each[5] for each in known if each[1] == "buy" and each[4] == label[4] and each[2] >= t - 9]
        assert row[5] == (pytest.approx(sum(bought) / len(bought)) if bought else None)
        numbers = [each[5] for each in mine if each[2] >= t - 9]
        assert row[6:] == ((max(numbers), len(set(numbers))) if numbers else (None, None))


def test_by_time_what_arrived_later_counts(connection: duckdb.DuckDBPyConnection) -> None:
    spec = msgspec.structs.replace(SPEC, known_by="time")
    events = [("m0", "view", 1, 50, "a", 1), ("m1", "buy", 2, 200, "a", 1)]
    assert [row[3] for row in answer(connection, events, spec)] == [1]
    assert answer(connection, events) == []
    assert [row[3] for row in answer(connection, [events[0], ("m1", "buy", 2, 0, "a", 1)])] == [0]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=8, unique_by=lambda pair: pair[0]))
def test_the_document_is_the_newest_that_was_known(pairs: list[tuple[int, int]]) -> None:
    arrivals = [Arrival(captured, received, number) for number, (captured, received) in enumerate(pairs)]
    both: tuple[KnownBy, ...] = ("arrival", "time")
    for by in both:
        known = KnownContents(arrivals, by)
        for t in range(11):
            there = [each for each in arrivals if each.captured_at <= t and (by == "time" or each.received_at <= t)]
            newest = max(there, key=lambda each: each.captured_at, default=None)
            assert known.at(t) == (newest.content if newest else None)
            assert KnownContents(there, by).at(t) == known.at(t)


def test_paths_are_filled_with_values() -> None:
    filled = training.filled
    assert filled("/items/[sku={s}]/price", {"s": b'"A7"'}) == '/items/[sku="A7"]/price'
    assert filled("/items/[sku={s}]/price", {"s": b"7"}) == "/items/[sku=7]/price"
    assert filled("/{s}/x", {"s": b'"a/b]"'}) == "/a~1b]/x"
    assert filled("/[a={s},b={t}]", {"s": b'"]"', "t": b"true"}) == '/[a="]",b=true]'


# Over HTTP


async def post(client: httpx.AsyncClient, keys: Keys, path: str, body: Any) -> None:
    answer = await client.post(path, json=body, headers=bearer(keys.project))
    assert answer.is_success, answer.text


def event(kind: str, at: str, **more: Any) -> dict[str, Any]:
    return {"eventType": kind, "userId": "ann", "timestamp": at, "messageId": f"{kind} {at}", **more}


async def make(client: httpx.AsyncClient, keys: Keys, spec: Any, form: str) -> Any:
    answer = await client.post(f"{LINE}?format={form}", json=spec, headers=bearer(keys.read))
    assert answer.status_code == 200, answer.text
    return answer.content if form in ("csv", "parquet") else answer.json()


FULL = {
    "labels": {"event_type": "buy", "value": "data.n"},
    "features": [
        {"name": "price", "endpoint": "shop", "path": "/items/[sku={sku}]/price", "where": {"sku": "data.sku"}},
        {"name": "open", "endpoint": "shop", "path": "/open"},
        VIEWS,
    ],
    "split": {"at": "2026-01-01T02:00:00Z", "gap": "30m"},
}


async def test_what_comes_later_changes_no_row(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in range(4):  # at each: the price is sent, something is viewed, something bought
        shop = {"open": hour != 2, "items": [{"sku": "A7", "price": 10 + hour}, {"sku": 'B"]', "price": 1}]}
        await post(client, keys, "/v1/snapshots?endpoint=shop", shop)
        clock.advance(60_000)
        await post(client, keys, "/v1/events/batch", [event("view", f"2026-01-01T0{hour}:01:00Z")])
        clock.advance(1_000)
        sku = 'B"]' if hour == 3 else "A7"
        bought = event("buy", f"2026-01-01T0{hour}:01:01Z", data={"n": hour, "sku": sku})
        await post(client, keys, "/v1/events/batch", [bought])
        clock.advance(HOUR - 61_000)
    rows = await make(client, keys, FULL, "json")
    assert [tuple(row.values()) for row in rows] == [
        ("buy 2026-01-01T00:01:01Z", "2026-01-01T00:01:01.000Z", 0, "train", 10, True, 1),
        ("buy 2026-01-01T01:01:01Z", "2026-01-01T01:01:01.000Z", 1, "train", 11, True, 2),
        ("buy 2026-01-01T02:01:01Z", "2026-01-01T02:01:01.000Z", 2, "validation", 12, False, 3),
        ("buy 2026-01-01T03:01:01Z", "2026-01-01T03:01:01.000Z", 3, "validation", 1, True, 4),
    ]
    assert list(rows[0]) == ["key", "time", "label", "split", "price", "open", "views"]
    csv = await make(client, keys, FULL, "csv")
    assert csv.splitlines()[1] == b"buy 2026-01-01T00:01:01Z,2026-01-01T00:01:01.000Z,0,train,10,true,1"
    assert (await make(client, keys, FULL, "parquet"))[:4] == b"PAR1"
    manifest = await make(client, keys, FULL, "manifest")
    assert (manifest["rows"], len(set(manifest["row_hashes"]))) == (4, 4)
    # all this is known now, hours after the labels
    await post(client, keys, "/v1/snapshots?endpoint=shop&captured_at=2026-01-01T01:01:00Z", {"open": 0, "items": []})
    late = [event("view", "2026-01-01T01:01:00.5Z"), event("buy", "2026-01-01T01:01:00.7Z", data={"n": 7})]
    await post(client, keys, "/v1/events/batch", late)
    clock.advance(HOUR)
    again = await make(client, keys, manifest["spec"], "manifest")
    assert again == manifest
    by_time = await make(client, keys, manifest["spec"] | {"known_by": "time"}, "json")
    assert [(row["price"], row["open"], row["views"]) for row in by_time][1:3] == [(None, 0, 3), (None, 0, 3)]
    monkeypatch.setattr(making, "MOST_LABELS", 3)
    with pytest.raises(TooCostly):
        await making.table(app.services, 1, msgspec.convert(FULL, TrainingSpec), "csv")


NUMBERS: list[list[Any]] = [
    [1e27, 9e27, "9999999999999999999999999999"], [1e27, 1e30, 1e-12], [5, "NaN", 7], ["inf", "-Infinity", 3], [True],
    ["NaN"], [0.1, 0.2, "0.3"], [1 << 60, 1, "1e3"], ["007", "+5", ".5", "1_2", " 7", 2], [1e300, -5], [None, {"a": 1}],
    [1.7e38] * 5,
]  # fmt: skip


async def test_numbers_are_those_of_queries(client: httpx.AsyncClient, keys: Keys) -> None:
    sent = [
        {"eventType": f"k{n}", "userId": "ann", "messageId": f"{n} {place}", "data": {"v": value},
            "timestamp": "2025-12-31T00:00:00Z"}
        for n, values in enumerate(NUMBERS) for place, value in enumerate(values)
    ]  # fmt: skip
    await post(client, keys, "/v1/events/batch", {"events": [*sent, event("buy", "2025-12-31T01:00:00Z")]})
    metrics = ("sum", "avg", "min", "max")
    features = [
        {"name": f"{metric} {n}", "event_type": f"k{n}", "window": "1d", "metric": metric, "of": "data.v"}
        for n in range(len(NUMBERS)) for metric in metrics
    ]  # fmt: skip
    [row] = await make(client, keys, {"labels": LABELS, "features": features, "known_by": "time"}, "json")
    for n, values in enumerate(NUMBERS):
        asked = {"metrics": [f"{metric}_data.v" for metric in metrics], "range": ["2025-12-31", "2026-01-01"],
            "filters": [["is", "eventType", [f"k{n}"]]]}  # fmt: skip
        answer = await client.post("/v1/query", json=asked, headers=bearer(keys.read))
        assert answer.status_code == 200, answer.text
        [found] = answer.json()["rows"]
        for metric in metrics:
            wanted = found[f"{metric}_data.v"]
            assert row[f"{metric} {n}"] == (wanted if wanted is None else pytest.approx(wanted, rel=1e-15)), values
