"""The application under uvicorn, over a socket: what only shows there."""

import asyncio
import contextlib
import gc
import gzip
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from delta_server.app import Application
from delta_server.config.sections import Config
from delta_server.features.backups import service as backups
from delta_server.http import places, server
from delta_server.http.intake import Intake
from delta_server.http.server import BoundedProtocol, uvicorn_config
from delta_server.tasks import live
from tests.conftest import Keys, bearer, built, make_keys
from tests.storage.opened import FakeClock

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Served:
    def __init__(self, application: Application, port: int, keys: Keys, settings: uvicorn.Config) -> None:
        self.application = application
        self.port = port
        self.keys = keys
        self.settings = settings

    async def raw(self, request: bytes) -> bytes:
        """All that is answered until the server closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer


@asynccontextmanager
async def serving(
    config: Config, clock: FakeClock, *, connections: int = 100, trusted_proxies: tuple[str, ...] = ()
) -> AsyncIterator[Served]:
    application = built(config, clock)
    settings = uvicorn_config(
        application,
        connections=connections,
        note_refused=application.edge.metrics.connections_refused.inc,
        shutdown_seconds=5,
        trusted_proxies=trusted_proxies,
    )
    running = uvicorn.Server(settings)
    running.config.port = 0
    task = asyncio.create_task(running._serve())
    while not running.started:
        await asyncio.sleep(0)
    port = running.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(application, port, await make_keys(application.services, clock), running.config)
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
    monkeypatch.setattr(live, "CLOSE_GRACE_S", 0.05)
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
        assert after.json()["status"] == "ok"


async def test_what_a_connection_held_goes_with_it(served: Served) -> None:
    """By itself: the collector, which looks through all there is while everybody waits, finds nothing of it."""
    head = f"Host: d\r\nAuthorization: Bearer {served.keys.project}\r\nConnection: close"
    made = b'{"endpoint_id":"a","data":1}'
    requests = [
        f"GET /v1/endpoints HTTP/1.1\r\n{head}\r\n\r\n".encode(),
        f"POST /v1/snapshots HTTP/1.1\r\n{head}\r\nContent-Length: {len(made)}\r\n\r\n".encode() + made,
        f"POST /v1/query HTTP/1.1\r\n{head}\r\nContent-Length: 1\r\n\r\n[".encode(),
    ]
    gc.collect()
    gc.disable()
    try:
        for request in 5 * requests:
            await served.raw(request)
        await asyncio.sleep(0)
        left = [each for each in gc.get_objects() if isinstance(each, BoundedProtocol | RequestResponseCycle | Intake)]
    finally:
        gc.enable()
    assert len(left) <= len({BoundedProtocol, RequestResponseCycle, Intake}), "but the last one's"


@pytest.mark.parametrize("path", ["/v1/stream", "/v1/export/events", "/v1/backup"])
async def test_the_head_of_a_streamed_answer_is_all_that_is_made_of_it(
    served: Served, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    services = served.application.services
    # A backup that is made after all fails.
    monkeypatch.setattr(backups.stream(services), "_database", Path("/nowhere/delta.db"))
    key = served.keys.account if path == "/v1/backup" else served.keys.project
    request = f"{path} HTTP/1.1\r\nhost: d\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
    answer = await served.raw(f"HEAD {request}".encode())
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1
    async with asyncio.timeout(30):
        while services.live.open:
            await asyncio.sleep(0)


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
        b"GET /healthz HTTP/1.1\r\nhost: d\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: d\r\nx: " + b"a" * 65_530 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: d\r\n" + b"x: y\r\n" * 12_000 + b"\r\n",
        b"GET /healthz?" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: d\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: d\r\nhost: d\r\nconnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: d\r\nhost: e\r\nconnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\nhost: d\r\nhost: e\r\n\r\n",
        b"POST /v1/track HTTP/1.0\r\nhost: d\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: d\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
)
async def test_heads_that_are_refused(served: Served, request_: bytes) -> None:
    assert (await served.raw(request_)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHOST: d:99999\r\nconnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: d\r\nconnection: close\r\nx: " + b"a" * 60_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: d\r\nx: %b\r\n\r\n" % (b"a" * 40_000) * 2
        + b"GET /healthz HTTP/1.1\r\nhost: d\r\nconnection: close\r\n\r\n",
    ],
)
async def test_heads_that_are_fine(served: Served, request_: bytes) -> None:
    """What was read of one request does not count for the next."""
    answered = await served.raw(request_)
    assert answered.count(b"HTTP/1.1 200 ") == request_.count(b"GET ")
    assert b"HTTP/1.1 4" not in answered


async def test_a_refused_host_is_told_as_all_errors_are(served: Served) -> None:
    answer = await served.raw(b"GET /healthz HTTP/1.1\r\nhost: d\r\nhost: e\r\nconnection: close\r\n\r\n")
    assert b"application/problem+json" in answer
    assert b"2 Host headers" in answer


async def test_a_head_that_never_ends(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.05)
    assert await served.raw(b"GET /healthz HTTP/1.1\r\nhost:") == b""
    assert await served.raw(b"GET /healthz HTTP/1.1\r\nhost: d\r\n\r\nGET /heal") != b""


async def test_bytes_that_begin_no_request(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.05)
    monkeypatch.setattr(served.settings, "timeout_keep_alive", 0.1)
    assert (await served.raw(b"GET /healthz HTTP/1.1\r\nhost: d\r\n\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


def _post(path: str, size: int, *, key: str | None, more: str = "") -> bytes:
    """The head of a request with a body of `size` bytes."""
    authorization = f"authorization: Bearer {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\nhost: d\r\n{authorization}content-type: application/json\r\n{more}"
    return f"{head}content-length: {size}\r\n\r\n".encode()


@pytest.mark.parametrize("sent", [b"", b"x", b"x" * 100_000])
async def test_a_request_answered_before_its_body_ends_its_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(server, "LINGER_SECONDS", 0.05)
    answer = await served.raw(_post("/v1/snapshots", 1_000_000, key=None) + sent)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nconnection: close\r\n" in answer


async def test_who_sends_all_of_a_body_that_is_too_large_can_read_why(served: Served) -> None:
    size = 80 << 20
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(_post("/v1/snapshots?endpoint=a", size, key=served.keys.project))
    for _ in range(size >> 20):
        writer.write(bytes(1 << 20))
        await writer.drain()
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"limits.request_bytes" in answer
    writer.close()


async def test_small_bodies_keep_their_connection_when_refused(served: Served) -> None:
    request = _post("/v1/snapshots", 2, key=None) + b"{}"
    last = b"GET /healthz HTTP/1.1\r\nhost: d\r\nconnection: close\r\n\r\n"
    answers = await served.raw(request + last)
    assert answers.count(b"HTTP/1.1 401 ") == answers.count(b"HTTP/1.1 200 ") == 1


async def test_idle_connections_make_room_and_busy_ones_do_not(config: Config, clock: FakeClock) -> None:
    async with serving(config, clock, connections=2) as served:
        idle = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]
        head = _post("/v1/endpoints", 12, key=served.keys.project, more="expect: 100-continue\r\n")
        busy = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]
        for reader, writer in busy:
            writer.write(head)
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert [await reader.read() for reader, _ in idle] == [b"", b""]
        healthz = b"GET /healthz HTTP/1.1\r\nhost: d\r\nconnection: close\r\n\r\n"
        assert (await served.raw(b"")).startswith(b"HTTP/1.1 503 ")
        busy[0][1].write(b'{"name":"a"}')
        assert (await busy[0][0].readline()) == b"HTTP/1.1 201 Created\r\n"
        assert (await served.raw(healthz)).startswith(b"HTTP/1.1 200 ")
        for _, writer in idle + busy:
            writer.close()


HEALTHZ = b"GET /healthz HTTP/1.1\r\nhost: d\r\nconnection: close\r\n\r\n"


async def sending(served: Served, path: str, *, key: str | None, address: str = "127.0.0.1") -> Connection:
    """One whose request waits for its body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, local_addr=(address, 0))
    writer.write(_post(path, 12, key=key, more="expect: 100-continue\r\n"))
    assert (await reader.readline()).startswith((b"HTTP/1.1 100 ", b"HTTP/1.1 503 "))
    return reader, writer


