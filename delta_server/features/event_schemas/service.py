"""Schemas of event types: what is known of their events, and since when."""

import msgspec

from delta_server.core import times
from delta_server.core.errors import NotFound
from delta_server.core.schemas import samples, writing
from delta_server.core.schemas.writing import SchemaFormat
from delta_server.features.event_schemas import store
from delta_server.features.event_schemas.schemas import EventTypeSchema
from delta_server.features.event_schemas.store import ChangeRow, ListedType, Progress
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space

_BEHIND_ALL = 1 << 62


class KnownType(msgspec.Struct, frozen=True):
    """`shape` and `seen` are packed, `seen` is of `values_of` events. `seq`: up to which events were looked at, of what
    is known now. `changed` has when places last changed."""

    event_type: str
    shape: bytes
    seen: bytes | None
    values_of: int
    events: int
    learned_at: int
    seq: int | None
    count: int
    changed: dict[str, int]


async def known_type(svc: Services, project: int, event_type: str, at_ms: int | None) -> KnownType:
    """As of a time `at_ms`. Raises NotFound where there is none."""
    found = await svc.db.read(_known, project, event_type, at_ms)
    if found is None:
        when = "yet" if at_ms is None else f"at or before {times.format(at_ms)}"
        raise NotFound(
            f"nothing is known of events of this type {when}: GET /v1/event-types lists those that are known"
        )
    return found


async def list_types(svc: Services, project: int, *, after: str, limit: int) -> list[ListedType]:
    """By name."""
    return await svc.db.read(store.page, project, after=after, limit=limit)


async def list_changes(svc: Services, project: int, event_type: str, below: int, limit: int) -> list[ChangeRow]:
    """Newest first. Raises NotFound."""
    return await svc.db.read(_changes, project, event_type, below, limit)


@frees_space
def forget_values(tx: Tx, project: int) -> None:
    """Strings and ranges of all types, which are learned anew from the events that are there: what is being learned
    from those that were there is not stored."""
    begun = store.progress(tx, project).begun
    store.delete_values(tx, project)
    store.put_progress(tx, project, Progress(begun=begun + 1))


def is_behind(svc: Services, project: int, known: KnownType) -> bool:
    return known.seq is not None and svc.event_reader.positions(project).seq > known.seq


def _known(tx: Tx, project: int, event_type: str, at_ms: int | None) -> KnownType | None:
    schema = store.find(tx, project, event_type)
    if schema is None:
        return None
    if at_ms is None:
        values = store.values(tx, project, schema.id)
        rows = store.changes(tx, project, schema.id, _BEHIND_ALL, store.MOST_CHANGES)
        return KnownType(
            event_type,
            schema.shape,
            None if values is None else values.shape,
            0 if values is None else values.events,
            schema.events,
            schema.learned_at,
            store.progress(tx, project).seq,
            rows[0].number if rows else 0,
            _changed(rows),
        )
    found = store.schema_at(tx, project, schema.id, at_ms)
    if found is None:
        return None
    number, then = found
    rows = store.changes(tx, project, schema.id, number + 1, store.MOST_CHANGES)
    return KnownType(event_type, then.shape, None, 0, then.events, then.changed_at, None, number, _changed(rows))


def _changes(tx: Tx, project: int, event_type: str, below: int, limit: int) -> list[ChangeRow]:
    schema = store.find(tx, project, event_type)
    if schema is None:
        raise NotFound("nothing is known of events of this type: GET /v1/event-types lists those that are known")
    return store.changes(tx, project, schema.id, below, limit)


def _changed(rows: list[ChangeRow]) -> dict[str, int]:
    """When each place changed last."""
    found: dict[str, int] = {}
    for row in rows:
        for change in row.changes:
            found.setdefault(change.path, row.changed_at)
    return found


def described(known: KnownType, *, behind: bool) -> EventTypeSchema:
    shape = samples.shown(known.shape, known.seen)
    found, is_whole = writing.listed(shape, known.values_of, known.changed)
    return EventTypeSchema(
        event_type=known.event_type,
        events=known.events,
        learned_until=times.format(known.learned_at),
        is_behind=behind,
        changes=known.count,
        fields=found,
        complete=is_whole,
    )


def written(known: KnownType, format: SchemaFormat) -> bytes:
    """As JSON Schema or as types of a language."""
    return writing.written(samples.shown(known.shape, known.seen), known.values_of, format, title=known.event_type)
