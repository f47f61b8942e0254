"""`delta.created`, written in the transaction that stores it: for deltas that are new, not for those that are computed
again. The outbox keeps their contents, a few bytes each; what they are is looked up when somebody reads."""

from collections.abc import Iterator, Sequence

import msgspec

from delta_server.core import ids, times
from delta_server.core.errors import NotFound
from delta_server.features.deltas import store
from delta_server.features.deltas.rows import KINDS, FieldCount
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import NamedEndpoint
from delta_server.storage import outbox
from delta_server.storage.database import Row, Tx

CREATED = "delta.created"


class ShownDelta(msgspec.Struct, frozen=True):
    id: str
    from_snapshot_id: str
    to_snapshot_id: str
    captured_at: str
    kind: str
    changes_count: int
    added: int
    removed: int
    replaced: int
    moved: int
    similarity_score: float


class DeltaCreated(msgspec.Struct, frozen=True):
    endpoint: NamedEndpoint
    delta: ShownDelta


def created(tx: Tx, project: int, contents: Sequence[int]) -> None:
    """Write to the outbox that the deltas which lead to these were computed."""
    outbox.write_rows(tx, project, CREATED, contents)


def describe(tx: Tx, project: int, contents: Sequence[int]) -> list[DeltaCreated]:
    """What followers hear of them."""
    return list(_described(tx, project, contents))


def describe_with_fields(
    tx: Tx, project: int, contents: Sequence[int]
) -> list[tuple[DeltaCreated, Sequence[FieldCount]]]:
    """As `describe`, with the fields that each changes and how often."""
    read = store.ReadCache()
    return [
        (described, store.to_listed(tx, row, read).summary.fields)
        for described, row in _described_rows(tx, project, contents)
    ]


def _described(tx: Tx, project: int, contents: Sequence[int]) -> Iterator[DeltaCreated]:
    return (described for described, _ in _described_rows(tx, project, contents))


def _described_rows(tx: Tx, project: int, contents: Sequence[int]) -> Iterator[tuple[DeltaCreated, Row]]:
    names: dict[bytes, str | None] = {}
    for content in contents:
        row = store.row(tx, content)
        ends = None if row is None else store.snapshots_of(tx, row[2], row[0])
        after = None if ends is None else store.end_by_uid(tx, project, ends[1])
        if row is None or ends is None or after is None:
            continue  # deleted meanwhile; a content of another project may have its number by now
        uid = after.endpoint_uid
        if uid not in names:
            names[uid] = _name(tx, project, uid)
        if (name := names[uid]) is not None:
            yield DeltaCreated(NamedEndpoint(ids.text(uid), name), _delta(row, ends)), row


def _name(tx: Tx, project: int, uid: bytes) -> str | None:
    try:
        return endpoints.find(tx, project, ids.text(uid)).name
    except NotFound:
        return None


def _delta(row: Row, ends: tuple[bytes, bytes]) -> ShownDelta:
    captured_at, _, _, kind, added, removed, replaced, moved, similarity = row[:9]
    before, after = map(ids.text, ends)
    return ShownDelta(
        id=after,
        from_snapshot_id=before,
        to_snapshot_id=after,
        captured_at=times.format(captured_at),
        kind=KINDS[kind],
        changes_count=added + removed + replaced + moved,
        added=added,
        removed=removed,
        replaced=replaced,
        moved=moved,
        similarity_score=similarity / store.MILLION,
    )
