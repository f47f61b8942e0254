"""Snapshots on the wire."""

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from delta_server.core import ids, times
from delta_server.core.errors import Invalid
from delta_server.core.json import json_text, surrogates
from delta_server.core.json.slices import Kind
from delta_server.core.schemas.fitting import Misfit
from delta_server.features.deltas.service import Delta
from delta_server.features.snapshots import places, store
from delta_server.http import aliases
from delta_server.http.validation import invalid

T = TypeVar("T")

MAX_BATCH = 1000


NULL = msgspec.Raw(b"null")


class SnapshotEnvelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`endpoint_id` is an id or a name; `data` is kept as it stands in the request."""

    endpoint_id: str
    data: msgspec.Raw
    captured_at: str | float | None = None
    source: str | None = None
    metadata: msgspec.Raw = NULL
    """A union with None would let msgspec take null alone."""


class SnapshotEnvelopes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    snapshots: Annotated[list[SnapshotEnvelope], Meta(min_length=1, max_length=MAX_BATCH)]


class ReceivedSnapshot(msgspec.Struct, frozen=True):
    """A snapshot as a request brought it: `body` is the document, `metadata` JSON. `checked`: both stood in a text that
    is known to be JSON."""

    endpoint: str
    body: bytes
    captured_at: str | None = None
    source: str | None = None
    metadata: str | None = None
    checked: bool = False


class Snapshot(msgspec.Struct, frozen=True):
    """`unchanged`: the document equals the one before it. `content_hash` is the xxh3-128 of its bytes, in hex."""

    id: str
    endpoint_id: str
    endpoint: str
    captured_at: str
    received_at: str
    size_bytes: int
    content_hash: str
    unchanged: bool
    source: str | None
    metadata: msgspec.Raw


class StoredAnswer(Snapshot, frozen=True, omit_defaults=True):
    """What is kept of an answer for a repeated request."""

    endpoint_created: bool = False
    misfits: tuple[Misfit, ...] = ()


class Stored(msgspec.Struct, frozen=True):
    """`delta` is what changed since the snapshot before, when requested by `include=delta` and when there is one.
    `endpoint_created` is true when the request made the endpoint (a mistyped name does), else absent; `misfits` is
    there when the document does not fit the endpoint's schema, which only warns."""

    snapshot: Snapshot
    delta: Delta | None = None
    endpoint_created: bool | UnsetType = UNSET
    misfits: list[Misfit] | UnsetType = UNSET


class AllStored(msgspec.Struct, frozen=True):
    data: list[Stored]


class Place(msgspec.Struct, frozen=True):
    """Where a snapshot stands among those of its endpoint: `number` is 1 for the oldest of `of`. The others are ids of
    snapshots: just before and after it, and the nearest that brought a change of the kind `content`, with when these
    were captured; null at an end."""

    number: int
    of: int
    previous: str | None
    next: str | None
    previous_change: str | None
    next_change: str | None
    previous_change_at: str | None
    next_change_at: str | None


class SnapshotWithData(msgspec.Struct, frozen=True):
    """`place` and `delta` are there where `include` asks for them; `delta` is null where there is none."""

    snapshot: Snapshot
    data: msgspec.Raw | UnsetType = UNSET
    place: Place | UnsetType = UNSET
    delta: Delta | UnsetType | None = UNSET


def with_document(answer: SnapshotWithData, document: bytes) -> tuple[bytes, bytes, bytes]:
    """`answer`, which has no data yet, as JSON with the document: that one and what is before and behind it."""
    encoded = msgspec.json.encode(answer)
    at = len(b'{"snapshot":') + len(msgspec.json.encode(answer.snapshot))
    return encoded[:at] + b',"data":', document, encoded[at:]


class ListedSnapshot(Snapshot, frozen=True):
    """`delta` is what changed since the snapshot before, with `include=delta`; null where there is none, or not yet."""

    delta: Delta | UnsetType | None = UNSET