async def test_bodies_without_a_known_key_make_room_and_those_with_one_do_not(config: Config, clock: FakeClock) -> None:
    """As many as there may be kept everybody out, with a byte every nine seconds."""
    async with serving(config, clock, connections=3) as served:
        known = await sending(served, "/v1/endpoints", key=served.keys.project)
        unknown = [await sending(served, "/v1/events", key=None) for _ in range(2)]
        assert (await served.raw(HEALTHZ)).startswith(b"HTTP/1.1 200 ")
        assert await unknown[0][0].read() == b"\r\n", "the one that was there for longest is closed"
        known[1].write(b'{"name":"a"}')
        assert b"HTTP/1.1 201 Created\r\n" in [await known[0].readline() for _ in range(2)]
        for _, writer in [known, *unknown]:
            writer.close()


async def test_connections_that_were_answered_before_their_body_make_room(config: Config, clock: FakeClock) -> None:
    async with serving(config, clock, connections=2) as served:
        answered = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]
        for reader, writer in answered:
            writer.write(_post("/v1/snapshots", 1000, key=None) + b"x")
            assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
        assert (await served.raw(HEALTHZ)).startswith(b"HTTP/1.1 200 ")
        for _, writer in answered:
            writer.close()


@pytest.mark.parametrize(("trusted", "third"), [((), b"503"), (("127.0.0.0/8",), b"200")])
async def test_one_address_has_half_of_the_connections(
    config: Config, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, trusted: tuple[str, ...], third: bytes
) -> None:
    monkeypatch.setattr(places, "LEAST_SHARE", 1)
    async with serving(config, clock, connections=4, trusted_proxies=trusted) as served:
        busy = [await sending(served, "/v1/endpoints", key=served.keys.project) for _ in range(2)]
        assert (await served.raw(HEALTHZ)).startswith(b"HTTP/1.1 " + third)
        other = await sending(served, "/v1/endpoints", key=served.keys.project, address="127.0.0.2")
        other[1].write(b'{"name":"a"}')
        assert b"HTTP/1.1 201 Created\r\n" in [await other[0].readline() for _ in range(2)]
        for _, writer in [*busy, other]:
            writer.close()


