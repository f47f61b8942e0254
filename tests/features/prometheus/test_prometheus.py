"""/v1/prometheus: what Grafana's stock data source asks for, in the order in which it does."""

from typing import Any

import httpx

from tests.conftest import Keys, bearer, shared, shared_fixture
from tests.features.rows import Row, check

AT = "/v1/prometheus/api/v1"
ROWS = [
    Row("without a key", "GET", f"{AT}/query?query=1%2B1", 401, key=None),
    Row("an account's without a project", "GET", f"{AT}/labels", 403, key="account"),
    Row("a public key", "GET", f"{AT}/labels", 403, key="ingest"),
    Row("no query", "GET", f"{AT}/query", 400),
    Row("another function", "GET", f"{AT}/query?query=avg(delta_field)", 400, field="query", says="what is answered"),
    Row("a form without a key", "POST", f"{AT}/query", 401, key=None, form={"query": "1+1"}),
    Row("a form with a public key", "POST", f"{AT}/series", 403, key="ingest", form={}),
    Row("a form of an account without a project", "POST", f"{AT}/labels", 403, key="account", form={}),
    Row("JSON for a form", "POST", f"{AT}/query", 415, body={"query": "1+1"}, says="x-www-form-urlencoded"),
    Row("a form without a query", "POST", f"{AT}/query", 400, form={}, says="query is missing", field="query"),
    Row("a field there is none of", "POST", f"{AT}/labels", 400, form={"matches": "x"}, field="matches"),
    Row("a field twice", "POST", f"{AT}/query", 400, form={"query": ["1+1", "2"]}, field="query"),
    Row("too many fields", "POST", f"{AT}/series", 400, form={"match[]": ["{}"] * 101}, says="100 fields"),
    Row("too many selectors", "POST", f"{AT}/series", 400, form={"match[]": ["{}"] * 11}, says="at most 10"),
    Row("no number", "POST", f"{AT}/labels", 400, form={"limit": "all"}, field="limit", says="whole number"),
    Row("a form too large", "POST", f"{AT}/query", 413, form={"query": "x" * 25_000}),
    Row("a form without a step", "POST", f"{AT}/query_range", 400, form={"query": "1"}, field="step"),
    Row("values by POST", "POST", f"{AT}/label/source/values", 405, form={}),
    Row("alive, by a form", "POST", f"{AT}/query", 200, key="read", form={"query": "1+1", "time": "4"}),
    Row(
        "too many buckets",
        "GET",
        f"{AT}/query_range?query=rate(delta_events[5m])&start=61&end=650000&step=60",
        400,
        field="step",
        says="buckets of 1 minutes",
    ),
    Row(
        "too many matchers",
        "GET",
        f"{AT}/query?query=rate(delta_events{{{'source!=%22a%22,' * 120}}}[5m])",
        400,
        field="query",
        says="source is one filter too many",
    ),
    Row("too many points", "GET", f"{AT}/query_range?query=1&start=0&end=99999999&step=1", 400, field="step"),
    Row("no endpoint named", "GET", f"{AT}/query?query=delta_field", 400, field="query"),
    Row("another tenant's endpoint", "GET", f'{AT}/query?query=delta_field{{endpoint="theirs",path="/a"}}', 404),
    Row("a time that is none", "GET", f"{AT}/query?query=1%2B1&time=soon", 400, field="time"),
    Row("alive", "GET", f"{AT}/query?query=1%2B1", 200, key="read"),
    Row("a version without a key", "GET", f"{AT}/status/buildinfo", 401, key=None),
    Row("what metrics are, without a key", "GET", f"{AT}/metadata", 401, key=None),
    Row("less than no metric", "GET", f"{AT}/metadata?limit=-1", 400, field="limit"),
]


@shared_fixture
async def filled(shared_client: httpx.AsyncClient, shared_keys: Keys) -> None:
    headers = bearer(shared_keys.project)
    for hour, price in enumerate((1.5, 2)):
        await shared_client.post(
            "/v1/snapshots",
            params={"endpoint": "prices", "captured_at": f"2025-12-31T0{hour}:00:00Z"},
            json={"EUR": price, "name": "x"},
            headers=headers,
        )
    sent = [
        {"eventType": kind, "source": "web", "timestamp": f"2025-12-31T00:{minute:02d}:30Z"}
        for minute, kind in ((0, "seen"), (1, "seen"), (1, "bought"), (9, "seen"))
    ]
    assert (await shared_client.post("/v1/events/batch", json={"events": sent}, headers=headers)).is_success
    rows = {"rows": {"x": {"v": 1}, "y": {"v": 2}, "z": {"v": 3}}}
    assert (await shared_client.post("/v1/snapshots?endpoint=many", json=rows, headers=headers)).is_success
    await shared_client.post("/v1/snapshots?endpoint=theirs", json={"a": 1}, headers=bearer(shared_keys.other))


@shared
async def test_rows(shared_client: httpx.AsyncClient, shared_keys: Keys, filled: None) -> None:
    for row in ROWS:
        await check(shared_client, shared_keys, row)