class Value(msgspec.Struct, frozen=True):
    """One value of a document, as it is written there. `path` is as asked for, `pointer` its place by index."""

    snapshot_id: str
    path: str
    pointer: str
    kind: Kind
    size_bytes: int
    value: msgspec.Raw


EXAMPLE_DOCUMENT: dict[str, Any] = {"prices": {"EUR": 1.0834}}
EXAMPLE_ENVELOPE: dict[str, Any] = {
    "endpoint_id": "GET /prices",
    "data": EXAMPLE_DOCUMENT,
    "metadata": {"region": "eu"},
}
EXAMPLE_SNAPSHOT: dict[str, Any] = {
    "id": "01985f0c-3f1a-7cc2-9a52-2f3b7f0c9d11",
    "endpoint_id": "01985f0c-3e00-7a40-8c11-5d2f6f5b0a01",
    "endpoint": "GET /prices",
    "captured_at": "2026-05-01T12:00:00.000Z",
    "received_at": "2026-05-01T12:00:00.125Z",
    "size_bytes": 25,
    "content_hash": "8f2c0a4d5b6e7f8091a2b3c4d5e6f708",
    "unchanged": False,
    "source": None,
    "metadata": {"region": "eu"},
}
EXAMPLE_STORED: dict[str, Any] = {"snapshot": EXAMPLE_SNAPSHOT, "delta": None}
EXAMPLE_VALUE: dict[str, Any] = {
    "snapshot_id": "01985f0c-3f1a-7cc2-9a52-2f3b7f0c9d11",
    "path": "/prices/EUR",
    "pointer": "/prices/EUR",
    "kind": "number",
    "size_bytes": 6,
    "value": 1.0834,
}
EXAMPLE_WITH_DATA: dict[str, Any] = {"snapshot": EXAMPLE_SNAPSHOT, "data": EXAMPLE_DOCUMENT}
EXAMPLE_WITH_PLACE: dict[str, Any] = EXAMPLE_WITH_DATA | {
    "place": {
        "number": 137,
        "of": 200,
        "previous": "01985f0c-3e55-7b01-8f00-0a1b2c3d4e5f",
        "next": None,
        "previous_change": "01985f0c-3e55-7b01-8f00-0a1b2c3d4e5f",
        "next_change": None,
        "previous_change_at": "2026-05-01T11:00:00.000Z",
        "next_change_at": None,
    }
}


def decode_one(body: bytes) -> ReceivedSnapshot:
    """An envelope; its document stays the bytes it is. Raises BadRequest, Invalid."""
    return _sent(_decode(surrogates.hide(body), SnapshotEnvelope, _decode_snapshot))


def decode_many(body: bytes) -> list[ReceivedSnapshot]:
    """As `decode_one`, of a batch."""
    return [_sent(item) for item in _decode(surrogates.hide(body), SnapshotEnvelopes, _decode_snapshots).snapshots]


def _sent(item: SnapshotEnvelope) -> ReceivedSnapshot:
    """Documents alone may hold halves of surrogate pairs."""
    for field, text in (("endpoint_id", item.endpoint_id), ("source", item.source), ("metadata", item.metadata)):
        if surrogates.MARK in (text.encode() if isinstance(text, str) else bytes(text or b"")):
            raise Invalid(f"{field} has half of a surrogate pair", field=field)
    metadata = None if item.metadata == NULL else bytes(item.metadata).decode()
    captured_at = item.captured_at
    if isinstance(captured_at, float):  # since 1970
        captured_at = f"{captured_at:.0f}" if captured_at.is_integer() else repr(captured_at)
    return ReceivedSnapshot(
        item.endpoint_id, surrogates.restore(bytes(item.data)), captured_at, item.source, metadata, checked=True
    )


_decode_snapshot = msgspec.json.Decoder(SnapshotEnvelope).decode
_decode_snapshots = msgspec.json.Decoder(SnapshotEnvelopes).decode


