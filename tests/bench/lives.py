"""Since when each leaf has its value, beside `git blame` of the same leaves, one a line; and the life of one field of
one record, beside git-history's SQLite database of the same versions."""

import asyncio
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from delta_server import app
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service
from delta_server.features.snapshots.importing import Version
from delta_server.services import Services
from delta_server.storage.sqlite.options import Storage
from tests import histories
from tests.bench.history import fill
from tests.bench.table import Row, Skip, bench
from tests.bench.turns import ROUNDS, TINY, compared, sized

BLAMED = {"ausgrid-planned": 400_000, "ca-fires": 100_000, "usgs-quakes": 0}
"""By history, the least size of the document looked at: the last of ca-fires is nearly empty."""
LEAVES = 1000

VERSIONS, RECORDS, CHANGED = sized(15_000, 60), sized(150, 12), 2
BEGAN_S, EVERY_S = 1_700_000_000, 300
STATUS = ["Assessing", "Crew assigned", "Crew en route", "Repair in progress", "Restored", "Waiting for access"]
GIT_HISTORY = "git-history==0.8"


@bench("blame: 1,000 leaves beside git blame")
def blame() -> Iterator[Row]:
    if shutil.which("git") is None:
        raise Skip("there is no git")
    for name in histories.names():
        if name in BLAMED:
            yield asyncio.run(_blame(name, sized(BLAMED[name], 0)))


async def _blame(name: str, least_bytes: int) -> Row:
    history = [Version(times.parse(line.at, field="at"), line.body.encode()) for line in histories.lines(name)]
    last = max(number for number, version in enumerate(history) if len(version.body) >= least_bytes)
    with tempfile.TemporaryDirectory() as directory:
        async with app.open_services(Config(storage=Storage(data_dir=Path(directory) / "data"))) as svc:
            endpoint = await fill(svc, name, history)
            repository = Path(directory) / "git"
            commit(repository, [b"\n".join(_lines(version.body)) for version in history[: last + 1]])
            rounds = [(await _blame_ms(svc, endpoint, history[last]), _git_blame_ms(repository)) for _ in range(ROUNDS)]
    size = len(history[last].body) // 1000
    return compared(
        f"blame: {name}", "ms", rounds, "git blame", bar=1.5, note=f"{last + 1} versions, the last of {size} kB"
    )


async def _blame_ms(svc: Services, endpoint: EndpointRef, version: Version) -> float:
    began = time.perf_counter()
    found = await service.blame(svc, endpoint, "", limit=LEAVES, time_ms=version.captured_at)
    assert found.complete
    return (time.perf_counter() - began) * 1e3


def _git_blame_ms(repository: Path) -> float:
    began = time.perf_counter()
    subprocess.run(["git", "blame", "-L", f",{LEAVES}", "f"], cwd=repository, check=True, capture_output=True)
    return (time.perf_counter() - began) * 1e3


def _lines(body: bytes) -> Iterator[bytes]:
    """The first leaves, and some more to find them in."""
    lines: list[bytes] = []
    waiting: list[tuple[str, Any]] = [("", msgspec.json.decode(body))]
    while waiting and len(lines) < 2 * LEAVES:
        path, value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting += [(f"{path}/{name}", member) for name, member in reversed(value.items())]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            waiting += [(f"{path}/{_name(element)}", element) for element in reversed(value)]
        else:
            lines.append(path.encode() + b" " + msgspec.json.encode(value))
    return iter([*lines, b""])


def _name(element: dict[str, Any]) -> str:
    return str(element.get("UniqueId", element.get("WebId", element.get("id"))))


def commit(repository: Path, bodies: Sequence[bytes]) -> None:
    """A repository with these versions of the file `f`."""
    run = partial(subprocess.run, check=True, capture_output=True)
    run(["git", "init", "-q", "-b", "main", repository])
    parts = []
    for number, body in enumerate(bodies):
        at = BEGAN_S + EVERY_S * number
        head = b"commit refs/heads/main\ncommitter a <a> %d +0000\ndata 0\nM 100644 inline f\n" % at
        parts.append(head + b"data %d\n" % len(body) + body + b"\n")
    with subprocess.Popen(["git", "fast-import", "--quiet"], cwd=repository, stdin=subprocess.PIPE) as git:
        assert git.stdin is not None
        git.stdin.writelines(parts)
    run(["git", "checkout", "-q", "main"], cwd=repository)


# The life of one field of one record


@bench("lives: one field of one record beside git-history")
def lives() -> Iterator[Row]:
    yield from asyncio.run(_lives())


