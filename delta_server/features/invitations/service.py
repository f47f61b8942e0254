"""Invitations: a link that makes somebody a member of a project, or of the instance, once and within days.

An invitation is the yes of whoever made it: it works however registration is configured, gives no more than they have,
and nothing any more once they have lost it. Nobody learns by inviting whether an address has an account.
"""

from hashlib import sha256
from typing import Generic, TypeVar

import msgspec

from delta_server.core import emails, ids, mails, times
from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict, Forbidden, Invalid, NotFound, RateLimited
from delta_server.core.links import link
from delta_server.core.mails import Mail
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.invitations import rights, schemas, store
from delta_server.features.invitations.schemas import (
    Acceptance,
    AcceptedAnswer,
    InvitationAnswer,
    NewInstanceInvitation,
    NewInvitation,
    Place,
)
from delta_server.features.invitations.store import Invitation
from delta_server.features.mails import service as mailing
from delta_server.features.projects import service as projects
from delta_server.features.projects.service import SCOPES_OF
from delta_server.features.users import service as users
from delta_server.features.users.service import User
from delta_server.services import Services
from delta_server.storage import jobs
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse
from delta_server.storage.jobs import NO_PROJECT

N = TypeVar("N", bound=NewInvitation | NewInstanceInvitation)

JOB = "invitation mail"
"""The kind of its jobs; their arguments are a `MailArguments`."""
LONGEST_MS = 90 * times.DAY_MS
KEPT_MS = 30 * times.DAY_MS
"""How long one is listed after it has expired."""
MOST_OPEN = 1000
"""Of a project, or of the instance."""
_NO_MORE = (
    "the invitation is wrong, was used or revoked, has expired, or whoever made it may not invite any more: ask for"
    " another one"
)


# Inviting


async def invite(
    svc: Services, caller: Caller, project: str, new: NewInvitation, idempotency_key: IdempotencyKey
) -> StoredResponse:
    """Into a project. Raises NotFound for it, Invalid, Forbidden for a role with more than the caller has, Conflict
    when too many are open, RateLimited when too many were mailed."""
    wanted = _wanted(svc, new, caller)
    answer = await svc.db.write(_invite, caller, project, wanted, idempotency_key)
    svc.topics.wake("jobs")
    return answer


async def invite_to_instance(
    svc: Services, caller: Caller, new: NewInstanceInvitation, idempotency_key: IdempotencyKey
) -> StoredResponse:
    """Raises Invalid, Forbidden for a role above the caller's, Conflict when too many are open."""
    wanted = _wanted(svc, new, caller)
    answer = await svc.db.write(_invite_to_instance, caller, wanted, idempotency_key)
    svc.topics.wake("jobs")
    return answer


class Wanted(msgspec.Struct, Generic[N], frozen=True):
    """An invitation as it is asked for; `is_mailed` unless too many were. Who does not vouch for the address
    (`shows_token` false) does not learn what accepts it where mails are sent: only who reads its mails does."""

    new: N
    public_url: str
    is_mailed: bool
    shows_token: bool


def _wanted(svc: Services, new: N, caller: Caller | None) -> Wanted[N]:
    are_sent = mailing.are_sent(svc)
    vouches = caller is None or rights.vouches(caller)
    is_mailed = are_sent and (caller is None or vouches or mailing.may_be_sent_by(svc, _sender(caller)))
    is_mailed = is_mailed and mailing.may_be_sent_to(svc, emails.normal(new.email))
    return Wanted(new, svc.config.server.public_url, is_mailed, shows_token=vouches or not are_sent)


def _sender(caller: Caller) -> str:
    """Whose mails are counted together: more keys of a project send no more."""
    return f"project {caller.project}" if caller.user is None else f"user {caller.user}"


def _invite(
    tx: Tx, caller: Caller, text: str, wanted: Wanted[NewInvitation], idempotency_key: IdempotencyKey
) -> StoredResponse:
    if answer := idempotency_key.replay(tx):
        return answer
    project = projects.find(tx, caller, text)
    projects.refuse_more_than_own(caller, wanted.new.role)
    if not wanted.is_mailed and not wanted.shows_token:  # an invitation that reaches nobody
        raise RateLimited(
            "too many invitations were mailed, to this address or by you: try again later",
            retry_after_s=mailing.AGAIN_S,
        )
    row, token = _insert(tx, caller.account, caller, project.id, wanted)
    return _answer(tx, row, token, wanted, idempotency_key)


def _invite_to_instance(
    tx: Tx, caller: Caller, wanted: Wanted[NewInstanceInvitation], idempotency_key: IdempotencyKey
) -> StoredResponse:
    if answer := idempotency_key.replay(tx):
        return answer
    _refuse_higher_role(tx, caller, wanted.new.role)
    row, token = _insert(tx, caller.account, caller, None, wanted)
    return _answer(tx, row, token, wanted, idempotency_key)


