"""Whose project it is: whoever made it, until they or an admin of the instance give it to somebody else. What a key
made belongs to the account alone. An owner stays an admin of the project, and transfers it before they leave."""

from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict, Forbidden
from delta_server.features.projects import store
from delta_server.features.projects.store import Project
from delta_server.features.users import service as users
from delta_server.features.users.service import User
from delta_server.storage.database import Tx

MOST_OWNED = 10
"""Projects that a member of the instance makes."""


def owner(tx: Tx, account: int, project: int) -> User | None:
    """None where the account alone owns it, or where the user has been deleted."""
    user = store.owner(tx, account, project)
    return None if user is None else users.by_id(tx, account, user)


def transfer(tx: Tx, caller: Caller, project: Project, named: str) -> User:
    """`named` is an id or an e-mail address. Raises Forbidden, NotFound for the user, Conflict for a disabled one."""
    _refuse_others(tx, caller, project)
    user = users.find(tx, caller.account, named)
    if user.disabled_at is not None:
        raise Conflict(f"{user.email} is disabled and cannot own a project", field="owner")
    give(tx, caller.account, project.id, user.id)
    return user


def refuse_many(tx: Tx, caller: Caller) -> None:
    """Plans limit a project each: a member has no more of them. Raises Conflict."""
    if not caller.is_member or caller.user is None:
        return
    there = len(store.names_owned(tx, caller.account, caller.user, limit=MOST_OWNED))
    in_bin = store.count_owned_in_bin(tx, caller.account, caller.user)
    if there + in_bin >= MOST_OWNED:
        raise Conflict(
            f"a member owns at most {MOST_OWNED} projects, those in the bin among them: delete one with ?purge=true, or"
            " transfer it"
        )


def give(tx: Tx, account: int, project: int, user: int) -> None:
    """The owner is an admin of the project whatever becomes of their role in the instance."""
    store.set_owner(tx, account, project, user)
    store.set_role(tx, project, user, "admin")


def _refuse_others(tx: Tx, caller: Caller, project: Project) -> None:
    if caller.user is None:
        may = caller.project is None or caller.chosen
    else:
        may = not caller.is_member or store.owner(tx, caller.account, project.id) == caller.user
    if not may:
        raise Forbidden(
            "only the project's owner, an owner or admin of the instance, or an account's key, may transfer a project"
        )


def refuse_owner(tx: Tx, account: int, project: int, user: User) -> None:
    """For what would leave the project's owner without a say in it. Raises Conflict."""
    if store.owner(tx, account, project) == user.id:
        raise Conflict(
            f"{user.email} owns the project: transfer it first, by POST /v1/projects/{{project_id}}/transfer",
            field="user_id",
        )
