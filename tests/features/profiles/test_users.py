from contextlib import AsyncExitStack, aclosing

import httpx
import pytest
import pytest_asyncio

from delta_server.app import Application
from delta_server.core.errors import RateLimited
from delta_server.features.profiles import tasks, trait_changes
from delta_server.features.projects import service as projects
from delta_server.storage.events.duckdb.engine import MAX_STREAMS
from tests.conftest import SHARED, Keys, bearer
from tests.features.rows import Row, check
from tests.one_server import alone
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys
from tests.storage.opened import FakeClock

pytestmark = SHARED

REFUSED = [
    Row("no key", "GET", "/v1/users", 401, key=None),
    Row("no key for one", "GET", "/v1/users/ann", 401, key=None),
    Row("an account's key", "GET", "/v1/users", 403, key="account"),
    Row("another project's user", "GET", "/v1/users/ann", 404, key="other", says="GET /v1/users?q="),
    Row("another project's group", "GET", "/v1/groups/acme", 404, key="other"),
    Row("nobody's id", "GET", "/v1/users/nobody", 404),
    Row("nobody's traits", "GET", "/v1/users/nobody/traits", 404),
    Row("another project's user's traits", "GET", "/v1/users/ann/traits", 404, key="other"),
    Row("traits without a key", "GET", "/v1/users/ann/traits", 401, key=None),
    Row("traits behind a bad cursor", "GET", "/v1/users/ann/traits?cursor=x", 400, field="cursor"),
    Row("a bad cursor", "GET", "/v1/users?cursor=x", 400, field="cursor"),
    Row("no users at all", "GET", "/v1/users?limit=0", 400, field="limit"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def sent(client: httpx.AsyncClient, keys: Keys) -> None:
    """ann, first met as anonymous, and bob, of whom only an event tells."""
    calls = [
        {"type": "track", "anonymousId": "anon", "event": "Looked", "messageId": "1", "timestamp": at("09:00")},
        {"type": "alias", "previousId": "anon", "userId": "ann", "messageId": "2", "timestamp": at("10:00")},
        {
            "type": "identify",
            "userId": "ann",
            "traits": {"plan": "pro", "city": "Rome"},
            "messageId": "3",
            "timestamp": at("10:01"),
        },
        {"type": "track", "userId": "ann", "event": "Bought", "messageId": "4", "timestamp": at("11:00")},
        {"type": "track", "userId": "bob", "event": "Bought", "messageId": "5", "timestamp": at("08:00")},
        {
            "type": "group",
            "userId": "ann",
            "groupId": "acme",
            "traits": {"name": "Acme"},
            "messageId": "6",
            "timestamp": at("12:00"),
        },
    ]
    answer = await client.post("/v1/batch", json={"batch": calls}, headers=bearer(keys.project))
    assert answer.json() == {"success": True, "accepted": 6, "duplicates": 0, "rejected": []}


def at(time: str) -> str:
    return f"2026-05-01T{time}:00.000Z"


async def get(client: httpx.AsyncClient, keys: Keys, path: str) -> httpx.Response:
    return await client.get(path, headers=bearer(keys.project))


@pytest.mark.usefixtures("sent")
class TestUsers:
    @pytest.mark.parametrize("row", REFUSED, ids=str)
    async def test_refusals(self, client: httpx.AsyncClient, keys: Keys, row: Row) -> None:
        await check(client, keys, row)

    @pytest.mark.parametrize("name", ["ann", "anon"])
    async def test_a_user_by_any_id(self, client: httpx.AsyncClient, keys: Keys, name: str) -> None:
        user = (await get(client, keys, f"/v1/users/{name}")).json()["user"]
        by_type = user["events"].pop("by_type")
        assert user == {
            "id": "ann",
            "traits": {"plan": "pro", "city": "Rome"},
            "first_seen": at("09:00"),
            "last_seen": at("12:00"),
            "aliases": ["anon"],
            "aliases_ignored": 0,
            "events": {"count": 5},
        }
        assert by_type == {"Looked": 1, "alias": 1, "identify": 1, "Bought": 1, "group": 1}

    async def test_one_of_whom_only_events_tell(self, client: httpx.AsyncClient, keys: Keys) -> None:
        user = (await get(client, keys, "/v1/users/bob")).json()["user"]
        assert (user["traits"], user["first_seen"], user["events"]["count"]) == ({}, at("08:00"), 1)

    async def test_what_the_traits_were(
        self, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Page by page, with more calls than are looked at for one; of all ids of a person, and of no other."""
        told = [
            ("anon", "09:30", {"city": "Oslo"}),
            ("ann", "13:00", {"plan": "pro", "city": "Rome"}),
            ("ann", "14:00", {"plan": None, "tags": {"b": 1, "a": [1.10]}}),
            ("bob", "14:30", {"plan": "free"}),
            ("ann", "15:00", {"tags": {"a": [1.10], "b": 1}, "ok": True}),
            ("ann", "16:00", {"ok": 1}),
        ]
        calls = [
            {"type": "identify", "anonymousId" if name == "anon" else "userId": name, "traits": traits,
             "timestamp": at(time), "messageId": time}
            for name, time, traits in told
        ]  # fmt: skip
        calls.append({"type": "track", "event": "identify", "userId": "ann", "properties": {"plan": "none"}})
        answer = await client.post("/v1/batch", json={"batch": calls}, headers=bearer(keys.project))
        assert answer.json()["accepted"] == 7
        whole = (await get(client, keys, "/v1/users/anon/traits")).json()
        tags = {"b": 1, "a": [1.10]}
        assert [(one["message_id"], one["changes"]) for one in whole["data"]] == [
            ("16:00", [{"trait": "ok", "before": True, "after": 1}]),
            ("15:00", [{"trait": "ok", "after": True}]),
            ("14:00", [{"trait": "plan", "before": "pro"}, {"trait": "tags", "after": tags}]),
            ("3", [{"trait": "plan", "after": "pro"}, {"trait": "city", "before": "Oslo", "after": "Rome"}]),
            ("09:30", [{"trait": "city", "after": "Oslo"}]),
        ]
        assert (whole["data"][0]["at"], whole["has_more"], whole["next_cursor"]) == (at("16:00"), False, None)
        monkeypatch.setattr(trait_changes, "CALLS_AT_ONCE", 4)
        monkeypatch.setattr(trait_changes, "LOOKED_BEHIND", 2)
        for limit in (1, 2, 100):
            first = page = (await get(client, keys, f"/v1/users/ann/traits?limit={limit}")).json()
            found = list(first["data"])
            while page["has_more"]:
                assert len(page["data"]) <= limit
                path = f"/v1/users/ann/traits?limit={limit}&cursor={page['next_cursor']}"
                page = (await get(client, keys, path)).json()
                found += page["data"]
            assert found == whole["data"], limit
        assert (await get(client, keys, "/v1/users/bob/traits")).json()["data"][0]["message_id"] == "14:30"

    async def test_who_has_events_alone_has_no_history(self, client: httpx.AsyncClient, keys: Keys) -> None:
        assert (await get(client, keys, "/v1/users/bob/traits")).json()["data"] == []

    async def test_a_group(self, client: httpx.AsyncClient, keys: Keys) -> None:
        group = (await get(client, keys, "/v1/groups/acme")).json()["group"]
        assert group == {"id": "acme", "traits": {"name": "Acme"}, "first_seen": at("12:00"), "last_seen": at("12:00")}
        assert [g["id"] for g in (await get(client, keys, "/v1/groups")).json()["data"]] == ["acme"]

    async def test_the_list_knows_events_too_and_goes_page_by_page(
        self, client: httpx.AsyncClient, keys: Keys, app: Application
    ) -> None:
        for _ in range(2):
            await tasks.read_events(app.services, {})
        first = (await get(client, keys, "/v1/users?limit=1")).json()
        assert [(user["id"], user["last_seen"]) for user in first["data"]] == [("ann", at("12:00"))]
        second = (await get(client, keys, f"/v1/users?limit=1&cursor={first['next_cursor']}")).json()
        assert [(user["id"], user["last_seen"]) for user in second["data"]] == [("bob", at("08:00"))]
        assert not second["has_more"]

    async def test_a_search_finds_by_trait(self, client: httpx.AsyncClient, keys: Keys) -> None:
        for words, found in {"rome": ["ann"], "pro ann": ["ann"], "paris": []}.items():
            users = (await get(client, keys, f"/v1/users?q={words}")).json()["data"]
            assert [user["id"] for user in users] == found


async def test_users_are_known_though_the_clock_is_set_back(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    """For some time by a clock that was days ahead, and after it was put right."""
    for name, jump_ms in (("early", 9 * 86_400_000), ("late", -9 * 86_400_000), ("later", 3_600_000)):
        clock.advance(jump_ms)
        event = {"eventType": "view", "userId": name}
        assert (await client.post("/v1/events", json=event, headers=bearer(keys.write))).status_code < 300
        clock.advance(600_000)
        await tasks.read_events(app.services, {})
        found = await client.get(f"/v1/users/{name}", headers=bearer(keys.read))
        assert found.status_code == 200, name
        listed = (await client.get("/v1/users", headers=bearer(keys.read))).json()["data"]
        assert name in [user["id"] for user in listed]


async def test_a_user_whose_event_landed_after_later_ones_were_read_is_known(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    """Events are written in batches: the time of one may lie before the time up to which all were read."""
    for name, jump_ms in (("first", 600_000), ("overtaken", -30_000)):
        clock.advance(jump_ms)
        event = {"eventType": "view", "userId": name}
        assert (await client.post("/v1/events", json=event, headers=bearer(keys.write))).status_code < 300
        if name == "first":
            await tasks.read_events(app.services, {})
    clock.advance(40_000)
    await tasks.read_events(app.services, {})
    listed = (await client.get("/v1/users", headers=bearer(keys.read))).json()["data"]
    assert {user["id"] for user in listed} == {"first", "overtaken"}


@pytest.mark.usefixtures("sent")
@alone
async def test_open_exports_keep_no_user_unknown(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    """However many a project has open, and for however long."""
    services, streams = app.services, AsyncExitStack()
    [project] = [
        each for each in await services.db.read(projects.ids_of_all) if services.event_reader.positions(each).newest
    ]
    async with streams:
        for _ in range(MAX_STREAMS // 2):
            export = services.event_reader.stream_query(project, tasks._users_since(0))
            await anext(await streams.enter_async_context(aclosing(export)))
        with pytest.raises(RateLimited):
            await anext(services.event_reader.stream_query(project, tasks._users_since(0)))
        await tasks.read_events(services, {})
    listed = (await client.get("/v1/users", headers=bearer(keys.read))).json()["data"]
    assert {user["id"] for user in listed} == {"ann", "bob"}


@pytest.mark.usefixtures("sent")
async def test_damage_is_not_told_as_the_callers_mistake(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    await app.services.db.write(lambda tx: tx.run("UPDATE profile SET traits = '{\"plan' WHERE name = 'ann'"))
    answer = await client.get("/v1/users/ann", headers=bearer(keys.project))
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:delta:problem:damaged-data")
    assert (await client.get("/v1/users/bob", headers=bearer(keys.project))).status_code == 200
