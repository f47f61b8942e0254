"""Datasets on the wire."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import times
from delta_server.core.datasets.manifest import Delivery, Format, Manifest
from delta_server.core.diff.diff_settings import MAX_PATTERNS
from delta_server.core.json_schema import documented
from delta_server.core.rowdelta.summary import Summary
from delta_server.features.datasets import store
from delta_server.tasks.row_comparisons import Progress

MEDIA_TYPES: dict[Format, str] = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8; header=present",
    "parquet": "application/vnd.apache.parquet",
}
FORMATS: dict[str, Format] = {
    "": "ndjson",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "text/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
}
"""By the media type of a delivery."""

Fields = Annotated[tuple[str, ...], documented(maxItems=3)]
Patterns = Annotated[tuple[str, ...], documented(maxItems=MAX_PATTERNS)]


class SettingsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is absent stays as it is."""

    key_fields: Fields | UnsetType = UNSET
    ignore: Patterns | UnsetType = UNSET
    tolerance: float | UnsetType = UNSET
    trusted_hash: str | UnsetType = UNSET
    guard_percent: float | UnsetType = UNSET
    guard_rows: int | UnsetType = UNSET


class Dataset(msgspec.Struct, frozen=True):
    name: str
    clients: int
    key_fields: tuple[str, ...]
    ignore: tuple[str, ...]
    tolerance: float
    trusted_hash: str
    guard_percent: float
    guard_rows: int
    created_at: str


class DatasetAnswer(msgspec.Struct, frozen=True):
    dataset: Dataset


class DatasetWithClients(msgspec.Struct, frozen=True):
    """A page of its clients."""

    dataset: Dataset
    data: list["DatasetClient"]
    has_more: bool
    next_cursor: str | None


class DeliveryShown(msgspec.Struct, frozen=True):
    id: str
    format: Format
    rows: int | None
    bytes: int
    stored_bytes: int
    sha256: str
    received_at: str


class DatasetClient(msgspec.Struct, frozen=True):
    client: str
    current: DeliveryShown | None
    previous: DeliveryShown | None


class DeltaSummary(Summary, frozen=True, kw_only=True):
    confirm: str | None


class ComparisonJob(msgspec.Struct, frozen=True):
    id: str
    phase: str
    rows_before: int
    rows_after: int
    started_at: str


class ComparisonJobs(msgspec.Struct, frozen=True):
    data: list[ComparisonJob]


FIELDS = {
    "DeltaSummary.confirm": "What `promote` asks for where most rows are missing; else `null`",
    "DeltaSummary.rows_before": "Rows of the previous delivery",
    "DeltaSummary.rows_after": "Rows of the current delivery",
    "DeltaSummary.added": "Rows that are new",
    "DeltaSummary.changed": "Rows that have the same key and are not equal",
    "DeltaSummary.removed": "Rows that are missing now",
    "DeltaSummary.unchanged": "Rows that are equal",
    "duplicates_before": "Rows whose key a row before them has",
    "duplicates_after": "The same, of the current delivery",
    "removed_share": "Of the rows before, from 0 to 1",
    "DeltaSummary.key_fields": "What identifies a row; none where rows are compared as a whole",
    "key_found": "Whether the key was found and not given",
    "digest_before": "xxh3-128 of the previous delivery's text, unpacked, in hex; of Parquet, of its rows as NDJSON",
    "digest_after": "The same, of the current delivery",
    "ComparisonJob.id": "Of this comparison, while it runs",
    "ComparisonJob.phase": "before, after, join, check, write: what is being done",
    "ComparisonJob.rows_before": "Rows of the previous delivery that were read so far",
    "ComparisonJob.rows_after": "Rows of the current delivery that were read so far",
    "ComparisonJob.started_at": "When it was asked for",
    "DatasetWithClients.dataset": "How its deliveries are compared",
    "DatasetAnswer.dataset": "As it is now",
    "Dataset.clients": "How many clients have delivered to it",
    "key_fields": "Up to three fields that identify a row, nested ones as `properties/code`; found when there are none",
    "ignore": "Places in a row that do not count, such as `/exported_at`",
    "trusted_hash": "A field whose value differs whenever its row does, which spares reading rows that are unchanged",
    "tolerance": "Numbers that differ by no more are the same",
    "guard_percent": "A delivery that lacks more of the rows before it is promoted when confirmed only; 100 is off",
    "guard_rows": "As long as no more rows than these are missing, no confirmation is asked for",
    "DeliveryShown.id": "Of this delivery, for ever",
    "DeliveryShown.format": "What it was sent as, and is read as",
    "DeliveryShown.rows": "Lines that are not blank; `null` where it is no NDJSON",
    "DeliveryShown.bytes": "What a reader gets",
    "DeliveryShown.stored_bytes": "What the blob store keeps of it",
    "DeliveryShown.sha256": "Of the bytes that a reader gets",
    "DeliveryShown.received_at": "When all of it was there",
    "DatasetClient.client": "Who delivers: any name",
    "DatasetClient.current": "The newest delivery, until it is promoted",
    "DatasetClient.previous": "What the current one is compared with",
}

