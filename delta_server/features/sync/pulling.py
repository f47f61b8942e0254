"""Pages of what changed, by the order of the space.

A cursor names an epoch, a collection, the number up to which a device has everything, and where its window ends: the
first page freezes that, so that a record which changes while pages are read comes once, with its newest version, in
this window or the next. Nothing that is committed later has a lower number.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec import UNSET

from delta_server.core import times
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.errors import Invalid, ResyncRequired
from delta_server.features.devices import service as devices
from delta_server.features.devices.service import Positions
from delta_server.features.sync import schemas, spaces, store
from delta_server.features.sync.schemas import PullCounts, PullPage, Record
from delta_server.features.sync.spaces import Known, State, Whose
from delta_server.features.sync.uploads import store as uploads
from delta_server.services import Services
from delta_server.storage.database import Row, Tx

CURSORS = "sync"
MAX_PAGE = 10_000
MOST_SKIPPED = 100_000
PAGE_BYTES = 16 << 20
"""Of records on a page, if it has more than one."""
_LEAST_PART, _MOST_PART = 16, 2048
PART = 256
"""Rows at a time: of a few hundred bytes they stay in the processor's cache."""

View = Literal["ordered", "split"]
C = TypeVar("C", bound=store.Change)


class Place(msgspec.Struct, frozen=True):
    """A device has all up to `after`; the window ends at `until`, which is 0 when it is still to be frozen. With
    `is_whole` it began with nothing, so that it need not hear of what was deleted before."""

    after: int
    until: int
    is_whole: bool = False


_BEGIN = Place(0, 0, is_whole=True)
_FORGOTTEN = "deletions from before then are not remembered any more"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """With `past_window` a page goes on behind the frozen window, so that only the last page is short."""

    cursor: str | None = None
    since: str | None = None
    limit: int = 1000
    offset: int = 0
    exclude_device: str | None = None
    device_id: str | None = None
    view: View | None = None
    deletions_only: bool = False
    past_window: bool = False


class Begun(msgspec.Struct, frozen=True):
    """A pull whose place is known. `space` and `collection` are None where there is nothing to read."""

    data_type: str
    wanted: Wanted
    state: State
    place: Place
    space: store.Space | None = None
    collection: store.Collection | None = None

    @property
    def until(self) -> int:
        return self.place.until or self.state.newest

    @property
    def end(self) -> int:
        """The last number that the page may have."""
        return self.state.newest if self.wanted.past_window else self.until

    @property
    def is_split(self) -> bool:
        return (self.wanted.view or ("ordered" if self.wanted.since is None else "split")) == "split"

    @property
    def left_out(self) -> str | None:
        """The device whose changes are left out: who begins has nothing, of its own neither."""
        return None if self.place.is_whole else self.wanted.exclude_device


class Read(msgspec.Struct, frozen=True):
    """How far a page goes: it has `rows` records, the last with the number `last`, those left out among them. Whether
    there are more than the page has."""

    rows: int = 0
    last: int = 0
    has_more: bool = False


NOTHING, NONE = Read(), PullCounts(0, 0)


def begin(svc: Services, whose: Whose, data_type: str, wanted: Wanted) -> Begun:
    """Raises BadRequest, Invalid, RateLimited, ResyncRequired."""
    spaces.count_pull(svc, whose)
    if wanted.cursor is not None and (wanted.since is not None or wanted.offset):
        raise Invalid("cursor goes without since and offset: it knows its place", field="cursor")
    if wanted.offset > MOST_SKIPPED:
        raise Invalid(f"offset is at most {MOST_SKIPPED}: go on with next_cursor", field="offset")
    state = svc.state(Known).get(svc, whose, data_type)
    place = _place(svc, state, data_type, wanted)
    _remember(svc, state, place, wanted)
    if state.space is None or state.collection is None or place.after >= state.collection.seq:
        return Begun(data_type, wanted, state, place)
    place = Place(place.after, place.until or state.space.seq, place.is_whole)
    return Begun(data_type, wanted, state, place, state.space, state.collection)


def first(tx: Tx, begun: Begun, space: int, collection: int, heads: str) -> int:
    """The number behind which the page begins. Raises ResyncRequired."""
    place, offset = begun.place, begun.wanted.offset
    if store.horizon(tx, space, collection) > (place.until if place.is_whole else place.after):
        raise resync(begun.data_type, _FORGOTTEN)
    return store.skip(tx, collection, space, heads, place.after, place.until, offset) if offset else place.after


async def pull(svc: Services, whose: Whose, data_type: str, wanted: Wanted) -> PullPage:
    """Raises BadRequest, Invalid, RateLimited, ResyncRequired."""
    begun = begin(svc, whose, data_type, wanted)
    if begun.space is None or begun.collection is None:
        return page(begun, NOTHING, NONE)
    return await svc.db.read(_read, begun, begun.space.id, begun.collection.id)


def _read(tx: Tx, begun: Begun, space: int, collection: int) -> PullPage:
    device_ids, heads, own = devices.device_ids(tx, space), store.shown(tx, space), begun.left_out
    records: list[Record] = []
    read = NOTHING
    for rows, read in parts(tx, begun, space, collection, heads):  # noqa: B007 - read behind the loop
        records += [schemas.record_of(row, device_ids) for row in rows]
    shown = records if own is None else [record for record in records if record.device_id != own]
    deleted = [record for record in shown if record.operation == "delete"]
    counts = PullCounts(len(shown) - len(deleted), len(deleted))
    if begun.is_split:
        shown = [record for record in shown if record.operation != "delete"]
    return page(begun, read, counts, shown, deleted)


