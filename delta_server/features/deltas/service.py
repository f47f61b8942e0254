"""What changed: deltas computed behind the writes, lists of them, comparisons of any two snapshots."""

import base64
import time
from collections.abc import Hashable, Sequence
from typing import TypeVar, cast

import msgspec
from msgspec import UNSET

from delta_server.core import ids, times
from delta_server.core.arrays import key_cache
from delta_server.core.diff.compare import DEFAULT
from delta_server.core.diff.diff_settings import DiffSettings, KnownKeys, validate
from delta_server.core.diff.row_windows import ChangeRow
from delta_server.core.errors import DatabaseFailed, Invalid, NotFound
from delta_server.features.deltas import row_windows, schemas, store
from delta_server.features.deltas.computing import compute_now
from delta_server.features.deltas.computing import compute_queued as compute_queued
from delta_server.features.deltas.computing import compute_some as compute_some
from delta_server.features.deltas.counting import DeltaCounts as DeltaCounts
from delta_server.features.deltas.counting import counts_along as counts_along
from delta_server.features.deltas.counts.store import CountedDelta as CountedDelta
from delta_server.features.deltas.counts.store import Version as Version
from delta_server.features.deltas.counts.store import counted as counted
from delta_server.features.deltas.counts.store import counts_between as counts_between
from delta_server.features.deltas.counts.store import first_change as first_change
from delta_server.features.deltas.counts.store import last_change as last_change
from delta_server.features.deltas.counts.store import last_changes as last_changes
from delta_server.features.deltas.counts.store import versions as versions
from delta_server.features.deltas.counts.store import versions_at as versions_at
from delta_server.features.deltas.foreseen import Foreseen as Foreseen
from delta_server.features.deltas.foreseen import Stored as Stored
from delta_server.features.deltas.foreseen import Successor as Successor
from delta_server.features.deltas.foreseen import foresee as foresee
from delta_server.features.deltas.foreseen import store_foreseen as store_foreseen
from delta_server.features.deltas.happenings import CREATED as CREATED
from delta_server.features.deltas.happenings import describe as describe
from delta_server.features.deltas.happenings import describe_with_fields as describe_with_fields
from delta_server.features.deltas.listing import DeltaFilter as DeltaFilter
from delta_server.features.deltas.listing import DeltaPage as DeltaPage
from delta_server.features.deltas.listing import filter_of as filter_of
from delta_server.features.deltas.listing import page as page
from delta_server.features.deltas.listing import view
from delta_server.features.deltas.row_windows import Pair, RowsWanted, RowWindow
from delta_server.features.deltas.rows import TYPES as TYPES
from delta_server.features.deltas.rows import Basis as Basis
from delta_server.features.deltas.rows import End, Summary
from delta_server.features.deltas.schemas import Compared as Compared
from delta_server.features.deltas.schemas import Comparison as Comparison
from delta_server.features.deltas.schemas import Delta as Delta
from delta_server.features.deltas.schemas import (
    FieldChanges,
    Format,
    KeyUsed,
    Note,
)
from delta_server.features.deltas.schemas import FormatOrRows as FormatOrRows
from delta_server.features.deltas.schemas import RowOptions as RowOptions
from delta_server.features.deltas.store import basis as basis
from delta_server.features.deltas.store import delete_deltas as delete_deltas
from delta_server.features.deltas.store import delete_some as delete_some
from delta_server.features.deltas.store import heads as heads
from delta_server.features.deltas.store import queue_length as queue_length
from delta_server.features.deltas.summaries import compare_first_changes, compare_in_format, keys_found
from delta_server.features.deltas.trying import TriedDelta as TriedDelta
from delta_server.features.deltas.trying import try_settings as try_settings
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.lives.service import merge_into_runs as merge_into_runs
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx

ComparedT = TypeVar("ComparedT", bound=Compared)

ALL_ROWS = RowOptions()

MAX_PEEKED = 4
"""So many snapshots are looked at on the event loop; more of them on a reader's thread."""
MOST_LEARNED_FROM = 4 << 20
"""Bytes of a document that is compared once more to learn keys of arrays."""

