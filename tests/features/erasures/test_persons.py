"""Whose an event is: what a user's counts say and what an erasure takes, over HTTP."""

from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.features.erasures import store, tasks
from delta_server.features.profiles import settling
from delta_server.features.projects import service as projects
from delta_server.tasks.jobs import run_due
from tests.conftest import Keys, bearer, shared
from tests.storage.opened import FakeClock

T = "2026-11-05T10:00:00Z"


def call(kind: str, at: str = T, **ids: Any) -> dict[str, Any]:
    return {"type": kind, "timestamp": at, **({"event": "Order"} if kind == "track" else {}), **ids}


def identify(user: Any, anonymous: Any = "dev", at: str = T) -> dict[str, Any]:
    return call("identify", at, userId=user, anonymousId=anonymous)


def track(user: Any = None, anonymous: Any = "dev", at: str = T) -> dict[str, Any]:
    return call("track", at, userId=user, anonymousId=anonymous)


def alias(previous: str, user: str, at: str = T) -> dict[str, Any]:
    return call("alias", at, userId=user, previousId=previous)


class Case(msgspec.Struct, frozen=True):
    """`counts` are of each id before one of them is erased: `gone` events; `left` are the counts then, 0 for none."""

    calls: list[dict[str, Any]]
    counts: dict[str, int]
    erased: str
    gone: int
    left: dict[str, int]


EARLY, LATE = "2026-11-05T09:00:00Z", "2026-11-05T11:00:00Z"
CASES = {
    "two users of a device": Case(
        [identify("alice"), track("alice"), identify("bob"), track("bob")],
        {"alice": 2, "bob": 2, "dev": 2},
        "bob",
        2,
        {"alice": 2, "bob": 0},
    ),
    "the other of them": Case(
        [identify("alice"), track("alice"), identify("bob"), track("bob")], {}, "alice", 2, {"alice": 0, "bob": 2}
    ),
    "events without a user are the first one's": Case(
        [track(), identify("alice"), track(), identify("bob"), track(), track("bob")],
        {"alice": 4, "bob": 2},
        "bob",
        2,
        {"alice": 4, "dev": 4},
    ),
    "the first by time, whatever came first": Case(
        [track(), identify("bob", at=LATE), identify("alice", at=EARLY)], {"alice": 2, "bob": 1}, "bob", 1, {"alice": 2}
    ),
    "one who was never identified": Case(
        [identify("alice"), track("alice"), track("bob")], {"alice": 2, "bob": 1}, "alice", 2, {"alice": 0, "bob": 1}
    ),
    "nobody was identified": Case(
        [track("alice"), track("bob"), track()],
        {"alice": 1, "bob": 1, "dev": 1},
        "dev",
        1,
        {"alice": 1, "bob": 1, "dev": 0},
    ),
    "by the anonymous id: the person who has it": Case(
        [identify("alice"), track(), track("bob")], {"dev": 2, "bob": 1}, "dev", 2, {"alice": 0, "bob": 1}
    ),
    "an alias instead": Case(
        [track(), alias("dev", "alice"), track("bob")], {"alice": 2, "bob": 1}, "alice", 2, {"bob": 1, "dev": 0}
    ),
    "users that were joined": Case(
        [track("old"), alias("old", "new"), track("new"), track("old"), track("bob")],
        {"new": 4, "old": 4, "bob": 1},
        "old",
        4,
        {"new": 0, "old": 0, "bob": 1},
    ),
    "a chain": Case(
        [track("a"), alias("a", "b"), alias("b", "c"), track("b"), track("c")],
        {"a": 5, "c": 5},
        "b",
        5,
        {"a": 0, "c": 0},
    ),
    "a user named like an anonymous id": Case(
        [identify("bob", "alice"), track("alice", "x"), call("identify", userId="alice")],
        {"alice": 2, "bob": 1},
        "bob",
        1,
        {"alice": 2, "bob": 0},
    ),
    "a user's own id as the anonymous one": Case(
        [identify("alice", "alice"), track(None, "alice"), identify("bob", "alice"), track("bob", "alice")],
        {"alice": 2, "bob": 2},
        "bob",
        2,
        {"alice": 2, "bob": 0},
    ),
    "a constant anonymous id": Case(
        [identify("u0", "server"), *(track(f"u{n}", "server") for n in range(5)), track(None, "server")],
        {"u0": 2, "u1": 1, "server": 0},
        "u0",
        2,
        {"u0": 0, "u1": 1, "u4": 1},
    ),
    "in other letters": Case(
        [identify("u0", " Anonymous"), identify("u1", " Anonymous"), track(None, " Anonymous")],
        {"u0": 1, "u1": 1},
        "u1",
        1,
        {"u0": 1},
    ),
    "a constant user id": Case(
        [identify("undefined"), track("undefined"), track("null"), identify("alice"), track(0)],
        {"alice": 5, "undefined": 0, "null": 0},
        "alice",
        5,
        {"alice": 0, "dev": 0},
    ),
    "erasing a constant id erases nothing": Case(
        [track("null", None), track(None, "server"), track("alice")], {"null": 0}, "null", 0, {"alice": 1}
    ),
    "numbers": Case([identify(42, 7), track(None, 7), track("42")], {"42": 3, "7": 3}, "42", 3, {"42": 0}),
}


