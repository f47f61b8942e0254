"""`verify` finds every damage done to stored events, wherever it is; questions that meet it get an error."""

import asyncio
import random
import shutil
from pathlib import Path
from typing import Any, cast

import apsw
import httpx
import msgspec
import pytest
from click.testing import CliRunner, Result

from delta_server import app as delta_app
from delta_server.cli.main import cli
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.errors import Unavailable
from delta_server.core.events.event import Event
from delta_server.services import Services
from delta_server.storage.database import Database
from delta_server.storage.events import verify as verify_module
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.verify import Verifier
from delta_server.storage.sqlite.options import Storage
from tests.cli.served import make_key, serving
from tests.often import seeds
from tests.storage.events.stored import make_project
from tests.storage.opened import FAST

NOW = times.parse("2026-05-10T00:00:00Z", field="")
DAY = times.DAY_MS


def events(now_ms: int, day: int, count: int, first: int) -> list[Event]:
    chance = random.Random(first)
    return [
        Event(
            at=NOW - day * DAY + n * (DAY // count),
            received_at=now_ms,
            type=chance.choice(["view", "buy"]),
            source="web",
            user_id=f"u{n % 20}",
            message_id=f"m{first + n}",
            duration=chance.random(),
            data=msgspec.Raw(msgspec.json.encode({"price": n, "text": "x" * chance.randrange(40)})),
        )
        for n in range(count)
    ]


async def _fill(services: Services, project: int) -> None:
    """Two segments, days apart, one of which is rolled up, and two waiting blocks."""
    now_ms = services.clock.now_ms()  # the keys of what came in long ago would be gone
    for number, day in enumerate((9, 6)):
        await services.event_writer.append_events(project, events(now_ms, day, 1500, 10_000 * number))
        await services.event_maintenance.run_maintenance(project, seal=True, compact=not number)
    for number, day in enumerate((2, 1), 5):
        await services.event_writer.append_events(project, events(now_ms, day, 200, 10_000 * number))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("filled")
    make_key(directory)

    async def fill() -> None:
        config = Config(storage=Storage(data_dir=directory))
        async with delta_app.open_services(config, tuning=FAST) as services:
            await _fill(services, 1)

    asyncio.run(fill())
    return directory


@pytest.fixture
def data_dir(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "data"))


def verify(data_dir: Path) -> Result:
    return CliRunner().invoke(cli, ["verify", "--data-dir", str(data_dir)])


def change(data_dir: Path, sql: str) -> None:
    connection = apsw.Connection(str(data_dir / "delta.db"))
    connection.execute(sql)
    assert connection.changes()
    connection.close()


def flip(data_dir: Path, table: str, column: str, seed: int) -> int:
    """One bit of a value of a random row, as a bad disk would; the row."""
    chance = random.Random(seed)
    connection = apsw.Connection(str(data_dir / "delta.db"))
    rows: list[Any] = connection.execute(f"SELECT rowid FROM {table} WHERE length({column}) > 0").fetchall()
    row: int = chance.choice(rows)[0]
    with connection.blob_open("main", table, column, row, True) as blob:
        place = chance.randrange(blob.length())
        blob.seek(place)
        byte = blob.read(1)[0]
        blob.seek(place)
        blob.write(bytes([byte ^ 1 << chance.randrange(8)]))
    connection.close()
    return row


def test_nothing_is_wrong(data_dir: Path) -> None:
    result = verify(data_dir)
    assert result.exit_code == 0, result.output
    assert "3400 events in " in result.stdout
    assert "2 waiting blocks" in result.stdout
    assert " 0 rollups" not in result.stdout
    assert "runs of deduplication keys: all as they were stored" in result.stdout


PLACES = {
    "segment": ("segment_data", "parquet", "project home: segment {row} ("),
    "rollup": ("rollup_data", "parquet", "project home: rollup {row} ("),
    "events of a block": ("event_block", "events", "project home: waiting block {row} ("),
    "keys of a block": ("event_block", "keys", "project home: the deduplication keys of waiting block {row} ("),
    "keys of a run": ("key_page", "keys", "deduplication run "),
    "filter of a run": ("key_run", "filter", "the filter of deduplication run {row} is not what was stored"),
}


@pytest.mark.parametrize("seed", seeds(3))
@pytest.mark.parametrize(("table", "column", "named"), PLACES.values(), ids=list(PLACES))
def test_one_bit_anywhere_is_noticed_and_named(data_dir: Path, table: str, column: str, named: str, seed: int) -> None:
    row = flip(data_dir, table, column, seed)
    result = verify(data_dir)
    assert result.exit_code == 1, result.output
    assert named.format(row=row) in result.stderr
    assert result.stderr.count("\n") == 2  # the damage, and what to do
    assert "1 fault was found" in result.stdout


