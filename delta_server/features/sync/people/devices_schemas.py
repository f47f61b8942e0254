"""Devices on the wire."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

State: TypeAlias = Literal["ok", "behind", "resync", "unknown"]


class DeviceChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people call it; null for what it calls itself."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | None


class Lag(msgspec.Struct, frozen=True):
    changes: int
    seconds: int


class DevicePosition(msgspec.Struct, frozen=True):
    data_type: str
    version: int
    pulled_at: str


class DeviceUpload(msgspec.Struct, frozen=True):
    upload_id: str
    state: Literal["open", "committing", "refused"]
    lines: int
    bytes: int
    staged_lines: int
    message: str | None
    touched_at: str


class SyncDevice(msgspec.Struct, frozen=True):
    id: str
    device_id: str
    name: str | None
    state: State
    lag: Lag | None
    positions: Sequence[DevicePosition]
    created_at: str
    last_seen: str
    uploads: Sequence[DeviceUpload]


class DeviceAnswer(msgspec.Struct, frozen=True):
    device: SyncDevice


EXAMPLE = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8070",
    "device_id": "phone-1",
    "name": "Ann's phone",
    "state": "behind",
    "lag": {"changes": 212, "seconds": 345_600},
    "positions": [{"data_type": "notes", "version": 17, "pulled_at": "2026-05-01T12:00:00.000Z"}],
    "created_at": "2026-03-01T12:00:00.000Z",
    "last_seen": "2026-05-01T12:00:00.000Z",
    "uploads": [
        {
            "upload_id": "first-sync",
            "state": "open",
            "lines": 2000,
            "bytes": 640_000,
            "staged_lines": 0,
            "message": None,
            "touched_at": "2026-05-01T12:00:00.000Z",
        }
    ],
}

FIELDS = {
    "SyncDevice.id": "The device's id here",
    "SyncDevice.device_id": "What it calls itself",
    "SyncDevice.name": "What people call it",
    "SyncDevice.state": "`ok`: it has everything; `behind`; `resync`: it is to begin anew, for deletions were forgotten"
    " that it never heard of; `unknown`: no pull of it had a `device_id`",
    "SyncDevice.lag": "What others changed that it has not pulled; null where nothing is known",
    "SyncDevice.positions": "How far it is in each data type, by the cursors that it brought",
    "SyncDevice.created_at": "When it pushed for the first time",
    "SyncDevice.last_seen": "When it last pushed or pulled",
    "SyncDevice.uploads": "What it uploads that is not visible yet, or was refused",
    "DeviceUpload.upload_id": "As the device named it",
    "DeviceUpload.state": "`open`: more may come; `committing`: it becomes visible; `refused`: nothing of it is",
    "DeviceUpload.lines": "How many are here",
    "DeviceUpload.bytes": "Their bytes",
    "DeviceUpload.staged_lines": "How many of them are ready to become visible",
    "DeviceUpload.message": "Why it was refused; null where it was not",
    "DeviceUpload.touched_at": "When something last came or was said of it",
    "Lag.changes": "How many records, 1,000 at most",
    "Lag.seconds": "How long ago the first of them changed",
    "DevicePosition.data_type": "The data type",
    "DevicePosition.version": "It has everything up to this number",
    "DevicePosition.pulled_at": "When it said so",
    "DeviceAnswer.device": "The device as it is now",
}
"""What the API's description says of the fields of answers."""
