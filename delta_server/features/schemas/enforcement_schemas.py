"""Enforcement of schemas on the wire."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from delta_server.core import ids, times
from delta_server.core.schemas.fitting import Misfit
from delta_server.features.enforcement.service import KeptAside, Mode, SchemaSource


class EnforcementChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without a `schema` what has been learned by now is frozen: types, members and formats."""

    mode: Mode
    schema: dict[str, Any] | UnsetType = UNSET


class Enforcement(msgspec.Struct, frozen=True):
    mode: Mode
    source: SchemaSource | None
    schema: msgspec.Raw | None
    changed_at: str | None


class SchemaTry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: dict[str, Any] | UnsetType = UNSET
    last: Annotated[int, Meta(ge=1, le=200)] = 50


class MisfitCount(msgspec.Struct, frozen=True):
    path: str
    documents: int
    reason: str


class SchemaTrial(msgspec.Struct, frozen=True, kw_only=True):
    tried: int
    refused: int
    snapshots: list[str]
    places: list[MisfitCount]


class KeptDocument(msgspec.Struct, frozen=True):
    id: str
    captured_at: str
    size_bytes: int
    misfits: list[Misfit]


class KeptToAccept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ids: Annotated[list[str], Meta(min_length=1, max_length=100)] | UnsetType = UNSET


class AcceptedDocument(msgspec.Struct, frozen=True):
    id: str
    snapshot_id: str | None
    code: str | None = None
    reason: str | None = None


class AcceptedDocuments(msgspec.Struct, frozen=True):
    data: list[AcceptedDocument]


def kept(row: KeptAside) -> KeptDocument:
    return KeptDocument(ids.text(row.uid), times.format(row.captured_at), row.size, row.misfits)


FIELDS = {
    "Enforcement.mode": "`off`; `warn`: what does not fit is stored, and said; `reject`: it is refused",
    "Enforcement.source": "Whether the schema was `given`, or `inferred` when the mode was set",
    "Enforcement.schema": "JSON Schema 2020-12",
    "Enforcement.changed_at": "When it was set",
    "SchemaTrial.tried": "How many of the last snapshots were tried",
    "SchemaTrial.refused": "How many of them would be refused",
    "SchemaTrial.snapshots": "The first 50 of these, the newest first",
    "SchemaTrial.places": "Where they do not fit, what most of them share first; 50 at most",
    "MisfitCount.path": "The place, with `*` for any index",
    "MisfitCount.documents": "In how many of the documents",
    "MisfitCount.reason": "What the schema says of the first of them",
    "KeptDocument.id": "Id of the document that was kept aside",
    "KeptDocument.captured_at": "When it was polled",
    "KeptDocument.size_bytes": "Its size",
    "KeptDocument.misfits": "Where it does not fit, the first 50 places",
    "KeptToAccept.ids": "Which; all without",
    "AcceptedDocuments.data": "Each that was asked for, in the order they were polled",
    "AcceptedDocument.id": "Id of the document that was kept aside",
    "AcceptedDocument.snapshot_id": "The snapshot it became; null where it was not stored",
    "AcceptedDocument.code": "Of the error for which it was not stored, `QUOTA_EXCEEDED` for one",
    "AcceptedDocument.reason": "What stands in the way, and what to do about it",
    "Misfit.path": "JSON Pointer of the place",
    "Misfit.reason": "What the schema says of it",
}
EXAMPLE_SCHEMA = {"type": "object", "required": ["items"]}
EXAMPLE = {"mode": "warn", "source": "given", "schema": EXAMPLE_SCHEMA, "changed_at": "2026-05-01T12:00:00.000Z"}
EXAMPLE_MISFIT = {"path": "/items/0/price", "reason": '"12" is not of type "number"'}
EXAMPLE_TRIAL = {
    "tried": 50,
    "refused": 1,
    "snapshots": ["01890a5d-ac96-774b-bcce-b302099a8057"],
    "places": [{"path": "/items/*/price", "documents": 1, "reason": '"12" is not of type "number"'}],
}
EXAMPLE_ACCEPTED = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "snapshot_id": "01890a5d-ac96-774b-bcce-b302099a8058",
    "code": None,
    "reason": None,
}
EXAMPLE_KEPT = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "captured_at": "2026-05-01T12:00:00.000Z",
    "size_bytes": 420,
    "misfits": [EXAMPLE_MISFIT],
}
