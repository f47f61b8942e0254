"""What WatermelonDB 0.28 sends and takes: tables of rows, and timestamps that it gives back.

A timestamp is a whole number: 17 bits that tell the epoch and the space, and 36 of the newest number the client has
(restored backups leave many numbers out).
Rows are only ever `updated`, as `created` would bring back what a client has deleted.
"""

from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from delta_server.core.errors import Invalid, TooLarge
from delta_server.core.json import surrogates
from delta_server.core.sync import documents
from delta_server.core.sync.changes import require_whole
from delta_server.core.sync.documents import Members, Stored

OWN = ("_status", "_changed")
"""Members that are WatermelonDB's: a client refuses rows that have them."""
MAX_ROWS = 10_000
MAX_TABLES = 200
_SEQ_BITS = 36
_NUMBERS = (1 << 17) - 1

Named = Annotated[str, Meta(min_length=1, max_length=100)]
Timestamp = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
RowId = Annotated[str, Meta(min_length=1, max_length=256)]


class ChangedColumns(msgspec.Struct, frozen=True):
    table: Named
    columns: list[str] = []


class Migration(msgspec.Struct, frozen=True):
    """Tables and columns that the client's schema did not have when it pulled last."""

    tables: list[Named] = []
    columns: list[ChangedColumns] = []

    def names(self) -> set[str]:
        return {*self.tables, *(each.table for each in self.columns)}


class SentTable(msgspec.Struct, frozen=True):
    created: list[Members] = []
    updated: list[Members] = []
    deleted: list[RowId] = []


class SentPush(msgspec.Struct, frozen=True, rename="camel"):
    changes: Annotated[dict[Named, SentTable], Meta(max_length=MAX_TABLES)]
    last_pulled_at: Timestamp | None = None


def number_of(epoch: bytes, space: int) -> int:
    return int.from_bytes(sha256(epoch + space.to_bytes(8)).digest()[:8]) % _NUMBERS + 1


def timestamp(number: int, seq: int) -> int:
    if seq >> _SEQ_BITS:
        raise TooLarge("the space has too many changes for the timestamps of this protocol")
    return number << _SEQ_BITS | seq


def seq_of(timestamp: int, epoch: bytes, space: int) -> int | None:
    """Up to where its client has everything; None when it is of another epoch or space. Who pulled before there was
    any record has nothing, and may have pushed since."""
    number, seq = timestamp >> _SEQ_BITS, timestamp & ((1 << _SEQ_BITS) - 1)
    is_known = number == number_of(epoch, space) or (not seq and number == number_of(epoch, 0))
    return seq if not timestamp or is_known else None


def row(record_id: str, kind: int, content: bytes) -> bytes:
    """A living record as clients are sent it."""
    members = documents.members_of(kind, content, "id", record_id)
    return documents.of_members({name: value for name, value in members.items() if name not in OWN})


class Change(msgspec.Struct, frozen=True):
    """`row` is None for a deletion. `columns` are those that were edited where the client says which."""

    record_id: str
    row: Members | None
    columns: frozenset[str] | None = None


def changes(sent: SentPush) -> dict[str, list[Change]]:
    """By tables. Raises Invalid, TooLarge."""
    found = {}
    for table, of in sent.changes.items():
        each = [_change(row, f"changes.{table}.created", is_new=True) for row in of.created]
        each += [_change(row, f"changes.{table}.updated", is_new=False) for row in of.updated]
        each += [Change(record_id, None) for record_id in of.deleted]
        for change in each:
            require_whole(change.record_id, f"changes.{table}")
        if len({change.record_id for change in each}) != len(each):
            raise Invalid("an id stands in it twice", field=f"changes.{table}")
        if each:
            found[table] = each
    if sum(map(len, found.values())) > MAX_ROWS:
        raise TooLarge(f"a push has at most {MAX_ROWS} rows: synchronize more often")
    return found


def _change(row: Members, field: str, *, is_new: bool) -> Change:
    try:
        record_id = msgspec.json.decode(row["id"], type=RowId)
        changed = msgspec.json.decode(row.get("_changed", msgspec.Raw(b'""')), type=str)
    except (KeyError, msgspec.DecodeError):
        raise Invalid("each row has an id, a string of 1 to 256 characters", field=field) from None
    kept = {name: value for name, value in row.items() if name not in OWN}
    return Change(record_id, kept, None if is_new or not changed else frozenset(changed.split(",")))


Becomes = Literal["nothing", "conflict", "again"]


def judge(change: Change, stored: Stored | None, after: int) -> Members | Becomes | None:
    """What a row is to the newest version of its record, when its client has everything up to `after`: the members to
    be stored, None for a deletion to be stored, nothing new, a conflict, or `again`: it was deleted, and its client is
    to hear of that once more."""
    if stored is None or stored.is_deleted:
        if change.row is None:
            return "nothing"
        if stored is None:
            return change.row
        return "conflict" if stored.seq > after else "again"
    if change.row is None:
        return "conflict" if stored.seq > after else None
    there = documents.members_of(stored.kind, stored.content or b"", "id", change.record_id)
    edited = {name: value for name, value in change.row.items() if change.columns is None or name in change.columns}
    merged = {**there, **edited}
    if documents.same(merged, there):
        return "nothing"
    return "conflict" if stored.seq > after else merged


_decode = msgspec.json.Decoder(SentPush).decode


def decode(body: bytes) -> SentPush:
    """Raises msgspec.ValidationError."""
    return _decode(surrogates.hide(body))