_FIRST_ROLLUP = "(SELECT min(id) FROM rollup)"
ROWS = {
    "a segment's count": (
        "UPDATE segment SET events_count = 7 WHERE id = 1",
        "does not hold the events",
    ),
    "a segment's last seq": ("UPDATE segment SET last_seq = last_seq - 1 WHERE id = 1", "does not hold the events"),
    "a segment's time": ("UPDATE segment SET first_at = first_at - 1 WHERE id = 1", "does not hold the events"),
    "a segment's types": ("UPDATE segment SET types = '{\"view\": 7}' WHERE id = 1", "does not hold the events"),
    "a block's count": ("UPDATE event_block SET events_count = 7 WHERE project = 1", "does not hold the events"),
    "a segment's file": ("DELETE FROM segment_data WHERE segment = 1", "segment 1 (2026-05-01"),
    "a rollup's file": (f"DELETE FROM rollup_data WHERE rollup = {_FIRST_ROLLUP}", "project home: rollup "),
    "a rollup's rows": (
        f"UPDATE rollup SET rows_count = rows_count + 1 WHERE id = {_FIRST_ROLLUP}",
        "does not hold the rows",
    ),
    "events not in the rollups": ("UPDATE segment SET rolled = 1 WHERE id = 2", "count 0 events from"),
    "keys": ("DELETE FROM key_page", "does not hold the"),
}


@pytest.mark.parametrize(("sql", "named"), ROWS.values(), ids=list(ROWS))
def test_rows_that_are_not_what_they_were(data_dir: Path, sql: str, named: str) -> None:
    change(data_dir, sql)
    result = verify(data_dir)
    assert result.exit_code == 1, result.output
    assert named in result.stderr


# Files from before there were hashes


def without_hashes(data_dir: Path) -> None:
    for table in ("segment", "rollup", "event_block", "key_page", "key_run"):
        change(data_dir, f"UPDATE {table} SET hash = NULL")


def test_old_files_without_a_hash(data_dir: Path) -> None:
    without_hashes(data_dir)
    assert verify(data_dir).exit_code == 0


@pytest.mark.parametrize("place", ["segment", "events of a block", "filter of a run"])
def test_old_files_are_checked_by_decoding(data_dir: Path, place: str) -> None:
    """One bit may stay unseen there; a torn page does not."""
    without_hashes(data_dir)
    table, column, _ = PLACES[place]
    change(
        data_dir,
        f"UPDATE {table} SET {column} = CAST(substr({column}, 1, 40) || zeroblob(length({column}) - 40) AS BLOB)",
    )
    result = verify(data_dir)
    assert result.exit_code == 1, result.output


# What questions are answered


SPANS = {"segment": (9, 8), "events of a block": (2, 1.5)}
"""Days before NOW in which the first of its kind has its events."""


@pytest.fixture
def client(data_dir: Path) -> Any:
    """To be entered once the data is as the test wants it."""
    return serving(data_dir)


def _range(days: tuple[float, float]) -> list[str]:
    return [times.format(round(NOW - day * DAY)) for day in days]


QUESTIONS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "count": ("/v1/query", {"metrics": ["count"], "groupBy": ["data.price"]}),
    "people by type": ("/v1/query", {"metrics": ["unique_users", "p50_duration"], "groupBy": ["eventType", "tags"]}),
    "sum": ("/v1/query", {"metrics": ["sum_data.price"]}),
    "pattern": ("/v1/query", {"metrics": ["count"], "filters": [["matches", "data.text", "x+"]]}),
    "raw": ("/v1/events/raw?limit=1000&startTime={0}&endTime={1}", None),
    "csv": ("/v1/export/events?startTime={0}&endTime={1}", None),
    "ndjson": ("/v1/export/events?format=ndjson&startTime={0}&endTime={1}", None),
    "parquet": ("/v1/export/events?format=parquet&startTime={0}&endTime={1}", None),
    "sql": ("/v1/sql", {"sql": "select count(*), sum((data->>'price')::int), max(message_id) from events"}),
}


async def _ask(http: httpx.AsyncClient, path: str, body: dict[str, Any] | None, between: list[str]) -> httpx.Response:
    if body is None:
        return await http.get(path.format(*between))
    return await http.post(path, json=body if "sql" in body else {**body, "range": between})