MOST_CHANGES, CHANGES_BYTES = 100, 256 << 10
"""Of one delta in a list."""
PAGE_BYTES, PAGE_S = 8 << 20, 2.0
"""A page of deltas with their changes ends past either, once it has one delta."""


# Stored deltas


async def deltas_of(svc: Services, project: int, snapshots: Sequence[bytes]) -> list[Delta | None]:
    """The deltas that lead to `snapshots`, which do not wait their turn in the queue. None where there is none."""
    await compute_now(svc, project, snapshots)
    if len(snapshots) <= MAX_PEEKED:
        return svc.db.peek(stored_deltas, project, snapshots)
    return await svc.db.read(stored_deltas, project, snapshots)


def stored_deltas(tx: Tx, project: int, uids: Sequence[bytes]) -> list[Delta | None]:
    """The deltas that lead to snapshots, None where there is none, or not yet."""
    contents = [store.content_begun_by(tx, project, uid) for uid in uids]
    rows = [None if content is None else store.row(tx, content) for content in contents]
    read = store.ReadCache()
    return [None if row is None else view(tx, row, read) for row in rows]


async def get_delta(
    svc: Services, project: int, delta_id: str, format: FormatOrRows, options: RowOptions = ALL_ROWS
) -> Delta:
    """One delta with its operations, computed afresh with the endpoint's present settings. Raises NotFound, Invalid."""
    uid = ids.parse(delta_id, "delta")
    ends = svc.db.peek(store.ends_of_delta, project, uid)
    if ends is None:
        raise NotFound("no such delta in this project: a delta has the id of the snapshot it leads to")
    delta = await _compare(svc, project, ends, None, format, options)
    return msgspec.structs.replace(delta, id=delta.to_snapshot_id)


async def with_changes(svc: Services, project: int, found: DeltaPage, *, first: int | None = None) -> DeltaPage:
    """The page with the changes of each delta, or its `first` rows, computed afresh with the endpoint's present
    settings; less of it where it would be large, or take long. A delta that is deleted meanwhile is left out."""
    ends_at, size = time.monotonic() + PAGE_S, 0
    deltas: list[Delta] = []
    for delta, position in zip(found.deltas, found.positions, strict=True):
        ends = svc.db.peek(store.ends_of_delta, project, ids.parse(delta.to_snapshot_id))
        if ends is None:
            continue
        if first is None:
            changes, complete = await _first_changes(svc, ends)
            deltas.append(msgspec.structs.replace(delta, changes=msgspec.Raw(changes), changes_complete=complete))
        else:
            changes = await _first_rows(svc, project, ends, first)
            deltas.append(msgspec.structs.replace(delta, first=cast("list[ChangeRow]", msgspec.Raw(changes))))
        size += len(changes)
        if (size >= PAGE_BYTES or time.monotonic() >= ends_at) and position != found.positions[-1]:
            return DeltaPage(deltas, position, [])
    return DeltaPage(deltas, found.next, [])


async def _first_changes(svc: Services, ends: tuple[End, End]) -> tuple[bytes, bool]:
    settings, before, after, known = await _sides(svc, ends, None)
    cpu = svc.cpu_for(len(before) + len(after))
    return await cpu(compare_first_changes, before, after, settings, known, MOST_CHANGES, CHANGES_BYTES)


async def _first_rows(svc: Services, project: int, ends: tuple[End, End], count: int) -> bytes:
    pair = await _pair(svc, project, ends, None)
    compared = row_windows.cached(svc, pair) or await row_windows.compare(svc, pair)
    wanted = row_windows.options(RowOptions(count=count), is_rows=True)
    return (await row_windows.read_window(svc, pair, compared, wanted)).rows


# Comparisons


