"""Endpoints polled: what is stored, what is on record, when the next poll is."""

import asyncio
from typing import Any

import pytest

from delta_server.core import plan_windows, times
from delta_server.core.caller import Caller
from delta_server.core.polling import outcome
from delta_server.features.accounts import service as accounts
from delta_server.features.endpoints import service as endpoints
from delta_server.features.enforcement import service as enforcement
from delta_server.features.polling import service as polling
from delta_server.features.polls import schemas, service, tasks
from delta_server.features.polls.running import RunningPolls
from delta_server.features.projects import service as projects
from delta_server.features.schemas import accepting
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from tests.features.polls import polled as p
from tests.features.polls.source import Answer, Asked, json, source
from tests.storage.opened import FakeClock

MINUTE = 60_000


async def test_a_source_is_stored_when_it_changes(services: Services, clock: FakeClock) -> None:
    async with source(json(b'{"price": 1}')) as api:
        endpoint = await p.polled(services, api.url)
        await p.run_due(services)
        due_at = p.row(services, endpoint).due_at
        assert due_at is not None
        assert clock.time_ms + 150_000 <= due_at <= clock.time_ms + 450_000
        await p.run_due(services)
        assert len(api.asked) == 1  # it is not due

        clock.time_ms = due_at
        await p.run_due(services)
        api.always(json(b'{"price": 2}'))
        clock.advance(5 * MINUTE)
        await p.run_due(services)
    assert await p.documents(services, endpoint) == [b'{"price": 1}', b'{"price": 2}']
    rows = await p.record(services, endpoint)
    assert [(row.status, row.error_class, row.changed, row.size_bytes) for row in rows] == [
        (200, None, True, 12),
        (200, None, False, 12),
        (200, None, True, 12),
    ]
    assert rows[1].snapshot is None
    head = snapshots.snapshot_at(services, endpoint.project, endpoint, times.LATEST_MS)
    assert (head.uid, head.source) == (rows[2].snapshot, "poll")
    assert '"connect"' in rows[0].steps
    assert '"store"' in rows[0].steps


