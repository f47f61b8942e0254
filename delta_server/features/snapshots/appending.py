"""Appending what one request brings, all or none, while no other request appends to its endpoints."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from delta_server.config.plans import Plans
from delta_server.core import times
from delta_server.core.errors import Conflict
from delta_server.features.activity import service as activity
from delta_server.features.deltas.service import Delta
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.enforcement import service as enforcement
from delta_server.features.snapshots import happenings, schemas, store, timeline
from delta_server.features.snapshots.incoming import NewSnapshot
from delta_server.features.snapshots.schemas import StoredAnswer
from delta_server.features.snapshots.store import Snapshot as Row
from delta_server.features.snapshots.timeline import (
    EndpointLocks,
    PlacedSnapshot,
    PlannedEntry,
    Position,
    TailSnapshot,
    TimelineChanged,
)
from delta_server.features.usage import service as usage
from delta_server.features.usage.service import Needs
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.contents.contents import Base, Content, Frame
from delta_server.storage.contents.options import Packs
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey

ATTEMPTS = 3
MAX_PEEKED = 4
"""So many neighbours are looked up on the event loop, 0.1 ms each; more of them on a reader's thread."""


class CreatedSnapshots(msgspec.Struct, frozen=True):
    """The new snapshots in the order they were sent, and (endpoint, content) of each.

    `replayed`: the answer to an earlier request is sent again, without contents. `deltas` only if requested.
    """

    snapshots: list[StoredAnswer]
    contents: Sequence[tuple[int, int]] = ()
    deltas: Sequence[Delta | None] = ()
    replayed: bool = False

    @property
    def ids(self) -> list[str]:
        return [snapshot.id for snapshot in self.snapshots]


class _PlannedSnapshot(msgspec.Struct, frozen=True):
    """One of `new_snapshots` on its way to an entry: its number, hash and free time; the stored contents around it,
    with the `contents.frame_depth` of the one before."""

    number: int
    new: NewSnapshot
    hash: bytes
    captured_at: int
    previous: Content | None
    hash_after: bytes | None
    cut: bool
    depth: int


async def create_exclusively(
    svc: Services,
    project: int,
    new_snapshots: Sequence[NewSnapshot],
    hashes: Sequence[bytes],
    plans: Plans | None,
    idempotency_key: IdempotencyKey,
) -> CreatedSnapshots:
    """`plans` None: the project's is not asked for."""
    lost = 0
    while lost < ATTEMPTS:
        async with svc.state(EndpointLocks).hold(_lock_key(project, new) for new in new_snapshots):
            if created_endpoints := _created_concurrently(svc, project, new_snapshots):
                new_snapshots = [
                    new if isinstance(new.endpoint, EndpointRef) else _with_created_endpoint(new, created_endpoints)
                    for new in new_snapshots
                ]
                continue  # with the locks of those endpoints
            entries = await _plan(svc, new_snapshots, hashes)
            try:
                async with timeline.stored_ahead(svc.db, entries) as entries:
                    appended = await svc.db.write(
                        _insert_snapshots, project, new_snapshots, entries, plans, idempotency_key
                    )
            except TimelineChanged:
                lost += 1
                continue
            for new, (endpoint, content) in zip(new_snapshots, appended.contents, strict=False):
                contents.remember(svc.contents, endpoint, content, new.body)
            return appended
    raise Conflict("the endpoint's history is being rewritten at this place; send the snapshot again")


def _lock_key(project: int, new: NewSnapshot) -> int:
    """The endpoint's row; of one to be made a number below 0. Two names that share one only take turns."""
    return new.endpoint.id if isinstance(new.endpoint, EndpointRef) else -1 - abs(hash((project, new.endpoint)))


def _created_concurrently(svc: Services, project: int, new_snapshots: Sequence[NewSnapshot]) -> dict[str, EndpointRef]:
    """Endpoints that were only names when the request came, and were made while it waited its turn."""
    names = {new.endpoint for new in new_snapshots if isinstance(new.endpoint, str)}
    found = {name: endpoints.resolve_or_name(svc, project, name) for name in names}
    return {name: endpoint for name, endpoint in found.items() if isinstance(endpoint, EndpointRef)}


def _with_created_endpoint(new: NewSnapshot, created_endpoints: Mapping[str, EndpointRef]) -> NewSnapshot:
    assert isinstance(new.endpoint, str)
    return msgspec.structs.replace(new, endpoint=created_endpoints.get(new.endpoint, new.endpoint))


