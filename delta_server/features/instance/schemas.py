"""The instance on the wire."""

from typing import Literal

import msgspec

from delta_server.core import ids, times
from delta_server.features.instance.people import KnownUser
from delta_server.features.users.service import InstanceRole
from delta_server.http.health import Health


class DirectoryPart(msgspec.Struct, frozen=True):
    name: str
    bytes: int


class ColdStorage(msgspec.Struct, frozen=True):
    """As the background saw it within the last minute."""

    address: str
    objects: int
    bytes: int
    answers: bool


class ConfigValue(msgspec.Struct, frozen=True):
    """`value` is as it would stand in the configuration file."""

    name: str
    value: str
    is_default: bool
    is_secret: bool


class Instance(msgspec.Struct, frozen=True):
    version: str
    python: str
    platform: str
    started_at: str
    uptime_s: int
    data_directory: str
    data_bytes: int
    parts: list[DirectoryPart]
    cold: ColdStorage | None
    open_streams: int
    health: Health
    config: list[ConfigValue]


class InstanceUser(msgspec.Struct, frozen=True):
    """`last_seen_at` is when they last used a session that is kept, null without one."""

    id: str
    email: str
    name: str
    role: InstanceRole
    state: Literal["active", "disabled"]
    second_factor: bool
    created_at: str
    last_seen_at: str | None


class InstanceUserAnswer(msgspec.Struct, frozen=True):
    user: InstanceUser


class InstanceUserChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is absent stays."""

    role: InstanceRole | None = None
    disabled: bool | None = None


def user(known: KnownUser) -> InstanceUser:
    row = known.user
    return InstanceUser(
        id=ids.text(row.uid),
        email=row.email,
        name=row.name,
        role=msgspec.convert(row.role, InstanceRole),
        state="active" if row.disabled_at is None else "disabled",
        second_factor=known.has_second_factor,
        created_at=times.format(row.created_at),
        last_seen_at=None if known.last_seen_at is None else times.format(known.last_seen_at),
    )


EXAMPLE_USER = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "email": "ada@example.com",
    "name": "Ada",
    "role": "admin",
    "state": "active",
    "second_factor": True,
    "created_at": "2026-05-01T12:00:00.000Z",
    "last_seen_at": "2026-05-02T08:00:00.000Z",
}

FIELDS = {
    "InstanceUser.id": "Id of the user",
    "InstanceUser.email": "The address they sign in with",
    "InstanceUser.name": "Their name",
    "InstanceUser.role": "What they may do in the instance",
    "InstanceUser.state": "Whether they may sign in",
    "InstanceUser.second_factor": "Whether a login asks them for a code, too",
    "InstanceUser.last_seen_at": "When they last used a session that is kept; null without one",
    "InstanceUserAnswer.user": "The user",
    "DirectoryPart.name": "`database`, `log` (what is not in it yet), `reserve` (for a full disk), `backups`, `other`",
    "DirectoryPart.bytes": "What it occupies",
    "ColdStorage.address": "The store that `storage.cold` names; empty while only what was moved before is left in one",
    "ColdStorage.objects": "Packs and segments in it",
    "ColdStorage.bytes": "What they occupy there",
    "ColdStorage.answers": "Whether all stores that were asked last answered",
    "ConfigValue.name": "The option; a row of a plan is `plans.NAME.ROW`",
    "ConfigValue.value": 'Its value as it is in force, as TOML; `"***"` for a secret that is set',
    "ConfigValue.is_default": "Whether that is what holds when nobody says anything",
    "ConfigValue.is_secret": "Whether its value is never shown",
    "Instance.version": "The server's",
    "Instance.python": "The version of Python it runs on",
    "Instance.platform": "The operating system and processor",
    "Instance.started_at": "When it was started",
    "Instance.uptime_s": "Seconds since then",
    "Instance.data_directory": "Where its data is",
    "Instance.data_bytes": "What all of that occupies",
    "Instance.parts": "The same by part",
    "Instance.cold": "What is in cold storage; null without any",
    "Instance.open_streams": "Streams that are open now, of all projects",
    "Instance.health": "As `/healthz/details` has it: database, queues, disk, background loops",
    "Instance.config": "Every option, secrets masked",
}
