"""What webhooks send: signed, in order, again after failures, and to nobody who may not hear of it."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook

from delta_server.app import Application
from delta_server.features.webhooks.sending import Senders
from tests.conftest import Keys, bearer
from tests.features.webhooks.receiver import NO_CONTENT, Received, Receiver, answer, receiving
from tests.features.webhooks.test_webhooks import make
from tests.storage.opened import FakeClock


async def store(client: httpx.AsyncClient, key: str, endpoint: str, document: object) -> None:
    sent = await client.post(f"/v1/snapshots?endpoint={endpoint}&include=delta", json=document, headers=bearer(key))
    assert sent.status_code == 201, sent.text


async def deliveries(client: httpx.AsyncClient, keys: Keys, query: str = "") -> list[dict[str, Any]]:
    listed = await client.get(f"/v1/webhooks/deliveries{query}", headers=bearer(keys.read))
    assert listed.status_code == 200, listed.text
    return list(listed.json()["data"])


async def until(client: httpx.AsyncClient, keys: Keys, wanted: str, *, count: int = 1) -> list[dict[str, Any]]:
    """Deliveries in the state, as soon as there are so many."""
    async with asyncio.timeout(30):
        while len(found := await deliveries(client, keys, f"?state={wanted}")) < count:
            await asyncio.sleep(0.01)
    return found


async def until_tried(client: httpx.AsyncClient, keys: Keys, attempts: str) -> dict[str, Any]:
    """A delivery, as soon as one has these attempts."""
    async with asyncio.timeout(30):
        while True:
            for found in await deliveries(client, keys):
                if found["attempts"] == attempts:
                    return found
            await asyncio.sleep(0.01)


async def webhook_of(client: httpx.AsyncClient, keys: Keys) -> dict[str, Any]:
    return dict((await client.get("/v1/webhooks?include=summary", headers=bearer(keys.read))).json()["data"][0])


def pass_time(app: Application, clock: FakeClock, seconds: float) -> None:
    clock.advance(int(seconds * 1000))
    app.services.state(Senders).wake_all()


async def test_libraries_verify_what_arrives_with_either_secret(
    client: httpx.AsyncClient, keys: Keys, receiver: Receiver, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from svix.webhooks import Webhook as SvixWebhook  # a second

    made = await make(client, keys.project, url=receiver.url, events=["endpoint.*"], headers={"x-token": "t"})
    rotate = f"/v1/webhooks/{made['webhook']['id']}/rotate-secret"
    rotated = (await client.post(rotate, headers=bearer(keys.project))).json()  # no body: all as usual
    await client.post("/v1/endpoints", json={"name": "a"}, headers=bearer(keys.project))
    received = (await receiver.wait_for(1))[0]
    at = int(received.headers["webhook-timestamp"])
    assert at == clock.now_ms() // 1000
    for module in ("standardwebhooks", "svix"):
        monkeypatch.setattr(f"{module}.webhooks.datetime", _Clock(at))
    assert StandardWebhook(made["secret"]).verify(received.body, received.headers)["type"] == "endpoint.created"
    SvixWebhook(rotated["secret"]).verify(received.body, received.headers)
    assert (received.line, received.headers["x-token"]) == ("POST /in HTTP/1.1", "t")
    clock.advance(86_400_001)
    await client.post("/v1/endpoints", json={"name": "b"}, headers=bearer(keys.project))
    later = (await receiver.wait_for(2))[1]
    assert len(later.headers["webhook-signature"].split(" ")) == 1


class _Clock:
    """The libraries compare with now, which here is the fake clock's."""

    def __init__(self, at: int) -> None:
        import datetime

        self._now = datetime.datetime.fromtimestamp(at, datetime.UTC)
        self._datetime = datetime.datetime

    def now(self, tz: Any = None) -> Any:
        return self._now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._datetime, name)