async def test_an_answer_of_the_same_bytes_is_not_read_again(
    services: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with source(json(b'{"price": 1, "at": 7}')) as api:
        endpoint = await p.polled(services, api.url, transform="{price: price}")
        await p.run_due(services)
        read = outcome.read
        monkeypatch.setattr(outcome, "read", None)
        clock.advance(10 * MINUTE)
        await p.run_due(services)
        monkeypatch.setattr(outcome, "read", read)
        await p.changed(services, endpoint, transform="{at: at}")  # the same answer stands for another document
        await p.run_due(services)
        await snapshots.create_snapshots(
            services, endpoint.project, [p.snapshot(endpoint, clock.time_ms)], p.IdempotencyKey.none()
        )
        clock.advance(10 * MINUTE)
        await p.run_due(services)  # and is news where somebody else stored one
    assert await p.documents(services, endpoint) == [b'{"price":1}', b'{"at":7}', b"{}", b'{"at":7}']
    assert [row.changed for row in await p.record(services, endpoint)] == [True, False, True, True]


async def test_a_snapshot_and_the_record_of_its_poll_are_there_together_or_not_at_all(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> bool:
        raise OSError("the disk")

    async with source(json(b'{"price": 1}')) as api:
        endpoint = await p.polled(services, api.url)
        monkeypatch.setattr(polling, "end_poll", fails)
        await p.run_due(services)
        assert (await p.documents(services, endpoint), await p.record(services, endpoint)) == ([], [])
        monkeypatch.undo()
        await p.poll(services, endpoint)
    [row] = await p.record(services, endpoint)
    assert await p.documents(services, endpoint) == [b'{"price": 1}']
    assert row.changed


@pytest.mark.parametrize("deleted", [None, 1, 3])
async def test_polls_that_end_together_are_one_write(
    services: Services, monkeypatch: pytest.MonkeyPatch, deleted: int | None
) -> None:
    """Whatever came of them; one whose endpoint is deleted meanwhile costs the others nothing."""
    writes: list[str] = []
    write = services.db.write

    async def noting(fn: Any, *args: Any, **kwargs: Any) -> Any:
        if deleted is not None and not writes:
            row = made[deleted - 1].id
            await write(lambda tx: tx.run("UPDATE endpoint SET deleted_at = 1 WHERE id = ?", row))
        writes.append(fn.__module__.rpartition(".")[2])
        return await write(fn, *args, **kwargs)

    def say(asked: Asked) -> Answer:
        return Answer(status=500) if asked.path == "/3" else json(asked.path.encode()[1:])

    async with source(say, "0.0.0.0") as api:
        made = [
            await p.polled(services, f"http://127.0.0.{host}:{api.port}/{host}", name=f"e{host}", retries=0)
            for host in (1, 2, 3, 4)
        ]
        monkeypatch.setattr(services.db, "write", noting)
        await p.run_due(services)
    assert writes[0] == "together"
    assert deleted or len(writes) == 1
    left = [each for number, each in enumerate(made, 1) if number != deleted]
    assert [await p.documents(services, each) for each in left] == [
        [b"%d" % number] if number != 3 else [] for number in (1, 2, 3, 4) if number != deleted
    ]
    assert [len(await p.record(services, each)) for each in left] == [1] * len(left)


async def test_what_does_not_fit_the_schema_is_kept_aside(services: Services) -> None:
    async with source(json(b'{"price": "1"}')) as api:
        endpoint = await p.polled(services, api.url)
        rule = enforcement.Rule("reject", "given", '{"properties":{"price":{"type":"number"}}}', 0)
        await enforcement.set_rule(services, endpoint, rule)
        for _ in range(2):
            ended = await p.poll(services, endpoint)
            assert (ended.error_class, ended.changed) == ("expect", False)
            assert "/price" in (ended.detail or "")
        api.always(json(b'{"price": 2}'))
        assert (await p.poll(services, endpoint)).changed
    [kept] = await enforcement.list_kept(services, endpoint, 1 << 62, 10)
    assert [misfit.path for misfit in kept.misfits] == ["/price"]
    assert await enforcement.kept_document(services, endpoint, kept.uid) == b'{"price": "1"}'


async def test_what_was_accepted_is_known_to_the_next_poll(services: Services) -> None:
    async with source(json(b'{"price": "1"}')) as api:
        endpoint = await p.polled(services, api.url)
        rule = enforcement.Rule("reject", "given", '{"properties":{"price":{"type":"number"}}}', 0)
        await enforcement.set_rule(services, endpoint, rule)
        assert (await p.poll(services, endpoint)).error_class == "expect"
        [accepted] = await accepting.accept(services, endpoint, None)
        assert accepted.snapshot_id is not None
        ended = await p.poll(services, endpoint)
    assert (ended.error_class, ended.changed) == (None, False)
    assert await p.documents(services, endpoint) == [b'{"price": "1"}']


async def test_a_304_costs_no_row_and_no_body(services: Services) -> None:
    def say(asked) -> Answer:
        if asked.headers.get("if-none-match") == '"v1"':
            return Answer(status=304, headers={"etag": '"v1"'})
        return json(b"[1]", etag='"v1"', last_modified="Fri, 01 May 2026 00:00:00 GMT")

    async with source(say) as api:
        endpoint = await p.polled(services, api.url)
        assert (await p.poll(services, endpoint)).status == 200
        unchanged = await p.poll(services, endpoint)
        assert (unchanged.status, unchanged.changed, unchanged.size_bytes) == (304, False, 0)
        assert api.asked[1].headers["if-modified-since"] == "Fri, 01 May 2026 00:00:00 GMT"
        # What somebody else has stored since is not what the source has: it is asked for its document again
        new = snapshots.NewSnapshot(endpoint, b"[2]", services.clock.now_ms(), is_latest=True)
        await snapshots.create_snapshots(services, endpoint.project, [new], p.IdempotencyKey.none())
        assert (await p.poll(services, endpoint)).status == 200
        # So it is when the settings have changed
        await p.changed(services, endpoint, transform="[0]")
        assert (await p.poll(services, endpoint)).status == 200
    assert await p.documents(services, endpoint) == [b"[1]", b"[2]", b"[1]", b"1"]


async def test_a_304_that_nobody_asked_for_is_a_failure(services: Services) -> None:
    async with source(Answer(status=304)) as api:
        row = await p.poll(services, await p.polled(services, api.url))
    assert (row.status, row.error_class) == (304, "status")


async def test_what_is_sent(services: Services) -> None:
    async with source(json(b"{}")) as api:
        endpoint = await p.polled(
            services,
            f"{api.url}?token=key-one",
            method="POST",
            headers={"X-Tenant": "key-two", "user-agent": "mine"},
            body={"query": "{ a }"},
            auth={"type": "basic", "username": "me", "password": "key-three"},
        )
        await p.poll(services, endpoint)
    asked = api.asked[0]
    assert (asked.method, asked.path, asked.body) == ("POST", "/data?token=key-one", b'{"query":"{ a }"}')
    sent = {name: asked.headers[name] for name in ("x-tenant", "user-agent", "content-type", "authorization")}
    assert sent == {
        "x-tenant": "key-two",
        "user-agent": "mine",
        "content-type": "application/json",
        "authorization": "Basic bWU6a2V5LXRocmVl",
    }
    # Of all that, the database has nothing to read
    stored = p.row(services, endpoint)
    assert not any(secret in repr(stored) for secret in ("key-one", "key-two", "key-three"))
    shown = endpoints.view(endpoints.get_endpoint(services, endpoint.project, endpoint.name))
    assert not any(secret in repr(shown) for secret in ("key-one", "key-two", "key-three"))


async def test_signing_in_by_client_credentials(services: Services, clock: FakeClock) -> None:
    granted: list[str] = []

    def token(asked) -> Answer:
        if "authorization" in asked.headers:  # this one reads the body alone
            return Answer(b'{"error": "invalid_client"}', status=401)
        assert b"client_secret=s3" in asked.body
        granted.append(f"t{len(granted)}")
        return json(f'{{"access_token": "{granted[-1]}", "expires_in": 600}}'.encode())

    def say(asked) -> Answer:
        return json(b"{}") if asked.headers.get("authorization") == f"Bearer {granted[-1]}" else Answer(status=401)

    async with source(token) as provider, source(say) as api:
        auth = {"type": "oauth2", "token_url": provider.url, "client_id": "me", "client_secret": "s3"}
        endpoint = await p.polled(services, api.url, auth=auth)
        for _ in range(2):
            assert (await p.poll(services, endpoint)).error_class is None
        assert granted == ["t0"]
        granted.append("revoked")  # the source takes the old one no more
        assert (await p.poll(services, endpoint)).error_class is None
        clock.advance(11 * MINUTE)
        assert (await p.poll(services, endpoint)).error_class is None
        provider.always(Answer(status=500))
        clock.advance(11 * MINUTE)
        failed = await p.poll(services, endpoint)
    assert (failed.error_class, failed.detail) == ("auth", "no access token: token_url answered with the status 500")


async def test_what_is_expected_and_what_is_kept(services: Services) -> None:
    async with source(json(b'{"ok": true, "items": [{"id": 1, "at": 5}]}')) as api:
        endpoint = await p.polled(services, api.url, transform="items[].id", expect={"expression": "ok"})
        assert (await p.poll(services, endpoint)).changed
        cases: list[tuple[dict[str, Any], str, int]] = [
            ({"expect": {"status": [204]}}, "expect", 200),
            ({"expect": {"content_type": "text/*"}}, "expect", 200),
            ({"expect": {"expression": "items[?id > `1`]"}}, "expect", 200),
            ({"expect": None, "transform": "sum(items)"}, "transform", 200),
            ({"transform": "renamed[].id"}, "transform", 200),
        ]
        for change, error_class, status in cases:
            await p.changed(services, endpoint, **change)
            row = await p.poll(services, endpoint)
            wanted = "status" if "status" in str(change) else error_class
            assert (row.error_class, row.status) == (wanted, status), change
    assert await p.documents(services, endpoint) == [b"[1]"]


async def test_failures_are_told_of_once_and_so_is_their_end(services: Services, clock: FakeClock) -> None:
    async with source(Answer(status=500)) as api:
        endpoint = await p.polled(services, api.url, retries=1)
        failing = []
        for _ in range(4):
            await p.run_due(services)
            failing.append([one.state for one in await service.list_failing(services, endpoint.project, 5)])
            due_at = p.row(services, endpoint).due_at
            assert due_at is not None
            clock.time_ms = due_at
        assert failing == [[], ["backing_off"], ["backing_off"], ["backing_off"]]
        told = await p.happened(services, endpoint)
        assert [kind for kind, _ in told] == ["poll.failed"]
        body = told[0][1]
        assert body["endpoint"]["name"] == "prices"
        assert (body["poll"]["class"], body["poll"]["failures"], body["poll"]["state"]) == ("status", 2, "backing_off")
        api.always(json(b"{}"))
        await p.run_due(services)
    assert [kind for kind, _ in await p.happened(services, endpoint)] == ["poll.failed", "poll.recovered"]
    assert await service.list_failing(services, endpoint.project, 5) == []


async def test_after_a_day_of_failures_it_is_paused_until_somebody_looks(services: Services, clock: FakeClock) -> None:
    async with source(Answer(status=500)) as api:
        endpoint = await p.polled(services, api.url)
        began = clock.time_ms
        while (due_at := p.row(services, endpoint).due_at) is not None:
            clock.time_ms = due_at
            await p.run_due(services)
        assert times.DAY_MS <= clock.time_ms - began < times.DAY_MS + 2 * 3_600_000
        assert len(api.asked) < 45
        assert [body["poll"]["state"] for _, body in await p.happened(services, endpoint)] == ["backing_off", "paused"]

        def state() -> str:
            shown = endpoints.view(endpoints.get_endpoint(services, endpoint.project, "prices")).polling
            assert shown
            return shown.state

        assert state() == "paused"
        [failing] = await service.list_failing(services, endpoint.project, 5)
        assert (failing.endpoint.name, failing.state, failing.since_ms) == ("prices", "paused", began)
        assert await service.list_failing(services, await p.project(services, "another"), 5) == []
        await p.changed(services, endpoint, enabled=True)
        assert (state(), p.row(services, endpoint).due_at) == ("on", clock.time_ms)


@pytest.mark.parametrize("begun", [True, False], ids=["others heard of it", "it was tried again only"])
async def test_who_heard_that_it_fails_hears_that_it_recovered_after_its_settings_were_changed(
    services: Services, clock: FakeClock, begun: bool
) -> None:
    async with source(Answer(status=500)) as api:
        endpoint = await p.polled(services, api.url, retries=1)
        await p.run_due(services)
        if begun:
            clock.time_ms += 60_000
            await p.run_due(services)
        await p.changed(services, endpoint, timeout="20s")
        assert await service.list_failing(services, endpoint.project, 5) == []
        await p.changed(services, endpoint, timeout="30s")
        api.always(json(b"{}"))
        await p.run_due(services)
        await p.changed(services, endpoint, timeout="20s")
        await p.run_due(services)
    told = ["poll.failed", "poll.recovered"] if begun else []
    assert [kind for kind, _ in await p.happened(services, endpoint)] == told


@pytest.mark.parametrize(("status", "waits"), [(429, True), (503, True), (500, False)])
async def test_retry_after(services: Services, clock: FakeClock, status: int, waits: bool) -> None:
    async with source(Answer(status=status, headers={"retry-after": "7200"})) as api:
        endpoint = await p.polled(services, api.url)
        await p.run_due(services)
    due_at = p.row(services, endpoint).due_at
    assert due_at is not None
    assert due_at - clock.time_ms == (7_200_000 if waits else 5_000)
    await tasks.reschedule(services)  # as at each start
    assert p.row(services, endpoint).due_at == due_at


async def test_who_asks_to_wait_is_left_alone_by_all_endpoints_of_the_project(
    services: Services, clock: FakeClock
) -> None:
    async with source(Answer(status=429, headers={"retry-after": "7200"})) as api:
        names = ["a", "b", "off"]
        first, second, off = [await p.polled(services, f"{api.url}/{name}", name) for name in names]
        await p.changed(services, off, enabled=False)
        await p.run_due(services)
        assert len(api.asked) == 1  # the second one waited for its turn, and then for the source
        until = clock.time_ms + 7_200_000
        await tasks.reschedule(services)
        assert [p.row(services, each).due_at for each in (first, second, off)] == [until + 1, until, None]
        shown = endpoints.view(endpoints.get_endpoint(services, second.project, "b")).polling
        assert shown
        assert shown.state == "waiting"
        api.always(json(b"{}"))
        assert (await p.poll(services, second)).error_class is None  # by hand it is asked all the same
        clock.time_ms = until + 1
        await p.run_due(services)
    assert [asked.path for asked in api.asked[-1:]] == ["/data/a"]


async def test_who_is_asked_to_wait_again_and_again_lets_others_pass(services: Services, clock: FakeClock) -> None:
    async with source(Answer(status=429, headers={"retry-after": "3600"})) as api:
        every = [await p.polled(services, f"{api.url}/{name}", name) for name in "abc"]
        for _ in range(3):
            await p.run_due(services)
            clock.time_ms += 3_600_000 + len(every)
    assert [asked.path for asked in api.asked] == ["/data/a", "/data/b", "/data/c"]


async def test_a_host_is_asked_by_one_at_a_time_and_who_asks_twice_is_answered_once(services: Services) -> None:
    async with source(json(b"{}")) as api:
        every = [await p.polled(services, f"{api.url}/{number}", f"e{number}") for number in range(5)]
        api.let_go.clear()
        asking = [asyncio.create_task(p.poll(services, every[0])) for _ in range(3)]
        await RunningPolls.of(services).begin_due()
        while not api.asked:
            await asyncio.sleep(0)
        api.let_go.set()
        rows = await asyncio.gather(*asking)
        await RunningPolls.of(services).ended()
    assert len({row.at for row in rows}) == 1
    assert (len(api.asked), api.most_at_once) == (5, 1)


async def test_those_of_one_host_wait_for_its_answers_and_are_written_in_one_commit(services: Services) -> None:
    async with source(json(b"{}")) as api:
        for number in range(5):
            await p.polled(services, f"{api.url}/{number}", f"e{number}")
        before = services.db.stats().commits
        await RunningPolls.of(services).begin_due()
        await RunningPolls.of(services).ended()
    assert (len(api.asked), api.most_at_once) == (5, 1)
    assert services.db.stats().commits == before + 1


async def test_what_is_deleted_or_off_is_not_polled(services: Services) -> None:
    async with source(json(b"{}")) as api:
        endpoint = await p.polled(services, api.url)
        await p.changed(services, endpoint, enabled=False)
        await p.run_due(services)
        await p.changed(services, endpoint, enabled=True)
        await endpoints.delete_endpoint(services, endpoint.project, "prices")
        await p.run_due(services)
        assert api.asked == []
        await endpoints.restore_endpoint(services, endpoint.project, "prices", None)
        await p.run_due(services)
        assert len(api.asked) == 1
        # Switched off it may be polled by hand, and stays off
        await p.changed(services, endpoint, enabled=False)
        assert (await p.poll(services, endpoint)).error_class is None
        assert p.row(services, endpoint).due_at is None


async def test_a_change_during_a_poll_counts(services: Services, clock: FakeClock) -> None:
    async with source(json(b"{}")) as api:
        endpoint = await p.polled(services, api.url)
        api.let_go.clear()
        await RunningPolls.of(services).begin_due()
        while not api.asked:
            await asyncio.sleep(0)
        await p.changed(services, endpoint, interval="1h")
        api.let_go.set()
        await RunningPolls.of(services).ended()
    assert p.row(services, endpoint).due_at == clock.time_ms  # with the new settings, at once
    assert len(await p.record(services, endpoint)) == 1


async def test_a_clock_set_back_and_a_long_downtime(services: Services, clock: FakeClock) -> None:
    async with source(json(b"{}")) as api:
        endpoint = await p.polled(services, api.url)
        await p.run_due(services)
        clock.advance(30 * times.DAY_MS)
        await p.run_due(services)
        assert len(api.asked) == 2  # once, for all that was missed
        clock.advance(-20 * times.DAY_MS)
        await tasks.reschedule(services)
        due_at = p.row(services, endpoint).due_at
        assert due_at is not None
        assert clock.time_ms < due_at <= clock.time_ms + 5 * MINUTE


async def test_the_first_poll_after_the_clock_was_set_says_so(services: Services, clock: FakeClock) -> None:
    running = RunningPolls.of(services)
    async with source(json(b"{}")) as api:
        both = [await p.polled(services, f"{api.url}/{name}", name) for name in ("a", "b")]
        for each in both:
            await p.poll(services, each)
        clock.advance(-7_200_000)
        running.note_jump(-7_200_000)
        shown = [schemas.poll(await p.poll(services, each)) for each in (both[0], both[0], both[1])]
        assert [each.clock_set_ms for each in shown] == [-7_200_000, None, -7_200_000]
        assert "clock" not in [each.step for each in shown[0].steps]
        running.note_jump(60_000)
        assert schemas.poll(await p.poll(services, both[0])).clock_set_ms == 60_000


BERLIN = [
    (
        "30 2 * * *",
        "2026-03-28T00:00",
        "2026-03-30T12:00",
        ["28T01:30", "29T01:00", "30T00:30"],
    ),  # missing on the 29th
    ("30 2 * * *", "2026-10-24T00:00", "2026-10-26T12:00", ["24T00:30", "25T00:30", "26T01:30"]),  # and comes twice
    ("30 * * * *", "2026-10-24T23:59", "2026-10-25T02:00", ["25T00:30", "25T01:30"]),
    ("*/20 2 * * *", "2026-03-29T00:00", "2026-03-30T00:25", ["30T00:00", "30T00:20"]),
]


@pytest.mark.parametrize(("fields", "start", "end", "expected"), BERLIN)
async def test_when_clocks_change(
    services: Services, clock: FakeClock, fields: str, start: str, end: str, expected: list[str]
) -> None:
    clock.time_ms = times.parse(f"{start}Z", field="")
    async with source(json(b"{}")) as api:
        endpoint = await p.polled(services, api.url, interval=None, cron=fields, timezone="Europe/Berlin")
        await p.run_due(services)
        while (due_at := p.row(services, endpoint).due_at) is not None and due_at <= times.parse(f"{end}Z", field=""):
            clock.time_ms = due_at
            await tasks.reschedule(services)
            await p.run_due(services)
        assert [times.format(row.at)[8:16] for row in (await p.record(services, endpoint))[1:]] == expected
        clock.advance(3 * times.DAY_MS)  # the server was down: what was missed is polled once
        await tasks.reschedule(services)
        await p.run_due(services)
        await p.run_due(services)
        assert len(await p.record(services, endpoint)) == len(expected) + 2


async def test_without_the_key_of_the_secrets_it_fails_and_says_so(services: Services) -> None:
    async with source(json(b"{}")) as api:
        endpoint = await p.polled(services, api.url, auth={"type": "bearer", "token": "k"})
        await services.db.write(lambda tx: tx.run("UPDATE polling SET secrets = zeroblob(60)"))
        row = await p.poll(services, endpoint)
        assert (row.error_class, api.asked) == ("auth", [])
        await p.changed(services, endpoint, auth={"type": "bearer", "token": "k"})
        assert (await p.poll(services, endpoint)).error_class is None


async def test_records_are_kept_for_their_time(services: Services, clock: FakeClock) -> None:
    async with source(json(b"{}")) as api:
        endpoint = await p.polled(services, api.url)
        await p.poll(services, endpoint)
        clock.advance(13 * times.DAY_MS)
        await p.poll(services, endpoint)
        await tasks.expire(services)
        assert len(await p.record(services, endpoint)) == 2
        clock.advance(times.DAY_MS + 1)
        await tasks.expire(services)
    assert len(await p.record(services, endpoint)) == 1


async def test_a_plan_that_is_used_up_is_a_failure_that_waits(services: Services, clock: FakeClock) -> None:
    async with source(json(b"[1]")) as api:
        endpoint = await p.polled(services, api.url, retries=0)
        await services.db.write(lambda tx: tx.run("UPDATE project SET plan = 'free'"))
        await services.db.write(
            lambda tx: tx.run("UPDATE project_use SET hour = ?, hour_snapshots = 100", plan_windows.hour(tx.now_ms))
        )
        await p.run_due(services)
        [row] = await p.record(services, endpoint)
        assert (row.error_class, row.status) == ("quota", 200)
        due_at = p.row(services, endpoint).due_at
        assert due_at is not None
        assert due_at >= plan_windows.hour(clock.time_ms) + plan_windows.HOUR_MS
        clock.time_ms = due_at
        await p.run_due(services)
    assert await p.documents(services, endpoint) == [b"[1]"]


async def test_what_lies_in_the_bin_with_its_project_is_not_polled_until_it_is_restored(
    services: Services, clock: FakeClock
) -> None:
    async with source(json(b"{}")) as api:
        endpoint = await p.polled(services, api.url)
        account = await services.db.write(accounts.default_account)
        operator = Caller(account, None, frozenset({"admin"}), "operator")
        await projects.delete_project(services, operator, "mine")
        await p.run_due(services)
        assert (api.asked, p.row(services, endpoint).due_at) == ([], clock.time_ms + 60 * MINUTE)
        await projects.restore_project(services, operator, "mine", None)
        await p.run_due(services)
        assert len(api.asked) == 1


async def test_the_loop(services: Services) -> None:
    async with source(json(b"{}")) as api:
        await p.polled(services, api.url)
        loop = asyncio.create_task(tasks.poll_due(services))
        while not api.asked:
            await asyncio.sleep(0.001)
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
