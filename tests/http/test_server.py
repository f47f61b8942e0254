"""The application under uvicorn, over a socket: what only shows there."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn

from delta_server import app as delta_app
from delta_server.app import Application
from delta_server.config import Config
from delta_server.http import server
from delta_server.http.server import uvicorn_config
from delta_server.tasks import live
from tests.conftest import Keys, bearer, make_keys
from tests.storage.opened import FAST, FakeClock


class Served:
    def __init__(self, application: Application, port: int, keys: Keys) -> None:
        self.application = application
        self.port = port
        self.keys = keys

    async def raw(self, request: bytes) -> bytes:
        """All that is answered until the server closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer


@asynccontextmanager
async def serving(config: Config, clock: FakeClock) -> AsyncIterator[Served]:
    application = delta_app.build(config, clock=clock, tuning=FAST)
    running = uvicorn.Server(uvicorn_config(application, shutdown_seconds=5))
    running.config.port = 0
    task = asyncio.create_task(running._serve())
    while not running.started:
        await asyncio.sleep(0)
    port = running.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(application, port, await make_keys(application.services, clock))
    finally:
        running.should_exit = True
        await task


@pytest.fixture
async def served(config: Config, clock: FakeClock) -> AsyncIterator[Served]:
    async with serving(config, clock) as running:
        yield running


async def test_streams_whose_clients_do_not_read_end_with_the_server(
    config: Config, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took as long as the server waits for downloads, and was logged as a mistake."""
    monkeypatch.setattr(live, "LEAVE_S", 0.05)
    async with serving(config, clock) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
        headers = f"Host: localhost\r\nAuthorization: Bearer {served.keys.project}"
        writer.write(f"GET /v1/stream HTTP/1.1\r\n{headers}\r\n\r\n".encode())
        services = served.application.services
        while not services.live.open:
            await asyncio.sleep(0)
        event = {"eventType": "a", "data": {"text": "x" * 30_000}}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}") as client:
            for _ in range(8):
                await client.post("/v1/events/batch", json=[event] * 100, headers=bearer(served.keys.project))
        served.application.stop_streams()
        async with asyncio.timeout(5):
            while services.live.open:
                await asyncio.sleep(0)
        writer.close()


async def test_a_whole_exchange(served: Served) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}") as client:
        made = await client.post(
            "/v1/endpoints",
            content=gzip.compress(b'{"name": "GET /prices"}'),
            headers={**bearer(served.keys.project), "content-type": "application/json", "content-encoding": "gzip"},
        )
        assert made.status_code == 201
        assert "server" not in made.headers
        got = await client.get("/api/endpoints/GET%20%2Fprices", headers=bearer(served.keys.project))
        assert got.json() == made.json()
        head = await client.head("/v1/endpoints", headers=bearer(served.keys.project))
        assert (head.status_code, head.content, int(head.headers["content-length"]) > 0) == (200, b"", True)
        after = await client.get("/healthz")  # on the same connection: HEAD left nothing in it
        assert after.json() == {"status": "ok"}


async def test_a_body_too_large_is_refused_before_it_is_sent(served: Served) -> None:
    head = f"POST /v1/endpoints HTTP/1.1\r\nhost: d\r\nauthorization: Bearer {served.keys.project}\r\n"
    answer = await served.raw(
        (head + "content-type: application/json\r\ncontent-length: 99999999999\r\nconnection: close\r\n\r\n{").encode()
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"PAYLOAD_TOO_LARGE" in answer


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.1\r\nhost: d\r\nx: " + b"a" * (server.MAX_HEAD_BYTES + 1),
        b"GET /healthz HTTP/1.1\r\nhost: d\r\n" + b"x: y\r\n" * (server.MAX_HEAD_BYTES // 5),
        b"GET /" + b"a" * (server.MAX_HEAD_BYTES + 1),
        b"nonsense\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: d\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
)
async def test_heads_that_are_refused(served: Served, request_: bytes) -> None:
    assert (await served.raw(request_)).startswith(b"HTTP/1.1 400 ")


async def test_a_head_that_never_ends(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.05)
    assert await served.raw(b"GET /healthz HTTP/1.1\r\nhost:") == b""
    assert await served.raw(b"GET /healthz HTTP/1.1\r\nhost: d\r\n\r\nGET /heal") != b""
