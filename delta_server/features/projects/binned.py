"""Deleted projects: in the bin nobody but the list of deleted ones finds them, and their keys are refused. What is in
them stays as it is until they are restored or removed."""

import msgspec

from delta_server.core import ids, names, times
from delta_server.core.binned import Binned, purge_at
from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict, NotFound
from delta_server.features.audit import service as audit
from delta_server.features.projects import store
from delta_server.features.projects.store import Project
from delta_server.storage.database import Tx, frees_space


def find(tx: Tx, caller: Caller, text: str) -> Project:
    """What lies in the bin, by id, or by a name that no other there has. Raises NotFound, Conflict."""
    uid = ids.try_parse(text)
    if uid is None:
        found = store.binned_by_name(tx, caller.account, names.normal(text))
    else:
        found = [one] if (one := store.binned_by_uid(tx, caller.account, uid)) else []
    seen = [project for project in found if _is_seen(tx, caller, project.id)]
    if not seen:
        raise NotFound("there is no such project in the bin: GET /v1/projects?deleted=true lists those this key sees")
    if len(seen) > 1:
        raise Conflict("several projects of this name lie in the bin: say which by its id", field="project_id")
    return seen[0]


def _is_seen(tx: Tx, caller: Caller, project: int) -> bool:
    if caller.project not in (None, project):
        return False
    return not caller.is_member or (caller.user is not None and store.member(tx, project, caller.user) is not None)


def page(tx: Tx, caller: Caller, span: tuple[str, str], before: tuple[int, int], limit: int) -> list[Project]:
    """What was deleted last first. A project's own caller has none: its project is there."""
    if caller.project is not None:
        return []
    user = caller.user if caller.is_member else None
    return store.bin_page(tx, caller.account, user=user, names=span, before=before, limit=limit)


def delete(tx: Tx, caller: Caller, project: Project, *, days: int, purge: bool) -> Project:
    """Put it in the bin for so many days, or with `purge` remove it for good. Its rows go in the background."""
    until_ms = purge_at(tx.now_ms, days, at_once=purge)
    store.mark_deleted(tx, caller.account, project.id, purge_at=until_ms)
    until = None if until_ms is None else times.format(until_ms)
    _record(tx, project, "project.delete", restorable_until=until)
    return project if until_ms is None else msgspec.structs.replace(project, binned=Binned(tx.now_ms, until_ms))


def purge(tx: Tx, caller: Caller, project: Project) -> Project:
    store.purge(tx, caller.account, project.id)
    _record(tx, project, "project.purge")
    return msgspec.structs.replace(project, binned=None)


@frees_space
def purge_due(tx: Tx, limit: int) -> None:
    """Those whose time in the bin has ended."""
    for account, project in store.due(tx, limit):
        store.purge(tx, account, project.id)
        _record(tx, project, "project.purge")


def restore(tx: Tx, caller: Caller, text: str, name: str | None) -> Project:
    """As it was, under another name where `name` says one. Raises NotFound, Invalid, Conflict for a name that is taken
    by now."""
    project = find(tx, caller, text)
    wanted = project.name if name is None else names.check(name)
    if store.by_name(tx, caller.account, wanted) is not None:
        raise Conflict(
            f"there is a project named {wanted} by now: restore this one under another name, by ?name= (--name of the"
            " command)",
            field="name",
        )
    store.restore(tx, caller.account, project.id, name=wanted)
    _record(tx, project, "project.restore", restored_as=wanted)
    found = store.by_id(tx, caller.account, project.id)
    assert found is not None
    return found


def _record(tx: Tx, project: Project, action: audit.Action, **detail: str | None) -> None:
    audit.record_in(
        tx, project.id, action, target=f"project {ids.text(project.uid)}", name=project.name, detail=detail or None
    )
