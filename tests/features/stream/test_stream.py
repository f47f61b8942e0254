import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core.errors import TooCostly, Unavailable
from delta_server.core.query.plan import Plan
from delta_server.features.accounts import tasks as accounts_tasks
from delta_server.features.stream import events, frames, service
from delta_server.features.stream.events import WantedEvents
from delta_server.features.stream.happenings import WantedHappenings
from delta_server.features.stream.service import Wanted
from delta_server.storage.eventlog import QueryResult
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.storage.opened import FakeClock

REFUSED = [
    Row("no key", "GET", "/v1/stream", 401, key=None),
    Row("an account's key", "GET", "/v1/stream", 403, key="account"),
    Row("another topic", "GET", "/v1/stream?topics=weather", 400, field="topics"),
    Row("an unknown parameter", "GET", "/v1/stream?type=a", 400, field="type"),
]


class Reader:
    """A client of one stream, read from the service as the response would."""

    def __init__(self, app: Application, *, last: int | None = None, wanted: WantedEvents | None = None) -> None:
        self.is_allowed = True
        self.pieces = service.follow(
            app.services,
            1,
            Wanted(events=wanted or WantedEvents()),
            None if last is None else (last,),
            is_allowed=lambda: self.is_allowed,
        )
        self.last_id = 0

    async def next(self) -> list[Any]:
        """The data of the events of the next piece that has any, a gap as "gap"."""
        async with asyncio.timeout(30):
            while not (found := self._read(await anext(self.pieces))):
                pass
        return found

    def _read(self, piece: bytes) -> list[Any]:
        found: list[Any] = []
        for part in piece.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in part.splitlines() if ": " in line and line[0] != ":")
            self.last_id = int(fields.get("id", self.last_id))
            if "data" in fields:
                is_event = fields["event"] == "event"
                found.append(json.loads(fields["data"])["eventType"] if is_event else fields["event"])
        return found


async def send(client: httpx.AsyncClient, keys: Keys, *types: str, key: str = "project") -> None:
    sent = [{"eventType": name, "source": "web", "data": {"n": 1.50}} for name in types]
    answer = await client.post("/v1/events/batch", json=sent, headers=bearer(getattr(keys, key)))
    assert answer.json()["accepted"] == len(types)


@pytest.fixture
async def reader(app: Application, keys: Keys) -> AsyncIterator[Reader]:
    made = Reader(app)
    assert b"retry" in await anext(made.pieces)
    async with aclosing(made.pieces):
        yield made


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)


@pytest.mark.parametrize(
    ("topics", "last"),
    [("events", "abc"), ("events", "1-2"), ("deltas", "1-2"), ("events,deltas", "1"), ("events,deltas", "1-"),
     ("events,deltas", "1-2-3"), ("events", "9" * 20)],
)  # fmt: skip
@shared
async def test_a_wrong_last_event_id(shared_client: httpx.AsyncClient, own_keys: Keys, topics: str, last: str) -> None:
    headers = {**bearer(own_keys.project), "last-event-id": last}
    answer = await shared_client.get(f"/v1/stream?topics={topics}", headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Last-Event-ID")


async def test_events_come_as_they_are_stored(client: httpx.AsyncClient, keys: Keys, reader: Reader) -> None:
    waiting = asyncio.create_task(reader.next())
    await send(client, keys, "a", "b")
    assert await waiting == ["a", "b"]
    await send(client, keys, "foreign", key="other")
    await send(client, keys, "c")
    assert await reader.next() == ["c"]


async def test_numbers_come_as_they_were_sent(client: httpx.AsyncClient, keys: Keys, reader: Reader) -> None:
    data = '{"price":1.10,"id":9007199254740993,"e":1E5,"zero":-0}'
    body = f'{{"eventType":"a","data":{data}}}'
    assert (await client.post("/v1/events", content=body, headers=bearer(keys.project))).status_code == 200
    async with asyncio.timeout(30):
        while b"event: event" not in (piece := await anext(reader.pieces)):
            pass
    assert f'"data":{data}' in piece.decode()
    assert f'"key":"{keys.project.split("_")[2]}"' in piece.decode()


async def test_only_what_is_wanted(client: httpx.AsyncClient, keys: Keys, app: Application) -> None:
    reader = Reader(app, wanted=WantedEvents(types=frozenset({"b"}), sources=frozenset({"web"})))
    await anext(reader.pieces)
    task = asyncio.create_task(reader.next())
    await asyncio.sleep(0)
    await send(client, keys, "a", "b", "c")
    assert await task == ["b"]


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(events=WantedEvents(types=frozenset({"b"}))),
        Wanted(happenings=WantedHappenings(frozenset({"deltas"}))),
        Wanted(WantedEvents(types=frozenset({"b"})), WantedHappenings(frozenset({"deltas"}))),
    ],
    ids=["events", "happenings", "both"],
)
async def test_what_is_not_wanted_does_not_hold_back_a_heartbeat(
    client: httpx.AsyncClient, keys: Keys, app: Application, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "HEARTBEAT_S", 1000.0)
    monkeypatch.setattr(service, "FILTERED_S", 0.0)
    pieces = service.follow(app.services, 1, wanted, None, is_allowed=lambda: True)
    async with aclosing(pieces), asyncio.timeout(30):
        assert b"retry" in await anext(pieces)
        beat = asyncio.create_task(anext(pieces))
        await asyncio.sleep(0)
        await send(client, keys, "a")
        answer = await client.post("/v1/snapshots?endpoint=e", json={"n": 1}, headers=bearer(keys.project))
        assert answer.status_code == 201, answer.text
        assert await beat == service.HEARTBEAT


