"""People who sign in: the first owner, passwords, and what each may do where."""

import hmac
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from delta_server.core import access_tokens, emails, ids, names, passwords, scopes
from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict, Forbidden, NotFound, RateLimited, Unauthorized
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.users import joining, password_checks, second_factor, sessions, store, trail
from delta_server.features.users.failures import Failures
from delta_server.features.users.hashing import Hashing as Hashing
from delta_server.features.users.joining import Join as Join
from delta_server.features.users.joining import by_password as by_password
from delta_server.features.users.joining import join as join
from delta_server.features.users.joining import note_registered_again as note_registered_again
from delta_server.features.users.password_checks import check_failures as check_failures
from delta_server.features.users.password_checks import fail as fail
from delta_server.features.users.schemas import CodeWanted, FirstOwner, PasswordChange, PasswordReset, Tokens
from delta_server.features.users.schemas import InstanceRole as InstanceRole
from delta_server.features.users.sessions import Client
from delta_server.features.users.sessions import end_session as end_session
from delta_server.features.users.store import User as User
from delta_server.features.users.store import all_of as all_of
from delta_server.features.users.store import last_seen as last_seen
from delta_server.features.users.store import revoke_all_sessions as revoke_all_sessions
from delta_server.features.users.tokens import Signer as Signer
from delta_server.features.users.tokens import digest
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space

SETUP_MS, RESET_MS = 30 * 60_000, 24 * 3_600_000
ROLES = ("owner", "admin", "member")
_WRONG = "the e-mail address or the password is wrong"


def speak_for(svc: Services, token: str) -> Caller:
    """Whose access token it is. Raises Unauthorized. Members have no project yet, and no scopes but to read lists of
    what they see: `projects.narrowed` gives them those of their role."""
    if needs_setup(svc):
        raise Unauthorized("nobody has signed in here yet: this is not a key or token of this server")
    claims = access_tokens.read(Signer.of(svc).key, token, svc.clock.now_ms())
    uid = ids.try_parse(claims.session)
    found = None if uid is None else svc.db.peek(store.signed_in, uid)
    if found is None:
        raise Unauthorized("the session is over: sign in again by POST /v1/auth/login")
    is_member = found.role == "member"
    return Caller(
        account=found.account,
        project=None,
        scopes=scopes.opened("read" if is_member else "admin"),
        key_id=f"user {claims.user}",
        user=found.user,
        session=found.session,
        is_member=is_member,
        is_newcomer=is_member and svc.config.auth.registration == "open",
    )


# The first owner


class StartToken:
    """The token for the first owner that the server prints when it starts."""

    def __init__(self) -> None:
        self._digest = b""
        self._made_ms = 0

    def make(self, now_ms: int) -> str:
        token = os.urandom(24).hex()
        self._digest, self._made_ms = digest(token), now_ms
        return token

    def is_good(self, token: str, now_ms: int) -> bool:
        return 0 <= now_ms - self._made_ms < SETUP_MS and hmac.compare_digest(self._digest, digest(token))


def setup_token(svc: Services) -> str | None:
    """A new token for the first owner, valid for SETUP_MS while this server runs; None when there are users."""
    return svc.state(StartToken).make(svc.clock.now_ms()) if needs_setup(svc) else None


def add_setup_link(tx: Tx, token: str) -> bool:
    """Whether the token is good now: not when there are users."""
    if store.any_user(tx):
        return False
    store.insert_link(tx, None, digest(token), expires_at=tx.now_ms + SETUP_MS)
    return True


def needs_setup(svc: Services) -> bool:
    return not svc.db.peek(store.any_user)


async def set_up(svc: Services, first: FirstOwner, client: Client) -> Tokens:
    """Make the first owner, and sign in. Raises Invalid, Conflict when there are users, Forbidden for the token."""
    email, name = _checked(first.email, first.name, first.password)
    printed = svc.state(StartToken).is_good(first.token, svc.clock.now_ms())
    svc.db.peek(_check_set_up, first.token, printed)  # who has no token costs no hash
    hash = await svc.state(Hashing).hashed(svc, first.password)

    def owner(tx: Tx) -> User:
        _check_set_up(tx, first.token, printed)
        store.delete_link(tx, None, digest(first.token))
        return joining.make(tx, email=email, name=name, role="owner", password=hash, by_self=False)

    return await sessions.begin(svc, owner, client)


def _check_set_up(tx: Tx, token: str, printed: bool) -> None:
    """Raises Conflict, Forbidden."""
    if store.any_user(tx):
        raise Conflict("this server has an owner already: sign in, or ask the owner for an invitation")
    if store.link(tx, digest(token)) != (None,) and not printed:
        raise Forbidden(
            "the set-up token is wrong or has expired: `delta-server setup-link` and each start print a new one"
        )


