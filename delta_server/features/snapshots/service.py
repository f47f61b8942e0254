"""Storing snapshots and finding them again."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby, islice

import msgspec

from delta_server.config import Packs
from delta_server.core import codec, halves, json_text, times
from delta_server.core.errors import BadRequest, Conflict, Invalid, NotFound, TooLarge
from delta_server.core.ids import parse as parse_id
from delta_server.core.span import Span
from delta_server.features.contents import service as contents
from delta_server.features.contents.service import Base, Content, Frame
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas.service import Delta
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import schemas, store, timeline
from delta_server.features.snapshots.schemas import Kept, Sent
from delta_server.features.snapshots.store import Snapshot as Row
from delta_server.features.snapshots.store import delete_some as delete_some
from delta_server.features.snapshots.timeline import Entry, Moved, Neighbour, Placed
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.once import Once
from delta_server.storage.walk import together

ATTEMPTS = 3
PEEKED = 4
"""So many neighbours are looked up on the event loop, 0.1 ms each; more of them on a reader's thread."""
MAX_METADATA_BYTES = 16 * 1024
MAX_SOURCE_CHARACTERS = 200
MAX_AHEAD_MS = times.DAY_MS
EARLIEST_CAPTURE_MS = 0


class New(msgspec.Struct, frozen=True):
    """A snapshot to store: `endpoint` is a reference, or the name of one to make if it is not there."""

    endpoint: EndpointRef | str
    body: bytes
    captured_at: int
    source: str | None = None
    metadata: str | None = None
    checked: bool = False
    """The body is known to be JSON."""
    is_latest: bool = False
    """The caller gave no time: it comes after all the endpoint has, even when the clock was set back meanwhile."""


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


def news(svc: Services, project: int, items: Sequence[Sent]) -> list[New]:
    """What requests want stored. Raises NotFound for an unknown endpoint's id, Invalid."""
    targets: dict[str, EndpointRef | str] = {}
    now_ms = svc.clock.now_ms()
    found = []
    for number, item in enumerate(items):
        with _naming(number, len(items)):
            if item.endpoint not in targets:
                targets[item.endpoint] = endpoints.resolve_or_name(svc, project, item.endpoint)
            captured_at = now_ms if item.captured_at is None else times.parse(item.captured_at, field="captured_at")
        new = New(targets[item.endpoint], item.body, captured_at, item.source, item.metadata, checked=item.checked)
        found.append(msgspec.structs.replace(new, is_latest=item.captured_at is None))
    return found


@contextmanager
def _naming(number: int, count: int) -> Iterator[None]:
    """Lets an error about one of several snapshots say about which."""
    try:
        yield
    except (BadRequest, Invalid, NotFound, TooLarge) as error:
        if count == 1:
            raise
        field = ".".join([f"snapshots[{number}]", *(part.field for part in error.errors[:1])])
        raise type(error)(f"snapshot {number}: {error.message}", field=field) from None


def check(new: New, limit_bytes: int, now_ms: int) -> None:
    """Raise BadRequest, TooLarge or Invalid if `new` may not be stored."""
    if len(new.body) > limit_bytes:
        raise TooLarge(f"the document has {len(new.body)} bytes, more than limits.document_bytes = {limit_bytes}")
    if not new.checked:
        _check_document(new.body)
    if not EARLIEST_CAPTURE_MS <= new.captured_at <= now_ms + MAX_AHEAD_MS:
        raise Invalid(
            f"captured_at must lie between {times.format(EARLIEST_CAPTURE_MS)} and a day from now; "
            f"it is {times.format(new.captured_at)}",
            field="captured_at",
        )
    if new.source is not None and len(new.source) > MAX_SOURCE_CHARACTERS:
        raise Invalid(f"source has more than {MAX_SOURCE_CHARACTERS} characters", field="source")
    if new.source is not None and "\0" in new.source:
        raise Invalid("source contains the character U+0000, which is not allowed", field="source")
    if new.metadata is not None:
        _check_metadata(new.metadata)


def _check_document(body: bytes) -> None:
    try:
        json_text.check(body)
    except BadRequest:
        if (readable := halves.hidden(body)) == body:
            raise
        json_text.check(readable)


def _check_metadata(metadata: str) -> None:
    raw = metadata.encode()
    if len(raw) > MAX_METADATA_BYTES:
        raise Invalid(f"metadata has more than {MAX_METADATA_BYTES} bytes", field="metadata")
    try:
        json_text.check(raw, "metadata")
    except BadRequest as error:
        raise Invalid(error.message, field="metadata") from None
    if not raw.lstrip().startswith(b"{"):
        raise Invalid("metadata must be a JSON object", field="metadata")


async def append(
    svc: Services, project: int, news: Sequence[New], once: Once, *, with_deltas: bool = False
) -> "Appended":
    """Store `news` all or none, in the order of their times. Raises Conflict after three lost races."""
    hashes = await svc.cpu(_check_all, news, svc.config.limits.document_bytes, svc.clock.now_ms())
    appended = await _store(svc, project, news, hashes, once)
    try:
        if not with_deltas:
            return appended
        uids = [parse_id(id) for id in appended.ids]
        return msgspec.structs.replace(appended, deltas=await deltas.computed(svc, project, uids))
    finally:  # not before: what the request waits for would be computed twice
        svc.contents_changed.notify()