async def compare(svc: Services, project: int, wanted: Comparison, endpoint: EndpointRef | None) -> Delta:
    """Any two snapshots of one endpoint. Raises Invalid and NotFound."""
    if wanted.diff is not None:
        validate(wanted.diff)
    before = _end(svc, project, endpoint, wanted.from_snapshot_id, wanted.from_time, "from")
    after = _end(svc, project, endpoint, wanted.to_snapshot_id, wanted.to_time, "to")
    if before.endpoint != after.endpoint:
        raise Invalid("the two snapshots belong to different endpoints", field="to_snapshot_id")
    return await _compare(svc, project, (before, after), wanted.diff, wanted.format, wanted)


async def changes_since(
    svc: Services, project: int, snapshot_id: str, format: Format, endpoint: EndpointRef | None = None
) -> Delta:
    """From a snapshot to the latest one of its endpoint. Raises NotFound, also if that is not `endpoint`."""
    before = _end(svc, project, endpoint, snapshot_id, None, "since_snapshot")
    after = svc.db.peek(store.end_at, project, before.endpoint, times.LATEST_MS)
    assert after is not None, "there is at least the requested snapshot"
    return await _compare(svc, project, (before, after), None, format)


def _end(
    svc: Services, project: int, endpoint: EndpointRef | None, snapshot_id: str | None, time: str | None, side: str
) -> End:
    if snapshot_id is not None and time is not None:
        raise Invalid(f"give {side}_snapshot_id or {side}_time, not both", field=f"{side}_time")
    if snapshot_id is not None:
        end = svc.db.peek(store.end_by_uid, project, ids.parse(snapshot_id, "snapshot"))
        if end is None or (endpoint is not None and end.endpoint != endpoint.id):
            raise NotFound("no such snapshot in this project" + ("" if endpoint is None else f" of {endpoint.name}"))
        return end
    if endpoint is None:
        raise Invalid(f"give {side}_snapshot_id, or endpoint_id with {side}_time", field=f"{side}_snapshot_id")
    if time is None and side == "from":
        raise Invalid("give from_snapshot_id or from_time", field="from_snapshot_id")
    now_ms = svc.clock.now_ms()
    at = times.LATEST_MS if time is None else times.parse_moment(time, field=f"{side}_time", now_ms=now_ms)
    end = svc.db.peek(store.end_at, project, endpoint.id, endpoints.moment(svc, endpoint, at))
    if end is None:
        raise NotFound(f"{endpoint.name} has no snapshot at or before {time}")
    return end


async def _compare(
    svc: Services,
    project: int,
    ends: tuple[End, End],
    settings: DiffSettings | None,
    format: FormatOrRows,
    options: RowOptions = ALL_ROWS,
) -> Delta:
    wanted = row_windows.options(options, is_rows=format == "rows")
    if format == "rows":
        pair = await _pair(svc, project, ends, settings, unchanged=wanted.unchanged)
        compared = row_windows.cached(svc, pair) or await row_windows.compare(svc, pair)
        window = await row_windows.read_window(svc, pair, compared, wanted)
        return _with_rows(_delta(ends, compared.summary), window, wanted)
    settings, first, second, known = await _sides(svc, ends, settings)
    cpu = svc.cpu_for(len(first) + len(second))
    summary, operations = await cpu(compare_in_format, first, second, settings, known, format)
    return msgspec.structs.replace(_delta(ends, summary), format=format, diff=msgspec.Raw(operations))


async def compare_texts(
    svc: Services, project: int, of: Hashable, texts: tuple[bytes, bytes], format: FormatOrRows, options: RowOptions
) -> Compared:
    """Two JSON documents that are no snapshots; `of` tells them from all others of the project. Raises Invalid."""
    wanted = row_windows.options(options, is_rows=format == "rows")
    if format != "rows":
        cpu = svc.cpu_for(sum(map(len, texts)))
        summary, operations = await cpu(compare_in_format, *texts, DEFAULT, (), format)
        return msgspec.structs.replace(schemas.compared(summary), format=format, diff=msgspec.Raw(operations))
    pair = Pair(project, of, DEFAULT, (), wanted.unchanged, texts)
    compared = row_windows.cached(svc, pair) or await row_windows.compare(svc, pair)
    window = await row_windows.read_window(svc, pair, compared, wanted)
    return _with_rows(schemas.compared(compared.summary), window, wanted)


