"""Snapshots that wait for one endpoint are encoded against each other and written together, each as if alone."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import apsw
import msgspec
import pytest

from delta_server.core import times
from delta_server.core.errors import BadRequest, Conflict, DeltaError, KeyReused, NotFound, TooLarge, Unavailable
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import lanes, service, tails, timeline
from delta_server.features.snapshots.appending import ATTEMPTS, CreatedSnapshots
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.features.snapshots.timeline import EndpointLocks, TailSnapshot, TimelineChanged, TimelineTail
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.contents.rows import Base
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey
from tests.features.history.timelines import endpoint_named
from tests.storage.contents.opened import fresh_cache


def document(number: int) -> bytes:
    return b'{"n": %d, "same": "%s"}' % (number, b"same " * 200)


def latest(endpoint: EndpointRef, body: bytes, captured_at: int = 1000) -> NewSnapshot:
    return NewSnapshot(endpoint, body, captured_at, is_latest=True)


async def send(
    svc: Services, *new_snapshots: NewSnapshot, idempotency_keys: Sequence[IdempotencyKey] = ()
) -> list[CreatedSnapshots | BaseException]:
    """Requests that come at the same time, in this order: they go in one round."""
    keys = idempotency_keys or [IdempotencyKey.none()] * len(new_snapshots)
    sent = []
    for new, idempotency_key in zip(new_snapshots, keys, strict=True):
        assert isinstance(new.endpoint, EndpointRef)
        sent.append(service.create_snapshots(svc, new.endpoint.project, [new], idempotency_key))
    return await asyncio.gather(*sent, return_exceptions=True)


async def timeline_of(svc: Services, endpoint: EndpointRef) -> list[tuple[int, bytes]]:
    """(time, document) of all snapshots, read from disk."""
    cold = msgspec.structs.replace(svc, contents=fresh_cache(svc.contents))
    rows = await svc.db.read(
        lambda tx: tx.all("SELECT captured_at, content FROM snapshot WHERE endpoint = ? ORDER BY 1", endpoint.id)
    )
    return [(at, await contents.read(cold.contents, endpoint.id, content)) for at, content in rows]


async def documents_of(svc: Services, endpoint: EndpointRef) -> list[bytes]:
    return [body for _, body in await timeline_of(svc, endpoint)]


@pytest.fixture
async def endpoint(services: Services) -> EndpointRef:
    return await endpoint_named(services, "e")


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many snapshots each write had."""
    found: list[int] = []
    append = lanes._insert_round

    def noting(tx: Tx, this: lanes.Round, *more: Any) -> Any:
        found.append(len(this.lasts))
        return append(tx, this, *more)

    monkeypatch.setattr(lanes, "_insert_round", noting)
    return found


async def test_what_waits_is_written_together_in_the_order_it_came(
    services: Services, endpoint: EndpointRef, writes: list[int]
) -> None:
    sent = [latest(endpoint, document(n)) for n in range(20)]
    stored = await send(services, *sent)
    assert sum(writes) == 20
    assert len(writes) <= 3
    found = await timeline_of(services, endpoint)
    assert [body for _, body in found] == [new.body for new in sent]
    assert [at for at, _ in found] == list(range(1000, 1020))
    assert [one.snapshots[0].captured_at for one in stored if isinstance(one, CreatedSnapshots)] == sorted(
        one.snapshots[0].captured_at for one in stored if isinstance(one, CreatedSnapshots)
    )
    based = services.db.peek(lambda tx: tx.one("SELECT count(base), max(depth) FROM frame"))
    assert based == (19, 20)


async def test_a_clock_that_is_set_back_does_not_change_their_order(services: Services, endpoint: EndpointRef) -> None:
    sent = [latest(endpoint, document(n), 5000 - 100 * n) for n in range(9)]
    await send(services, *sent)
    assert await documents_of(services, endpoint) == [new.body for new in sent]


async def test_equal_ones_share_a_content(services: Services, endpoint: EndpointRef) -> None:
    bodies = [document(n) for n in (1, 1, 2, 2, 2, 1)]
    stored = await send(services, *(latest(endpoint, body) for body in bodies))
    assert [one.snapshots[0].unchanged for one in stored if isinstance(one, CreatedSnapshots)] == [
        False, True, False, True, True, False,
    ]  # fmt: skip
    assert await documents_of(services, endpoint) == bodies
    assert services.db.peek(lambda tx: tx.one("SELECT count(*) FROM content")) == (3,)


