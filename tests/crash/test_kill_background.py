"""`kill -9` in the midst of each kind of background work: what was stored is whole, and the work goes on and ends.

The process kills itself in a write that is known by its function's name: while it runs, so that it is half done or on
disk, or once it has been answered.
"""

import asyncio
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from delta_server import app as delta_app
from delta_server.cli.main import cli
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.caller import Caller
from delta_server.core.events.event import Event
from delta_server.core.events.persons import PersonIds
from delta_server.core.query.plan import Listing, Span
from delta_server.core.scopes import opened as opened_scopes
from delta_server.features.endpoints import tasks as endpoint_tasks
from delta_server.features.erasures import service as erasures
from delta_server.services import Services
from delta_server.storage.contents import contents, maintenance
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.options import Storage
from tests.features.history import timelines
from tests.features.history.timelines import Version
from tests.server_process import run
from tests.storage.opened import FAST

DYING_IN = """
import asyncio, os, signal, sys
from delta_server.__main__ import main
from delta_server.features.lives import service
from delta_server.storage.sqlite import adapter

service.FOLDED_FROM = 64  # of the 150 versions here

when, wanted, left = sys.argv.pop(), sys.argv.pop(), int(sys.argv.pop())
write = adapter.SqliteDatabase.write

async def write_or_die(self, fn, *args, **kwargs):
    global left
    left -= adapter.name_of(fn).endswith(wanted)
    if left >= 0 or not adapter.name_of(fn).endswith(wanted):
        return await write(self, fn, *args, **kwargs)
    writing = asyncio.ensure_future(write(self, fn, *args, **kwargs))
    await (asyncio.sleep(0) if when == "in it" else writing)  # the writer's thread has it
    os.kill(os.getpid(), signal.SIGKILL)

adapter.SqliteDatabase.write = write_or_die
main()
"""

PACK, COMPACT, SERVE = ("pack",), ("events", "compact"), ("serve", "--port", "0")
WRITES: list[tuple[tuple[str, ...], str, int]] = [
    (PACK, "contents.packing._frames_to_pack", 2),
    (PACK, "contents.packing._replace_packs", 0),
    (PACK, "endpoints.tasks._delete_some", 3),
    (PACK, "sqlite.maintenance.vacuum_slice", 0),
    (COMPACT, "segments.seal.replace_blocks", 1),
    (COMPACT, "rollups.rollup._store_rollups", 0),
    (COMPACT, "segments.compact.replace", 0),
    (COMPACT, "key_runs.put_pages", 0),
    (COMPACT, "dedup_index.DedupIndex._forget_batch", 0),
    (SERVE, "deltas.computing._store_part", 2),
    (SERVE, "lives.store.replace", 0),
    (SERVE, "segments.erase._replace_segment", 1),
    (SERVE, "sqlite.maintenance.vacuum_slice", 0),
]
"""What runs, the write in which it dies, and how many like it are done before."""

SMALL = {
    "DELTA_LOG_LEVEL": "error",
    "DELTA_PACKS_PACK_CONTENTS": "8",
    "DELTA_PACKS_DEEP_CONTENTS": "32",
    "DELTA_EVENTS_SEAL_EVENTS": "150",
    "DELTA_EVENTS_SEGMENT_EVENTS": "1500",
}
DOCUMENTS, EVENTS, DAYS = 150, 1000, 2
GONE = "gone"


