"""Whole numbers of more than 53 and 64 bits in filters and bounds, over HTTP."""

from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.conftest import SHARED, Keys, bearer
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys

pytestmark = SHARED

IDS = [1147483648123456788, 1147483648123456789, 1147483648123456790, 2**64, 2**64 + 1, 10**37, 10**38 - 1]
RANGE = ["2026-11-01", "2026-11-20"]


@pytest_asyncio.fixture(loop_scope="module")
async def stored(client: httpx.AsyncClient, keys: Keys) -> None:
    events = [{"eventType": "e", "timestamp": "2026-11-05T10:00:00Z", "data": {"id": one}} for one in IDS]
    assert (await client.post("/v1/events/batch", json=events, headers=bearer(keys.project))).json()["accepted"] == 7


@pytest.mark.parametrize("given", IDS)
async def test_filters(client: httpx.AsyncClient, keys: Keys, stored: None, given: int) -> None:
    async def found(operation: str) -> list[int]:
        body = {"filters": [[operation, "data.id", given]], "groupBy": ["data.id"], "range": RANGE}
        answer = await client.post("/v1/query", json=body, headers=bearer(keys.read))
        assert answer.status_code == 200, answer.text
        return sorted(int(row["data.id"]) for row in answer.json()["rows"])

    assert await found("is") == [given]
    assert await found("is_not") == [one for one in IDS if one != given]
    assert await found("gt") == [one for one in IDS if one > given]
    assert await found("lte") == [one for one in IDS if one <= given]


async def test_a_funnel(client: httpx.AsyncClient, keys: Keys, stored: None) -> None:
    body = {"steps": ["e", "e"], "filters": [["is", "data.id", 2**64 + 1]], "range": RANGE}
    assert (await client.post("/v1/query/funnel", json=body, headers=bearer(keys.read))).status_code == 200


@pytest.mark.parametrize("metric", ["min_data.id", "max_data.id", "sum_data.id"])
@pytest.mark.parametrize("more", [{}, {"compare": "previous"}], ids=["by the log", "by core"])
async def test_bounds(client: httpx.AsyncClient, keys: Keys, stored: None, metric: str, more: dict[str, Any]) -> None:
    async def kept(operation: str, bound: int) -> list[int]:
        body = {"metrics": [metric], "groupBy": ["data.id"], "having": [[operation, metric, bound]], "range": RANGE}
        answer = await client.post("/v1/query", json={**body, **more}, headers=bearer(keys.read))
        assert answer.status_code == 200, answer.text
        return sorted(int(row["data.id"]) for row in answer.json()["rows"])

    for given in IDS[:5]:
        assert await kept("is", given) == [given]
        assert await kept("gt", given) == [one for one in IDS if one > given]
        assert await kept("lte", given) == [one for one in IDS if one <= given]