async def data(client: httpx.AsyncClient, keys: Keys, path: str, **params: Any) -> Any:
    answer = await client.get(f"{AT}/{path}", params=params, headers=bearer(keys.read))
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "success"
    return answer.json()["data"]


@shared
async def test_a_chart_of_a_field(shared_client: httpx.AsyncClient, shared_keys: Keys, filled: None) -> None:
    found = await data(
        shared_client, shared_keys, "query_range", query='delta_field{endpoint="prices",path="/EUR"}',
        start="2025-12-30T23:30:00Z", end="1767146400", step="30m",
    )  # fmt: skip
    [line] = found["result"]
    assert line["metric"] == {"__name__": "delta_field", "endpoint": "prices", "path": "/EUR"}
    assert [value for _, value in line["values"]] == ["1.5", "1.5", "2.0", "2.0", "2.0"]
    assert line["values"][0][0] == 1767139200.0
    now = await data(shared_client, shared_keys, "query", query='delta_field{endpoint="prices",path="/EUR"}')
    assert now["result"][0]["value"][1] == "2.0"


@shared
async def test_a_chart_of_events(shared_client: httpx.AsyncClient, shared_keys: Keys, filled: None) -> None:
    span = {"start": "2025-12-31T00:00:00Z", "end": "2025-12-31T00:10:00Z", "step": "60"}
    found = await data(
        shared_client, shared_keys, "query_range", query="sum by (event_type) (increase(delta_events[2m]))", **span
    )
    lines = {line["metric"]["event_type"]: [float(value) for _, value in line["values"]] for line in found["result"]}
    assert lines["seen"] == [0, 1, 2, 1, 0, 0, 0, 0, 0, 0, 1]
    assert sum(lines["bought"]) == 2
    rate = 'rate(delta_events{event_type=~"seen|sold"}[10m])'
    [one] = (await data(shared_client, shared_keys, "query", query=rate, time="2025-12-31T00:10:00Z"))["result"]
    assert one["metric"] == {"event_type": "seen", "source": "web"}
    assert float(one["value"][1]) == 3 / 600


@shared
async def test_a_range_is_whole_at_any_moment(
    shared_client: httpx.AsyncClient, shared_keys: Keys, filled: None
) -> None:
    """The events are of 00:00:30, twice 00:01:30, and 00:09:30."""
    for length, wanted in (("5m", 1), ("9m", 3), ("20m", 4), ("30m", 4), ("1h", 4), ("1d", 4), ("90d", 4)):
        asked = f"sum(increase(delta_events[{length}]))"
        for second in ("00", "59.5"):
            time = f"2025-12-31T00:10:{second}Z"
            [one] = (await data(shared_client, shared_keys, "query", query=asked, time=time))["result"]
            assert one["value"][1] == f"{wanted:.1f}", length
    hourly = {"query": "sum(increase(delta_events[1h]))", "start": "2025-12-30T23:10:00Z", "step": "3600"}
    [line] = (await data(shared_client, shared_keys, "query_range", end="2025-12-31T02:10:00Z", **hourly))["result"]
    assert [float(value) for _, value in line["values"]] == [0, 4, 0, 0]
    none = await data(shared_client, shared_keys, "query", query=hourly["query"], time="2025-12-30T00:00:00Z")
    assert none["result"] == []
    rate = await data(
        shared_client, shared_keys, "query", query="sum(rate(delta_events[90s]))", time="2025-12-31T00:02:00Z"
    )
    assert float(rate["result"][0]["value"][1]) == 3 / 120, "of whole minutes"


@shared
async def test_records_are_chosen(shared_client: httpx.AsyncClient, shared_keys: Keys, filled: None) -> None:
    for matcher, wanted in (('="y"', [2]), ('!="y"', [1, 3]), ('=~"x|z"', [1, 3]), ('!~"x|z"', [2]), ('="no"', [])):
        asked = f'delta_field{{endpoint="many",path="/rows/*/v",record{matcher}}}'
        found = await data(shared_client, shared_keys, "query", query=asked)
        assert sorted(float(one["value"][1]) for one in found["result"]) == wanted, matcher
    odd = await data(shared_client, shared_keys, "query", query='delta_field{endpoint="many",path="/rows/[\x01=1]/v"}')
    assert odd["result"] == []


@shared
async def test_what_there_is_to_choose(shared_client: httpx.AsyncClient, shared_keys: Keys, filled: None) -> None:
    async def of(path: str, **params: Any) -> Any:
        return await data(shared_client, shared_keys, path, **params)

    assert await of("labels") == ["__name__", "endpoint", "event_type", "path", "record", "source"]
    assert await of("label/__name__/values") == ["delta_events", "delta_field"]
    assert await of("label/endpoint/values") == ["many", "prices"]
    prices = {"match[]": 'delta_field{endpoint="prices"}'}
    assert await of("label/path/values", **prices) == ["/EUR"]
    assert await of("label/event_type/values") == ["bought", "seen"]
    assert await of("label/nonsense/values") == []
    assert [one["path"] for one in await of("series", **prices)] == ["/EUR"]
    assert len(await of("series", **{"match[]": "delta_events"})) == 2


