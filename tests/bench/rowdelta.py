"""Two deliveries of rows of 200 bytes in random order, of which 5 % changed: rows a second, and the memory it takes.

Each run is a process of its own. Rows are those of both sides. csv-diff is a peer where it is installed; ten million
rows are measured with DELTA_BENCH_LARGE=1.
"""

import importlib.util
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import msgspec

from tests.bench.table import Row, Skip, bench
from tests.bench.turns import TINY, in_turn, sized

SMALL, MEDIUM, LARGE = sized((200_000, 1_000_000, 10_000_000), (2_000, 3_000, 4_000))
ROWS_PER_S, RSS_MB = 300_000, 150

_MEASURED = """
import json, os, sys, time
from pathlib import Path
others = 0
def peak_mb(process):
    status = dict(line.split(":", 1) for line in Path(f"/proc/{{process}}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024
def children():
    return Path(f"/proc/self/task/{{os.getpid()}}/children").read_text().split()
{setup}
started = time.perf_counter()
{work}
seconds = time.perf_counter() - started
cpu = sum(os.times()[:4])
print(json.dumps({{"seconds": seconds, "cpu": cpu, "mb": peak_mb("self") + others, "operations": count}}))
"""

_OURS = _MEASURED.format(
    setup="""
from delta_server import rowdelta
before, after, directory = map(Path, sys.argv[1:4])
""",
    work="""
count = -1
options = rowdelta.Options(key_fields=("id",), spill_directory=directory, two_processes=True)
calls = 0
def progress(rows_before, rows_after, phase):
    global calls, others
    calls += 1
    if phase in ("after", "join", "check") and calls % 16 == 0:
        others = max(others, sum([peak_mb(child) for child in children()]))
with rowdelta.FileSource(before) as old, rowdelta.FileSource(after) as new:
    with rowdelta.compare(old, new, options, progress) as delta, open(directory / "ours.ndjson", "wb") as file:
        for line in delta.ops():
            count += 1
            file.write(line)
""",
)
_DUCKDB = _MEASURED.format(
    setup="""
import duckdb
connection = duckdb.connect(config={"temp_directory": sys.argv[3]})
before, after = [f"read_json('{path}', format = 'newline_delimited')" for path in sys.argv[1:3]]
""",
    work="""
count = connection.execute(
    "COPY (SELECT CASE WHEN a.id IS NULL THEN 'add' WHEN b.id IS NULL THEN 'remove' ELSE 'change' END AS op,"
    f" coalesce(a.id, b.id) AS key, a AS before, b AS after FROM {before} a FULL JOIN {after} b ON a.id = b.id"
    f" WHERE a IS DISTINCT FROM b) TO '{sys.argv[3]}/duckdb.ndjson' (FORMAT json)"
).fetchone()[0]
""",
)
_CSV_DIFF = _MEASURED.format(
    setup="from csv_diff import load_csv, compare",
    work="""
with open(sys.argv[1], newline="") as before, open(sys.argv[2], newline="") as after:
    found = compare(load_csv(before, key="id"), load_csv(after, key="id"))
count = sum(len(found[op]) for op in ("added", "removed", "changed"))
""",
)


class Run(msgspec.Struct, frozen=True):
    seconds: float
    cpu: float
    mb: float
    operations: int


@bench("datasets: 200,000 rows, csv-diff")
def small() -> Iterator[Row]:
    _require_linux()
    with tempfile.TemporaryDirectory() as directory:
        for suffix in (".ndjson", ".csv"):
            files = [*_deliveries(Path(directory), SMALL, suffix), Path(directory)]
            tables = [*_deliveries(Path(directory), SMALL, ".csv"), Path(directory)]
            runs = in_turn(partial(_run, _OURS, files), partial(_csv_diff, tables), rounds=3)
            yield from _rows(f"datasets: {SMALL:,} rows, {suffix}", SMALL, [ours for ours, _ in runs])
            peers = [(ours, peer) for ours, peer in runs if peer is not None]
            if peers:
                ratios = tuple(peer.seconds / ours.seconds for ours, peer in peers)
                name = f"datasets: {SMALL:,} rows, {suffix}: times as fast as csv-diff"
                yield Row(
                    name,
                    median(ratios),
                    "x",
                    bar=5,
                    at_least=True,
                    note=f"its files are CSV; {median(peer.cpu for _, peer in peers):.2f} s of its CPU",
                )


