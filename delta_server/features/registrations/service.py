"""Making an account of one's own, where `auth.registration` is open."""

from delta_server.core import emails, names, passwords
from delta_server.core.errors import Conflict, Forbidden
from delta_server.features.registrations.schemas import Registered, Registration
from delta_server.features.users import service as users
from delta_server.services import Services
from delta_server.storage.database import Tx

_REFUSED = {
    "closed": "registration is closed: ask an owner or admin of this server to add you (`delta-server user add`)",
    "invite": "registration is by invitation: ask an owner or admin for one, and accept it by"
    " POST /v1/invitations/accept",
}


async def register(svc: Services, new: Registration) -> Registered:
    """Make a member of the instance. An address that is taken is answered alike, after as long, and nothing changes.
    Raises Forbidden where registration is not open, Conflict before there is an owner, Invalid."""
    if (refused := _REFUSED.get(svc.config.auth.registration)) is not None:
        raise Forbidden(refused)
    if users.needs_setup(svc):
        raise Conflict("this server has no owner yet: set it up first, by the link that it prints at its start")
    email = emails.check(new.email)
    passwords.check(new.password, email)
    name = names.check(new.name) if new.name else ""
    hash = await svc.state(users.Hashing).hashed(svc, new.password)

    def write(tx: Tx) -> None:
        taken = users.by_email(tx, email)
        if taken is None:
            users.join(tx, email=email, name=name, role="member", password=hash)
        else:
            users.note_registered_again(tx, taken)

    await svc.db.write(write)
    return Registered(email)
