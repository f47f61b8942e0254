"""Addresses that must not be connected to, by every way in that there is for one, against a canary that listens on this
machine: polls, their redirects, pages and tokens, previews, webhooks, single sign-on.

One source may be asked, at an address that is opened for it: it redirects, and names further addresses. Names are
looked up here and nowhere else.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config, Egress, Log
from delta_server.config.sign_in import Oidc
from delta_server.core.errors import ExternalFailed
from delta_server.egress.client import Client
from delta_server.features.users.sso import provider
from delta_server.storage.sqlite.options import Storage
from tests.conftest import Keys, bearer
from tests.egress.hostile_urls import urls
from tests.features.polls.source import Answer, Source, json, source
from tests.features.webhooks.test_sending import pass_time, until
from tests.storage.opened import FakeClock

OPEN = "127.0.0.5"
"""Where the source is: the table has all others of this machine."""
NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1"],
    "ip6-localhost": ["::1"],
    "metadata.google.internal": ["169.254.169.254"],
}
PUBLIC = "93.184.216.34"
MIXED = [[PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], ["2606:4700::1", "::1"], ["169.254.169.254"]]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    opened = Egress(allow_cidrs=(f"{OPEN}/32",))
    return Config(storage=Storage(data_dir=tmp_path / "data"), log=Log(level="error"), egress=opened)


class Canary:
    def __init__(self) -> None:
        self.port = 0
        self.connected: list[str] = []
        self._servers: list[asyncio.Server] = []

    async def listen(self, address: str, port: int) -> None:
        self._servers.append(await asyncio.start_server(self._note, address, port))
        self.port = self._servers[0].sockets[0].getsockname()[1]

    async def _note(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected.append(str(writer.get_extra_info("sockname")))
        writer.close()

    def close(self) -> None:
        for each in self._servers:
            each.close()


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    """On all addresses of this machine, of both families where there are two."""
    made = Canary()
    await made.listen("0.0.0.0", 0)
    if Path("/proc/net/if_inet6").exists():
        await made.listen("::1", made.port)
    yield made
    made.close()
    assert made.connected == []


@pytest.fixture
async def api() -> AsyncIterator[Source]:
    async with source(Answer(), OPEN) as made:
        yield made


@pytest.fixture
def look_up(monkeypatch: pytest.MonkeyPatch) -> dict[str, Sequence[str]]:
    """What names stand for. What is an address in some spelling, the system still reads."""
    names: dict[str, Sequence[str]] = dict(NAMES)
    system = asyncio.BaseEventLoop.getaddrinfo

    async def resolve(loop: Any, host: str, port: int, **options: Any) -> Any:
        if (found := names.get(host.lower())) is None:
            return await system(loop, host, port, **options, flags=socket.AI_NUMERICHOST)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    return names


class World:
    """The server, and what a way in may use of it."""

    def __init__(self, app: Application, client: httpx.AsyncClient, keys: Keys, api: Source) -> None:
        self.app, self.client, self.keys, self.api = app, client, keys, api
        self._made = 0

    async def post(self, path: str, body: Any) -> httpx.Response:
        return await self.client.post(path, json=body, headers=bearer(self.keys.project))

    async def poll(self, polling: dict[str, Any]) -> str | None:
        """Of a new endpoint: what it is refused for, None when it is not."""
        self._made += 1
        settings = {"interval": "5m", "retries": 0, "enabled": False, **polling}
        made = await self.post("/v1/endpoints", {"name": f"e{self._made}", "polling": settings})
        if made.status_code == 400:
            return "address"
        assert made.status_code == 201, made.text
        found = (await self.post(f"/v1/endpoints/e{self._made}/poll", {})).json()["poll"]["class"]
        return None if found is None else str(found)

    async def preview(self, polling: dict[str, Any]) -> str | None:
        """What it fails for, None when it does not."""
        tried = await self.post("/v1/endpoints/preview", {"polling": polling, "tries": 1})
        if tried.status_code == 400:
            return "address"
        found = tried.json()
        return None if found["ok"] else str(found["class"])

    async def sign_in(self, issuer: str, ends: dict[str, str]) -> str | None:
        """With what the provider's document names, where it is the source that answers for it."""
        named = {name: f"{self.api.url}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
        self.api.say = lambda asked: json(
            b'{"id_token": "a.b.c"}'
            if asked.method == "POST"
            else msgspec.json.encode({"issuer": issuer, **named, **ends})
        )
        return await self.signed_in(issuer)

    async def signed_in(self, issuer: str) -> str | None:
        svc = self.app.services
        auth = msgspec.structs.replace(svc.config.auth, oidc=Oidc(issuer=issuer, client_id="delta"))
        config = msgspec.structs.replace(svc.config, auth=auth)
        asked = provider.Provider(msgspec.structs.replace(svc, config=config, _states={}), Client(config.egress))
        try:
            await asked.claims("code", "verifier", redirect_uri="https://delta.test/", nonce="n")
        except ExternalFailed as error:
            return error.message
        return None


async def polled(world: World, url: str) -> str | None:
    return await world.poll({"url": url})


async def previewed(world: World, url: str) -> str | None:
    return await world.preview({"url": url})


async def a_redirect_of_a_source(world: World, url: str) -> str | None:
    world.api.always(Answer(status=302, headers={"location": url}))
    return await world.preview({"url": world.api.url})


async def the_server_of_its_tokens(world: World, url: str) -> str | None:
    auth = {"type": "oauth2", "token_url": url, "client_id": "me", "client_secret": "s-e-c-r-e-t"}
    return await world.preview({"url": world.api.url, "auth": auth})


async def the_next_of_its_pages(world: World, url: str) -> str | None:
    world.api.always(json(msgspec.json.encode({"items": [1], "next": url or " "})))
    return await world.preview({"url": world.api.url, "paging": {"by": "cursor", "cursor": "next", "items": "items"}})


async def the_provider_itself(world: World, url: str) -> str | None:
    return await world.signed_in(url)


async def a_redirect_of_the_provider(world: World, url: str) -> str | None:
    world.api.always(Answer(status=302, headers={"location": url}))
    return await world.signed_in(world.api.url)


async def the_providers_tokens(world: World, url: str) -> str | None:
    return await world.sign_in(world.api.url, {"token_endpoint": url})


async def the_providers_keys(world: World, url: str) -> str | None:
    return await world.sign_in(world.api.url, {"jwks_uri": url})


WAYS: list[Callable[[World, str], Awaitable[str | None]]] = [
    polled,
    previewed,
    a_redirect_of_a_source,
    the_server_of_its_tokens,
    the_next_of_its_pages,
    the_provider_itself,
    a_redirect_of_the_provider,
    the_providers_tokens,
    the_providers_keys,
]


@pytest.fixture
async def world(
    app: Application, client: httpx.AsyncClient, keys: Keys, api: Source, monkeypatch: pytest.MonkeyPatch
) -> World:
    # Whatever the document names passes: what is left is the guard.
    monkeypatch.setattr(provider, "_is_safe", lambda _: True)
    return World(app, client, keys, api)


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_connects_to_what_is_not_public(
    world: World, canary: Canary, look_up: dict[str, Sequence[str]], way: Callable[[World, str], Awaitable[str | None]]
) -> None:
    hostile = urls(canary.port)
    assert len(hostile) >= 60
    for url in hostile:
        assert await way(world, url) is not None, url
    for number, addresses in enumerate(MIXED):
        look_up[f"mixed{number}.example"] = addresses
        assert await way(world, f"http://mixed{number}.example:{canary.port}/") is not None, addresses


async def test_no_webhook_sends_there(
    app: Application, world: World, canary: Canary, look_up: dict[str, Sequence[str]], clock: FakeClock
) -> None:
    """Neither a test nor what happens."""
    look_up |= {f"mixed{number}.example": addresses for number, addresses in enumerate(MIXED)}
    hostile = [*urls(canary.port), *(f"http://mixed{number}.example:{canary.port}/" for number in range(len(MIXED)))]
    made = []
    for number, url in enumerate(hostile):
        webhook = {"name": f"w{number}", "url": url, "events": ["endpoint.created"], "retry_schedule": []}
        answer = await world.post("/v1/webhooks", webhook)
        assert answer.status_code in (201, 400), answer.text
        if answer.status_code == 201:
            made.append(answer.json()["webhook"]["id"])
            await world.post(f"/v1/webhooks/{made[-1]}/test", {})
    assert len(made) >= 10
    await until(world.client, world.keys, "dead", count=len(made))
    await world.post("/v1/endpoints", {"name": "new"})
    await until(world.client, world.keys, "waiting", count=len(made))
    pass_time(app, clock, 60)
    dead = await until(world.client, world.keys, "dead", count=2 * len(made))
    for each in dead:
        path = f"/v1/webhooks/deliveries/{each['id']}"
        found = (await world.client.get(path, headers=bearer(world.keys.read))).json()["delivery"]
        assert [attempt["class"] for attempt in found["attempts"]] in (["blocked"], ["dns"])


async def test_a_name_that_changes_is_looked_up_for_each_connection_and_once(
    world: World, canary: Canary, api: Source, look_up: dict[str, Sequence[str]]
) -> None:
    await canary.listen("127.0.0.1", api.port)
    url = f"http://changing.example:{api.port}/"
    api.always(json(b"[1]"))
    look_up["changing.example"] = [OPEN]
    assert await world.poll({"url": url}) is None
    look_up["changing.example"] = ["127.0.0.1"]
    again = (await world.post("/v1/endpoints/e1/poll", {})).json()["poll"]
    assert (again["class"], len(api.asked)) == ("egress", 1)
