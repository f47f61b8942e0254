"""Who deletes their own account. Projects, and keys made in them, belong to the instance and stay."""

from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict
from delta_server.features.projects import store
from delta_server.features.users import service as users
from delta_server.features.users.service import User
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space

_NAMED = 5


async def delete_own_account(svc: Services, caller: Caller, password: str, *, force: bool) -> None:
    """All sessions and memberships end. Raises Invalid for the password, RateLimited, and Conflict for who owns
    projects and, without `force`, for the last owner of the instance."""
    user = await users.confirmed(svc, caller, password)
    await svc.db.write(_delete, user, force)
    svc.live.check_access()


@frees_space
def _delete(tx: Tx, user: User, force: bool) -> None:
    if owned := store.names_owned(tx, user.account, user.id, limit=_NAMED):
        named = ", ".join(owned)
        raise Conflict(f"you own projects ({named}): transfer them first, by POST /v1/projects/{{project_id}}/transfer")
    store.remove_memberships(tx, user.id)
    users.delete(tx, user, force=force)
