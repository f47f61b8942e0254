"""Polling over HTTP: what is refused, what is shown, what is found again."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.features.polling import service as polling_service
from delta_server.features.polls.running import RunningPolls
from tests.conftest import Keys, bearer
from tests.features.polls.source import Answer, json, source
from tests.features.rows import Row, check
from tests.storage.opened import FakeClock

OFF = {"url": "http://127.0.0.1:9/", "interval": "5m", "enabled": False}
SECRET = {"headers": {"X-Key": "s3cret-1"}, "auth": {"type": "bearer", "token": "s3cret-2"}}


def new(title: str, polling: Any, *, says: str = "", field: str | None = None) -> Row:
    return Row(title, "POST", "/v1/endpoints", 400, body={"name": "x", "polling": polling}, says=says, field=field)


REFUSED = [
    Row("poll without a key", "POST", "/v1/endpoints/prices/poll", 401, key=None),
    Row("poll with a read key", "POST", "/v1/endpoints/prices/poll", 403, key="read", says="endpoints:write"),
    Row("configure with a read key", "PATCH", "/v1/endpoints/prices", 403, key="read", body={"polling": OFF}),
    Row("poll another's", "POST", "/v1/endpoints/prices/poll", 404, key="other"),
    Row("list another's", "GET", "/v1/endpoints/prices/polls", 404, key="other"),
    Row("sum up another's", "GET", "/v1/endpoints/prices/polls/summary", 404, key="other"),
    Row("poll what is not polled", "POST", "/v1/endpoints/plain/poll", 409, says="PATCH it"),
    Row("sum up what is not polled", "GET", "/v1/endpoints/plain/polls/summary", 409),
    new("no address", {"interval": "5m"}, field="polling.url"),
    new("an unknown member", {"url": "https://a.example/", "every": "5m"}, field="polling.every"),
    new("a wrong method", {"url": "https://a.example/", "interval": "5m", "method": "DELETE"}, field="polling.method"),
    new("an unknown way to sign in", {"url": "https://a.example/", "auth": {"type": "x"}}, field="polling.auth.type"),
    new("an interval in numbers", {"url": "https://a.example/", "interval": 5}, field="polling.interval"),
    new("polling that is a list", [], field="polling"),
    new("too many retries", {"url": "https://a.example/", "retries": 6}, field="polling.retries"),
    new("all that is wrong at once", {"url": "x", "interval": "1s"}, field="polling.interval"),
    Row("an unknown class", "GET", "/v1/endpoints/prices/polls?class=bad", 400, field="class"),
    Row("a cursor of another list", "GET", "/v1/endpoints/prices/polls?cursor=x", 400),
    Row("no buckets", "GET", "/v1/endpoints/prices/polls/summary?buckets=0", 400, field="buckets"),
    Row("a stretch that ends before it begins", "GET",
        "/v1/endpoints/prices/polls/summary?from=2026-01-02&to=2026-01-01", 400, field="from"),
]  # fmt: skip


@pytest.fixture
async def prices(client: httpx.AsyncClient, keys: Keys) -> None:
    await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": "plain"}))
    await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": "prices", "polling": OFF | SECRET}))


async def test_refused(client: httpx.AsyncClient, keys: Keys, prices: None) -> None:
    before = (await client.get("/v1/endpoints", headers=bearer(keys.project))).json()
    for row in REFUSED:
        await check(client, keys, row)
    assert (await client.get("/v1/endpoints", headers=bearer(keys.project))).json() == before


async def test_what_is_shown(app: Application, client: httpx.AsyncClient, keys: Keys, prices: None) -> None:
    found = await check(client, keys, Row("", "GET", "/v1/endpoints/prices", 200, key="read"))
    shown = found["endpoint"]["polling"]
    assert (shown["headers"], shown["auth"]) == ({"X-Key": "***"}, {"type": "bearer", "token": "***"})
    assert (shown["state"], shown["next_at"], shown["retries"], shown["timeout"]) == ("off", None, 2, "30s")
    listed = await check(client, keys, Row("", "GET", "/v1/endpoints?include=summary", 200))
    assert [one.get("polling") for one in listed["data"]] == [None, shown]
    assert await check(client, keys, Row("", "GET", "/v1/polls/failing", 200)) == {"data": [], "has_more": False}
    # What was shown may be sent back, changes nothing and is no entry of the audit log
    entries = app.services.db.peek(lambda tx: tx.one("SELECT count(*) FROM audit"))
    settings = {name: shown[name] for name in ("url", "headers", "auth", "interval", "enabled")}
    again = Row("", "PATCH", "/v1/endpoints/prices", 200, body={"polling": settings})
    assert (await check(client, keys, again))["endpoint"]["polling"] == shown
    assert app.services.db.peek(lambda tx: tx.one("SELECT count(*) FROM audit")) == entries
    # An address elsewhere gets none of them
    moved = {"polling": {"url": "https://evil.example/"}}
    await check(client, keys, Row("", "PATCH", "/v1/endpoints/prices", 400, body=moved, field="polling.headers"))
    gone = await check(client, keys, Row("", "PATCH", "/v1/endpoints/prices", 200, body={"polling": None}))
    assert "polling" not in gone["endpoint"]


async def test_polled_now_and_on_record(client: httpx.AsyncClient, keys: Keys, prices: None, clock: FakeClock) -> None:
    async def poll() -> Any:
        clock.advance(1000)
        return await check(client, keys, Row("", "POST", "/v1/endpoints/prices/poll", 200))

    async with source(json(b'{"a": 1}')) as api:
        change = {"polling": {"url": api.url, "headers": None, "auth": None}}
        await check(client, keys, Row("", "PATCH", "/v1/endpoints/prices", 200, body=change))
        first = await poll()
        assert (first["poll"]["status"], first["poll"]["changed"], first["state"]) == (200, True, "off")
        assert [step["step"] for step in first["poll"]["steps"]] == [
            "resolve", "connect", "wait", "read", "parse", "store"
        ]  # fmt: skip
        api.always(Answer(status=503))
        failed = await poll()
        assert (failed["poll"]["class"], failed["poll"]["snapshot_id"]) == ("status", None)
        await poll()
    path = "/v1/endpoints/prices/polls"
    snapshot = await check(client, keys, Row("", "GET", "/v1/snapshots/latest/prices", 200))
    assert (snapshot["snapshot"]["id"], snapshot["snapshot"]["source"]) == (first["poll"]["snapshot_id"], "poll")
    every = (await check(client, keys, Row("", "GET", path, 200)))["data"]
    assert [one["class"] for one in every] == ["status", "status", None]
    for query, count in (("class=ok", 1), ("class=failed", 2), ("class=timeout,status", 2), ("class=timeout", 0),
                         ("changed=true", 1), ("from=2026-01-02", 0)):  # fmt: skip
        assert len((await check(client, keys, Row("", "GET", f"{path}?{query}", 200)))["data"]) == count, query
    page = await check(client, keys, Row("", "GET", f"{path}?limit=2", 200))
    rest = await check(client, keys, Row("", "GET", f"{path}?limit=2&cursor={page['next_cursor']}", 200))
    assert page["data"] + rest["data"] == every
    summed = await check(client, keys, Row("", "GET", f"{path}/summary", 200))
    assert (summed["classes"], summed["state"], summed["next"]) == ({"status": 2}, "off", None)
    assert [(one["ok"], one["failed"], one["changed"]) for one in summed["data"]] == [(1, 0, 1), (0, 1, 0), (0, 1, 0)]
    [bucket] = (await check(client, keys, Row("", "GET", f"{path}/summary?buckets=1", 200)))["data"]
    assert (bucket["ok"], bucket["failed"], bucket["changed"]) == (1, 2, 1)


async def test_who_made_it_does_not_ask_it_twice(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    """The loop may begin before the maker asks for the first poll, and may have ended, too."""
    ask = Row("", "POST", "/v1/endpoints/prices/poll?if_due=true", 200)
    async with source(json(b'{"a": 1}')) as api:
        made = {"name": "prices", "polling": {"url": api.url, "interval": "5m"}}
        await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body=made))
        running = RunningPolls.of(app.services)
        await running.begin_due()
        during = await check(client, keys, ask)
        await running.ended()
        after = await check(client, keys, ask)
        assert during == after
        assert after["poll"]["changed"]
        assert len(api.asked) == 1
        assert (await check(client, keys, Row("", "POST", "/v1/endpoints/prices/poll", 200)))["poll"] != after["poll"]
        assert len(api.asked) == 2, "who wants it now has it now"
        clock.advance(10 * 60_000)
        await check(client, keys, ask)
        assert len(api.asked) == 3, "it is due"
        off = {"polling": {"enabled": False}}
        await check(client, keys, Row("", "PATCH", "/v1/endpoints/prices", 200, body=off))
        await check(client, keys, ask)
        assert len(api.asked) == 4, "it is never due"


async def test_a_plan_counts_what_is_polled(client: httpx.AsyncClient, keys: Keys, app: Application) -> None:
    await app.services.db.write(lambda tx: tx.run("UPDATE project SET plan = 'free' WHERE name = 'mine'"))
    for number in range(4):
        body = {"name": f"e{number}", "polling": OFF | {"enabled": True}}
        await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body=body))
    limit = app.services.config.plans.named("free").polls
    assert limit == 5
    await app.services.db.write(lambda tx: tx.run("UPDATE project SET plan = 'pro' WHERE name = 'mine'"))
    for number in range(4, 6):
        body = {"name": f"e{number}", "polling": OFF | {"enabled": number < 5}}
        await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body=body))
    await app.services.db.write(lambda tx: tx.run("UPDATE project SET plan = 'free' WHERE name = 'mine'"))
    on = {"polling": {"enabled": True}}
    refused = Row("", "PATCH", "/v1/endpoints/e5", 402, body=on, says="5 endpoints that are polled")
    await check(client, keys, refused)
    await check(client, keys, Row("", "PATCH", "/v1/endpoints/e0", 200, body={"polling": {"enabled": False}}))
    await check(client, keys, Row("", "PATCH", "/v1/endpoints/e5", 200, body=on))
    assert app.services.db.peek(polling_service.count, 1) == 5


async def test_secrets_stand_nowhere_in_the_database(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    polling = OFF | SECRET | {"url": "https://example.com/?api_key=s3cret-3"}
    await check(client, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": "new", "polling": polling}))
    data_dir = app.services.config.storage.data_dir
    await app.services.db.checkpoint()
    stored = b"".join(path.read_bytes() for path in data_dir.iterdir() if path.is_file())
    assert b"example.com" in stored
    assert b"s3cret" not in stored