@pytest.mark.parametrize("refused", [64, 0])
async def test_who_is_refused_a_connection_can_read_why_and_takes_no_place(
    config: Config, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    """Clients that had begun to send before the answer came saw a broken pipe (Python's http.client does)."""
    monkeypatch.setattr(places, "MOST_REFUSED", refused)
    async with serving(config, clock, connections=2) as served:
        busy = [await sending(served, "/v1/endpoints", key=served.keys.project) for _ in range(2)]
        out = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(3)]
        for reader, writer in out:
            assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
            with contextlib.nullcontext() if refused else contextlib.suppress(ConnectionError):
                for _ in range(100):
                    writer.write(bytes(1 << 16))
                    await writer.drain()
            assert not refused or (await reader.read()).endswith(b"too many connections, try again")
        busy[0][1].write(b'{"name":"a"}')
        assert b"HTTP/1.1 201 Created\r\n" in [await busy[0][0].readline() for _ in range(2)]
        assert (await served.raw(HEALTHZ)).startswith(b"HTTP/1.1 200 "), "in the place of the one that was answered"
        assert (await sending(served, "/v1/events", key=None))[0], "and another in that one's"
        assert b"\ndelta_http_connections_refused_total 3.0\n" in await served.application.edge.metrics.text()
        for _, writer in [*busy, *out]:
            writer.close()


async def test_bodies_of_unknown_callers_keep_nobody_out(config: Config, clock: FakeClock) -> None:
    """They stall, in every number: what they may take together is their own."""
    small = msgspec.structs.replace(config, events=msgspec.structs.replace(config.events, request_bytes=32 << 10))
    async with serving(small, clock) as served:
        stalled = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(20)]
        for _, writer in stalled:
            writer.write(_post("/v1/events", 30 << 10, key=None) + b" " * (20 << 10))
        unknown = served.application.edge.budgets.unknown_bodies
        while unknown.used_bytes <= unknown.owner_bytes - (20 << 10):
            await asyncio.sleep(0)
        body = {"eventType": "a", "data": {"text": "x" * 4000}}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}") as client:
            for path in ("/v1/events", "/v1/snapshots?endpoint=a"):
                answer = await client.post(path, json=body, headers=bearer(served.keys.project))
                assert answer.status_code in (200, 201)
        for _, writer in stalled:
            writer.close()