GRAFANA: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "query", {"query": "1+1", "time": "1767140400.125"}),
    ("GET", "label/__name__/values", {"start": "1767139200", "end": "1767140400", "limit": "40000"}),
    ("GET", "label/__name__/values", {"match[]": '{__name__=~".*field.*"}', "limit": "40000"}),
    ("POST", "labels", {"start": "1767139200", "end": "1767140400", "match[]": "delta_field", "limit": "40000"}),
    ("GET", "label/endpoint/values", {"match[]": '{__name__="delta_field"}', "limit": "1"}),
    ("POST", "series", {"start": "1767139200", "end": "1767140400", "match[]": '{__name__!=""}', "limit": "40000"}),
    ("POST", "query_range", {"query": "sum(increase(delta_events[10m]))", "start": "1767139200", "end": "1767140400",
                             "step": "600", "timeout": "60s"}),
    ("POST", "query", {"query": 'delta_field{endpoint="prices",path="/EUR"}', "time": "1767140400"}),
]  # fmt: skip
"""As Grafana asks while a data source is saved, a metric and its labels are chosen and a panel is drawn: by POST for
what Prometheus takes so, and by GET for values of labels."""


@shared
async def test_what_grafana_asks_by_default(shared_client: httpx.AsyncClient, shared_keys: Keys, filled: None) -> None:
    found = []
    for method, path, fields in GRAFANA:
        form, query = (fields, None) if method == "POST" else (None, fields)
        answer = await shared_client.request(
            method, f"{AT}/{path}", headers=bearer(shared_keys.read), data=form, params=query
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "success"
        found.append(answer.json()["data"])
        if method == "POST":
            asked = await data(shared_client, shared_keys, path, **fields)
            assert found[-1] == asked, "as by GET"
    assert found[0] == {"resultType": "scalar", "result": [1767140400.125, "2"]}
    assert found[1:5] == [
        ["delta_events", "delta_field"], ["delta_field"], ["__name__", "endpoint", "path", "record"], ["many"],
    ]  # fmt: skip
    assert sorted(one["event_type"] for one in found[5]) == ["bought", "seen"], "no endpoint is named"
    assert [value for _, value in found[6]["result"][0]["values"]] == ["0.0", "4.0", "0.0"]
    assert found[7]["result"][0]["value"] == [1767140400.0, "1.5"]


@shared
async def test_refusals_are_as_its_clients_read_them(
    shared_client: httpx.AsyncClient, shared_keys: Keys, filled: None
) -> None:
    """Beside what a problem is elsewhere."""
    for path, fields, status, kind in (
        ("query", {"query": "avg(delta_field)"}, 400, "bad_data"),
        ("query", {"query": 'delta_field{endpoint="none",path="/a"}'}, 404, "not_found"),
        ("targets", {}, 404, "not_found"),
    ):
        answer = await shared_client.get(f"{AT}/{path}", params=fields, headers=bearer(shared_keys.read))
        told = answer.json()
        assert (answer.status_code, told["status"], told["errorType"]) == (status, "error", kind), answer.text
        assert told["error"] == told["message"] == told["detail"]
        assert told["statusCode"] == status


@shared
async def test_scopes_hold(shared_client: httpx.AsyncClient, shared_keys: Keys, filled: None) -> None:
    made = await shared_client.post(
        "/v1/auth/api-keys", json={"name": "events", "scopes": ["events:read"]}, headers=bearer(shared_keys.project)
    )
    headers = bearer(made.json()["key"])
    for query, status in (("rate(delta_events[5m])", 200), ('delta_field{endpoint="prices",path="/EUR"}', 403)):
        answer = await shared_client.get(f"{AT}/query", params={"query": query}, headers=headers)
        assert answer.status_code == status, answer.text
        answer = await shared_client.post(f"{AT}/query", data={"query": query}, headers=headers)
        assert answer.status_code == status, answer.text


@shared
async def test_grafana_finds_which_api_it_is_and_what_the_metrics_are(
    shared_client: httpx.AsyncClient, shared_keys: Keys
) -> None:
    async def data(path: str) -> Any:
        answer = await shared_client.get(f"{AT}/{path}", headers=bearer(shared_keys.read))
        assert (answer.status_code, answer.json()["status"]) == (200, "success")
        return answer.json()["data"]

    assert (await data("status/buildinfo"))["version"] == "2.24.0", "from which Grafana asks for label/.../values"
    [metrics] = [await data("metadata?limit=100&limit_per_metric=1")]
    assert {name: [one["type"] for one in all] for name, all in metrics.items()} == {
        "delta_events": ["counter"],
        "delta_field": ["gauge"],
    }
    assert list(await data("metadata?metric=delta_field")) == ["delta_field"]
    assert list(await data("metadata?limit=1")) == ["delta_events"]
    assert await data("metadata?metric=up") == {}
