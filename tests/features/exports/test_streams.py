"""Exports of many events: in little memory, given up when the client goes, broken off when they fail."""

import asyncio
import http.client
import tempfile
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import duckdb
import httpx
import pytest

from delta_server.app import Application
from delta_server.core import csv_text
from delta_server.core.errors import RateLimited, Unavailable
from delta_server.core.events.event import Event
from delta_server.core.query.plan import Listing, Span
from delta_server.features.exports import service
from delta_server.http.asgi import Message
from delta_server.storage.events.duckdb.engine import MAX_STREAMS
from delta_server.storage.events.log import EmbeddedEventLog
from tests.conftest import Keys
from tests.features.queries.made import project
from tests.server_process import FROM_SOURCE, create_key, serving
from tests.storage.opened import START_MS

COUNT, SOME, BATCH = 100_000, 20_000, 10_000
ALL = Span(0, 2 * START_MS)


async def fill(app: Application, count: int) -> int:
    mine = await app.services.db.read(project)
    for first in range(0, count, BATCH):
        events = [
            Event(
                at=START_MS - count + n, received_at=START_MS, type="view", user_id=f"u{n % 1000}", message_id=f"m{n}"
            )
            for n in range(first, min(first + BATCH, count))
        ]
        await app.services.event_writer.append_events(mine, events)
    await app.services.event_maintenance.run_maintenance(mine, seal=True)
    return mine


async def test_many_events_come_in_pieces(app: Application, keys: Keys) -> None:
    mine = await fill(app, SOME)
    forms: tuple[Any, ...] = ("csv", "ndjson", "json", "parquet")
    for form in forms:
        pieces = await service.events(app.services, mine, Listing(ALL, ascending=True), form)
        sizes = [len(piece) async for piece in pieces]
        assert max(sizes) < 1 << 20, form
        assert sum(sizes) > 2 * SOME, form


async def test_a_failure_on_the_way_raises(app: Application, keys: Keys) -> None:
    mine = await fill(app, SOME)
    pieces = await service.events(app.services, mine, Listing(ALL, ascending=True), "csv")
    await anext(pieces)
    await cast("EmbeddedEventLog", app.services.event_reader).close()
    with pytest.raises(Unavailable):
        async for _ in pieces:
            pass


async def test_what_is_given_up_makes_room(app: Application, keys: Keys) -> None:
    mine = await fill(app, SOME)
    for form in ("csv", "parquet") * MAX_STREAMS:
        pieces = await service.events(app.services, mine, Listing(ALL, ascending=True), form)
        async with aclosing(pieces):
            await anext(pieces)
    opened = [await service.events(app.services, mine, Listing(ALL), "ndjson") for _ in range(MAX_STREAMS // 2)]
    with pytest.raises(RateLimited):
        await service.events(app.services, mine, Listing(ALL), "ndjson")
    for pieces in opened:
        await anext(pieces)
        await pieces.aclose()
    assert [piece async for piece in await service.events(app.services, mine, Listing(ALL), "ndjson")]


def test_over_a_socket(tmp_path: Path) -> None:
    """100,000 events through a real server: memory, a client that goes, a server that ends in the middle."""
    key = create_key(tmp_path, "mine")
    with serving(tmp_path, command=FROM_SOURCE) as server:
        _fill_over_http(server.url, key)
        _get(server.url, key, "csv&userId=u1").read()
        before = server.memory_bytes()
        body = _get(server.url, key, "csv").read()
        assert body.count(b"\r\n") == COUNT + 1
        lines = _get(server.url, key, "ndjson").read()
        assert lines.count(b"\n") == COUNT
        with tempfile.NamedTemporaryFile(suffix=".parquet") as file, duckdb.connect() as connection:
            file.write(_get(server.url, key, "parquet").read())
            file.flush()
            sql = f"SELECT count(*), count(DISTINCT messageId), min(messageId) FROM '{file.name}'"
            assert connection.execute(sql).fetchall() == [(COUNT, COUNT, "m0")]
        assert server.memory_bytes() - before < 150 << 20
        for form in ("csv", "parquet") * 6:  # more than may be open at once
            _leave(_get_later(server.url, key, form))
        for answer in [_get_later(server.url, key, "csv") for _ in range(MAX_STREAMS // 2)]:
            _leave(answer)
        spill = tmp_path / "delta-data" / "query-spill"
        assert list(spill.iterdir()) == []
        answer = _get_later(server.url, key, "json")
        assert answer.read(1000)
        server.process.kill()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()


def _fill_over_http(url: str, key: str) -> None:
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        for first in range(0, COUNT, BATCH):
            events = [
                {"eventType": "view", "userId": f"u{n % 1000}", "messageId": f"m{n}", "data": {"n": n}}
                for n in range(first, first + BATCH)
            ]
            assert client.post("/v1/events/batch", json={"events": events}).json()["accepted"] == BATCH


def _get(url: str, key: str, form: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request("GET", f"/v1/export/events?format={form}", headers={"authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    assert answer.status in (200, 429, 503), answer.read()
    return answer


def _get_later(url: str, key: str, form: str) -> http.client.HTTPResponse:
    """As soon as there is room for one more; were those that were given up to run on, never."""
    while (answer := _get(url, key, form)).status in (429, 503):
        answer.read()
    return answer


def _leave(answer: http.client.HTTPResponse) -> None:
    assert answer.read(1000)
    answer.close()


async def test_half_an_export_is_never_a_whole_one(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails on the way goes up to the server, which then closes the connection: the body gets no end."""
    await fill(app, SOME)
    whole, sent = csv_text.text, list[Message]()

    def failing(rows: Any, **options: Any) -> bytes:
        rows = list(rows)
        if len(sent) > 3:
            raise RuntimeError("the disk is gone")
        return whole(rows, **options)

    async def send(message: Message) -> None:
        sent.append(message)

    requests: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if requests:
            return requests.pop()
        await asyncio.Event().wait()  # a client that stays
        raise AssertionError

    monkeypatch.setattr(csv_text, "text", failing)
    scope = {
        "type": "http", "method": "GET", "path": "/v1/export/events", "raw_path": b"/v1/export/events",
        "query_string": b"format=csv", "headers": [(b"host", b"d"), (b"authorization", f"Bearer {keys.read}".encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http", "http_version": "1.1",
        "root_path": "",
    }  # fmt: skip
    with pytest.raises(Exception, match=r"response started|unhandled|disk"):
        await app(scope, receive, send)
    assert sent[0]["status"] == 200
    assert all(message.get("more_body", True) for message in sent)
