"""What it costs to know who asks and how often: the limiter by itself, and requests with a key or an access token.

DELTA_BENCH_BASE is the directory of another build, with its .venv, that a row has beside this one.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from delta_server.core.rates import Rate
from delta_server.storage.limiter_memory import MemoryLimiter
from tests.bench import load
from tests.bench.load import Connection, Load, Send
from tests.bench.table import Row, Skip, bench
from tests.bench.turns import compared, in_turn, sized
from tests.server_process import FROM_SOURCE, ROOT, create_key, environment, run, serving

CHECKS = sized(200_000, 200)
ADDRESSES = sized(1_000_000, 1_000)
REQUESTS = sized(400, 5)
ROUNDS = sized(9, 2)
CONNECTIONS, EACH = sized(32, 2), sized(100, 2)
TRACK_ROUNDS = sized(7, 1)
RATE = Rate(300_000)
START_MS = 1_767_225_600_000
PASSWORD = "correct horse battery"
_ALL_ON: Mapping[str, str] = {}
_OFF = {f"DELTA_RATE_LIMITS_{name}_PER_MINUTE": "off" for name in ("INGEST", "QUERY", "AUTH", "UNAUTHORIZED")}


@bench("limits: one check")
def check() -> Iterator[Row]:
    limiter = MemoryLimiter()
    who = ("ingest", 1, "203.0.113.9", "9mXk2VbTq0a")
    yield Row("a check of a caller who is known", _check_us([who] * CHECKS, limiter), "us", bar=5, bar_on="ours")
    many = [("ingest", 1, f"2001:db8:{n >> 16:x}:{n & 0xFFFF:x}::/64", "9mXk2VbTq0a") for n in range(CHECKS)]
    yield Row("a check of a caller who is new", _check_us(many, limiter), "us", bar=5, bar_on="ours")


def _check_us(callers: list[tuple[str, int, str, str]], limiter: MemoryLimiter) -> float:
    """Of the processor's time."""
    started = time.process_time()
    for number, who in enumerate(callers):
        limiter.take(who, RATE, START_MS + number)
    return (time.process_time() - started) / len(callers) * 1e6


@bench("limits: memory of a million addresses")
def memory() -> Row:
    """All come at once, so that none of their times has passed."""
    limiter, before = MemoryLimiter(), _resident_bytes()
    for number in range(ADDRESSES):
        limiter.take(("unauthorized", f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::/64"), RATE, START_MS)
    taken = _resident_bytes() - before
    return Row(f"memory of {ADDRESSES:,} addresses", taken / 1e6, "MB", bar=100, bar_on="ours")


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@bench("limits: a GET with a key or an access token")
def authenticated() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        key = create_key(directory, "bench")
        add = [*FROM_SOURCE, "user", "add", "ada@example.com", "--role", "owner"]
        subprocess.run(add, cwd=directory, env=environment(), input=f"{PASSWORD}\n", text=True, check=True)
        with serving(directory, DELTA_LOG_LEVEL="warning") as server, Connection(server.url, "") as nobody:
            login = json.dumps({"email": "ada@example.com", "password": PASSWORD}).encode()
            token = json.loads(nobody.post("/v1/auth/login", login, wanted=200))["access_token"]
            for what, credential, bar in (("a key", key, 1.4), ("an access token", token, 1.5)):
                with Connection(server.url, credential) as caller:
                    target = f"/v1/projects/{json.loads(caller.get('/v1/projects'))['data'][0]['id']}"
                    rounds = in_turn(
                        partial(_get_ms, caller, target), partial(_get_ms, nobody, "/v1/health"), rounds=ROUNDS
                    )
                yield compared(
                    f"GET /v1/projects/ID with {what}",
                    "ms",
                    rounds,
                    "GET /v1/health with none",
                    bar=bar,
                    note=f"one connection, medians of {REQUESTS} requests",
                )


@bench("limits: POST /v1/track with limits and without")
def track() -> Row:
    """By the processor's time of the server: that of the clients, and of everybody else, is not in it."""
    rounds = in_turn(lambda: _tracked()[1], lambda: _tracked(env=_OFF)[1], rounds=TRACK_ROUNDS)
    note = f"{CONNECTIONS} connections, {EACH} requests each, processor's time of the server for one"
    return compared("a single event with rate limits", "us", rounds, "all limits off", bar=1.05, note=note)


@bench("limits: POST /v1/track beside another build")
def track_beside() -> Iterator[Row]:
    """Limits, counters of plans and the audit log are on, as they are at first."""
    base = os.environ.get("DELTA_BENCH_BASE")
    if base is None:
        raise Skip("DELTA_BENCH_BASE names no other build")
    rounds = in_turn(_tracked, partial(_tracked, Path(base)), rounds=TRACK_ROUNDS)
    note = f"{CONNECTIONS} connections, {EACH} requests each"
    rates = [(ours.per_second, theirs.per_second) for (ours, _), (theirs, _) in rounds]
    yield compared("single events", "/s", rates, base, bar=0.95, at_least=True, note=note)
    took = [(ours, theirs) for (_, ours), (_, theirs) in rounds]
    yield compared("  processor's time of the server for one", "us", took, base, bar=1.05)


def _tracked(build: Path = ROOT, env: Mapping[str, str] = _ALL_ON) -> tuple[Load, float]:
    """The load, and the time of the processor that the server took for each request, in us."""
    work = [[(0, b'{"event": "seen", "userId": "u%d"}' % number)] * EACH for number in range(CONNECTIONS)]
    command = FROM_SOURCE if build == ROOT else (str(build / ".venv/bin/python"), *FROM_SOURCE[1:])
    env = {"DELTA_LOG_LEVEL": "warning", "PYTHONPATH": str(build), **env}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        key = run(directory, "key", "create", "--project", "bench", command=command, env=env).stdout.strip()
        with serving(directory, command=command, **env) as server:
            before = _processor_ns(server.process.pid)
            took = load.run(partial(_tracker, server.url, key), work)
            return took, (_processor_ns(server.process.pid) - before) / (CONNECTIONS * EACH) / 1e3


@contextmanager
def _tracker(url: str, key: str) -> Iterator[Send]:
    with Connection(url, key) as connection:
        yield lambda _, body: _accepted(connection.post("/v1/track", body, wanted=200))


def _accepted(answer: bytes) -> None:
    assert b'"accepted":1' in answer, answer


def _processor_ns(pid: int) -> int:
    """Of all threads of a process."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def _get_ms(connection: Connection, target: str) -> float:
    """The median of some requests, one after the other."""
    took = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        connection.get(target)
        took.append(time.perf_counter() - started)
    return median(took) * 1e3
