"""Schemas of endpoints: what is known of their documents, and since when."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

import msgspec

from delta_server.core import ids, times
from delta_server.core.errors import NotFound, Unavailable
from delta_server.core.schemas import fields, steps, writing
from delta_server.core.schemas.presenting import presented
from delta_server.core.schemas.writing import MOST_FIELDS, SchemaFormat
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service as history
from delta_server.features.schemas import learning, store
from delta_server.features.schemas.happenings import CHANGED as CHANGED
from delta_server.features.schemas.happenings import LATE_MS as LATE_MS
from delta_server.features.schemas.happenings import MOST_SAID as MOST_SAID
from delta_server.features.schemas.schemas import EndpointSchema
from delta_server.features.schemas.store import ChangeRow
from delta_server.services import Services
from delta_server.storage.database import Tx

_MOST_PARTS = 4


class KnownSchema(msgspec.Struct, frozen=True):
    """`shape` is packed; `changed` has when places last changed."""

    shape: bytes
    versions: int
    learned_at: int
    is_behind: bool
    count: int
    changed: dict[str, int]


async def known_schema(svc: Services, endpoint: EndpointRef, at_ms: int | None) -> KnownSchema:
    """With what the last versions add; as of a time `at_ms`. Raises NotFound where there is none."""
    if at_ms is None:
        with suppress(Unavailable):  # a full disk: what was learned before is answered
            for _ in range(_MOST_PARTS):
                if not await learning.learn_part(svc, endpoint.project, endpoint.id):
                    break
    else:
        at_ms = endpoints.moment(svc, endpoint, at_ms)
    found = await svc.db.read(_known, endpoint, at_ms)
    if found is None:
        when = "yet" if at_ms is None else f"at or before {times.format(at_ms)}"
        raise NotFound(f"nothing is known of the documents of {endpoint.name} {when}")
    return found


async def list_changes(svc: Services, endpoint: EndpointRef, before_ms: int, limit: int) -> list[ChangeRow]:
    """Newest first."""
    return await svc.db.read(store.changes, endpoint.id, before_ms, limit)


def _known(tx: Tx, endpoint: EndpointRef, at_ms: int | None) -> KnownSchema | None:
    rows = store.changes(tx, endpoint.id, times.LATEST_MS if at_ms is None else at_ms + 1, store.MOST_CHANGES)
    changed = _changed(rows)
    if at_ms is not None:
        then = store.schema_at(tx, endpoint.id, at_ms)
        if then is None:
            return None
        return KnownSchema(then.shape, then.versions, then.captured_at, False, len(rows), changed)
    learned = store.learned(tx, endpoint.id)
    if learned is None:
        return None
    is_behind = bool(history.versions_after(tx, endpoint, learned.position).passed)
    return KnownSchema(learned.shape, learned.versions, learned.position[0], is_behind, len(rows), changed)


def _changed(rows: Sequence[ChangeRow]) -> dict[str, int]:
    """When each place changed last."""
    found: dict[str, int] = {}
    for row in rows:
        for change in row.changes:
            found.setdefault(change.path, row.captured_at)
    return found


def watchable(tx: Tx, endpoint: int) -> tuple[list[str], list[str]]:
    """Paths of numbers outside of arrays and maps, and of strings that are codes, in what was learned."""
    learned = store.learned(tx, endpoint)
    if learned is None:
        return [], []
    shape = presented(steps.unpacked(learned.shape))
    numbers, codes = list[str](), list[str]()
    for each in islice(fields.fields(shape, learned.versions), MOST_FIELDS):
        if "*" not in each.path.split("/") and not {"integer", "number"}.isdisjoint(each.types):
            numbers.append(each.path)
        elif each.values is not None:
            codes.append(each.path)
    return numbers, codes


def described(endpoint: EndpointRef, known: KnownSchema) -> EndpointSchema:
    found, is_whole = writing.listed(steps.unpacked(known.shape), known.versions, known.changed)
    return EndpointSchema(
        endpoint_id=ids.text(endpoint.uid),
        endpoint=endpoint.name,
        versions=known.versions,
        learned_until=times.format(known.learned_at),
        is_behind=known.is_behind,
        changes=known.count,
        fields=found,
        complete=is_whole,
    )


def written(endpoint: EndpointRef, known: KnownSchema, format: SchemaFormat) -> bytes:
    return writing.written(steps.unpacked(known.shape), known.versions, format, title=endpoint.name)