async def _plan(svc: Services, new_snapshots: Sequence[NewSnapshot], hashes: Sequence[bytes]) -> list[PlannedEntry]:
    """Make the frames, each against the document before it in time: a stored one or one of this request."""
    entries: dict[int, PlannedEntry] = {}
    order = sorted(
        range(len(new_snapshots)), key=lambda n: (_timeline_key(new_snapshots[n]), new_snapshots[n].captured_at, n)
    )
    for (endpoint, _), group in groupby(order, key=lambda n: _timeline_key(new_snapshots[n])):
        numbered = [(n, new_snapshots[n], hashes[n]) for n in group]
        if len(numbered) <= MAX_PEEKED:
            lane = svc.db.peek(_plan_positions, endpoint, numbered)
        else:
            lane = await svc.db.read(_plan_positions, endpoint, numbered)
        cut = {item.previous.id: item.depth for item in lane if item.previous is not None and item.cut}
        splits = {content: await _split(svc, endpoint, content, depth) for content, depth in cut.items()}
        previous, depth, size = lane[0].previous, lane[0].depth, len(lane[0].new.body)
        base = None
        if previous is not None and previous.hash != lane[0].hash:
            base = await contents.base_of(svc.contents, endpoint, previous, depth, size)
        cpu = svc.cpu_beside(sum(len(item.new.body) for item in lane))
        entries |= await cpu(_encode_timeline, lane, base, splits, svc.contents.packs)
    return [entries[n] for n in range(len(new_snapshots))]


async def _split(svc: Services, endpoint: int, content: int, depth: int) -> Frame:
    """A stored content once more, for the second part of its run: a few bytes against itself.

    Read and encoded one by one: a small request may cut hundreds of large contents.
    """
    body = await contents.read(svc.contents, endpoint, content)
    return await svc.cpu(contents.encode_frame, Base(content, body, depth), body, svc.contents.packs)


def _timeline_key(new: NewSnapshot) -> tuple[int, str]:
    """The endpoint's row, or 0 and the name of one to be made."""
    return (new.endpoint.id, "") if isinstance(new.endpoint, EndpointRef) else (0, new.endpoint)


def _plan_positions(tx: Tx, endpoint: int, lane: Sequence[tuple[int, NewSnapshot, bytes]]) -> list[_PlannedSnapshot]:
    """Each at a time of its own."""
    items: list[_PlannedSnapshot] = []
    last = times.EARLIEST_MS
    newest = store.newest_at(tx, endpoint, 1) if endpoint else None
    for number, new, digest in lane:
        earliest = max(last, newest or last) if new.is_latest else last
        previous = Position(max(new.captured_at, earliest + 1), None, None, cut=False)
        if endpoint:
            previous = timeline.neighbour(tx, endpoint, previous.captured_at)
        last = previous.captured_at
        depth = 0 if previous.content is None else contents.frame_depth(tx, endpoint, previous.content.id)
        items.append(
            _PlannedSnapshot(number, new, digest, last, previous.content, previous.hash_after, previous.cut, depth)
        )
    return items


def _encode_timeline(
    lane: Sequence[_PlannedSnapshot], stored: Base | None, splits: Mapping[int, Frame], packs: Packs
) -> dict[int, PlannedEntry]:
    """One endpoint's entries by their number in the request. A document equal to the one before it needs no frame.

    `stored` is what the first one may be encoded against; `splits` go by the contents whose runs are cut.
    """
    entries: dict[int, PlannedEntry] = {}
    last: _PlannedSnapshot | None = None
    depth = lane[0].depth
    for item in lane:
        previous, frame = item.previous, None
        # Just before it stands the request's last one or, if snapshots lie between, the stored one.
        hashes_before = {before.hash for before in (last, previous) if before is not None}
        if hashes_before != {item.hash}:
            base = stored if last is None else Base(None, last.new.body, depth)
            frame = contents.encode_frame(base, item.new.body, packs)
            depth = frame.depth
        entries[item.number] = PlannedEntry(
            captured_at=item.captured_at,
            hash=item.hash,
            frame=frame,
            based_on=last.number if last is not None and frame is not None and not frame.alone else None,
            splits=list(_splits(item, last, splits, packs)),
            source=item.new.source,
            metadata=item.new.metadata,
        )
        last = item
    return entries


def _splits(
    item: _PlannedSnapshot, last: _PlannedSnapshot | None, splits: Mapping[int, Frame], packs: Packs
) -> Iterator[Frame]:
    """The contents whose runs the item may cut in two, once more.

    The stored one before it, or the request's last one if that became the beginning of the stored run after it.
    """
    if item.previous is not None and item.cut:
        yield splits[item.previous.id]
    if last is not None and last.hash == item.hash_after:
        yield contents.encode_frame(None, last.new.body, packs)


