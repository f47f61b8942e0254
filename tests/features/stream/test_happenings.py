"""Endpoints, snapshots and deltas as they come, change and go, followed live."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.features.snapshots.importing import Version, import_versions
from delta_server.features.stream import frames, service
from delta_server.features.stream.events import WantedEvents
from delta_server.features.stream.happenings import WantedHappenings
from delta_server.features.stream.service import Wanted
from delta_server.storage import outbox
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.features.users import people
from tests.storage.opened import FakeClock

REFUSED = [
    Row("no key", "GET", "/v1/stream?topics=endpoints", 401, key=None),
    Row("an account's key", "GET", "/v1/stream?topics=endpoints", 403, key="account"),
    Row("types of events", "GET", "/v1/stream?topics=endpoints&eventType=a", 400, field="eventType"),
    Row("sources of events", "GET", "/v1/stream?topics=endpoints&source=a", 400, field="source"),
    Row("one that there is not", "GET", "/v1/stream?topics=snapshots,weather", 400, field="topics"),
    Row("none", "GET", "/v1/stream?topics=", 400, field="topics"),
    Row("an endpoint, for events", "GET", "/v1/stream?endpoint_id=a", 400, field="endpoint_id"),
    Row("no such endpoint", "GET", "/v1/stream?topics=deltas&endpoint_id=nowhere", 404),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)


class Follower:
    def __init__(
        self,
        app: Application,
        *topics: str,
        last: int | str | None = None,
        endpoints: frozenset[str] = frozenset(),
        events: bool = False,
    ) -> None:
        self.is_allowed = True
        happenings = WantedHappenings(frozenset(topics or ("endpoints",)), endpoints)
        self.pieces: AsyncGenerator[bytes, None] = service.follow(
            app.services,
            1,
            Wanted(WantedEvents() if events else None, happenings),
            None if last is None else [int(part) for part in str(last).split("-")],
            is_allowed=lambda: self.is_allowed,
        )
        self.data: list[dict[str, Any]] = []
        self.last_id = ""

    async def next(self) -> list[str]:
        """Kinds and names of the next piece that has any."""
        found: list[str] = []
        async with asyncio.timeout(30):
            while not found:
                for part in (await anext(self.pieces)).decode().split("\n\n"):
                    fields = dict(line.split(": ", 1) for line in part.splitlines() if line[:1] not in ("", ":"))
                    self.last_id = fields.get("id", self.last_id)
                    if "data" not in fields:
                        continue
                    self.data.append(json.loads(fields["data"]))
                    name = self.data[-1].get("endpoint", {}).get("name")
                    found.append(f"{fields['event']} {name}" if name else fields["event"])
        return found


@pytest.fixture
async def follower(app: Application, keys: Keys) -> AsyncIterator[Follower]:
    made = Follower(app)
    assert b"retry" in await anext(made.pieces)
    async with aclosing(made.pieces):
        yield made


async def call(client: httpx.AsyncClient, key: str, method: str, path: str, body: object = None) -> httpx.Response:
    answer = await client.request(method, path, json=body, headers=bearer(key))
    assert answer.status_code < 300, answer.text
    return answer


async def test_they_are_told_as_they_come_change_and_go(
    client: httpx.AsyncClient, keys: Keys, follower: Follower
) -> None:
    steps: list[tuple[str, str, object, list[str]]] = [
        ("POST", "/v1/endpoints", {"name": "a"}, ["endpoint.created a"]),
        ("POST", "/v1/snapshots?endpoint=b", {"n": 1}, ["endpoint.created b"]),
        ("PATCH", "/v1/endpoints/a", {"name": "c"}, ["endpoint.updated c"]),
        ("DELETE", "/v1/endpoints/b", None, ["endpoint.deleted b"]),
    ]
    for method, path, body, told in steps:
        waiting = asyncio.create_task(follower.next())
        await asyncio.sleep(0)  # it waits already, so it has to be woken
        await call(client, keys.project, method, path, body)
        assert await waiting == told
    shown = (await call(client, keys.project, "GET", "/v1/endpoints/c")).json()["endpoint"]
    assert follower.data[2] == {"at": follower.data[2]["at"], "endpoint": {"id": shown["id"], "name": "c"}}


async def test_what_changes_nothing_or_fails_is_not_told(
    client: httpx.AsyncClient, keys: Keys, follower: Follower
) -> None:
    await call(client, keys.project, "POST", "/v1/endpoints", {"name": "a"})
    taken = await client.post("/v1/endpoints", json={"name": "a"}, headers=bearer(keys.project))
    assert taken.status_code == 409
    await call(client, keys.project, "PATCH", "/v1/endpoints/a", {"description": ""})
    await call(client, keys.project, "POST", "/v1/snapshots?endpoint=a", {"n": 1})
    await call(client, keys.other, "POST", "/v1/endpoints", {"name": "theirs"})
    again = {"idempotency-key": "k"}
    for _ in range(2):
        answer = await client.post("/v1/endpoints", json={"name": "z"}, headers={**bearer(keys.project), **again})
        assert answer.status_code == 201
    assert await follower.next() == ["endpoint.created a", "endpoint.created z"]


async def test_who_comes_back_gets_what_was_missed(
    app: Application, client: httpx.AsyncClient, keys: Keys, follower: Follower
) -> None:
    await call(client, keys.project, "POST", "/v1/endpoints", {"name": "a"})
    await follower.next()
    await call(client, keys.project, "POST", "/v1/endpoints", {"name": "b"})
    for last, told in ((follower.last_id, ["b"]), ("0", ["a", "b"])):
        back = Follower(app, last=last)
        async with aclosing(back.pieces):
            assert await back.next() == [f"endpoint.created {name}" for name in told]


async def test_a_gap_is_told_when_what_was_missed_is_gone(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    for name in ("a", "b"):
        await call(client, keys.project, "POST", "/v1/endpoints", {"name": name})
    clock.advance(outbox.KEPT_MS)
    await call(client, keys.project, "POST", "/v1/endpoints", {"name": "c"})
    assert await app.services.db.write(outbox.trim, 10)
    back = Follower(app, last=1)
    async with aclosing(back.pieces):
        assert await back.next() == ["gap"]
        assert await back.next() == ["endpoint.created c"]


async def test_ids_from_before_a_restore_are_answered_with_a_gap(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    for name in ("a", "b"):
        await call(client, keys.project, "POST", "/v1/endpoints", {"name": name})
    await app.services.db.write(outbox.begin_again)
    await call(client, keys.project, "POST", "/v1/endpoints", {"name": "c"})
    for last in ("0", "2", "3"):  # the database before the restore had a third
        back = Follower(app, last=last)
        async with aclosing(back.pieces):
            assert await back.next() == ["gap"]
            assert await back.next() == ["endpoint.created c"]


async def test_an_idle_follower_hears_of_no_gap_when_others_happenings_go(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock, follower: Follower
) -> None:
    await call(client, keys.other, "POST", "/v1/endpoints", {"name": "theirs"})
    waiting = asyncio.create_task(follower.next())
    app.services.topics.wake("happenings", 1)  # so that it reads on to where all others are
    for _ in range(20):
        await asyncio.sleep(0)
    clock.advance(outbox.KEPT_MS)
    await app.services.db.write(outbox.trim, 10)
    await call(client, keys.project, "POST", "/v1/endpoints", {"name": "mine"})
    assert await waiting == ["endpoint.created mine"]


async def test_who_may_no_longer_read_hears_the_end(app: Application, keys: Keys, follower: Follower) -> None:
    waiting = asyncio.create_task(follower.next())
    await asyncio.sleep(0)
    follower.is_allowed = False
    app.services.live.check_access()
    assert await waiting == ["end"]


# Snapshots and deltas


async def follow(app: Application, *topics: str, **wanted: Any) -> Follower:
    made = Follower(app, *topics, **wanted)
    assert b"retry" in await anext(made.pieces)
    return made


async def heard(follower: Follower, count: int) -> list[str]:
    """The next `count`, or more."""
    found: list[str] = []
    while len(found) < count:
        found += await follower.next()
    return found


async def store(client: httpx.AsyncClient, keys: Keys, endpoint: str, body: object) -> dict[str, Any]:
    answer = await call(client, keys.project, "POST", f"/v1/snapshots?endpoint={endpoint}", body)
    snapshot: dict[str, Any] = answer.json()["snapshot"]
    return snapshot


async def test_snapshots_and_their_deltas_are_told(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    follower = await follow(app, "snapshots", "deltas")
    async with aclosing(follower.pieces):
        waiting = asyncio.create_task(follower.next())
        await asyncio.sleep(0)
        first = await store(client, keys, "a", {"n": 1})
        assert await waiting == ["snapshot.created a"]
        second = await store(client, keys, "a", {"n": 2, "m": 3})
        assert sorted(await heard(follower, 2)) == ["delta.created a", "snapshot.created a"]
        await store(client, keys, "a", {"n": 2, "m": 3})
        assert await heard(follower, 1) == ["snapshot.created a"]
    told = {name: part for data in follower.data[1:3] for name, part in data.items()}
    assert told["endpoint"] == {"id": first["endpoint_id"], "name": "a"}
    assert told["snapshot"] == {
        name: second[name] for name in ("id", "captured_at", "received_at", "size_bytes", "unchanged", "source")
    }
    assert told["delta"] == {
        "id": second["id"], "from_snapshot_id": first["id"], "to_snapshot_id": second["id"],
        "captured_at": second["captured_at"], "kind": "content", "changes_count": 2,
        "added": 1, "removed": 0, "replaced": 1, "moved": 0, "similarity_score": told["delta"]["similarity_score"],
    }  # fmt: skip
    shown = (await call(client, keys.project, "GET", f"/v1/deltas/{second['id']}")).json()
    assert shown["similarity_score"] == told["delta"]["similarity_score"]
    assert follower.data[3]["snapshot"]["unchanged"]


async def test_only_one_endpoint_s_and_only_what_is_asked_for(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    of_b = (await call(client, keys.project, "POST", "/v1/endpoints", {"name": "b"})).json()["endpoint"]["id"]
    begun = (await follow(app, "snapshots")).last_id
    batch = [{"endpoint_id": name, "data": {"n": n}} for n in range(2) for name in ("a", "b")]
    await call(client, keys.project, "POST", "/v1/snapshots/batch", {"snapshots": batch})
    await client.post("/v1/snapshots?endpoint=b", json={"n": 9}, headers=bearer(keys.other))
    of_both = ["snapshot.created a", "snapshot.created b"]
    for topics, endpoints, told in (
        (("snapshots",), frozenset({of_b}), ["snapshot.created b"] * 2),
        (("snapshots", "endpoints"), frozenset[str](), ["endpoint.created a", *of_both, *of_both]),
        (("deltas",), frozenset({of_b}), ["delta.created b"]),
    ):  # fmt: skip
        back = Follower(app, *topics, endpoints=endpoints, last=begun or "1")
        async with aclosing(back.pieces):
            assert await heard(back, len(told)) == told


async def test_several_of_one_commit_have_their_id_with_the_last(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who leaves in between hears some again and misses none."""
    monkeypatch.setattr(frames, "PIECE_BYTES", 1)
    follower = await follow(app, "snapshots")
    batch = [{"endpoint_id": "a", "data": {"n": n}} for n in range(3)]
    await call(client, keys.project, "POST", "/v1/snapshots/batch", {"snapshots": batch})
    async with aclosing(follower.pieces):
        assert [await follower.next(), await follower.next()] == [["snapshot.created a"]] * 2
    back = Follower(app, "snapshots", last=follower.last_id or "0")
    async with aclosing(back.pieces):
        assert await heard(back, 3) == ["snapshot.created a"] * 3
        last = back.last_id
    await store(client, keys, "a", {"n": 9})
    again = Follower(app, "snapshots", last=last)
    async with aclosing(again.pieces):
        assert await again.next() == ["snapshot.created a"]


