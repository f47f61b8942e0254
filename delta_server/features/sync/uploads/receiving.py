"""Records that a device sends in parts: kept as they come, and shown all at once when all are there (staging.py)."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from delta_server.core.errors import Conflict, NotFound, Quota, QuotaExceeded, Refused
from delta_server.features.devices import service as devices
from delta_server.features.sync import checking, store
from delta_server.features.sync.committing import limits_of
from delta_server.features.sync.spaces import NEWS, Whose
from delta_server.features.sync.uploads import lines, staging
from delta_server.features.sync.uploads import store as uploads
from delta_server.features.sync.uploads.lines import Line, PackedLines, Result
from delta_server.features.sync.uploads.store import Upload
from delta_server.features.sync.writing import Limits
from delta_server.services import Services
from delta_server.storage.database import Tx

MOST_OPEN = 10
"""Uploads of a space that are not visible yet."""
WAIT_S = 20.0
"""For a complete one to become visible, before its device is to ask again."""
_PARTS_OF_PAGE = 40
_PARTS_AT_ONCE = 8


class Ref(msgspec.Struct, frozen=True):
    device_id: str
    upload_id: str


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """Lines with their sizes, from number `offset` on. `is_complete`: they are the last ones."""

    offset: int
    lines: Sequence[tuple[Line, int]]
    is_complete: bool = False
    confirm: str | None = None


async def receive(svc: Services, whose: Whose, ref: Ref, sent: Sent) -> Upload:
    """Raises Invalid, Refused with how many lines there are, QuotaExceeded; what came before stays."""
    await _require_fit(svc, whose, sent)
    size = sum(size for _, size in sent.lines)
    parts = await svc.cpu_beside(size)(lambda: list(lines.parts(sent.lines)))
    upload = await svc.db.write(_open, whose, ref, sent, limits_of(svc, whose))
    if upload.state == "open":
        for part in parts:
            upload = await svc.db.write(_add, whose, upload, part, limits_of(svc, whose))
        if sent.is_complete:
            await svc.db.write(staging.ask, whose, upload, sent.confirm)
            svc.topics.wake("jobs")
    return await _ended(svc, whose, upload) if sent.is_complete else upload


async def _require_fit(svc: Services, whose: Whose, sent: Sent) -> None:
    """Raises Invalid."""
    by_type: dict[str, list[tuple[int, Line]]] = {}
    for number, (line, _) in enumerate(sent.lines, sent.offset):
        by_type.setdefault(line.data_type, []).append((number, line))
    wrong: list[tuple[int, str]] = []
    for data_type, of in by_type.items():
        found = await checking.checked(svc, whose.project, data_type, [line.change("") for _, line in of])
        numbers = (number for number, _ in of)
        wrong += [(number, each.refusal[1]) for number, each in zip(numbers, found, strict=True) if each.refusal]
    if wrong:
        raise lines.refused(sorted(wrong)[: lines.MOST_WRONG])


def _open(tx: Tx, whose: Whose, ref: Ref, sent: Sent, limits: Limits) -> Upload:
    """The upload, when the lines are the next ones of it or, of one that is complete, its last."""
    space = store.space(tx, whose.project, whose.owner) or store.insert_space(tx, whose.project, whose.owner)
    device = devices.register(tx, space.id, ref.device_id, whose.session, limits.devices)
    upload = uploads.upload(tx, space.id, device, ref.upload_id)
    if upload is None and sent.offset:
        raise NotFound("there is no such upload, or it was dropped: begin it again with offset 0")
    if upload is None:
        _require_few(tx, space.id)
        uploads.insert_upload(tx, space.id, device, ref.upload_id)
        return _known(tx, space.id, device, ref)
    is_whole = upload.state != "open" and sent.is_complete and sent.offset + len(sent.lines) == upload.lines
    if not is_whole:
        _require_next(upload, sent.offset)
    return upload


def _require_few(tx: Tx, space: int) -> None:
    count, _ = uploads.open_uploads(tx, space)
    if count >= MOST_OPEN:
        raise QuotaExceeded(
            f"{MOST_OPEN} uploads of this space are not complete: complete one, or drop it",
            Quota("sync.uploads", count, MOST_OPEN, None),
        )


def _require_next(upload: Upload, offset: int) -> None:
    """Raises Refused."""
    if upload.state != "open":
        raise Refused("the upload is complete: begin another one", members={"lines": upload.lines})
    if offset != upload.lines:
        raise Refused(
            f"{upload.lines} lines of this upload are here: go on with the line of that number, counted from 0",
            members={"lines": upload.lines},
        )


def _known(tx: Tx, space: int, device: int, ref: Ref) -> Upload:
    """Raises NotFound."""
    found = uploads.upload(tx, space, device, ref.upload_id)
    if found is None:
        raise NotFound("this device has no such upload, or it was dropped: begin it with offset 0")
    return found


def _add(tx: Tx, whose: Whose, upload: Upload, part: PackedLines, limits: Limits) -> Upload:
    """Its bytes count as the space's own until it is visible."""
    space, now = store.space(tx, whose.project, whose.owner), uploads.by_uid(tx, upload.space, upload.uid)
    if space is None or now is None:
        raise NotFound("the upload was dropped: begin it again")
    _require_next(now, upload.lines)
    _, waiting = uploads.open_uploads(tx, space.id)
    for name, use, more, limit in (
        ("space_bytes", space.size_bytes + waiting, part.size_bytes, limits.bytes),
        ("records", now.lines, part.lines, limits.records),
    ):
        if use + more > limit:
            raise QuotaExceeded(
                f"with its uploads the space would have more than sync.{name} = {limit}: drop uploads that are not"
                " needed, or delete records",
                Quota(f"sync.{name}", use, limit, None),
            )
    uploads.add_part(tx, space.id, now, part.lines, part.size_bytes, part.content)
    return msgspec.structs.replace(
        now, lines=now.lines + part.lines, size_bytes=now.size_bytes + part.size_bytes, refusal=None
    )


