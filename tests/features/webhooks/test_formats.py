"""Other services' formats, mail, and happenings that are sent to who asks: by the whole server."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.config.plans import SHIPPED, Plan, Plans
from delta_server.config.sections import Config, Server
from delta_server.storage.mail.options import Smtp
from tests.conftest import Keys, bearer
from tests.features.rows import Row, check
from tests.features.stream.test_happenings import Follower
from tests.features.users import people
from tests.features.webhooks.receiver import Receiver, receiving
from tests.features.webhooks.test_sending import deliveries, until, webhook_of
from tests.features.webhooks.test_webhooks import make, new
from tests.smtp_server import MailServer, running

PUBLIC = "https://delta.example.com"


@pytest.fixture
async def mailbox() -> AsyncIterator[MailServer]:
    async with running(MailServer()) as server:
        yield server


@pytest.fixture
def config(config: Config, mailbox: MailServer) -> Config:
    smtp = Smtp(host="127.0.0.1", port=mailbox.port, tls="none", from_address="delta@example.com")
    plans = Plans("small", {**SHIPPED, "small": Plan(endpoints=2)})
    return msgspec.structs.replace(config, smtp=smtp, server=Server(public_url=PUBLIC), plans=plans)


REFUSED = [
    Row("a chat without its id", "POST", "/v1/webhooks", 400, body=new(format="telegram"), field="to"),
    Row("mail with an address", "POST", "/v1/webhooks", 400, body=new(format="email", to="a@b.example"), field="url"),
    Row(
        "mail to a stranger",
        "POST",
        "/v1/webhooks",
        400,
        body=new(format="email", to="a@b.example", url=""),
        field="to",
    ),
    Row("a template that is none", "POST", "/v1/webhooks", 400, body=new(format="template", template="{{ [ }}")),
    Row("no address", "POST", "/v1/webhooks", 400, body=new(url=""), field="url"),
]


async def test_refusals(client: httpx.AsyncClient, keys: Keys) -> None:
    for row in REFUSED:
        await check(client, keys, row)


async def test_a_chat_is_said_what_happened_in_words(client: httpx.AsyncClient, keys: Keys, receiver: Receiver) -> None:
    made = await make(client, keys.project, url=receiver.url, events=["endpoint.*"], format="slack")
    await client.post("/v1/endpoints", json={"name": "a b"}, headers=bearer(keys.project))
    received = (await receiver.wait_for(1))[0]
    assert json.loads(received.body) == {"text": f"*<{PUBLIC}/p/mine/e/a%20b|a b was created>*"}
    assert "webhook-signature" in received.headers
    path = f"/v1/webhooks/{made['webhook']['id']}"
    template = '{"what": "{{ type }}", "name": "{{ data.endpoint.name }}"}'
    change = {"format": "template", "template": template}
    changed = (await client.patch(path, json=change, headers=bearer(keys.project))).json()["webhook"]
    assert (changed["format"], changed["template"]) == ("template", template)
    await client.delete("/v1/endpoints/a b", headers=bearer(keys.project))
    async with asyncio.timeout(30):
        while len(receiver.received) < 2:
            await client.get(path, headers=bearer(keys.project))
    assert json.loads(receiver.received[1].body) == {"what": "endpoint.deleted", "name": "a b"}
    refused = await client.patch(path, json={"template": None}, headers=bearer(keys.project))
    assert refused.status_code == 400


async def test_mail_reaches_people_with_an_account(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer
) -> None:
    await people.add(app, "ann@example.com")
    made = await make(client, keys.project, url="", to="ann@example.com", events=["endpoint.*"], format="email")
    await client.post("/v1/endpoints", json={"name": "a"}, headers=bearer(keys.project))
    [sent] = await until(client, keys, "delivered")
    [mail] = mailbox.mails
    assert (mail.recipients, mail.message["Subject"]) == (["ann@example.com"], "a was created")
    assert f"{PUBLIC}/p/mine/e/a" in mail.text
    detail = await client.get(f"/v1/webhooks/deliveries/{sent['id']}", headers=bearer(keys.read))
    assert detail.json()["delivery"]["request"] is None
    assert (made["webhook"]["url"], made["webhook"]["to"]) == ("", "ann@example.com")


async def test_an_exceeded_quota_is_sent_once_an_hour(
    client: httpx.AsyncClient, keys: Keys, receiver: Receiver
) -> None:
    await make(client, keys.project, url=receiver.url, events=["quota.*"])
    project = (await client.get("/v1/projects/mine", headers=bearer(keys.account))).json()["project"]["id"]
    await client.patch(f"/v1/projects/{project}", json={"plan": "small"}, headers=bearer(keys.account))
    answers = [await client.post("/v1/endpoints", json={"name": name}, headers=bearer(keys.project)) for name in "abcd"]
    assert [each.status_code for each in answers] == [201, 201, 402, 402]
    [received] = await receiver.wait_for(1)
    assert received.message["data"]["quota"]["name"] == "endpoints"
    assert "allows 2 endpoints" in received.message["data"]["message"]
    await client.post("/v1/snapshots?endpoint=e", json={}, headers=bearer(keys.project))
    assert len(await deliveries(client, keys)) == 1


async def test_the_stream_says_that_a_webhook_was_turned_off(
    app: Application, client: httpx.AsyncClient, keys: Keys, receiver: Receiver
) -> None:
    follower = Follower(app, "webhooks")
    assert b"retry" in await anext(follower.pieces)
    receiver.behave = lambda _: b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"
    await make(client, keys.project, url=receiver.url, events=["endpoint.created"])
    await client.post("/v1/endpoints", json={"name": "a"}, headers=bearer(keys.project))
    assert await follower.next() == ["webhook.disabled"]
    assert (await webhook_of(client, keys))["disabled_reason"] == "gone"
    await follower.pieces.aclose()


async def test_who_hears_of_nothing_costs_no_row(client: httpx.AsyncClient, keys: Keys) -> None:
    async with receiving() as other:
        await make(client, keys.project, url=other.url, events=["webhook.disabled"])
        await make(client, keys.project, url=other.url, events=["endpoint.*"], filter={"endpoints": ["b*"]})
        for name in "ab":
            await client.post("/v1/endpoints", json={"name": name}, headers=bearer(keys.project))
        assert [each.name for each in await other.wait_for(1)] == ["endpoint.created b"]
        assert len(await deliveries(client, keys)) == 1


async def test_who_answers_for_a_webhook_is_mailed_that_it_was_turned_off(
    app: Application, client: httpx.AsyncClient, keys: Keys, receiver: Receiver, mailbox: MailServer
) -> None:
    """And the owner, where that is a key."""
    await people.add(app, "owner@example.com", "owner")
    person = bearer(await people.signed_in(app, client, "ann@example.com", "admin")) | {"x-tenant-id": "mine"}
    receiver.behave = lambda _: b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"
    new = {"name": "hers", "url": receiver.url, "events": ["endpoint.created"]}
    assert (await client.post("/v1/webhooks", json=new, headers=person)).status_code == 201
    await make(client, keys.project, name="a key's", url=receiver.url, events=["endpoint.created"])
    await client.post("/v1/endpoints", json={"name": "a"}, headers=bearer(keys.project))
    mails = sorted(await mailbox.received(2), key=lambda mail: mail.recipients)
    assert [mail.recipients for mail in mails] == [["ann@example.com"], ["owner@example.com"]]
    assert mails[0].message["Subject"] == "The webhook hers was turned off"
    assert "gone for good (410)" in mails[0].text
    assert f"{PUBLIC}/p/mine/connect/webhooks" in mails[0].text
