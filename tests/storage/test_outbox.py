"""The contract of the outbox, with a clock that stands still."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from delta_server.storage import outbox
from delta_server.storage.database import Database, Tx
from delta_server.storage.outbox import KEPT_MS, LONGEST_MS
from tests.storage.opened import FakeClock, opened
from tests.storage.test_jobs import add_projects


@pytest.fixture
async def db(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Database]:
    async with opened(tmp_path, clock) as db:
        await db.write(add_projects)
        yield db


async def write(db: Database, *kinds: str, project: int = 1) -> list[int]:
    return [await db.write(outbox.write, project, kind, "{}") for kind in kinds]


async def kinds(db: Database, after: int = 0, limit: int = 100) -> list[str]:
    return [happening.kind for happening in await db.read(outbox.read, after, limit)]


async def consume(db: Database, consumer: str, limit: int) -> list[str]:
    """Read on behind the cursor and move it, as a consumer does."""
    after = await db.read(outbox.position, consumer)
    assert after is not None
    found = await db.read(outbox.read, after, limit)
    if found:
        await db.write(outbox.advance, consumer, found[-1].seq)
    return [happening.kind for happening in found]


class TestRefusals:
    async def test_what_was_undone_did_not_happen(self, db: Database) -> None:
        def fail(tx: Tx) -> None:
            outbox.write(tx, 1, "a", "{}")
            raise RuntimeError("a mistake")

        with pytest.raises(RuntimeError):
            await db.write(fail)
        assert (await kinds(db), await db.read(outbox.newest)) == ([], 0)

    @pytest.mark.parametrize("fn", [outbox.subscribe, outbox.unsubscribe])
    async def test_a_consumer_has_a_name(self, db: Database, fn: object) -> None:
        with pytest.raises(ValueError, match="name"):
            await db.write(fn, "")  # type: ignore[arg-type]  # one of several functions, whose arguments differ
        with pytest.raises(ValueError, match="name"):
            await db.write(outbox.advance, "", 7)

    async def test_a_cursor_never_goes_back_and_nobody_is_made_by_moving_one(self, db: Database) -> None:
        await db.write(outbox.subscribe, "hooks")
        await write(db, "a", "b")
        for seq in (2, 1):
            await db.write(outbox.advance, "hooks", seq)
        await db.write(outbox.advance, "other", 2)
        assert await db.read(outbox.position, "hooks") == 2
        assert await db.read(outbox.position, "other") is None


class TestReading:
    async def test_all_projects_in_the_order_of_the_commits_or_one(self, db: Database) -> None:
        await write(db, "a")
        await write(db, "b", project=2)
        await write(db, "c")
        assert await kinds(db) == ["a", "b", "c"]
        assert await kinds(db, 1, 1) == ["b"]
        found = await db.read(outbox.read_of, 1, 0, 10)
        assert [(one.seq, one.project, one.kind) for one in found] == [(1, 1, "a"), (3, 1, "c")]
        assert [one.seq for one in await db.read(outbox.read_of, 1, 1, 10)] == [3]

    async def test_one_project_s_are_found_by_an_index(self, db: Database) -> None:
        sql = "EXPLAIN QUERY PLAN SELECT * FROM outbox WHERE project = 1 AND seq > 5 ORDER BY seq LIMIT 9"
        [step] = await db.read(lambda tx: [row[3] for row in tx.all(sql)])
        assert step == "SEARCH outbox USING INDEX outbox_project (project=? AND rowid>?)"

    async def test_each_consumer_goes_at_its_pace_from_where_it_began(self, db: Database) -> None:
        await write(db, "before")
        await db.write(outbox.subscribe, "quick")
        await write(db, "a", "b")
        await db.write(outbox.subscribe, "slow")
        await db.write(outbox.subscribe, "quick")  # again: its cursor stays
        await write(db, "c")
        assert await consume(db, "quick", 2) == ["a", "b"]
        assert await consume(db, "quick", 2) == ["c"]
        assert await consume(db, "slow", 2) == ["c"]
        assert await consume(db, "slow", 2) == []

    async def test_a_process_that_is_killed_hears_again_what_it_was_not_done_with(self, tmp_path: Path) -> None:
        script = (
            "import asyncio, os, signal, sys, pathlib\n"
            "from delta_server.storage import outbox\n"
            "from tests.storage.opened import opened, FakeClock\n"
            "from tests.storage.test_outbox import add_projects, consume, write\n"
            "async def main():\n"
            "    async with opened(pathlib.Path(sys.argv[1]), FakeClock()) as db:\n"
            "        await db.write(add_projects)\n"
            "        await db.write(outbox.subscribe, 'hooks')\n"
            "        await write(db, 'a', 'b', 'c')\n"
            "        assert await consume(db, 'hooks', 1) == ['a']\n"
            "        await db.read(outbox.read, 1, 1)\n"
            "        os.kill(os.getpid(), signal.SIGKILL)\n"
            "asyncio.run(main())\n"
        )
        assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == -9
        async with opened(tmp_path, FakeClock()) as db:
            assert await consume(db, "hooks", 10) == ["b", "c"]


class TestTrimming:
    async def test_nothing_goes_before_its_time(self, db: Database, clock: FakeClock) -> None:
        await write(db, "a")
        clock.advance(KEPT_MS - 1)
        assert not await db.write(outbox.trim, 10)
        clock.advance(1)
        assert await db.write(outbox.trim, 10)
        assert not await db.write(outbox.trim, 10)
        assert (await kinds(db), await db.read(outbox.trimmed)) == ([], 1)

    async def test_what_the_slowest_has_not_read_stays_but_not_for_ever(self, db: Database, clock: FakeClock) -> None:
        for consumer in ("quick", "slow"):
            await db.write(outbox.subscribe, consumer)
        await write(db, "a", "b", "c")
        await db.write(outbox.advance, "quick", 3)
        await db.write(outbox.advance, "slow", 1)
        clock.advance(KEPT_MS)
        assert await db.write(outbox.trim, 10)
        assert not await db.write(outbox.trim, 10)
        assert await kinds(db) == ["b", "c"]
        clock.advance(LONGEST_MS - KEPT_MS)
        assert await db.write(outbox.trim, 10)
        assert (await kinds(db), await db.read(outbox.trimmed)) == ([], 3)

    async def test_the_newest_alone_stay_but_for_what_is_not_read(
        self, db: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox, "MOST_KEPT", 2)
        await db.write(outbox.subscribe, "hooks")
        await write(db, *"abcde")
        await db.write(outbox.advance, "hooks", 2)
        assert await db.write(outbox.trim, 10)
        assert await kinds(db) == ["c", "d", "e"]
        await db.write(outbox.advance, "hooks", 5)
        assert await db.write(outbox.trim, 10)
        assert not await db.write(outbox.trim, 10)
        assert await kinds(db) == ["d", "e"]

    async def test_nobody_waits_for_a_consumer_that_left(self, db: Database, clock: FakeClock) -> None:
        await db.write(outbox.subscribe, "hooks")
        await write(db, "a")
        clock.advance(KEPT_MS)
        assert not await db.write(outbox.trim, 10)
        await db.write(outbox.unsubscribe, "hooks")
        assert await db.write(outbox.trim, 10)

    async def test_it_goes_in_steps_and_a_seq_never_comes_back(self, db: Database, clock: FakeClock) -> None:
        await write(db, "a", "b", "c")
        clock.advance(KEPT_MS)
        assert await db.write(outbox.trim, 2)
        assert await kinds(db) == ["c"]
        assert await db.write(outbox.trim, 2)
        assert await db.read(outbox.newest) == 3
        assert await write(db, "d") == [4]

    async def test_a_deleted_project_takes_its_own_along(self, db: Database) -> None:
        await write(db, "a", "b")
        await write(db, "c", project=2)
        assert await db.write(outbox.delete_some, 1, 1)
        assert await db.write(outbox.delete_some, 1, 10)
        assert not await db.write(outbox.delete_some, 1, 10)
        assert await kinds(db) == ["c"]


class TestRestored:
    @pytest.mark.parametrize("kinds_before", [(), ("a", "b")])
    async def test_no_number_is_given_twice_and_consumers_read_on(
        self, db: Database, clock: FakeClock, kinds_before: tuple[str, ...]
    ) -> None:
        await db.write(outbox.subscribe, "hooks")
        before = await write(db, *kinds_before)
        await db.write(outbox.begin_again)
        ahead = await db.read(outbox.newest)
        assert ahead >= max([clock.now_ms(), *before])
        assert await db.read(outbox.trimmed) == ahead, "whoever followed it has missed something"
        [seq] = await write(db, "c")
        assert seq == ahead + 1
        assert await consume(db, "hooks", 100) == [*kinds_before, "c"]
        clock.advance(LONGEST_MS)
        await db.write(outbox.begin_again)
        await db.write(outbox.trim, 1)
        assert await db.read(outbox.trimmed) >= clock.now_ms(), "it never goes back"