async def count(client: httpx.AsyncClient, keys: Keys, user: str) -> int:
    answer = await client.get(f"/v1/users/{user}", headers=bearer(keys.project))
    return int(answer.json()["user"]["events"]["count"]) if answer.status_code == 200 else 0


async def send(client: httpx.AsyncClient, keys: Keys, calls: list[dict[str, Any]], *, at_once: bool) -> None:
    for batch in [calls] if at_once else [[one] for one in calls]:
        answer = await client.post("/v1/batch", json={"batch": batch}, headers=bearer(keys.project))
        assert answer.json()["accepted"] == len(batch)


@pytest.mark.parametrize(
    ("at_once", "sealed"), [(True, True), (False, False)], ids=["one request, sealed", "many, waiting"]
)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@shared
async def test_counts_and_erasures(
    shared_client: httpx.AsyncClient, own_keys: Keys, shared_app: Application, case: Case, at_once: bool, sealed: bool
) -> None:
    client, keys, app = shared_client, own_keys, shared_app
    await send(client, keys, case.calls, at_once=at_once)
    if sealed:
        project = projects.caller_within(app.services, keys.project, ()).project
        await app.services.event_maintenance.run_maintenance(project, seal=True, compact=True)
    assert {user: await count(client, keys, user) for user in case.counts} == case.counts
    asked = await client.delete(f"/v1/users/{case.erased}", headers=bearer(keys.project))
    await run_due(app.services, tasks.JOB)
    job = (await client.get(asked.headers["location"], headers=bearer(keys.project))).json()["erasure"]
    assert (job["state"], job["events_erased"]) == ("done", case.gone)
    assert {user: await count(client, keys, user) for user in case.left} == case.left


async def test_an_erasure_that_is_begun_again_counts_each_event_once(
    client: httpx.AsyncClient, keys: Keys, app: Application, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await send(client, keys, [track("alice") for _ in range(40)], at_once=True)
        await app.services.event_maintenance.run_maintenance(seal=True)
    asked = await client.delete("/v1/users/alice", headers=bearer(keys.project))
    add_erased, calls = store.add_erased, 0

    def fail(*args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("a mistake")
        add_erased(*args, **kwargs)

    with monkeypatch.context() as broken:
        broken.setattr(store, "add_erased", fail)
        await run_due(app.services, tasks.JOB)
    found = []
    for _ in range(2):
        job = (await client.get(asked.headers["location"], headers=bearer(keys.project))).json()["erasure"]
        found.append((job["state"], job["events_erased"], job["segments_done"]))
        clock.advance(60_000)
        await run_due(app.services, tasks.JOB)
    assert found == [("failed", 40, 1), ("done", 120, 2)]


@pytest.mark.parametrize(
    "calls",
    [
        [alias(f"c{n}", f"c{n + 1}") for n in range(3000)],
        [call("identify", userId="ann", traits={f"t{n}": "x" * 50}) for n in range(3000)],
        [identify(f"u{n}", f"d{n}") for n in range(1500)],
    ],
    ids=["a chain of aliases", "one user again and again", "many users"],
)
async def test_no_request_holds_the_writer(
    client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch, calls: list[dict[str, Any]]
) -> None:
    """Each transaction does a bounded number of steps, and there are not more of them than ids or users."""
    write, done = settling.write, list[int]()

    def counted(tx: Any, project: int, steps: Any, begin: int, rows: Any) -> int:
        end = write(tx, project, steps, begin, rows)
        done.append(min(end, len(steps)) - begin)
        return end

    monkeypatch.setattr(settling, "write", counted)
    await send(client, keys, calls, at_once=True)
    assert max(done) <= settling.COST
    assert sum(done) <= 2 * len(calls)


async def test_calls_beyond_what_a_person_may_have_of_ids_are_counted(client: httpx.AsyncClient, keys: Keys) -> None:
    await send(client, keys, [identify("ann", f"d{n}") for n in range(1003)], at_once=True)
    user = (await client.get("/v1/users/ann", headers=bearer(keys.project))).json()["user"]
    assert (len(user["aliases"]), user["aliases_ignored"], user["events"]["count"]) == (1000, 3, 1003)
