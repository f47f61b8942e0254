"""Uploads on the wire: lines in, how far it is and what became of them out."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from delta_server.core.errors import BadRequest, DeltaError, Invalid, TooLarge
from delta_server.core.json import json_text, surrogates
from delta_server.core.json_schema import documented
from delta_server.core.sync import changes
from delta_server.core.sync.changes import ABSENT, RecordId, SentChange
from delta_server.features.sync.schemas import PushCounts
from delta_server.features.sync.spaces import checked_type
from delta_server.features.sync.uploads import staging
from delta_server.features.sync.uploads.lines import MOST_WRONG, Line, Result, refused
from delta_server.features.sync.uploads.store import Upload
from delta_server.http import aliases
from delta_server.http.validation import invalid

MOST_LINES = 20_000
MOST_BYTES = 16 << 20
"""Of one request."""

UploadState = Literal["open", "committing", "done", "refused"]


class SentLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record: as a change, with its data type, and `upsert` for an insert or update, whichever it is."""

    data_type: Annotated[str, Meta(min_length=1, max_length=100)]
    record_id: RecordId
    operation: Literal["upsert", "insert", "update", "delete"] = "upsert"
    data: msgspec.Raw = ABSENT
    encrypted: str | None = None
    checksum: Annotated[str, documented(maxLength=64)] | None = None
    base_version: Annotated[int, Meta(ge=0, le=1 << 62)] | None = None
    updated_at: Annotated[str, documented(maxLength=40)] | None = None


class UploadResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a line."""

    line: int
    data_type: str
    record_id: str
    status: Literal["applied", "duplicate", "conflict"]
    version: int | None
    overwrote: int | UnsetType = UNSET
    conflict_id: str | UnsetType = UNSET
    message: str | UnsetType = UNSET


class SyncUpload(msgspec.Struct, frozen=True, omit_defaults=True):
    """`lines` are here; `version` is the newest one that it made."""

    upload_id: str
    state: UploadState
    lines: int
    bytes: int
    counts: PushCounts
    version: int | None
    conflicts: Sequence[UploadResult] | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    confirm: str | UnsetType = UNSET


_decode = msgspec.json.Decoder(SentLine).decode


def lines(body: bytes, first: int, now_ms: int, limit_bytes: int) -> list[tuple[Line, int]]:
    """With their sizes; `first` is the number of the first. Raises BadRequest, Invalid, TooLarge."""
    if len(body) > MOST_BYTES:
        raise TooLarge(f"a part of an upload has at most {MOST_BYTES} bytes: send it in more parts")
    body = surrogates.hide(body)
    rows = body.removesuffix(b"\n").split(b"\n") if body else []
    if len(rows) > MOST_LINES:
        raise TooLarge(f"a part of an upload has at most {MOST_LINES} lines: send it in more parts")
    found: list[tuple[Line, int]] = []
    wrong: list[tuple[int, str]] = []
    for number, row in enumerate(rows, first):
        try:
            found.append((_line(row, number, now_ms, limit_bytes), len(row)))
        except DeltaError as error:
            wrong.append((number, error.message))
            if len(wrong) == MOST_WRONG:
                break
    if wrong:
        raise refused(wrong)
    return found


def _line(row: bytes, number: int, now_ms: int, limit_bytes: int) -> Line:
    try:
        json_text.check(row, "the line")
        sent = _decoded(row)
    except BadRequest as error:
        raise Invalid(error.message) from None
    checked_type(sent.data_type)
    changes.require_whole(sent.record_id, "record_id")
    change = SentChange(
        sent.record_id,
        "update" if sent.operation == "upsert" else sent.operation,
        data=sent.data,
        encrypted=sent.encrypted,
        checksum=sent.checksum,
        base_version=sent.base_version,
        updated_at=sent.updated_at,
    )
    made = changes.prepare(change, now_ms, limit_bytes)
    if made.refusal is not None:
        raise Invalid(made.refusal[1])
    return Line(sent.data_type, made.record_id, made.kind, made.content, made.checksum, made.base, made.updated_at)


def _decoded(row: bytes) -> SentLine:
    with suppress(msgspec.ValidationError):  # names in camelCase are rare: look for them only now
        return _decode(row)
    try:
        return _decode(aliases.snake_body(row, SentLine))
    except msgspec.ValidationError as error:
        raise invalid(error, SentLine) from None


_STATES: dict[str, UploadState] = {"open": "open", "done": "done"}


def shown(upload: Upload, conflicts: Sequence[UploadResult]) -> SyncUpload:
    found = SyncUpload(
        upload.upload_id,
        _STATES.get(upload.state, "committing"),
        upload.lines,
        upload.size_bytes,
        PushCounts(upload.applied, upload.duplicate, upload.conflict) if upload.state == "done" else PushCounts(),
        upload.last_seq,
        conflicts or UNSET,
    )
    if upload.state != "open" or upload.refusal is None:
        return found
    why = staging.read_refusal(upload.refusal)
    return msgspec.structs.replace(
        found, state="refused", reason=why.code, message=why.message, confirm=why.confirm or UNSET
    )


def result(line: int, found: Result) -> UploadResult:
    assert found.status != "rejected", "a line that cannot be stored is refused with its part"
    return UploadResult(
        line,
        found.data_type,
        found.record_id,
        found.status,
        found.version,
        UNSET if found.overwrote is None else found.overwrote,
        UNSET if found.conflict_id is None else found.conflict_id,
        UNSET if found.message is None else found.message,
    )


EXAMPLE_LINES = """{"data_type":"notes","record_id":"note-1","data":{"text":"Milk"}}
{"data_type":"tags","record_id":"tag-1","data":"shopping","updated_at":"2026-05-01T12:00:00Z"}
"""
EXAMPLE = {
    "upload_id": "first-sync",
    "state": "done",
    "lines": 2,
    "bytes": 160,
    "counts": {"applied": 2, "duplicate": 0, "conflict": 0, "rejected": 0},
    "version": 44,
}
EXAMPLE_RESULT = {"line": 0, "data_type": "notes", "record_id": "note-1", "status": "applied", "version": 43}
FIELDS = {
    "SyncUpload.upload_id": "As the device named it",
    "SyncUpload.state": "`open`: more may come; `committing`: it becomes visible; `done`: it is; `refused`: nothing "
    "of it is, and it may be completed again",
    "SyncUpload.lines": "How many are here: the number of the next one, counted from 0",
    "SyncUpload.bytes": "Their bytes",
    "SyncUpload.counts": "What became of them, once it is done",
    "SyncUpload.version": "The newest version that it made; null before it is done",
    "SyncUpload.conflicts": "The first 100 lines that conflict; /v1/sync/upload/results has all",
    "SyncUpload.reason": "Why it was refused: the code of that answer",
    "SyncUpload.message": "Why it was refused",
    "SyncUpload.confirm": "With it an upload that deletes very much may be completed",
    "UploadResult.line": "Its number, counted from 0",
    "UploadResult.data_type": "The line's data type",
    "UploadResult.record_id": "The line's record",
    "UploadResult.status": "`applied`; `duplicate`: the record was like that already; `conflict`",
    "UploadResult.version": "The record's version; null where there is none",
    "UploadResult.overwrote": "The version that it replaced without the device knowing of it",
    "UploadResult.conflict_id": "Under which it waits for a choice",
    "UploadResult.message": "Why it is a conflict",
}