async def test_messages_of_each_type_reach_those_who_named_them(client: httpx.AsyncClient, keys: Keys) -> None:
    async with receiving() as all_of_it, receiving() as fields, receiving() as strict, receiving() as cloud:
        await make(client, keys.project, url=all_of_it.url, events=["*"])
        narrow = {"field": "/items/*/price", "endpoints": ["sh*"]}
        await make(client, keys.project, url=fields.url, events=["field.changed"], filter=narrow)
        condition = {"condition": "data.delta.replaced > `1`"}
        await make(client, keys.project, url=strict.url, events=["delta.significant"], filter=condition)
        await make(client, keys.project, url=cloud.url, events=["snapshot.unchanged"], format="cloudevents")
        await make(client, keys.other, url=all_of_it.url, events=["*"])
        documents: list[dict[str, Any]] = [
            {"items": [{"id": 1, "price": 1}, {"id": 2, "price": 1}], "at": 1},
            {"items": [{"id": 1, "price": 2}, {"id": 2, "price": 1}], "at": 1},
            {"items": [{"id": 1, "price": 2}, {"id": 2, "price": 1}], "at": 1},
            {"items": [{"id": 1, "price": 3}, {"id": 2, "price": 3}], "at": 2},
        ]
        for document in documents:
            await store(client, keys.project, "shop", document)
        await store(client, keys.project, "else", {"items": [{"id": 1, "price": 1}]})
        await store(client, keys.project, "else", {"items": [{"id": 1, "price": 2}]})
        told = [each.name for each in await all_of_it.wait_for(10)]
        assert [name for name in told if name.endswith("shop")] == [
            "endpoint.created shop",
            "snapshot.created shop",
            "snapshot.created shop",
            "delta.created shop",
            "snapshot.created shop",
            "delta.created shop",
        ]
        assert len(told) == 10
        of_fields = [each.message["data"] for each in await fields.wait_for(2)]
        assert [data["fields"] for data in of_fields] == [
            [{"path": "/items/*/price", "changes": 1}],
            [{"path": "/items/*/price", "changes": 2}],
        ]
        [only] = await strict.wait_for(1)
        assert only.message["data"]["delta"]["replaced"] == 3
        event = json.loads((await cloud.wait_for(1))[0].body)
        assert (event["specversion"], event["type"], event["data"]["snapshot"]["unchanged"]) == (
            "1.0",
            "delta.snapshot.unchanged",
            True,
        )
        assert event["id"] == cloud.received[0].id


async def test_after_a_failure_it_is_tried_again_with_its_id_and_those_behind_it_wait(
    app: Application, client: httpx.AsyncClient, keys: Keys, receiver: Receiver, clock: FakeClock
) -> None:
    made = await make(client, keys.project, url=receiver.url, events=["snapshot.created"])
    receiver.next_answers([answer(503, f"no: {made['secret']}".encode(), retry_after="60"), answer(500)])
    await store(client, keys.project, "a", {"n": 1})
    await until(client, keys, "failed")
    await store(client, keys.project, "a", {"n": 2})
    await until(client, keys, "waiting")
    assert [webhook["state"] for webhook in [await webhook_of(client, keys)]] == ["failing"]
    pass_time(app, clock, 61)
    failed = await until_tried(client, keys, "xx")
    pass_time(app, clock, 400)
    received = await receiver.wait_for(4)
    assert [each.id for each in received[:3]] == [failed["id"]] * 3
    assert received[0].body == received[2].body
    assert received[0].headers["webhook-timestamp"] < received[2].headers["webhook-timestamp"]
    [last, first] = await until(client, keys, "delivered", count=2)
    assert (first["attempts"], first["cause"]["snapshot_id"] is not None, last["attempts"]) == ("xxo", True, "o")
    assert first["arrived_ms"] >= 461_000
    detail = (await client.get(f"/v1/webhooks/deliveries/{first['id']}", headers=bearer(keys.read))).json()["delivery"]
    attempts = detail["attempts"]
    assert [(each["status"], each["class"], each["retry_after"]) for each in attempts] == [
        (503, "status", 60),
        (500, "status", None),
        (204, None, None),
    ]
    assert attempts[0]["excerpt"] == "no: ***"
    assert json.loads(detail["request"]["body"]) == received[0].message
    assert detail["request"]["headers"]["webhook-signature"] == "***"
    webhook = await webhook_of(client, keys)
    assert (webhook["state"], webhook["waiting"], webhook["share"]) == ("on", 0, 0.5)


