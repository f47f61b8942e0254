"""What RxDB 17 sends and takes: documents with `_deleted`, and the state of the server that each was made on.

A client takes an empty answer for "the server holds exactly that", and a conflict for what it holds instead.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from delta_server.core.errors import Invalid
from delta_server.core.json import surrogates
from delta_server.core.sync import documents
from delta_server.core.sync.changes import require_whole
from delta_server.core.sync.documents import Members, Stored

OWN = ("_rev", "_meta", "_attachments")
"""Members that are RxDB's, of no other replica's concern."""
MAX_ROWS = 1000
_TRUE, _FALSE = msgspec.Raw(b"true"), msgspec.Raw(b"false")


class SentRow(msgspec.Struct, frozen=True, rename="camel"):
    new_document_state: Members
    assumed_master_state: Members | None = None


Rows = Annotated[list[SentRow], Meta(max_length=MAX_ROWS)]


class Row(msgspec.Struct, frozen=True):
    """`new` is None for a deletion. `assumed` is None without any; of a deleted state `assumes_deleted`."""

    record_id: str
    new: Members | None
    assumed: Members | None
    assumes_deleted: bool


def row(sent: SentRow, primary: str, number: int) -> Row:
    """Raises Invalid."""
    new, assumed = dict(sent.new_document_state), sent.assumed_master_state
    record_id = _record_id(new, primary, f"[{number}].newDocumentState.{primary}")
    is_deleted = _take_deleted(new)
    _drop(new)
    assumes_deleted = False
    if assumed is not None:
        assumed = dict(assumed)
        assumes_deleted = _take_deleted(assumed)
        _drop(assumed)
    return Row(record_id, None if is_deleted else new, assumed, assumes_deleted)


def _record_id(new: Members, primary: str, field: str) -> str:
    try:
        found = msgspec.json.decode(new[primary], type=str)
    except (KeyError, msgspec.DecodeError):
        found = ""
    if not 1 <= len(found) <= 256:
        raise Invalid(f"a document has its id in {primary}, a string of 1 to 256 characters", field=field)
    require_whole(found, field)
    return found


def _take_deleted(members: Members) -> bool:
    return bytes(members.pop("_deleted", _FALSE)) not in (b"false", b"null", b"0")


def _drop(members: Members) -> None:
    for name in OWN:
        members.pop(name, None)


Becomes = Literal["nothing", "change", "conflict"]


def judge(row: Row, stored: Stored | None, primary: str) -> Becomes:
    """What a row is to the newest version of its record: a change of it, a conflict, or nothing new. A deleted record
    rises for nobody but who says that it was deleted."""
    if stored is None:
        return "nothing" if row.new is None else "change"
    if stored.is_deleted:
        if row.new is None:
            return "nothing"
        return "change" if row.assumes_deleted else "conflict"
    there = documents.members_of(stored.kind, stored.content or b"", primary, row.record_id)
    _drop(there)
    there.pop("_deleted", None)
    if row.new is not None and documents.same(row.new, there):
        return "nothing"
    if row.assumed is None or row.assumes_deleted or not documents.same(row.assumed, there):
        return "conflict"
    return "change"


def document(primary: str, record_id: str, kind: int, content: bytes | None) -> msgspec.Raw:
    """As clients are sent it; `content` is None for a deletion."""
    if content is None:
        return msgspec.Raw(msgspec.json.encode({primary: record_id, "_deleted": True}))
    members = documents.members_of(kind, content, primary, record_id)
    _drop(members)
    return msgspec.Raw(documents.of_members({**members, "_deleted": _FALSE}))


_decode = msgspec.json.Decoder(Rows).decode


def decode(body: bytes) -> list[SentRow]:
    """Raises msgspec.ValidationError."""
    return _decode(surrogates.hide(body))
