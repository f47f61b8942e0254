"""Changes of one collection, within one transaction: judged by what is there, numbered, and stored at the end."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from delta_server.config.plans import Plans
from delta_server.core import ids, times
from delta_server.core.errors import Quota, QuotaExceeded, SpaceBusy
from delta_server.core.sync import digest, judging
from delta_server.core.sync.changes import Prepared
from delta_server.core.sync.judging import DELETED, JSON, Conflicts, Head, Pushed, Verdict
from delta_server.features.conflicts import service as conflicts
from delta_server.features.conflicts.service import NewConflict
from delta_server.features.sync import store
from delta_server.features.sync.schemas import ChangeResult, Record
from delta_server.features.sync.shown_records import ShownRecords
from delta_server.features.sync.store import Collection, NewChange, Space
from delta_server.features.usage import service as usage
from delta_server.storage.database import Tx

UNPATCHED = "the version that the patch was made on is not here, or cannot be patched: send `data` instead"
UNFOUNDED = "it patches what an earlier change of the batch made, which is not here: send `data` instead"
CODE_REUSED = "CHANGE_ID_REUSED"
REUSED = "the device used this change_id for another change: a new change has a new id"
MOST_WAITING = 1000
"""Conflicts of a space that wait for a choice."""


class Limits(msgspec.Struct, frozen=True):
    """Of a space, and with `plans` those of all spaces of its project."""

    records: int
    bytes: int
    devices: int
    types: int
    project: int
    plans: Plans


class Today(msgspec.Struct, frozen=True):
    """Of a collection: how many records there were when the day began, or since many deletions were confirmed, and how
    many were deleted then. `guarded` are those that deletions are counted against: of a type that came today what is
    there now."""

    day: int
    records: int
    deleted: int
    guarded: int


class Sums(msgspec.Struct, frozen=True):
    """What a collection has more. `seq` is its newest number, 0 when it has none, `digest` the exclusive or of both."""

    seq: int
    records: int
    tombstones: int
    size_bytes: int
    deleted: int
    digest: bytes
    changes: int


def require_open(space: Space) -> None:
    """Raise SpaceBusy while an upload becomes visible."""
    if space.staged is not None:
        raise SpaceBusy("an upload is being made visible in this space: send it again in a second")


class Writing:
    """`device` is None for what the server itself changes. Nothing is stored before `finish`, but for conflicts that
    are kept."""

    def __init__(
        self, tx: Tx, space: Space, collection: Collection, device: int | None, *, is_upload: bool = False
    ) -> None:
        if not is_upload:
            require_open(space)
        self._tx = tx
        self._space = space
        self.collection = collection
        self._device = device
        self._is_upload = is_upload
        self._seq = space.staged if is_upload and space.staged is not None else space.seq
        self._heads: dict[str, tuple[Head, int]] = {}
        self._buried: dict[str, bytes] = {}
        self._new: dict[int, NewChange] = {}
        self._own: set[int] = set()
        self._unfounded: set[tuple[str, int | None]] = set()
        self._met: dict[str, conflicts.KnownConflict] = {}
        self._shown = ShownRecords(tx, space, collection.id)
        self._waiting: int | None = None
        self._digest = int.from_bytes(collection.digest)
        self.records = collection.records
        self.bytes = collection.size_bytes
        self.tombstones = collection.tombstones
        self.deleted = 0
        self.is_confirmed = False
        """Somebody meant its many deletions: those of the day are counted anew."""

    def judge(self, changes: Sequence[Prepared], policy: Conflicts) -> list[ChangeResult]:
        """What becomes of each; what is applied is numbered."""
        self.look(sorted({change.record_id for change in changes}))
        change_ids = [change.change_id for change in changes if change.change_id]
        known: dict[str, store.KnownChange] = {}
        if self._device is not None and change_ids:
            known = store.known_changes(self._tx, self._device, change_ids)
            self._met = conflicts.known_conflicts(self._tx, self._device, change_ids)
        results = []
        for change in changes:
            before = known.get(change.change_id) or self._met.get(change.change_id)
            if before is None:
                result = self._judged(change, policy)
            elif not self._is_same(change, before):
                self._unfounded.add((change.record_id, change.base))
                result = _rejected(change, change.refusal or (CODE_REUSED, REUSED))
            elif isinstance(before, store.KnownChange):
                result = self._came_before(change, before)
            else:
                result = self._met_before(change, before)
            if result.status == "applied" and change.change_id:
                known[change.change_id] = store.KnownChange(
                    self._seq, self.collection.id, change.record_id, change.kind, change.checksum
                )
            results.append(result)
        return results

    def _is_same(self, change: Prepared, before: store.KnownChange | conflicts.KnownConflict) -> bool:
        """Whether it came before, and not another one under its id. A patch sent again may have been made on something
        else, and what is encrypted again has other bytes."""
        if (before.collection, before.record_id) != (self.collection.id, change.record_id):
            return False
        if change.refusal is not None or change.is_patch:
            return True
        return change.kind == before.kind and (change.kind != JSON or change.checksum == before.checksum)

    def _came_before(self, change: Prepared, before: store.KnownChange) -> ChangeResult:
        if change.checksum == before.checksum:
            self._own.add(before.seq)
        else:
            self._unfounded.add((change.record_id, change.base))
        return _result(change, Verdict("duplicate", before.seq))

    def _met_before(self, change: Prepared, conflict: conflicts.KnownConflict) -> ChangeResult:
        if conflict.version is not None:
            return _result(change, Verdict("duplicate", conflict.version))
        return self._conflict(change, conflict.uid, conflict.server)

    @property
    def has_changed(self) -> bool:
        return bool(self._new)

    @property
    def new_heads(self) -> list[NewChange]:
        """In the order of their numbers."""
        return [new for new in self._new.values() if new.superseded_by is None]

    def head(self, record_id: str) -> Head | None:
        """Of one that was looked at."""
        return self._heads.get(record_id, (None, 0))[0]

    def look(self, record_ids: Sequence[str]) -> None:
        """Read the newest versions of records, before anything is said of them."""
        self._heads |= store.heads(self._tx, self.collection.id, record_ids)
        if not self.collection.horizon:
            return
        unknown = {digest.id_hash(record_id): record_id for record_id in record_ids if record_id not in self._heads}
        for id_hash, seq in store.graves(self._tx, self.collection.id, unknown).items():
            self._heads[unknown[id_hash]] = (Head(seq, DELETED), 0)
            self._buried[unknown[id_hash]] = id_hash

    def _judged(self, change: Prepared, policy: Conflicts) -> ChangeResult:
        if change.refusal is not None:
            return _rejected(change, change.refusal)
        head, _ = self._heads.get(change.record_id, (None, 0))
        if change.lacks_base:
            return self._conflict(change, None, head.seq if head else None, UNPATCHED)
        if change.follows and (change.record_id, change.base) in self._unfounded:
            return self._conflict(change, None, head.seq if head else None, UNFOUNDED)
        is_own = head is not None and (head.seq in self._new or head.seq in self._own)
        base = head.seq if change.follows and head is not None and is_own else change.base
        verdict = judging.judge(Pushed(change.kind, change.checksum, base), head, policy)
        if verdict.status == "applied":
            version = self.apply(change)
            return _result(change, replace(verdict, version=version), head if verdict.overwrites else None)
        if verdict.status == "conflict":
            uid = self._keep(change, head) if verdict.is_kept and head is not None else None
            return self._conflict(change, uid, head.seq if head else None, verdict.reason)
        return _result(change, verdict)

    def apply(self, change: Prepared) -> int:
        """The change's number."""
        self._seq += 1
        before, size_before = self._heads.get(change.record_id, (None, 0))
        replaces = None if before is None or change.record_id in self._buried else before.seq
        size = len(change.content or b"")
        self._count(change, before, size - size_before)
        if replaces in self._new:
            self._new[replaces] = replace(self._new[replaces], superseded_by=self._seq)
        self._new[self._seq] = NewChange(
            self._seq,
            change.record_id,
            change.kind,
            change.content,
            change.checksum,
            change.change_id,
            replaces,
            change.updated_at,
        )
        self._heads[change.record_id] = (Head(self._seq, change.kind, change.checksum), size)
        grave = self._buried.pop(change.record_id, None)
        if grave is not None and not self._is_upload:  # which may be undone
            store.delete_grave(self._tx, self.collection.id, grave)
        return self._seq

    def delete_again(self, record_ids: Sequence[str]) -> None:
        """Number the deletions of what is deleted anew, so that whoever pulls hears of them once more."""
        self.look([record_id for record_id in record_ids if record_id not in self._heads])
        for record_id in record_ids:
            head, _ = self._heads.get(record_id, (None, 0))
            if head is not None and head.kind == DELETED:
                self.apply(Prepared("", record_id, DELETED))
                self.deleted -= 1

    def _count(self, change: Prepared, before: Head | None, more_bytes: int) -> None:
        self.bytes += more_bytes
        if before is not None and before.kind != DELETED:
            self.records -= 1
            self._mix(change.record_id, before.checksum)
        if before is not None and before.kind == DELETED and change.record_id not in self._buried:
            self.tombstones -= 1
        if change.kind == DELETED:
            self.tombstones += 1
            self.deleted += 1
        else:
            self.records += 1
            self._mix(change.record_id, change.checksum)

    def _mix(self, record_id: str, checksum: bytes | None) -> None:
        self._digest ^= int.from_bytes(digest.of_record(record_id, checksum or b""))

    def _keep(self, change: Prepared, head: Head) -> bytes:
        assert self._device is not None
        if self._waiting is None:
            self._waiting = conflicts.count_waiting(self._tx, self._space.id)
        if self._waiting >= MOST_WAITING:
            raise QuotaExceeded(
                f"{MOST_WAITING} conflicts wait for a choice in this space: make some at /v1/sync/conflicts",
                Quota("sync.conflicts", self._waiting, MOST_WAITING, None),
            )
        self._waiting += 1
        kept = NewConflict(
            change.record_id,
            change.change_id,
            change.kind,
            change.content,
            change.checksum,
            change.base,
            head.seq,
            change.updated_at,
            self._is_upload,
        )
        uid = conflicts.insert_conflict(self._tx, self._space.id, self.collection.id, self._device, kept)
        self._met[change.change_id] = conflicts.KnownConflict(
            uid, head.seq, None, self.collection.id, change.record_id, change.kind, change.checksum
        )
        return uid

    def _conflict(self, change: Prepared, uid: bytes | None, server: int | None, reason: str = "") -> ChangeResult:
        return ChangeResult(
            change.change_id,
            change.record_id,
            "conflict",
            server,
            server=UNSET if server is None or self._is_upload else self.record(change.record_id, server),
            conflict_id=UNSET if uid is None else ids.text(uid),
            message=reason or UNSET,
        )

    def record(self, record_id: str, seq: int) -> Record:
        return self._shown.record(record_id, seq, self._new.get(seq))

    @property
    def today(self) -> Today:
        return today_of(self.collection, self._tx.now_ms)

    def stage(self, at: int) -> Sums:
        """Store what was applied, hidden until the space's number is past it."""
        changes = list(self._new.values())
        store.insert_changes(self._tx, self._space.id, self.collection.id, self._device, changes, at)
        before = self.collection
        return Sums(
            self._seq if changes else 0,
            self.records - before.records,
            self.tombstones - before.tombstones,
            self.bytes - before.size_bytes,
            self.deleted,
            (self._digest ^ int.from_bytes(before.digest)).to_bytes(16),
            len(changes),
        )

    def finish(self, limits: Limits) -> Space:
        """Store all that was applied; the space as it is then. Raises QuotaExceeded."""
        if not self._new:
            return self._space
        before, collection = self._space, self.collection
        space = Space(
            before.id,
            self._seq,
            max(self._tx.now_ms, before.changed_at),
            before.created_at,
            before.records + self.records - collection.records,
            before.size_bytes + self.bytes - collection.size_bytes,
        )
        require_room(self._tx, before, space, limits)
        store.insert_changes(
            self._tx, space.id, collection.id, self._device, list(self._new.values()), space.changed_at
        )
        store.update_space(self._tx, space.id, space)
        today = self.today
        after = replace(
            collection,
            seq=self._seq,
            records=self.records,
            tombstones=self.tombstones,
            size_bytes=self.bytes,
            digest=self._digest.to_bytes(16),
            day=today.day,
            day_records=self.records if self.is_confirmed else today.records,
            day_deleted=0 if self.is_confirmed else self.deleted + today.deleted,
        )
        store.update_collection(self._tx, space.id, after)
        store.add_activity(
            self._tx,
            space.id,
            collection.id,
            self._device,
            today.day,
            changes=len(self._new),
            deletions=sum(change.kind == DELETED for change in self._new.values()),
        )
        return space