async def test_what_is_deleted_meanwhile_is_not_told(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    kept = await store(client, keys, "a", {"n": 1})
    gone = await store(client, keys, "a", {"n": 2})
    await store(client, keys, "b", {"n": 1})
    await call(client, keys.project, "DELETE", f"/v1/snapshots/{gone['id']}")
    await call(client, keys.project, "DELETE", "/v1/endpoints/b")
    back = Follower(app, "snapshots", "deltas", last="0")
    async with aclosing(back.pieces):
        await store(client, keys, "c", {"n": 1})
        assert await heard(back, 2) == ["snapshot.created a", "snapshot.created c"]
    assert back.data[0]["snapshot"]["id"] == kept["id"]


async def test_deltas_that_are_computed_again_are_not_told_again(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    follower = await follow(app, "deltas")
    async with aclosing(follower.pieces):
        for n in range(2):
            await store(client, keys, "a", {"n": n, "m": n})
        assert await follower.next() == ["delta.created a"]
        await call(client, keys.project, "PATCH", "/v1/endpoints/a", {"diff": {"ignore": ["/m"]}})
        async with asyncio.timeout(30):
            while (await call(client, keys.project, "GET", "/v1/deltas")).json()["data"][0]["changes_count"] != 1:
                await asyncio.sleep(0)
        await store(client, keys, "a", {"n": 5})
        assert await follower.next() == ["delta.created a"]
        assert follower.data[-1]["delta"]["replaced"] == 1


async def test_imported_versions_are_told(app: Application, keys: Keys) -> None:
    follower = await follow(app, "snapshots")
    versions = [Version(n, b'{"n":%d}' % n) for n in range(1, outbox.ROWS_AT_ONCE + 3)]
    async with aclosing(follower.pieces):
        await import_versions(app.services, 1, "a", versions, lambda done: None)
        assert await heard(follower, len(versions)) == ["snapshot.created a"] * len(versions)
    assert follower.data[-1]["snapshot"]["source"] == "import"


async def test_events_and_happenings_in_one_stream(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    async def send(name: str) -> None:
        await call(client, keys.project, "POST", "/v1/events", {"eventType": name})

    follower = await follow(app, "snapshots", events=True)
    async with aclosing(follower.pieces):
        await send("x")
        assert await follower.next() == ["event"]
        only_event = follower.last_id
        await store(client, keys, "a", {"n": 1})
        assert await follower.next() == ["snapshot.created a"]
        assert app.services.live.open == 1
    assert app.services.live.open == 0
    await send("y")
    for last, told in ((follower.last_id, ["event"]), (only_event, ["event", "snapshot.created a"])):
        back = Follower(app, "snapshots", events=True, last=last)
        async with aclosing(back.pieces):
            assert sorted(await heard(back, len(told))) == told
            back.is_allowed = False
            app.services.live.check_access()
            assert await back.next() == ["end"]


async def test_a_person_follows_a_project_until_they_sign_out(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    """With an access token, as the dashboard does."""
    token = await people.signed_in(app, client, "ada@example.org", "owner")

    async def read() -> str:
        url = "/v1/stream?topics=snapshots,deltas&project_id=mine"
        return (await client.get(url, headers=bearer(token))).text

    reading = asyncio.create_task(read())
    while not (app.services.live.open or reading.done()):
        await asyncio.sleep(0)
    await store(client, keys, "a", {"n": 1})
    await call(client, token, "POST", "/v1/auth/logout")
    async with asyncio.timeout(30):
        text = await reading
    assert "event: snapshot.created" in text
    assert "event: end" in text
