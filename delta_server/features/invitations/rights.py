"""What whoever made an invitation may give by it, and whether their word stands for an address."""

from delta_server.core.caller import Caller
from delta_server.features.accounts import service as accounts
from delta_server.features.invitations.store import Invitation
from delta_server.features.projects import service as projects
from delta_server.features.projects.service import SCOPES_OF
from delta_server.features.users import service as users
from delta_server.storage.database import Tx

_SCOPE = "members:admin"


def vouches(caller: Caller) -> bool:
    """Whether the caller may hand over an account for any address: owners, admins and account keys of the instance.
    Members may be anybody, and so may whoever holds a key of a project: for them the address has to speak itself."""
    if caller.user is not None:
        return not caller.is_member
    return caller.project is None or caller.chosen


def vouched(tx: Tx, invitation: Invitation) -> bool:
    """As `vouches`, of whoever made the invitation, as they are now."""
    if invitation.made_by_user is not None:
        user = users.by_id(tx, invitation.account, invitation.made_by_user)
        return user is not None and user.role != "member"
    if invitation.made_by_key is None:
        return True
    return bool(accounts.scopes_now(tx, invitation.account, None, invitation.made_by_key))


def may_still_give(tx: Tx, invitation: Invitation) -> bool:
    """Whether whoever made the invitation could make it now, and what it is into is still there."""
    account, project = invitation.account, invitation.project
    if project is not None and projects.by_id(tx, account, project) is None:
        return False
    if invitation.made_by_user is not None:
        return _user_may_give(tx, invitation, invitation.made_by_user)
    if invitation.made_by_key is None:
        return True
    held = accounts.scopes_now(tx, account, project, invitation.made_by_key)
    if project is not None:
        return _SCOPE in held and SCOPES_OF[invitation.role] <= held
    return _SCOPE in held and (invitation.role == "member" or SCOPES_OF["admin"] <= held)


def _user_may_give(tx: Tx, invitation: Invitation, inviter: int) -> bool:
    user = users.by_id(tx, invitation.account, inviter)
    if user is None or user.disabled_at is not None:
        return False
    if user.role != "member":
        return invitation.project is not None or not users.outranks(invitation.role, user.role)
    return invitation.project is not None and projects.role_of(tx, invitation.project, inviter) == "admin"
