"""What becomes of a pushed change, by what the server holds of its record.

The order of the rules is what keeps deleted records deleted, and a repeated change from undoing a later one:
what came before is a duplicate, the same content is success, a deletion is only undone by who knows of it, and what was
made without knowing the newest version is up to the data type's `conflicts`.
"""

from typing import Literal, TypeAlias

import msgspec

Conflicts: TypeAlias = Literal["last_write", "reject", "manual"]
Status: TypeAlias = Literal["applied", "duplicate", "conflict", "rejected"]

JSON, ENCRYPTED, DELETED = 0, 1, 2


class Head(msgspec.Struct, frozen=True):
    """The newest version of a record. One that was purged is known by the number of its deletion alone."""

    seq: int
    kind: int
    checksum: bytes | None = None


class Pushed(msgspec.Struct, frozen=True):
    """A change as far as it matters here. `base` is the version it was made on."""

    kind: int
    checksum: bytes | None
    base: int | None


class Verdict(msgspec.Struct, frozen=True):
    """`version` is that of a duplicate; `overwrites`: the change replaces a version that its device did not know."""

    status: Status
    version: int | None = None
    overwrites: bool = False
    is_kept: bool = False
    """The conflict waits until somebody chooses."""
    reason: str = ""


APPLIED = Verdict("applied")
_OVERWRITES = Verdict("applied", overwrites=True)
_DELETED = Verdict("conflict", reason="the record was deleted: a change on the deletion's version brings it back")
_UNKNOWN = Verdict("conflict", reason="the record is not here, so there is no such version: send it without one")
_REJECTED = Verdict("conflict", reason="the record has changed since: pull, merge, push on its version")
_KEPT = Verdict("conflict", is_kept=True, reason="the record has changed since: both versions wait for a choice")


def judge(change: Pushed, head: Head | None, conflicts: Conflicts) -> Verdict:
    """For a change that did not come before."""
    if head is None:
        return _without_head(change)
    if change.kind == head.kind and (change.kind == DELETED or change.checksum == head.checksum):
        return Verdict("duplicate", head.seq)
    if change.base == head.seq:
        return APPLIED
    if head.kind == DELETED:
        return _DELETED
    if conflicts == "last_write":
        return _OVERWRITES
    return _KEPT if conflicts == "manual" else _REJECTED


def _without_head(change: Pushed) -> Verdict:
    if change.kind == DELETED:
        return Verdict("duplicate")
    return _UNKNOWN if change.base else APPLIED


LEAST_GUARDED = 50


def is_mass_deletion(records: int, deleted: int, more: int) -> bool:
    """Whether `more` deletions, after `deleted` of the same day that nobody confirmed, are too many to go unasked: more
    than LEAST_GUARDED and than half of the `records` that there were when it began."""
    return more > 0 and deleted + more > max(LEAST_GUARDED, records // 2)