def _refuse_higher_role(tx: Tx, caller: Caller, role: str) -> None:
    """A key gives no ownership, whoever made it. Raises Forbidden."""
    if caller.user is None:
        may = role != "owner" and (role == "member" or SCOPES_OF["admin"] <= caller.scopes)
    else:
        own = users.by_id(tx, caller.account, caller.user)
        may = own is not None and not users.outranks(role, own.role)
    if not may:
        raise Forbidden(f"nobody gives more than they have, and this lacks the role {role} of the instance")


def _insert(
    tx: Tx, account: int, caller: Caller | None, project: int | None, wanted: Wanted[N]
) -> tuple[Invitation, str]:
    """The invitation, which takes the place of an open one for the same address, and its token."""
    new = wanted.new
    email = emails.check(new.email)
    lasts_ms = times.parse_length(new.expires_in, field="expires_in")
    if lasts_ms > LONGEST_MS:
        raise Invalid("expires_in must be at most 90d", field="expires_in")
    store.revoke_for(tx, account, project, email)
    if store.count_open(tx, account, project, most=MOST_OPEN) >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} invitations are open: revoke some that nobody will accept")
    uid = tx.new_id()
    token = token_of(tx, uid)
    made = store.insert(
        tx,
        account,
        project,
        uid=uid,
        email=email,
        role=new.role,
        hash=_digest(token),
        made_by_user=None if caller is None else caller.user,
        made_by_key=None if caller is None or caller.user is not None else caller.key_id,
        expires_at=tx.now_ms + lasts_ms,
    )
    detail = {"role": new.role, "expires_at": times.format(made.expires_at)}
    audit.record(tx, account, "invitation.create", project=project, target=_target(uid), name=email, detail=detail)
    if wanted.is_mailed:
        arguments = msgspec.json.encode(MailArguments(account, project, ids.text(uid))).decode()
        jobs.enqueue(tx, NO_PROJECT if project is None else project, JOB, arguments)
    return made, token


def token_of(tx: Tx, uid: bytes) -> str:
    """Derived with a key that is not in the database: it can be mailed again without being stored anywhere."""
    return f"di_{tx.sign('invitation', uid).hex()}"


def _digest(token: str) -> bytes:
    """Of 256 bits that nobody can guess: a slow hash would protect them no better."""
    return sha256(token.encode()).digest()


def _target(uid: bytes) -> str:
    return f"invitation {ids.text(uid)}"


def _answer(tx: Tx, row: Invitation, token: str, wanted: Wanted[N], idempotency_key: IdempotencyKey) -> StoredResponse:
    """What is kept for a repeated request lacks the token."""
    full = _full(tx, row, token, wanted)
    kept = msgspec.structs.replace(full, token=None, link=None)
    answer = idempotency_key.record(tx, 201, msgspec.json.encode(kept))
    return msgspec.structs.replace(answer, body=msgspec.json.encode(full))


def _full(tx: Tx, row: Invitation, token: str, wanted: Wanted[N]) -> InvitationAnswer:
    full = InvitationAnswer(
        _shown(tx, row), token=token, link=link(wanted.public_url, "invitation", token), mailed=wanted.is_mailed
    )
    return full if wanted.shows_token else msgspec.structs.replace(full, token=None, link=None)


def _shown(tx: Tx, row: Invitation) -> schemas.Invitation:
    by = row.made_by_key
    if row.made_by_user is not None:
        user = users.by_id(tx, row.account, row.made_by_user)
        by = None if user is None else user.email
    return schemas.invitation(row, _place(tx, row), by, tx.now_ms)


def _place(tx: Tx, row: Invitation) -> Place:
    project = None if row.project is None else projects.by_id(tx, row.account, row.project)
    return Place() if project is None else Place(ids.text(project.uid), project.name)


# Those that are there


async def list_invitations(
    svc: Services, caller: Caller, project: str | None, *, below: int, limit: int
) -> list[tuple[int, schemas.Invitation]]:
    """The newest first, with their rows, those below `below`. Raises NotFound for the project."""
    return await svc.db.read(_page, caller, project, below=below, limit=limit)


def _page(tx: Tx, caller: Caller, text: str | None, *, below: int, limit: int) -> list[tuple[int, schemas.Invitation]]:
    project = None if text is None else projects.find(tx, caller, text).id
    rows = store.page(tx, caller.account, project, below=below, limit=limit)
    return [(row.id, _shown(tx, row)) for row in rows]


async def revoke(svc: Services, caller: Caller, project: str | None, id: str) -> None:
    """Raises NotFound."""
    await svc.db.write(_revoke, caller, project, id)


@frees_space
def _revoke(tx: Tx, caller: Caller, text: str | None, id: str) -> None:
    project = None if text is None else projects.find(tx, caller, text).id
    uid = ids.try_parse(id)
    email = None if uid is None else store.revoke(tx, caller.account, project, uid)
    if uid is None or email is None:
        raise NotFound("there is no such invitation to revoke: it may have been accepted or revoked before")
    audit.record(tx, caller.account, "invitation.revoke", project=project, target=_target(uid), name=email)


