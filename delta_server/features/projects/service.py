"""Projects: the tenants. Everything else belongs to one.

An account's key sees all projects of the account, a project's key its own.
"""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from delta_server.config.plans import UNLIMITED, Plans
from delta_server.core import access_tokens, ids, names, scopes
from delta_server.core.actor import Actor
from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict, DeltaError, Forbidden, Invalid, NotFound
from delta_server.core.nearest import quoted
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.projects import binned, owners, schemas, store
from delta_server.features.projects.lowering import Changed as Changed
from delta_server.features.projects.lowering import changed_members as changed_members
from delta_server.features.projects.lowering import lower_again as lower_again
from delta_server.features.projects.schemas import NewProject, ProjectAnswer, ProjectChange
from delta_server.features.projects.schemas import ProjectRole as ProjectRole
from delta_server.features.projects.store import Member, Project
from delta_server.features.projects.store import by_row as by_row
from delta_server.features.users import service as users
from delta_server.features.users.service import User
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse

_UNION_OF = {"viewer": "read", "editor": "write", "admin": "admin"}
SCOPES_OF = {role: scopes.opened(union) for role, union in _UNION_OF.items()}
"""What members of a project may do in it, by their role."""


async def create_project(
    svc: Services, caller: Caller, new: NewProject, idempotency_key: IdempotencyKey
) -> StoredResponse:
    """Raises Invalid for the name, Conflict when the account has a project of that name, or a member as many as they
    may."""
    return await svc.db.write(create_in, caller, new, svc.config.plans, idempotency_key)


def get_project(svc: Services, caller: Caller, text: str) -> Project:
    """The project by id or name. Raises NotFound."""
    return svc.db.peek(find, caller, text)


async def list_projects(svc: Services, caller: Caller, *, prefix: str, after: str | None, limit: int) -> list[Project]:
    """By name, those that begin with `prefix`, after the name `after`."""
    return await svc.db.read(_list_page, caller, names.page_range(prefix, after), limit)


async def update_project(svc: Services, caller: Caller, text: str, change: ProjectChange) -> Project:
    """Raises NotFound, Invalid, Forbidden for a new plan by a project's key or a member of the instance, Conflict when
    the name is taken."""
    return await svc.db.write(update_in, caller, text, change, svc.config.plans)


async def list_deleted(
    svc: Services, caller: Caller, *, prefix: str, before: tuple[int, int] | None, limit: int
) -> list[Project]:
    """Those in the bin, what was deleted last first, before (deleted_at, row)."""
    return await svc.db.read(binned.page, caller, names.page_range(prefix, None), before or (1 << 62, 0), limit)


async def delete_project(svc: Services, caller: Caller, text: str, *, purge: bool = False) -> Project:
    """From now on neither the project nor anything in it is found, and its keys are refused. With `purge`, which takes
    what lies in the bin too, it cannot be restored. Raises NotFound, Conflict as `restore_project`."""
    deleted = await svc.db.write(_delete_project, caller, text, days=svc.config.storage.bin_days, purge=purge)
    svc.live.check_access()
    return deleted


async def restore_project(svc: Services, caller: Caller, text: str, name: str | None) -> Project:
    """Take it out of the bin, as it was, under another name where `name` says one. Raises NotFound, Invalid, and
    Conflict for a name that is taken by now or that several in the bin have."""

    def write(tx: Tx) -> Project:
        found = binned.restore(tx, caller, text, name)
        for cascade in svc.cascades:
            if cascade.of == "project" and cascade.revive is not None:
                cascade.revive(tx, found.id)
        return found

    restored = await svc.db.write(write)
    svc.topics.wake("contents")
    svc.topics.wake("polls")
    return restored


# Members


DEFAULT_PROJECT = "default"
FIRST_MEMBER = (-1, -1)


async def members(
    svc: Services, caller: Caller, text: str, *, after: tuple[int, int] = FIRST_MEMBER, limit: int
) -> tuple[list[tuple[Member, User]], User | None]:
    """In the order they came, those behind the time and user row `after`; and the owner. Raises NotFound for the
    project."""
    return await svc.db.read(_members, caller, text, after, limit)