def _insert_snapshots(
    tx: Tx,
    project: int,
    new_snapshots: Sequence[NewSnapshot],
    entries: Sequence[PlannedEntry],
    plans: Plans | None,
    idempotency_key: IdempotencyKey,
) -> CreatedSnapshots:
    if appended := replayed(tx, idempotency_key):
        return appended
    for known in {
        new.endpoint.id: new.endpoint for new in new_snapshots if isinstance(new.endpoint, EndpointRef)
    }.values():
        endpoints.confirm(tx, known)
    left = None if plans is None else usage.allowance(tx, plans, project)
    if left is not None:
        left.take(needs_of(entries))
        usage.add_snapshots(tx, project, len(entries))
    names = {new.endpoint for new in new_snapshots if isinstance(new.endpoint, str)}
    created = {name for name in names if endpoints.find_or_name(tx, project, name) == name}
    created_endpoints = {name: endpoints.ensure(tx, project, name, left) for name in names}
    stored: dict[int, StoredAnswer] = {}
    placed: dict[int, tuple[int, int]] = {}
    rows: list[int] = []
    counted: dict[int, dict[int, int]] = {}
    for number in sorted(range(len(new_snapshots)), key=lambda n: entries[n].captured_at):
        new, entry = new_snapshots[number], entries[number]
        endpoint = new.endpoint if isinstance(new.endpoint, EndpointRef) else created_endpoints[new.endpoint]
        base = None if entry.based_on is None else placed[entry.based_on][1]
        at = timeline.insert_entry(tx, endpoint.id, entry, base)
        stored[number] = stored_answer(
            new, entry, at, endpoint, created=isinstance(new.endpoint, str) and new.endpoint in created
        )
        enforcement.note(tx, endpoint, at.uid, entry.captured_at, new.misfits)
        if new.companion is not None:
            new.companion(tx, at.uid)
        placed[number] = endpoint.id, at.content
        rows.append(at.id)
        counted.setdefault(endpoint.id, {})[entry.captured_at] = 1
    for id, by_time in counted.items():
        activity.count_snapshots(tx, id, by_time)
    happenings.created(tx, project, rows)
    in_order = [stored[number] for number in range(len(new_snapshots))]
    record_answer(tx, idempotency_key, in_order)
    return CreatedSnapshots(in_order, [placed[number] for number in range(len(new_snapshots))])


def needs_of(entries: Iterable[PlannedEntry | TailSnapshot]) -> Needs:
    """What they take of a plan."""
    stored = [
        usage.SNAPSHOT_BYTES
        + len((entry.source or "").encode())
        + len((entry.metadata or "").encode())
        + (0 if entry.frame is None else entry.frame.stored_bytes)
        for entry in entries
    ]
    return Needs(snapshots=len(stored), storage_bytes=sum(stored))


def replayed(tx: Tx, idempotency_key: IdempotencyKey) -> CreatedSnapshots | None:
    """What an earlier request with this key was answered. Raises KeyReused."""
    answer = idempotency_key.replay(tx)
    return (
        None
        if answer is None
        else CreatedSnapshots(msgspec.json.decode(answer.body, type=list[StoredAnswer]), replayed=True)
    )


def record_answer(tx: Tx, idempotency_key: IdempotencyKey, answer: Sequence[StoredAnswer]) -> None:
    """For a repeated request, where it can be known as one."""
    if idempotency_key.scope is not None:
        idempotency_key.record(tx, 201, msgspec.json.encode(answer))


def stored_answer(
    new: NewSnapshot,
    entry: PlannedEntry | TailSnapshot,
    placed: PlacedSnapshot,
    endpoint: EndpointRef,
    *,
    created: bool = False,
) -> StoredAnswer:
    """The answer about one snapshot."""
    shown = schemas.snapshot(_row(new, entry, placed, endpoint))
    return StoredAnswer(**msgspec.structs.asdict(shown), endpoint_created=created, misfits=tuple(new.misfits))


def _row(new: NewSnapshot, entry: PlannedEntry | TailSnapshot, placed: PlacedSnapshot, endpoint: EndpointRef) -> Row:
    return Row(
        id=placed.id,
        uid=placed.uid,
        captured_at=entry.captured_at,
        content=placed.content,
        source=new.source,
        metadata=new.metadata,
        size=len(new.body),
        hash=entry.hash,
        unchanged=placed.unchanged,
        endpoint=endpoint.id,
        endpoint_uid=endpoint.uid,
        endpoint_name=endpoint.name,
    )
