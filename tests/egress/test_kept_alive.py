"""Connections that stay open: guarded when they are made, used for one destination, closed when in doubt."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from delta_server.config.sections import Egress
from delta_server.egress import dialing, kept_alive
from delta_server.egress.dialing import RequestFailed
from delta_server.egress.kept_alive import Connections, Reply
from tests.egress.test_client import LOCAL, NAMES, OK, _certificate, answering
from tests.features.webhooks.receiver import NO_CONTENT, Receiver, answer, receiving


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    made = Connections(LOCAL)
    yield made
    made.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def post(connections: Connections, url: str, body: bytes = b"{}", *, seconds: float = 5) -> Reply:
    return await connections.send("POST", url, {"x-a": "b"}, body, seconds=seconds)


async def test_requests_share_a_connection(connections: Connections, receiver: Receiver) -> None:
    receiver.next_answers([answer(200, b"hello", retry_after="7"), b"HTTP/1.1 103 X\r\na: b\r\n\r\n" + NO_CONTENT])
    first, second = await post(connections, receiver.url), await post(connections, f"{receiver.url}?b")
    assert (first.status, first.body, first.headers["retry-after"]) == (200, b"hello", "7")
    assert (second.status, "a" in second.headers, receiver.connections) == (204, False, 1)
    assert [each.line for each in receiver.received] == ["POST /in HTTP/1.1", "POST /in?b HTTP/1.1"]
    assert receiver.received[0].headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_not_public_is_not_connected_to(name: str, receiver: Receiver) -> None:
    with pytest.raises(RequestFailed) as failed:
        await post(Connections(Egress()), f"http://{name}:{receiver.port}/")
    assert failed.value.reason in ("blocked", "dns")
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "url", ["ftp://a/", "http://a b/", "http://u:p@a/", "//a", "", "http://a/\r\nx: y", "http://a/#f"]
)
async def test_what_is_no_address_is_not_looked_up(url: str, connections: Connections) -> None:
    with pytest.raises(RequestFailed) as failed:
        await post(connections, url)
    assert failed.value.reason == "address"


async def test_each_new_connection_is_checked(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    """A name that moves to an address that is not allowed is not followed there; a connection that is open stays."""
    loop = asyncio.get_running_loop()
    answers = iter(["127.0.0.1", "10.0.0.1"])

    async def resolve(host: str, port: int, **options: Any) -> Any:
        return [(2, 1, 6, "", (next(answers), port))]

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    connections = Connections(Egress(allow_cidrs=("127.0.0.1/32",)))
    url = f"http://hook.example:{receiver.port}/"
    receiver.next_answers([NO_CONTENT, answer(200, connection="close")])
    assert [(await post(connections, url)).status for _ in range(2)] == [204, 200]
    with pytest.raises(RequestFailed) as failed:
        await post(connections, url)
    assert (failed.value.reason, receiver.connections) == ("blocked", 1)


async def test_a_connection_that_was_closed_meanwhile_is_made_again(
    connections: Connections, receiver: Receiver
) -> None:
    receiver.next_answers([NO_CONTENT, b"connection: close"])
    assert (await post(connections, receiver.url)).status == 204
    closed = iter([True])
    receiver.behave = lambda _: b"" + (b"connection: close" if next(closed, False) else NO_CONTENT)
    with pytest.raises(RequestFailed) as failed:  # half an answer: whether it was taken nobody knows
        await post(connections, receiver.url)
    assert failed.value.reason == "protocol"
    assert ((await post(connections, receiver.url)).status, receiver.connections) == (204, 2)


async def test_what_is_sent_without_being_asked_for_is_nobodys_answer(
    connections: Connections, receiver: Receiver
) -> None:
    receiver.next_answers([NO_CONTENT + answer(500, b"not yours")])
    assert (await post(connections, receiver.url)).status == 204
    await asyncio.sleep(0)
    assert ((await post(connections, receiver.url)).status, receiver.connections) == (204, 2)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "protocol"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 9000, "too large"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 3000, "too large"),
        (b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: h\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200", "timeout"),
        (None, "timeout"),
    ],
)
async def test_bad_answers(said: bytes | None, reason: str, connections: Connections, receiver: Receiver) -> None:
    receiver.next_answers([said])
    with pytest.raises(RequestFailed) as failed:
        await post(connections, receiver.url, seconds=0.3)
    assert failed.value.reason == reason


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500_000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 500_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 60_000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nxxx",
    ],
    ids=["no length", "a large one", "chunks", "too little"],
)
async def test_the_status_counts_however_the_body_goes_on(
    said: bytes, connections: Connections, receiver: Receiver
) -> None:
    receiver.next_answers([said])
    reply = await post(connections, receiver.url, seconds=0.5)
    assert (reply.status, reply.body[:3], len(reply.body) <= kept_alive.KEPT_BYTES) == (200, b"xxx", True)
    assert (await post(connections, receiver.url)).status == 204
    assert receiver.connections == 2


async def test_certificates_are_checked_for_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    async with answering(OK, ssl=context) as canary:
        with pytest.raises(RequestFailed) as failed:
            await post(Connections(LOCAL), f"https://localhost:{canary.port}/")
        assert (failed.value.reason, canary.requests) == ("tls", [])
        trusting = ssl.create_default_context(cafile=str(path))
        monkeypatch.setattr(dialing, "_system_tls", lambda: trusting)
        connections = Connections(LOCAL)
        assert (await post(connections, f"https://localhost:{canary.port}/", b"")).status == 200
        with pytest.raises(RequestFailed):
            await post(connections, f"https://127.0.0.1:{canary.port}/")
        connections.close()


async def test_headers_with_line_breaks_are_not_sent(connections: Connections, receiver: Receiver) -> None:
    for headers in ({"a": "b\r\nc: d"}, {"a\n": "b"}, {"a": "\N{SNOWMAN}"}):
        with pytest.raises(RequestFailed):
            await connections.send("POST", receiver.url, headers, b"", seconds=1)
    assert receiver.connections == 0


async def test_idle_connections_are_closed(
    connections: Connections, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post(connections, receiver.url)
    connections.close_idle()
    await post(connections, receiver.url)
    assert receiver.connections == 1
    monkeypatch.setattr(kept_alive, "IDLE_S", 0.0)
    connections.close_idle()
    await post(connections, receiver.url)
    assert receiver.connections == 2