async def _store(svc: Services, project: int, news: Sequence[New], hashes: Sequence[bytes], once: Once) -> "Appended":
    lost = 0
    while lost < ATTEMPTS:
        async with svc.endpoint_locks.hold(_lock_key(project, new) for new in news):
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
                contents.remember(svc, endpoint, content, new.body)
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


def _check_all(news: Sequence[New], limit_bytes: int, now_ms: int) -> list[bytes]:
    """The documents' hashes, once all of them may be stored."""
    for number, new in enumerate(news):
        with _naming(number, len(news)):
            check(new, limit_bytes, now_ms)
    return [codec.digest(new.body) for new in news]


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
            base = await contents.base_of(svc, endpoint, near, depth, size)
        entries |= await svc.cpu(_encode_lane, lane, base, splits, svc.config.packs)
    return [entries[n] for n in range(len(news))]


async def _split(svc: Services, endpoint: int, content: int, depth: int) -> Frame:
    """A stored content once more, for the second part of its run: a few bytes against itself.

    Read and encoded one by one: a small request may cut hundreds of large contents.
    """
    body = await contents.read(svc, endpoint, content)
    return await svc.cpu(contents.encode_frame, Base(content, body, depth), body, svc.config.packs)


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


def _append(tx: Tx, project: int, news: Sequence[New], entries: Sequence[Entry], once: Once) -> "Appended":
    if answer := once.replay(tx):
        return Appended(msgspec.json.decode(answer.body, type=list[Kept]), replayed=True)
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
        shown = schemas.snapshot(_row(endpoint, new, entry, at))
        is_new = isinstance(new.endpoint, str) and new.endpoint in created
        stored[number] = Kept(**msgspec.structs.asdict(shown), endpoint_created=is_new)
        placed[number] = endpoint.id, at.content
    in_order = [stored[number] for number in range(len(news))]
    once.keep(tx, 201, msgspec.json.encode(in_order))
    return Appended(in_order, [placed[number] for number in range(len(news))])


def _row(endpoint: EndpointRef, new: New, entry: Entry, placed: Placed) -> Row:
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


def get(svc: Services, project: int, snapshot_id: str, endpoint: str | None = None) -> Row:
    """Raises NotFound, also when it is not one of `endpoint`, an id or a name."""
    snapshot = svc.db.peek(store.by_uid, project, parse_id(snapshot_id, "snapshot"))
    if snapshot is None:
        raise NotFound("no such snapshot in this project")
    if endpoint is not None and endpoints.resolve(svc, project, endpoint).id != snapshot.endpoint:
        raise NotFound(f"no such snapshot of the endpoint {endpoint}: it is one of another endpoint")
    return snapshot


def at(svc: Services, project: int, endpoint: EndpointRef, time_ms: int) -> Row:
    """The snapshot in force at `time_ms`. Raises NotFound."""
    snapshot = svc.db.peek(store.at, project, endpoint.id, time_ms)
    if snapshot is None:
        when = "yet" if time_ms >= times.LATEST_MS else f"at or before {times.format(time_ms)}"
        raise NotFound(f"{endpoint.name} has no snapshot {when}")
    return snapshot


async def read(svc: Services, snapshot: Row) -> bytes:
    """The document, byte for byte."""
    return await contents.read(svc, snapshot.endpoint, snapshot.content)


async def page(
    svc: Services, project: int, endpoint: EndpointRef | None, span: Span, *, limit: int, changed_only: bool
) -> list[Row]:
    """Up to `limit` snapshots of one endpoint, or of the whole project in order of time."""
    return await svc.db.read(_page, project, None if endpoint is None else endpoint.id, span, limit, changed_only)


def _page(tx: Tx, project: int, endpoint: int | None, span: Span, limit: int, changed_only: bool) -> list[Row]:
    if endpoint is not None:
        rows = store.walk(tx, project, endpoint, span, changed_only=changed_only, most=limit)
    else:
        heads = deltas.heads(tx, project, span) if changed_only else store.heads(tx, project, span)
        walk = partial(store.walk, tx, project, span=span, changed_only=changed_only, most=limit, first=1)
        rows = together(heads, walk, descending=span.descending)
    return [store.named(row) for row in islice(rows, limit)]


async def delete(svc: Services, project: int, snapshot_id: str, endpoint: str | None = None) -> None:
    """Remove one snapshot; its neighbours' deltas are computed again. Raises NotFound as `get`."""
    snapshot = get(svc, project, snapshot_id, endpoint)
    async with svc.endpoint_locks.hold([snapshot.endpoint]):
        await svc.db.write(_delete, project, snapshot.uid)
    svc.contents_changed.notify()


@frees_space
def _delete(tx: Tx, project: int, uid: bytes) -> None:
    snapshot = store.by_uid(tx, project, uid)
    if snapshot is None:
        raise NotFound("no such snapshot in this project")
    timeline.remove(tx, snapshot.endpoint, snapshot.id, snapshot.content)
