"""What is kept of answers, and what happens when nobody waits for one."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.core.query.plan import Plan
from delta_server.storage.eventlog import EventReader, QueryResult
from tests.conftest import Keys, bearer
from tests.features.queries.made import DAY, FIRST, event, made, store
from tests.storage.opened import FakeClock

EVENTS = made(50)
CLOSED = f"startTime={times.format(FIRST)}&endTime={times.format(FIRST + 2 * DAY)}"
TABLE = f"/v1/events/aggregated?{CLOSED}&compare=previous"


class Watched:
    """Stands before the event log: counts queries, and holds them up while `held`."""

    def __init__(self, log: EventReader) -> None:
        self.log = log
        self.queries = 0
        self.versions = 0
        self.held = False
        self.begun, self.cancelled = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log, name)

    async def version(self, project: int, plan: Plan) -> bytes:
        self.versions += 1
        return await self.log.version(project, plan)

    async def run_query(self, project: int, plan: Plan) -> QueryResult:
        self.queries += 1
        self.begun.set()
        if self.held:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        return await self.log.run_query(project, plan)


@pytest.fixture
async def project(app: Application) -> int:
    return await store(app, EVENTS, sealed=25)


@pytest.fixture
def log(app: Application, project: int) -> Watched:
    watched = Watched(app.services.event_reader)
    app.litestar.state.services = msgspec.structs.replace(app.services, event_reader=watched)
    return watched


async def test_answers_about_closed_ranges_are_kept(
    app: Application, client: httpx.AsyncClient, keys: Keys, log: Watched, project: int
) -> None:
    headers = bearer(keys.project)
    first = await client.get(TABLE, headers=headers)
    assert log.queries == 2
    again = await client.get(TABLE, headers=headers)
    assert log.queries == 2
    assert again.json()["data"] == first.json()["data"]
    assert again.headers["etag"] == first.headers["etag"]
    late = msgspec.structs.replace(event(EVENTS[0]), at=FIRST + 5, message_id="late")
    await app.services.event_writer.append_events(project, [late])
    after = await client.get(TABLE, headers=headers)
    assert log.queries == 4
    assert sum(row["count"] for row in after.json()["data"]) == sum(row["count"] for row in first.json()["data"]) + 1
    assert after.headers["etag"] != first.headers["etag"]


async def test_the_range_before_changes_the_answer_too(
    app: Application, client: httpx.AsyncClient, keys: Keys, log: Watched, project: int
) -> None:
    query = f"startTime={times.format(FIRST + DAY)}&endTime={times.format(FIRST + 2 * DAY)}&compare=previous"
    first = (await client.get(f"/v1/events/analytics?{query}", headers=bearer(keys.read))).json()
    late = msgspec.structs.replace(event(EVENTS[0]), at=FIRST + 5, message_id="late")
    await app.services.event_writer.append_events(project, [late])
    after = (await client.get(f"/v1/events/analytics?{query}", headers=bearer(keys.read))).json()
    assert after["data"][0]["previous"]["count"] == first["data"][0]["previous"]["count"] + 1


async def test_what_a_caller_has_is_not_sent_again(client: httpx.AsyncClient, keys: Keys, log: Watched) -> None:
    headers = bearer(keys.project)
    first = await client.get(TABLE, headers=headers)
    tag = first.headers["etag"]
    assert tag.startswith("W/")
    again = await client.get(TABLE, headers={**headers, "if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = await client.get(TABLE + "&limit=3", headers={**headers, "if-none-match": tag})
    assert other.status_code == 200
    another = await client.get(TABLE, headers={**bearer(keys.other), "if-none-match": tag})
    assert (another.status_code, another.json()["data"]) == (200, [])


async def test_open_ranges_are_asked_each_time(client: httpx.AsyncClient, keys: Keys, log: Watched) -> None:
    for body in ({}, {"range": "30d"}, {"range": ["2025-01-01", "2027-01-01"]}):
        before = log.queries
        for _ in range(2):
            answer = await client.post("/v1/query", json=body, headers=bearer(keys.read))
            assert answer.status_code == 200
        assert log.queries == before + 2
    answer = await client.get("/v1/events/analytics", headers=bearer(keys.read))
    assert "etag" not in answer.headers


class Ticking(FakeClock):
    def now_ms(self) -> int:
        self.advance(1)
        return super().now_ms()


async def test_ranges_until_now_are_open_though_the_clock_goes_on(
    app: Application, client: httpx.AsyncClient, keys: Keys, log: Watched
) -> None:
    app.litestar.state.services = msgspec.structs.replace(app.litestar.state.services, clock=Ticking())
    headers = bearer(keys.read)
    assert (await client.post("/v1/query", json={}, headers=headers)).status_code == 200
    assert (await client.post("/v1/query/funnel", json={"steps": ["a", "b"]}, headers=headers)).status_code == 200
    answer = await client.get("/v1/events/aggregated", headers=headers)
    assert answer.status_code == 200
    assert "etag" not in answer.headers
    assert (log.queries, log.versions) == (3, 0)
    assert (await client.get(TABLE, headers=headers)).headers["etag"]
    assert log.versions == 2


async def test_pages_stay_in_the_range_of_the_first(
    client: httpx.AsyncClient, keys: Keys, log: Watched, clock: FakeClock
) -> None:
    body = {"range": "12d", "groupBy": ["sessionId", "data.price"], "limit": 20}
    first = (await client.post("/v1/query", json=body, headers=bearer(keys.read))).json()
    clock.advance(6 * DAY)
    second = await client.post(
        "/v1/query", json={**body, "cursor": first["meta"]["next_cursor"]}, headers=bearer(keys.read)
    )
    assert second.json()["query"]["range"] == first["query"]["range"]
    assert len(second.json()["rows"]) == 20


@pytest.mark.parametrize(
    "other",
    [{"range": "13d"}, {"groupBy": ["sessionId"]}, {"filters": [["exists", "source"]]}, {"compare": "previous"}],
)
async def test_a_cursor_belongs_to_its_question(
    client: httpx.AsyncClient, keys: Keys, log: Watched, other: dict[str, Any]
) -> None:
    body = {"range": "12d", "groupBy": ["sessionId", "data.price"], "limit": 20}
    first = (await client.post("/v1/query", json=body, headers=bearer(keys.read))).json()
    given = {**body, "cursor": first["meta"]["next_cursor"], **other}
    answer = await client.post("/v1/query", json=given, headers=bearer(keys.read))
    assert answer.status_code == 400
    assert "another query" in answer.json()["message"]


@pytest.mark.parametrize("path", ["/v1/query", "/v1/events/raw", "/v1/events/analytics"])
async def test_a_question_ends_when_its_caller_leaves(app: Application, keys: Keys, log: Watched, path: str) -> None:
    log.held = True
    method, body = ("POST", b"{}") if path == "/v1/query" else ("GET", b"")
    arrived: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
    left = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if arrived:
            return arrived.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    headers = [(b"authorization", f"Bearer {keys.project}".encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"delta.test"), *headers],
        "client": ("127.0.0.1", 5),
        "server": ("delta.test", 80),
    }
    asking = asyncio.create_task(app(scope, receive, send))
    await log.begun.wait()
    left.set()
    await asyncio.wait_for(asking, 5)
    assert log.cancelled.is_set()
