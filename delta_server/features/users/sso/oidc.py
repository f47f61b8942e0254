"""Single sign-on by OpenID Connect: the authorization code flow with PKCE (RFC 6749, RFC 7636, RFC 9700).

GET /v1/auth/oidc/login      sends the browser to the provider, with a cookie that says which login this is
GET /v1/auth/oidc/callback   where the provider sends it back, with a code; begins the session
POST /v1/auth/oidc/link      of who is signed in: the same way, to sign in so from then on

No second factor of ours is asked for: that is the provider's.
"""

import asyncio
import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from delta_server.core import local_paths, oauth_errors
from delta_server.core.caller import Caller
from delta_server.core.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized
from delta_server.core.sealing import Unreadable
from delta_server.features.accounts import service as accounts
from delta_server.features.users import service, sessions, store, tokens, trail
from delta_server.features.users.schemas import Tokens
from delta_server.features.users.sessions import Client
from delta_server.features.users.sso import people
from delta_server.features.users.sso import store as identities
from delta_server.features.users.sso.people import Person
from delta_server.features.users.store import User
from delta_server.services import Services
from delta_server.storage.database import Tx

if TYPE_CHECKING:
    from delta_server.features.users.sso.provider import Provider

LOGIN_S = 600
"""How long somebody may take at the provider."""
_BOUND_TO = "oidc login"
_AGAIN = "begin again at GET /v1/auth/oidc/login, at the address that server.public_url says"
_REMEMBERED = 10_000


class Flow(msgspec.Struct, frozen=True):
    """A login under way, sealed in a cookie of the browser. `session` is that of who links, in hex."""

    state: str
    nonce: str
    verifier: str
    then: str
    expires_ms: int
    session: str = ""


class Begun(msgspec.Struct, frozen=True):
    """Where the browser goes, with which cookie."""

    location: str
    cookie: str


class Returned(msgspec.Struct, frozen=True):
    """What the browser brings back from the provider."""

    state: str
    code: str = ""
    error: str = ""
    issuer: str = ""


class Finished(msgspec.Struct, frozen=True):
    """`tokens` None after linking: the session stays the one it was."""

    then: str
    tokens: Tokens | None


class UsedStates(OrderedDict[str, None]):
    """Of logins that came back: each does once."""


def is_on(svc: Services) -> bool:
    return bool(svc.config.auth.oidc.issuer)


async def begin(svc: Services, then: str) -> Begun:
    """`then` is where the browser goes in the end, a path of ours. Raises NotFound where there is no provider,
    ExternalFailed."""
    _require_on(svc)
    return await _begin(svc, then, session="")


async def begin_link(svc: Services, caller: Caller, password: str, then: str) -> Begun:
    """Raises NotFound, Invalid for the password, RateLimited, ExternalFailed."""
    _require_on(svc)
    await service.confirmed(svc, caller, password)
    assert caller.session is not None
    uid, _ = svc.db.peek(store.began, sessions.user_of(caller), caller.session)
    return await _begin(svc, then, session=uid.hex())


async def unlink(svc: Services, caller: Caller) -> None:
    """Raises NotFound, Conflict for who could not sign in any more."""
    _require_on(svc)
    await svc.db.write(people.unlink, caller.account, sessions.user_of(caller), svc.config.auth.oidc.issuer)