async def test_clients_that_stop_reading_are_disconnected(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STALL_SECONDS", 0.05)
    headers = {**bearer(served.keys.project), "content-type": "application/json"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}", timeout=60) as client:
        sent = await client.post("/v1/snapshots?endpoint=a", content=b"[%b]" % (b" " * (32 << 20)), headers=headers)
        assert sent.status_code == 201
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
    head = f"GET /v1/snapshots/{sent.json()['snapshot']['id']}/data HTTP/1.1\r\nhost: d\r\n"
    writer.write(f"{head}authorization: Bearer {served.keys.project}\r\n\r\n".encode())
    answers = served.application.edge.budgets.answers
    while not answers.used_bytes:
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        while answers.used_bytes:
            await asyncio.sleep(0)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(32 << 20)
    writer.close()


async def test_answers_count_until_their_clients_have_taken_them(served: Served) -> None:
    """Such as are not large: many connections may wait for one each."""
    size = 900_000
    headers = {**bearer(served.keys.project), "content-type": "application/json"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}", timeout=60) as client:
        sent = await client.post("/v1/snapshots?endpoint=a", content=b"[%b]" % (b" " * size), headers=headers)
        assert sent.status_code == 201
    head = f"GET /v1/snapshots/{sent.json()['snapshot']['id']}/data HTTP/1.1\r\nhost: d\r\n"
    request = f"{head}connection: close\r\nauthorization: Bearer {served.keys.project}\r\n\r\n".encode()
    waiting = []
    for _ in range(3):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", served.port))
        waiting.append(await asyncio.open_connection(sock=connection, limit=1024))
        waiting[-1][1].write(request)
    answers = served.application.edge.budgets.answers
    async with asyncio.timeout(30):
        while answers.used_bytes < 3 * size:
            await asyncio.sleep(0)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert answers.used_bytes >= 3 * size
        for reader, writer in waiting:
            assert len(await reader.read()) > size
            writer.close()
        while answers.used_bytes:
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "expected", "raised"),
    [
        (1024, 524288, 4096, 4096, 4096 + server.RESERVED_FILES),
        (1024, 1024, 4096, 1024 - server.RESERVED_FILES, 1024),
        (1024, 2000, 4096, 2000 - server.RESERVED_FILES, 2000),
        (1 << 20, 1 << 20, 4096, 4096, None),
        (64, 64, 4096, 16, 64),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 4096, 4096, None),
        (1024, resource.RLIM_INFINITY, 4096, 4096, 4096 + server.RESERVED_FILES),
    ],
)
def test_as_many_connections_as_files_may_be_open(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, wanted: int, expected: int, raised: int | None
) -> None:
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_to.append(limits))
    assert server.most_connections(wanted) == expected
    assert set_to == ([] if raised is None else [(raised, hard)])


class Wire:
    """A transport that notes what is written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> None:
        return None


def answering(wire: Wire) -> server._AnswerTransport:
    def end() -> None:
        wire.closed = True

    return server._AnswerTransport(wire, end, asyncio.get_running_loop())


async def test_a_head_goes_with_the_body_that_comes_at_once() -> None:
    wire = Wire()
    answer = answering(wire)
    answer.write(b"head ")
    answer.write(b"body")
    answer.write(b"more")
    await asyncio.sleep(0)
    assert wire.written == [b"head body", b"more"]


async def test_a_head_does_not_wait_for_a_body_that_comes_later() -> None:
    wire = Wire()
    answer = answering(wire)
    answer.write(b"head ")
    assert wire.written == []
    await asyncio.sleep(0)
    assert wire.written == [b"head "]
    answer.write(b"body")
    assert wire.written == [b"head ", b"body"]


async def test_a_head_without_a_body_is_sent_before_the_end() -> None:
    wire = Wire()
    answer = answering(wire)
    answer.write(b"head ")
    answer.close()
    assert (wire.written, wire.closed) == ([b"head "], True)


async def test_nothing_is_written_to_what_is_closed() -> None:
    wire = Wire()
    answer = answering(wire)
    answer.write(b"head ")
    wire.closed = True
    answer.write(b"body")
    await asyncio.sleep(0)
    assert wire.written == []