def parts(tx: Tx, begun: Begun, space: int, collection: int, heads: str) -> Iterator[tuple[list[Row], Read]]:
    """Of the page, in order, one at least, each with how far the page goes with it."""
    after, limit = first(tx, begun, space, collection, heads), begun.wanted.limit
    rows_after = store.tombstones_after if begun.wanted.deletions_only else store.heads_after
    count = size = 0
    while True:
        wanted = min(part_of(size, count), limit + 1 - count)
        rows = rows_after(tx, collection, space, heads, after, begun.end, wanted)
        fitting = rows[: limit - count]
        for number, row in enumerate(fitting):
            size += 0 if row[3] is None else len(row[3])
            if size > PAGE_BYTES and count + number:
                fitting = fitting[:number]
                break
        count, after = count + len(fitting), fitting[-1][0] if fitting else after
        has_more = len(fitting) < len(rows)
        yield fitting, Read(count, after, has_more)
        if has_more or len(rows) < wanted:
            return


def part_of(size: int, count: int) -> int:
    """How many rows to read next, after `count` of `size` bytes: they may be large, and all of them are in memory."""
    return max(_LEAST_PART, min(PART, (PAGE_BYTES - size) * count // (size + 1)))


def bounded(
    read: Callable[[int, int, int], list[C]],
    after: int,
    until: int,
    limit: int,
    *,
    most_bytes: int,
    first_part: int,
) -> tuple[list[C], bool]:
    """Up to `limit` rows of `most_bytes` together, and whether there are more. `read` takes where to begin, where to
    end and how many at most, a part of them at a time: records may be large."""
    rows: list[C] = []
    size, part = 0, first_part
    while True:
        wanted = min(part, limit + 1 - len(rows))
        more = read(rows[-1].seq if rows else after, until, wanted)
        for row in more:
            size += len(row.content or b"")
            if len(rows) == limit or (rows and size > most_bytes):
                return rows, True
            rows.append(row)
        if len(more) < wanted:
            return rows, False
        part = max(_LEAST_PART, min(_MOST_PART, (most_bytes - size) * len(rows) // (size + 1)))


def _remember(svc: Services, state: State, place: Place, wanted: Wanted) -> None:
    """What a device brings is what it has: a page that got lost does not count."""
    if wanted.device_id is None or wanted.since is not None or state.space is None or state.collection is None:
        return
    at = devices.Place(state.space.id, wanted.device_id, state.collection.id)
    Positions.of(svc).note(at, place.after, svc.clock.now_ms())


def _place(svc: Services, state: State, data_type: str, wanted: Wanted) -> Place:
    if wanted.cursor is not None:
        return _of_cursor(state, data_type, wanted)
    if wanted.since is not None:
        return _of_time(svc, state, data_type, times.parse(wanted.since, field="since"))
    return _BEGIN


def _of_cursor(state: State, data_type: str, wanted: Wanted) -> Place:
    found = decode_cursor(_list_of(wanted), wanted.cursor or "", tuple[bytes, int, int, int, int, bool])
    epoch, space, collection, after, until, is_whole = found
    if epoch != state.epoch or (state.space is not None and space not in (0, state.space.id)):
        raise resync(data_type, "the cursor is of another state of the server: a backup was restored")
    known = state.absent if state.collection is None else state.collection.id
    if collection not in (state.absent, known) or not 0 <= after <= state.newest or not 0 <= until <= state.newest:
        raise resync(data_type, "the cursor is of records that are not here")
    return Place(after, until, is_whole) if after else _BEGIN


def resync(data_type: str, why: str) -> ResyncRequired:
    return ResyncRequired(
        f"{why}: pull without a cursor, and drop what is not in it", begin_at=f"/v1/sync/{data_type}/delta"
    )


def _of_time(svc: Services, state: State, data_type: str, at_ms: int) -> Place:
    """Behind the last change before then."""
    space, collection = state.space, state.collection
    if space is None or at_ms <= space.created_at:
        return _BEGIN
    if at_ms > space.changed_at:
        return Place(space.seq, 0)
    if collection is not None and at_ms <= collection.horizon_at:
        raise resync(data_type, _FORGOTTEN)
    after = svc.db.peek(_behind, space.id, at_ms, space.seq)
    return Place(max(after, 0 if collection is None else collection.horizon), 0)


def _behind(tx: Tx, space: int, at_ms: int, newest: int) -> int:
    """The records of an upload are of the time at which they became visible, all of them."""
    after = store.first_since(tx, space, at_ms, newest)
    shown = uploads.shown_around(tx, space, after)
    return shown.first - 1 if shown is not None and shown.first <= after and shown.at >= at_ms else after


def page(
    begun: Begun,
    read: Read,
    counts: PullCounts,
    changes: Sequence[Record] = (),
    deleted: Sequence[Record] = (),
) -> PullPage:
    until, wanted, has_more = begun.until, begun.wanted, read.has_more
    in_window = has_more and read.last < until
    return PullPage(
        changes,
        has_more,
        cursor(
            begun.state,
            read.last if has_more else begun.end,
            until if in_window else 0,
            is_whole=begun.place.is_whole and in_window,
            list_name=_list_of(wanted),
        ),
        until,
        counts,
        next_offset=(wanted.offset + read.rows if has_more else None) if wanted.since is not None else UNSET,
        deleted=deleted if begun.is_split else UNSET,
    )


def _list_of(wanted: Wanted) -> str:
    """What cursors are of: one of deletions alone knows nothing of the other changes."""
    return "sync deletions" if wanted.deletions_only else CURSORS


def cursor(state: State, after: int, until: int, *, is_whole: bool = False, list_name: str = CURSORS) -> str:
    space = 0 if state.space is None else state.space.id
    collection = state.absent if state.collection is None else state.collection.id
    return encode_cursor(list_name, state.epoch, space, collection, after, until, is_whole)
