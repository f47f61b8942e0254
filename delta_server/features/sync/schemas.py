"""Sync on the wire: batches in, pages out."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from delta_server.core import times
from delta_server.core.json import json_text, surrogates
from delta_server.core.sync.changes import Batch, require_whole
from delta_server.core.sync.judging import DELETED, ENCRYPTED, JSON, Status
from delta_server.features.sync import store
from delta_server.http import aliases
from delta_server.http.validation import invalid
from delta_server.storage.database import Row

Blob: TypeAlias = bytes


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """A version of a record: `data`, or `encrypted` as pushed. A deletion has neither, one of long ago no time. `bytes`
    and `kind` stand where contents are left out."""

    record_id: str
    operation: Literal["upsert", "delete"]
    version: int
    changed_at: str | UnsetType = UNSET
    data: msgspec.Raw | UnsetType = UNSET
    encrypted: Blob | UnsetType = UNSET
    checksum: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    device_id: str | UnsetType = UNSET
    bytes: int | UnsetType = UNSET
    kind: Literal["json", "encrypted"] | UnsetType = UNSET


class ChangeResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a change. `version` is the record's, `overwrote` a version that the device did not know and that
    is replaced, `server` what a conflict met, `conflict_id` where it waits for a choice."""

    change_id: str
    record_id: str
    status: Status
    version: int | None
    overwrote: int | UnsetType = UNSET
    server: Record | UnsetType = UNSET
    conflict_id: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    message: str | UnsetType = UNSET


class PushCounts(msgspec.Struct, frozen=True):
    applied: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0


class PushAnswer(msgspec.Struct, frozen=True):
    """`version` is the newest of the space: that of this batch's last change, or a later one when it came before."""

    results: Sequence[ChangeResult]
    counts: PushCounts
    version: int


class PullCounts(msgspec.Struct, frozen=True):
    upserts: int
    deletions: int


class PullPage(msgspec.Struct, frozen=True):
    """`until` is the newest version that the pages together bring; `next_cursor` begins behind this page, or behind
    `until` after the last. `deleted` is there with view=split alone."""

    changes: Sequence[Record]
    has_more: bool
    next_cursor: str
    until: int
    counts: PullCounts
    next_offset: int | UnsetType | None = UNSET
    deleted: Sequence[Record] | UnsetType = UNSET


class SyncConfig(msgspec.Struct, frozen=True):
    """What a device may do."""

    max_changes: int
    max_batch_bytes: int
    max_page: int
    record_bytes: int
    pushes_per_minute: int
    pulls_per_minute: int
    records: int
    bytes: int
    devices: int
    types: int
    tombstone_days: int
    history_days: int
    upload_days: int
    max_part_lines: int
    max_part_bytes: int


_decode_batch = msgspec.json.Decoder(Batch).decode


def batch(body: bytes) -> Batch:
    """Raises BadRequest, Invalid."""
    body = surrogates.hide(body)
    json_text.check(body, "the body")
    found = _decoded(body)
    require_whole(found.device_id, "device_id")
    require_whole(found.batch_id or "", "batch_id")
    for number, change in enumerate(found.changes):
        require_whole(change.change_id or "", f"changes[{number}].change_id")
        require_whole(change.record_id, f"changes[{number}].record_id")
    return found


def _decoded(body: bytes) -> Batch:
    with suppress(msgspec.ValidationError):  # other names are rare: look for them only now
        return _decode_batch(body)
    try:
        return _decode_batch(aliases.snake_body(_renamed(body), Batch))
    except msgspec.ValidationError as error:
        raise invalid(error, Batch) from None


