"""A history as a table: the intervals of all records of an array to Parquet, beside git-history's SQLite database of
the same versions."""

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from delta_server import app
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.tables.request import TableRequest
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.exports import service
from delta_server.features.snapshots.importing import Version
from delta_server.services import Services
from delta_server.storage.sqlite.options import Storage
from tests import histories
from tests.bench.history import fill
from tests.bench.lives import commit, installed
from tests.bench.table import Row, Skip, bench
from tests.bench.turns import ROUNDS, TINY

NAME, ARRAY, KEY = "ca-fires", "Incidents", "UniqueId"
MOST_S, TIMES_AS_FAST = 5, 30


@bench("tables: intervals of records to Parquet")
def intervals() -> Iterator[Row]:
    if NAME not in histories.names():
        raise Skip(f"there is no history {NAME}")
    history = [Version(times.parse(line.at, field="at"), line.body.encode()) for line in histories.lines(NAME)]
    took_s, size = asyncio.run(_ours_s(history))
    kb = sorted(len(version.body) for version in history)[len(history) // 2] // 1000
    note = f"{len(history):,} versions of {kb} kB, {size / 1e3:.0f} kB of Parquet, with the start of its process"
    yield Row("tables: intervals to Parquet", took_s, "s", bar=MOST_S, note=note)
    with tempfile.TemporaryDirectory() as directory:
        theirs_s = _peer_s(Path(directory), [version.body for version in history])
    if theirs_s is not None:
        yield Row(
            "tables: intervals, times as fast as git-history",
            theirs_s / took_s,
            "x",
            bar=TIMES_AS_FAST,
            at_least=True,
            note=f"it took {theirs_s:.1f} s",
        )


async def _ours_s(history: list[Version]) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as directory:
        async with app.open_services(Config(storage=Storage(data_dir=Path(directory) / "data"))) as svc:
            endpoint = await fill(svc, NAME, history)
            rounds = [await _table_s(svc, endpoint) for _ in range(ROUNDS)]
    return median(took_s for took_s, _ in rounds), rounds[0][1]


async def _table_s(svc: Services, endpoint: EndpointRef) -> tuple[float, int]:
    began = time.perf_counter()
    pieces = await service.history(svc, endpoint, TableRequest(array=f"/{ARRAY}"), "parquet")
    size = sum([len(piece) async for piece in pieces])
    return time.perf_counter() - began, size


def _peer_s(directory: Path, bodies: list[bytes]) -> float | None:
    """None where it is not to be had."""
    program = shutil.which("git-history") or (None if TINY else installed(directory / "peer"))
    if program is None or shutil.which("git") is None:
        return None
    repository = directory / "git"
    commit(repository, bodies)
    convert = f'json.loads(content)["{ARRAY}"]'
    command = [program, "file", str(directory / "peer.db"), "f", "--id", KEY, "--convert", convert, "--silent"]
    began = time.perf_counter()
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    return time.perf_counter() - began