def add(tx: Tx, *, email: str, name: str, role: str, password: str | None) -> User:
    """`password` is hashed. Raises Conflict for an address that is taken."""
    if store.by_email(tx, email) is not None:
        raise Conflict(f"there is a user {email} already", field="email")
    return joining.make(tx, email=email, name=name, role=role, password=password, by_self=False)


# Signing in


async def login(svc: Services, email: str, password: str, client: Client) -> Tokens | CodeWanted:
    """Begin a session, or ask for a code of the second factor. Raises Unauthorized, alike and after as long for an
    unknown user and a wrong password, and RateLimited after many failures for the user or from the address."""
    email = emails.normal(email)
    counted = (f"user {email[: emails.MAX_CHARACTERS]}", f"address {client.address}")
    user = svc.db.peek(store.by_email, email)
    try:
        is_right = await password_checks.matches(svc, user, password, counted)
    except RateLimited:
        await trail.note_failure(svc, "login", user, email)
        raise
    if not is_right or user is None or user.disabled_at is not None:
        password_checks.fail(svc, counted)
        await trail.note_failure(svc, "login", user, email)
        raise Unauthorized(_WRONG)
    svc.state(Failures).forget(counted[0])
    if (wanted := second_factor.wanted(svc, user)) is not None:
        return wanted
    return await sessions.begin(
        svc, lambda tx: second_factor.by_password(tx, user, changed=Unauthorized(_WRONG)), client
    )


# Passwords


async def change_password(svc: Services, caller: Caller, change: PasswordChange) -> None:
    """All other sessions end. Raises Invalid for the new password, Unauthorized for the current one, RateLimited."""
    user = me(svc, caller)
    passwords.check(change.new_password, user.email, field="new_password")
    await password_checks.require(svc, user, change.current_password, field="current_password")
    hash = await svc.state(Hashing).hashed(svc, change.new_password)

    def write(tx: Tx) -> None:
        if store.unchanged(tx, user) is None:
            raise Unauthorized("the password was changed in the meantime: sign in again")
        _set_password(tx, user, hash, but=caller.session)
        trail.record(tx, user, "password.change")

    await svc.db.write(write)
    svc.live.check_access()


async def reset_password(svc: Services, reset: PasswordReset) -> None:
    """By the token of a link; all sessions end. Raises Invalid, Forbidden for the token, which is used up."""
    user = svc.db.peek(_owner_of_link, reset.token)  # who has no link costs no hash
    passwords.check(reset.new_password, user.email, field="new_password")
    hash = await svc.state(Hashing).hashed(svc, reset.new_password)

    def write(tx: Tx) -> None:
        owner = _owner_of_link(tx, reset.token)
        _set_password(tx, owner, hash)
        trail.record(tx, owner, "password.reset", by_self=True)

    await svc.db.write(write)
    svc.live.check_access()


def _owner_of_link(tx: Tx, token: str) -> User:
    """Raises Forbidden."""
    found = store.link(tx, digest(token))
    account = accounts.find_default_account(tx)
    user = None if found is None or found[0] is None or account is None else store.by_id(tx, account, found[0])
    if user is None or user.disabled_at is not None:
        raise Forbidden("the link is wrong, was used before or has expired: ask for another one")
    return user


def _set_password(tx: Tx, user: User, hash: str, but: int | None = None) -> None:
    store.set_password(tx, user.account, user.id, hash)
    store.delete_links(tx, user.id)
    store.revoke_sessions(tx, user.id, but=but)


def by_id(tx: Tx, account: int, user: int) -> User | None:
    return store.by_id(tx, account, user)


def first_owner(tx: Tx, account: int) -> User | None:
    """Of the instance: who was there first."""
    return store.first_owner(tx, account)


def by_email(tx: Tx, email: str) -> User | None:
    """By the normal form of the address."""
    return store.by_email(tx, email)


async def matches(svc: Services, hash: str, password: str, counted: tuple[str, ...]) -> bool:
    """A password that is not a user's yet. Raises RateLimited when one of `counted` has failed too often."""
    check = partial(password_checks.check_failures, svc, counted)
    check()
    is_right = await svc.state(Hashing).matches(svc, hash, password, check=check)
    if not is_right:
        password_checks.fail(svc, counted)
    return is_right


def find(tx: Tx, account: int, text: str) -> User:
    """By id or e-mail address. Raises NotFound."""
    uid = ids.try_parse(text)
    found = store.by_email(tx, emails.normal(text)) if uid is None else store.by_uid(tx, account, uid)
    if found is None:
        raise NotFound("there is no such user: give an id or the e-mail address of one who was added, or invite them")
    return found


def has_second_factor(tx: Tx, user: int) -> bool:
    found = store.second_factor(tx, user)
    return found is not None and found.confirmed_at is not None


def outranks(role: str, other: str) -> bool:
    """Whether the role in the instance may do more than the other."""
    return ROLES.index(role) < ROLES.index(other)