def _delta(ends: tuple[End, End], summary: Summary) -> Delta:
    before, after = ends
    return schemas.delta(
        summary, endpoint=after.endpoint_uid, ends=(before.uid, after.uid), captured_at=after.captured_at, stored=False
    )


async def _pair(
    svc: Services, project: int, ends: tuple[End, End], settings: DiffSettings | None, *, unchanged: bool = False
) -> Pair:
    """With the documents, unless they were compared lately with keys that are remembered."""
    known = known_keys(svc, ends[1].endpoint)
    chosen = settings or msgspec.json.decode(ends[1].diff, type=DiffSettings)
    pair = Pair(project, (ends[0].content, ends[1].content), chosen, known, unchanged)
    if row_windows.cached(svc, pair) is not None:
        return pair
    chosen, first, second, learned = await _sides(svc, ends, settings)
    return msgspec.structs.replace(pair, bodies=(first, second), learned=learned)


def _with_rows(shown: ComparedT, found: RowWindow, wanted: RowsWanted) -> ComparedT:
    table, left = found.compared.table, found.matched
    return msgspec.structs.replace(
        shown,
        format="rows",
        fields=[
            FieldChanges(
                one.path,
                one.added + one.removed + one.replaced + one.moved,
                one.added,
                one.removed,
                one.replaced,
                one.moved,
            )
            for one in table.counts
        ],
        notes=shown.notes + [Note(note.path, note.message) for note in table.notes],
        total=len(table) - table.unchanged,
        matched=len(left) - left.unchanged,
        unchanged=left.unchanged if wanted.unchanged else UNSET,
        place=found.place,
        records=left.records,
        lines=left.line_count,
        keys={
            pattern: KeyUsed(fields, "settings" if is_configured else "found")
            for pattern, (fields, is_configured) in table.keys.items()
        },
        rail=base64.b64encode(left.rail).decode(),
        rows=cast("list[ChangeRow]", msgspec.Raw(found.rows)),  # as they were written beside the event loop
    )


async def _sides(
    svc: Services, ends: tuple[End, End], settings: DiffSettings | None
) -> tuple[DiffSettings, bytes, bytes, KnownKeys]:
    """What a comparison takes: the settings, both documents, the keys known of their arrays."""
    before, after = ends
    settings = settings or msgspec.json.decode(after.diff, type=DiffSettings)
    first = await contents.read(svc.contents, before.endpoint, before.content)
    second = await contents.read(svc.contents, after.endpoint, after.content)
    return settings, first, second, known_keys(svc, after.endpoint) or await _learn_keys(svc, ends, second, settings)


def known_keys(svc: Services, endpoint: int) -> KnownKeys:
    """The keys of arrays that the endpoint's deltas found."""
    return key_cache.known(svc.db.peek(store.basis, endpoint).votes)


async def _learn_keys(svc: Services, ends: tuple[End, End], body: bytes, settings: DiffSettings) -> KnownKeys:
    """The keys that a delta beside the second end finds, where the endpoint's deltas were computed before their keys
    were remembered; none if it is this very comparison."""
    before, after = ends
    neighbour = svc.db.peek(_neighbour, after.endpoint, after.content)
    if neighbour is None or before.content in (neighbour, after.content) or len(body) > MOST_LEARNED_FROM:
        return ()
    try:
        other = await contents.read(svc.contents, after.endpoint, neighbour)
        return await svc.cpu_for(len(other) + len(body))(keys_found, other, body, settings)
    except (NotFound, DatabaseFailed):  # what is deleted or damaged beside the two costs no comparison of them
        return ()


def _neighbour(tx: Tx, endpoint: int, content: int) -> int | None:
    """The content before this one, else the one after it."""
    row = contents.get(tx, endpoint, content)
    if row is None:
        return None
    beside = contents.before(tx, endpoint, (row.captured_at, row.id)) or contents.after(tx, endpoint, row)
    return None if beside is None else beside.id
