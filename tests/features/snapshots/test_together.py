"""What is stored together has its deltas in the same transaction, the same that the loop would have computed."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from delta_server.core.errors import Unavailable
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import service, together
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey
from tests.features.history.timelines import compute, endpoint_named

VERSIONS: Sequence[Any] = [
    [{"id": n, "name": f"n{n}", "price": n} for n in range(12)],
    [{"id": n, "name": f"n{n}", "price": n + n % 2} for n in range(12)],
    [{"id": n, "name": f"n{n}", "price": n} for n in reversed(range(1, 13))],
    [{"id": n, "price": n} for n in range(14)],
    {"map": {f"k{n}": n for n in range(90)}},
    {"map": {f"k{n}": n + 1 for n in range(90)}},
    {"map": {f"k{n}": n + 1.0 for n in range(90)}},
    7,
    "seven",
]


def latest(endpoint: EndpointRef, value: Any, at: int) -> NewSnapshot:
    return NewSnapshot(endpoint, msgspec.json.encode(value), at, is_latest=True)


async def stored(svc: Services, news: Sequence[NewSnapshot]) -> list[bool]:
    return (await together.append_together(svc, news, lambda tx: None))[0]


async def waiting(svc: Services) -> int:
    return await svc.db.read(deltas.queue_length)


async def derived(svc: Services, endpoint: EndpointRef) -> list[list[tuple[Any, ...]]]:
    """All that follows from deltas."""
    of_contents = "FROM content c JOIN delta d ON d.content = c.id WHERE c.endpoint = ? ORDER BY c.captured_at"
    wanted = [
        f"SELECT c.captured_at, kind, added, removed, replaced, moved, similarity, diff_version {of_contents}",
        "SELECT pattern, changes, deltas, types, changed_at FROM field WHERE endpoint = ? ORDER BY pattern",
        "SELECT captured_at, run, entries FROM life WHERE endpoint = ? ORDER BY run, captured_at",
        "SELECT found_keys, content_deltas FROM endpoint WHERE id = ?",
    ]
    return await svc.db.read(lambda tx: [tx.all(sql, endpoint.id) for sql in wanted])


async def test_deltas_stored_with_their_documents_are_those_that_the_loop_computes(services: Services) -> None:
    ours, theirs = await endpoint_named(services, "ours"), await endpoint_named(services, "theirs")
    for number, value in enumerate(VERSIONS):
        at = 1000 + number
        assert await stored(services, [latest(ours, value, at)]) == [True]
        await service.create_snapshots(services, theirs.project, [latest(theirs, value, at)], IdempotencyKey.none())
        await compute(services)
        assert await derived(services, ours) == await derived(services, theirs)


async def test_they_do_not_wait_in_the_queue_and_followers_hear_of_them(services: Services) -> None:
    made = [await endpoint_named(services, f"e{n}") for n in range(3)]
    assert all(await stored(services, [latest(each, {"n": 1}, 1000) for each in made]))
    await compute(services)
    assert all(await stored(services, [latest(each, {"n": 2}, 2000) for each in made]))
    assert await waiting(services) == 0
    kinds = await services.db.read(lambda tx: tx.all("SELECT kind FROM outbox ORDER BY seq DESC LIMIT 2"))
    assert kinds == [("delta.created",), ("snapshot.created",)]


async def test_settings_that_changed_meanwhile_leave_it_to_the_loop(services: Services) -> None:
    endpoint = await endpoint_named(services, "prices")
    await stored(services, [latest(endpoint, {"n": 1, "at": 1}, 1000)])
    await compute(services)
    cpu = services.cpu

    async def changing(fn: Any, *args: Any) -> Any:
        ignore = """UPDATE endpoint SET diff = '{"ignore":["/at"]}', diff_version = 2 WHERE id = ?"""
        await services.db.write(lambda tx: tx.run(ignore, endpoint.id))
        return await cpu(fn, *args)

    svc = msgspec.structs.replace(services, cpu=changing)
    assert await stored(svc, [latest(endpoint, {"n": 2, "at": 2}, 2000)]) == [True]
    assert await waiting(services) == 1
    await compute(services)
    [[(_, _, added, removed, replaced, *_)], *_] = await derived(services, endpoint)
    assert (added, removed, replaced) == (0, 0, 1)


@pytest.mark.parametrize("error", [Unavailable("the disk"), ValueError("a fault of ours")])
async def test_what_cannot_be_merged_now_is_stored_all_the_same(
    services: Services, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fails(*_: Any) -> None:
        raise error

    endpoint = await endpoint_named(services, "prices")
    await stored(services, [latest(endpoint, 1, 1000)])
    monkeypatch.setattr(deltas, "store_foreseen", lambda *_: [endpoint.id])
    monkeypatch.setattr(deltas, "merge_into_runs", fails)
    assert await stored(services, [latest(endpoint, 2, 2000)]) == [True]
