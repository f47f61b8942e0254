"""The format apprise, by the real package: what is refused, and that what happens arrives."""

import json

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config, Webhooks
from delta_server.egress import by_apprise
from tests.conftest import Keys, bearer
from tests.features.rows import Row, check
from tests.features.webhooks.receiver import Receiver, answer
from tests.features.webhooks.test_sending import store, until
from tests.features.webhooks.test_webhooks import make, new


@pytest.fixture
def is_on() -> bool:
    return True


@pytest.fixture
def config(config: Config, is_on: bool) -> Config:
    return msgspec.structs.replace(config, webhooks=Webhooks(apprise=is_on))


def to(url: str) -> dict[str, object]:
    return new(format="apprise", url=url)


REFUSED = [
    Row("a service that there is not", "POST", "/v1/webhooks", 400, body=to("fax://a/b"), field="url"),
    Row("the log of the server's machine", "POST", "/v1/webhooks", 400, body=to("syslog://"), field="url"),
    Row("no address", "POST", "/v1/webhooks", 400, body=to("discord"), field="url"),
    Row("none at all", "POST", "/v1/webhooks", 400, body=to(""), field="url"),
    Row("a line break", "POST", "/v1/webhooks", 400, body=to("json://a/\n"), field="url"),
]


async def test_refused(client: httpx.AsyncClient, keys: Keys) -> None:
    for row in REFUSED:
        await check(client, keys, row)


@pytest.mark.parametrize("is_on", [False])
async def test_it_is_off_by_default(client: httpx.AsyncClient, keys: Keys) -> None:
    row = Row("off", "POST", "/v1/webhooks", 400, body=to("json://127.0.0.1/"), field="format", says="webhooks.apprise")
    await check(client, keys, row)
    path = f"/v1/webhooks/{(await make(client, keys.project))['webhook']['id']}"
    await check(client, keys, Row("changed to it", "PATCH", path, 400, body={"format": "apprise"}, field="format"))


async def test_without_the_package(client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_apprise, "is_installed", lambda: False)
    row = Row("absent", "POST", "/v1/webhooks", 400, body=to("json://127.0.0.1/"), field="format", says="pip install")
    await check(client, keys, row)


async def test_what_happens_arrives_and_is_tried_again(
    app: Application, client: httpx.AsyncClient, keys: Keys, receiver: Receiver
) -> None:
    receiver.next_answers([answer(500)])
    url = f"json://a-token:pass-word@127.0.0.1:{receiver.port}/in"
    made = await make(
        client, keys.project, url=url, format="apprise", events=["endpoint.created"], retry_schedule=["1s"]
    )
    assert (made["webhook"]["url"], made["webhook"]["host"]) == ("json://...", "json")
    await store(client, keys.project, "a", {"n": 1})
    [failed] = await until(client, keys, "failed")
    path = f"/v1/webhooks/deliveries/{failed['id']}"
    await client.post(f"{path}/redeliver", headers=bearer(keys.write))
    await until(client, keys, "delivered")
    found = (await client.get(path, headers=bearer(keys.read))).json()["delivery"]
    assert [each["class"] for each in found["attempts"]] == ["apprise", None]
    said = json.loads(receiver.received[1].body)
    assert (said["title"], said["message"]) == ("a was created", "a was created")
    refused = await client.patch(
        f"/v1/webhooks/{made['webhook']['id']}", json={"format": "delta"}, headers=bearer(keys.project)
    )
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "url")
