"""Saved queries: questions about events and SQL by a name, for who asks them again."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import ids, names, times
from delta_server.core.errors import Conflict, NotFound
from delta_server.core.query import saved
from delta_server.core.query.saved import Kind
from delta_server.core.query.statements import Statement
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.saved_queries import schemas, store
from delta_server.features.saved_queries.schemas import NewSavedQuery, SavedQueryChange
from delta_server.features.saved_queries.store import SavedQuery as SavedQuery
from delta_server.features.sql import service as sql
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse

MOST_QUERIES = 1_000
"""Of a project."""


async def create(svc: Services, project: int, new: NewSavedQuery, idempotency_key: IdempotencyKey) -> StoredResponse:
    """Raises Invalid, Conflict for too many."""
    name, view = names.check(new.name), saved.checked_view(new.view)
    spec = await _checked(svc, project, new.kind, new.spec)

    def write(tx: Tx) -> StoredResponse:
        if answer := idempotency_key.replay(tx):
            return answer
        accounts.check_project(tx, project)
        made = _insert(tx, project, name=name, kind=new.kind, spec=spec, view=view)
        return idempotency_key.record(tx, 201, msgspec.json.encode(schemas.SavedQueryAnswer(_shown(made))))

    return await svc.db.write(write)


async def move(svc: Services, project: int, name: str, kind: Kind, spec: dict[str, Any], view: str | None) -> str:
    """The id of the saved query of that name that asks this: one that is there, or a new one. Raises Invalid, Conflict
    for too many."""
    name, view = names.check(name), saved.checked_view(view)
    asked = await _checked(svc, project, kind, spec)

    def write(tx: Tx) -> str:
        accounts.check_project(tx, project)
        same = [row for row in all_of(tx, project) if (row.name, row.kind, row.spec) == (name, kind, asked)]
        found = same[0] if same else _insert(tx, project, name=name, kind=kind, spec=asked, view=view)
        return ids.text(found.uid)

    return await svc.db.write(write)


async def _checked(svc: Services, project: int, kind: Kind, spec: dict[str, Any]) -> str:
    """The spec as it is kept. Raises Invalid for what could not be run."""
    text = await svc.cpu(saved.checked, kind, spec, now_ms=svc.clock.now_ms())
    if isinstance(question := saved.read(kind, text.encode()), Statement):
        await sql.check(svc, project, question)
    return text


def all_of(tx: Tx, project: int) -> list[SavedQuery]:
    """The oldest first."""
    return store.page(tx, project, kind=None, below=1 << 62, limit=MOST_QUERIES)[::-1]


def _insert(tx: Tx, project: int, *, name: str, kind: str, spec: str, view: str | None) -> SavedQuery:
    """Raises Conflict for too many."""
    if store.count(tx, project, most=MOST_QUERIES) >= MOST_QUERIES:
        raise Conflict(f"the project has {MOST_QUERIES:,} saved queries, as many as it may: delete some")
    return store.insert(tx, project, name=name, kind=kind, spec=spec, view=view)


async def list_saved(
    svc: Services, project: int, *, kind: Kind | None, below: int, limit: int
) -> list[tuple[int, schemas.SavedQueryItem]]:
    """With their rows, the newest first."""
    rows = await svc.db.read(store.page, project, kind=kind, below=below, limit=limit)
    return [(row.id, _item(row)) for row in rows]


async def get(svc: Services, project: int, text: str) -> schemas.SavedQuery:
    """Raises NotFound."""
    return _shown(svc.db.peek(find, project, text))


async def update(svc: Services, project: int, text: str, change: SavedQueryChange) -> schemas.SavedQuery:
    """Raises NotFound, Invalid."""
    kind = kind_of(svc.db.peek(find, project, text))
    name = UNSET if change.name is UNSET else names.check(change.name)
    view = UNSET if change.view is UNSET else saved.checked_view(change.view)
    spec: str | UnsetType = UNSET
    if change.spec is not UNSET:
        spec = await _checked(svc, project, kind, change.spec)

    def write(tx: Tx) -> schemas.SavedQuery:
        accounts.check_project(tx, project)
        before = find(tx, project, text)
        store.update(
            tx,
            project,
            before.id,
            name=before.name if name is UNSET else name,
            spec=before.spec if spec is UNSET else spec,
            view=before.view if view is UNSET else view,
        )
        return _shown(find(tx, project, text))

    return await svc.db.write(write)


async def delete(svc: Services, project: int, text: str) -> None:
    """Raises NotFound."""
    await svc.db.write(_delete, project, text)


def find(tx: Tx, project: int, text: str) -> SavedQuery:
    """Raises NotFound."""
    found = store.by_uid(tx, project, ids.parse(text, "saved query"))
    if found is None:
        raise NotFound("there is no such saved query in this project: GET /v1/saved-queries lists them")
    return found


@frees_space
def _delete(tx: Tx, project: int, text: str) -> None:
    found = find(tx, project, text)
    store.delete(tx, project, found.uid)
    audit.record_in(tx, project, "saved_query.delete", target=f"saved_query {ids.text(found.uid)}", name=found.name)


def kind_of(row: SavedQuery) -> Kind:
    return next(kind for kind in saved.KINDS if kind == row.kind)


def _item(row: SavedQuery) -> schemas.SavedQueryItem:
    return schemas.SavedQueryItem(
        id=ids.text(row.uid),
        name=row.name,
        kind=kind_of(row),
        view=row.view,
        created_at=times.format(row.created_at),
        updated_at=times.format(row.updated_at),
    )


def _shown(row: SavedQuery) -> schemas.SavedQuery:
    return schemas.SavedQuery(**msgspec.structs.asdict(_item(row)), spec=msgspec.Raw(row.spec.encode()))
