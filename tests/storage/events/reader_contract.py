"""What every adapter of EventReader promises; test_model.py holds what each kind of plan answers. A test class of an
adapter inherits this and gives the fixtures `log`, and `projects`, two of them."""

import io
from collections import Counter
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from delta_server.core.errors import Invalid
from delta_server.core.query.plan import Aggregate, Condition, Field, Listing, Metric, Sample, Span
from tests.storage.events.log_events import Log, event, events, numbered
from tests.storage.opened import START_MS

ALL = Span(0, 2 * START_MS)
USER = Field("userId", "user_id", "text")
LISTING = Listing(ALL, ascending=True)
COUNT = Aggregate(ALL, (Metric("count", "count"),))
PLANS = [LISTING, COUNT, Aggregate(ALL, (Metric("count", "count"),), keys=(USER,))]
GIVEN = [event("a", at=START_MS - 5, user="ann"), event("b", at=START_MS - 3, user="bob"), event("c")]


async def fill(log: Log, project: int, *, sealed: bool) -> None:
    await log.append_events(project, GIVEN)
    if sealed:
        await log.run_maintenance(project, seal=True)


async def count(log: Log, project: int) -> int:
    [[number]] = (await log.run_query(project, COUNT)).rows
    return int(number)


async def streamed(log: Log, project: int, plan: Any) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
    """The columns and the rows."""
    async with aclosing(log.stream_query(project, plan)) as batches:
        [columns] = await anext(batches)
        return columns, [row async for batch in batches for row in batch]


