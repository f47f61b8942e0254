"""Answers after retention say from when on they are whole."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core import times
from tests.conftest import SHARED, Keys, bearer, shared_fixture
from tests.features.queries.made import DAY, FIRST, made, store
from tests.storage.opened import START_MS

EVENTS = made(200)
KEPT = 4
BORDER = "2025-12-28T00:00:00"
"""Some ms later, as the clock goes on."""
SINCE = "2025-12-28T00:00:01Z"
WHOLE = [times.format(FIRST), times.format(FIRST + 12 * DAY)]


pytestmark = SHARED


@pytest.fixture(scope="module")
def client(shared_client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Nothing here changes anything."""
    return shared_client


@shared_fixture
async def headers(shared_app: Application, client: httpx.AsyncClient, shared_keys: Keys) -> dict[str, str]:
    """Events of four days are left, and rollups of all."""
    await store(shared_app, EVENTS, sealed=200)
    await shared_app.services.event_maintenance.run_maintenance(seal=True, compact=True)
    kept = await client.put("/v1/events/retention", json={"days": KEPT}, headers=bearer(shared_keys.project))
    assert kept.status_code == 200
    await shared_app.services.event_maintenance.run_maintenance(compact=True)
    return bearer(shared_keys.project)


def seconds(answer: httpx.Response) -> dict[str, str]:
    found: dict[str, str] = answer.json()["meta"]["complete_from"]
    return {name: time[:19] for name, time in found.items()}


@pytest.mark.parametrize(
    ("given", "complete_from"),
    [
        ({"range": WHOLE}, {}),
        ({"range": WHOLE, "groupBy": ["time:1d"], "timezone": "Asia/Kathmandu"}, {}),
        ({"range": WHOLE, "metrics": ["count", "sum_data.price"]}, {"count": BORDER, "sum_data.price": BORDER}),
        ({"range": [SINCE, WHOLE[1]], "metrics": ["sum_data.price"]}, {}),
        ({"range": [SINCE, WHOLE[1]], "metrics": ["sum_data.price"], "compare": "previous"},
         {"previous.sum_data.price": "2025-12-28T00:00:00"}),
        ({"range": WHOLE, "filters": [["is", "userId", "u1"]], "timezone": "Asia/Kolkata"},
         {"count": "2025-12-28T05:30:00"}),
    ],
)  # fmt: skip
async def test_since_when_an_answer_is_whole(
    client: httpx.AsyncClient, headers: dict[str, str], given: dict[str, Any], complete_from: dict[str, str]
) -> None:
    answer = await client.post("/v1/query", json=given, headers=headers)
    assert answer.status_code == 200, answer.text
    assert seconds(answer) == complete_from
    assert answer.json()["meta"]["complete_to"] == {}


async def test_an_age_is_whole_from_its_first_bucket(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    begin = START_MS - 7 * DAY
    answer = (await client.post("/v1/query", json={"range": "7d"}, headers=headers)).json()
    first = answer["meta"]["complete_from"].get("count", times.format(begin))
    assert answer["rows"] == [{"count": sum(times.parse(first, field="") <= event["at"] for event in EVENTS)}]
    ragged = [times.format(FIRST + 3 * DAY + 59_001), times.format(FIRST + 5 * DAY + 59_001)]
    answer = (
        await client.get(f"/v1/events/analytics?startTime={ragged[0]}&endTime={ragged[1]}", headers=headers)
    ).json()
    meta = answer["meta"]
    assert times.parse(ragged[0], field="") < times.parse(meta["complete_from"]["count"], field="")
    assert times.parse(meta["complete_to"]["count"], field="") < times.parse(ragged[1], field="")


@pytest.mark.parametrize(
    ("path", "given", "columns"),
    [
        ("funnel", {"steps": ["page_view", "purchase"]}, ["users"]),
        ("retention", {"every": "1d"}, ["users"]),
        ("retention", {"every": "1d", "firstEver": True, "range": [SINCE, WHOLE[1]]}, ["users"]),
        ("paths", {"start": "page_view"}, ["users", "times"]),
    ],
)
async def test_what_persons_do_is_whole_since_their_events_are_there(
    client: httpx.AsyncClient, headers: dict[str, str], path: str, given: dict[str, Any], columns: list[str]
) -> None:
    for _ in range(2):  # the second comes from the cache
        answer = await client.post(f"/v1/query/{path}", json={"range": WHOLE, **given}, headers=headers)
        assert seconds(answer) == dict.fromkeys(columns, BORDER)


async def test_what_persons_did_since_is_whole(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    given = {"steps": ["page_view", "purchase"], "range": [SINCE, WHOLE[1]]}
    answer = await client.post("/v1/query/funnel", json=given, headers=headers)
    assert answer.json()["meta"]["complete_from"] == {}