async def set_member(svc: Services, caller: Caller, text: str, user: str, role: ProjectRole) -> tuple[Member, User]:
    """Add a person, or change their role. `user` is an id or an e-mail address. Raises NotFound."""
    changed = await svc.db.write(_set_member, caller, text, user, role)
    svc.live.check_access()
    return changed


async def remove_member(svc: Services, caller: Caller, text: str, user: str) -> None:
    """Raises NotFound."""
    await svc.db.write(_remove_member, caller, text, user)
    svc.live.check_access()


async def transfer_project(svc: Services, caller: Caller, text: str, user: str) -> User:
    """Raises NotFound for the project and the user, Forbidden, Conflict."""
    new = await svc.db.write(_transfer_project, caller, text, user)
    svc.live.check_access()
    return new


def _transfer_project(tx: Tx, caller: Caller, text: str, user: str) -> User:
    project = find(tx, caller, text)
    owner = owners.transfer(tx, caller, project, user)
    detail = {"owner": ids.text(owner.uid)}
    audit.record_in(tx, project.id, "project.transfer", target=_target(project), name=project.name, detail=detail)
    return owner


def _members(
    tx: Tx, caller: Caller, text: str, after: tuple[int, int], limit: int
) -> tuple[list[tuple[Member, User]], User | None]:
    project = find(tx, caller, text)
    rows = store.members(tx, project.id, after=after, limit=limit)
    found = [(row, user) for row in rows if (user := users.by_id(tx, caller.account, row.user))]
    return found, owners.owner(tx, caller.account, project.id)


def _set_member(tx: Tx, caller: Caller, text: str, named: str, role: ProjectRole) -> tuple[Member, User]:
    project = find(tx, caller, text)
    user = users.find(tx, caller.account, named)
    refuse_more_than_own(caller, role)
    if role != "admin":
        owners.refuse_owner(tx, caller.account, project.id, user)
    store.set_role(tx, project.id, user.id, role)
    audit.record_in(
        tx, project.id, "member.set", target=f"user {ids.text(user.uid)}", name=user.email, detail={"role": role}
    )
    member = store.member(tx, project.id, user.id)
    assert member is not None
    return member, user


def refuse_more_than_own(caller: Caller, role: ProjectRole) -> None:
    """For who gives a role. Raises Forbidden."""
    if not SCOPES_OF[role] <= caller.scopes:
        raise Forbidden(
            f"nobody gives more than they have: to give the role {role} takes the scope {_UNION_OF[role]}, which"
            " an admin of the project has"
        )


def role_of(tx: Tx, project: int, user: int) -> str | None:
    """The role of a member, None for who is not one."""
    found = store.member(tx, project, user)
    return None if found is None else found.role


def admit(tx: Tx, account: int, project: int, user: User, role: str, actor: Actor) -> str:
    """Make somebody a member, who keeps a role that may do more; the role they have now."""
    before = role_of(tx, project, user.id)
    if before is not None and SCOPES_OF[before] >= SCOPES_OF[role]:
        return before
    store.set_role(tx, project, user.id, role)
    target = f"user {ids.text(user.uid)}"
    detail = {"role": role}
    audit.record(tx, account, "member.set", project=project, target=target, name=user.email, detail=detail, actor=actor)
    return role


def by_id(tx: Tx, account: int, project: int) -> Project | None:
    """None for a deleted one."""
    return store.by_id(tx, account, project)


def owner(tx: Tx, account: int, project: int) -> User | None:
    """None where the account alone owns it."""
    return owners.owner(tx, account, project)


@frees_space
def _remove_member(tx: Tx, caller: Caller, text: str, named: str) -> None:
    project = find(tx, caller, text)
    user = users.find(tx, caller.account, named)
    owners.refuse_owner(tx, caller.account, project.id, user)
    if not store.remove_member(tx, project.id, user.id):
        raise NotFound(f"{user.email} is not a member of the project")
    audit.record_in(tx, project.id, "member.remove", target=f"user {ids.text(user.uid)}", name=user.email)


