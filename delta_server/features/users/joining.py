"""People who join by what somebody else granted: new ones, and those who show by their password that they are there."""

from collections.abc import Callable

from delta_server.core import emails, names, passwords
from delta_server.core.errors import Conflict, Unauthorized
from delta_server.features.accounts import service as accounts
from delta_server.features.users import password_checks, second_factor, store, trail
from delta_server.features.users.failures import Failures
from delta_server.features.users.hashing import Hashing
from delta_server.features.users.store import User
from delta_server.services import Services
from delta_server.storage.database import Tx

Join = Callable[[Tx, str], User]
"""(tx, role): the user, who is made with that role in the instance if they are new."""

_CHANGED = "the account was changed at the same time: try again"


async def by_password(svc: Services, email: str, password: str, name: str, *, address: str) -> Join:
    """The user with this address, of whom the password must be, or a new one with it, after as long. Which it was
    shows by the answer: only for whom the address or an admin vouches. Raises Invalid, Unauthorized, RateLimited."""
    passwords.check(password, email)
    name = names.check(name) if name else ""
    user = svc.db.peek(store.by_email, email)
    if user is not None:
        await _require(svc, user, password, address)
        known = user
        return lambda tx, _: second_factor.by_password(tx, known, changed=Conflict(_CHANGED))
    hash = await svc.state(Hashing).hashed(svc, password)
    return lambda tx, role: join(tx, email=email, name=name, role=role, password=hash)


async def _require(svc: Services, user: User, password: str, address: str) -> None:
    counted = (f"user {user.email[: emails.MAX_CHARACTERS]}", f"address {address}")
    if not await password_checks.matches(svc, user, password, counted) or user.disabled_at is not None:
        password_checks.fail(svc, counted)
        await trail.note_failure(svc, "login", user, user.email)
        raise Unauthorized("the password is wrong: sign in first, then accept with the access token")
    svc.state(Failures).forget(counted[0])
    if svc.db.peek(second_factor.is_on, user.id):
        raise Unauthorized("a code is wanted too: sign in first, then accept with the access token")


def join(tx: Tx, *, email: str, name: str, role: str, password: str | None) -> User:
    """Raises Conflict for an address that somebody has taken meanwhile."""
    if store.by_email(tx, email) is not None:
        raise Conflict(_CHANGED)
    return make(tx, email=email, name=name, role=role, password=password)


def note_registered_again(tx: Tx, user: User) -> None:
    """Somebody gave the user's address where accounts are made."""
    trail.record(tx, user, "user.register_again")


def make(tx: Tx, *, email: str, name: str, role: str, password: str | None, by_self: bool = True) -> User:
    user = store.insert(tx, accounts.default_account(tx), email=email, name=name, role=role, password=password)
    trail.record(tx, user, "user.create", {"role": role}, by_self=by_self)
    return user
