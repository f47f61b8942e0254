"""Requests to other servers, here to one that misbehaves in each of these ways."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from delta_server.config.sections import Egress
from delta_server.egress import dialing
from delta_server.egress.client import Bounds, Client, RequestFailed

LOCAL = Egress(allow_cidrs=("127.0.0.0/8",))
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\nok"


class Canary:
    """A server that answers with fixed bytes and keeps what it was sent."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def answering(answer: bytes | Callable[[bytes], bytes], **options: Any) -> AsyncIterator[Canary]:
    canary = Canary()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            canary.requests.append(request)
            said = answer(request) if callable(answer) else answer
            if said:
                writer.write(said)
                await writer.drain()
            else:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, **options)
    canary.port = server.sockets[0].getsockname()[1]
    try:
        yield canary
    finally:
        server.close()


async def test_an_answer() -> None:
    async with answering(OK) as canary:
        answer = await Client(LOCAL).get(f"{canary.url}/a?b=c", {"authorization": "Bearer x"})
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"ok", "text/plain")
    head = canary.requests[0].decode().split("\r\n")
    assert head[0] == "GET /a?b=c HTTP/1.1"
    assert {f"host: 127.0.0.1:{canary.port}", "accept-encoding: identity", "authorization: Bearer x"} <= set(head)


async def test_a_request_with_a_body() -> None:
    async with answering(OK) as canary:
        assert (await Client(LOCAL).post(canary.url, {"content-type": "text/plain"}, b"abc")).status == 200
    assert b"content-length: 3\r\n" in canary.requests[0]


