"""Links beside events: what is kept in memory of many of them is always of the query's own state."""

from pathlib import Path

import duckdb
import pytest

from delta_server.core.events import persons
from delta_server.core.events.event import Event
from delta_server.core.events.profile_update import Alias
from delta_server.core.query.plan import Aggregate, Condition, Field, Metric
from delta_server.features.profiles import store
from delta_server.storage.events import schema
from delta_server.storage.events.query import person_joins
from delta_server.storage.events.query.read_view import ALWAYS
from tests.storage.events.model_log import Running
from tests.storage.events.people import People
from tests.storage.events.stored import make_project
from tests.storage.events.test_model import _told as told
from tests.storage.opened import START_MS, FakeClock

USER = Field("userId", "user_id", "text")
USERS = Aggregate(ALWAYS, (Metric("n", "count"),), (USER,))


def test_sql_knows_nobodies_as_python_does() -> None:
    words = ["", "0", "null", "server", "undefined", "anonymous"]
    spelled = [
        *words,
        *map(str.upper, words),
        *map(str.title, words),
        "nULL",
        "aNonymous",
        "\u017ferver",
        "anonymou\u017f",
    ]
    around = ["{}", " {}", "{} ", "\t{}\n", "{}x", "x{}", "{}!", "{}0", "\x0e{}", "{}\u00a0"]
    letters = [chr(code) for code in range(1, 0x180)]
    names = [form.format(word) for form in around for word in spelled]
    names += [*letters, *(first + second for first in "0aAnNsSuU{\u017f" for second in letters)]
    rows = duckdb.execute(f"SELECT n, {schema.user('n')} FROM (SELECT unnest($1) AS n)", [names]).fetchall()
    assert len(rows) == len(names)
    assert [(name, found) for name, found in rows if found != (name if persons.identifies(name) else None)] == []


@pytest.mark.parametrize(("recent", "share"), [(5000, 50), (0, 1 << 40), (2, 50), (2, 1)])
async def test_links_in_memory_and_in_the_database_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recent: int, share: int
) -> None:
    monkeypatch.setattr(person_joins, "MAX_RECENT_LINKS", recent)
    monkeypatch.setattr(person_joins, "RECENT_SHARE", share)
    monkeypatch.setattr(person_joins, "LINKS_PER_READ", 2)
    running, people = Running(tmp_path, FakeClock()), People()
    log = await running.open()
    mine, other = await running.db.write(lambda tx: (make_project(tx, "mine"), make_project(tx, "other")))
    events = [
        Event(
            at=START_MS,
            received_at=START_MS,
            type="x",
            user_id=f"u{n % 4}" if n % 3 else None,
            anonymous_id=f"a{n % 5}",
        )
        for n in range(30)
    ]
    for project in (mine, other):
        await log.append_events(project, list(events))

    async def check() -> None:
        counts: dict[str | None, int] = {}
        for event in events:
            person = people.whose(event)
            counts[person] = counts.get(person, 0) + 1
        assert dict((await log.run_query(mine, USERS)).rows) == counts
        where = Condition("is", USER, ("u1",))
        [(count,)] = (await log.run_query(mine, Aggregate(ALWAYS, (Metric("n", "count"),), where=where))).rows
        assert count == counts.get(people.user("u1"), 0)
        assert len((await log.run_query(other, USERS)).rows) == 4 + 5

    await check()
    calls = [
        *(Alias(f"a{n}", f"u{n % 4}", 9, anonymous=True) for n in range(4)),
        Alias("a3", "u0", 8, anonymous=True),
        Alias("u0", "u1", 1),
        Alias("u1", "u2", 2),
        Alias("a4", "u0", 3, anonymous=True),
        Alias("u2", "v", 4),
    ]
    for call in calls:
        await running.db.write(told, mine, call)
        people.told(call)
        await check()
    await running.db.write(store.delete_links, mine, "v")
    people.links = {node: link for node, link in people.links.items() if people.user(link[0]) != "v"}
    await check()
    await running.db.write(told, mine, Alias("a0", "u3", 9, anonymous=True))
    people.told(Alias("a0", "u3", 9, anonymous=True))
    await check()
    await running.close()


def test_bases_of_another_state_are_not_taken() -> None:
    bases = person_joins.LinksBaseCache()
    bases.put(1, person_joins.LinksBase(5, 1, b"x"))
    states = {(5, 0): True, (9, 5): True, (4, 0): False, (9, 6): False}
    assert {each: bases.find(1, person_joins.LinksVersion(*each)) is not None for each in states} == states
    assert bases.find(2, person_joins.LinksVersion(9, 0)) is None


def test_bases_in_memory_are_bounded() -> None:
    bases, now = person_joins.LinksBaseCache(most_bytes=2), person_joins.LinksVersion(1, 0)
    for project in (1, 2):
        bases.put(project, person_joins.LinksBase(1, 1, b"x"))
    assert bases.find(1, now)
    bases.put(3, person_joins.LinksBase(1, 1, b"x"))
    assert [bases.find(project, now) is not None for project in (1, 2, 3)] == [True, False, True]