_OTHER_NAMES = {
    "encrypted_data": "encrypted",
    "encryptedData": "encrypted",
    "timestamp": "updated_at",
    "version": "base_version",
}
_split_batch = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_split_changes = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def _renamed(body: bytes) -> bytes:
    """With the names of fields here. Of an insert `version` is the device's own count, and no version here."""
    try:
        members = _split_batch(body)
        sent = _split_changes(members["changes"])
    except (msgspec.ValidationError, KeyError):
        return body
    found = []
    for change in sent:
        if bytes(change.get("operation", b"")) == b'"insert"':
            change.pop("version", None)
        names = {name: _OTHER_NAMES.get(name, name) for name in change}
        if len(set(names.values())) < len(names):
            return body  # some name is given twice: the ones that are not known are refused
        found.append({names[name]: value for name, value in change.items()})
    return msgspec.json.encode({**members, "changes": found})


_COLUMNS = store.Change.__struct_fields__
_moment = lru_cache(1024)(times.format)
"""The records of a batch changed at one time."""


def record(change: store.Change, device_ids: Mapping[int, str]) -> Record:
    return record_of(tuple(getattr(change, name) for name in _COLUMNS), device_ids)


def record_of(row: Row, device_ids: Mapping[int, str]) -> Record:
    """Of the columns store.CHANGE. By position: a page of ten thousand is half of its time here."""
    seq, record_id, kind, content, checksum, device, _, updated_at, changed_at = row
    return Record(
        record_id,
        "delete" if kind == DELETED else "upsert",
        seq,
        _moment(changed_at),
        msgspec.Raw(content) if kind == JSON else UNSET,
        content if kind == ENCRYPTED else UNSET,
        UNSET if checksum is None else checksum.hex(),
        UNSET if updated_at is None else times.format(updated_at),
        device_ids.get(device, UNSET),
    )


def without_content(change: store.Change, size_bytes: int, device_ids: Mapping[int, str]) -> Record:
    """A version with its size in place of its content, which may not have been read."""
    is_deleted = change.kind == DELETED
    return replace(
        record(replace(change, content=b""), device_ids),
        data=UNSET,
        encrypted=UNSET,
        bytes=UNSET if is_deleted else size_bytes,
        kind=UNSET if is_deleted else "encrypted" if change.kind == ENCRYPTED else "json",
    )


def counts(results: Sequence[ChangeResult]) -> PushCounts:
    by_status: dict[str, int] = {}
    for result in results:
        by_status[result.status] = by_status.get(result.status, 0) + 1
    return PushCounts(**by_status)


EXAMPLE_PUSH = {
    "device_id": "phone-1",
    "batch_id": "b-42",
    "changes": [
        {"change_id": "c-7", "record_id": "note-1", "operation": "update", "data": {"text": "Milk"}, "base_version": 3}
    ],
}
EXAMPLE_PUSHED = {
    "results": [{"change_id": "c-7", "record_id": "note-1", "status": "applied", "version": 4}],
    "counts": {"applied": 1, "duplicate": 0, "conflict": 0, "rejected": 0},
    "version": 4,
}
EXAMPLE_RECORD = {
    "record_id": "note-1",
    "operation": "upsert",
    "version": 4,
    "changed_at": "2026-05-01T12:00:00.000Z",
    "data": {"text": "Milk"},
    "checksum": "6b2f1a9c0d3e4f5a6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c",
    "device_id": "phone-1",
}
EXAMPLE_PAGE = {
    "changes": [EXAMPLE_RECORD],
    "has_more": False,
    "next_cursor": "k1pWQpSkc3luYw",
    "until": 4,
    "counts": {"upserts": 1, "deletions": 0},
}
EXAMPLE_NEWS = """retry: 2000

id: 9f86d081884c7d65-42
event: news
data: {"data_type":"notes","version":42}
"""
EXAMPLE_CONFIG = {
    "max_changes": 1000,
    "max_batch_bytes": 8_388_608,
    "max_page": 10_000,
    "record_bytes": 1_048_576,
    "pushes_per_minute": 20,
    "pulls_per_minute": 30,
    "records": 1_000_000,
    "bytes": 1_073_741_824,
    "devices": 100,
    "types": 1000,
    "tombstone_days": 90,
    "history_days": 30,
    "upload_days": 2,
    "max_part_lines": 20_000,
    "max_part_bytes": 16_777_216,
}

