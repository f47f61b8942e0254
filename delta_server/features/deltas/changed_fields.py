"""Which fields a delta changes, and how often, as the column `delta.fields` has them."""

import msgspec

from delta_server.core.errors import DatabaseFailed
from delta_server.features.deltas.rows import Note, SchemaChange


class ChangedFields(msgspec.Struct, frozen=True, array_like=True):
    """Ids and counts one after the other, then the schema changes and notes, as MessagePack; where there are no such,
    the ids and counts alone."""

    ids_and_counts: list[int]
    schema_changes: list[SchemaChange]
    notes: list[Note] = []

    def encoded(self) -> bytes:
        return _encode(self if self.schema_changes or self.notes else self.ids_and_counts)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[int] | None).decode
_decode_whole = msgspec.msgpack.Decoder(ChangedFields).decode


def decoded(blob: bytes) -> ChangedFields:
    """Raises DatabaseFailed when they are damaged."""
    try:
        found = _decoded(blob)
        if len(found.ids_and_counts) % 2:
            raise msgspec.DecodeError("an id without its count")
    except msgspec.DecodeError as error:
        raise DatabaseFailed(f"the fields that a delta changes are damaged ({error}): restore a backup") from error
    return found


def _decoded(blob: bytes) -> ChangedFields:
    try:
        return ChangedFields(_decode(blob) or [], [])
    except msgspec.ValidationError:
        return _decode_whole(blob)