async def _begin(svc: Services, then: str, *, session: str) -> Begun:
    document = await (await _provider(svc)).document()
    await tokens.prepare(svc)
    options = svc.config.auth.oidc
    flow = Flow(
        state=_random(),
        nonce=_random(),
        verifier=_random(),
        then=local_paths.local_path(then),
        expires_ms=svc.clock.now_ms() + LOGIN_S * 1000,
        session=session,
    )
    challenge = urlsafe_b64encode(sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": options.client_id,
        "redirect_uri": redirect_uri(svc),
        "scope": " ".join(options.scopes),
        "state": flow.state,
        "nonce": flow.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    joint = "&" if "?" in document.authorization_endpoint else "?"
    return Begun(f"{document.authorization_endpoint}{joint}{urlencode(query)}", _sealed(svc, flow))


async def finish(svc: Services, returned: Returned, cookie: str | None, client: Client) -> Finished:
    """Begin the session. Raises Forbidden for a login that this browser did not begin and for who may not sign in,
    Unauthorized for what the provider refuses or must not say, BadRequest, Conflict, ExternalFailed."""
    _require_on(svc)
    await tokens.prepare(svc)
    flow = _flow(svc, cookie)
    if not hmac.compare_digest(flow.state.encode(), returned.state.encode(errors="replace")):
        raise Forbidden(f"this browser began another login, or none: {_AGAIN}")
    _use(svc, flow.state)
    person = await _person(svc, flow, returned)
    if flow.session:
        await svc.db.write(people.link, person, bytes.fromhex(flow.session))
        return Finished(flow.then, None)
    options = svc.config.auth.oidc
    try:
        begun = await sessions.begin(
            svc, lambda tx: people.signed_in(tx, person, options), client, {"method": "oidc", "issuer": person.issuer}
        )
    except (Unauthorized, Forbidden, Conflict):
        await trail.note_failure(svc, "login", svc.db.peek(_user_of, person), person.email or person.subject)
        raise
    svc.live.check_access()  # the role may be another one
    return Finished(flow.then, begun)


async def _person(svc: Services, flow: Flow, returned: Returned) -> Person:
    provider = await _provider(svc)
    document = await provider.document()
    options = svc.config.auth.oidc
    said = returned.issuer
    if said != options.issuer and (said or document.authorization_response_iss_parameter_supported):
        raise Unauthorized("another identity provider sent the browser back (iss)")
    if returned.error:
        raise Unauthorized(f"the identity provider refused ({oauth_errors.plain(returned.error)})")
    if not returned.code:
        raise BadRequest("the identity provider sent the browser back without a code")
    claims = await provider.claims(returned.code, flow.verifier, redirect_uri=redirect_uri(svc), nonce=flow.nonce)
    return people.person(claims, options)


def _user_of(tx: Tx, person: Person) -> User | None:
    found = identities.user_of(tx, person.issuer, person.subject)
    account = accounts.find_default_account(tx)
    return None if found is None or account is None else store.by_id(tx, account, found)


def redirect_uri(svc: Services) -> str:
    """Of the configured address only: whoever writes a Host header sends nobody's code elsewhere."""
    return f"{svc.config.server.public_url.rstrip('/')}/v1/auth/oidc/callback"


def _require_on(svc: Services) -> None:
    if not is_on(svc):
        raise NotFound("there is no single sign-on here (auth.oidc is not configured): sign in by POST /v1/auth/login")


async def _provider(svc: Services) -> "Provider":
    kind = await asyncio.to_thread(_import_provider)
    return kind.of(svc)


def _import_provider() -> "type[Provider]":
    """On a thread, when somebody first signs in so: where nobody does it takes no memory."""
    from delta_server.features.users.sso.provider import Provider

    return Provider


def _random() -> str:
    return urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


def _sealed(svc: Services, flow: Flow) -> str:
    return urlsafe_b64encode(svc.vault.seal(msgspec.json.encode(flow), bound_to=_BOUND_TO)).decode()


def _flow(svc: Services, cookie: str | None) -> Flow:
    """Raises Forbidden."""
    if cookie is None:
        raise Forbidden(f"this browser has begun no login here, or its cookie is gone: {_AGAIN}")
    try:
        sealed = urlsafe_b64decode(cookie.encode("ascii"))
        flow = msgspec.json.decode(svc.vault.unseal(sealed, bound_to=_BOUND_TO), type=Flow)
    except (Unreadable, ValueError, msgspec.MsgspecError):
        raise Forbidden(f"the cookie of this login is not one of this server: {_AGAIN}") from None
    if flow.expires_ms <= svc.clock.now_ms():
        raise Forbidden(f"this login took longer than {LOGIN_S // 60} minutes: {_AGAIN}")
    return flow


def _use(svc: Services, state: str) -> None:
    """Raises Forbidden for one that was used before."""
    used = svc.state(UsedStates)
    if state in used:
        raise Forbidden(f"this login has come back before: {_AGAIN}")
    used[state] = None
    if len(used) > _REMEMBERED:
        used.popitem(last=False)