def document(number: int) -> bytes:
    items = b",".join(b'{"id":%d,"n":%d}' % (n, number // (n + 1)) for n in range(20))
    return b'{"number":%d,"items":[%b]}' % (number, items)


def made_events(now_ms: int) -> list[Event]:
    return [
        Event(
            at=now_ms - (n % DAYS) * times.DAY_MS - n,
            received_at=now_ms,
            type=f"type {n % 3}",
            source="web",
            user_id=GONE if n % 10 == 0 else f"user {n % 40}",
            message_id=f"id {n}",
        )
        for n in range(EVENTS)
    ]


async def fill(services: Services) -> None:
    """Documents in loose frames without deltas, a deleted endpoint, sealed and waiting events, and an erasure that
    is to come."""
    kept = await timelines.endpoint_named(services, "kept", project="p")
    other = await timelines.endpoint_named(services, "other", project="p")
    for endpoint, count in ((kept, DOCUMENTS), (other, 50)):
        for number in range(count):
            await timelines.fill(services, endpoint, [Version(1000 * (number + 1), document(number))])
    await services.db.write(lambda tx: tx.run("UPDATE endpoint SET deleted_at = 1 WHERE id = ?", other.id))
    every = made_events(services.clock.now_ms())
    for begin in range(0, EVENTS, 100):
        await services.event_writer.append_events(kept.project, every[begin : begin + 100])
        if begin < EVENTS - 300:
            await services.event_maintenance.run_maintenance(kept.project, seal=True)
    caller = Caller(1, kept.project, opened_scopes("admin"), "key")
    await services.db.write(erasures.request_erasure, kept.project, caller, GONE, as_user=False)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("filled")

    async def work() -> None:
        async with delta_app.open_services(config_of(directory), tuning=FAST) as services:
            await fill(services)

    asyncio.run(work())
    return directory


def config_of(directory: Path) -> Config:
    return Config(storage=Storage(data_dir=directory / "delta-data"))


def run_until_killed(directory: Path, words: tuple[str, ...], *dying: str, **env: str) -> None:
    done = run(directory, *words, *dying, code=DYING_IN, env=SMALL | env, check=False)
    assert done.returncode == -signal.SIGKILL, f"there was no such write: {done.stderr[-1000:]}"


@pytest.mark.parametrize(
    ("words", "write", "before", "when"),
    [(*each, ("in it", "behind it")[number % 2]) for number, each in enumerate(WRITES)],
    ids=[f"{each[0][0]} {each[1]}" for each in WRITES],
)
def test_it_dies_in_the_midst_and_nothing_is_lost(
    filled: Path, tmp_path: Path, words: tuple[str, ...], write: str, before: int, when: str
) -> None:
    directory = Path(shutil.copytree(filled, tmp_path / "copy"))
    run_until_killed(directory, words, str(before), write, when)
    verify(directory)
    asyncio.run(check(directory))
    asyncio.run(go_on(directory))
    verify(directory)
    asyncio.run(check(directory, is_done=True))


def verify(directory: Path) -> None:
    result = CliRunner().invoke(cli, ["verify", "--data-dir", str(directory / "delta-data")])
    assert result.exit_code == 0, result.output
    assert "found" not in result.stdout


async def check(directory: Path, *, is_done: bool = False) -> None:
    """All documents, and each event once; when all work `is_done`, each document has its delta, and nobody is left who
    was to be erased."""
    async with delta_app.open_services(config_of(directory), tuning=FAST) as services:
        kept = await timelines.endpoint_named(services, "kept", project="p")
        rows = await services.db.read(_contents, kept.id)
        bodies = [body async for _, body in contents.read_run(services.contents, kept.id, rows)]
        assert bodies == [document(number) for number in range(DOCUMENTS)]
        users = await counted(services, kept.project)
        gone = users.pop(GONE, 0)
        wanted = Counter(event.user_id for event in made_events(0))
        whole = wanted.pop(GONE)
        assert users == wanted
        assert gone == 0 if is_done else 0 <= gone <= whole
        if is_done:
            assert await services.db.read(_deltas, kept.id) == DOCUMENTS - 1
            assert await services.db.read(lambda tx: tx.all("SELECT name FROM endpoint")) == [("kept",)]


async def go_on(directory: Path) -> None:
    """All that waits, as the loops of a server would do it."""
    async with delta_app.open_services(config_of(directory), tuning=FAST) as services:
        await endpoint_tasks.remove_deleted(services)
        await timelines.compute(services)
        await maintenance.pack_everything(services.contents)
        kept = await timelines.endpoint_named(services, "kept", project="p")
        await services.event_maintenance.erase_person(kept.project, PersonIds((GONE,)))
        await services.event_maintenance.run_maintenance(kept.project, seal=True, compact=True)


def _contents(tx: Tx, endpoint: int) -> list[int]:
    rows = tx.all("SELECT content FROM snapshot WHERE endpoint = ? ORDER BY captured_at", endpoint)
    return [row[0] for row in rows]


def _deltas(tx: Tx, endpoint: int) -> int:
    row = tx.one("SELECT count(*) FROM delta JOIN content ON content.id = delta.content WHERE endpoint = ?", endpoint)
    return int((row or (0,))[0])


async def counted(services: Services, project: int) -> Counter[str | None]:
    answer = await services.event_reader.run_query(project, Listing(Span(0, 1 << 53)))
    ids = [row[answer.columns.index("message_id")] for row in answer.rows]
    assert len(set(ids)) == len(ids), "an event counts twice"
    return Counter(row[answer.columns.index("user_id")] for row in answer.rows)
