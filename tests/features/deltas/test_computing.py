"""Deltas computed behind the writes: always those of the present timeline with the present settings."""

import asyncio
import contextlib
import json
import random
from itertools import pairwise
from typing import Any

import jsonpatch
import msgspec
import pytest
from structlog.testing import capture_logs

from delta_server.core.errors import DatabaseFailed, NotFound, Unavailable
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.ids import parse as parse_id
from delta_server.core.ids import text as text_id
from delta_server.core.packs import codec
from delta_server.features.deltas import computing, service, store, summaries, together
from delta_server.features.deltas import tasks as deltas_tasks
from delta_server.features.deltas.schemas import Delta
from delta_server.features.deltas.service import DeltaFilter
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service as history
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx
from delta_server.tasks.threads import FairThreadPool
from tests.features.history.timelines import Version, compute, endpoint_named, fill, quakes
from tests.storage.contents.opened import fresh_cache

ALL = DeltaFilter(kinds=frozenset(("content", "reorder", "format", "ignored")))


async def listed(svc: Services, endpoint: EndpointRef, filter: DeltaFilter = ALL) -> list[Delta]:
    found = await service.page(
        svc, endpoint.project, endpoint, TimelineSpan(descending=False), limit=1000, filter=filter
    )
    return found.deltas


def document(n: int, **more: Any) -> bytes:
    return json.dumps({"n": n, "items": [{"id": i, "v": n * i % 7} for i in range(5)], **more}).encode()


async def test_the_patches_of_a_whole_real_history_reproduce_it(services: Services) -> None:
    """`jsonpatch` is the judge. Stored deltas say the same as those computed when asked for."""
    versions = quakes()
    endpoint = await endpoint_named(services, "quakes")
    ids = await fill(services, endpoint, versions)
    await compute(services)
    stored = await listed(services, endpoint)
    assert [delta.to_snapshot_id for delta in stored] == ids[1:]
    value = json.loads(versions[0].body)
    for number, (delta, version) in enumerate(zip(stored, versions[1:], strict=True)):
        asked = await service.get_delta(services, endpoint.project, delta.to_snapshot_id, "json-patch")
        value = jsonpatch.apply_patch(value, json.loads(bytes(asked.diff)))  # type: ignore[arg-type]  # it is set
        assert value == json.loads(version.body)
        for name in set(delta.__struct_fields__) - {"format", "diff", "changes"}:
            assert (number, name, getattr(delta, name)) == (number, name, getattr(asked, name))


async def test_small_deltas_of_several_endpoints_are_computed_and_stored_together(
    services: Services,
) -> None:
    named = [await endpoint_named(services, f"e{number}") for number in range(10)]
    for endpoint in named:
        await fill(services, endpoint, [Version(1000 * at, document(at)) for at in range(3)])
    summarised: list[int] = []

    async def noted(fn: Any, *args: Any) -> Any:
        summarised.append(len(args[0]))
        return fn(*args)

    await compute(services)
    before = services.db.stats().writes
    for endpoint in named:
        await fill(services, endpoint, [Version(9000, document(9))])
    stored = services.db.stats().writes - before
    assert await computing.compute_queued(msgspec.structs.replace(services, spare_cpu=noted))
    assert services.db.stats().writes - before - stored == 1
    assert summarised == [10]
    assert all([len(await listed(services, endpoint)) == 3 for endpoint in named])


@pytest.mark.parametrize("seed", range(3))
async def test_back_dated_snapshots_give_the_deltas_of_history_in_order(services: Services, seed: int) -> None:
    """Stored in any order, computed at any time between: the same deltas and field index as from first to last."""
    rng = random.Random(seed)
    versions = [Version(1000 * at, document(rng.randrange(4), note="x" * rng.randrange(3))) for at in range(1, 31)]
    in_order, shuffled = await endpoint_named(services, "in order"), await endpoint_named(services, "shuffled")
    await fill(services, in_order, versions)
    for version in rng.sample(versions, len(versions)):
        await fill(services, shuffled, [version])
        if rng.random() < 0.3:
            await service.compute_queued(services)
    await compute(services)
    for first, second in zip(await listed(services, in_order), await listed(services, shuffled), strict=True):
        assert facts(first) == facts(second)
    assert fields(services, in_order) == fields(services, shuffled) != []


