"""Annotations: deploys, incidents and what else was noted of a time."""

from typing import Protocol, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET

from delta_server.core import ids, times
from delta_server.core.errors import Conflict, Invalid, NotFound
from delta_server.features.accounts import service as accounts
from delta_server.features.annotations import schemas, store
from delta_server.features.annotations.schemas import LONGEST_LINK, LONGEST_TEXT, AnnotationChange, NewAnnotation
from delta_server.features.annotations.store import Annotation as Annotation
from delta_server.features.annotations.store import Wanted
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse

MOST_ANNOTATIONS = 50_000
"""Of a project: twenty deploys a day, for seven years."""
FIRST = (1 << 62, 1 << 62)
"""Where a list of them begins."""
_ALL_TIME = Wanted(times.EARLIEST_MS, times.LATEST_MS + 1, None)
_AT_ONCE = 1_000
LONGEST_MS = 3660 * times.DAY_MS


async def create(svc: Services, project: int, new: NewAnnotation, idempotency_key: IdempotencyKey) -> StoredResponse:
    """Raises Invalid, Conflict for too many."""
    now_ms = svc.clock.now_ms()
    begins_at = now_ms if new.time is None else times.parse_moment(new.time, field="time", now_ms=now_ms)
    end_at = None if new.end is None else times.parse_moment(new.end, field="end", now_ms=now_ms)
    _check_length(begins_at, end_at)
    text, link = _checked_text(new.text), None if new.link is None else _checked_link(new.link)

    def write(tx: Tx) -> StoredResponse:
        if answer := idempotency_key.replay(tx):
            return answer
        accounts.check_project(tx, project)
        made = _insert(tx, project, begins_at=begins_at, end_at=end_at, kind=new.kind, text=text, link=link)
        return idempotency_key.record(tx, 201, msgspec.json.encode(schemas.AnnotationAnswer(shown(made))))

    return await svc.db.write(write)


class Moved(Protocol):
    """What another server has noted."""

    @property
    def begins_at(self) -> int: ...
    @property
    def end_at(self) -> int | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def link(self) -> str | None: ...


async def move(svc: Services, project: int, new: Moved) -> None:
    """Note it unless that is noted of the time already. Raises Invalid, Conflict for too many."""
    if not times.EARLIEST_MS <= new.begins_at <= times.LATEST_MS:
        raise Invalid("time must lie in the years 1 to 9999", field="time")
    _check_length(new.begins_at, new.end_at)
    text, link = _checked_text(new.text), None if new.link is None else _checked_link(new.link)

    def write(tx: Tx) -> None:
        accounts.check_project(tx, project)
        then = Wanted(new.begins_at, new.begins_at + 1, None)
        there = store.page(tx, project, then, below=FIRST, limit=MOST_ANNOTATIONS)
        if all((row.begins_at, row.text) != (new.begins_at, text) for row in there):
            _insert(tx, project, begins_at=new.begins_at, end_at=new.end_at, kind=new.kind, text=text, link=link)

    await svc.db.write(write)


def all_below(tx: Tx, project: int, below: tuple[int, int]) -> list[Annotation]:
    """Some, the latest first, of those before `below`, their (begins_at, id)."""
    return store.page(tx, project, _ALL_TIME, below=below, limit=_AT_ONCE)


def kind_of(row: Annotation) -> schemas.Kind:
    return cast("schemas.Kind", row.kind)


def _insert(
    tx: Tx, project: int, *, begins_at: int, end_at: int | None, kind: str, text: str, link: str | None
) -> Annotation:
    """Raises Conflict for too many."""
    if store.count(tx, project, most=MOST_ANNOTATIONS) >= MOST_ANNOTATIONS:
        raise Conflict(f"the project has {MOST_ANNOTATIONS:,} annotations, as many as it may: delete some")
    return store.insert(tx, project, begins_at=begins_at, end_at=end_at, kind=kind, text=text, link=link)


async def list_annotations(
    svc: Services, project: int, wanted: Wanted, *, below: tuple[int, int], limit: int
) -> list[Annotation]:
    """The latest first."""
    return await svc.db.read(store.page, project, wanted, below=below, limit=limit)


async def update(svc: Services, project: int, text: str, change: AnnotationChange) -> schemas.Annotation:
    """Raises NotFound, Invalid."""
    now_ms = svc.clock.now_ms()
    new: dict[str, object] = {}
    if change.text is not UNSET:
        new["text"] = _checked_text(change.text)
    if change.link is not UNSET:
        new["link"] = None if change.link is None else _checked_link(change.link)
    if change.kind is not UNSET:
        new["kind"] = change.kind
    if change.time is not UNSET:
        new["begins_at"] = times.parse_moment(change.time, field="time", now_ms=now_ms)
    if change.end is not UNSET:
        new["end_at"] = None if change.end is None else times.parse_moment(change.end, field="end", now_ms=now_ms)

    def write(tx: Tx) -> schemas.Annotation:
        accounts.check_project(tx, project)
        changed = msgspec.structs.replace(find(tx, project, text), **new, updated_at=tx.now_ms)
        _check_length(changed.begins_at, changed.end_at)
        store.update(tx, project, changed)
        return shown(changed)

    return await svc.db.write(write)


async def delete(svc: Services, project: int, text: str) -> None:
    """Raises NotFound."""
    await svc.db.write(_delete, project, text)


def find(tx: Tx, project: int, text: str) -> Annotation:
    """Raises NotFound."""
    found = store.by_uid(tx, project, ids.parse(text, "annotation"))
    if found is None:
        raise NotFound("there is no such annotation in this project: GET /v1/annotations lists them")
    return found


def shown(row: Annotation) -> schemas.Annotation:
    return schemas.Annotation(
        id=ids.text(row.uid),
        time=times.format(row.begins_at),
        end=None if row.end_at is None else times.format(row.end_at),
        kind=kind_of(row),
        text=row.text,
        link=row.link,
        created_at=times.format(row.created_at),
        updated_at=times.format(row.updated_at),
    )


@frees_space
def _delete(tx: Tx, project: int, text: str) -> None:
    store.delete(tx, project, find(tx, project, text).uid)


def _check_length(begins_at: int, end_at: int | None) -> None:
    if end_at is not None and not begins_at <= end_at <= begins_at + LONGEST_MS:
        raise Invalid("end must lie behind time, by ten years at most", field="end")


def _checked_text(text: str) -> str:
    if not len(text.strip()) >= 1 or len(text) > LONGEST_TEXT:
        raise Invalid(f"text must have 1 to {LONGEST_TEXT} characters", field="text")
    if not text.isprintable():
        raise Invalid("text must be one line, without characters that cannot be seen", field="text")
    return text.strip()


def _checked_link(link: str) -> str:
    """Nothing but an address of the web: it becomes a link that people click."""
    try:
        parts = urlsplit(link)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_web = False
    if not is_web or len(link) > LONGEST_LINK or not link.isprintable() or " " in link:
        raise Invalid(f"link must begin with https:// or http://, {LONGEST_LINK} characters at most", field="link")
    return link
