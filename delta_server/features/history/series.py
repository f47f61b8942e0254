"""Series: the numbers at a path along an endpoint's time, of each record where the path has a `*`.

The field index says in which versions they may have changed, and only those are read of which no readings are kept
(kept_series.py): all of them up to a number and to so many bytes of documents, beyond evenly chosen ones, which the
answer tells.
"""

from collections.abc import Collection, Sequence

import msgspec

from delta_server.core.errors import Conflict, NotFound
from delta_server.core.history import path_filter, path_index
from delta_server.core.history import series as lines
from delta_server.core.history.kept_readings import KeptReadings
from delta_server.core.history.path_filter import PathFilter
from delta_server.core.history.series import Line, Reader, Reading, SeriesPath
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.times import EARLIEST_MS
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.fields import service as field_index
from delta_server.features.history import store
from delta_server.features.history.store import WalkedContent
from delta_server.features.history.walk import BATCH_BYTES
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx

MOST_PASSED = 20_000
"""Versions whose rows are looked at, the newest of more: 30 ms."""
MOST_READ, READ_BYTES = 1_000, 64 << 20
"""Versions that are read, one at least: what a second is enough for."""
MOST_CELLS = 200_000
"""Numbers in an answer: some 1.5 MB."""


class Series(msgspec.Struct, frozen=True):
    """`is_exact`: all versions in which a number may have changed were read."""

    times: list[int]
    lines: list[Line]
    left_off: int
    is_exact: bool


class Reads(msgspec.Struct, frozen=True):
    """Contents to be read, in the order of time, and when each number holds from."""

    contents: list[int]
    times: list[int]
    is_exact: bool


class Size(msgspec.Struct, frozen=True):
    """Up to `points` columns and `records` lines, those of `only` where it names any."""

    points: int
    records: int
    only: frozenset[str] = frozenset()


class SeriesReadings(msgspec.Struct, frozen=True):
    """What the versions have, in the order of `reads`; `kept` is that and all that was kept, `is_new` where it is
    more."""

    reads: Reads
    readings: list[Reading]
    kept: KeptReadings
    is_new: bool


async def read_series(
    svc: Services, endpoint: EndpointRef, path: SeriesPath, span: TimelineSpan, kept: KeptReadings
) -> SeriesReadings:
    """Reads the versions of which no readings are kept. Raises Conflict when contents vanish meanwhile."""
    reads = await svc.db.read(_reads, endpoint, path, span, kept.readings.keys())
    missing = [content for content in reads.contents if content not in kept.readings]
    reader = Reader(path, endpoint.diff, deltas.known_keys(svc, endpoint.id))
    found = dict(zip(missing, await _readings(svc, endpoint.id, missing, reader), strict=True))
    if missing and missing[-1] == reads.contents[-1]:
        labels = kept.labels | reader.labels
    else:
        labels = reader.labels | kept.labels
    readings = kept.readings | found
    whole = KeptReadings(readings, labels)
    return SeriesReadings(reads, [readings[content] for content in reads.contents], whole, bool(missing))


def made(found: SeriesReadings, size: Size) -> Series:
    most = min(size.records, MOST_CELLS // size.points)
    table, left_off = lines.table(found.readings, found.kept.labels, most, size.only)
    times, thin = lines.thinned(found.reads.times, table, size.points)
    return Series(times, thin, left_off, found.reads.is_exact)


def _reads(tx: Tx, endpoint: EndpointRef, path: SeriesPath, span: TimelineSpan, kept: Collection[int]) -> Reads:
    passed = store.contents_along(tx, endpoint.id, span, MOST_PASSED)[::-1]
    is_exact = len(passed) < MOST_PASSED
    times = [each.captured_at for each in passed]
    if span.from_ms > EARLIEST_MS and is_exact:  # what was in force when the stretch began
        before = contents.content_at(tx, endpoint.id, span.from_ms)
        if before is not None and (not passed or before.id != passed[0].content):
            passed.insert(0, WalkedContent(before.captured_at, before.id, before.size, sure=True))
            times.insert(0, span.from_ms)
    changed = changed_at(tx, endpoint, path, passed)
    wanted = [
        number
        for number, each in enumerate(passed)
        if changed is None or each.sure or not number or each.captured_at in changed
    ]
    unknown = [number for number in wanted if passed[number].content not in kept]
    chosen = wanted if len(_evenly(passed, unknown)) == len(unknown) else _evenly(passed, wanted)
    return Reads(
        [passed[number].content for number in chosen],
        [times[number] for number in chosen],
        is_exact and len(chosen) == len(wanted),
    )


def changed_at(tx: Tx, endpoint: EndpointRef, path: SeriesPath, passed: Sequence[WalkedContent]) -> set[int] | None:
    """When the field index has changes that may be of the path; None where it does not tell."""
    is_told = path_index.is_indexed(path.steps, endpoint.diff)
    if not passed or not is_told or endpoints.settings_version(tx, endpoint.id) != endpoint.diff_version:
        return None
    wanted = _filter(path)
    fields = {
        field
        for field, pattern in field_index.all_fields(tx, endpoint.id)
        if path_filter.covers(wanted, pattern, folded=True) or path_filter.is_above(wanted, pattern)
    }
    first, last = sorted((passed[0].captured_at, passed[-1].captured_at))
    return field_index.between(tx, endpoint.id, fields, first, last)


def _filter(path: SeriesPath) -> PathFilter:
    """Its place as patterns have it: a step by key or index is any element."""
    names = tuple(step if isinstance(step, str) and not step.isdigit() else lines.ANY for step in path.steps)
    return PathFilter(path.path, names, None)


def _evenly(passed: Sequence[WalkedContent], wanted: Sequence[int]) -> list[int]:
    """All of them, or as many as may be read, the first and the last among them."""
    size = max(1, sum(passed[number].size for number in wanted))
    points = max(2, min(MOST_READ, len(wanted) if size <= READ_BYTES else len(wanted) * READ_BYTES // size))
    if len(wanted) <= points:
        return list(wanted)
    return [wanted[(len(wanted) - 1) * number // (points - 1)] for number in range(points)]


async def _readings(svc: Services, endpoint: int, wanted: Sequence[int], reader: Reader) -> list[Reading]:
    found: list[Reading] = []
    batch: list[bytes] = []
    size = 0
    try:
        async for _, body in contents.read_run(svc.contents, endpoint, wanted):
            batch.append(body)
            size += len(body)
            if size >= BATCH_BYTES:
                found += await svc.spare_cpu(reader.read, batch)
                batch, size = [], 0
    except NotFound:
        raise Conflict("the endpoint's history was rewritten while it was read: ask again") from None
    return found + await svc.spare_cpu(reader.read, batch)
