"""Lines of data directories from before `data` and `metadata` were texts: they hold the objects themselves."""

from typing import Any

import msgspec
import pytest

from delta_server.core.events import event_json
from delta_server.core.events.event import Event, lines
from delta_server.core.query import filters, metrics
from delta_server.core.query.plan import Aggregate, Listing
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.query import answers
from delta_server.storage.events.query.answers import Answers
from delta_server.storage.events.query.read_view import ALWAYS
from delta_server.storage.events.query.runner import QueryRunner
from delta_server.storage.sqlite.adapter import SqliteDatabase
from tests.storage.events.stored import make_project, put_block, seal
from tests.storage.opened import START_MS

DATA, METADATA = b'{"x":1.10,"big":9007199254740993,"text":"a \\"b\\""}', b'{"page":{"path":"/"}}'
OLD = (
    b'{"t":%d,"r":%d,"e":"old","s":1,"d":%s,"m":%s}\n' % (START_MS, START_MS, DATA, METADATA)
    + b'{"t":%d,"r":%d,"e":"old","s":2}\n' % (START_MS + 1, START_MS)
)  # fmt: skip
NEW = [Event(START_MS + 2, START_MS, "new", 3, data=msgspec.Raw(DATA), metadata=msgspec.Raw(METADATA))]


def old_lines(events: Any) -> bytes:
    return OLD


@pytest.mark.parametrize("sealed", [False, True])
async def test_old_and_new_lines_are_read_together(db: SqliteDatabase, engine: Engine, sealed: bool) -> None:
    project = await db.write(make_project)
    their_times = [Event(START_MS, 0, ""), Event(START_MS + 1, 0, "")]
    await db.write(put_block, project, their_times, old_lines)
    await db.write(put_block, project, NEW)
    if sealed:
        await seal(db, engine, project)
    log = QueryRunner(db, engine, Answers({}, answers.compile_aggregate))
    found = await log.run_query(project, Listing(ALWAYS, ascending=True))
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    assert [(row["event_type"], row["data"] is None) for row in rows] == [("old", False), ("old", True), ("new", False)]
    assert [msgspec.json.decode(rows[n]["data"]) for n in (0, 2)] == [msgspec.json.decode(DATA)] * 2
    assert [msgspec.json.decode(rows[n]["metadata"]) for n in (0, 2)] == [msgspec.json.decode(METADATA)] * 2
    assert rows[2]["data"] == DATA.decode()

    where = filters.parse([["is", "data.big", [9007199254740993]]], now_ms=0)
    counted = Aggregate(ALWAYS, (metrics.parse("count", at=""), metrics.parse("sum_data.x", at="")), (), where)
    assert (await log.run_query(project, counted)).rows == [(2, 2.2)]


def test_streams_give_old_lines_as_they_were_sent() -> None:
    (_, first), (_, second), (_, third) = event_json.of_lines(OLD + lines(NEW))
    assert (first.data, first.metadata) == (third.data, third.metadata) == (msgspec.Raw(DATA), msgspec.Raw(METADATA))
    assert (second.data, second.metadata) == (None, None)
