"""What other settings would make of an endpoint's last deltas: each is compared again, the newest first."""

import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from delta_server.core import ids
from delta_server.core.arrays import key_cache
from delta_server.core.diff.diff_settings import DiffSettings, KnownKeys
from delta_server.core.errors import DatabaseFailed, NotFound
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.deltas import store
from delta_server.features.deltas.rows import Listed
from delta_server.features.deltas.summaries import compare_all
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx

TRY_S = 3.0
"""Then it ends with what was compared; the deltas before are left out."""
AT_ONCE, BYTES_AT_ONCE = 16, 16 << 20
"""Deltas whose documents are in memory, and compared, before the time is looked at."""


class TriedDelta(msgspec.Struct, frozen=True):
    """A delta as it is and as it would be: its kind, and changes by field pattern. `after` None: it cannot be compared,
    and is counted as it is."""

    snapshot_id: str
    kind: str
    fields: Mapping[str, int]
    after: "Outcome | None"


class Outcome(msgspec.Struct, frozen=True):
    kind: str
    fields: Mapping[str, int]


class _Pair(msgspec.Struct, frozen=True):
    """A delta with the content before its own, and the size of that."""

    delta: Listed
    before: int
    size: int
    snapshot: bytes


async def try_settings(
    svc: Services, endpoint: EndpointRef, settings: DiffSettings, *, last: int
) -> tuple[list[TriedDelta], bool]:
    """Up to `last` of the newest deltas, and whether the time was enough for these."""
    ends_at = time.monotonic() + TRY_S
    pairs = await svc.db.read(_newest, endpoint, last)
    known = key_cache.known(svc.db.peek(store.basis, endpoint.id).votes)
    tried: list[TriedDelta] = []
    for some in _batches(pairs):
        if tried and time.monotonic() >= ends_at:
            return tried, False
        tried += await _tried(svc, endpoint.id, some, settings, known)
    return tried, True


def _batches(pairs: Sequence[_Pair]) -> Iterator[Sequence[_Pair]]:
    begin, size = 0, 0
    for end, pair in enumerate(pairs):
        if end > begin and (end - begin == AT_ONCE or size + pair.size > BYTES_AT_ONCE):
            yield pairs[begin:end]
            begin, size = end, 0
        size += pair.size
    yield pairs[begin:]


def _newest(tx: Tx, endpoint: EndpointRef, last: int) -> list[_Pair]:
    endpoints.confirm(tx, endpoint)
    return list(_pairs(tx, endpoint.id, last))


def _pairs(tx: Tx, endpoint: int, last: int) -> Iterator[_Pair]:
    read = store.ReadCache()
    rows = store.walk(tx, endpoint, TimelineSpan(), most=last)
    for _, row in zip(range(last), rows, strict=False):
        delta = store.to_listed(tx, row, read)
        before = contents.before(tx, endpoint, (delta.captured_at, delta.content))
        ends = store.snapshots_of(tx, endpoint, delta.captured_at)
        if before is not None and ends is not None:
            yield _Pair(delta, before.id, before.size, ends[1])


async def _tried(
    svc: Services, endpoint: int, pairs: Sequence[_Pair], settings: DiffSettings, known: KnownKeys
) -> list[TriedDelta]:
    bodies: dict[int, bytes] = {}
    wanted = [id for pair in reversed(pairs) for id in (pair.before, pair.delta.content)]
    try:
        async for content, body in contents.read_run(svc.contents, endpoint, list(dict.fromkeys(wanted))):
            bodies.setdefault(content, body)
    except (NotFound, DatabaseFailed):  # what is deleted or damaged meanwhile costs the preview no more than itself
        pairs = [pair for pair in pairs if pair.before in bodies and pair.delta.content in bodies]
    sides = [(bodies[pair.before], bodies[pair.delta.content]) for pair in pairs]
    size = sum(len(old) + len(new) for old, new in sides)
    found = await svc.cpu_for(size)(compare_all, sides, settings, known)
    return [_of(pair, outcome) for pair, outcome in zip(pairs, found, strict=True)]


def _of(pair: _Pair, outcome: tuple[str, Mapping[str, int]] | None) -> TriedDelta:
    summary = pair.delta.summary
    fields = {field.pattern: field.changes for field in summary.fields}
    return TriedDelta(ids.text(pair.snapshot), summary.kind, fields, None if outcome is None else Outcome(*outcome))
