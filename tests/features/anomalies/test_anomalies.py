"""Anomalies over HTTP: found in what came in by the hour, each once, explained, and reported of."""

from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.features.anomalies import tasks
from delta_server.features.anomalies.tasks import AGAIN_S, Sweeps
from delta_server.features.deltas import service as deltas
from delta_server.storage import outbox
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer, shared
from tests.storage.opened import START_MS, FakeClock

HOUR_MS = 3_600_000
DAY = 24
WEEKS = 4 * 7 * DAY


def at(hour: int, minute: int = 0) -> str:
    return times.format(START_MS + hour * HOUR_MS + minute * 60_000)


class Project:
    """Hours since START_MS."""

    def __init__(self, app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
        self.app, self.client, self.keys, self.clock = app, client, keys, clock

    def now(self, hour: int) -> None:
        self.clock.time_ms = START_MS + hour * HOUR_MS + 10 * 60_000

    async def post(self, path: str, body: Any) -> httpx.Response:
        answer = await self.client.post(path, json=body, headers=bearer(self.keys.project))
        assert answer.is_success, answer.text
        return answer

    async def store(self, documents: Sequence[tuple[int, Any]]) -> None:
        for first in range(0, len(documents), 500):
            some = [
                {"endpoint_id": "quakes", "captured_at": at(hour), "data": document}
                for hour, document in documents[first : first + 500]
            ]
            await self.post("/v1/snapshots/batch", {"snapshots": some})
        while self.app.services.db.peek(deltas.queue_length):
            await deltas.compute_queued(self.app.services)

    async def send(self, counts: Sequence[tuple[int, str, str, int]]) -> None:
        """Events of hours, by type and source."""
        events = [
            {
                "eventType": kind,
                "source": source,
                "timestamp": at(hour, 1 + n % 58),
                "messageId": f"{kind}{hour}{source}{n}",
            }
            for hour, kind, source, count in counts
            for n in range(count)
        ]
        for first in range(0, len(events), 1000):
            await self.post("/v1/events/batch", events[first : first + 1000])

    async def judge(self) -> None:
        await tasks.judge(self.app.services)

    async def listed(self, **query: str) -> list[dict[str, Any]]:
        answer = await self.client.get("/v1/anomalies", params=query, headers=bearer(self.keys.read))
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"])

    def said(self) -> list[Any]:
        def read(tx: Tx) -> list[Any]:
            return [msgspec.json.decode(each.body) for each in outbox.read(tx, 0, 5000) if each.kind == "anomaly.found"]

        return self.app.services.db.peek(read)


@pytest.fixture
def project(app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> Project:
    return Project(app, client, keys, clock)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"kind": "odd"}, 400),
        ({"series": "mood"}, 400),
        ({"state": "raised"}, 400),
        ({"endpoint": "nowhere"}, 404),
        ({"from": "soon"}, 400),
        ({"cursor": "x"}, 400),
        ({"limit": "0"}, 400),
    ],
)
@shared
async def test_refusals(shared_client: httpx.AsyncClient, own_keys: Keys, query: dict[str, str], status: int) -> None:
    assert (await shared_client.get("/v1/anomalies", params=query)).status_code == 401
    assert (await shared_client.get("/v1/anomalies", params=query, headers=bearer(own_keys.ingest))).status_code == 403
    assert (await shared_client.get("/v1/anomalies", params=query, headers=bearer(own_keys.read))).status_code == status


def document(hour: int, **changed: Any) -> dict[str, Any]:
    return {"count": 100 + hour * 7 % 5, "status": "open" if hour % 3 else "busy", "items": ["x" * 40], **changed}