async def _ended(svc: Services, whose: Whose, upload: Upload) -> Upload:
    """As it is once it is visible or refused, or as it is after WAIT_S. Raises what refused it."""
    signal = svc.topics.signal(NEWS, (whose.project, whose.owner))
    with suppress(TimeoutError):
        async with asyncio.timeout(WAIT_S):
            while True:
                seen = signal.count
                upload = svc.db.peek(uploads.by_uid, upload.space, upload.uid) or upload
                if upload.state in ("open", "done"):
                    break
                await signal.wait(WAIT_S, since=seen)
    if upload.state == "open" and upload.refusal is not None:
        raise staging.refusal_of(upload.refusal)
    return upload


def find(svc: Services, whose: Whose, ref: Ref) -> Upload:
    """Raises NotFound."""
    return svc.db.peek(_find, whose, ref)


def _find(tx: Tx, whose: Whose, ref: Ref) -> Upload:
    space = store.space(tx, whose.project, whose.owner)
    device = None if space is None else devices.device(tx, space.id, ref.device_id)
    return _known(tx, space.id if space else 0, device.id if device else 0, ref)


async def results(
    svc: Services, upload: Upload, line: int, limit: int, *, conflicts_only: bool = False
) -> tuple[list[tuple[int, Result]], int | None]:
    """What became of the lines from that number on, with their numbers, and where the next ones begin."""
    return await svc.db.read(_results, upload, line, limit, conflicts_only=conflicts_only)


def _results(
    tx: Tx, upload: Upload, line: int, limit: int, *, conflicts_only: bool
) -> tuple[list[tuple[int, Result]], int | None]:
    found: list[tuple[int, Result]] = []
    most = limit if conflicts_only else _PARTS_OF_PAGE
    parts = uploads.parts(tx, upload.space, upload, line, most, with_conflicts=conflicts_only)
    for part in parts if upload.state == "done" else ():
        for number, result in enumerate(lines.results_of(part.results or b""), part.first_line):
            if number < line or (conflicts_only and result.status != "conflict"):
                continue
            if len(found) == limit:
                return found, number
            found.append((number, result))
    more = parts[-1].first_line + parts[-1].lines if len(parts) == most else None
    return found, more


async def drop(svc: Services, whose: Whose, ref: Ref) -> None:
    """What was not shown is gone. Raises NotFound, Conflict."""
    while await svc.db.write(_drop, whose, ref):
        pass


def _drop(tx: Tx, whose: Whose, ref: Ref) -> bool:
    upload = _find(tx, whose, ref)
    if upload.state not in ("open", "done"):
        raise Conflict("the upload is being made visible: wait until that has ended")
    return uploads.delete_some(tx, upload.space, [upload.id], _PARTS_AT_ONCE)
