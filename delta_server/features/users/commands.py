"""`user ...` and `setup-link` of the command line."""

import os
from typing import Any

import msgspec

from delta_server.core import emails, names, passwords
from delta_server.features.users import second_factor, service, tokens
from delta_server.features.users.store import User
from delta_server.services import Services
from delta_server.tasks.commands import Command, NoArguments, Progress

LISTED_AT_ONCE = 1000
"""Users in one answer: a list of all would hold the server up."""


class NewUser(msgspec.Struct, frozen=True):
    email: str
    role: str
    name: str
    password: str


class Named(msgspec.Struct, frozen=True):
    email: str


class UsersBehind(msgspec.Struct, frozen=True):
    """Those whose e-mail addresses come after this one."""

    email: str


class RoleChange(msgspec.Struct, frozen=True):
    """With `force` of the last owner, too."""

    email: str
    role: str
    force: bool = False


class Disabling(msgspec.Struct, frozen=True):
    """With `force` of the last owner, too."""

    email: str
    force: bool = False


class ListedUser(msgspec.Struct, frozen=True):
    email: str
    name: str
    role: str
    state: str
    created_at: int


async def _add(svc: Services, new: NewUser, _: Progress) -> str:
    """The e-mail address as it is kept. Raises Invalid, Conflict."""
    email = emails.check(new.email)
    passwords.check(new.password, email)
    name = names.check(new.name) if new.name else ""
    hash = await svc.state(service.Hashing).hashed(svc, new.password)
    await tokens.prepare(svc)
    await svc.db.write(service.add, email=email, name=name, role=new.role, password=hash)
    return email


async def _list(svc: Services, behind: UsersBehind, _: Progress) -> list[ListedUser]:
    found = await svc.db.read(service.page, after=behind.email, limit=LISTED_AT_ONCE)
    return [_listed(user) for user in found]


def _listed(user: User) -> ListedUser:
    state = "active" if user.disabled_at is None else "disabled"
    return ListedUser(user.email, user.name, user.role, state, user.created_at)


async def _role(svc: Services, change: RoleChange, _: Progress) -> None:
    await svc.db.write(
        lambda tx: service.set_role(tx, service.named(tx, change.email), change.role, force=change.force)
    )
    svc.live.check_access()


async def _disable(svc: Services, one: Disabling, _: Progress) -> None:
    await svc.db.write(lambda tx: service.disable(tx, service.named(tx, one.email), force=one.force))
    svc.live.check_access()


async def _enable(svc: Services, named: Named, _: Progress) -> None:
    await svc.db.write(lambda tx: service.enable(tx, service.named(tx, named.email)))


async def _reset_link(svc: Services, named: Named, _: Progress) -> str:
    token = os.urandom(24).hex()
    await svc.db.write(lambda tx: service.add_reset_link(tx, service.named(tx, named.email), token))
    return token


async def _reset_totp(svc: Services, named: Named, _: Progress) -> bool:
    """Whether there was a second factor."""
    return await svc.db.write(lambda tx: second_factor.remove(tx, service.named(tx, named.email)))


async def _setup_link(svc: Services, __: NoArguments, _: Progress) -> str | None:
    token = os.urandom(24).hex()
    return token if await svc.db.write(service.add_setup_link, token) else None


COMMANDS: dict[str, Command] = {
    "user add": Command(NewUser, str, _add),
    "user list": Command(UsersBehind, list[ListedUser], _list),
    "user role": Command(RoleChange, Any, _role),
    "user disable": Command(Disabling, Any, _disable),
    "user enable": Command(Named, Any, _enable),
    "user reset-link": Command(Named, str, _reset_link),
    "user reset-totp": Command(Named, bool, _reset_totp),
    "setup-link": Command(NoArguments, str | None, _setup_link),
}
