"""`schema.changed` of an event type, written in the transaction that stores the schema. Of events that happened longer
ago than a day nobody hears: what is sent in later is no news."""

import msgspec

from delta_server.core import times
from delta_server.core.schemas.changes import SchemaChange
from delta_server.features.event_schemas.store import ChangeRow
from delta_server.features.schemas.service import CHANGED, LATE_MS, MOST_SAID
from delta_server.storage import outbox
from delta_server.storage.database import Tx


class ShownTypeChange(msgspec.Struct, frozen=True):
    """`changes` are the first of `count`."""

    level: str
    changed_at: str
    count: int
    changes: list[SchemaChange]


class TypeSchemaChanged(msgspec.Struct, frozen=True):
    event_type: str
    schema: ShownTypeChange


def changed(tx: Tx, project: int, event_type: str, row: ChangeRow, *, happened_at: int) -> bool:
    """Whether it is news."""
    if row.level is None or happened_at < tx.now_ms - LATE_MS:
        return False
    shown = ShownTypeChange(row.level, times.format(row.changed_at), row.count, list(row.changes[:MOST_SAID]))
    outbox.write(tx, project, CHANGED, msgspec.json.encode(TypeSchemaChanged(event_type, shown)).decode())
    return True