def _csv_diff(paths: list[Path]) -> Run | None:
    return _run(_CSV_DIFF, paths) if importlib.util.find_spec("csv_diff") else None


@bench("datasets: 1,000,000 rows, DuckDB")
def medium() -> Iterator[Row]:
    yield from _beside_duckdb(MEDIUM, rounds=3)


@bench("datasets: 10,000,000 rows, DuckDB")
def large() -> Iterator[Row]:
    if not (TINY or os.environ.get("DELTA_BENCH_LARGE")):
        raise Skip("it takes minutes and 6 GB of disk: DELTA_BENCH_LARGE=1")
    yield from _beside_duckdb(LARGE, rounds=1)


def _require_linux() -> None:
    if not Path("/proc/self/status").exists():
        raise Skip("memory is read from /proc")


def _beside_duckdb(count: int, *, rounds: int) -> Iterator[Row]:
    _require_linux()
    with tempfile.TemporaryDirectory() as directory:
        files = [*_deliveries(Path(directory), count, ".ndjson"), Path(directory)]
        runs = in_turn(lambda: _run(_OURS, files), lambda: _run(_DUCKDB, files), rounds=rounds)
        yield from _rows(f"datasets: {count:,} rows", count, [ours for ours, _ in runs])
        assert all(ours.operations == peer.operations for ours, peer in runs)
        pairs = [[getattr(side, what) for side in run] for what in ("seconds", "mb") for run in runs]
        times, memory = pairs[: len(runs)], pairs[len(runs) :]
        for what, unit, found, bar in (("time", "s", times, 1.2), ("memory", "MB", memory, 0.25)):
            ours, peer = (median(side) for side in zip(*found, strict=True))
            ratios = tuple(mine / other for mine, other in found)
            name = f"datasets: {count:,} rows, {what}"
            note = f"{median(run.cpu for _, run in runs):.2f} s of the peer's CPU"
            yield Row(name, ours, unit, peer, "DuckDB, a full join on all cores", bar=bar, ratios=ratios, note=note)


def _rows(name: str, count: int, runs: list[Run]) -> Iterator[Row]:
    took = median(run.seconds for run in runs)
    note = f"{took:.2f} s, {median(run.cpu for run in runs):.2f} s of CPU, {runs[0].operations:,} operations"
    yield Row(f"{name}, both sides", 2 * count / took, "rows/s", bar=ROWS_PER_S, at_least=True, note=note)
    yield Row(
        f"{name}, peak", max(run.mb for run in runs), "MB", bar=RSS_MB, note="RSS of all its work, with all imports"
    )


def _run(script: str, paths: list[Path]) -> Run:
    done = subprocess.run([sys.executable, "-c", script, *map(str, paths)], capture_output=True, check=True)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Run)  # DuckDB writes of its progress


def _deliveries(directory: Path, count: int, suffix: str) -> tuple[Path, Path]:
    """4 % of the rows changed, half a per cent gone and as many new."""
    before, after = directory / f"before{suffix}", directory / f"after{suffix}"
    if before.exists():
        return before, after
    chance = random.Random(7)
    order = list(range(count))
    amounts = [chance.randrange(10**6) for _ in order]
    line = _csv_line if suffix == ".csv" else _json_line
    with before.open("wb") as file:
        chance.shuffle(order)
        file.write(_CSV_NAMES if suffix == ".csv" else b"")
        file.writelines(line(i, amounts[i]) for i in order)
    with after.open("wb") as file:
        chance.shuffle(order)
        file.write(_CSV_NAMES if suffix == ".csv" else b"")
        file.writelines(line(i, amounts[i] + (i % 25 == 0)) for i in order if i % 200 != 7)
        file.writelines(line(i, 5) for i in range(count, count + count // 200))
    return before, after


_CSV_NAMES = b"id,name,email,amount,currency,city,status,note\n"


def _json_line(i: int, cents: int) -> bytes:
    return (
        b'{"id":%d,"name":"Customer number %d","email":"customer%d@example.com","amount":%d.%02d1,"currency":"EUR",'
        b'"city":"Bern","status":"active","note":"%b"}\n' % (i, i, i, cents // 100, cents % 100, b"x" * 50)
    )


def _csv_line(i: int, cents: int) -> bytes:
    return b"%d,Customer number %d,customer%d@example.com,%d.%02d1,EUR,Bern,active,%b\n" % (
        i, i, i, cents // 100, cents % 100, b"x" * 50,
    )  # fmt: skip