def sweep(tx: Tx, limit: int) -> int:
    return store.delete_expired(tx, tx.now_ms - KEPT_MS, limit)


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    """Delete up to `limit` of a deleted project; False when there are none."""
    return store.delete_some(tx, project, limit)


# Accepting


async def accept(svc: Services, caller: Caller | None, acceptance: Acceptance, *, address: str) -> AcceptedAnswer:
    """By who is signed in, or with a password. Raises Forbidden, alike for all tokens that accept nothing, Invalid,
    Unauthorized for the password, RateLimited, Conflict before there is an owner."""
    invitation = svc.db.peek(_acceptable, acceptance.token)  # who has no token costs no hash
    if users.needs_setup(svc):
        raise Conflict("this server has no owner yet: set it up first, by the link that it prints at its start")
    join = await _joining(svc, caller, invitation, acceptance, address)

    def write(tx: Tx) -> AcceptedAnswer:
        return _admit(tx, _acceptable(tx, acceptance.token), join)

    accepted = await svc.db.write(write)
    svc.live.check_access()
    return accepted


async def _joining(
    svc: Services, caller: Caller | None, invitation: Invitation, acceptance: Acceptance, address: str
) -> users.Join:
    if caller is None:
        if acceptance.password is None:
            raise Invalid(
                "sign in and send the access token, or choose a password and a name for a new account", field="password"
            )
        if (svc.config.auth.oidc.issuer or svc.config.auth.trusted_header.header) and not svc.db.peek(
            rights.vouched, invitation
        ):
            raise Forbidden(
                "whoever invited does not vouch for the address: sign in first, then accept with the access token"
            )
        return await users.by_password(svc, invitation.email, acceptance.password, acceptance.name, address=address)
    user = users.me(svc, caller)
    if user.email != invitation.email:
        raise Forbidden("the invitation is for another address: sign in with that, or accept it without signing in")
    return lambda tx, _: _still_there(tx, user)


def _still_there(tx: Tx, user: User) -> User:
    now = users.by_id(tx, user.account, user.id)
    if now is None or now.disabled_at is not None or now.email != user.email:
        raise Forbidden(_NO_MORE)
    return now


def _admit(tx: Tx, invitation: Invitation, join: users.Join) -> AcceptedAnswer:
    """In one transaction: the user, what they are now, and the end of the invitation."""
    account, project = invitation.account, invitation.project
    user = join(tx, invitation.role if project is None else "member")
    actor = tx.actor.named(f"user {ids.text(user.uid)}")
    detail = {"role": invitation.role}
    audit.record(
        tx,
        account,
        "invitation.accept",
        project=project,
        target=_target(invitation.uid),
        name=user.email,
        detail=detail,
        actor=actor,
    )
    store.accept(tx, account, invitation.id)
    if project is not None:
        role = projects.admit(tx, account, project, user, invitation.role, actor)
    else:
        role = user.role
        if users.outranks(invitation.role, role):
            users.set_role(tx, user, invitation.role)
            role = invitation.role
    place = _place(tx, invitation)
    return AcceptedAnswer(user.email, place.id, place.name, role)


def _acceptable(tx: Tx, token: str) -> Invitation:
    """Raises Forbidden."""
    found = store.by_hash(tx, _digest(token))
    if found is None or not rights.may_still_give(tx, found):
        raise Forbidden(_NO_MORE)
    return found


# By command and by mail


async def invite_by_command(
    svc: Services, project: str | None, new: NewInvitation | NewInstanceInvitation
) -> InvitationAnswer:
    """Raises Invalid, NotFound for the project, Conflict."""
    answer = await svc.db.write(_invite_by_command, project, _wanted(svc, new, None))
    svc.topics.wake("jobs")
    return answer


def _invite_by_command(tx: Tx, project: str | None, wanted: Wanted[N]) -> InvitationAnswer:
    account = accounts.default_account(tx)
    found = None if project is None else projects.named(tx, account, project).id
    row, token = _insert(tx, account, None, found, wanted)
    return _full(tx, row, token, wanted)


class MailArguments(msgspec.Struct, frozen=True):
    """Of a job; `invitation` is the id."""

    account: int
    project: int | None
    invitation: str


def compose(tx: Tx, arguments: MailArguments, public_url: str) -> Mail | None:
    """None when it can no longer be accepted."""
    uid = ids.parse(arguments.invitation, "invitation")
    row = store.by_uid(tx, arguments.account, arguments.project, uid)
    address = link(public_url, "invitation", token_of(tx, uid))
    if row is None or address is None or not rights.may_still_give(tx, row):
        return None
    shown = _shown(tx, row)
    inviter = shown.invited_by if row.made_by_user is not None else None
    return mails.invitation(
        row.email,
        address,
        inviter=inviter,
        project=shown.project,
        role=row.role,
        expires_at=row.expires_at,
        server=public_url,
    )