@pytest.mark.parametrize("sealed", [False, True])
async def test_who_comes_back_gets_what_was_missed_once(
    client: httpx.AsyncClient, keys: Keys, app: Application, reader: Reader, sealed: bool
) -> None:
    await send(client, keys, "a")
    assert await reader.next() == ["a"]
    await send(client, keys, "b", "c")
    if sealed:
        await app.services.event_maintenance.run_maintenance(seal=True)
    again = Reader(app, last=reader.last_id)
    assert await again.next() == ["b", "c"]
    await send(client, keys, "d")
    assert await again.next() == ["d"]


@pytest.mark.parametrize("sealed", [False, True])
async def test_who_comes_back_has_files_with_later_events_opened_alone(
    client: httpx.AsyncClient, keys: Keys, app: Application, reader: Reader, sealed: bool
) -> None:
    for name in ("a", "b"):  # of four merging makes one
        await send(client, keys, name, name)
        await app.services.event_maintenance.run_maintenance(seal=True)
    assert await reader.next() == ["a", "a", "b", "b"]
    await send(client, keys, "d")
    if sealed:
        await app.services.event_maintenance.run_maintenance(seal=True)
    opened = answers(app)
    again = Reader(app, last=reader.last_id)
    assert await again.next() == ["d"]
    assert [answer.scanned for answer in opened] == [1]


def answers(app: Application) -> list[QueryResult]:
    """Those to queries from now on."""
    found, query = [], app.services.event_reader.run_query

    async def noted(project: int, plan: Plan) -> QueryResult:
        found.append(await query(project, plan))
        return found[-1]

    vars(app.services.event_reader)["run_query"] = noted
    return found


async def test_who_comes_back_with_an_id_from_elsewhere_hears_of_a_gap_and_gets_what_is_new(
    client: httpx.AsyncClient, keys: Keys, app: Application
) -> None:
    """As after a restore."""
    await send(client, keys, "a")
    await app.services.event_maintenance.run_maintenance(seal=True)
    again = Reader(app, last=int("9" * 19))
    assert b"retry" in await anext(again.pieces)
    assert b"event: gap" in await anext(again.pieces)
    waiting = asyncio.create_task(again.next())
    await asyncio.sleep(0)
    await send(client, keys, "b")
    assert await waiting == ["b"]


async def test_who_falls_behind_sealing_misses_nothing(
    client: httpx.AsyncClient, keys: Keys, app: Application, reader: Reader
) -> None:
    """Having heard something before or not, and nothing comes twice."""
    for first, second in ("ab", "cd", "ef"):
        await send(client, keys, first)
        await app.services.event_maintenance.run_maintenance(seal=True)
        await send(client, keys, second)
        assert await reader.next() == [first, second]
    await send(client, keys, "g")
    assert await reader.next() == ["g"]


async def test_who_wants_little_is_read_on_for_from_where_it_was(
    client: httpx.AsyncClient, keys: Keys, app: Application
) -> None:
    reader = Reader(app, wanted=WantedEvents(types=frozenset({"b"})))
    await anext(reader.pieces)
    opened = answers(app)
    for _ in range(3):
        await send(client, keys, "a", "a", "a")
        await app.services.event_maintenance.run_maintenance(seal=True)
        await send(client, keys, "b")
        assert await reader.next() == ["b"]
    assert [answer.scanned for answer in opened] == [4, 5, 5], "the b before was sealed with what came then"


