"""`schema.changed`, written in the transaction that stores the schema. Of what was captured longer ago than a day
nobody hears: a history that is sent in later is no news."""

import msgspec

from delta_server.core import ids, times
from delta_server.core.schemas.changes import SchemaChange
from delta_server.features.endpoints.service import EndpointRef, NamedEndpoint
from delta_server.features.schemas.store import ChangeRow
from delta_server.storage import outbox
from delta_server.storage.database import Tx

CHANGED = "schema.changed"
LATE_MS = times.DAY_MS
MOST_SAID = 50


class ShownSchemaChange(msgspec.Struct, frozen=True):
    """`changes` are the first of `count`."""

    level: str
    snapshot_id: str
    captured_at: str
    count: int
    changes: list[SchemaChange]


class SchemaChanged(msgspec.Struct, frozen=True):
    endpoint: NamedEndpoint
    schema: ShownSchemaChange


def changed(tx: Tx, endpoint: EndpointRef, row: ChangeRow) -> None:
    if row.level is None or row.captured_at < tx.now_ms - LATE_MS:
        return
    shown = ShownSchemaChange(
        row.level, ids.text(row.snapshot), times.format(row.captured_at), row.count, list(row.changes[:MOST_SAID])
    )
    said = SchemaChanged(NamedEndpoint(ids.text(endpoint.uid), endpoint.name), shown)
    outbox.write(tx, endpoint.project, CHANGED, msgspec.json.encode(said).decode())
