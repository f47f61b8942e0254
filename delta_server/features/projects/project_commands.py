"""`project ...` of the command line: whoever may open the data directory may do everything."""

from typing import Any

import msgspec
from msgspec import UNSET

from delta_server.core import ids, names, scopes
from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict, Invalid
from delta_server.features.accounts import service as accounts
from delta_server.features.projects import schemas, service, store
from delta_server.features.projects.schemas import NewProject, ProjectChange, ProjectRole
from delta_server.features.projects.store import Project
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey
from delta_server.tasks.commands import Command, Progress

LISTED_AT_ONCE = 1000
"""Projects, or members of one, in an answer: a list of all would hold the server up."""


class After(msgspec.Struct, frozen=True):
    """Projects whose names come after this one."""

    name: str | None


class MembersBehind(msgspec.Struct, frozen=True):
    """The members of a project by id or name, those behind the time and user row `after`; None begins."""

    project: str
    after: tuple[int, int] | None


class NewProjectNamed(msgspec.Struct, frozen=True):
    """`plan` None is the one that everything has which is made on the machine of the server."""

    name: str
    description: str
    plan: str | None


class MovedHere(msgspec.Struct, frozen=True):
    """A project of another server, by name."""

    name: str
    description: str
    into_existing: bool


class Renamed(msgspec.Struct, frozen=True):
    project: str
    name: str


class PlanChange(msgspec.Struct, frozen=True):
    project: str
    plan: str


class MemberChange(msgspec.Struct, frozen=True):
    """`role` None removes the member."""

    project: str
    email: str
    role: ProjectRole | None


class Before(msgspec.Struct, frozen=True):
    """Where the list of the bin goes on, (deleted_at, row); None begins it."""

    row: tuple[int, int] | None


class Deleted(msgspec.Struct, frozen=True):
    project: str
    purge: bool


class Restored(msgspec.Struct, frozen=True):
    """`name` None is the name it had."""

    project: str
    name: str | None


class Transferred(msgspec.Struct, frozen=True):
    project: str
    email: str


class NewProjectOwner(msgspec.Struct, frozen=True):
    email: str
    name: str


class ListedProject(msgspec.Struct, frozen=True, omit_defaults=True):
    """`purge_at` is of what lies in the bin."""

    id: str
    name: str
    plan: str
    description: str
    created_at: str
    deleted_at: str | None = None
    purge_at: str | None = None


class ListedBin(msgspec.Struct, frozen=True):
    """`before` asks for those that follow, None when there are none."""

    projects: list[ListedProject]
    before: tuple[int, int] | None


class ListedMember(msgspec.Struct, frozen=True):
    email: str
    name: str
    role: str
    since: str


class ListedMembers(msgspec.Struct, frozen=True):
    """`after` asks for those that follow, None when there are none."""

    members: list[ListedMember]
    after: tuple[int, int] | None


def _listed(project: Project) -> ListedProject:
    shown = schemas.project(project)
    return ListedProject(
        shown.id,
        shown.name,
        shown.plan,
        shown.description,
        shown.created_at,
        shown.deleted_at or None,
        shown.purge_at or None,
    )


def _operator(tx: Tx) -> Caller:
    account = accounts.default_account(tx)
    return Caller(account, None, scopes.opened("admin"), "command line")


async def _list(svc: Services, after: After, _: Progress) -> list[ListedProject]:
    return await svc.db.read(_page, after.name)


def _page(tx: Tx, after: str | None) -> list[ListedProject]:
    account = accounts.find_default_account(tx)
    found = [] if account is None else service.page(tx, account, names.page_range("", after), LISTED_AT_ONCE)
    return [_listed(project) for project in found]


async def _create(svc: Services, new: NewProjectNamed, _: Progress) -> ListedProject:
    """Raises Invalid, Conflict."""
    return await svc.db.write(_make, svc, new)


def _make(tx: Tx, svc: Services, new: NewProjectNamed) -> ListedProject:
    wanted = NewProject(new.name, new.description)
    service.create_in(tx, _operator(tx), wanted, svc.config.plans, IdempotencyKey.none())
    change = ProjectChange(plan=UNSET if new.plan is None else new.plan)
    return _listed(service.update_in(tx, _operator(tx), new.name, change, svc.config.plans))


async def _rename(svc: Services, change: Renamed, _: Progress) -> ListedProject:
    """Raises NotFound, Invalid, Conflict."""
    return await svc.db.write(_change, svc, change.project, ProjectChange(name=change.name))


