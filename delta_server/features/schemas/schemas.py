"""Schemas of endpoints on the wire."""

import msgspec

from delta_server.core import ids, times
from delta_server.core.schemas.changes import Level, SchemaChange
from delta_server.core.schemas.writing import ListedField
from delta_server.features.schemas.store import ChangeRow


class EndpointSchema(msgspec.Struct, frozen=True, kw_only=True):
    endpoint_id: str
    endpoint: str
    versions: int
    learned_until: str
    is_behind: bool
    changes: int
    fields: list[ListedField]
    complete: bool


class SchemaChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What a version did to the schema; `level` is null of the first one."""

    snapshot_id: str
    captured_at: str
    level: Level | None
    count: int
    changes: list[SchemaChange]


def changes(row: ChangeRow) -> SchemaChanges:
    return SchemaChanges(
        snapshot_id=ids.text(row.snapshot),
        captured_at=times.format(row.captured_at),
        level=row.level,
        count=row.count,
        changes=list(row.changes),
    )


FIELDS = {
    "EndpointSchema.endpoint": "The name of the endpoint",
    "EndpointSchema.versions": "How many versions it was learned from",
    "EndpointSchema.learned_until": "When the last of these was captured; with `at`, the one that made it so",
    "EndpointSchema.is_behind": "Whether there are later versions that are still to be learned from",
    "EndpointSchema.changes": "How many versions changed it, the first one among them",
    "EndpointSchema.fields": "Each place in the documents, behind the one it is in; 5,000 at most",
    "EndpointSchema.complete": "False when it has more places",
    "ListedField.path": "The field pattern: `*` is any element, or any member of a map",
    "ListedField.types": "Without null: `string`, `integer`, `number`, `boolean`, `object`, `array`",
    "ListedField.optional": "Whether the member was missing in some of the objects",
    "ListedField.nullable": "Whether it was null",
    "ListedField.is_map": "Whether the names of its members are data",
    "ListedField.format": "What all its strings are: `date-time`, `date`, `email`, `uuid` or `uri`",
    "ListedField.values": "All strings it had, where these are few and look like codes, in 20 versions or events",
    "ListedField.examples": "Strings it had, the first by the alphabet",
    "ListedField.minimum": "The smallest number it had",
    "ListedField.maximum": "The largest number it had",
    "ListedField.changed_at": "When it last became wider, if it did since the first version",
    "SchemaChanges.snapshot_id": "The version that did not fit",
    "SchemaChanges.captured_at": "When it was captured",
    "SchemaChanges.level": "`breaking` when what readers relied on no longer holds; null of the first version",
    "SchemaChanges.count": "How many changes it made",
    "SchemaChanges.changes": "The first 200 of them",
    "SchemaChange.path": "The field pattern",
    "SchemaChange.what": "`added`, `optional`, `nullable`, `types`, `format` or `map`: what it is now",
    "SchemaChange.level": "`breaking` or `compatible`",
    "SchemaChange.now": "Its types, or its format, by now",
}
EXAMPLE = {
    "endpoint_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "endpoint": "prices",
    "versions": 240,
    "learned_until": "2026-05-01T12:00:00.000Z",
    "is_behind": False,
    "changes": 2,
    "fields": [
        {
            "path": "",
            "types": ["object"],
            "optional": False,
            "nullable": False,
            "is_map": False,
            "format": None,
            "values": None,
            "examples": [],
            "minimum": None,
            "maximum": None,
            "changed_at": None,
        }
    ],
    "complete": True,
}
EXAMPLE_CHANGES = {
    "snapshot_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "captured_at": "2026-05-01T12:00:00.000Z",
    "level": "breaking",
    "count": 1,
    "changes": [{"path": "/items/*/price", "what": "nullable", "level": "breaking", "now": None}],
}
