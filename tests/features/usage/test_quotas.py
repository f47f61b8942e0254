"""Each limit of a plan: at its edge, past it, after its time; what it refuses changes nothing."""

import asyncio
import hashlib
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.config.plans import SHIPPED, Plan, Plans
from delta_server.config.sections import Config
from delta_server.core import plan_windows, times
from delta_server.features.datasets import receiving
from delta_server.features.users import tokens
from delta_server.storage.sqlite.options import Storage
from tests.conftest import Keys, bearer, built, client_of, make_keys, shared, started
from tests.features.rows import Row, check, send
from tests.features.usage.counting import drifts
from tests.features.users import people
from tests.storage.opened import FakeClock

SMALL = Plan(snapshots_per_hour=3, storage_bytes=20_000, endpoints=2, events_per_month=4, sync_records=3, webhooks=1)

NOISE = [hashlib.sha256(bytes((number % 256, number // 256))).hexdigest() for number in range(1000)]


@pytest.fixture
def plan() -> Plan:
    return SMALL


@pytest.fixture
def config(config: Config, plan: Plan) -> Config:
    return Config(storage=config.storage, log=config.log, plans=Plans("free", {**SHIPPED, "small": plan}))


@pytest.fixture
async def limited(app: Application, client: httpx.AsyncClient, keys: Keys) -> httpx.AsyncClient:
    """`mine` is of the plan `small`, `other` unlimited."""
    await check(client, keys, Row("", "PATCH", "/v1/projects/mine", 200, key="account", body={"plan": "small"}))
    return client


async def use(client: httpx.AsyncClient, keys: Keys, project: str = "mine") -> dict[str, Any]:
    answer = await check(client, keys, Row("", "GET", f"/v1/projects/{project}/usage", 200, key="account"))
    return {quota["name"]: quota for quota in answer["quotas"]}


def snapshot(endpoint: str, data: Any, **more: Any) -> dict[str, Any]:
    return {"endpoint_id": endpoint, "data": data, **more}


def track(number: int) -> dict[str, Any]:
    return {"type": "track", "event": "Bought", "userId": "u1", "messageId": f"m{number}", "properties": {}}


async def refused(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == "QUOTA_EXCEEDED"
    assert problem["type"] == "urn:delta:problem:quota-exceeded"
    assert problem["quota"]["name"] == name
    assert ("retry-after" in answer.headers) == (status == 429)
    return problem


async def test_snapshots_of_an_hour(limited: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    for number in range(3):
        await check(limited, keys, Row("", "POST", "/v1/snapshots", 201, body=snapshot("prices", {"n": number})))
    over = await send(limited, keys, Row("", "POST", "/v1/snapshots", 429, body=snapshot("prices", {"n": 3})))
    problem = await refused(over, 429, "snapshots_per_hour")
    ends = plan_windows.hour(clock.now_ms()) + plan_windows.HOUR_MS
    assert problem["quota"] == {
        "name": "snapshots_per_hour",
        "use": 3,
        "limit": 3,
        "resets_at": times.format(ends),
    }
    assert int(over.headers["retry-after"]) == -((clock.now_ms() - ends) // 1000)
    listed = await check(limited, keys, Row("", "GET", "/v1/snapshots?endpoint_id=prices", 200))
    assert len(listed["data"]) == 3
    await check(limited, keys, Row("", "POST", "/v1/snapshots", 201, key="other", body=snapshot("prices", {"n": 3})))
    clock.advance(ends - clock.now_ms())
    assert (await use(limited, keys))["snapshots_per_hour"]["use"] == 0
    await check(limited, keys, Row("", "POST", "/v1/snapshots", 201, body=snapshot("prices", {"n": 3})))
    assert (await use(limited, keys))["snapshots_per_hour"]["use"] == 1


async def test_deleting_snapshots_gives_none_of_the_hour_back(limited: httpx.AsyncClient, keys: Keys) -> None:
    for number in range(3):
        await check(limited, keys, Row("", "POST", "/v1/snapshots", 201, body=snapshot("prices", {"n": number})))
    await check(limited, keys, Row("", "DELETE", "/v1/endpoints/prices", 204))
    over = await send(limited, keys, Row("", "POST", "/v1/snapshots", 429, body=snapshot("prices", {"n": 9})))
    await refused(over, 429, "snapshots_per_hour")


@pytest.mark.parametrize(("count", "status"), [(2, 201), (3, 429), (4, 402)])
async def test_a_batch_of_snapshots_is_stored_whole_or_not_at_all(
    limited: httpx.AsyncClient, keys: Keys, count: int, status: int
) -> None:
    """More than the plan allows in any hour is not worth waiting for."""
    await check(limited, keys, Row("", "POST", "/v1/snapshots", 201, body=snapshot("prices", {"n": -1})))
    batch = {"snapshots": [snapshot("prices" if n else "more", {"n": n}) for n in range(count)]}
    answer = await send(limited, keys, Row("", "POST", "/v1/snapshots/batch", status, body=batch))
    stored = 1
    if status == 201:
        assert answer.status_code == 201, answer.text
        stored += count
    else:
        await refused(answer, status, "snapshots_per_hour")
    used = await use(limited, keys)
    assert (used["snapshots_per_hour"]["use"], used["endpoints"]["use"]) == (stored, 2 if status == 201 else 1)


async def test_a_repeated_request_is_answered_as_before_whatever_is_left(
    limited: httpx.AsyncClient, keys: Keys
) -> None:
    headers = bearer(keys.project) | {"idempotency-key": "once"}
    for _ in range(5):
        answer = await limited.post("/v1/snapshots", json=snapshot("prices", {"n": 1}), headers=headers)
        assert answer.status_code == 201
    assert (await use(limited, keys))["snapshots_per_hour"]["use"] == 1
    headers["idempotency-key"] = "refused"
    batch = {"snapshots": [snapshot("prices", {"n": n}) for n in range(3)]}
    await refused(await limited.post("/v1/snapshots/batch", json=batch, headers=headers), 429, "snapshots_per_hour")
    await check(limited, keys, Row("", "PATCH", "/v1/projects/mine", 200, key="account", body={"plan": "pro"}))
    assert (await limited.post("/v1/snapshots/batch", json=batch, headers=headers)).status_code == 201


async def push(client: httpx.AsyncClient, keys: Keys, person: str, number: int, *records: str) -> httpx.Response:
    """Changes of somebody's records; a name with a minus before it is a deletion."""
    changes = [
        {"change_id": f"c{number} {id}", "record_id": id.removeprefix("-"), "operation": "delete"}
        if id.startswith("-")
        else {"change_id": f"c{number} {id}", "record_id": id, "operation": "update", "data": number}
        for id in records
    ]
    body = {"device_id": "phone", "batch_id": f"b{number}", "changes": changes}
    return await client.post("/v1/sync/notes/delta", json=body, headers=bearer(keys.project) | {"x-sync-user": person})


async def test_synced_records_of_all_spaces(app: Application, limited: httpx.AsyncClient, keys: Keys) -> None:
    assert (await push(limited, keys, "ann", 1, "r1", "r2")).status_code == 200
    await refused(await push(limited, keys, "bo", 1, "r1", "r2"), 402, "sync_records")
    assert (await push(limited, keys, "bo", 2, "r1")).status_code == 200
    await refused(await push(limited, keys, "ann", 3, "r3"), 402, "sync_records")
    headers = bearer(keys.project) | {"content-type": "application/x-ndjson"}
    upload = "/v1/sync/upload?device_id=phone&upload_id=u&complete=true"
    line = '{"data_type": "notes", "record_id": "r4", "data": 1}'
    await refused(await limited.post(upload, content=line, headers=headers), 402, "sync_records")
    again, changed = await push(limited, keys, "ann", 1, "r1", "r2"), await push(limited, keys, "ann", 4, "r1")
    assert (again.status_code, changed.status_code) == (200, 200), "nothing more is stored"
    used = (await use(limited, keys))["sync_records"]
    assert (used["use"], used["limit"], used["resets_at"]) == (3, 3, None)
    assert (await push(limited, keys, "bo", 5, "-r1")).status_code == 200
    assert (await push(limited, keys, "ann", 6, "r3")).status_code == 200
    await refused(await push(limited, keys, "bo", 7, "r9"), 402, "sync_records")
    assert await drifts(app.services) == {}


async def test_bytes_of_synced_records(app: Application, limited: httpx.AsyncClient, keys: Keys) -> None:
    async def put(number: int, size: int) -> httpx.Response:
        change = {"change_id": f"c{number}", "record_id": "r", "operation": "update", "data": "x" * size}
        body = {"device_id": "phone", "batch_id": f"b{number}", "changes": [change]}
        return await limited.post("/v1/sync/notes/delta", json=body, headers=bearer(keys.project))

    assert (await put(1, 15_000)).status_code == 200
    used = (await use(limited, keys))["storage_bytes"]["use"]
    assert 15_000 < used < 15_100
    await refused(await put(2, 20_000), 402, "storage_bytes")
    await refused(await send(limited, keys, Row("", "POST", "/v1/snapshots", 402, body=snapshot("a", NOISE))), 402,
        "storage_bytes")  # fmt: skip
    assert (await put(3, 100)).status_code == 200
    assert (await use(limited, keys))["storage_bytes"]["use"] < 200
    assert await drifts(app.services) == {}


@pytest.mark.parametrize("block_bytes", [receiving.BLOCK_BYTES, 4_096])
async def test_deliveries_of_datasets(
    app: Application, limited: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    """One that is past the limit, by all of it or by what has come, changes nothing; what it replaces makes room."""
    monkeypatch.setattr(receiving, "BLOCK_BYTES", block_bytes)

    async def put(first: int, count: int, key: str = keys.project) -> httpx.Response:
        headers = bearer(key) | {"content-type": "text/csv"}
        content = "\n".join(["hash", *NOISE[first : first + count]])
        return await limited.put("/v1/datasets/goods/shop/current", content=content, headers=headers)

    async def used() -> int:
        assert await drifts(app.services) == {}
        return int((await use(limited, keys))["storage_bytes"]["use"])

    sent = await put(0, 300)
    assert sent.status_code == 200
    stored = await used()
    assert 9_000 < stored < 15_000
    await refused(await put(300, 700), 402, "storage_bytes")
    assert await used() == stored
    assert (await put(300, 300)).status_code == 200
    assert abs(await used() - stored) < 300
    await check(limited, keys, Row("", "POST", "/v1/datasets/goods/shop/promote", 200))
    await refused(await put(0, 300), 402, "storage_bytes")
    assert (await put(0, 30)).status_code == 200
    assert stored < await used() < 20_000
    assert (await put(0, 1000, keys.other)).status_code == 200
    await check(limited, keys, Row("", "DELETE", "/v1/datasets/goods/shop/previous", 204))
    assert await used() < 3_000
    await check(limited, keys, Row("", "DELETE", "/v1/datasets/goods", 204))
    assert await used() == 0


async def test_webhooks(app: Application, limited: httpx.AsyncClient, keys: Keys) -> None:
    """One that is turned off counts too."""
    new = {"name": "w", "url": "https://example.com/hook", "events": ["delta.created"], "enabled": False}
    made = await check(limited, keys, Row("", "POST", "/v1/webhooks", 201, body=new))
    await refused(await limited.post("/v1/webhooks", json=new, headers=bearer(keys.project)), 402, "webhooks")
    await check(limited, keys, Row("another's", "POST", "/v1/webhooks", 201, key="other", body=new))
    used = (await use(limited, keys))["webhooks"]
    assert (used["use"], used["limit"], used["resets_at"]) == (1, 1, None)
    await check(limited, keys, Row("", "DELETE", f"/v1/webhooks/{made['webhook']['id']}", 204))
    await check(limited, keys, Row("", "POST", "/v1/webhooks", 201, body=new))
    assert await drifts(app.services) == {}


async def test_endpoints(limited: httpx.AsyncClient, keys: Keys) -> None:
    for name in ("a", "b"):
        await check(limited, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": name}))
    problem = await refused(
        await send(limited, keys, Row("", "POST", "/v1/endpoints", 402, body={"name": "c"})), 402, "endpoints"
    )
    assert problem["quota"] == {"name": "endpoints", "use": 2, "limit": 2, "resets_at": None}
    await refused(
        await send(limited, keys, Row("", "POST", "/v1/snapshots", 402, body=snapshot("c", 1))), 402, "endpoints"
    )
    assert len((await check(limited, keys, Row("", "GET", "/v1/endpoints", 200)))["data"]) == 2
    await check(limited, keys, Row("", "POST", "/v1/snapshots", 201, body=snapshot("a", 1)))
    await check(limited, keys, Row("", "DELETE", "/v1/endpoints/b", 204))
    await check(limited, keys, Row("", "POST", "/v1/snapshots", 201, body=snapshot("c", 1)))
    await refused(
        await send(limited, keys, Row("", "POST", "/v1/endpoints", 402, body={"name": "b"})), 402, "endpoints"
    )


async def test_storage(limited: httpx.AsyncClient, keys: Keys, app: Application) -> None:
    """Until it would be past its limit, by a byte; reading and deleting go on."""
    first = await check(limited, keys, Row("", "POST", "/v1/snapshots", 201, body=snapshot("a", NOISE[:200])))
    before = (await use(limited, keys))["storage_bytes"]["use"]
    assert 7_000 < before < 20_000
    over = await send(limited, keys, Row("", "POST", "/v1/snapshots", 402, body=snapshot("a", NOISE[200:])))
    problem = await refused(over, 402, "storage_bytes")
    assert problem["quota"] == {"name": "storage_bytes", "use": before, "limit": 20_000, "resets_at": None}
    assert (await use(limited, keys))["storage_bytes"]["use"] == before
    big = {"batch": [track(number) | {"properties": {"text": NOISE[number * 200 :][:200]}} for number in range(3)]}
    await refused(await send(limited, keys, Row("", "POST", "/v1/batch", 402, body=big)), 402, "storage_bytes")
    await check(limited, keys, Row("", "GET", "/v1/snapshots/latest/a", 200))
    await check(limited, keys, Row("", "DELETE", f"/v1/snapshots/{first['snapshot']['id']}", 204))
    assert await drifts(app.services) == {}


async def test_events_of_a_month(limited: httpx.AsyncClient, keys: Keys, clock: FakeClock, app: Application) -> None:
    batch = {"batch": [track(0), track(1), track(2)]}
    await check(limited, keys, Row("", "POST", "/v1/batch", 200, body=batch))
    await refused(
        await send(limited, keys, Row("", "POST", "/v1/batch", 429, body={"batch": [track(3), track(4)]})),
        429,
        "events_per_month",
    )
    assert (await use(limited, keys))["events_per_month"]["use"] == 3
    await check(limited, keys, Row("what is there is not counted twice", "POST", "/v1/batch", 200, body=batch))
    await check(limited, keys, Row("", "POST", "/v1/track", 200, body=track(3)))
    over = await send(limited, keys, Row("", "POST", "/v1/track", 429, body=track(4)))
    problem = await refused(over, 429, "events_per_month")
    month_end = plan_windows.next_month(clock.now_ms())
    assert problem["quota"] == {
        "name": "events_per_month",
        "use": 4,
        "limit": 4,
        "resets_at": times.format(month_end),
    }
    await check(limited, keys, Row("", "POST", "/v1/batch", 200, body=batch))
    await check(limited, keys, Row("", "POST", "/v1/track", 200, key="other", body=track(4)))
    clock.advance(month_end - clock.now_ms())
    await check(limited, keys, Row("sent again", "POST", "/v1/track", 200, body=track(4)))
    assert (await use(limited, keys))["events_per_month"]["use"] == 1
    assert await drifts(app.services) == {}


async def test_of_many_at_once_no_more_are_stored_than_the_plan_allows(
    limited: httpx.AsyncClient, keys: Keys, app: Application
) -> None:
    tracked = [send(limited, keys, Row("", "POST", "/v1/track", 200, body=track(number))) for number in range(12)]
    stored = [
        send(limited, keys, Row("", "POST", "/v1/snapshots", 201, body=snapshot("a", {"n": number})))
        for number in range(9)
    ]
    statuses = [answer.status_code for answer in await asyncio.gather(*tracked, *stored)]
    assert sorted(statuses[:12]) == [200] * 4 + [429] * 8
    assert sorted(statuses[12:]) == [201] * 3 + [429] * 6
    assert await drifts(app.services) == {}


async def test_another_plan_holds_at_once(limited: httpx.AsyncClient, keys: Keys) -> None:
    for name in ("a", "b"):
        await check(limited, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": name}))
    await check(limited, keys, Row("", "POST", "/v1/endpoints", 402, body={"name": "c"}))
    await check(limited, keys, Row("", "PATCH", "/v1/projects/mine", 200, key="account", body={"plan": "free"}))
    await check(limited, keys, Row("", "POST", "/v1/endpoints", 201, body={"name": "c"}))
    await check(limited, keys, Row("", "PATCH", "/v1/projects/mine", 200, key="account", body={"plan": "small"}))
    await check(limited, keys, Row("more than it may have stays", "GET", "/v1/endpoints/c", 200))
    await check(limited, keys, Row("", "POST", "/v1/endpoints", 402, body={"name": "d"}))


PLANS = [
    Row("by the project's own admin key", "PATCH", "/v1/projects/mine", 403, body={"plan": "pro"}),
    Row("none of that name", "PATCH", "/v1/projects/mine", 400, key="account", body={"plan": "gold"}, field="plan"),
    Row("null", "PATCH", "/v1/projects/mine", 400, key="account", body={"plan": None}),
    Row("not a name", "PATCH", "/v1/projects/mine", 400, key="account", body={"plan": ["pro"]}),
    Row("a lone surrogate", "PATCH", "/v1/projects/mine", 400, key="account", raw=b'{"plan": "\\ud800"}'),
    Row("when the project is made", "POST", "/v1/projects", 400, key="account", body={"name": "x", "plan": "pro"}),
    Row("of another account's", "PATCH", "/v1/projects/nowhere", 404, key="account", body={"plan": "pro"}),
]


@pytest.mark.parametrize("row", PLANS, ids=str)
@shared
async def test_a_plan_is_refused(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)
    assert (await check(shared_client, own_keys, Row("", "GET", "/v1/projects/mine", 200)))["project"][
        "plan"
    ] == "enterprise"


async def test_owners_and_keys_make_unlimited_projects_and_others_those_of_the_default_plan(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    plans = {}
    await tokens.prepare(app.services)
    for role in ("owner", "admin"):
        token = bearer(await people.signed_in(app, client, f"{role}@example.com", role))
        made = await client.post("/v1/projects", json={"name": role}, headers=token)
        plans[role] = made.json()["project"]["plan"]
        changed = await client.patch(f"/v1/projects/{role}", json={"plan": "pro"}, headers=token)
        assert (changed.status_code, changed.json()["project"]["plan"]) == (200, "pro")
    made = await check(client, keys, Row("", "POST", "/v1/projects", 201, key="account", body={"name": "by key"}))
    plans["key"] = made["project"]["plan"]
    assert plans == {"owner": "enterprise", "admin": "free", "key": "enterprise"}
    token = bearer(await people.signed_in(app, client, "member@example.com"))
    await client.put(
        "/v1/projects/owner/members/member@example.com", json={"role": "admin"}, headers=bearer(keys.account)
    )
    answer = await client.patch("/v1/projects/owner", json={"plan": "enterprise"}, headers=token)
    assert answer.status_code == 403, answer.text


async def test_a_plan_that_the_configuration_has_no_more_is_the_default(
    config: Config, clock: FakeClock, plan: Plan
) -> None:
    async with started(built(config, clock)) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        await check(client, keys, Row("", "PATCH", "/v1/projects/mine", 200, key="account", body={"plan": "small"}))
    without = Config(storage=Storage(data_dir=config.storage.data_dir), log=config.log)
    async with started(built(without, clock)) as app, client_of(app) as client:
        quotas = await use(client, keys)
        assert quotas["endpoints"]["limit"] == SHIPPED["free"].endpoints


class TestNothing:
    @pytest.fixture
    def plan(self) -> Plan:
        return Plan(0, 0, 0, 0)

    async def test_a_plan_of_nothing_still_reads_and_deletes(
        self, app: Application, client: httpx.AsyncClient, keys: Keys
    ) -> None:
        await check(client, keys, Row("", "POST", "/v1/snapshots", 201, body=snapshot("a", {"n": 1})))
        await check(client, keys, Row("", "POST", "/v1/track", 200, body=track(1)))
        await check(client, keys, Row("", "PATCH", "/v1/projects/mine", 200, key="account", body={"plan": "small"}))
        for row in (
            Row("", "POST", "/v1/snapshots", 402, body=snapshot("a", {"n": 2})),
            Row("", "POST", "/v1/track", 402, body=track(2)),
            Row("", "POST", "/v1/endpoints", 402, body={"name": "b"}),
            Row("", "GET", "/v1/snapshots/latest/a", 200),
            Row("", "GET", "/v1/events/raw", 200),
            Row("", "GET", "/v1/projects/mine/usage", 200),
            Row("", "DELETE", "/v1/users/u1", 202),
            Row("", "DELETE", "/v1/endpoints/a", 204),
        ):
            await check(client, keys, row)
        assert await drifts(app.services) == {}
