"""Backups on the wire."""

from typing import Any, Literal

import msgspec

from delta_server.core import times
from delta_server.features.backups.keeper import Failed, Keeper, KeptBackup, Verified
from delta_server.storage.staged_restore import Note


class Backup(msgspec.Struct, frozen=True):
    """`verified_at` is null for one that was not verified since the server's start; `fault` for a sound one."""

    name: str
    taken_at: str
    bytes: int
    verified_at: str | None
    fault: str | None


class BackupFailure(msgspec.Struct, frozen=True):
    since: str
    last_at: str
    reason: str


class LastRestore(msgspec.Struct, frozen=True):
    """`fault` is why nothing was changed; `finished_at` is null while it goes on, and where there is a fault."""

    backup: str
    asked_at: str
    finished_at: str | None
    kept: str | None
    fault: str | None


class BackupState(msgspec.Struct, frozen=True):
    schedule: str
    next_at: str | None
    place: str
    doing: Literal["take", "verify", "restore"] | None
    waiting: int
    failure: BackupFailure | None
    restored: LastRestore | None


class Backups(msgspec.Struct, frozen=True):
    data: list[Backup]
    has_more: bool
    next_cursor: str | None
    state: BackupState


class NewBackup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing to say: no body, or `{}`."""


class RestoreRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    confirm: str


class BackupAccepted(msgspec.Struct, frozen=True):
    state: BackupState


def backup(row: KeptBackup, verified: Verified | None) -> Backup:
    return Backup(
        row.name,
        times.format(row.time_ms),
        row.size_bytes,
        times.format(verified.time_ms) if verified else None,
        verified.fault if verified else None,
    )


def state(keeper: Keeper, *, schedule: str, next_ms: int | None, place: str) -> BackupState:
    return BackupState(
        schedule=schedule,
        next_at=None if next_ms is None else times.format(next_ms),
        place=place,
        doing=keeper.doing.kind if keeper.doing else None,
        waiting=len(keeper.wanted),
        failure=_failure(keeper.failed) if keeper.failed else None,
        restored=_restored(keeper.restored) if keeper.restored else None,
    )


def _failure(failed: Failed) -> BackupFailure:
    return BackupFailure(times.format(failed.since_ms), times.format(failed.last_ms), failed.reason)


def _restored(note: Note) -> LastRestore:
    return LastRestore(
        backup=note.backup,
        asked_at=times.format(note.asked_ms),
        finished_at=None if note.finished_ms is None else times.format(note.finished_ms),
        kept=note.kept or None,
        fault=note.fault,
    )


EXAMPLE_STATE: dict[str, Any] = {
    "schedule": "03:30",
    "next_at": "2026-05-02T03:30:00.000Z",
    "place": "/var/backups/delta",
    "doing": None,
    "waiting": 0,
    "failure": None,
    "restored": None,
}
EXAMPLE = {
    "name": "delta-20260501T033000Z.db.zst",
    "taken_at": "2026-05-01T03:30:00.000Z",
    "bytes": 10485760,
    "verified_at": "2026-05-01T03:30:12.000Z",
    "fault": None,
}

FIELDS = {
    "Backup.name": "Its name where it is kept, after its time",
    "Backup.taken_at": "The state it holds is of then",
    "Backup.bytes": "What it occupies, compressed",
    "Backup.verified_at": "When it was last unpacked and checked, or read back as it was taken; null before that",
    "Backup.fault": "What was wrong with it then; null for nothing",
    "BackupFailure.since": "When the first of those failed that failed in a row",
    "BackupFailure.last_at": "When the last of them failed",
    "BackupFailure.reason": "Why",
    "BackupState.schedule": "`backups.schedule`: `off`, a time of day in UTC, or an interval",
    "BackupState.next_at": "When the next one is due; null without a schedule",
    "BackupState.place": "Where they are kept",
    "BackupState.doing": "What is being done now: `take`, `verify`, `restore`, or null for nothing",
    "BackupState.waiting": "How many were asked for that have not begun",
    "BackupState.failure": "Why there is no newer one; null when the last one was taken",
    "BackupState.restored": "The last restore of this server, null for none",
    "LastRestore.backup": "The backup's name, or that of the file that `delta-server restore` took",
    "LastRestore.asked_at": "When it was asked for",
    "LastRestore.finished_at": "When the server ran on it; null before that",
    "LastRestore.kept": "The file of the data directory with the database before it, null for none",
    "LastRestore.fault": "Why nothing was restored; null where it was, or goes on",
    "RestoreRequest.confirm": "The backup's name once more",
    "Backups.state": "Schedule and failures",
    "BackupAccepted.state": "How it is from now on",
}
