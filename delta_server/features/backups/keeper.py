"""What is known of the backups that the server itself keeps, and where they are."""

import asyncio
from collections import deque
from pathlib import Path
from typing import Literal

import msgspec

from delta_server.core import backup_plan
from delta_server.core.actor import SERVER, Actor
from delta_server.core.backup_plan import Kept, Schedule
from delta_server.core.errors import DeltaError, NotFound
from delta_server.services import Services
from delta_server.storage.blobs.blobs import Blobs, BlobStoreFailed
from delta_server.storage.blobs.local import LocalBlobs
from delta_server.storage.blobs.opening import open_blobs
from delta_server.storage.staged_restore import Note

FOLDER = "backups"
_ABANDONED_S = 60.0
"""Of a draft that nothing was written to: one server writes one backup at a time, without a pause."""


class KeptBackup(msgspec.Struct, frozen=True):
    name: str
    time_ms: int
    size_bytes: int


class Verified(msgspec.Struct, frozen=True):
    """`fault` is None for a sound one."""

    time_ms: int
    fault: str | None


class Work(msgspec.Struct, frozen=True):
    """`name` of what is verified or restored, which `actor` asked for at `asked_ms`."""

    kind: Literal["take", "verify", "restore"]
    name: str = ""
    actor: Actor = SERVER
    asked_ms: int = 0


class Failed(msgspec.Struct, frozen=True):
    """`since_ms` is when the first of them in a row failed."""

    since_ms: int
    last_ms: int
    reason: str


class Place(msgspec.Struct, frozen=True):
    """`shown` names it to people."""

    blobs: Blobs
    prefix: str
    shown: str

    def key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


class Keeper:
    """Used on the event loop only. What was verified is known until the server ends."""

    def __init__(self) -> None:
        self.wanted: deque[Work] = deque(maxlen=100)
        self.is_wanted = asyncio.Event()
        self.doing: Work | None = None
        self.failed: Failed | None = None
        self.verified: dict[str, Verified] = {}
        self.newest_ms: int | None = None
        """Of the backups that were there when it was last looked."""
        self.restored: Note | None = None
        """The last restore of this directory."""

    def want(self, work: Work) -> None:
        """Once, however often it is asked for."""
        if work != self.doing and work not in self.wanted:
            self.wanted.append(work)
        self.is_wanted.set()


class _Opened:
    def __init__(self, place: Place) -> None:
        self.place = place


def place(svc: Services) -> Place:
    return svc.state(_Opened, lambda: _Opened(_place(svc))).place


def _place(svc: Services) -> Place:
    directory, blobs, data_dir = svc.config.backups.directory, svc.config.storage.blobs, svc.config.storage.data_dir
    if directory and "://" not in directory:
        return Place(LocalBlobs(Path(directory), abandoned_s=_ABANDONED_S), "", directory)
    if directory:
        return Place(open_blobs(directory, data_dir), "", directory)
    if "://" in blobs and not blobs.startswith("file://"):
        return Place(open_blobs(blobs, data_dir), FOLDER, f"{blobs.rstrip('/')}/{FOLDER}")
    beside = data_dir / FOLDER
    return Place(LocalBlobs(beside, abandoned_s=_ABANDONED_S), "", str(beside))


def schedule(svc: Services) -> Schedule | None:
    return backup_plan.parse(svc.config.backups.schedule)


def kept(svc: Services) -> Kept:
    options = svc.config.backups
    return Kept(options.keep_daily, options.keep_weekly, options.keep_monthly)


def reported(svc: Services, error: DeltaError) -> str:
    """`error` with where backups are kept and the option that says so, where a store has its own."""
    option = "backups.directory" if svc.config.backups.directory else "storage.blobs"
    return error.message.replace("the blob store", place(svc).shown).replace("see storage.blobs", f"see {option}")


async def stored(svc: Services) -> list[KeptBackup]:
    """The newest first. Raises BlobStoreFailed."""
    found, where = [], place(svc)
    try:
        async for blob in where.blobs.list(where.prefix):
            name = blob.key.removeprefix(f"{where.prefix}/") if where.prefix else blob.key
            if (time_ms := backup_plan.time_of(name)) is not None:
                found.append(KeptBackup(name, time_ms, blob.size))
    except BlobStoreFailed as error:
        raise BlobStoreFailed(reported(svc, error)) from None
    svc.state(Keeper).newest_ms = max((one.time_ms for one in found), default=None)
    return sorted(found, key=lambda one: one.time_ms, reverse=True)


async def named(svc: Services, name: str) -> KeptBackup:
    """Raises NotFound."""
    for one in await stored(svc) if backup_plan.time_of(name) is not None else ():
        if one.name == name:
            return one
    raise NotFound("there is no such backup")