async def _lives() -> list[Row]:
    bodies = list(outages())
    key = msgspec.json.decode(bodies[0])[RECORDS // 2]["ID"]
    history = [Version(1000 * (BEGAN_S + EVERY_S * n), body) for n, body in enumerate(bodies)]
    with tempfile.TemporaryDirectory() as directory:
        async with app.open_services(Config(storage=Storage(data_dir=Path(directory) / "data"))) as svc:
            endpoint = await fill(svc, "outages", history)
            await svc.db.optimize()
            database = _git_history(Path(directory), bodies)
            rounds, changes = [], 0
            for _ in range(2 * ROUNDS):
                ours, changes = await _life_ms(svc, endpoint, f"/[ID={key}]/STATUS")
                rounds.append((ours, 0.0 if database is None else _peer_ms(database, key, changes)))
            share = svc.db.peek(
                lambda tx: tx.one("SELECT 100.0 * sum(pgsize) FILTER (WHERE name = 'life') / sum(pgsize) FROM dbstat")
            )
    note = f"{changes} changes in {VERSIONS} versions of {len(bodies[0]) // 1000} kB"
    index = Row("lives: the index, of the whole file", share[0] if share else 0.0, "%", bar=10.0, bar_on="ours")
    if database is None:
        return [Row("lives: one field", median(ours for ours, _ in rounds), "ms", note=note), index]
    return [compared("lives: one field", "ms", rounds, "git-history", bar=3.0, note=note), index]


async def _life_ms(svc: Services, endpoint: EndpointRef, path: str) -> tuple[float, int]:
    began = time.perf_counter()
    found = await service.get_history(svc, endpoint, path, TimelineSpan(descending=False), limit=1000)
    assert found.next is None
    return (time.perf_counter() - began) * 1e3, len(found.changes)


def outages() -> Iterator[bytes]:
    """Versions of an array of power cuts, of which a few change each time."""
    rng = random.Random(7)
    rows: list[dict[str, Any]] = [
        {
            "ID": 336_800 + number,
            "STATUS": rng.choice(STATUS),
            "CUSTOMERS_AFFECTED": rng.randrange(1, 4000),
            "CAUSE": rng.choice(["Weather", "Equipment", "Vegetation", "Third party"]),
            "LATITUDE": round(rng.uniform(34, 42), 5),
            "LONGITUDE": round(rng.uniform(-124, -116), 5),
            "STARTED": f"2026-01-{rng.randrange(1, 29):02d}T{rng.randrange(24):02d}:00:00Z",
            "ETA": None,
            "REGION": rng.choice(["North", "Bay", "Central", "Coast"]),
            "CREW": f"C-{rng.randrange(1000):04d}",
        }
        for number in range(RECORDS)
    ]
    for _ in range(VERSIONS):
        for row in rng.sample(rows, CHANGED):
            name = rng.choice(["STATUS", "CUSTOMERS_AFFECTED", "ETA", "CREW"])
            row[name] = {
                "STATUS": rng.choice(STATUS),
                "CUSTOMERS_AFFECTED": rng.randrange(1, 4000),
                "ETA": f"2026-02-{rng.randrange(1, 29):02d}T{rng.randrange(24):02d}:30:00Z",
                "CREW": f"C-{rng.randrange(1000):04d}",
            }[name]
        yield msgspec.json.format(msgspec.json.encode(rows), indent=1)


def _git_history(directory: Path, bodies: Sequence[bytes]) -> sqlite3.Connection | None:
    """The peer's database; None where it is not to be had."""
    program = shutil.which("git-history") or (None if TINY else installed(directory / "peer"))
    if program is None or shutil.which("git") is None:
        return None
    commit(directory / "git", bodies)
    database = directory / "peer.db"
    command = [program, "file", str(database), "f", "--id", "ID", "--silent"]
    subprocess.run(command, cwd=directory / "git", check=True, capture_output=True)
    return sqlite3.connect(database)


def installed(directory: Path) -> str | None:
    made = subprocess.run([sys.executable, "-m", "venv", directory], capture_output=True)
    install = [str(directory / "bin" / "pip"), "install", "--quiet", GIT_HISTORY]
    if made.returncode or subprocess.run(install, capture_output=True).returncode:
        return None
    return str(directory / "bin" / "git-history")


def _peer_ms(database: sqlite3.Connection, key: int, changes: int) -> float:
    """As its documentation looks a single item up; what did not change in a version is NULL there."""
    began = time.perf_counter()
    rows = database.execute(
        """SELECT commits.commit_at, item_version.STATUS FROM item_version
           JOIN item ON item._id = item_version._item JOIN commits ON commits.id = item_version._commit
           WHERE item.ID = ? AND item_version.STATUS IS NOT NULL ORDER BY item_version._version""",
        (key,),
    ).fetchall()
    took = (time.perf_counter() - began) * 1e3
    assert len(rows) == changes, f"{len(rows)} changes instead of {changes}"
    return took
