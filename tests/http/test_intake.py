"""What one read brings, however much: parsed in pieces, and no more of it than is wanted."""

import asyncio

import pytest

from delta_server.http import intake, server
from delta_server.http.intake import Intake
from tests.event_loop import MOST_MS, Guard, of_the_server
from tests.http.test_server import Served, served

__all__ = ["served"]

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: d\r\n\r\n"
LAST = HEALTH.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
CHUNKED = b"POST /v1/events HTTP/1.1\r\nhost: d\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n"


class Reading:
    """A transport of which only the reading matters."""

    def __init__(self) -> None:
        self.is_reading = True
        self.is_closed = False

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def is_closing(self) -> bool:
        return self.is_closed


class Fed:
    """An intake, what it was fed, and what it is told."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.body_left = 0
        self.is_held = False
        self.reading = Reading()
        self.intake = Intake(self.reading, self._feed, body_left=lambda: self.body_left, is_held=lambda: self.is_held)

    def _feed(self, data: bytes | memoryview) -> None:
        self.pieces.append(bytes(data))
        self.body_left = max(0, self.body_left - len(data))


async def turns_of_the_loop() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


DATA = bytes(range(256)) * (3 * intake.PIECE_BYTES // 256) + b"end"


async def test_small_reads_are_fed_at_once() -> None:
    fed = Fed()
    fed.intake.receive(b"a")
    fed.intake.receive(b"b")
    assert fed.pieces == [b"a", b"b"]


async def test_a_large_read_is_fed_in_pieces_while_nothing_more_is_read() -> None:
    fed = Fed()
    fed.intake.receive(DATA)
    assert [len(piece) for piece in fed.pieces] == [intake.PIECE_BYTES]
    assert not fed.reading.is_reading
    await turns_of_the_loop()
    assert b"".join(fed.pieces) == DATA
    assert max(map(len, fed.pieces)) == intake.PIECE_BYTES
    assert fed.reading.is_reading


async def test_what_comes_all_the_same_waits_behind_it() -> None:
    fed = Fed()
    fed.intake.receive(DATA)
    fed.intake.receive(b"more")
    await turns_of_the_loop()
    assert b"".join(fed.pieces) == DATA + b"more"


async def test_the_rest_of_a_body_of_known_length_goes_at_once() -> None:
    fed = Fed()
    fed.body_left = len(DATA) - 1
    fed.intake.receive(DATA)
    fed.intake.receive(b"head")
    assert fed.pieces == [DATA[: intake.PIECE_BYTES], DATA[intake.PIECE_BYTES : -1]]
    await turns_of_the_loop()
    assert fed.pieces[2:] == [DATA[-1:], b"head"]


@pytest.mark.parametrize("why", ["paused", "held"])
async def test_nothing_is_fed_or_read_while_it_shall_wait(why: str) -> None:
    fed = Fed()
    fed.intake.receive(DATA)
    if why == "paused":
        fed.intake.pause_reading()
    fed.is_held = why == "held"
    await turns_of_the_loop()
    assert (len(fed.pieces), fed.reading.is_reading) == (1, False)
    fed.is_held = False
    if why == "paused":
        fed.intake.look_again()
        await turns_of_the_loop()
        assert len(fed.pieces) == 1
        fed.intake.resume_reading()
    else:
        fed.intake.look_again()
    await turns_of_the_loop()
    assert b"".join(fed.pieces) == DATA
    assert fed.reading.is_reading


async def test_what_holds_the_feeding_holds_the_reading() -> None:
    fed = Fed()
    fed.is_held = True
    fed.intake.receive(b"small")
    fed.intake.resume_reading()
    await turns_of_the_loop()
    assert (fed.pieces, fed.reading.is_reading) == ([], False)


@pytest.mark.parametrize("how", ["closed", "closing"])
async def test_a_connection_that_ends_is_fed_no_more(how: str) -> None:
    fed = Fed()
    fed.intake.receive(DATA)
    if how == "closed":
        fed.intake.close()
    fed.reading.is_closed = how == "closing"
    await turns_of_the_loop()
    assert len(fed.pieces) == 1


AROUND_A_BODY = {
    "an extension of a chunk": b"\r\n1;a=" + b"a" * 300_000,
    "fields behind the last chunk": b"\r\n1\r\n1\r\n0\r\n" + b"a:\r\n" * 75_000,
    "a field behind the last chunk": b"\r\n1\r\n1\r\n0\r\na: " + b"a" * 300_000,
}


@pytest.mark.parametrize("kind", AROUND_A_BODY)
async def test_there_is_an_end_to_what_surrounds_a_body(
    served: Served, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(server, "LINGER_SECONDS", 0.05)
    answer = await served.raw(CHUNKED + AROUND_A_BODY[kind])
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_fields_behind_a_body_are_dropped(served: Served) -> None:
    key = f"x-api-key: {served.keys.project}\r\n".encode()
    body = b'{"eventType":"a"}'
    chunk = b"%x;a=b\r\n" % len(body) + body + b"\r\n0\r\n"
    # A key behind the body is no key.
    answers = await served.raw(
        CHUNKED + key + b"\r\n" + chunk + b"a: b\r\n\r\n" + CHUNKED + b"\r\n" + chunk + key + b"\r\n" + LAST
    )
    assert [answers.count(b"HTTP/1.1 %d " % status) for status in (401, 200)] == [1, 2], answers


async def test_each_of_many_requests_in_one_read_is_answered(served: Served) -> None:
    answers = await served.raw(HEALTH * 1000 + LAST)
    assert answers.count(b"HTTP/1.1 200 ") == 1001


async def test_requests_behind_a_body_in_one_read_are_answered(served: Served) -> None:
    body = b" " * 100_000 + b"{}"
    headers = f"x-api-key: {served.keys.project}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    request = f"POST /v1/snapshots?endpoint=a HTTP/1.1\r\nhost: d\r\n{headers}\r\n\r\n".encode() + body
    answers = await served.raw((request + HEALTH) * 3 + LAST)
    assert [answers.count(b"HTTP/1.1 %d " % status) for status in (201, 200)] == [3, 4]


async def test_a_head_that_waits_behind_an_answer_is_not_late(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """It came half, while the request before it waits for its own body."""
    is_late = asyncio.Event()
    end_head = server.BoundedProtocol._end_head

    def end(connection: server.BoundedProtocol) -> None:
        end_head(connection)
        is_late.set()

    monkeypatch.setattr(server, "HEAD_SECONDS", 0.02)
    monkeypatch.setattr(server.BoundedProtocol, "_end_head", end)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = f"GET /v1/stream HTTP/1.1\r\nhost: d\r\nx-api-key: {served.keys.project}\r\n\r\n"
    writer.write(head.encode() + HEALTH[:20])
    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    await is_late.wait()
    assert served.application.services.live.open == 1
    writer.write(LAST[20:])
    served.application.stop_streams()
    assert b"HTTP/1.1 200 " in await reader.read()
    writer.close()


LARGE_READS = {
    "requests": HEALTH * 7000 + LAST,
    "requests that are refused": b"GET / HTTP/1.1\r\n\r\n" * 10_000 + LAST,
    "chunks of a byte": CHUNKED + b"\r\n" + b"1\r\n \r\n" * 40_000 + b"0\r\n\r\n" + LAST,
    "fields": HEALTH[:-2] + b"a:\r\n" * 12_000 + b"\r\n" + LAST,
}


@pytest.mark.parametrize("kind", LARGE_READS)
async def test_no_read_keeps_the_event_loop(served: Served, kind: str) -> None:
    guard = Guard()
    with guard.watching():
        with of_the_server():
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(LARGE_READS[kind])
        answers = await reader.read()
        writer.close()
    guard.check(MOST_MS)
    assert answers.count(b"HTTP/1.1 ") > 1