async def test_what_is_refused_for_itself_holds_nothing_up(
    client: httpx.AsyncClient, keys: Keys, receiver: Receiver
) -> None:
    await make(client, keys.project, url=receiver.url, events=["snapshot.created"])
    receiver.next_answers([answer(422)])
    await store(client, keys.project, "a", {"n": 1})
    await store(client, keys.project, "a", {"n": 2})
    received = await receiver.wait_for(2)
    assert received[0].id != received[1].id
    assert (await webhook_of(client, keys))["state"] == "on"
    assert [each["attempts"] for each in await until(client, keys, "failed")] == ["x"]


async def test_other_endpoints_are_probed_and_follow_at_once_when_one_arrives(
    app: Application, client: httpx.AsyncClient, keys: Keys, receiver: Receiver, clock: FakeClock
) -> None:
    """Those that failed do not wait for the time of their next attempt."""
    await make(client, keys.project, url=receiver.url, events=["snapshot.created"], retry_schedule=["24h"])
    receiver.behave = lambda _: answer(500)
    await store(client, keys.project, "a", {"n": 1})
    await until(client, keys, "failed")
    receiver.behave = lambda _: NO_CONTENT
    await store(client, keys.project, "b", {"n": 1})
    await until(client, keys, "waiting")
    assert len(receiver.received) == 1
    pass_time(app, clock, 6)
    assert [each.name[-1] for each in await receiver.wait_for(3)] == ["a", "b", "a"]


async def test_it_is_given_up_after_its_last_attempt_and_recovered(
    client: httpx.AsyncClient, keys: Keys, receiver: Receiver
) -> None:
    made = await make(client, keys.project, url=receiver.url, events=["snapshot.created"], retry_schedule=[])
    path = f"/v1/webhooks/{made['webhook']['id']}/recover"
    receiver.next_answers([answer(500), answer(500)])
    await store(client, keys.project, "a", {"n": 1})
    [dead] = await until(client, keys, "dead")
    counted = await client.post(path, json={"since": "1d", "dry_run": True}, headers=bearer(keys.write))
    assert (counted.status_code, counted.json()) == (202, {"deliveries": 1, "dry_run": True})
    assert len(receiver.received) == 1
    again = await client.post(f"/v1/webhooks/deliveries/{dead['id']}/redeliver", headers=bearer(keys.write))
    assert again.json()["delivery"]["state"] == "waiting"
    await receiver.wait_for(2)
    await until(client, keys, "dead")
    await client.post(path, json={"since": "1d"}, headers=bearer(keys.write))
    assert [each.id for each in await receiver.wait_for(3)] == [dead["id"]] * 3
    assert [each["attempts"] for each in await until(client, keys, "late")] == ["xxo"]


async def test_gone_turns_it_off_and_is_said(client: httpx.AsyncClient, keys: Keys, receiver: Receiver) -> None:
    async with receiving() as watching:
        await make(client, keys.project, url=receiver.url, events=["snapshot.created"])
        await make(client, keys.project, url=watching.url, events=["webhook.disabled"])
        receiver.behave = lambda _: answer(410)
        await store(client, keys.project, "a", {"n": 1})
        [said] = await watching.wait_for(1)
        assert said.message["data"]["webhook"]["reason"] == "gone"
        webhook = await webhook_of(client, keys)
        assert (webhook["state"], webhook["disabled_reason"]) == ("off", "gone")
        [failed] = await until(client, keys, "failed")
        refused = await client.post(f"/v1/webhooks/deliveries/{failed['id']}/redeliver", headers=bearer(keys.write))
        assert refused.status_code == 409


async def test_five_days_of_failure_turn_it_off(
    app: Application, client: httpx.AsyncClient, keys: Keys, receiver: Receiver, clock: FakeClock
) -> None:
    await make(client, keys.project, url=receiver.url, events=["snapshot.created"], retry_schedule=["24h"] * 8)
    receiver.behave = lambda _: answer(302, location="http://127.0.0.1/")
    await store(client, keys.project, "a", {"n": 1})
    for tried in range(1, 7):
        await receiver.wait_for(tried)
        await until_tried(client, keys, "x" * tried)
        state = (await webhook_of(client, keys))["state"]
        if state == "off":
            break
        pass_time(app, clock, 86_400 * 1.2)
    assert (tried, (await webhook_of(client, keys))["disabled_reason"]) == (6, "failing")


