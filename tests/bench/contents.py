"""The content store beside git: the same versions of one document, imported and packed by both."""

import asyncio
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from delta_server import app
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.features.accounts import service as accounts
from delta_server.features.deltas import service as deltas
from delta_server.features.projects import service as projects
from delta_server.features.snapshots.importing import Version, import_versions
from delta_server.storage.contents import maintenance
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.options import Storage
from tests import histories
from tests.bench.table import Row, Skip, bench
from tests.bench.turns import sized

RATES = "rates"
RATES_VERSIONS = sized(3000, 20)
FIXED_BYTES = 150_000
"""Of less, what an empty database has and what deltas and their index begin with is too large a part to be judged."""

T = TypeVar("T")


class _Side(msgspec.Struct, frozen=True):
    """`stored_bytes` is what the contents take, `file_bytes` all files there are, closed.
    `delta_seconds` is what the deltas between all versions took on top of `seconds`, which git has none of."""

    seconds: float
    stored_bytes: int
    file_bytes: int
    delta_seconds: float = 0


@bench("contents: beside git")
def beside_git() -> Iterator[Row]:
    if shutil.which("git") is None:
        raise Skip("git is not installed")
    empty_bytes = _in_directory(_empty)
    yield Row("contents: an empty database", empty_bytes / 1e3, "kB", bar=64, note="closed")
    for name in [*histories.names(), RATES]:
        history = _rates() if name == RATES else recorded(name)
        raw_bytes = sum(len(version.body) for version in history)
        with tempfile.TemporaryDirectory() as directory:
            git = into_git(Path(directory), history)
        ours = _in_directory(partial(_ours, history=history))
        yield from _stored_rows(name, ours, git, empty_bytes, note=f"{len(history)} versions, {raw_bytes / 1e6:.0f} MB")


def recorded(name: str) -> list[Version]:
    return [Version(times.parse(line.at, field="at"), line.body.encode()) for line in histories.lines(name)]


def _rates() -> list[Version]:
    """Exchange rates: versions about an hour apart, 160 numbers, 50 of them changed in each."""
    rng = random.Random(7)
    rates = {f"{chr(65 + n // 20)}{chr(65 + n % 20)}X": round(rng.uniform(0.5, 200), 4) for n in range(160)}
    history = []
    for number in range(RATES_VERSIONS):
        for name in rng.sample(sorted(rates), 50):
            rates[name] = round(rates[name] * (1 + rng.gauss(0, 0.002)), 4)
        at = 1_700_000_000 + 3600 * number + rng.randrange(300)
        body = msgspec.json.encode({"base": "EUR", "timestamp": at, "rates": rates})
        history.append(Version(at * 1000, body))
    return history


def _stored_rows(name: str, ours: _Side, git: _Side, empty_bytes: int, *, note: str) -> Iterator[Row]:
    theirs, peer = git.stored_bytes / 1e3, "git gc"
    yield Row(
        f"contents: {name}, stored after pack", ours.stored_bytes / 1e3, "kB", theirs, peer, bar=0.7, note=f"{note} raw"
    )
    whole = f"the whole database with its deltas; an empty one has {empty_bytes / 1e3:.0f} kB"
    bar = 0.75 if git.stored_bytes > FIXED_BYTES else None
    yield Row(f"contents: {name}, file", ours.file_bytes / 1e3, "kB", theirs, peer, bar=bar, note=whole)
    peer_bytes, peer = git.file_bytes / 1e3, "all of git's files"
    yield Row(f"contents: {name}, file beside git's directory", ours.file_bytes / 1e3, "kB", peer_bytes, peer)
    peer = "git gc"
    yield Row(f"contents: {name}, file less an empty one", (ours.file_bytes - empty_bytes) / 1e3, "kB", theirs, peer)
    more = f"all deltas take {ours.delta_seconds:.1f} s more"
    peer = "fast-import, gc"
    yield Row(f"contents: {name}, import and pack", ours.seconds, "s", git.seconds, peer, bar=0.25, note=more)


# Ours


def _in_directory(measure: Callable[[Path], Coroutine[Any, Any, T]]) -> T:
    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(measure(Path(directory)))


async def _empty(directory: Path) -> int:
    """What a database takes that has a project and nothing else."""
    async with app.open_services(Config(storage=Storage(data_dir=directory))) as svc:
        await svc.db.write(a_project)
        await svc.db.checkpoint()
    return (directory / "delta.db").stat().st_size


async def _ours(directory: Path, history: list[Version]) -> _Side:
    async with app.open_services(Config(storage=Storage(data_dir=directory))) as svc:
        project = await svc.db.write(a_project)
        started = time.perf_counter()
        await import_versions(svc, project, "history", history, lambda done: None)
        await maintenance.pack_everything(svc.contents)
        seconds = time.perf_counter() - started
        stored_bytes = await svc.db.read(_stored)
        started = time.perf_counter()
        while await deltas.compute_queued(svc):
            pass
        delta_seconds = time.perf_counter() - started
        await maintenance.sweep(svc.contents)
        await svc.db.checkpoint()
    return _Side(seconds, stored_bytes, (directory / "delta.db").stat().st_size, delta_seconds)


def a_project(tx: Tx) -> int:
    return projects.ensure(tx, accounts.default_account(tx), "bench").id


def _stored(tx: Tx) -> int:
    packs = tx.one("SELECT coalesce(sum(length(anchor) + length(data) + length(members)), 0) FROM pack")
    frames = tx.one("SELECT coalesce(sum(length(data)), 0) FROM frame")
    assert packs is not None
    assert frames is not None
    return int(packs[0] + frames[0])


# Git


def _files_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def into_git(directory: Path, history: list[Version]) -> _Side:
    run = partial(subprocess.run, cwd=directory, check=True, capture_output=True)
    run(["git", "init", "-q", "--bare", "--template=", "."])  # without the examples of hooks
    stream = b"".join(map(_commit, history))
    started = time.perf_counter()
    run(["git", "fast-import", "--quiet"], input=stream)
    run(["git", "gc", "--aggressive", "--prune=now", "--quiet"])
    seconds = time.perf_counter() - started
    packs = [path for path in (directory / "objects" / "pack").iterdir() if path.suffix in {".pack", ".idx"}]
    size = sum(path.stat().st_size for path in packs)
    return _Side(seconds, size, _files_bytes(directory))


def _commit(version: Version) -> bytes:
    when = max(0, version.captured_at // 1000)
    head = f"commit refs/heads/main\ncommitter x <x@x> {when} +0000\ndata 0\nM 100644 inline document.json\n"
    return f"{head}data {len(version.body)}\n".encode() + version.body + b"\n"
