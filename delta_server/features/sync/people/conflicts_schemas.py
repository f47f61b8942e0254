"""Conflicts that wait for a choice, on the wire."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from delta_server.core.errors import Invalid
from delta_server.core.json import json_text, surrogates
from delta_server.core.sync.merging import By, Field, Merge, Side
from delta_server.features.sync.schemas import EXAMPLE_RECORD, Record
from delta_server.http.validation import invalid

MOST_FIELDS, MOST_PICKS = 200, 10_000
_ABSENT = msgspec.Raw(b"")


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`server` keeps what is there, `device` takes what the device pushed, `merge` takes `data`, or the proposal with
    the side that `picks` says for each place in `open`. `server_version` is the version of `server` that was looked
    at."""

    take: Literal["server", "device", "merge"]
    server_version: Annotated[int, Meta(ge=1, le=1 << 62)]
    data: msgspec.Raw = _ABSENT
    picks: Annotated[dict[str, Side], Meta(max_length=MOST_PICKS)] | None = None

    @property
    def merged(self) -> bytes | None:
        return None if self.data is _ABSENT else surrogates.restore(bytes(self.data))


class MergeField(msgspec.Struct, frozen=True):
    """A place that differs. A version that has none there has no member here."""

    path: str
    by: By
    open: bool
    base: msgspec.Raw | UnsetType = UNSET
    server: msgspec.Raw | UnsetType = UNSET
    device: msgspec.Raw | UnsetType = UNSET


class MergeProposal(msgspec.Struct, frozen=True):
    """Each field from the side that touched it; `open` are those that both did, with the server's value meanwhile."""

    data: msgspec.Raw
    open: Sequence[str]
    fields: Sequence[MergeField]
    fields_count: int


class SyncConflict(msgspec.Struct, frozen=True):
    """`theirs` is what the device pushed, `base` the version it was made on, `server` what the record is now."""

    id: str
    data_type: str
    record_id: str
    device: str | None
    created_at: str
    base: Record | None
    server: Record | None
    theirs: Record
    merge: MergeProposal | None


class Chosen(msgspec.Struct, frozen=True):
    version: int


def proposal(merge: Merge) -> MergeProposal:
    """The open fields before the others, MOST_FIELDS of them."""
    fields = sorted(merge.fields, key=lambda field: not field.is_open)[:MOST_FIELDS]
    return MergeProposal(msgspec.Raw(merge.data), merge.open, [_field(field) for field in fields], len(merge.fields))


def _field(field: Field) -> MergeField:
    base, server, device = (
        UNSET if value is None else msgspec.Raw(value) for value in (field.base, field.server, field.device)
    )
    return MergeField(field.path, field.by, field.is_open, base, server, device)


_decode_choice = msgspec.json.Decoder(Choice).decode


def choice(body: bytes) -> Choice:
    """Raises BadRequest, Invalid."""
    body = surrogates.hide(body)
    json_text.check(body, "the body")
    try:
        found = _decode_choice(body)
    except msgspec.ValidationError as error:
        raise invalid(error, Choice) from None
    if (found.take == "merge") is not ((found.merged is None) is not (found.picks is None)):
        raise Invalid("data or picks goes with take=merge, and says what the record is to be", field="data")
    return found


EXAMPLE_CHOICE = {"take": "merge", "picks": {"/title": "device"}, "server_version": 4}
EXAMPLE_CHOSEN = {"version": 5}
EXAMPLE = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8071",
    "data_type": "notes",
    "record_id": "note-1",
    "device": "phone-1",
    "created_at": "2026-05-01T12:00:00.000Z",
    "base": {**EXAMPLE_RECORD, "version": 3, "data": {"title": "Milk", "done": False}},
    "server": {**EXAMPLE_RECORD, "data": {"title": "Milk, eggs", "done": True}},
    "theirs": {**EXAMPLE_RECORD, "version": 3, "data": {"title": "Milk, bread", "done": False}},
    "merge": {
        "data": {"title": "Milk, eggs", "done": True},
        "open": ["/title"],
        "fields": [
            {
                "path": "/title",
                "by": "both",
                "open": True,
                "base": "Milk",
                "server": "Milk, eggs",
                "device": "Milk, bread",
            },
            {"path": "/done", "by": "server", "open": False, "base": False, "server": True, "device": False},
        ],
        "fields_count": 2,
    },
}

FIELDS = {
    "MergeProposal.data": "The record as it would be",
    "MergeProposal.open": "JSON Pointers of the places where somebody must choose",
    "MergeProposal.fields": "What differs, where somebody must choose before the rest; 200 at most",
    "MergeProposal.fields_count": "How many places differ",
    "MergeField.path": "The place, as a JSON Pointer",
    "MergeField.by": "Who changed it: `server`, `device` or `both`",
    "MergeField.open": "Whether somebody must choose",
    "MergeField.base": "Its value in `base`; absent where there is none",
    "MergeField.server": "In `server`",
    "MergeField.device": "In `theirs`",
    "SyncConflict.id": "The conflict's id",
    "SyncConflict.data_type": "The data type",
    "SyncConflict.record_id": "The record",
    "SyncConflict.device": "The device that pushed the change",
    "SyncConflict.created_at": "When it did",
    "SyncConflict.base": "The version that the change was made on; null where it is not known any more",
    "SyncConflict.server": "The record as it is now; null where it is not there",
    "SyncConflict.theirs": "What the device pushed; its `version` is that of `base`, 0 without one",
    "SyncConflict.merge": "A proposal; null where a side is deleted or encrypted, or the base is not known",
    "Chosen.version": "The record's version after the choice",
}
"""What the API's description says of the fields of answers."""