def _decode(body: bytes, kind: type[T], decode: Callable[[bytes], T]) -> T:
    json_text.check(body, "the body")
    with suppress(msgspec.ValidationError):  # names in camelCase are rare: look for them only now
        return decode(body)
    try:
        return decode(aliases.snake_body(body, kind))
    except msgspec.ValidationError as error:
        raise invalid(error, kind) from None


def snapshot(row: store.Snapshot) -> Snapshot:
    """Raises DatabaseFailed."""
    row.require_texts()
    return Snapshot(
        id=ids.text(row.uid),
        endpoint_id=ids.text(row.endpoint_uid),
        endpoint=row.endpoint_name,
        captured_at=times.format(row.captured_at),
        received_at=times.format(ids.time_ms(row.uid)),
        size_bytes=row.size,
        content_hash=row.hash.hex(),
        unchanged=row.unchanged,
        source=row.source,
        metadata=msgspec.Raw(row.metadata or "{}"),
    )


def listed(row: store.Snapshot, delta: Delta | UnsetType | None = UNSET) -> ListedSnapshot:
    """Raises DatabaseFailed."""
    return ListedSnapshot(**msgspec.structs.asdict(snapshot(row)), delta=delta)


def place(found: places.Place) -> Place:
    beside = (found.previous, found.next, found.previous_change, found.next_change)
    changes = (found.previous_change_at, found.next_change_at)
    return Place(
        found.number,
        found.of,
        *(None if uid is None else ids.text(uid) for uid in beside),
        *(None if at is None else times.format(at) for at in changes),
    )


def without_created_flag(kept: StoredAnswer) -> Snapshot:
    return Snapshot(*msgspec.structs.astuple(kept)[:-2])


FIELDS = {
    "Stored.misfits": "Where the document does not fit its endpoint's schema, the first 50 places",
    "Snapshot.id": "Id of the snapshot",
    "endpoint_id": "Id of the endpoint",
    "Snapshot.endpoint": "Name of the endpoint",
    "Snapshot.captured_at": "When the document was captured",
    "Snapshot.received_at": "When the server received it",
    "Snapshot.size_bytes": "Size of the document",
    "content_hash": "xxh3-128 of the document's bytes, in hex",
    "unchanged": "Whether the document equals the one before it",
    "Snapshot.source": "Where it came from, as its sender said",
    "Snapshot.metadata": "What its sender added",
    "Place.number": "1 for the endpoint's oldest snapshot",
    "Place.of": "How many snapshots the endpoint has",
    "Place.previous": "Id of the snapshot just before",
    "Place.next": "Id of the snapshot just after",
    "Place.previous_change": "Id of the nearest snapshot before with a delta of the kind `content`",
    "Place.next_change": "Id of the nearest snapshot after with a delta of the kind `content`",
    "Place.previous_change_at": "When that was captured",
    "Place.next_change_at": "When that was captured",
    "SnapshotWithData.snapshot": "The snapshot",
    "SnapshotWithData.data": "The document; absent with `data=false`",
    "SnapshotWithData.place": "Where it stands among the endpoint's snapshots, with `include=place`",
    "SnapshotWithData.delta": "What changed since the snapshot before, with `include=delta`; null where there is none",
    "ListedSnapshot.delta": "What changed since the snapshot before, with `include=delta`; null where there is none",
    "Stored.snapshot": "The snapshot",
    "Stored.delta": "What changed since the snapshot before, with `include=delta` and when there is one",
    "endpoint_created": "True when the request made the endpoint, as a mistyped name does; else absent",
    "Value.snapshot_id": "Id of the snapshot",
    "Value.path": "The path asked for",
    "Value.pointer": "JSON Pointer of the place in this snapshot",
    "Value.kind": "Its JSON type",
    "Value.size_bytes": "Size of the value as it is written",
    "Value.value": "The value, as it is written",
    "AllStored.data": "One for each snapshot of the request, in its order",
}
FIELDS |= {
    text.replace("Snapshot.", "ListedSnapshot."): said for text, said in FIELDS.items() if text.startswith("Snapshot.")
}