async def test_who_lost_the_right_sends_nothing_any_more(
    app: Application, client: httpx.AsyncClient, keys: Keys, receiver: Receiver
) -> None:
    made = (
        await client.post("/v1/auth/api-keys", json={"name": "k", "scopes": ["admin"]}, headers=bearer(keys.project))
    ).json()
    await make(client, made["key"], url=receiver.url, events=["snapshot.created"])
    id = made["api_key"]["id"]
    await client.delete(f"/v1/auth/api-keys/{id}", headers=bearer(keys.project))
    await store(client, keys.project, "a", {"n": 1})
    async with asyncio.timeout(30):
        while (await webhook_of(client, keys))["disabled_reason"] != "rights":
            await asyncio.sleep(0.01)
    assert receiver.received == []
    path = f"/v1/webhooks/{(await webhook_of(client, keys))['id']}"
    await client.patch(path, json={"enabled": True}, headers=bearer(keys.project))
    await receiver.wait_for(1)


async def test_a_test_is_marked_and_tried_once(client: httpx.AsyncClient, keys: Keys, receiver: Receiver) -> None:
    made = await make(client, keys.project, url=receiver.url, events=["endpoint.created"])
    receiver.next_answers([answer(500)])
    path = f"/v1/webhooks/{made['webhook']['id']}/test"
    sent = await client.post(path, json={"type": "delta.created"}, headers=bearer(keys.write))
    assert (sent.status_code, sent.json()["delivery"]["test"]) == (202, True)
    received = (await receiver.wait_for(1))[0]
    assert (received.message["test"], received.headers["webhook-test"]) == (True, "true")
    assert [each["test"] for each in await until(client, keys, "dead")] == [True]


async def test_a_deleted_one_is_sent_nothing(client: httpx.AsyncClient, keys: Keys, receiver: Receiver) -> None:
    made = await make(client, keys.project, url=receiver.url, events=["snapshot.created"])
    await client.delete(f"/v1/webhooks/{made['webhook']['id']}", headers=bearer(keys.project))
    other = await make(client, keys.project, url=receiver.url, events=["endpoint.created"])
    await store(client, keys.project, "a", {"n": 1})
    assert [each.name for each in await receiver.wait_for(1)] == ["endpoint.created a"]
    assert [each["webhook_id"] for each in await deliveries(client, keys)] == [other["webhook"]["id"]]


async def test_one_is_found_around_a_moment_and_by_words(
    client: httpx.AsyncClient, keys: Keys, receiver: Receiver, clock: FakeClock
) -> None:
    await make(client, keys.project, url=receiver.url, events=["*"])
    for number in range(6):
        clock.advance(60_000)
        await client.post("/v1/endpoints", json={"name": f"e{number}"}, headers=bearer(keys.project))
    await receiver.wait_for(6)
    found = await until(client, keys, "delivered", count=6)
    assert [each["endpoint"] for each in found] == [f"e{number}" for number in reversed(range(6))]
    middle = found[3]
    for around in (middle["time"], middle["id"]):
        assert middle in await deliveries(client, keys, f"?around={around}&limit=2")
    assert [each["endpoint"] for each in await deliveries(client, keys, "?q=E4")] == ["e4"]
    assert len(await deliveries(client, keys, "?type=endpoint.*&state=delivered&state=dead")) == 6
    assert await deliveries(client, keys, "?type=delta.created") == []
    page = (await client.get("/v1/webhooks/deliveries?limit=4", headers=bearer(keys.read))).json()
    assert (len(page["data"]), page["has_more"]) == (4, True)
    rest = await deliveries(client, keys, f"?limit=4&cursor={page['next_cursor']}")
    assert [each["endpoint"] for each in rest] == ["e1", "e0"]


def behaviours() -> dict[str, Any]:
    """Answers of receivers that misbehave, and the class that each is on record as."""
    return {
        "closes without an answer": (b"connection: close", "protocol"),
        "not HTTP": (b"hello\r\n\r\n", "protocol"),
        "an endless head": (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 6000, "too large"),
        "redirects": (answer(307, location="http://169.254.169.254/"), "redirect"),
        "changes the protocol": (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "protocol"),
        "hangs": (None, "timeout"),
        "drips": (b"HTTP/1.1 200 OK\r\nx: ", "timeout"),
    }