def find(tx: Tx, caller: Caller, text: str) -> Project:
    """The project by id or name, within a transaction. Raises NotFound."""
    uid = ids.try_parse(text)
    if uid is None:
        found = store.by_name(tx, caller.account, names.normal(text))
    else:
        found = store.by_uid(tx, caller.account, uid)
    if found is None or caller.project not in (None, found.id) or not _is_seen(tx, caller, found.id):
        raise NotFound("there is no such project: GET /v1/projects lists those this key sees")
    return found


def is_named(project: Project, text: str) -> bool:
    """Whether `text` is its id or its name."""
    uid = ids.try_parse(text)
    return project.name == names.normal(text) if uid is None else project.uid == uid


def named(tx: Tx, account: int, text: str) -> Project:
    """By name, for commands. Raises NotFound."""
    found = store.by_name(tx, account, names.normal(text))
    if found is None:
        raise NotFound(f"there is no project {quoted(text)}")
    return found


def caller_within(svc: Services, key: str, named: Sequence[str], *, deleted: bool = False) -> Caller:
    """Whose key or access token it is, within the projects that the request names beside it; with `deleted` those may
    lie in the bin. Raises Unauthorized, Forbidden."""
    caller = users.speak_for(svc, key) if access_tokens.is_one(key) else accounts.authenticate(svc, key)
    for project in named:
        caller = svc.db.peek(narrowed, caller, project, deleted=deleted)
    return caller


def narrowed(tx: Tx, caller: Caller, text: str, *, deleted: bool = False) -> Caller:
    """The caller within the project of that id or name, which for a project's key can only be its own; with `deleted`
    it may lie in the bin.

    Raises Forbidden for any other, whether there is one or not: nobody learns by it what others have.
    """
    try:
        project = _find_there_or_deleted(tx, caller, text) if deleted else find(tx, caller, text)
    except (NotFound, Conflict):
        whose = "this key's" if caller.user is None else "yours"
        raise Forbidden(f"the project is not one of {whose}: GET /v1/projects lists those") from None
    opened = caller.scopes
    if caller.user is not None and caller.is_member and (member := store.member(tx, project.id, caller.user)):
        opened = SCOPES_OF[member.role]
    chosen = caller.chosen or caller.project is None
    return msgspec.structs.replace(caller, project=project.id, scopes=opened, chosen=chosen)


def _find_there_or_deleted(tx: Tx, caller: Caller, text: str) -> Project:
    try:
        return find(tx, caller, text)
    except NotFound:
        return binned.find(tx, caller, text)


def _is_seen(tx: Tx, caller: Caller, project: int) -> bool:
    """Members of the instance see the projects that they are members of."""
    return not caller.is_member or (caller.user is not None and store.member(tx, project, caller.user) is not None)


def ensure(tx: Tx, account: int, name: str) -> Project:
    """The account's project of that name, made when absent. Raises Invalid for the name."""
    name = names.check(name)
    return store.by_name(tx, account, name) or _insert(tx, account, name, "", UNLIMITED)


def ensure_project(tx: Tx, name: str | None) -> tuple[int, str]:
    """The project that a command is about, made when absent, and its name. Raises DeltaError where it is not clear
    which."""
    account = accounts.default_account(tx)
    if name is None:
        there = sorted(project.name for project in all_of(tx, account))
        if len(there) > 1 and DEFAULT_PROJECT not in there:
            raise DeltaError(f"there are several projects; say which with --project: {', '.join(there)}")
        name = there[0] if len(there) == 1 else DEFAULT_PROJECT
    return ensure(tx, account, name).id, name


def _insert(tx: Tx, account: int, name: str, description: str, plan: str) -> Project:
    made = store.insert_project(tx, account, name=name, description=description, plan=plan)
    audit.record_in(tx, made.id, "project.create", target=_target(made), name=name)
    return made


def _target(project: Project) -> str:
    return f"project {ids.text(project.uid)}"


def page(tx: Tx, account: int, span: tuple[str, str], limit: int) -> list[Project]:
    """Projects of an account by name, those in the half-open `span`."""
    return store.page(tx, account, names=span, limit=limit)


def all_of(tx: Tx, account: int) -> list[Project]:
    """All projects of an account, by name."""
    return store.page(tx, account, names=names.page_range("", None), limit=-1)