def facts(delta: Delta) -> tuple[Any, ...]:
    changes = [(field.path, field.changes) for field in delta.fields]
    return delta.captured_at, delta.kind, delta.changes_count, delta.similarity_score, changes, delta.schema_changes


def fields(svc: Services, endpoint: EndpointRef) -> list[Any]:
    sql = "SELECT pattern, changes, deltas, types FROM field WHERE endpoint = ? ORDER BY pattern"
    return svc.db.peek(lambda tx: tx.all(sql, endpoint.id))


async def test_between_a_write_and_its_computing_no_delta_is_wrong(services: Services) -> None:
    """What a delete or a back-dated insert makes stale is not shown, whether its neighbours are computed yet or not."""
    endpoint = await endpoint_named(services, "e")
    ids = await fill(services, endpoint, [Version(1000 * n, document(n)) for n in range(1, 9)])
    await compute(services)
    for gone in (0, 4, 7, 5):
        await snapshots.delete_snapshot(services, endpoint.project, ids[gone])
        await _check_ends(services, endpoint)
    await fill(
        services, endpoint, [Version(2500, document(99)), Version(7500, document(98)), Version(10, document(97))]
    )
    await _check_ends(services, endpoint)
    assert len(await listed(services, endpoint)) == 1  # from 3,000 to 4,000 nothing happened
    await compute(services)
    await _check_ends(services, endpoint)
    assert len(await listed(services, endpoint)) == 6


async def _check_ends(svc: Services, endpoint: EndpointRef) -> None:
    span = TimelineSpan(descending=False)
    rows = await snapshots.list_snapshots(svc, endpoint.project, endpoint, span, limit=100, changed_only=False)
    ids = [text_id(row.uid) for row in rows]
    after = dict(pairwise(ids))
    for delta in await listed(svc, endpoint):
        assert after[delta.from_snapshot_id] == delta.to_snapshot_id
        asked = await service.get_delta(svc, endpoint.project, delta.to_snapshot_id, "changes")
        assert facts(asked) == facts(delta)


SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"ignore": ["/n", "/**/v"]}, "ignored"),
    ({"tolerance": 1000}, "ignored"),
    ({"array_keys": {"/items": ["v"]}}, "content"),
    ({"order": {"/items": "set"}, "ignore": ["/n"]}, "content"),
]


@pytest.mark.parametrize(("settings", "kind"), SETTINGS)
async def test_new_settings_count_for_the_whole_history(
    services: Services, settings: dict[str, Any], kind: str
) -> None:
    """As if the settings had been there before the first snapshot; and back again."""
    versions = [Version(1000 * n, document(n)) for n in range(1, 151)]
    changed, fresh = await endpoint_named(services, "changed"), await endpoint_named(services, "fresh", settings)
    for endpoint in (changed, fresh):
        await fill(services, endpoint, versions)
    await compute(services)
    before, before_fields = [facts(delta) for delta in await listed(services, changed)], fields(services, changed)
    await endpoint_named(services, "changed", settings)
    await compute(services)
    assert [facts(delta) for delta in await listed(services, changed)] == [
        facts(delta) for delta in await listed(services, fresh)
    ]
    assert {delta.kind for delta in await listed(services, changed)} == {kind}
    assert fields(services, changed) == fields(services, fresh)
    await endpoint_named(services, "changed", dict.fromkeys(settings))
    await compute(services)
    assert [facts(delta) for delta in await listed(services, changed)] == before
    assert fields(services, changed) == before_fields


