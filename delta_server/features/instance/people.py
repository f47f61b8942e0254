"""The people of an instance, for its owners and admins: who there is, what they may do, and letting them in or not."""

import msgspec

from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict, Forbidden
from delta_server.features.users import service as users
from delta_server.features.users.service import InstanceRole, User
from delta_server.services import Services
from delta_server.storage.database import Tx


class KnownUser(msgspec.Struct, frozen=True):
    """`last_seen_at` is that of their sessions that are kept, None without any."""

    user: User
    last_seen_at: int | None
    has_second_factor: bool


async def list_users(svc: Services, caller: Caller, *, after: str, limit: int) -> list[KnownUser]:
    """By e-mail address, those behind `after`."""
    return await svc.db.read(_page, caller.account, after, limit)


def _page(tx: Tx, account: int, after: str, limit: int) -> list[KnownUser]:
    found = users.all_of(tx, account, after=after, limit=limit)
    return _known(tx, account, found)


def _known(tx: Tx, account: int, found: list[User]) -> list[KnownUser]:
    seen = users.last_seen(tx, account, [user.id for user in found])
    return [KnownUser(user, seen.get(user.id), users.has_second_factor(tx, user.id)) for user in found]


async def change_user(
    svc: Services, caller: Caller, user_id: str, *, role: InstanceRole | None, disabled: bool | None
) -> KnownUser:
    """Raises NotFound, Conflict for the last owner, Forbidden for whom the caller may not change."""
    changed = await svc.db.write(_change, caller, user_id, role, disabled)
    svc.live.check_access()
    return changed


def _change(tx: Tx, caller: Caller, user_id: str, role: InstanceRole | None, disabled: bool | None) -> KnownUser:
    user = users.find(tx, caller.account, user_id)
    _check_rank(tx, caller, user, role)
    if role is not None and role != user.role:
        users.set_role(tx, user, role)
    if disabled is not None and disabled != (user.disabled_at is not None):
        if disabled and user.id == caller.user:
            raise Conflict("nobody disables themselves: another owner or admin can")
        (users.disable if disabled else users.enable)(tx, user)
    changed = users.by_id(tx, caller.account, user.id)
    assert changed is not None, "the user was there"
    return _known(tx, caller.account, [changed])[0]


def _check_rank(tx: Tx, caller: Caller, user: User, role: InstanceRole | None) -> None:
    if caller.user is None:
        caller.require("admin")  # of the account: a key that may do less must not make an owner
        return
    own = users.by_id(tx, caller.account, caller.user)
    if own is None or any(users.outranks(other, own.role) for other in (user.role, role or user.role)):
        raise Forbidden("only an owner changes who is one, or makes one")