def _result(change: Prepared, verdict: Verdict, overwritten: Head | None = None) -> ChangeResult:
    return ChangeResult(
        change.change_id,
        change.record_id,
        verdict.status,
        verdict.version,
        overwrote=UNSET if overwritten is None else overwritten.seq,
    )


def today_of(collection: Collection, now_ms: int) -> Today:
    day, records = now_ms // times.DAY_MS, collection.records
    if collection.day != day:
        return Today(day, records, 0, records)
    began, deleted = collection.day_records, collection.day_deleted
    return Today(day, began, deleted, began or records + deleted)


def _rejected(change: Prepared, why: tuple[str, str]) -> ChangeResult:
    code, message = why
    return ChangeResult(change.change_id, change.record_id, "rejected", None, code=code, message=message)


def require_room(tx: Tx, before: Space, after: Space, limits: Limits) -> None:
    """Raises QuotaExceeded."""
    for what, used, use, limit, option in (
        ("records", before.records, after.records, limits.records, "records"),
        ("bytes", before.size_bytes, after.size_bytes, limits.bytes, "space_bytes"),
    ):
        if use > limit and use > used:
            raise QuotaExceeded(
                f"a space may have {limit} {what} (sync.{option}), and {used} are used: delete what is not needed",
                Quota(f"sync.{option}", used, limit, None),
            )
    more = usage.Needs(
        sync_records=max(0, after.records - before.records), storage_bytes=max(0, after.size_bytes - before.size_bytes)
    )
    if more.sync_records or more.storage_bytes:
        usage.allowance(tx, limits.plans, limits.project).take(more)