FIELDS = {
    "Record.record_id": "The device's own id of the record",
    "Record.operation": "`upsert`, or `delete` for a deletion",
    "Record.version": "The number of its newest change, in the order of the space; a change made on it has it as "
    "`base_version`",
    "Record.changed_at": "When the server took it; absent for a deletion of long ago",
    "Record.data": "The record as it was pushed, byte for byte",
    "Record.encrypted": "The same of an encrypted one, in base64",
    "Record.checksum": "SHA-256 of its bytes, in hex",
    "Record.updated_at": "When the device says it changed; never decides",
    "Record.device_id": "The device that pushed it; absent for what the server itself changed",
    "Record.bytes": "How many bytes it has, where its contents are left out",
    "Record.kind": "`json` or `encrypted`, where its contents are left out",
    "ChangeResult.change_id": "The change; an id of the server where it came without",
    "ChangeResult.record_id": "Its record",
    "ChangeResult.status": "`applied`; `duplicate`: it came before, or the record is like that already; `conflict`; "
    "`rejected`: it cannot be stored",
    "ChangeResult.version": "The record's version now; null where there is none",
    "ChangeResult.overwrote": "The version that it replaced without the device knowing of it",
    "ChangeResult.server": "What a conflict met; without its contents where an answer would have too many",
    "ChangeResult.conflict_id": "Under which it waits for a choice",
    "ChangeResult.code": "Why it was rejected, for programs",
    "ChangeResult.message": "Why it was rejected, or is a conflict",
    "PushAnswer.results": "One for each change, in their order",
    "PushAnswer.counts": "How many of each status",
    "PushAnswer.version": "The newest number of the space",
    "PushCounts.applied": "How many were applied",
    "PushCounts.duplicate": "How many came before, or changed nothing",
    "PushCounts.conflict": "How many conflict",
    "PushCounts.rejected": "How many cannot be stored",
    "PullPage.changes": "In the order of the changes; a page may be shorter than `limit`, even empty, with more to "
    "come",
    "PullPage.has_more": "Whether `next_cursor` brings more now",
    "PullPage.next_cursor": "Where the next page begins: keep it when the page is stored",
    "PullPage.until": "The newest number that the pages of this window bring",
    "PullPage.counts": "What is on the page",
    "PullPage.next_offset": "With `since`, the next page by `offset`; null on the last",
    "PullPage.deleted": "With view=split, the deletions",
    "PullCounts.upserts": "Records that came or changed",
    "PullCounts.deletions": "Records that were deleted",
    "SyncConfig.max_changes": "Changes in a batch at most",
    "SyncConfig.max_batch_bytes": "Bytes of the records in a batch at most, if it has more than one",
    "SyncConfig.max_page": "Records on a page at most",
    "SyncConfig.record_bytes": "Bytes of a record at most",
    "SyncConfig.pushes_per_minute": "Pushes a minute; 0 without limit",
    "SyncConfig.pulls_per_minute": "Pulls a minute; 0 without limit",
    "SyncConfig.records": "Records of a space at most",
    "SyncConfig.bytes": "Bytes of a space at most",
    "SyncConfig.devices": "Devices of a space at most",
    "SyncConfig.types": "Data types of a space at most",
    "SyncConfig.tombstone_days": "For how long deletions are kept",
    "SyncConfig.history_days": "For how long older versions are kept",
    "SyncConfig.upload_days": "For how long an upload that nothing more comes to is kept",
    "SyncConfig.max_part_lines": "Lines of a part of an upload at most",
    "SyncConfig.max_part_bytes": "Bytes of a part of an upload at most, all its lines together",
}
"""What the API's description says of the fields of answers."""
