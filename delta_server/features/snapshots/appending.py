"""Appending what one request brings, all or none, while no other request appends to its endpoints."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from delta_server.core import times
from delta_server.core.errors import Conflict
from delta_server.features.deltas.service import Delta
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import schemas, store, timeline
from delta_server.features.snapshots.incoming import New
from delta_server.features.snapshots.schemas import Kept
from delta_server.features.snapshots.store import Snapshot as Row
from delta_server.features.snapshots.timeline import EndpointLocks, Entry, Last, Moved, Neighbour, Placed
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.contents.contents import Base, Content, Frame
from delta_server.storage.contents.options import Packs
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import Once

ATTEMPTS = 3
PEEKED = 4
"""So many neighbours are looked up on the event loop, 0.1 ms each; more of them on a reader's thread."""


class Appended(msgspec.Struct, frozen=True):
    """The new snapshots in the order they were sent, and (endpoint, content) of each.

    `replayed`: what an earlier request was answered comes again, without contents. `deltas` only if asked for.
    """

    snapshots: list[Kept]
    contents: Sequence[tuple[int, int]] = ()
    deltas: Sequence[Delta | None] = ()
    replayed: bool = False

    @property
    def ids(self) -> list[str]:
        return [snapshot.id for snapshot in self.snapshots]

    @property
    def created(self) -> bool:
        """Whether an endpoint was made for one of them."""
        return any(snapshot.endpoint_created for snapshot in self.snapshots)


class _Item(msgspec.Struct, frozen=True):
    """One of `news` on its way to an entry: its number, hash and free time; the stored contents around it, with the
    `contents.frame_depth` of the one before."""

    number: int
    new: New
    hash: bytes
    captured_at: int
    near: Content | None
    hash_after: bytes | None
    cut: bool
    depth: int


async def store_alone(
    svc: Services, project: int, news: Sequence[New], hashes: Sequence[bytes], once: Once
) -> Appended:
    lost = 0
    while lost < ATTEMPTS:
        async with svc.state(EndpointLocks).hold(_lock_key(project, new) for new in news):
            if made := _made_meanwhile(svc, project, news):
                news = [new if isinstance(new.endpoint, EndpointRef) else _moved(new, made) for new in news]
                continue  # with the locks of those endpoints
            entries = await _plan(svc, news, hashes)
            try:
                appended = await svc.db.write(_append, project, news, entries, once)
            except Moved:
                lost += 1
                continue
            for new, (endpoint, content) in zip(news, appended.contents, strict=False):
                contents.remember(svc.contents, endpoint, content, new.body)
            return appended
    raise Conflict("the endpoint's history is being rewritten at this place; send the snapshot again")


def _lock_key(project: int, new: New) -> int:
    """The endpoint's row; of one to be made a number below 0. Two names that share one only take turns."""
    return new.endpoint.id if isinstance(new.endpoint, EndpointRef) else -1 - abs(hash((project, new.endpoint)))


def _made_meanwhile(svc: Services, project: int, news: Sequence[New]) -> dict[str, EndpointRef]:
    """Endpoints that were only names when the request came, and were made while it waited its turn."""
    names = {new.endpoint for new in news if isinstance(new.endpoint, str)}
    found = {name: endpoints.resolve_or_name(svc, project, name) for name in names}
    return {name: endpoint for name, endpoint in found.items() if isinstance(endpoint, EndpointRef)}


def _moved(new: New, made: Mapping[str, EndpointRef]) -> New:
    assert isinstance(new.endpoint, str)
    return msgspec.structs.replace(new, endpoint=made.get(new.endpoint, new.endpoint))


async def _plan(svc: Services, news: Sequence[New], hashes: Sequence[bytes]) -> list[Entry]:
    """Make the frames, each against the document before it in time: a stored one or one of this request."""
    entries: dict[int, Entry] = {}
    order = sorted(range(len(news)), key=lambda n: (_lane(news[n]), news[n].captured_at, n))
    for (endpoint, _), group in groupby(order, key=lambda n: _lane(news[n])):
        numbered = [(n, news[n], hashes[n]) for n in group]
        if len(numbered) <= PEEKED:
            lane = svc.db.peek(_items, endpoint, numbered)
        else:
            lane = await svc.db.read(_items, endpoint, numbered)
        cut = {item.near.id: item.depth for item in lane if item.near is not None and item.cut}
        splits = {content: await _split(svc, endpoint, content, depth) for content, depth in cut.items()}
        near, depth, size = lane[0].near, lane[0].depth, len(lane[0].new.body)
        base = None
        if near is not None and near.hash != lane[0].hash:
            base = await contents.base_of(svc.contents, endpoint, near, depth, size)
        entries |= await svc.cpu(_encode_lane, lane, base, splits, svc.contents.packs)
    return [entries[n] for n in range(len(news))]


