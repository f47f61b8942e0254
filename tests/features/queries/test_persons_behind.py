"""Who is counted in a part of a funnel, of retention and of paths: as many as the answer says, and page by page."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from delta_server.core import times
from tests.conftest import Keys, bearer, client_of, make_keys, shared, shared_fixture, started_in
from tests.features.queries.made import FIRST, made, store
from tests.features.rows import Row, check
from tests.storage.opened import START_MS, FakeClock

PATH = "/v1/query/persons"
FUNNEL = {"steps": ["page_view", "purchase", "page_view"], "window": "1d"}
RANGE = [times.format(FIRST), times.format(START_MS)]


def refused(title: str, field: str, says: str = "", **body: Any) -> Row:
    return Row(title, "POST", PATH, 400, body={"funnel": FUNNEL, "part": {"step": 1}} | body, field=field, says=says)


REFUSED = [
    Row("no key", "POST", PATH, 401, key=None, body={"part": {}}),
    Row("without the scope", "POST", PATH, 403, key="ingest", body={"part": {}}),
    refused("two questions", "funnel", paths={}),
    refused("no question", "funnel", funnel=None),
    refused("no part", "part", part={}),
    refused("another's part", "part", part={"cohort": "2026-01-01T00:00:00Z"}),
    refused("step 0", "part.step", "from 1 to 3", part={"step": 0}),
    refused("behind the last", "part.step", part={"step": 4}),
    refused("leaving the last", "part.outcome", part={"step": 3, "outcome": "left"}),
    refused("a value of none", "part.value", "not broken down", part={"step": 1, "value": "a"}),
    refused("a value that is a list", "part", part={"step": 1, "value": ["a"]}),
    refused("too many", "limit", limit=1001),
    refused("one step", "steps", funnel={"steps": ["a"]}),
    refused("no cohort's begin", "part.cohort", funnel=None, retention={"every": "1d"},
            part={"cohort": "2025-12-01T05:00:00Z"}),
    refused("too late", "part.period", funnel=None, retention={"every": "1d"},
            part={"cohort": "2025-12-01T00:00:00Z", "period": 99}),
    refused("too deep", "part.step", funnel=None, paths={"depth": 2}, part={"step": 3}),
    Row("no cursor", "POST", PATH, 400, body={"funnel": FUNNEL, "part": {"step": 1}, "cursor": "x"}),
]  # fmt: skip


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refused(shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    await check(shared_client, shared_keys, row)


class Asker:
    def __init__(self, client: httpx.AsyncClient, keys: Keys) -> None:
        self._client, self._headers = client, bearer(keys.read)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self._client.post(path, json=body, headers=self._headers)
        assert answer.status_code == 200, (body, answer.text)
        return answer.json()

    async def persons(self, limit: int = 7, **body: Any) -> list[str]:
        """Of all pages."""
        found: list[str] = []
        cursor = None
        while True:
            page = await self.post(PATH, {**body, "limit": limit, "cursor": cursor})
            found += [one["id"] for one in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                assert found == sorted(set(found))
                return found


@shared_fixture
async def asker(
    tmp_path_factory: pytest.TempPathFactory, shared_clock: FakeClock, secrets_of_module: None
) -> AsyncIterator[Asker]:
    """Of a server for all that only ask."""
    async with started_in(tmp_path_factory.mktemp("stored"), shared_clock) as app:
        keys = await make_keys(app.services, shared_clock)
        await store(app, made(), sealed=250)
        async with client_of(app) as client:
            yield Asker(client, keys)


@shared
async def test_each_bar_of_a_funnel_has_its_persons(asker: Asker) -> None:
    answer = await asker.post("/v1/query/funnel", {**FUNNEL, "range": RANGE})
    reached = [set(await asker.persons(funnel=answer["query"], part={"step": step})) for step in (1, 2, 3)]
    assert [len(one) for one in reached] == [row["users"] for row in answer["rows"]]
    assert reached[2] < reached[1] < reached[0]
    left = await asker.persons(funnel=answer["query"], part={"step": 1, "outcome": "left"})
    assert set(left) == reached[0] - reached[1]


@pytest.mark.parametrize("field", ["source", "data.plan", "data.price", "status", "userId"])
@shared
async def test_each_value_of_a_funnel_has_its_persons(asker: Asker, field: str) -> None:
    asked = {"steps": ["page_view", "purchase"], "window": "2d", "groupBy": field, "range": RANGE, "limit": 6}
    answer = await asker.post("/v1/query/funnel", asked)
    for row in answer["rows"]:
        part = {"step": row["step"], "value": row[field]}
        assert len(await asker.persons(limit=1000, funnel=answer["query"], part=part)) == row["users"], row


@pytest.mark.parametrize("zone", ["UTC", "Australia/Lord_Howe"])
@shared
async def test_each_cell_of_retention_has_its_persons(asker: Asker, zone: str) -> None:
    asked = {"start": "page_view", "again": "purchase", "every": "2d", "periods": 3, "range": RANGE, "timezone": zone}
    answer = await asker.post("/v1/query/retention", asked)
    assert len(answer["rows"]) > 9
    for row in answer["rows"]:
        part = {"cohort": row["cohort"], "period": row["period"]}
        assert len(await asker.persons(limit=1000, retention=answer["query"], part=part)) == row["users"], row


@pytest.mark.parametrize("by", ["eventType", "data.price"])
@shared
async def test_each_move_of_paths_has_its_persons(asker: Asker, by: str) -> None:
    asked = {"start": "page_view", "by": by, "depth": 2, "gap": "7d", "range": RANGE, "limit": 5}
    answer = await asker.post("/v1/query/paths", asked)
    assert {row["step"] for row in answer["rows"]} == {1, 2}
    for row in answer["rows"]:
        part = {name: row[name] for name in ("step", "from", "to")}
        assert len(await asker.persons(limit=1000, paths=answer["query"], part=part)) == row["users"], row
    to = answer["rows"][0]["to"]
    all_moves = await asker.persons(limit=1000, paths=answer["query"], part={"step": 1, "to": to})
    one = await asker.persons(limit=1000, paths=answer["query"], part={"step": 1, "to": to, "from": "page_view"})
    assert set(one) <= set(all_moves)


@shared
async def test_a_cursor_is_of_its_question(asker: Asker) -> None:
    body = {"funnel": {**FUNNEL, "range": RANGE}, "part": {"step": 1}, "limit": 2}
    cursor = (await asker.post(PATH, body))["next_cursor"]
    headers = asker._headers
    for other in ({"part": {"step": 2}}, {"funnel": {**FUNNEL, "range": "30d"}}):
        answer = await asker._client.post(PATH, json={**body, **other, "cursor": cursor}, headers=headers)
        assert answer.status_code == 400, answer.text
