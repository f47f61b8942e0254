"""Endpoints on the wire, and their settings."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from delta_server.core import ids, times
from delta_server.core.diff import DiffSettings
from delta_server.features.endpoints import store


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A snapshot stays when either rule keeps it. Without any rule all stay."""

    keep_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    keep_last: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None


class NewEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    description: str = ""
    diff: DiffSettings = DiffSettings()
    retention: Retention = Retention()


class EndpointChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is absent stays; null is the default again. In `diff` and `retention` the same holds for each setting."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    diff: dict[str, Any] | UnsetType | None = UNSET
    retention: dict[str, Any] | UnsetType | None = UNSET


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a change's `diff` and `retention` must become, merged with what was there."""

    diff: DiffSettings
    retention: Retention


class Endpoint(msgspec.Struct, frozen=True):
    """`last_captured_at` is when its latest snapshot was captured. `diff_version` grows with each change of `diff`."""

    id: str
    name: str
    description: str
    diff: dict[str, Any]
    diff_version: int
    retention: dict[str, Any]
    last_captured_at: str | None
    created_at: str
    updated_at: str


class EndpointAnswer(msgspec.Struct, frozen=True):
    endpoint: Endpoint


def endpoint(row: store.Endpoint, settings: Settings) -> Endpoint:
    return Endpoint(
        id=ids.text(row.uid),
        name=row.name,
        description=row.description,
        diff=full(settings.diff),
        diff_version=row.diff_version,
        retention=full(settings.retention),
        last_captured_at=None if row.last_captured_at is None else times.format(row.last_captured_at),
        created_at=times.format(row.created_at),
        updated_at=times.format(row.updated_at),
    )


def full(settings: msgspec.Struct) -> dict[str, Any]:
    """All settings with their values, the defaults too: what is stored leaves those out."""
    return {name: msgspec.to_builtins(getattr(settings, name)) for name in settings.__struct_fields__}
