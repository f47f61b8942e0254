"""Who was removed from a project, or may do less there, since a backup was taken: the database before the restore
knows, by its audit log and by who is a member now."""

from collections.abc import Sequence
from typing import get_args

import msgspec

from delta_server.core import ids
from delta_server.core.errors import NotFound
from delta_server.features.audit import service as audit
from delta_server.features.projects import owners, store
from delta_server.features.projects.schemas import ProjectRole
from delta_server.features.users import service as users
from delta_server.features.users.service import User
from delta_server.storage.database import Tx, frees_space

_ROLES: tuple[str, ...] = get_args(ProjectRole)
"""Each may do more than those before it."""


class Changed(msgspec.Struct, frozen=True):
    """A membership that was changed at some time: project and user by id as on the wire, the role the user has now,
    None without one, and who owns the project now."""

    project: str
    user: str
    role: str | None
    owner: str | None


def changed_members(tx: Tx, account: int, limit: int) -> list[Changed]:
    """The last ones where they are very many. Projects and users that are gone are none of them."""
    found = dict.fromkeys(
        (project, target.removeprefix("user "))
        for action in ("member.remove", "member.set")
        for project, target in audit.targets_in_projects(tx, account, action, limit)
    )
    changes = (_changed(tx, account, project, user) for project, user in found)
    return [change for change in changes if change is not None]


def _changed(tx: Tx, account: int, project: str, user: str) -> Changed | None:
    row, person = _row_of(tx, account, project), _person(tx, account, user)
    if row is None or person is None:
        return None
    member, owner = store.member(tx, row, person.id), owners.owner(tx, account, row)
    return Changed(project, user, member.role if member else None, ids.text(owner.uid) if owner else None)


@frees_space
def lower_again(tx: Tx, account: int, changes: Sequence[Changed]) -> int:
    """How many memberships went or may do less: in a restored database, of which the one before knew more."""
    return sum(_lower(tx, account, change) for change in changes)


def _lower(tx: Tx, account: int, change: Changed) -> bool:
    row, person = _row_of(tx, account, change.project), _person(tx, account, change.user)
    member = store.member(tx, row, person.id) if row is not None and person is not None else None
    if row is None or person is None or member is None or not _is_lower(change.role, member.role):
        return False
    if store.owner(tx, account, row) == person.id:  # who gave it away before that
        _give(tx, account, row, change.owner)
    target = f"user {ids.text(person.uid)}"
    if change.role is None:
        store.remove_member(tx, row, person.id)
        audit.record_in(tx, row, "member.remove", target=target, name=person.email)
    else:
        store.set_role(tx, row, person.id, change.role)
        audit.record_in(tx, row, "member.set", target=target, name=person.email, detail={"role": change.role})
    return True


def _is_lower(role: str | None, than: str) -> bool:
    return role is None or _ROLES.index(role) < _ROLES.index(than)


def _give(tx: Tx, account: int, project: int, owner: str | None) -> None:
    """To the account alone where the owner of later is not there."""
    heir = None if owner is None else _person(tx, account, owner)
    if heir is None:
        store.set_owner(tx, account, project, None)
    else:
        owners.give(tx, account, project, heir.id)


def _row_of(tx: Tx, account: int, project: str) -> int | None:
    uid = ids.try_parse(project)
    return None if uid is None else store.row_of(tx, account, uid)


def _person(tx: Tx, account: int, user: str) -> User | None:
    try:
        return users.find(tx, account, user)
    except NotFound:
        return None