def stored(tx: Tx, account: int) -> list[tuple[int, str]]:
    """(id, name) of all projects of an account, those in the bin too: what is verified."""
    return store.stored(tx, account)


def ids_of_all(tx: Tx) -> list[int]:
    """Of all accounts, for work in the background."""
    return store.ids(tx)


def create_in(tx: Tx, caller: Caller, new: NewProject, plans: Plans, idempotency_key: IdempotencyKey) -> StoredResponse:
    if answer := idempotency_key.replay(tx):
        return answer
    owners.refuse_many(tx, caller)
    name = _free_name(tx, caller.account, new.name)
    description = names.check_description(new.description)
    project = _insert(tx, caller.account, name, description, _first_plan(tx, caller, plans))
    if caller.user is not None:
        owners.give(tx, caller.account, project.id, caller.user)
    return idempotency_key.record(tx, 201, msgspec.json.encode(ProjectAnswer(schemas.project(project))))


def _list_page(tx: Tx, caller: Caller, span: tuple[str, str], limit: int) -> list[Project]:
    if caller.project is None and caller.is_member and caller.user is not None:
        return store.page_of_member(tx, caller.account, user=caller.user, names=span, limit=limit)
    if caller.project is None:
        return store.page(tx, caller.account, names=span, limit=limit)
    own = store.by_id(tx, caller.account, caller.project)
    return [own] if own and span[0] <= own.name < span[1] else []


def update_in(tx: Tx, caller: Caller, text: str, change: ProjectChange, plans: Plans) -> Project:
    project = find(tx, caller, text)
    name, description = project.name, project.description
    if change.name is not UNSET and names.check(change.name) != name:
        name = _free_name(tx, caller.account, change.name)
    if change.description is not UNSET:
        description = names.check_description(change.description or "")
    if change.plan is not UNSET and change.plan != project.plan:
        _refuse_changing_plan(caller)
        project = set_plan(tx, caller.account, project, change.plan, plans)
    if (name, description) == (project.name, project.description):
        return project
    store.update_project(tx, caller.account, project.id, name=name, description=description)
    detail = {"before": project.name} if name != project.name else {}
    audit.record_in(tx, project.id, "project.update", target=_target(project), name=name, detail=detail)
    return msgspec.structs.replace(project, name=name, description=description, updated_at=tx.now_ms)


@frees_space
def _delete_project(tx: Tx, caller: Caller, text: str, *, days: int, purge: bool) -> Project:
    try:
        project = find(tx, caller, text)
    except NotFound:
        if not purge:
            raise
        return binned.purge(tx, caller, binned.find(tx, caller, text))
    return binned.delete(tx, caller, project, days=days, purge=purge)


def _refuse_changing_plan(caller: Caller) -> None:
    """A project's own key would lift the limits that are there for it. Raises Forbidden."""
    if caller.is_member or (caller.project is not None and not caller.chosen and caller.user is None):
        raise Forbidden("only an owner or admin of the instance, or an account's key, may change a project's plan")


def set_plan(tx: Tx, account: int, project: Project, plan: str, plans: Plans) -> Project:
    """Raises Invalid for one that there is not."""
    if plan not in plans.tables:
        raise Invalid(f"there is no plan {quoted(plan)}: it is one of {', '.join(plans.tables)}", field="plan")
    store.set_plan(tx, account, project.id, plan)
    detail = {"plan": plan, "plan_before": project.plan}
    audit.record_in(tx, project.id, "project.update", target=_target(project), name=project.name, detail=detail)
    return msgspec.structs.replace(project, plan=plan, updated_at=tx.now_ms)


def _first_plan(tx: Tx, caller: Caller, plans: Plans) -> str:
    """What the instance's owner makes, or a key of theirs, is unlimited."""
    user = None if caller.user is None else users.by_id(tx, caller.account, caller.user)
    return UNLIMITED if user is None or user.role == "owner" else plans.default


def _free_name(tx: Tx, account: int, text: str) -> str:
    name = names.check(text)
    if store.by_name(tx, account, name):
        raise Conflict(f"there is a project named {name} already", field="name")
    return name
