"""Random reads of a packed history beside `git cat-file --batch`, which keeps running as the server does: the same
versions in the same order, by turns."""

import asyncio
import hashlib
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any

import msgspec

from delta_server import app
from delta_server.config.sections import Config
from delta_server.features.endpoints import service as endpoints
from delta_server.features.snapshots.importing import Version, import_versions
from delta_server.services import Services
from delta_server.storage.cache import Cache
from delta_server.storage.contents import contents, maintenance
from delta_server.storage.contents.options import Packs
from delta_server.storage.sqlite.options import Storage
from tests import histories
from tests.bench.contents import a_project, into_git, recorded
from tests.bench.table import Row, Skip, bench
from tests.bench.turns import ROUNDS, compared, in_turn, sized

READS = sized(400, 20)
"""Of each round."""
DOCUMENT_BYTES = 130_000
"""The history is the one whose documents are nearest to this."""
KINDS = {
    "deep packs": (Packs(), 4.0),
    "packs": (Packs(deep_bytes=Packs().pack_bytes, deep_contents=Packs().pack_contents), 2.5),
}
"""How contents are packed, `packs` as they are before they merge into deep ones, and the bar."""
PERCENTILES = {"median": 50, "p99": 99}

Read = Callable[[list[int]], list[float]]  # milliseconds of each read


@bench("contents: random reads beside git")
def beside_git() -> Iterator[Row]:
    if shutil.which("git") is None:
        raise Skip("git is not installed")
    history = _nearest()
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        opened = AsyncExitStack()
        stack.callback(lambda: runner.run(opened.aclose()))
        git = _git(stack, Path(directory) / "git", history)
        ours: dict[str, Read] = {}
        for kind, (packs, _) in KINDS.items():
            config = Config(storage=Storage(data_dir=Path(directory) / kind), packs=packs)
            svc = runner.run(opened.enter_async_context(app.open_services(config)))
            endpoint = runner.run(_packed(svc, history))
            ours[kind] = _in(runner, partial(_read, svc, endpoint, history))
            ours[f"{kind}, first"] = _in(runner, partial(_read_first, svc, endpoint, history))
        for kind, read in ours.items():
            yield from _rows(kind, read, git, partial(chance.choices, range(len(history)), k=READS))


def _in(runner: asyncio.Runner, read: Callable[[list[int]], Coroutine[Any, Any, list[float]]]) -> Read:
    return lambda chosen: runner.run(read(chosen))


def _nearest() -> list[Version]:
    def distance(history: list[Version]) -> float:
        return abs(sum(len(version.body) for version in history) / len(history) - DOCUMENT_BYTES)

    return min((recorded(name) for name in histories.names()), key=distance)


def _rows(kind: str, ours: Read, git: Read, choose: Callable[[], list[int]]) -> Iterator[Row]:
    for read in (ours, git):
        read(choose())  # in a process that has read before
    choices = [choose() for _ in range(ROUNDS)]
    mine, theirs = iter(choices), iter(choices)
    rounds = in_turn(lambda: ours(next(mine)), lambda: git(next(theirs)))
    for what, percentile in PERCENTILES.items():
        sides = [(_percentile(one, percentile), _percentile(other, percentile)) for one, other in rounds]
        bar = KINDS[kind][1] if kind in KINDS and what == "p99" else None
        note = f"{READS} reads a round" if kind in KINDS else "nothing in the cache"
        yield compared(f"contents: random read, {kind}, {what}", "ms", sides, "git cat-file", bar=bar, note=note)


def _percentile(read_ms: list[float], percentile: int) -> float:
    return quantiles(read_ms, n=100)[percentile - 1]


async def _packed(svc: Services, history: list[Version]) -> int:
    """The endpoint of the history, all of it in packs."""
    project = await svc.db.write(a_project)
    await import_versions(svc, project, "history", history, lambda done: None)
    await maintenance.pack_everything(svc.contents)
    return (await svc.db.write(endpoints.ensure, project, "history")).id


async def _read(svc: Services, endpoint: int, history: list[Version], chosen: list[int]) -> list[float]:
    read_ms = []
    for index in chosen:
        started = time.perf_counter()
        content = svc.db.peek(contents.content_at, endpoint, history[index].captured_at)
        assert content is not None
        body = await contents.read(svc.contents, endpoint, content.id)
        read_ms.append((time.perf_counter() - started) * 1e3)
        assert len(body) == content.size
    return read_ms


async def _read_first(svc: Services, endpoint: int, history: list[Version], chosen: list[int]) -> list[float]:
    """As `_read`, with an empty cache each time."""
    read_ms = []
    for index in chosen:
        cache = Cache(svc.cache.limit_bytes)
        cache.scratch = svc.cache.scratch
        first = msgspec.structs.replace(svc, contents=msgspec.structs.replace(svc.contents, cache=cache))
        read_ms += await _read(first, endpoint, history, [index])
    return read_ms


def _git(stack: ExitStack, directory: Path, history: list[Version]) -> Read:
    directory.mkdir()
    into_git(directory, history)
    names = [
        hashlib.sha1(b"blob %d\0" % len(version.body) + version.body, usedforsecurity=False).hexdigest().encode()
        for version in history
    ]
    command = ["git", "cat-file", "--batch"]
    running = subprocess.Popen(command, cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    git = stack.enter_context(running)
    stack.callback(lambda: git.stdin and git.stdin.close())

    def read(chosen: list[int]) -> list[float]:
        assert git.stdin is not None
        assert git.stdout is not None
        read_ms = []
        for index in chosen:
            started = time.perf_counter()
            git.stdin.write(names[index] + b"\n")
            git.stdin.flush()
            size = int(git.stdout.readline().split()[2])
            got = git.stdout.read(size + 1)
            read_ms.append((time.perf_counter() - started) * 1e3)
            assert len(got) == len(history[index].body) + 1
        return read_ms

    return read
