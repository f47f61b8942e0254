"""How a complete upload becomes visible, all at once, with the one writer never held for long.

Its records are stored like pushed ones, a part at a time, but numbered above the space's newest number, where nobody
looks (`store.shown`); nothing is pushed meanwhile. Then one transaction moves that number, whatever there is. What is
refused then is taken away again, the newest first. A job does it, and goes on with it after a crash.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from delta_server.core.errors import DeltaError, Quota, QuotaExceeded, Refused, Unavailable
from delta_server.core.sync.judging import Conflicts
from delta_server.features.conflicts import service as conflicts
from delta_server.features.sync import spaces, store
from delta_server.features.sync.committing import commit, limits_of
from delta_server.features.sync.people import store as people_store
from delta_server.features.sync.pushing import collection_of, is_confirmed
from delta_server.features.sync.schemas import ChangeResult
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.store import Collection, Space
from delta_server.features.sync.uploads import lines
from delta_server.features.sync.uploads import store as uploads
from delta_server.features.sync.uploads.lines import Line, Result
from delta_server.features.sync.uploads.store import Part, Upload
from delta_server.features.sync.writing import Limits, Sums, Writing, require_room, today_of
from delta_server.services import Services
from delta_server.storage import jobs
from delta_server.storage.database import Tx
from delta_server.storage.jobs import Job, Retry
from delta_server.tasks.jobs import JobKind

_JOB = "sync upload"
_DELETIONS = ("confirm", "deletions", "deletions_of_day", "records_of_day", "records")
"""What MASS_DELETE tells."""
_ROWS_AT_ONCE = 500
_PARTS_AT_ONCE = 8


class Asked(msgspec.Struct, frozen=True):
    """What a job is about; `uid` in hex."""

    owner: str
    uid: str


class Refusal(msgspec.Struct, frozen=True):
    code: str
    message: str
    confirm: str | None = None
    deletions: int | None = None
    deletions_of_day: int | None = None
    records_of_day: int | None = None
    records: int | None = None
    quota: Quota | None = None


def ask(tx: Tx, whose: Whose, upload: Upload, confirm: str | None) -> None:
    """All of it is here."""
    now = uploads.by_uid(tx, upload.space, upload.uid)
    if now is not None and now.state == "open":
        uploads.wait(tx, now.space, now.id, confirm)
        arguments = msgspec.json.encode(Asked(whose.owner, now.uid.hex())).decode()
        jobs.enqueue(tx, whose.project, _JOB, arguments, key=now.uid)


def refusal_of(kept: bytes) -> DeltaError:
    found = read_refusal(kept)
    if found.quota is not None:
        return QuotaExceeded(found.message, found.quota)
    members = {name: getattr(found, name) for name in _DELETIONS}
    return Refused(found.message, code=found.code, members=members)


def read_refusal(kept: bytes) -> Refusal:
    return msgspec.json.decode(kept, type=Refusal)


async def run(svc: Services, job: Job) -> None:
    asked = msgspec.json.decode(job.arguments, type=Asked)
    whose, uid = Whose(job.project, asked.owner), bytes.fromhex(asked.uid)
    upload = await svc.db.write(_begin, whose, uid)
    if upload is None:
        return
    try:
        if upload.state == "staging":
            await _stage_all(svc, whose, upload)
            await commit(svc, whose, _show, uid, limits_of(svc, whose))
    except (QuotaExceeded, Refused) as error:
        await svc.db.write(uploads.refuse, upload.space, upload.id, _kept(error))
        upload = replace(upload, state="undoing")
    if upload.state == "undoing":
        await _undo(svc, whose, upload)
    while await svc.db.write(uploads.drop_contents, upload.space, upload.id, _PARTS_AT_ONCE):
        pass


def _begin(tx: Tx, whose: Whose, uid: bytes) -> Upload | None:
    """The upload, staged from now on or since before a crash; None when it is gone."""
    space = store.space(tx, whose.project, whose.owner)
    upload = None if space is None else uploads.by_uid(tx, space.id, uid)
    if space is None or upload is None or upload.state != "waiting":
        return upload
    if space.staged is not None:
        raise Unavailable("another upload to the space becomes visible first")
    uploads.begin(tx, space.id, upload.id, space.seq)
    return uploads.by_uid(tx, space.id, uid)


async def _stage_all(svc: Services, whose: Whose, upload: Upload) -> None:
    line = upload.staged_lines
    while parts := await svc.db.read(uploads.parts, upload.space, upload, line, 1):
        [part] = parts
        of = await svc.spare_cpu(lines.lines_of, part.content or b"")
        await svc.db.write(_stage, whose, upload.uid, part, of, limits_of(svc, whose))
        line = part.first_line + part.lines


def _stage(tx: Tx, whose: Whose, uid: bytes, part: Part, of: Sequence[Line], limits: Limits) -> None:
    """Raises QuotaExceeded."""
    space = store.space(tx, whose.project, whose.owner)
    upload = None if space is None else uploads.by_uid(tx, space.id, uid)
    if space is None or upload is None or (upload.state, upload.staged_lines) != ("staging", part.first_line):
        return
    at = max(tx.now_ms, space.changed_at, upload.touched_at)
    by_type: dict[str, list[int]] = {}
    for number, line in enumerate(of):
        by_type.setdefault(line.data_type, []).append(number)
    results: dict[int, Result] = {}
    for data_type, numbers in by_type.items():
        collection = collection_of(tx, space, data_type, limits)
        writing = Writing(tx, space, collection, upload.device, is_upload=True)
        policy, _ = conflicts.conflicts_of(tx, whose.project, data_type)
        names = _names(upload, part) if policy == "manual" else ""
        changes = [of[number].change(names and f"{names}{number}") for number in numbers]
        found = writing.judge(changes, cast("Conflicts", policy))
        results |= {number: _result(data_type, result) for number, result in zip(numbers, found, strict=True)}
        sums = writing.stage(at)
        uploads.add_sums(tx, space.id, upload.id, collection.id, sums)
        space = replace(space, staged=sums.seq or space.staged)
    ordered = [results[number] for number in range(len(of))]
    statuses = [result.status for result in ordered]
    counts = statuses.count("applied"), statuses.count("duplicate"), statuses.count("conflict")
    packed = lines.packed_results(ordered)
    uploads.part_staged(tx, space.id, upload.id, part, space.staged or space.seq, packed, counts, at)


def _names(upload: Upload, part: Part) -> str:
    """What begins the ids of changes whose conflicts are kept."""
    return f"{_prefix(upload)}{part.first_line}-"


def _prefix(upload: Upload) -> str:
    return f"upload {upload.uid.hex()} "


def _result(data_type: str, result: ChangeResult) -> Result:
    return Result(
        data_type,
        result.record_id,
        result.status,
        result.version,
        None if result.overwrote is UNSET else result.overwrote,
        None if result.conflict_id is UNSET else result.conflict_id,
        None if result.message is UNSET else result.message,
    )


def _show(tx: Tx, whose: Whose, uid: bytes, limits: Limits) -> None:
    """From this commit on all of it is there. Raises QuotaExceeded, Refused."""
    space = store.space(tx, whose.project, whose.owner)
    upload = None if space is None else uploads.by_uid(tx, space.id, uid)
    if space is None or space.staged is None or upload is None or upload.state != "staging":
        return
    at = max(tx.now_ms, space.changed_at, upload.touched_at)

    def is_meant(collection: Collection, deleted: int) -> bool:
        return is_confirmed(tx, collection, uid + upload.lines.to_bytes(8), upload.confirm, deleted)

    more = uploads.sums(tx, space.id, upload.id)
    after = add_sums(tx, space, more, at, limits, upload.device, is_meant)
    conflicts.show_hidden(tx, space.id)
    uploads.show(tx, space.id, upload.id, after.seq, at)


def add_sums(
    tx: Tx,
    space: Space,
    more: Mapping[int, Sums],
    at: int,
    limits: Limits,
    device: int | None,
    is_meant: Callable[[Collection, int], bool],
) -> Space:
    """What is staged counts from now on, by collections; the space as it is then. `is_meant` says whether somebody
    confirmed that many deletions. Raises QuotaExceeded, and what that does."""
    staged = space.seq if space.staged is None else space.staged
    after = replace(
        space,
        seq=staged,
        changed_at=at if staged > space.seq else space.changed_at,
        records=space.records + sum(sums.records for sums in more.values()),
        size_bytes=space.size_bytes + sum(sums.size_bytes for sums in more.values()),
    )
    require_room(tx, space, after, limits)
    for id, sums in more.items():
        collection = people_store.collection_of(tx, space.id, id)
        if collection is None:
            continue
        today, records = today_of(collection, tx.now_ms), collection.records + sums.records
        is_mass = is_meant(collection, sums.deleted)
        digest = int.from_bytes(collection.digest) ^ int.from_bytes(sums.digest)
        store.update_collection(
            tx,
            space.id,
            replace(
                collection,
                seq=max(collection.seq, sums.seq),
                records=records,
                tombstones=collection.tombstones + sums.tombstones,
                size_bytes=collection.size_bytes + sums.size_bytes,
                digest=digest.to_bytes(16),
                day=today.day,
                day_records=records if is_mass else today.records,
                day_deleted=0 if is_mass else today.deleted + sums.deleted,
            ),
        )
        if sums.changes:
            store.add_activity(tx, space.id, id, device, today.day, changes=sums.changes, deletions=sums.deleted)
    store.update_space(tx, space.id, after)
    return after


def _kept(error: DeltaError) -> bytes:
    quota = error.quota if isinstance(error, QuotaExceeded) else None
    members = {name: error.members.get(name) for name in _DELETIONS}
    return msgspec.json.encode(Refusal(error.code, error.message, quota=quota, **members))


async def _undo(svc: Services, whose: Whose, upload: Upload) -> None:
    while await svc.db.write(uploads.unstage, upload.space, _ROWS_AT_ONCE):
        pass
    prefix = _prefix(upload)
    while await svc.db.write(conflicts.delete_of_upload, upload.device, prefix, _ROWS_AT_ONCE):
        pass
    await svc.db.write(uploads.reopen, upload.space, upload.id)
    spaces.tell(svc, whose)


JOB = JobKind(name=_JOB, loop="show uploads", run=run, retry=Retry(delays_s=(1.0, 5.0, 20.0, 60.0), for_ever=True))