def me(svc: Services, caller: Caller) -> User:
    found = svc.db.peek(store.by_id, caller.account, sessions.user_of(caller))
    assert found is not None, "the caller's user is there"
    return found


def me_and_factor(svc: Services, caller: Caller) -> tuple[User, bool, int]:
    """Who is signed in, whether they have a second factor, and how many recovery codes are left."""
    user = me(svc, caller)
    return user, svc.db.peek(second_factor.is_on, user.id), svc.db.peek(store.count_recovery_codes, user.id)


async def confirmed(svc: Services, caller: Caller, password: str) -> User:
    """Who is signed in, and has given the password again. Raises Invalid, RateLimited."""
    user = me(svc, caller)
    await password_checks.require(svc, user, password, field="password")
    return user


def delete(tx: Tx, user: User, *, force: bool) -> None:
    """With sessions, links and the second factor; whose rows elsewhere name the user deletes those first. Raises
    Conflict for the last owner without `force`."""
    user = store.by_id(tx, user.account, user.id) or user  # the role may have changed
    if not force:
        _keep_an_owner(tx, user)
    trail.record(tx, user, "user.delete")
    store.delete_user(tx, user.account, user.id)


# By command


def named(tx: Tx, email: str) -> User:
    """Raises NotFound."""
    user = store.by_email(tx, emails.normal(email))
    if user is None:
        raise NotFound(f"there is no user {email}: `delta-server user list` shows all")
    return user


def page(tx: Tx, *, after: str, limit: int) -> list[User]:
    """By e-mail address, those behind `after`."""
    account = accounts.find_default_account(tx)
    return [] if account is None else store.all_of(tx, account, after=after, limit=limit)


def set_role(tx: Tx, user: User, role: str, *, force: bool = False) -> None:
    """Raises Conflict for the last owner without `force`."""
    if role != "owner" and not force:
        _keep_an_owner(tx, user)
    store.set_role(tx, user.account, user.id, role)
    trail.record(tx, user, "user.role", {"role": role, "before": user.role})


def disable(tx: Tx, user: User, *, force: bool = False) -> None:
    """All sessions end. Raises Conflict for the last owner without `force`."""
    if not force:
        _keep_an_owner(tx, user)
    store.set_disabled(tx, user.account, user.id, disabled=True)
    store.revoke_sessions(tx, user.id)
    trail.record(tx, user, "user.disable")


def barred(tx: Tx, account: int, limit: int) -> list[str]:
    """Ids of who was disabled or deleted, the last ones where they are very many."""
    deleted = [target.removeprefix("user ") for target in audit.targets(tx, account, "user.delete", limit)]
    return [*map(ids.text, store.disabled(tx, account, limit)), *deleted]


@frees_space
def disable_again(tx: Tx, account: int, uids: Sequence[str]) -> int:
    """How many of these could sign in: in a restored database, of which the one before knew more. The last owner still
    can."""
    count = 0
    for uid in uids:
        user = store.by_uid(tx, account, ids.parse(uid))
        if user is not None and user.disabled_at is None:
            with suppress(Conflict):
                disable(tx, user)
                count += 1
    return count


def roles_changed(tx: Tx, account: int, limit: int) -> list[tuple[str, str]]:
    """Id and role of who was given another in the instance, the last ones where they are very many."""
    uids = [target.removeprefix("user ") for target in audit.targets(tx, account, "user.role", limit)]
    found = [store.by_uid(tx, account, ids.parse(uid)) for uid in dict.fromkeys(uids)]
    return [(ids.text(user.uid), user.role) for user in found if user is not None]


@frees_space
def lower_again(tx: Tx, account: int, roles: Sequence[tuple[str, str]]) -> int:
    """How many of these could do more in the instance, as `disable_again`. The last owner stays one."""
    count = 0
    for uid, role in roles:
        user = store.by_uid(tx, account, ids.parse(uid))
        if user is not None and outranks(user.role, role):
            with suppress(Conflict):
                set_role(tx, user, role)
                count += 1
    return count


def enable(tx: Tx, user: User) -> None:
    store.set_disabled(tx, user.account, user.id, disabled=False)
    trail.record(tx, user, "user.enable")


def add_reset_link(tx: Tx, user: User, token: str) -> None:
    store.insert_link(tx, user.id, digest(token), expires_at=tx.now_ms + RESET_MS)
    trail.record(tx, user, "user.reset_link")


def _keep_an_owner(tx: Tx, user: User) -> None:
    if user.role == "owner" and store.other_owners(tx, user.account, user.id) == 0:
        raise Conflict(
            f"{user.email} is the last owner: make another one first. To be left without any, say ?force=true when"
            " leaving, or --force to `delta-server user role` and `user disable`"
        )


def _checked(email: str, name: str, password: str) -> tuple[str, str]:
    email = emails.check(email)
    passwords.check(password, email)
    return email, names.check(name) if name else ""
