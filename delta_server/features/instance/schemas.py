"""The instance on the wire."""

import msgspec

from delta_server.http.health import Health


class DirectoryPart(msgspec.Struct, frozen=True):
    name: str
    bytes: int


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
    open_streams: int
    health: Health
    config: list[ConfigValue]


FIELDS = {
    "DirectoryPart.name": "`database`, `log` (what is not in it yet), `reserve` (for a full disk), `backups`, `other`",
    "DirectoryPart.bytes": "What it occupies",
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
    "Instance.open_streams": "Streams that are open now, of all projects",
    "Instance.health": "As `/healthz/details` has it: database, queues, disk, background loops",
    "Instance.config": "Every option, secrets masked",
}