async def _plan(svc: Services, change: PlanChange, _: Progress) -> ListedProject:
    """Raises NotFound, Invalid."""
    return await svc.db.write(_change, svc, change.project, ProjectChange(plan=change.plan))


def _change(tx: Tx, svc: Services, project: str, change: ProjectChange) -> ListedProject:
    return _listed(service.update_in(tx, _operator(tx), project, change, svc.config.plans))


async def _list_deleted(svc: Services, before: Before, _: Progress) -> ListedBin:
    operator = await svc.db.write(_operator)
    found = await service.list_deleted(svc, operator, prefix="", before=before.row, limit=LISTED_AT_ONCE)
    last = found[-1] if len(found) == LISTED_AT_ONCE else None
    binned = None if last is None else last.binned
    return ListedBin(
        [_listed(project) for project in found],
        None if last is None or binned is None else (binned.deleted_at, last.id),
    )


async def _delete(svc: Services, deleted: Deleted, _: Progress) -> ListedProject:
    """Raises NotFound, Conflict."""
    operator = await svc.db.write(_operator)
    return _listed(await service.delete_project(svc, operator, deleted.project, purge=deleted.purge))


async def _restore(svc: Services, restored: Restored, _: Progress) -> ListedProject:
    """Raises NotFound, Conflict, Invalid."""
    operator = await svc.db.write(_operator)
    return _listed(await service.restore_project(svc, operator, restored.project, restored.name))


async def _transfer(svc: Services, transferred: Transferred, _: Progress) -> NewProjectOwner:
    """Raises NotFound, Conflict."""
    operator = await svc.db.write(_operator)
    owner = await service.transfer_project(svc, operator, transferred.project, transferred.email)
    return NewProjectOwner(owner.email, owner.name)


async def _members(svc: Services, wanted: MembersBehind, _: Progress) -> ListedMembers:
    """Raises NotFound."""
    operator, after = await svc.db.write(_operator), wanted.after or service.FIRST_MEMBER
    found, _owner = await service.members(svc, operator, wanted.project, after=after, limit=LISTED_AT_ONCE)
    shown = [schemas.member(row, user) for row, user in found]
    last = found[-1][0] if len(found) == LISTED_AT_ONCE else None
    return ListedMembers(
        [ListedMember(each.email, each.name, each.role, each.since) for each in shown],
        None if last is None else (last.created_at, last.user),
    )


async def _set_member(svc: Services, change: MemberChange, _: Progress) -> None:
    """Raises NotFound."""
    operator = await svc.db.write(_operator)
    if ids.try_parse(change.email) is not None:
        raise Invalid("name the member by e-mail address", field="email")
    if change.role is None:
        await service.remove_member(svc, operator, change.project, change.email)
    else:
        await service.set_member(svc, operator, change.project, change.email, change.role)


async def _move_here(svc: Services, moved: MovedHere, _: Progress) -> bool:
    """Whether it was made: one that is there stays as it is. Raises Invalid, Conflict."""
    return await svc.db.write(_make_moved, moved)


def _make_moved(tx: Tx, moved: MovedHere) -> bool:
    account, name = accounts.default_account(tx), names.check(moved.name)
    description = names.check_description(moved.description)
    if store.by_name(tx, account, name) is not None:
        if moved.into_existing:
            return False
        raise Conflict(
            f"there is a project named {name}: name another with --name, or pass --into-existing to add to it, also "
            "after an import that was broken off"
        )
    made = service.ensure(tx, account, name)
    store.update_project(tx, account, made.id, name=name, description=description)
    return True


COMMANDS: dict[str, Command] = {
    "project list": Command(After, list[ListedProject], _list),
    "project create": Command(NewProjectNamed, ListedProject, _create),
    "project move": Command(MovedHere, bool, _move_here),
    "project rename": Command(Renamed, ListedProject, _rename),
    "project plan": Command(PlanChange, ListedProject, _plan),
    "project list-deleted": Command(Before, ListedBin, _list_deleted),
    "project delete": Command(Deleted, ListedProject, _delete),
    "project restore": Command(Restored, ListedProject, _restore),
    "project transfer": Command(Transferred, NewProjectOwner, _transfer),
    "project members": Command(MembersBehind, ListedMembers, _members),
    "project set-member": Command(MemberChange, Any, _set_member),
}