async def test_who_comes_back_to_what_waits_goes_on_inside_of_its_block(
    client: httpx.AsyncClient, keys: Keys, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much it is: nothing of it is asked for by a query, and a few blocks are in memory at a time."""
    monkeypatch.setattr(events, "MISSED_AT_MOST", 0)
    monkeypatch.setattr(events, "BYTES_AT_ONCE", 1)
    monkeypatch.setattr(frames, "PIECE_BYTES", 1)
    first = Reader(app)
    await anext(first.pieces)
    await send(client, keys, "a", "b", "c")
    await send(client, keys, "d")
    assert [await first.next(), await first.next()] == [["a"], ["b"]]
    again = Reader(app, last=first.last_id)
    assert [await again.next(), await again.next()] == [["c"], ["d"]]


async def test_streams_of_all_events_send_the_same_bytes(
    client: httpx.AsyncClient, keys: Keys, app: Application, reader: Reader
) -> None:
    """Made once, however many there are; one that chooses makes its own."""
    others = [Reader(app), Reader(app, wanted=WantedEvents(types=frozenset({"b"})))]
    for other in others:
        await anext(other.pieces)
    await send(client, keys, "a", "b")
    pieces = [await anext(each.pieces) for each in (reader, *others)]
    assert pieces[0] is pieces[1]
    assert pieces[2] in pieces[0]
    assert [b'"a"' in piece for piece in pieces] == [True, True, False]


async def test_too_much_missed_is_a_gap(
    client: httpx.AsyncClient, keys: Keys, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MISSED_AT_MOST", 2)
    await send(client, keys, "a", "b", "c")
    reader = Reader(app, last=0)
    assert await reader.next() == ["gap"]
    await send(client, keys, "d")
    assert await reader.next() == ["d"]


@pytest.mark.parametrize("error", [TooCostly("too large"), Unavailable("too many queries wait")])
async def test_what_cannot_be_asked_for_is_a_gap(
    client: httpx.AsyncClient, keys: Keys, app: Application, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def query(project: int, plan: Plan) -> QueryResult:
        raise error

    monkeypatch.setattr(app.services.event_reader, "run_query", query)
    reader = Reader(app, last=0)
    assert await reader.next() == ["gap"]
    await send(client, keys, "a")
    assert await reader.next() == ["a"]


async def test_it_ends_when_the_server_goes_down(app: Application, reader: Reader) -> None:
    waiting = asyncio.ensure_future(anext(reader.pieces, None))
    await asyncio.sleep(0)
    app.stop_streams()
    while await waiting is not None:
        waiting = asyncio.ensure_future(anext(reader.pieces, None))
    assert app.services.live.open == 0


async def test_no_more_than_so_many_at_once(app: Application, keys: Keys, client: httpx.AsyncClient) -> None:
    """Half of them may be one project's."""
    live, most = app.services.live, app.services.config.limits.streams
    with ExitStack() as opened:
        for _ in range(most // 2):
            opened.enter_context(live.reading(1))
        answer = await client.get("/v1/stream", headers=bearer(keys.project))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        live.check_room(2)
        for project in range(2, 2 + most // 2):
            opened.enter_context(live.reading(project))
        with pytest.raises(Unavailable):
            live.check_room(999)
    assert (live.open, live.open_of) == (0, {})


async def test_what_happens_in_one_project_wakes_no_stream_of_another(
    client: httpx.AsyncClient, keys: Keys, app: Application, reader: Reader
) -> None:
    waiting = asyncio.create_task(reader.next())
    await asyncio.sleep(0)
    topic = app.services.topics.signal("events", 1)
    before = topic.count
    await send(client, keys, "foreign", key="other")
    assert topic.count == before
    await send(client, keys, "a")
    assert await waiting == ["a"]


async def test_it_ends_with_its_key(
    client: httpx.AsyncClient, keys: Keys, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "HEARTBEAT_S", 3600)
    made = await client.post(
        "/v1/auth/api-keys", json={"name": "short", "scopes": ["read"]}, headers=bearer(keys.project)
    )
    key = made.json()["key"]

    async def follow() -> str:
        return (await client.get("/v1/stream", headers=bearer(key))).text

    following = asyncio.create_task(follow())
    while not app.services.live.open:
        await asyncio.sleep(0)
    revoked = await client.delete(f"/v1/auth/api-keys/{key.split('_')[2]}", headers=bearer(keys.project))
    assert revoked.status_code == 204
    async with asyncio.timeout(30):
        text = await following
    assert text.endswith('has expired"}\n\n')


async def test_an_idle_one_ends_within_a_second_of_its_key(
    client: httpx.AsyncClient, keys: Keys, app: Application, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "HEARTBEAT_S", 3600)
    new = {"name": "short", "scopes": ["read"], "expires_in": "1h"}
    made = (await client.post("/v1/auth/api-keys", json=new, headers=bearer(keys.project))).json()
    following = asyncio.create_task(client.get("/v1/stream", headers=bearer(made["key"])))
    while not app.services.live.open:
        await asyncio.sleep(0)
    await accounts_tasks.end_streams(app.services)
    clock.advance(3_599_999)
    await accounts_tasks.end_streams(app.services)
    assert app.services.live.open == 1
    clock.advance(1)
    await accounts_tasks.end_streams(app.services)
    async with asyncio.timeout(30):
        assert (await following).text.endswith('has expired"}\n\n')


async def test_nothing_is_sent_to_a_key_that_has_expired(client: httpx.AsyncClient, keys: Keys, reader: Reader) -> None:
    reader.is_allowed = False
    await send(client, keys, "a")
    assert await reader.next() == ["end"]
    assert await anext(reader.pieces, None) is None
