"""What idle streams of one project cost another project that sends events, and how soon many hear of what happens."""

import contextlib
import selectors
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.load import Connection
from tests.bench.table import Row, bench
from tests.bench.turns import compared, in_turn, sized
from tests.server_process import Server, create_key, serving

STREAMS = sized(100, 4)
EVENTS = sized(1_000, 10)
ROUNDS = sized(9, 1)
CLIENTS = sized(1_000, 5)
HAPPENINGS = sized(10, 2)
REACHED_S, MEMORY_MB = 1.0, 150.0
EVENT = b'{"eventType":"page_view","userId":"user-7","data":{"path":"/pricing"}}'


@bench("streams: ingest beside idle streams of another project")
def idle() -> Iterator[Row]:
    """A project may have half of all streams, and those of the round before may not have ended yet: four times as many
    are allowed."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        key, other = (create_key(directory, of) for of in ("sends", "listens"))
        allowed = str(4 * STREAMS)
        with (
            serving(directory, DELTA_LOG_LEVEL="warning", DELTA_LIMITS_STREAMS=allowed) as server,
            Connection(server.url, key) as connection,
        ):
            alone = partial(_send, server, connection)
            alone()
            rounds = in_turn(partial(_beside, server, connection, other), alone, rounds=ROUNDS)
    for n, (what, bar) in enumerate((("time", None), ("processor time of the server", 1.05))):
        yield compared(
            f"an event, {what}: {STREAMS} idle streams",
            "ms",
            [(beside[n], by_itself[n]) for beside, by_itself in rounds],
            "without",
            bar=bar,
            note=f"{EVENTS} single events a round",
        )


@bench("streams: a happening and 1,000 clients")
def reaching() -> Iterator[Row]:
    """Clients of one project, each with a connection of its own."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as opened:
        key = create_key(Path(name), "listens")
        environment = {"DELTA_LOG_LEVEL": "warning", "DELTA_LIMITS_STREAMS": str(2 * CLIENTS)}
        server = opened.enter_context(serving(Path(name), **environment))
        with Connection(server.url, key) as before:
            _post(before, 0)
        without = server.memory_bytes()
        target = "/v1/stream?topics=snapshots"
        clients = [opened.enter_context(stream(server.url, key, target)) for _ in range(CLIENTS)]
        connection = opened.enter_context(Connection(server.url, key))
        took_s = sorted(
            reached(clients, partial(_post, connection, number), b"snapshot.created")
            for number in range(1, HAPPENINGS + 1)
        )
        memory = (server.memory_bytes() - without) / 1e6
    note = f"the slowest of {HAPPENINGS} snapshots; {took_s[len(took_s) // 2]:.2f} s half of the times"
    yield Row(f"streams: a happening reaches {CLIENTS:,} clients", took_s[-1], "s", bar=REACHED_S, note=note)
    yield Row(f"streams: memory for {CLIENTS:,} clients", memory, "MB", bar=MEMORY_MB, note="after those")


def reached(clients: Sequence[socket.socket], act: Callable[[], object], heard: bytes) -> float:
    """Seconds from the beginning of `act` until every client has heard of it."""
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ, bytearray())
        began = time.perf_counter()
        act()
        while selector.get_map():
            ready = selector.select(timeout=30)
            assert ready, f"{len(selector.get_map())} clients heard nothing"
            for at, _ in ready:
                at.data.extend(at.fileobj.recv(1 << 16))  # type: ignore[union-attr]  # a socket
                if heard in at.data and at.data.endswith(b"\n\n\r\n"):
                    selector.unregister(at.fileobj)
        return time.perf_counter() - began


def _post(connection: Connection, number: int) -> None:
    connection.post("/v1/snapshots?endpoint=watched", b'{"n":%d}' % number)


def _beside(server: Server, connection: Connection, key: str) -> tuple[float, float]:
    with contextlib.ExitStack() as opened:
        for _ in range(STREAMS):
            opened.enter_context(stream(server.url, key))
        return _send(server, connection)


def _send(server: Server, connection: Connection) -> tuple[float, float]:
    """(time, processor time) of an event, in ms."""
    began, used = time.perf_counter(), _cpu_ms(server)
    for _ in range(EVENTS):
        connection.post("/v1/events", EVENT, wanted=200)
    return (time.perf_counter() - began) * 1e3 / EVENTS, (_cpu_ms(server) - used) / EVENTS


def _cpu_ms(server: Server) -> float:
    """Of all the server's threads, to the nanosecond."""
    stats = Path(f"/proc/{server.process.pid}/task").glob("*/schedstat")
    return sum(int(stat.read_text().split()[0]) for stat in stats) / 1e6


@contextlib.contextmanager
def stream(url: str, key: str, target: str = "/v1/stream") -> Iterator[socket.socket]:
    """An open stream that has answered."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        head = f"GET {target} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {key}\r\n\r\n"
        connection.sendall(head.encode())
        received = b""
        while b"retry: " not in received:
            received += connection.recv(1 << 16)
            assert received.startswith(b"HTTP/1.1 200"), received
        yield connection