async def test_receivers_that_misbehave(client: httpx.AsyncClient, keys: Keys, receiver: Receiver) -> None:
    for title, (said, wanted) in behaviours().items():
        made = await make(client, keys.project, url=receiver.url, events=["endpoint.created"], timeout="1s")
        path = f"/v1/webhooks/{made['webhook']['id']}"
        receiver.next_answers([said])
        test = (await client.post(f"{path}/test", json={}, headers=bearer(keys.write))).json()["delivery"]
        async with asyncio.timeout(30):
            while True:
                at = f"/v1/webhooks/deliveries/{test['id']}"
                shown = (await client.get(at, headers=bearer(keys.read))).json()["delivery"]
                if shown["state"] != "waiting":
                    break
                await asyncio.sleep(0.01)
        assert [each["class"] for each in shown["attempts"]] == [wanted], title
        await client.delete(path, headers=bearer(keys.project))


async def test_a_body_without_end_has_arrived(client: httpx.AsyncClient, keys: Keys, receiver: Receiver) -> None:
    """The status counts; the rest of the answer is not read."""
    receiver.behave = lambda _: b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 400_000
    made = await make(client, keys.project, url=receiver.url, events=["endpoint.created"])
    await client.post(f"/v1/webhooks/{made['webhook']['id']}/test", headers=bearer(keys.write))
    [arrived] = await until(client, keys, "delivered")
    detail = (await client.get(f"/v1/webhooks/deliveries/{arrived['id']}", headers=bearer(keys.read))).json()
    assert detail["delivery"]["attempts"][0]["excerpt"] == "x" * 1024


async def test_a_slow_receiver_does_not_delay_another(
    client: httpx.AsyncClient, keys: Keys, receiver: Receiver
) -> None:
    async with receiving() as quick:
        await make(client, keys.project, url=receiver.url, events=["snapshot.created"], timeout="30s")
        await make(client, keys.project, url=quick.url, events=["snapshot.created"])
        receiver.behave = lambda _: None
        for number in range(20):
            await store(client, keys.project, f"e{number}", {"n": 1})
        assert len(await quick.wait_for(20)) == 20
        assert len(receiver.received) == 1


def order_of(received: list[Received], endpoint: str) -> list[int]:
    return [each.message["data"]["snapshot"]["size_bytes"] for each in received if each.name.endswith(f" {endpoint}")]


async def test_the_order_of_an_endpoint_is_kept_on_several_connections(
    client: httpx.AsyncClient, keys: Keys, receiver: Receiver
) -> None:
    await make(client, keys.project, url=receiver.url, events=["snapshot.created"])
    for number in range(12):
        for endpoint in "abc":
            await store(client, keys.project, endpoint, {"n": "x" * number})
    received = await receiver.wait_for(36)
    for endpoint in "abc":
        assert order_of(received, endpoint) == sorted(order_of(received, endpoint))
    assert receiver.connections < 10


async def test_deliveries_are_counted_by_the_hour(
    app: Application, client: httpx.AsyncClient, keys: Keys, receiver: Receiver, clock: FakeClock
) -> None:
    async def counted(query: str = "", key: str = keys.read) -> list[list[int]]:
        found = (await client.get(f"/v1/webhooks/timeline?hours=3{query}", headers=bearer(key))).json()
        assert found["bucket_ms"] == 3_600_000
        return [[hour["arrived"], hour["failed"]] for hour in found["data"]]

    receiver.next_answers([answer(503)])
    made = await make(client, keys.project, url=receiver.url, events=["endpoint.*"], retry_schedule=["1h"])
    await client.post("/v1/endpoints", json={"name": "a"}, headers=bearer(keys.project))
    await until(client, keys, "failed")
    pass_time(app, clock, 2 * 3600)
    await until(client, keys, "delivered")
    assert await counted() == await counted(f"&webhook={made['webhook']['id']}") == [[0, 1], [0, 0], [1, 0]]
    assert await counted(key=keys.other) == [[0, 0]] * 3