async def test_a_round_has_a_bound(
    services: Services, endpoint: EndpointRef, writes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "ROUND_SNAPSHOTS", 3)
    await send(services, *(latest(endpoint, document(n)) for n in range(10)))
    assert max(writes) <= 3
    writes.clear()
    monkeypatch.setattr(lanes, "ROUND_BYTES", 2 * len(document(0)))
    await send(services, *(latest(endpoint, document(n)) for n in range(10)))
    assert max(writes) <= 2


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (NewSnapshot("", b"[1,", 1000), BadRequest),
        (NewSnapshot("", b"", 1000), BadRequest),
        (NewSnapshot("", b"[" * 600 + b"]" * 600, 1000), BadRequest),
        (NewSnapshot("", b"[1]", 1000, metadata="[1]"), DeltaError),
        (NewSnapshot("", b"[1]", 1000, source="s" * 999), DeltaError),
        (NewSnapshot("", b'"%s"' % (b"a" * 9000), 1000), TooLarge),
    ],
)
async def test_one_refused_costs_the_others_nothing(
    services: Services, endpoint: EndpointRef, wrong: NewSnapshot, error: type[DeltaError]
) -> None:
    limits = msgspec.structs.replace(services.config.limits, document_bytes=8000)
    services = msgspec.structs.replace(services, config=msgspec.structs.replace(services.config, limits=limits))
    sent = [latest(endpoint, document(n)) for n in range(6)]
    sent[3] = msgspec.structs.replace(wrong, endpoint=endpoint, is_latest=True)
    results = await send(services, *sent)
    assert [isinstance(one, CreatedSnapshots) for one in results] == [True, True, True, False, True, True]
    assert isinstance(results[3], error)
    assert await documents_of(services, endpoint) == [document(n) for n in (0, 1, 2, 4, 5)]


async def test_one_key_is_answered_once_and_costs_nobody_its_base(services: Services, endpoint: EndpointRef) -> None:
    key, other = IdempotencyKey(b"key", b"same"), IdempotencyKey(b"key", b"another request")
    idempotency_keys = [
        IdempotencyKey.none(),
        key,
        IdempotencyKey.none(),
        key,
        IdempotencyKey.none(),
        other,
        IdempotencyKey.none(),
    ]
    sent = [latest(endpoint, document(n)) for n in (0, 1, 2, 1, 4, 5, 6)]
    results = await send(services, *sent, idempotency_keys=idempotency_keys)
    first, again = results[1], results[3]
    assert isinstance(first, CreatedSnapshots)
    assert isinstance(again, CreatedSnapshots)
    assert (again.replayed, again.ids) == (True, first.ids)
    assert isinstance(results[5], KeyReused)
    assert await documents_of(services, endpoint) == [document(n) for n in (0, 1, 2, 4, 6)]