async def test_settings_changed_while_deltas_wait(services: Services) -> None:
    endpoint = await endpoint_named(services, "e")
    await fill(services, endpoint, [Version(1000 * n, document(n)) for n in range(1, 200)])
    await service.compute_queued(services)
    await endpoint_named(services, "e", {"ignore": ["/**/v"]})
    await service.compute_queued(services)
    await endpoint_named(services, "e", {"ignore": ["/**/v", "/n"]})
    await compute(services)
    assert {delta.kind for delta in await listed(services, endpoint)} == {"ignored"}
    assert fields(services, endpoint) == []


# Others' troubles


async def test_endpoints_take_turns(services: Services) -> None:
    """One with a long queue does not keep the others waiting."""
    busy, quiet = await endpoint_named(services, "busy"), await endpoint_named(services, "quiet")
    await fill(services, busy, [Version(1000 * n, document(n)) for n in range(1, 301)])
    await fill(services, quiet, [Version(1000 * n, document(n)) for n in (1, 2)])
    await service.compute_queued(services)
    assert len(await listed(services, quiet)) == 1
    assert len(await listed(services, busy)) < 50
    await compute(services)
    assert len(await listed(services, busy)) == 299


@pytest.mark.parametrize(
    ("is_alone", "a_caller_waits", "size", "most"),
    [(True, False, 10, 2), (False, False, 10, 1), (True, True, 10, 1), (True, False, computing.LARGE_BYTES, 1)],
    ids=["two at a time", "beside other projects", "beside a caller", "large documents"],
)
async def test_of_a_project_that_is_alone_two_endpoints_are_computed_at_a_time(
    services: Services, monkeypatch: pytest.MonkeyPatch, is_alone: bool, a_caller_waits: bool, size: int, most: int
) -> None:
    named = [await endpoint_named(services, f"e{number}") for number in range(4)]
    for endpoint in named:
        await fill(services, endpoint, [Version(1000 * at, document(at, more="x" * size)) for at in range(2)])
    compute_one, running, seen = computing._compute, [], []

    async def noting(svc: Services, endpoint: int, *args: Any, **more: Any) -> Any:
        running.append(endpoint)
        seen.append(len(running))
        try:
            return await compute_one(svc, endpoint, *args, **more)
        finally:
            running.remove(endpoint)

    monkeypatch.setattr(computing, "_compute", noting)
    project, ids = named[0].project, [endpoint.id for endpoint in named]
    with services.foreground.waiting(project) if a_caller_waits else contextlib.nullcontext():
        await service.compute_some(services, project, ids, is_alone=is_alone)
    assert (max(seen), len(seen)) == (most, 4)
    assert [len(await listed(services, endpoint)) for endpoint in named] == [1] * 4


async def test_a_deleted_endpoint_does_not_hold_up_the_others(services: Services) -> None:
    """Until it is swept its contents still wait."""
    gone, kept = await endpoint_named(services, "gone"), await endpoint_named(services, "kept")
    await fill(services, gone, [Version(1000 * n, document(n)) for n in range(1, 150)])
    await endpoint_named(services, "gone", {"ignore": ["/n"]})
    await endpoints.delete_endpoint(services, gone.project, "gone")
    await fill(services, kept, [Version(1000 * n, document(n)) for n in (1, 2)])
    await compute(services)
    assert len(await listed(services, kept)) == 1


async def test_a_fault_with_one_document_is_told_and_stops_no_other(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = summaries.summarise

    def faulty(before: bytes, after: bytes, settings: Any, known: Any) -> Any:
        if b"poison" in after:
            raise RecursionError
        return good(before, after, settings, known)

    monkeypatch.setattr(summaries, "summarise", faulty)
    endpoint = await endpoint_named(services, "e")
    ids = await fill(
        services, endpoint, [Version(1, document(1)), Version(2, document(2, poison=1)), Version(3, document(3))]
    )
    with capture_logs() as logs:
        await compute(services)
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("delta not computed", "error")]
    assert [delta.to_snapshot_id for delta in await listed(services, endpoint)] == [ids[2]]
    monkeypatch.setattr(summaries, "summarise", good)
    await compute(services)
    assert len(await listed(services, endpoint)) == 1  # it is not tried again and again
    await deltas_tasks.retry_failed(services)  # as each start of the server does
    await compute(services)
    assert [delta.to_snapshot_id for delta in await listed(services, endpoint)] == ids[1:]


