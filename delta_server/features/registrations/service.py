"""Making an account of one's own, where `auth.registration` is open.

Where mails are sent there is no account before its address is confirmed: what was typed waits in a row of its own, so
nobody holds an address that is not theirs. The mailed link alone does not confirm it, the password that was chosen is
wanted as well: who is mailed a stranger's registration cannot be made to open the account for them.
"""

from functools import partial
from hashlib import sha256

import msgspec

from delta_server.core import emails, ids, mails, names, passwords, times
from delta_server.core.errors import Conflict, Forbidden, Unauthorized
from delta_server.core.links import link
from delta_server.core.mails import Mail
from delta_server.features.accounts import service as accounts
from delta_server.features.mails import service as mailing
from delta_server.features.registrations import store
from delta_server.features.registrations.schemas import Confirmation, Confirmed, Registered, Registration
from delta_server.features.registrations.store import Waiting
from delta_server.features.users import service as users
from delta_server.services import Services
from delta_server.storage import jobs
from delta_server.storage.database import Tx
from delta_server.storage.jobs import NO_PROJECT

JOB = "registration mail"
"""The kind of its jobs; their arguments are a `MailArguments`."""
LASTS_MS = times.DAY_MS
_REFUSED = {
    "closed": "registration is closed: ask an owner or admin of this server to add you (`delta-server user add`)",
    "invite": "registration is by invitation: ask an owner or admin for one, and accept it by"
    " POST /v1/invitations/accept",
}


class MailArguments(msgspec.Struct, frozen=True):
    account: int
    registration: str


async def register(svc: Services, new: Registration, *, address: str) -> Registered:
    """Make a member of the instance, or mail a link that does. An address that is taken is answered alike, after as
    long. Raises Forbidden where registration is not open, Conflict before there is an owner, Invalid, RateLimited."""
    if (refused := _REFUSED.get(svc.config.auth.registration)) is not None:
        raise Forbidden(refused)
    if users.needs_setup(svc):
        raise Conflict("this server has no owner yet: set it up first, by the link that it prints at its start")
    email = emails.check(new.email)
    passwords.check(new.password, email)
    name = names.check(new.name) if new.name else ""
    if not mailing.are_sent(svc):
        hash = await svc.state(users.Hashing).hashed(svc, new.password)
        await svc.db.write(_make, email, name, hash)
        return Registered(email, confirmation=False)
    mailing.check_client(svc, address)
    if mailing.may_be_sent_to(svc, email):
        hash = await svc.state(users.Hashing).hashed(svc, new.password)
        await svc.db.write(_wait, email, name, hash)
        svc.topics.wake("jobs")
    return Registered(email, confirmation=True)


def _make(tx: Tx, email: str, name: str, hash: str) -> None:
    taken = users.by_email(tx, email)
    if taken is None:
        users.join(tx, email=email, name=name, role="member", password=hash)
    else:
        users.note_registered_again(tx, taken)


def _wait(tx: Tx, email: str, name: str, hash: str) -> None:
    """The same for every address: whether it is taken shows when the mail is composed."""
    uid, account = tx.new_id(), accounts.default_account(tx)
    token = _digest(_token(tx, uid))
    store.insert(
        tx, account, uid=uid, email=email, name=name, password=hash, hash=token, expires_at=tx.now_ms + LASTS_MS
    )
    arguments = MailArguments(account, ids.text(uid))
    jobs.enqueue(tx, NO_PROJECT, JOB, msgspec.json.encode(arguments).decode())


def _token(tx: Tx, uid: bytes) -> str:
    """Derived with a key that is not in the database: the mail can be composed again without it being stored."""
    return f"dc_{tx.sign('registration', uid).hex()}"


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def compose(tx: Tx, arguments: MailArguments, public_url: str) -> Mail | None:
    """None when it has expired, or the address was confirmed meanwhile."""
    waiting = store.by_uid(tx, arguments.account, ids.parse(arguments.registration, "registration"))
    if waiting is None:
        return None
    if (taken := users.by_email(tx, waiting.email)) is not None:
        users.note_registered_again(tx, taken)
        return mails.registered_again(waiting.email, server=public_url)
    address = link(public_url, "confirm", _token(tx, waiting.uid))
    if address is None:
        return None
    return mails.confirmation(waiting.email, address, expires_at=waiting.expires_at, server=public_url)


async def confirm(svc: Services, given: Confirmation, *, address: str) -> Confirmed:
    """Make the account that waits. Raises Forbidden for the token, Unauthorized for the password, RateLimited, Conflict
    where the address got an account meanwhile."""
    waiting = svc.db.peek(_waiting, given.token)  # who has no link costs no hash
    counted = (f"user {waiting.email}", f"address {address}")
    if not await users.matches(svc, waiting.password, given.password, counted):
        raise Unauthorized("this is not the password that was chosen with this link: register again to choose another")
    await svc.db.write(partial(_confirm, token=given.token))
    return Confirmed(waiting.email)


def _confirm(tx: Tx, token: str) -> None:
    waiting = _waiting(tx, token)
    users.join(tx, email=waiting.email, name=waiting.name, role="member", password=waiting.password)
    store.delete_of(tx, waiting.account, waiting.email)


def _waiting(tx: Tx, token: str) -> Waiting:
    """Raises Forbidden."""
    found = store.by_hash(tx, _digest(token))
    if found is None:
        raise Forbidden("the link is wrong, was used before or has expired: register again")
    return found


def sweep(tx: Tx, limit: int) -> int:
    return store.delete_expired(tx, limit)