async def test_one_that_turns_out_a_replay_when_written_moves_those_behind_it(
    services: Services, endpoint: EndpointRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key came on another endpoint between the look and the write."""
    key = IdempotencyKey(b"key", b"same")
    await send(services, latest(endpoint, document(0)), idempotency_keys=[key])
    looks = iter([None])
    earlier = lanes._earlier_answer
    monkeypatch.setattr(
        lanes,
        "_earlier_answer",
        lambda tx, idempotency_key: (
            next(looks, earlier(tx, idempotency_key)) if idempotency_key.scope else earlier(tx, idempotency_key)
        ),
    )
    sent = [latest(endpoint, document(n)) for n in (1, 2, 0, 4, 5)]
    results = await send(
        services,
        *sent,
        idempotency_keys=[
            IdempotencyKey.none(),
            IdempotencyKey.none(),
            key,
            IdempotencyKey.none(),
            IdempotencyKey.none(),
        ],
    )
    assert all(isinstance(one, CreatedSnapshots) for one in results)
    assert isinstance(results[2], CreatedSnapshots)
    assert results[2].replayed
    assert await documents_of(services, endpoint) == [document(n) for n in (0, 1, 2, 4, 5)]


async def test_a_write_that_fails_leaves_nothing_to_be_based_on(
    services: Services, endpoint: EndpointRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the round are told; the next are encoded against what is stored, not against what was not."""
    append = lanes._insert_round

    def full(*args: Any) -> Any:
        append(*args)
        raise apsw.FullError("the disk is full")

    await send(services, latest(endpoint, document(0)))
    with monkeypatch.context() as patch:
        patch.setattr(lanes, "_insert_round", full)
        results = await send(services, *(latest(endpoint, document(n)) for n in range(1, 4)))
    assert [type(one) for one in results] == [Unavailable] * 3
    await send(services, *(latest(endpoint, document(n)) for n in range(4, 8)))
    assert await documents_of(services, endpoint) == [document(n) for n in (0, 4, 5, 6, 7)]


@pytest.mark.parametrize("cut_in", [b"[3]", document(0)])
async def test_what_the_endpoint_ends_with_by_then_is_what_counts(
    services: Services, endpoint: EndpointRef, monkeypatch: pytest.MonkeyPatch, cut_in: bytes
) -> None:
    """Something else is appended between planning and writing, once: the round is encoded again."""
    await send(services, latest(endpoint, document(9)))
    append, cuts = lanes._insert_round, iter([True])

    def cutting(tx: Tx, *args: Any) -> Any:
        if next(cuts, False):
            frame = contents.encode_frame(None, cut_in, services.config.packs)
            last = TailSnapshot(2000, frame.hash, frame, contents.digest(document(9)), None, None)
            timeline.insert_last(tx, endpoint.id, timeline.tail(tx, endpoint.id), last)
        return append(tx, *args)

    monkeypatch.setattr(lanes, "_insert_round", cutting)
    results = await send(services, *(latest(endpoint, document(n)) for n in range(4)))
    assert all(isinstance(one, CreatedSnapshots) for one in results)
    assert await documents_of(services, endpoint) == [document(9), cut_in, *(document(n) for n in range(4))]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The endpoints whose end was looked up to plan a round."""
    found: list[int] = []
    look = lanes._read_tail

    def noting(tx: Tx, endpoint: int, *more: Any) -> Any:
        found.append(endpoint)
        return look(tx, endpoint, *more)

    monkeypatch.setattr(lanes, "_read_tail", noting)
    return found


async def test_the_end_is_looked_up_now_and_then(services: Services, endpoint: EndpointRef, looks: list[int]) -> None:
    """In between it is what the round before left."""
    for n in range(2 * tails.ROUNDS + 3):
        await send(services, latest(endpoint, document(n // 2)))
    assert len(looks) == 3
    assert await documents_of(services, endpoint) == [document(n // 2) for n in range(2 * tails.ROUNDS + 3)]


async def test_an_end_that_moved_otherwise_is_looked_up_again(
    services: Services, endpoint: EndpointRef, looks: list[int]
) -> None:
    [first] = await send(services, latest(endpoint, document(0)))
    later = NewSnapshot(endpoint, document(1), 5000)
    await service.create_snapshots(services, endpoint.project, [later], IdempotencyKey.none())
    await send(services, latest(endpoint, document(2)))
    assert isinstance(first, CreatedSnapshots)
    await service.delete_snapshot(services, endpoint.project, first.ids[0])
    [last] = await send(services, latest(endpoint, document(3)))
    assert isinstance(last, CreatedSnapshots)
    await service.delete_snapshot(services, endpoint.project, last.ids[0])
    await send(services, latest(endpoint, document(3)))
    assert len(looks) == 3
    assert await documents_of(services, endpoint) == [document(n) for n in (1, 2, 3)]


async def test_rounds_of_endpoints_of_a_project_are_written_together(
    services: Services, endpoint: EndpointRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, calls = await endpoint_named(services, "f"), []
    insert = lanes.insert_rounds

    def noting(tx: Tx, project: int, rounds: Sequence[lanes.Round], *more: Any) -> Any:
        calls.append([this.endpoint.name for this in rounds])
        return insert(tx, project, rounds, *more)

    monkeypatch.setattr(lanes, "insert_rounds", noting)
    results = await send(services, latest(endpoint, document(0)), latest(other, document(1)))
    assert all(isinstance(one, CreatedSnapshots) for one in results)
    assert calls == [["e", "f"]]
    assert await documents_of(services, endpoint) == [document(0)]
    assert await documents_of(services, other) == [document(1)]


async def test_after_so_many_lost_races_it_is_a_conflict(
    services: Services, endpoint: EndpointRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def moved(tx: Tx, this: lanes.Round, *more: Any) -> Any:
        tries.append(len(this.lasts))
        return [TimelineChanged()] * len(this.lasts)

    monkeypatch.setattr(lanes, "_insert_round", moved)
    results = await send(services, *(latest(endpoint, document(n)) for n in range(3)))
    assert all(isinstance(one, Conflict) for one in results)
    assert len(tries) <= ATTEMPTS * 3
    assert await documents_of(services, endpoint) == []


async def test_an_endpoint_that_was_deleted_meanwhile(services: Services, endpoint: EndpointRef) -> None:
    await send(services, latest(endpoint, document(0)))
    await endpoints.delete_endpoint(services, endpoint.project, endpoint.name)
    results = await send(services, *(latest(endpoint, document(n)) for n in range(3)))
    assert all(isinstance(one, NotFound) for one in results)


async def test_what_its_caller_has_left_is_not_stored(services: Services, endpoint: EndpointRef) -> None:
    async with services.state(EndpointLocks).hold([endpoint.id]):
        tasks = [
            asyncio.create_task(
                service.create_snapshots(
                    services, endpoint.project, [latest(endpoint, document(n))], IdempotencyKey.none()
                )
            )
            for n in range(4)
        ]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait([tasks[1]])
    for task in (tasks[0], tasks[2], tasks[3]):
        await task
    assert await documents_of(services, endpoint) == [document(n) for n in (0, 2, 3)]


async def test_beside_requests_of_several_and_of_times_in_the_past(services: Services, endpoint: EndpointRef) -> None:
    """They take turns with rounds; whatever the order, each document is what was sent."""
    chance = random.Random(5)
    bodies = {chance.randbytes(5).hex().encode().join((b'"', b'"')) for _ in range(40)}
    sent = []
    for number, body in enumerate(sorted(bodies)):
        if number % 4 == 1:
            new_snapshots = [NewSnapshot(endpoint, body, 500 + number)]
        elif number % 4 == 3:
            new_snapshots = [latest(endpoint, body), latest(endpoint, b"[%d]" % number)]
        else:
            new_snapshots = [latest(endpoint, body)]
        sent.append(service.create_snapshots(services, endpoint.project, new_snapshots, IdempotencyKey.none()))
    await asyncio.gather(*sent)
    found = await timeline_of(services, endpoint)
    assert bodies <= {body for _, body in found}
    assert len({at for at, _ in found}) == len(found) == 50


@pytest.mark.parametrize("is_cached", [True, False])
@pytest.mark.parametrize("same", [True, False])
async def test_the_head_is_read_only_to_encode_against_it(
    services: Services, endpoint: EndpointRef, monkeypatch: pytest.MonkeyPatch, *, is_cached: bool, same: bool
) -> None:
    await send(services, latest(endpoint, document(0)))
    if not is_cached:
        services = msgspec.structs.replace(services, contents=fresh_cache(services.contents))
    read: list[int] = []
    base_of = contents.base_of

    async def noting(*args: Any) -> Base | None:
        read.append(args[1])
        return await base_of(*args)

    monkeypatch.setattr(contents, "base_of", noting)
    await send(services, latest(endpoint, document(0 if same else 1)))
    assert len(read) == (not is_cached and not same)
    assert await documents_of(services, endpoint) == [document(0), document(0 if same else 1)]


@pytest.mark.parametrize(("captured_at", "before"), [(1000, "head"), (999, "head"), (1001, "none"), (1001, "other")])
async def test_nothing_is_placed_after_another_tail_than_it_was_made_for(
    services: Services, endpoint: EndpointRef, captured_at: int, before: str
) -> None:
    await send(services, latest(endpoint, document(0)))
    hashes = {"head": contents.digest(document(0)), "none": None, "other": contents.digest(b"other")}
    frame = contents.encode_frame(Base(None, document(0), 1), document(1), services.config.packs)
    last = TailSnapshot(captured_at, frame.hash, frame, hashes[before], None, None)

    def place(tx: Tx) -> None:
        timeline.insert_last(tx, endpoint.id, timeline.tail(tx, endpoint.id), last)

    with pytest.raises(TimelineChanged):
        await services.db.write(place)
    assert await documents_of(services, endpoint) == [document(0)]


def test_an_endpoint_without_snapshots_ends_with_nothing(services: Services) -> None:
    assert services.db.peek(timeline.tail, 999) == TimelineTail(times.EARLIEST_MS, None)
