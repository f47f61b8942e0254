"""Erasures that a data directory of before there were jobs has open are done by jobs."""

from delta_server.config.sections import Config
from delta_server.core import ids
from delta_server.core.events.persons import PersonIds
from delta_server.features.erasures import service, tasks
from delta_server.storage import jobs
from delta_server.storage.sqlite.connection import open_writer
from delta_server.storage.sqlite.migrate import migrate
from delta_server.storage.sqlite.schema import packaged
from delta_server.tasks.jobs import run_due
from tests import event_loop
from tests.conftest import bearer, client_of, make_keys, started
from tests.features.erasures.conftest import without_loop
from tests.storage.opened import FAST, START_MS, FakeClock

STATES = {
    "waiting": (0, 0, 0, None, None),
    "running": (1, 3, 40, None, None),
    "failed": (1, 3, 40, None, "stored events cannot be read"),
    "done": (3, 3, 120, START_MS - 5, None),
}


def _old(config: Config) -> None:
    """A database as it was made before jobs, with an erasure in each state."""
    config.storage.data_dir.mkdir(exist_ok=True)
    connection = open_writer(config.storage.data_dir / "delta.db", FAST)
    before = tuple(each for each in packaged() if each.number < _number())
    migrate(connection, before, backups=config.storage.data_dir / "backups", now_ms=START_MS)
    connection.execute(
        "INSERT INTO account (id, uid, name, created_at) VALUES (1, x'01', 'default', 0);"
        "INSERT INTO project (id, uid, account, name, description, created_at, updated_at)"
        " VALUES (1, randomblob(16), 1, 'mine', '', 0, 0)"
    )
    for number, (state, (done, total, erased, finished_at, error)) in enumerate(STATES.items(), 1):
        names = "[]" if state == "done" else f'["{state}-1"]'
        connection.execute(
            "INSERT INTO erasure (id, uid, project, digest, names, requested_at, requested_by, state, finished_at,"
            " segments_done, segments_total, events_erased, error) VALUES (?, ?, 1, ?, ?, ?, 'k', ?, ?, ?, ?, ?, ?)",
            (
                *(number, bytes([number] * 16), state.encode(), names, START_MS - 10, state, finished_at),
                *(done, total, erased, error),
            ),
        )
    connection.close()


def _number() -> int:
    return next(each.number for each in packaged() if each.name.endswith("_jobs.sql"))


async def test_open_erasures_go_on_and_done_ones_stay_as_they_were(
    config: Config, clock: FakeClock, loop_guard: event_loop.Guard
) -> None:
    _old(config)
    async with started(without_loop(config, clock)) as app, client_of(app) as client:
        loop_guard.too_long.clear()
        keys = await make_keys(app.services, clock)

        async def told() -> dict[str, tuple[object, ...]]:
            data = (await client.get("/v1/erasures", headers=bearer(keys.read))).json()["data"]
            assert [ids.parse(row["id"], "erasure")[0] for row in data] == [4, 3, 2, 1]
            fields = ("state", "segments_done", "segments_total", "events_erased", "error")
            return dict(zip(reversed(STATES), (tuple(row[name] for name in fields) for row in data), strict=True))

        before = {state: (state, done, total, gone, error) for state, (done, total, gone, _, error) in STATES.items()}
        assert await told() == before
        waiting = await app.services.db.read(jobs.find, 1, bytes([1] * 16))
        assert waiting is not None
        assert service.ids_of(waiting) == PersonIds(("waiting-1",), ("waiting-1",))
        await run_due(app.services, tasks.JOB)
        after = await told()
        assert {row[0] for row in after.values()} == {"done"}
        assert after["done"] == before["done"]
    files = b"".join(path.read_bytes() for path in config.storage.data_dir.glob("delta.db*"))
    assert [state for state in STATES if f"{state}-1".encode() in files] == []