class ReaderContract:
    @pytest.mark.parametrize("sealed", [False, True])
    async def test_a_project_is_asked_for_its_own_events(
        self, log: Log, projects: tuple[int, int], sealed: bool
    ) -> None:
        await fill(log, projects[0], sealed=sealed)
        assert [await count(log, project) for project in projects] == [3, 0]
        await log.append_events(projects[1], numbered(4))
        assert [await count(log, project) for project in projects] == [3, 4]

    @pytest.mark.parametrize("plan", PLANS)
    @pytest.mark.parametrize("sealed", [False, True])
    async def test_all_three_forms_of_an_answer_say_the_same(
        self, log: Log, projects: tuple[int, int], plan: Any, sealed: bool
    ) -> None:
        await fill(log, projects[0], sealed=sealed)
        await log.append_events(projects[1], numbered(9))
        answer = await log.run_query(projects[0], plan)
        columns, rows = await streamed(log, projects[0], plan)
        assert columns == answer.columns
        assert sorted(map(repr, rows)) == sorted(map(repr, answer.rows))
        assert rows
        parquet = pytest.importorskip("pyarrow.parquet")
        async with aclosing(log.export_parquet(projects[0], plan)) as pieces:
            file = b"".join([piece async for piece in pieces])
        assert parquet.read_table(io.BytesIO(file)).num_rows == len(rows)

    async def test_an_empty_project_has_an_empty_answer(self, log: Log, projects: tuple[int, int]) -> None:
        await fill(log, projects[1], sealed=True)
        assert (await log.run_query(projects[0], LISTING)).rows == []
        assert (await streamed(log, projects[0], LISTING))[1] == []

    @pytest.mark.parametrize("sealed", [False, True])
    async def test_a_plan_without_an_answer_is_refused(self, log: Log, projects: tuple[int, int], sealed: bool) -> None:
        await fill(log, projects[0], sealed=sealed)
        broken = Listing(ALL, Condition("matches", USER, ("(",)))
        with pytest.raises(Invalid):
            await log.run_query(projects[0], broken)
        with pytest.raises(Invalid):
            await streamed(log, projects[0], broken)

    @pytest.mark.parametrize("plan", PLANS)
    async def test_the_version_changes_with_what_an_answer_may_say(
        self, log: Log, projects: tuple[int, int], plan: Any
    ) -> None:
        before = await log.version(projects[0], plan)
        assert await log.version(projects[0], plan) == before
        await fill(log, projects[1], sealed=True)
        assert await log.version(projects[0], plan) == before, "another project's events"
        await fill(log, projects[0], sealed=False)
        after = await log.version(projects[0], plan)
        assert after != before
        await log.append_events(projects[0], GIVEN)
        assert await log.version(projects[0], plan) == after, "duplicates"

    async def test_a_sample_has_what_was_in_none_before(self, log: Log, projects: tuple[int, int]) -> None:
        """Waiting, sealed, and in a file that is put together with others that had been looked at."""
        file = seq = 0
        for number, turn in enumerate(("waiting", "sealed", "merged", "nothing")):
            await log.append_events(projects[1], numbered(2, f"theirs {number}"))
            if turn != "nothing":
                await log.append_events(
                    projects[0], [event(f"{number}"), msgspec.structs.replace(event(turn), type=turn)]
                )
            if turn in ("sealed", "merged"):
                await log.run_maintenance(projects[0], seal=True, compact=turn == "merged")
            _, rows = await streamed(log, projects[0], Sample(ALL, file, seq, each=5, types=9, limit=99))
            [(seq, file, has_more)] = [(row[1], row[2], row[7]) for row in rows if row[0] is None]
            found = sorted(row[0] for row in rows if row[0] is not None)
            assert found == ([] if turn == "nothing" else sorted(["seen", turn])), turn
            assert (seq, has_more) == (log.positions(projects[0]).seq, 0)

    async def test_a_sample_is_bounded(self, log: Log, projects: tuple[int, int]) -> None:
        many = [msgspec.structs.replace(event(f"{n}"), type=f"type {n % 7}") for n in range(50)]
        await log.append_events(projects[0], many)
        for each, types, limit, expected in (
            (3, 7, 99, [3] * 7),
            (3, 2, 99, [3, 3]),
            (9, 7, 10, [2, 2, 2, 1, 1, 1, 1]),
        ):
            _, rows = await streamed(log, projects[0], Sample(ALL, 0, 0, each=each, types=types, limit=limit))
            counts = Counter(row[0] for row in rows if row[0] is not None)
            assert sorted(counts.values(), reverse=True) == expected
            _, again = await streamed(log, projects[0], Sample(ALL, 0, 0, each=each, types=types, limit=limit))
            assert sorted(map(repr, rows)) == sorted(map(repr, again))

    async def test_blocks_are_read_in_order_and_no_foreign_ones(self, log: Log, projects: tuple[int, int]) -> None:
        for number in range(6):
            await log.append_events(projects[number % 2], events(f"{number}"))
        for project, expected in zip(projects, (["0", "2", "4"], ["1", "3", "5"]), strict=True):
            found: list[str | None] = []
            last = 0
            while True:
                reach, blocks = await log.read_blocks(project, last, limit=2)
                assert reach == log.positions(project)
                if not blocks:
                    break
                last = blocks[-1][0]
                found += [msgspec.json.decode(line)["i"] for _, line in blocks]
            assert found == expected
            assert last == reach.newest
            await log.append_events(project, events("later"))
            _, [(_, line)] = await log.read_blocks(project, last, limit=100)
            assert b'"later"' in line

    async def test_blocks_past_a_size_wait_for_the_next_call(self, log: Log, projects: tuple[int, int]) -> None:
        for number in range(3):
            await log.append_events(projects[0], events(f"{number}"))
        _, alone = await log.read_blocks(projects[0], 0, limit=100, size_bytes=1)
        _, together = await log.read_blocks(projects[0], 0, limit=100, size_bytes=2 * len(alone[0][1]))
        assert (len(alone), len(together)) == (1, 2)

    async def test_how_far_events_go(self, log: Log, projects: tuple[int, int]) -> None:
        mine, other = projects
        empty = log.positions(mine)
        assert (empty.sealed, empty.newest, empty.resume) == (0, 0, None)
        await log.append_events(mine, events("a", "b"))
        waiting = log.positions(mine)
        assert (waiting.sealed, waiting.newest > 0) == (0, True)
        assert log.positions(other) == empty
        _, [(_, lines)] = await log.read_blocks(mine, 0, limit=9)
        assert max(msgspec.json.decode(line)["s"] for line in lines.splitlines()) <= waiting.seq
        await log.run_maintenance(mine, seal=True)
        sealed = log.positions(mine)
        assert sealed.sealed == sealed.newest == waiting.newest
        assert sealed.seq >= waiting.seq
        assert (await log.read_blocks(mine, 0, limit=9))[1] == []
        await log.append_events(mine, events("c"))
        assert log.positions(mine).newest > sealed.newest

    async def test_reading_goes_on_behind_an_event(self, log: Log, projects: tuple[int, int]) -> None:
        mine, other = projects
        await log.append_events(mine, events("a", "b", "c"))
        await log.append_events(mine, events("d"))
        _, blocks = await log.read_blocks(mine, 0, limit=9)
        given = [msgspec.json.decode(line) for _, lines in blocks for line in lines.splitlines()]
        for at, line in enumerate(given):
            resume = log.positions(mine, line["s"]).resume
            assert resume is not None
            block, before = resume
            _, blocks = await log.read_blocks(mine, block, limit=9)
            found = [msgspec.json.decode(line) for _, lines in blocks for line in lines.splitlines()]
            assert [line for line in found if line["s"] not in before] == given[at + 1 :]
        assert log.positions(other, given[0]["s"]).resume is None
        await log.run_maintenance(mine, seal=True)
        assert log.positions(mine, given[-1]["s"]).resume is None