_DELIVERY: dict[str, Any] = {
    "id": "01a22783146e75a1b4f7dad7262e2c2e",
    "format": "ndjson",
    "rows": 200000,
    "bytes": 41200000,
    "stored_bytes": 7100000,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "received_at": "2026-05-01T12:00:00.000Z",
}
EXAMPLE_CLIENT = {"client": "shop-17", "current": _DELIVERY, "previous": None}
EXAMPLE_DATASET = {
    "name": "products",
    "clients": 12,
    "key_fields": ["sku"],
    "ignore": ["/exported_at"],
    "tolerance": 0.0,
    "trusted_hash": "",
    "guard_percent": 50.0,
    "guard_rows": 50,
    "created_at": "2026-05-01T12:00:00.000Z",
}
EXAMPLE_PAGE = {"dataset": EXAMPLE_DATASET, "data": [EXAMPLE_CLIENT], "has_more": False, "next_cursor": None}
EXAMPLE_SUMMARY: dict[str, Any] = {
    "rows_before": 200000,
    "rows_after": 200100,
    "added": 150,
    "changed": 900,
    "removed": 50,
    "unchanged": 199050,
    "duplicates_before": 0,
    "duplicates_after": 0,
    "removed_share": 0.00025,
    "key_fields": ["sku"],
    "key_found": False,
    "digest_before": "0cc175b9c0f1b6a831c399e269772661",
    "digest_after": "92eb5ffee6ae2fec3ad71c777531578f",
    "confirm": None,
}
EXAMPLE_JOB = {
    "id": "9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d",
    "phase": "after",
    "rows_before": 200000,
    "rows_after": 81920,
    "started_at": "2026-05-01T12:00:00.000Z",
}
EXAMPLE_DELTA = (
    '{"op":"change","key":{"sku":"A-1"},"before":{"sku":"A-1","price":9},"after":{"sku":"A-1","price":9.5}}\n'
)
EXAMPLE_ROWS = '{"sku":"A-1","price":9.5}\n{"sku":"A-2","price":3}\n'


def job(found: Progress) -> ComparisonJob:
    return ComparisonJob(found.id, found.phase, found.rows_before, found.rows_after, times.format(found.started_at))


def dataset(found: store.Dataset) -> Dataset:
    settings = found.settings
    return Dataset(
        found.name,
        found.clients,
        settings.key_fields,
        settings.ignore,
        settings.tolerance,
        settings.trusted_hash,
        settings.guard_percent,
        settings.guard_rows,
        times.format(found.created_at),
    )


def client(name: str, manifest: Manifest) -> DatasetClient:
    return DatasetClient(name, _delivery(manifest.current), _delivery(manifest.previous))


def _delivery(found: Delivery | None) -> DeliveryShown | None:
    if found is None:
        return None
    return DeliveryShown(
        found.id,
        found.format,
        found.rows,
        found.size_bytes,
        found.stored_bytes,
        found.sha256,
        times.format(found.received_at),
    )
