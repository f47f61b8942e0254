"""The write-ahead log is lengthened and checkpointed beside the writer; what was committed survives a crash."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import apsw
import msgspec
import pytest

from delta_server.storage.sqlite import wal_limit, wal_maintenance
from delta_server.storage.sqlite.connection import open_reader, open_writer
from delta_server.storage.sqlite.maintenance import Maintenance, file_bytes
from delta_server.storage.sqlite.wal_limit import WalLimit
from delta_server.storage.sqlite.wal_maintenance import LEAST_BYTES, REST_PAGES, STEP_BYTES, WalMaintenance
from tests.storage.opened import FAST

MANY = 1 << 30
PAYLOAD = 8000


class Database:
    """A writer, whose log is looked after within its commits: no thread, no chance."""

    def __init__(self, directory: Path, *, wal_pages: int = 100_000, wal_bytes: int = MANY) -> None:
        tuning = msgspec.structs.replace(FAST, wal_pages=wal_pages)
        self.path = directory / "delta.db"
        self.log = directory / "delta.db-wal"
        self.writer = open_writer(self.path, tuning)
        self.writer.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")
        self.maintenance = Maintenance(self.path, tuning, wal_bytes=wal_bytes)
        self.upkeep = WalMaintenance(
            self.log, self.writer, self.maintenance, tuning, wal_bytes=wal_bytes, submit=lambda run: run()
        )
        self.page_bytes = self.writer.pragma("page_size") + 24

    def put(self, count: int) -> None:
        for _ in range(count):
            self.writer.execute("INSERT INTO item (body) VALUES (zeroblob(?))", (PAYLOAD,))
            self.upkeep.finish()

    def used_bytes(self) -> int:
        pages, _ = self.writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
        return int(pages * self.page_bytes)

    def close(self) -> None:
        self.upkeep.close()
        self.maintenance.close()
        self.writer.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path)) as database:
        yield database


def test_a_log_that_few_commits_need_is_not_lengthened(database: Database):
    database.put(LEAST_BYTES // (2 * PAYLOAD))
    assert file_bytes(database.log) <= database.used_bytes() + database.page_bytes


def test_nothing_is_allocated_ahead_where_little_space_is_left(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        wal_maintenance, "shutil", SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=STEP_BYTES))
    )
    database.put(2 * LEAST_BYTES // PAYLOAD)
    assert file_bytes(database.log) <= database.used_bytes() + database.page_bytes


def test_long_reads_are_asked_to_release_the_log_before_the_writer_waits_for_them(tmp_path: Path):
    with closing(Database(tmp_path, wal_bytes=LEAST_BYTES)) as database:
        asked: list[int] = []
        limit = WalLimit(database.log, database.maintenance, wal_bytes=LEAST_BYTES)
        limit.add_reader(lambda: asked.append(database.upkeep.used_bytes))
        while database.upkeep.used_bytes <= LEAST_BYTES:
            assert not asked
            database.put(1)
            limit.shorten(database.upkeep.used_bytes)
        database.put(1)
        limit.shorten(database.upkeep.used_bytes)
        [used_bytes] = asked
        assert LEAST_BYTES < used_bytes < LEAST_BYTES + 3 * PAYLOAD
        assert file_bytes(database.log) > LEAST_BYTES, "the writer did not wait until it is short"


def test_who_waited_in_vain_rests_longer_each_time_until_the_log_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """After one slow write to the disk it rested for half a minute, in which the log grew to five times its bound."""
    now_s = [0.0]
    waits: list[tuple[float, float]] = []

    def sleep(seconds: float) -> None:
        now_s[0] += seconds

    monkeypatch.setattr(wal_limit, "time", SimpleNamespace(monotonic=lambda: now_s[0], sleep=sleep))
    log = tmp_path / "delta.db-wal"
    limit = WalLimit(log, cast("Maintenance", SimpleNamespace(shorten=lambda _: None)), wal_bytes=1000)

    def rests(log_bytes: int, seconds: int) -> list[int]:
        log.write_bytes(bytes(log_bytes))
        waits.clear()
        for _ in range(10 * seconds):
            before_s = now_s[0]
            limit.shorten(0)
            if now_s[0] > before_s:
                waits.append((before_s, now_s[0]))
            now_s[0] += 0.1
        return [round(begin - end) for (_, end), (begin, _) in pairwise(waits)]

    assert rests(2000, 140) == [2, 4, 8, 16, 30, 30, 30]
    assert rests(1000, 40) == []
    assert rests(2000, 20) == [2, 4, 8]


def test_nothing_is_allocated_past_the_bound_of_the_log(tmp_path: Path):
    with closing(Database(tmp_path, wal_bytes=LEAST_BYTES)) as database:
        database.put(2 * LEAST_BYTES // PAYLOAD)
        assert file_bytes(database.log) <= database.used_bytes() + database.page_bytes


def test_a_log_that_grows_is_longer_than_what_is_in_it(database: Database):
    for _ in range(8):
        database.put(LEAST_BYTES // PAYLOAD)
        ahead = file_bytes(database.log) - database.used_bytes()
        assert ahead + database.page_bytes >= LEAST_BYTES // 2
        assert ahead <= 2 * STEP_BYTES


def test_what_was_committed_before_a_crash_is_read_from_a_log_that_ends_in_zeros(database: Database, tmp_path: Path):
    database.put(LEAST_BYTES // PAYLOAD + 10)
    assert not any(database.log.read_bytes()[-LEAST_BYTES // 2 :])
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in (database.path, database.log):
        shutil.copy(file, crashed)
    with closing(open_writer(crashed / "delta.db", FAST)) as connection:
        assert connection.execute("SELECT count(*), min(length(body)) FROM item").fetchone() == (
            LEAST_BYTES // PAYLOAD + 10,
            PAYLOAD,
        )
        assert connection.pragma("integrity_check") == "ok"


def test_a_log_of_nothing_but_zeros_is_an_empty_one(database: Database, tmp_path: Path):
    database.put(1)
    database.writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    shutil.copy(database.path, crashed)
    (crashed / "delta.db-wal").write_bytes(bytes(LEAST_BYTES))
    with closing(open_writer(crashed / "delta.db", FAST)) as connection:
        connection.execute("INSERT INTO item (body) VALUES (x'00')")
        assert connection.execute("SELECT count(*) FROM item").fetchone() == (2,)


def test_a_long_log_is_checkpointed_and_begins_anew(tmp_path: Path):
    with closing(Database(tmp_path, wal_pages=200)) as database:
        database.put(400)
        assert database.used_bytes() < 2 * 200 * database.page_bytes


def test_the_writer_checkpoints_a_small_rest_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with closing(Database(tmp_path, wal_pages=50)) as database:
        for rest, is_done in ((REST_PAGES + 1, False), (REST_PAGES, True)):
            monkeypatch.setattr(database.maintenance, "checkpoint_beside", lambda rest=rest: (5000 + rest, 5000))
            database.writer.execute("INSERT INTO item (body) VALUES (zeroblob(400000))")
            before = file_bytes(database.path)
            database.upkeep.finish()
            assert (file_bytes(database.path) > before) == is_done


def test_a_log_that_a_reader_needs_is_left_to_it_and_tried_again_later(tmp_path: Path):
    with closing(Database(tmp_path, wal_pages=200)) as database:
        with closing(open_reader(database.path, FAST)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM item").fetchall()
            database.put(400)
            assert database.used_bytes() > 400 * database.page_bytes
            assert reader.execute("SELECT count(*) FROM item").fetchone() == (0,)
            reader.execute("ROLLBACK")
        database.put(100)
        assert database.used_bytes() < 2 * 200 * database.page_bytes
