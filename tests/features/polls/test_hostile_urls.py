"""Addresses that must not be connected to, polled and tried, against a canary that listens on this machine."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config, Log
from delta_server.features.polls.running import RunningPolls
from delta_server.storage.sqlite.options import Storage
from tests.conftest import Keys, bearer
from tests.egress.hostile_urls import urls
from tests.features.polls import polled as p
from tests.features.polls.source import Answer, source
from tests.storage.opened import FakeClock


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """No network of one's own is opened."""
    return Config(storage=Storage(data_dir=tmp_path / "data"), log=Log(level="error"))


@asynccontextmanager
async def canary() -> AsyncIterator[tuple[int, list[str]]]:
    """Its port, and who has connected: on all addresses of this machine, of both families."""
    connected: list[str] = []

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(str(writer.get_extra_info("peername")))
        writer.close()

    server = await asyncio.start_server(note, "0.0.0.0", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        six = [await asyncio.start_server(note, "::1", port)]
    except OSError:  # a machine without IPv6
        six = []
    try:
        yield port, connected
    finally:
        for each in (server, *six):
            each.close()


async def test_nothing_connects_to_this_machine(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    running = RunningPolls.of(app.services)
    async with canary() as (port, connected):
        hostile = urls(port)
        assert len(hostile) >= 60
        for number, url in enumerate(hostile):
            name = f"e{number}"
            polling = {"url": url, "interval": "5m", "retries": 0}
            made = await client.post(
                "/v1/endpoints", headers=bearer(keys.project), json={"name": name, "polling": polling}
            )
            assert made.status_code in (201, 400), made.text
            tried = await client.post(
                "/v1/endpoints/preview", headers=bearer(keys.project), json={"polling": {"url": url}, "tries": 1}
            )
            if made.status_code == 400:
                assert tried.status_code == 400
                continue
            said = tried.json()
            assert (tried.status_code, said["ok"]) == (200, False), url
            assert said["class"] in ("egress", "dns"), url
            polled = await client.post(f"/v1/endpoints/{name}/poll", headers=bearer(keys.project))
            assert polled.json()["poll"]["class"] in ("egress", "dns"), url
            assert polled.json()["poll"]["detail"] == said["detail"]
        await running.ended()
    assert connected == []


@pytest.mark.parametrize(
    "answers",
    [
        [["93.184.216.34", "127.0.0.1"]],
        [["127.0.0.1", "93.184.216.34"]],
        [["2606:4700::1", "::1"]],
        [["169.254.169.254"], ["93.184.216.34"]],
    ],
)
async def test_a_name_that_stands_for_this_machine_too_is_not_asked(
    app: Application, monkeypatch: pytest.MonkeyPatch, answers: list[list[str]]
) -> None:
    """The second time it is asked another answer may come: nothing was kept of the first."""
    asked: list[str] = []

    async def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    async with canary() as (port, connected):
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        endpoint = await p.polled(app.services, f"http://changing.example:{port}/", enabled=False)
        row = await p.poll(app.services, endpoint)
    assert (row.error_class, connected) == ("egress", [])


async def test_a_redirect_gets_neither_headers_nor_credentials(config: Config, app: Application) -> None:
    """Another port is another server."""
    opened = msgspec.structs.replace(config.egress, allow_cidrs=("127.0.0.0/8",))
    svc = msgspec.structs.replace(app.services, config=msgspec.structs.replace(config, egress=opened), _states={})
    async with source(Answer()) as other, source(Answer(status=302, headers={"location": other.url})) as api:
        endpoint = await p.polled(
            svc,
            api.url,
            headers={"X-Api-Key": "k", "Cookie": "c=1"},
            auth={"type": "bearer", "token": "t"},
            enabled=False,
        )
        assert (await p.poll(svc, endpoint)).error_class is None
    assert api.asked[0].headers["x-api-key"] == "k"
    assert not {"x-api-key", "cookie", "authorization"} & other.asked[0].headers.keys()