async def _split(svc: Services, endpoint: int, content: int, depth: int) -> Frame:
    """A stored content once more, for the second part of its run: a few bytes against itself.

    Read and encoded one by one: a small request may cut hundreds of large contents.
    """
    body = await contents.read(svc.contents, endpoint, content)
    return await svc.cpu(contents.encode_frame, Base(content, body, depth), body, svc.contents.packs)


def _lane(new: New) -> tuple[int, str]:
    """The endpoint's row, or 0 and the name of one to be made."""
    return (new.endpoint.id, "") if isinstance(new.endpoint, EndpointRef) else (0, new.endpoint)


def _items(tx: Tx, endpoint: int, lane: Sequence[tuple[int, New, bytes]]) -> list[_Item]:
    """Each at a time of its own."""
    items: list[_Item] = []
    last = times.EARLIEST_MS
    newest = store.newest_at(tx, endpoint, 1) if endpoint else None
    for number, new, digest in lane:
        earliest = max(last, newest or last) if new.is_latest else last
        near = Neighbour(max(new.captured_at, earliest + 1), None, None, cut=False)
        if endpoint:
            near = timeline.neighbour(tx, endpoint, near.captured_at)
        last = near.captured_at
        depth = 0 if near.content is None else contents.frame_depth(tx, endpoint, near.content.id)
        items.append(_Item(number, new, digest, last, near.content, near.hash_after, near.cut, depth))
    return items


def _encode_lane(
    lane: Sequence[_Item], stored: Base | None, splits: Mapping[int, Frame], packs: Packs
) -> dict[int, Entry]:
    """One endpoint's entries by their number in the request. A document equal to the one before it needs no frame.

    `stored` is what the first one may be encoded against; `splits` go by the contents whose runs are cut.
    """
    entries: dict[int, Entry] = {}
    last: _Item | None = None
    depth = lane[0].depth
    for item in lane:
        near, frame = item.near, None
        # Just before it stands the request's last one or, if snapshots lie between, the stored one.
        hashes_before = {before.hash for before in (last, near) if before is not None}
        if hashes_before != {item.hash}:
            base = stored if last is None else Base(None, last.new.body, depth)
            frame = contents.encode_frame(base, item.new.body, packs)
            depth = frame.depth
        entries[item.number] = Entry(
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


def _splits(item: _Item, last: _Item | None, splits: Mapping[int, Frame], packs: Packs) -> Iterator[Frame]:
    """The contents whose runs the item may cut in two, once more.

    The stored one before it, or the request's last one if that became the beginning of the stored run after it.
    """
    if item.near is not None and item.cut:
        yield splits[item.near.id]
    if last is not None and last.hash == item.hash_after:
        yield contents.encode_frame(None, last.new.body, packs)


def _append(tx: Tx, project: int, news: Sequence[New], entries: Sequence[Entry], once: Once) -> Appended:
    if appended := replayed(tx, once):
        return appended
    for known in {new.endpoint.id: new.endpoint for new in news if isinstance(new.endpoint, EndpointRef)}.values():
        endpoints.confirm(tx, known)
    names = {new.endpoint for new in news if isinstance(new.endpoint, str)}
    created = {name for name in names if endpoints.find_or_name(tx, project, name) == name}
    made = {name: endpoints.ensure(tx, project, name) for name in names}
    stored: dict[int, Kept] = {}
    placed: dict[int, tuple[int, int]] = {}
    for number in sorted(range(len(news)), key=lambda n: entries[n].captured_at):
        new, entry = news[number], entries[number]
        endpoint = new.endpoint if isinstance(new.endpoint, EndpointRef) else made[new.endpoint]
        base = None if entry.based_on is None else placed[entry.based_on][1]
        at = timeline.place(tx, endpoint.id, entry, base)
        stored[number] = kept(
            new, entry, at, endpoint, created=isinstance(new.endpoint, str) and new.endpoint in created
        )
        placed[number] = endpoint.id, at.content
    in_order = [stored[number] for number in range(len(news))]
    keep(tx, once, in_order)
    return Appended(in_order, [placed[number] for number in range(len(news))])


def replayed(tx: Tx, once: Once) -> Appended | None:
    """What an earlier request with this key was answered. Raises KeyReused."""
    answer = once.replay(tx)
    return None if answer is None else Appended(msgspec.json.decode(answer.body, type=list[Kept]), replayed=True)


def keep(tx: Tx, once: Once, answer: Sequence[Kept]) -> None:
    """For a repeated request, where it can be known as one."""
    if once.scope is not None:
        once.keep(tx, 201, msgspec.json.encode(answer))


def kept(new: New, entry: Entry | Last, placed: Placed, endpoint: EndpointRef, *, created: bool = False) -> Kept:
    """The answer about one snapshot."""
    shown = schemas.snapshot(_row(new, entry, placed, endpoint))
    return Kept(**msgspec.structs.asdict(shown), endpoint_created=created)


def _row(new: New, entry: Entry | Last, placed: Placed, endpoint: EndpointRef) -> Row:
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