async def test_what_failed_is_computed_with_new_settings_and_beside_a_new_neighbour(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise RecursionError

    endpoint = await endpoint_named(services, "e")
    await fill(services, endpoint, [Version(n, document(n)) for n in (10, 20, 30)])
    with monkeypatch.context() as failing, capture_logs():
        failing.setattr(summaries, "summarise", fails)
        await compute(services)
    await fill(services, endpoint, [Version(15, document(15))])
    await compute(services)
    assert [delta.captured_at[-4:] for delta in await listed(services, endpoint)] == ["015Z", "020Z"]
    await endpoint_named(services, "e", {"ignore": ["/x"]})
    await compute(services)
    assert [delta.captured_at[-4:] for delta in await listed(services, endpoint)] == ["015Z", "020Z", "030Z"]


# What a request waits for


async def test_what_a_request_waits_for_is_computed_before_all_that_came_earlier(services: Services) -> None:
    endpoint = await endpoint_named(services, "e")
    await fill(services, endpoint, [Version(1000 * n, document(n)) for n in range(1, 301)])
    ids = await fill(services, endpoint, [Version(n, document(-n)) for n in (150_500, 400_000, 500_000)])
    found = await service.deltas_of(services, endpoint.project, [parse_id(id) for id in reversed(ids)])
    assert [delta and delta.id for delta in found] == ids[::-1]
    assert [delta.to_snapshot_id for delta in await listed(services, endpoint)] == ids
    assert services.db.peek(service.queue_length) == 300
    again = await service.deltas_of(services, endpoint.project, [parse_id(id) for id in reversed(ids)])
    assert again == found


async def test_a_request_waits_one_turn_however_many_deltas_it_wants(services: Services) -> None:
    endpoint = await endpoint_named(services, "e")
    ids = await fill(services, endpoint, [Version(1000 * n, document(n)) for n in range(1, 10)])
    hasty = msgspec.structs.replace(services, fair_cpu=FairThreadPool(1, "hasty", seconds=0))
    assert await service.deltas_of(hasty, endpoint.project, [parse_id(id) for id in ids]) == [None] * 9
    assert services.db.peek(service.queue_length) == 9
    found = await service.deltas_of(services, endpoint.project, [parse_id(id) for id in ids])
    assert [delta and delta.id for delta in found] == [None, *ids[1:]]


async def test_progress_is_told_as_the_queue_gets_shorter(services: Services) -> None:
    for name in ("a", "b"):
        endpoint = await endpoint_named(services, name)
        await fill(services, endpoint, [Version(1000 * n, document(n)) for n in range(1, 101)])
    told: list[int] = []
    while await service.compute_queued(services, told.append):
        assert sum(told) == 200 - services.db.peek(service.queue_length)
    assert sum(told) == 200


async def test_no_write_stores_so_many_deltas_that_others_wait(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[int] = []
    store_results = store.store_results

    def noted(tx: Tx, endpoint: int, done: Any) -> Any:
        stored.append(len(done))
        return store_results(tx, endpoint, done)

    monkeypatch.setattr(store, "store_results", noted)
    endpoint = await endpoint_named(services, "a")
    await fill(services, endpoint, [Version(1000 * n, document(n)) for n in range(1, 101)])
    await compute(services)
    assert (sum(stored), max(stored)) == (100, together.MOST_STORED)


async def test_damaged_contents_cost_their_own_deltas_only(services: Services) -> None:
    endpoint = await endpoint_named(services, "e")
    await fill(services, endpoint, [Version(n, document(n)) for n in range(1, 7)])
    other = await endpoint_named(services, "other")
    await fill(services, other, [Version(n, document(n)) for n in (1, 2)])
    head = services.db.peek(contents.head, endpoint.id)
    assert head is not None
    spoil = "UPDATE frame SET data = zeroblob(length(data)) WHERE content = ?"
    await services.db.write(lambda tx: tx.run(spoil, head.id))
    services = msgspec.structs.replace(services, contents=fresh_cache(services.contents))
    with capture_logs() as logs:
        await compute(services)
    assert {entry["event"] for entry in logs} == {"delta not computed"}
    assert len(await listed(services, endpoint)) == 4
    assert len(await listed(services, other)) == 1
    with pytest.raises(DatabaseFailed, match="damaged"):
        await contents.read(services.contents, endpoint.id, head.id)


@pytest.mark.parametrize("place", [(codec, "_decompressor"), (summaries, "diff")], ids=["decoding", "comparing"])
async def test_a_delta_waits_for_memory_and_keeps_no_other_waiting(
    services: Services, monkeypatch: pytest.MonkeyPatch, place: tuple[Any, str]
) -> None:
    endpoint = await endpoint_named(services, "e")
    await fill(services, endpoint, [Version(n, document(n)) for n in range(1, 4)])
    cold = msgspec.structs.replace(services, contents=fresh_cache(services.contents))

    def squeezed(*args: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(*place, squeezed)
        with pytest.raises(Unavailable):
            await service.compute_queued(cold)
        other = await endpoint_named(services, "other")
        await fill(cold, other, [Version(1, document(1))])
        assert await service.compute_queued(cold)
        assert services.db.peek(service.queue_length) == 3
    await compute(cold)
    assert len(await listed(services, endpoint)) == 2


async def test_a_content_deleted_while_its_delta_is_computed(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = await endpoint_named(services, "e")
    ids = await fill(services, endpoint, [Version(n, document(n)) for n in range(1, 5)])
    good = store.store_results
    deleted: list[Any] = []

    def late(tx: Any, of: int, done: Any) -> tuple[int, list[int]]:
        if not deleted:
            deleted.append(done)
            snapshots._delete_row(tx, endpoint.project, parse_id(ids[1]))
        return good(tx, of, done)

    monkeypatch.setattr(store, "store_results", late)
    await compute(services)
    await _check_ends(services, endpoint)
    assert len(await listed(services, endpoint)) == 2
    with pytest.raises(NotFound):
        await service.get_delta(services, endpoint.project, ids[1], "json-patch")


# Deltas that do not end


async def _two_large(svc: Services) -> EndpointRef:
    endpoint = await endpoint_named(svc, "large")
    await fill(svc, endpoint, [Version(n, document(n, text="x" * computing.LARGE_BYTES)) for n in (1, 2)])
    return endpoint


def _attempts(tx: Tx) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in tx.all("SELECT pending, attempts FROM content ORDER BY id DESC LIMIT 1")]


async def _never_ending(*_: Any) -> Any:
    await asyncio.Event().wait()


async def test_an_attempt_at_a_large_delta_is_counted_before_it_begins_and_taken_back_by_a_stop(
    services: Services,
) -> None:
    await _two_large(services)
    computing_it = asyncio.create_task(
        service.compute_queued(msgspec.structs.replace(services, processes=_never_ending))
    )
    while services.db.peek(_attempts) != [(1, 1)]:
        await asyncio.sleep(0)
    computing_it.cancel()
    with pytest.raises(asyncio.CancelledError):
        await computing_it
    assert services.db.peek(_attempts) == [(1, 0)]


async def test_a_delta_that_ended_the_server_twice_has_failed_until_there_are_new_settings(services: Services) -> None:
    endpoint = await _two_large(services)
    for _ in range(2):
        (*_, job) = await services.db.read(store.queue, endpoint.id, 10)
        await services.db.write(store.attempt, job.endpoint, job.content, 1)
    with capture_logs() as logs:
        await compute(services)
    assert [(log["event"], log["reason"]) for log in logs if log["log_level"] == "error"] == [
        ("delta not computed", "computing it did not end 2 times, and the server with it")
    ]
    assert await listed(services, endpoint) == []
    await deltas_tasks.retry_failed(services)
    assert services.db.peek(service.queue_length) == 0
    stats = await history.get_stats(services, endpoint, interval="1d", from_ms=None, to_ms=None)
    assert (stats.totals.deltas, stats.totals.deltas_failed) == (0, 1)
    await endpoint_named(services, "large", {"ignore": ["/text"]})
    await compute(services)
    assert len(await listed(services, endpoint)) == 1
    assert services.db.peek(_attempts) == [(0, 0)]


async def test_a_large_delta_that_ran_out_of_memory_twice_is_tried_no_more(services: Services) -> None:
    endpoint = await _two_large(services)

    async def squeezed(*_: Any) -> Any:
        raise MemoryError

    for attempts in (1, 2):
        with pytest.raises(Unavailable, match="memory"):
            await service.compute_queued(msgspec.structs.replace(services, processes=squeezed))
        assert services.db.peek(_attempts) == [(1, attempts)]
    await compute(services)
    stats = await history.get_stats(services, endpoint, interval="1d", from_ms=None, to_ms=None)
    assert (stats.totals.deltas, stats.totals.deltas_failed) == (0, 1)


async def test_a_delta_that_ends_leaves_no_attempt(services: Services) -> None:
    endpoint = await _two_large(services)
    await compute(services)
    assert len(await listed(services, endpoint)) == 1
    assert services.db.peek(_attempts) == [(0, 0)]


# Turns between projects


async def test_deltas_of_one_project_that_take_long_keep_no_other_waiting(services: Services) -> None:
    slow, quick = await _two_large(services), await endpoint_named(services, "quick", project="other")
    await fill(services, quick, [Version(n, document(n)) for n in (1, 2)])
    began = asyncio.Event()

    async def compare(fn: Any, *args: Any) -> Any:
        if any(len(pair.before) > computing.LARGE_BYTES for pair in args[0]):
            began.set()
            await asyncio.Event().wait()
        return fn(*args)

    loop = asyncio.create_task(deltas_tasks.compute(msgspec.structs.replace(services, processes=compare)))
    await began.wait()
    await fill(services, quick, [Version(n, document(n)) for n in (3, 4)])
    services.topics.wake("contents")
    while len(await listed(services, quick)) < 3:
        await asyncio.sleep(0)
    assert await listed(services, slow) == []
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop


async def test_small_documents_are_handed_to_a_thread_together_and_large_ones_alone(services: Services) -> None:
    endpoint = await endpoint_named(services, "mixed")
    large = [json.dumps({"n": n, "x": "x" * computing.LARGE_BYTES}).encode() for n in range(2)]
    bodies = [*(document(n) for n in range(20)), *large, *(document(n) for n in range(20, 40))]
    handed: list[list[int]] = []

    async def noted(fn: Any, *args: Any) -> Any:
        if fn is summaries.summarise_all:
            handed.append([pair.size for pair in args[0]])
        return fn(*args)

    await fill(services, endpoint, [Version(n + 1, body) for n, body in enumerate(bodies)])
    noting = msgspec.structs.replace(services, spare_cpu=noted, processes=noted)
    while await computing.compute_queued(noting):
        pass
    assert len(await listed(services, endpoint)) == len(bodies) - 1
    assert sum(map(len, handed)) == len(bodies) - 1
    assert all(len(sizes) == 1 or sum(sizes) <= computing.LARGE_BYTES for sizes in handed)
    assert len(handed) < len(bodies) // 2