@pytest.mark.parametrize("place", list(SPANS))
@pytest.mark.parametrize("hashed", [True, False], ids=["hashed", "old"])
async def test_what_meets_damage_is_an_error_that_names_it(
    data_dir: Path, client: Any, place: str, hashed: bool
) -> None:
    table, column, _ = PLACES[place]
    if not hashed:
        without_hashes(data_dir)
    first = "(SELECT min(rowid) FROM " + table + ")"
    change(
        data_dir,
        f"UPDATE {table} SET {column} = CAST(substr({column}, 1, 40) || zeroblob(length({column}) - 140)"
        f" || substr({column}, -100) AS BLOB) WHERE rowid = {first}",
    )
    kind = "segment 1 " if place == "segment" else "waiting block "
    async with client as http:
        for name, (path, body) in QUESTIONS.items():
            answer = await _ask(http, path, body, _range(SPANS[place]))
            assert answer.status_code == 500, (name, answer.status_code, answer.text[:300])
            problem = answer.json()
            assert problem["code"] == "DATABASE_ERROR", (name, problem)
            assert kind in problem["message"], (name, problem)
        for name, (path, body) in QUESTIONS.items():
            if "sql" in (body or {}):
                continue
            answer = await _ask(http, path, body, _range((6.01, 5)))
            assert answer.status_code == 200, (name, answer.text)


async def test_a_mistake_of_the_request_stays_one(client: Any) -> None:
    async with client as http:
        for pattern in ("(parquet", "[zstd", "a{2,1}snappy", "DELTA_["):
            body = {"metrics": ["count"], "filters": [["matches", "source", pattern]], "range": _range((9, 8))}
            answer = await http.post("/v1/query", json=body)
            assert answer.status_code == 400, (pattern, answer.text)
        for sql in ("select cast('parquet' as int)", "select * from parquet", "select 'x'::timestamp from events"):
            answer = await http.post("/v1/sql", json={"sql": sql})
            assert answer.status_code == 400, (sql, answer.text)


async def test_an_export_that_meets_damage_on_its_way_breaks_off(data_dir: Path, client: Any) -> None:
    """The second segment's: what was sent before is no whole answer."""
    change(data_dir, "UPDATE segment_data SET parquet = zeroblob(length(parquet)) WHERE segment = 2")
    async with client as http:
        answer = await http.get("/v1/export/events?format=ndjson")
        assert answer.status_code == 500
        assert "segment 2 " in answer.json()["message"]


async def test_damaged_keys_do_not_keep_events_out(data_dir: Path, client: Any) -> None:
    change(data_dir, "UPDATE key_page SET keys = zeroblob(length(keys))")
    change(data_dir, "UPDATE key_run SET filter = CAST(x'ff' || substr(filter, 2) AS BLOB)")
    async with client as http:
        sent = [{"eventType": "view", "messageId": f"new{n}", "timestamp": _range((1, 0))[0]} for n in range(50)]
        answer = await http.post("/v1/events/batch", json={"events": sent})
        assert answer.status_code == 200, answer.text


# Beside a server


@pytest.mark.parametrize("read", [1, 2, 3])
async def test_keys_that_are_merged_meanwhile_are_no_damage(data_dir: Path, read: int) -> None:
    """Before the read with the number `read` the run is gone, and its pages."""
    config = Config(storage=Storage(data_dir=data_dir))
    async with delta_app.open_for_reading(config) as services:

        class Between:
            reads = 0

            async def read(self, fn: Any, *args: Any) -> Any:
                self.reads += 1
                if self.reads == read:
                    change(data_dir, "DELETE FROM key_run")
                    change(data_dir, "DELETE FROM key_page")
                return await services.db.read(fn, *args)

        found = await Verifier(cast("Database", Between()), cast("Engine", None)).keys(lambda done, of: None)
    assert found.broken == []


@pytest.mark.parametrize(("busy", "is_told"), [(2, False), (3, True)])
async def test_what_had_to_let_go_is_tried_again(data_dir: Path, busy: int, is_told: bool) -> None:
    config = Config(storage=Storage(data_dir=data_dir))
    tries: list[object] = []

    class Busy:
        async def run_background(self, project: int, check: object, *, is_evictable: bool) -> object:
            tries.append(is_evictable)
            if len(tries) <= busy:
                raise Unavailable("so much was written")
            return ([], []) if len(tries) == busy + 1 else []

    async with delta_app.open_for_reading(config) as services:
        verifier = Verifier(services.db, cast("Engine", Busy()))
        if is_told:
            with pytest.raises(Unavailable):
                await verifier.project(99, lambda done, of: None)
        else:
            assert (await verifier.project(99, lambda done, of: None)).broken == []
    assert set(tries) == {True}


async def test_a_run_of_many_pages_is_read_a_few_at_a_time(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "_PAGES", 1)
    project = await services.db.write(make_project, "many")
    await services.event_writer.append_events(project, events(services.clock.now_ms(), 1, 1500, 0))
    await services.event_maintenance.run_maintenance(project, seal=True)
    assert (await services.event_maintenance.verify(None, lambda done, of: None)).broken == []
    await services.db.write(lambda tx: tx.run("UPDATE key_page SET keys = zeroblob(4000) WHERE id % 2 = 1"))
    [damage] = (await services.event_maintenance.verify(None, lambda done, of: None)).broken
    assert "pages 1, 3 are not what was stored" in damage