async def test_of_an_endpoint(project: Project) -> None:
    """A number that went far off for an hour, a status that was never there, and an end of all versions."""
    usual = [(hour, document(hour)) for hour in range(WEEKS)]
    odd = document(WEEKS, count=900)
    new = document(WEEKS + 2, status="closed")
    project.now(WEEKS + 4)
    await project.store([*usual, (WEEKS, odd), (WEEKS + 1, document(WEEKS + 1)), (WEEKS + 2, new)])
    await project.store([(WEEKS + 3, document(WEEKS + 3))])
    assert (await project.client.get("/v1/endpoints/quakes/schema", headers=bearer(project.keys.read))).is_success
    await project.judge()
    [newest, spike] = await project.listed()
    assert (spike["kind"], spike["series"], spike["name"], spike["endpoint"]) == ("spike", "field", "/count", "quakes")
    assert (spike["began_at"], spike["ended_at"], spike["state"]) == (at(WEEKS), at(WEEKS + 1), "ended")
    assert (spike["value"], spike["expected"]["low"] > 90, spike["expected"]["high"] < 115) == (900, True, True)
    assert spike["text"].startswith("/count: 900, where ")
    assert spike["text"].endswith(" are usual")
    assert (newest["kind"], newest["name"], newest["new_value"]) == ("new_value", "/status", "closed")
    assert newest["text"] == "/status: closed, which was never there before"
    assert newest["expected"] is newest["value"] is None
    assert [said["anomaly"]["id"] for said in project.said()] == [spike["id"], newest["id"]]

    await project.judge()
    project.app.services.state(Sweeps).of.clear()  # as after a restart
    await project.judge()
    assert await project.listed() == [newest, spike]

    silent = WEEKS + 60
    for hour in (WEEKS + 5, WEEKS + 8, silent):
        project.now(hour)
        await project.judge()
    [silence] = await project.listed(kind="silence")
    assert (silence["series"], silence["state"], silence["ended_at"]) == ("changes", "open", None)
    assert (silence["began_at"], silence["id"]) == (at(WEEKS + 4), silence["id"])
    await project.store([(silent + hour, document(silent + hour)) for hour in range(5)])
    project.now(silent + 5)
    await project.judge()
    [ended] = await project.listed(kind="silence")
    assert (ended["id"], ended["state"], ended["ended_at"]) == (silence["id"], "ended", at(silent))
    assert len(project.said()) == 3

    assert await project.listed(state="open") == []
    assert [each["kind"] for each in await project.listed(series="field", endpoint="quakes")] == ["new_value", "spike"]
    assert [each["id"] for each in await project.listed(**{"from": at(WEEKS + 1), "to": at(WEEKS + 3)})] == [
        newest["id"]
    ]
    first = await project.client.get("/v1/anomalies?limit=2", headers=bearer(project.keys.read))
    rest = await project.listed(cursor=first.json()["next_cursor"])
    assert [each["id"] for each in [*first.json()["data"], *rest]] == [ended["id"], newest["id"], spike["id"]]

    deleted = await project.client.delete("/v1/endpoints/quakes", headers=bearer(project.keys.project))
    assert deleted.is_success
    assert {each["endpoint"] for each in await project.listed()} == {None}
    project.clock.advance(200 * DAY * HOUR_MS)
    await tasks.expire(project.app.services)
    assert await project.listed() == []


async def test_of_events(project: Project) -> None:
    """Many more of one source, and a type that is new; what is usual at that hour of the week is not reported of."""
    counts = [(hour, "view", "web", 12 if hour % 24 == 12 else 4 + hour % 3) for hour in range(WEEKS)]
    counts += [(hour, "view", "api", 2) for hour in range(WEEKS)]
    counts += [(WEEKS, "view", "web", 5), (WEEKS, "view", "api", 90), (WEEKS + 1, "refund", "web", 1)]
    project.now(WEEKS + 2)
    await project.send(counts)
    await project.judge()
    [new, spike] = await project.listed()
    assert (spike["kind"], spike["series"], spike["name"], spike["endpoint_id"]) == ("spike", "events", "view", None)
    assert (spike["value"], spike["deviations"] > 4.5) == (95, True)
    assert [each["name"] for each in spike["breakdown"]] == ["api"]
    assert spike["text"].endswith("; most of it api: 90 instead of 2")
    assert (new["kind"], new["new_value"], new["text"]) == (
        "new_value",
        "refund",
        "Types of events: refund, which was never there before",
    )
    assert [each["id"] for each in await project.listed(name="view")] == [spike["id"]]
    assert {said["anomaly"]["text"] for said in project.said()} == {spike["text"], new["text"]}
    elsewhere = await project.client.get("/v1/anomalies", headers=bearer(project.keys.other))
    assert elsewhere.json()["data"] == []


async def test_a_history_that_comes_in(project: Project) -> None:
    """Of one that is sent in later nobody hears, and its end is no silence while more of it may come."""
    project.now(2 * WEEKS)
    await project.store([(hour, document(hour, count=900 if hour == 600 else 100)) for hour in range(WEEKS)])
    assert (await project.client.get("/v1/endpoints/quakes/schema", headers=bearer(project.keys.read))).is_success
    await project.judge()
    assert [each["kind"] for each in await project.listed()] == ["spike"]
    assert project.said() == []
    await project.store([(WEEKS + hour, document(hour, count=100)) for hour in range(24)])
    project.app.services.state(Sweeps).of.clear()
    await project.judge()
    assert [each["kind"] for each in await project.listed()] == ["spike"]
    project.now(2 * WEEKS + 1)
    await project.judge()
    assert [each["kind"] for each in await project.listed()] == ["silence", "spike"]


def test_what_is_judged_rests_and_projects_begin_by_turns() -> None:
    sweeps = Sweeps()
    assert [sweeps.begin([1, 2, 3], 5, 0.0), sweeps.begin([1, 2, 3], 5, 0.0)] == [[2, 3, 1], [3, 1, 2]]
    sweeps.of[2].done_s = 10.0
    assert sweeps.begin([1, 2, 3], 5, 20.0) == [1, 3]
    assert sorted(sweeps.begin([1, 2, 3], 5, 11.0 + AGAIN_S)) == [1, 2, 3]
    sweeps.of[2].done_s = 10.0
    assert sorted(sweeps.begin([1, 2, 3], 6, 20.0)) == [1, 2, 3]
    assert sweeps.begin([2], 6, 20.0) == [2]
    assert list(sweeps.of) == [2]
