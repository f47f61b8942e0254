"""`snapshot.created`, written in the transaction that stores it. The outbox keeps rows of snapshots, a few bytes each;
what they are is looked up when somebody reads, and one that is deleted by then is left out."""

from collections.abc import Sequence

import msgspec

from delta_server.core import ids, times
from delta_server.features.endpoints.service import NamedEndpoint
from delta_server.features.snapshots import store
from delta_server.storage import outbox
from delta_server.storage.database import Tx

CREATED = "snapshot.created"


class ShownSnapshot(msgspec.Struct, frozen=True):
    id: str
    captured_at: str
    received_at: str
    size_bytes: int
    unchanged: bool
    source: str | None


class SnapshotCreated(msgspec.Struct, frozen=True):
    endpoint: NamedEndpoint
    snapshot: ShownSnapshot


def created(tx: Tx, project: int, rows: Sequence[int]) -> None:
    """Write to the outbox that these were stored; who follows the project is woken when it is committed."""
    outbox.write_rows(tx, project, CREATED, rows)


def changed_endpoints(tx: Tx, project: int, rows: Sequence[int]) -> list[int]:
    """Those of which new documents are among these."""
    return list(dict.fromkeys(row.endpoint for row in store.by_rows(tx, project, rows) if not row.unchanged))


def describe(tx: Tx, project: int, rows: Sequence[int]) -> list[SnapshotCreated]:
    """What followers hear of them."""
    return [
        SnapshotCreated(
            NamedEndpoint(ids.text(row.endpoint_uid), row.endpoint_name),
            ShownSnapshot(
                ids.text(row.uid),
                times.format(row.captured_at),
                times.format(ids.time_ms(row.uid)),
                row.size,
                row.unchanged,
                row.source,
            ),
        )
        for row in store.by_rows(tx, project, rows)
    ]