NAMES = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.0.0.1", "[::ffff:127.0.0.1]", "0", "127.0.0.2"]


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_not_public_is_not_connected_to(name: str) -> None:
    async with answering(OK) as canary:
        with pytest.raises(RequestFailed) as failed:
            await Client(Egress()).get(f"http://{name}:{canary.port}/")
    assert failed.value.reason in ("blocked", "dns")
    assert canary.requests == []


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["2606:4700::1", "fe80::1"]])
async def test_one_bad_answer_for_a_name_is_enough(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    asked = []

    async def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with answering(OK) as canary:
        with pytest.raises(RequestFailed, match=r"egress\.allow_cidrs"):
            await Client(Egress()).get(f"http://idp.example:{canary.port}/")
    assert (asked, canary.requests) == (["idp.example"], [])


async def test_a_name_is_resolved_once_and_that_address_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of names that answers another address the second time finds nobody who asks."""
    answers = iter(["127.0.0.1"])
    loop = asyncio.get_running_loop()
    system = loop.getaddrinfo

    async def resolve(host: str, port: int, **options: Any) -> Any:
        if host != "idp.example":
            return await system(host, port, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    async with answering(OK) as canary:
        assert (await Client(LOCAL).get(f"http://idp.example:{canary.port}/")).status == 200
    assert f"host: idp.example:{canary.port}".encode() in canary.requests[0]


def redirect(to: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n".encode()


REDIRECTS = [
    ("http://169.254.169.254/latest/meta-data/", "blocked"),
    ("http://10.0.0.1/", "blocked"),
    ("//10.0.0.1/", "blocked"),
    ("http://[fd00::1]/", "blocked"),
    ("file:///etc/passwd", "address"),
    ("http://user@127.0.0.1/", "address"),
    ("http://[", "address"),
    ("//[x]/", "address"),
    ("/", "redirect"),
]


@pytest.mark.parametrize(("to", "reason"), REDIRECTS)
async def test_redirects_are_checked_again_and_few(to: str, reason: str) -> None:
    async with answering(redirect(to)) as canary:
        with pytest.raises(RequestFailed) as failed:
            await Client(LOCAL).get(canary.url)
    assert failed.value.reason == reason
    assert len(canary.requests) <= 4


async def test_another_server_does_not_get_the_credentials() -> None:
    async with answering(OK) as other, answering(redirect(f"{other.url}/there")) as canary:
        assert (await Client(LOCAL).get(canary.url, {"Authorization": "Bearer x"})).body == b"ok"
    assert b"Bearer x" in canary.requests[0]
    assert b"Bearer" not in other.requests[0]


@pytest.mark.parametrize("value", ["Bearer \u00e9", "Bearer a\r\nx: y"])
async def test_a_header_that_cannot_be_sent(value: str) -> None:
    """A provider's access token is whatever it says."""
    async with answering(OK) as canary:
        with pytest.raises(RequestFailed) as failed:
            await Client(LOCAL).get(canary.url, {"authorization": value})
    assert (failed.value.reason, canary.requests) == ("protocol", [])


async def test_a_request_with_a_body_is_not_sent_elsewhere() -> None:
    async with answering(OK) as other, answering(redirect(other.url, 307)) as canary:
        assert (await Client(LOCAL).post(canary.url, {}, b"secret")).status == 307
    assert other.requests == []


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
GOOD = [
    (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
    (b"HTTP/1.0 200\r\n\r\nwithout a reason", b"without a reason"),
    (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok", b"ok"),
    (b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n" + OK, b"ok"),
    (OK + OK, b"ok"),
    (CHUNKED + b"2;a=b\r\nok\r\n0\r\nx: y\r\n\r\n", b"ok"),
    (CHUNKED + b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n", b"a" * 100_000),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n" + b"a" * 900_000, b"a" * 900_000),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", b""),
]


@pytest.mark.parametrize(("answer", "body"), GOOD)
async def test_answers_as_they_come(answer: bytes, body: bytes) -> None:
    async with answering(answer) as canary:
        found = await Client(LOCAL).get(canary.url)
    assert (found.body, found.headers.get("x")) == (body, None)


async def test_headers_that_come_twice_and_with_spaces() -> None:
    said = b"HTTP/1.1 200 OK\r\nLink:  a \r\nlink: b\r\nETag: \xe9\r\ncontent-length: 0\r\n\r\n"
    async with answering(said) as canary:
        found = await Client(LOCAL).get(canary.url)
    assert (found.headers["link"], found.headers["etag"]) == ("a, b", "\xe9")


BROKEN = [
    (b"", "timeout"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", "protocol"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 3000\r\n\r\n" + b"a" * 3000, "too large"),
    (b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 3000, "too large"),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 600, "too large"),
    (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 10_000, "too large"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 500, "too large"),
    (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx", "protocol"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nxx", "protocol"),
    (b"SSH-2.0-OpenSSH\r\n", "protocol"),
    (b"HTTP/1.1 200 OK\r\ncontent-le", "protocol"),
    (CHUNKED + b"2\r\nok\r\n", "protocol"),
    (CHUNKED + b"no\r\n", "protocol"),
    (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "protocol"),
]


@pytest.mark.parametrize(("answer", "reason"), BROKEN)
async def test_answers_that_are_none(answer: bytes, reason: str) -> None:
    bounds = Bounds(seconds=0.3 if reason == "timeout" else 10, size_bytes=2000)
    async with answering(answer) as canary:
        with pytest.raises(RequestFailed) as failed:
            await Client(LOCAL, bounds).get(canary.url)
    assert failed.value.reason == reason


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(RequestFailed) as failed:
            await Client(LOCAL).get(f"http://127.0.0.1:{free.getsockname()[1]}/")
    assert failed.value.reason == "connection"


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_certificate(tmp_path))
    async with answering(OK, ssl=context) as canary:
        with pytest.raises(RequestFailed) as failed:
            await Client(LOCAL).get(f"https://localhost:{canary.port}/")
    assert failed.value.reason == "tls"
    assert canary.requests == []


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def test_the_name_is_what_tls_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though an address is what is connected to."""
    path = _certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    trusting = ssl.create_default_context(cafile=str(path))
    monkeypatch.setattr(dialing, "_system_tls", lambda: trusting)
    async with answering(OK, ssl=context) as canary:
        assert (await Client(LOCAL).get(f"https://localhost:{canary.port}/")).body == b"ok"
        with pytest.raises(RequestFailed) as failed:
            await Client(LOCAL).get(f"https://127.0.0.1:{canary.port}/")
    assert failed.value.reason == "tls"
    assert len(canary.requests) == 1
