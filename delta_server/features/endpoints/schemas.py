"""Endpoints on the wire, and their settings."""

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from delta_server.core import ids, times
from delta_server.core.diff.diff_settings import DiffSettings, KeyFields, LabelField, Order, Tolerance
from delta_server.core.names import Description, Name
from delta_server.core.polling.settings import PollingChange
from delta_server.features.endpoints import store
from delta_server.features.polling import service as polling
from delta_server.features.polling.service import PollingShown

KeepDays: TypeAlias = Annotated[int, Meta(ge=1, le=36_500)]
KeepLast: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A snapshot stays when either rule keeps it. Without any rule all stay."""

    keep_days: KeepDays | None = None
    keep_last: KeepLast | None = None


class NewEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`project_id` is a project's id or name: with a project's key its own, which may be left out; with an account's
    key it says for which project the endpoint is. With `polling` it is polled from now on."""

    name: Name
    project_id: str | None = None
    description: Description = ""
    diff: DiffSettings | None = None
    retention: Retention | None = None
    polling: PollingChange | None = None


class DiffChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    array_keys: dict[str, KeyFields] | UnsetType | None = UNSET
    ignore: list[str] | UnsetType | None = UNSET
    tolerance: dict[str, Tolerance] | Tolerance | UnsetType | None = UNSET
    order: dict[str, Order] | UnsetType | None = UNSET
    labels: dict[str, LabelField] | UnsetType | None = UNSET


class RetentionChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keep_days: KeepDays | UnsetType | None = UNSET
    keep_last: KeepLast | UnsetType | None = UNSET


class EndpointChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is absent stays; null is the default again. In `diff`, `retention` and `polling` the same holds for each
    setting. A secret of `polling` may stand there as `***`, which keeps it."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    diff: DiffChange | UnsetType | None = UNSET
    retention: RetentionChange | UnsetType | None = UNSET
    polling: PollingChange | UnsetType | None = UNSET


class DiffShown(msgspec.Struct, frozen=True):
    """As DiffSettings, with the defaults written out."""

    array_keys: dict[str, list[str]]
    ignore: list[str]
    tolerance: dict[str, float] | float
    order: dict[str, Order]
    labels: dict[str, str]


class RetentionShown(msgspec.Struct, frozen=True):
    keep_days: int | None
    keep_last: int | None


class Endpoint(msgspec.Struct, frozen=True):
    """`last_captured_at` is when its latest snapshot was captured, `polling` how it is polled. `diff_version` grows
    with each change of how documents are compared: all of `diff` but `labels`."""

    id: str
    name: str
    description: str
    diff: DiffShown
    diff_version: int
    retention: RetentionShown
    last_captured_at: str | None
    created_at: str
    updated_at: str
    polling: PollingShown | UnsetType = UNSET
    deleted_at: str | UnsetType = UNSET
    purge_at: str | UnsetType = UNSET


class EndpointAnswer(msgspec.Struct, frozen=True):
    endpoint: Endpoint


def endpoint(shown: store.EndpointWithHead, diff: DiffSettings, retention: Retention) -> Endpoint:
    row = shown.endpoint
    return Endpoint(
        id=ids.text(row.uid),
        name=row.name,
        description=row.description,
        diff=DiffShown(*msgspec.structs.astuple(diff)),
        diff_version=row.diff_version,
        retention=RetentionShown(*msgspec.structs.astuple(retention)),
        last_captured_at=None if shown.last_captured_at is None else times.format(shown.last_captured_at),
        created_at=times.format(row.created_at),
        updated_at=times.format(row.updated_at),
        polling=UNSET if shown.polling is None else shown.polling,
        deleted_at=UNSET if row.binned is None else times.format(row.binned.deleted_at),
        purge_at=UNSET if row.binned is None else times.format(row.binned.purge_at),
    )


EXAMPLE_NEW: dict[str, Any] = {
    "name": "GET /prices",
    "description": "the supplier's price list",
    "diff": {"array_keys": {"/items": ["sku"]}, "ignore": ["/generated_at"], "labels": {"/items": "name"}},
    "retention": {"keep_days": 365, "keep_last": 100},
    "polling": polling.EXAMPLE_SETTINGS,
}
EXAMPLE: dict[str, Any] = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    **EXAMPLE_NEW,
    "diff": {
        "array_keys": {"/items": ["sku"]},
        "ignore": ["/generated_at"],
        "tolerance": 0,
        "order": {},
        "labels": {"/items": "name"},
    },
    "diff_version": 1,
    "last_captured_at": "2026-05-02T08:00:00.000Z",
    "created_at": "2026-05-01T12:00:00.000Z",
    "updated_at": "2026-05-01T12:00:00.000Z",
    "polling": polling.EXAMPLE,
}

FIELDS = {
    "Endpoint.id": "Id of the endpoint",
    "EndpointAnswer.endpoint": "The endpoint",
    "Endpoint.diff": "How its documents are compared",
    "diff_version": "Grows with each change of `diff` but of its `labels`, which change no comparison",
    "Endpoint.retention": "Which snapshots are kept",
    "Endpoint.last_captured_at": "When its latest snapshot was captured",
    "Endpoint.polling": "How it is polled; only of what is",
    "Endpoint.deleted_at": "When it was deleted; only of what lies in the bin",
    "Endpoint.purge_at": "Until when it can be restored; only of what lies in the bin",
    "DiffShown.array_keys": "Fields that identify an element, by path of the array",
    "DiffShown.ignore": "Patterns of what is left out of comparison",
    "DiffShown.tolerance": "By how much numbers may differ and be equal: for all, or by path",
    "DiffShown.order": "`strict` or `set`, by path of the array",
    "DiffShown.labels": "The field that people know a record by, by path of the array or map",
    "RetentionShown.keep_days": "Snapshots younger than so many days are kept; null sets no rule",
    "RetentionShown.keep_last": "So many of the latest snapshots are kept; null sets no rule",
}
