"""One thing has several names in the API; a route that knows it by one takes the others. What forms and hands send."""

from typing import Any

import pytest

from tests.conftest import bearer, shared
from tests.http.requested import Made


@pytest.mark.parametrize(
    "path",
    [
        "/v1/snapshots?endpoint=users",
        "/v1/snapshots?endpointId=<endpoint>",
        "/v1/deltas?endpoint=users",
        "/v1/snapshots?from_time=2025-12-31&to_time=2026-01-02",
        "/v1/snapshots?fromTime=2025-12-31&toTime=2026-01-02",
        "/v1/snapshots?startTime=2025-12-31&endTime=2026-01-02",
        "/v1/snapshots?start_time=2025-12-31&end_time=2026-01-02",
        "/v1/snapshots?from=1767139200&to=1767312000",
        "/v1/snapshots?from=now",
        "/v1/snapshots?pageSize=5",
        "/v1/deltas?page_size=5&startTime=2025-12-31",
        "/v1/events/raw?from=2025-12-31&to=2026-01-02",
        "/v1/events/raw?from_time=2025-12-31T00:00:00Z&end_time=now",
        "/v1/events/aggregated?from=24h&to=now",
        "/v1/export/events?format=json&from=24h",
        "/v1/endpoints/users/history?path=/n&startTime=2025-12-31",
        "/v1/endpoints/users/stats?from_time=2025-12-31&to_time=2026-01-02",
        "/v1/snapshots/at/users?time=now",
        "/v1/endpoints/users/blame?time=now",
        "/v1/snapshots/<first_snapshot>?endpoint=users",
    ],
)
@shared
async def test_names_in_queries(shared_made: Made, path: str) -> None:
    answer = await shared_made.call("GET", path, x_api_key=shared_made.keys.project)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found if isinstance(found, list) else found.get("data", True)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/snapshots?endpoint=users&endpoint_id=users",
        "/v1/snapshots?from=2026-01-01&startTime=2026-01-01",
        "/v1/events/raw?startTime=2026-01-01&from=2026-01-01",
        "/v1/snapshots?limit=5&pageSize=5",
        "/v1/snapshots?range=24h",
        "/v1/endpoints?endpoint=users",
        "/v1/snapshots?endpoint[]=users",
    ],
)
@shared
async def test_a_thing_has_one_value(shared_made: Made, path: str) -> None:
    answer = await shared_made.call("GET", path, x_api_key=shared_made.keys.project)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("at", [1767139200, 1767139200000, "1767139200", "2025-12-31T00:00:00Z", "2025-12-31"])
async def test_when_a_document_was_captured(made: Made, at: Any) -> None:
    body = {"endpoint": "users", "data": 1, "captured_at": at}
    answer = await made.call("POST", "/v1/snapshots", body, x_api_key=made.keys.project)
    assert answer.json()["snapshot"]["captured_at"] == "2025-12-31T00:00:00.000Z"


async def test_names_in_bodies(made: Made) -> None:
    bodies: list[dict[str, Any]] = [
        {"endpoint": "users", "from_snapshot_id": "<first_snapshot>", "to_snapshot_id": "<last_snapshot>"},
        {"endpoint_id": "users", "from": "2026-01-01T00:00:00.002Z"},
        {"endpoint": "users", "from_time": "now", "to": "2026-01-02"},
        {"endpoint": "users", "startTime": "now", "endTime": "2026-01-02"},
    ]
    for body in bodies:
        answer = await made.call("POST", "/v1/deltas/compare", body, x_api_key=made.keys.project)
        assert answer.json().get("changes_count") == 1, (body, answer.text)
    twice = {"endpoint": "users", "endpoint_id": "users", "from": "now"}
    answer = await made.call("POST", "/v1/deltas/compare", twice, x_api_key=made.keys.project)
    assert "endpoint_id is given twice, as" in answer.json()["message"]


@pytest.mark.parametrize("path", ["/v1/snapshots?from=", "/v1/snapshots/at/users?time=", "/v1/events/raw?startTime="])
@shared
async def test_a_zone_whose_plus_was_lost(shared_made: Made, path: str) -> None:
    lost = await shared_made.call("GET", path + "2026-01-01T00:00:00+01:00", x_api_key=shared_made.keys.project)
    assert (lost.status_code, "written %2B" in lost.json()["message"]) == (400, True)
    kept = await shared_made.call("GET", path + "2026-01-01T01:00:00.002%2B01:00", x_api_key=shared_made.keys.project)
    assert kept.status_code == 200


async def test_what_a_form_sends_untouched(made: Made) -> None:
    """Swagger UI sends every parameter that has a default."""
    document = (await made.client.get("/docs/openapi.json")).json()
    for path in ("/v1/deltas", "/v1/snapshots", "/v1/endpoints", "/v1/projects", "/v1/events/raw"):
        described = document["paths"][path]["get"]["parameters"]
        defaults = {one["name"]: one["schema"]["default"] for one in described if "default" in one.get("schema", {})}
        texts = {name: value if isinstance(value, str) else str(value).lower() for name, value in defaults.items()}
        sent = {name: text for name, text in texts.items() if text not in ("", "none")}
        for more in ({}, {"since_snapshot": made.first_snapshot} if path == "/v1/deltas" else {}):
            answer = await made.client.get(path, params={**sent, **more}, headers=bearer(made.keys.project))
            assert answer.status_code == 200, (path, sent, answer.text)
    old = await made.call("GET", "/v1/deltas?format=json-patch", x_api_key=made.keys.project)
    assert old.status_code == 200


async def test_an_endpoint_that_a_snapshot_makes_is_told(made: Made) -> None:
    async def created(path: str, body: Any, **headers: str) -> list[Any]:
        answer = (await made.call("POST", path, body, x_api_key=made.keys.project, **headers)).json()
        return [stored.get("endpoint_created") for stored in answer.get("data", [answer])]

    assert await created("/v1/snapshots?endpoint=users", 1) == [None]
    assert await created("/v1/snapshots?endpoint=pirces", 1, idempotency_key="k") == [True]
    assert await created("/v1/snapshots?endpoint=pirces", 1, idempotency_key="k") == [True]
    assert await created("/v1/snapshots?endpoint=pirces", 2) == [None]
    batch = [{"endpoint": name, "data": n} for n, name in enumerate(["users", "new", "pirces", "new", "other"])]
    assert await created("/v1/snapshots/batch", {"snapshots": batch}) == [None, True, None, True, True]


async def test_what_is_gone_is_told_from_null(made: Made) -> None:
    for document in ({"a": 1}, {"a": None}, {}, {"a": 2}):
        await made.call("POST", "/v1/snapshots?endpoint=e", document, x_api_key=made.keys.project)
    found = (await made.call("GET", "/v1/endpoints/e/history?path=/a", x_api_key=made.keys.project)).json()["data"]
    rows = [{name: row[name] for name in ("value", "exists") if name in row} for row in found]
    assert rows == [{"value": 1}, {"value": None}, {"exists": False}, {"value": 2}]
