"""Whoever an authenticating proxy names in a header of the request signs in as the user with that e-mail address.

The proxy has asked for the password and the second factor, so none is asked for here. The word of anybody else is not
listened to; that the proxy sets the header itself, or removes it, is up to the operator.
"""

from collections.abc import Sequence

from delta_server.core import emails
from delta_server.core.errors import Forbidden, Invalid, Unauthorized
from delta_server.features.users import joining, service, sessions, store, tokens, trail
from delta_server.features.users.schemas import Tokens
from delta_server.features.users.sessions import Client
from delta_server.features.users.store import User
from delta_server.services import Services
from delta_server.storage.database import Tx


def is_on(svc: Services, *, from_trusted_proxy: bool) -> bool:
    return bool(svc.config.auth.trusted_header.header) and from_trusted_proxy


async def login(svc: Services, values: Sequence[str], client: Client, *, from_trusted_proxy: bool) -> Tokens:
    """Begin a session of the user that the header's `values` name. Raises Forbidden where there is no such way to sign
    in, and for who may not; Unauthorized unless there is one value, an e-mail address."""
    options = svc.config.auth.trusted_header
    if not options.header:
        raise Forbidden("no proxy signs people in here: sign in by POST /v1/auth/login (auth.trusted_header is off)")
    if not from_trusted_proxy:
        raise Forbidden(f"{options.header} counts in requests of server.trusted_proxies only, and this is none of them")
    email = _address(values, options.header)
    if service.needs_setup(svc):
        raise Forbidden("the first owner of this server is made by POST /v1/setup; then the proxy can sign people in")
    known = svc.db.peek(store.by_email, email)
    await tokens.prepare(svc)

    def user_in(tx: Tx) -> User:
        found = store.by_email(tx, email)
        if found is None and not options.auto_create:
            raise Forbidden("the proxy names somebody who is not a user here: ask an owner or an admin to be added")
        return found or joining.make(tx, email=email, name="", role="member", password=None)

    try:
        return await sessions.begin(svc, user_in, client, {"method": "header"})
    except (Unauthorized, Forbidden):
        await trail.note_failure(svc, "login", known, email)
        raise


def _address(values: Sequence[str], header: str) -> str:
    """Raises Unauthorized."""
    if len(values) != 1 or not values[0].strip():
        was = "is missing or empty" if not any(value.strip() for value in values) else "came more than once"
        raise Unauthorized(f"{header} {was}: the proxy has to set it once, to the e-mail address of who signed in")
    try:
        return emails.check(values[0], field=header)
    except Invalid as error:
        raise Unauthorized(f"{error.message}: so the proxy has to name who signed in") from None
