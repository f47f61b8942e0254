"""Sessions of people. Every way of signing in ends in `begin`.

A session's access token (core/access_tokens.py) is valid for minutes, its refresh token gets the next pair, once: a
token that is used again later than a lost answer explains was copied, and ends the session.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from delta_server.core import access_tokens, ids
from delta_server.core.access_tokens import Claims
from delta_server.core.caller import Caller
from delta_server.core.errors import NotFound, Unauthorized
from delta_server.features.accounts import service as accounts
from delta_server.features.audit.service import Action
from delta_server.features.users import schemas, store, trail
from delta_server.features.users.schemas import Tokens
from delta_server.features.users.store import Refresh, Session, User
from delta_server.features.users.tokens import Signer, digest, new_refresh, next_refresh, prepare
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space

GRACE_MS = 30_000
"""A refresh token is good once more for so long, for its answer may have been lost."""
REMEMBERED = 100
"""Refresh tokens of a session that are known to have been used."""
DAY_MS = 24 * 3_600_000
_CLIENT_CHARACTERS = 200


class Client(msgspec.Struct, frozen=True):
    """Where somebody signs in: `address` is what limits count by, `program` the User-Agent."""

    address: str
    program: str


async def begin(
    svc: Services, user_in: Callable[[Tx], User], client: Client, detail: Mapping[str, Any] | None = None
) -> Tokens:
    """Sign in the user that `user_in` returns, in the transaction of the session: it makes or looks up the user, and
    raises for who may not sign in, so that nothing has changed in between. `detail` is for the record. Raises
    Unauthorized for a disabled one."""
    await prepare(svc)
    refresh = new_refresh()

    def write(tx: Tx) -> tuple[User, bytes]:
        user = user_in(tx)
        if user.disabled_at is not None:
            raise Unauthorized("this user has been disabled")
        expires_at = _ends(svc, began_at=tx.now_ms, now_ms=tx.now_ms)
        program = client.program[:_CLIENT_CHARACTERS]
        session, uid = store.insert_session(tx, user.id, expires_at=expires_at, address=client.address, client=program)
        store.insert_refresh(tx, session, digest(refresh))
        trail.record(tx, user, "login", detail, by_self=True)
        return user, uid

    user, session = await svc.db.write(write)
    return _tokens(svc, user, session, refresh)


def _ends(svc: Services, *, began_at: int, now_ms: int) -> int:
    auth = svc.config.auth
    return min(now_ms + auth.idle_days * DAY_MS, began_at + auth.session_days * DAY_MS)


def _tokens(svc: Services, user: User, session: bytes, refresh: str) -> Tokens:
    claims = Claims(ids.text(user.uid), ids.text(session))
    access = access_tokens.make(Signer.of(svc).key, claims, svc.clock.now_ms())
    return Tokens(access, "Bearer", access_tokens.LIFE_S, schemas.user(user), refresh)


async def refresh(svc: Services, token: str) -> Tokens:
    """The next pair of tokens. Raises Unauthorized; for a token that was used before, the session is over."""
    svc.db.peek(_known, token)  # who has none costs no write
    new = next_refresh(Signer.of(svc).key, token)
    found = await svc.db.write(lambda tx: _rotate(svc, tx, token, new))
    if found is None:
        svc.live.check_access()
        raise Unauthorized("this refresh token was used before, so its session has been ended: sign in again")
    user, session = found
    return _tokens(svc, user, session, new)


def _rotate(svc: Services, tx: Tx, token: str, new: str) -> tuple[User, bytes] | None:
    """None when the token was used before, and its session is revoked. Raises Unauthorized."""
    known = _known(tx, token)
    uid, began_at = store.began(tx, known.user, known.session)
    if known.replaced_at is None:
        store.replace_refresh(tx, known.session, digest(token), keep=REMEMBERED)
        store.insert_refresh(tx, known.session, digest(new))
    elif not 0 <= tx.now_ms - known.replaced_at <= GRACE_MS or _is_used(tx, new):
        store.revoke_session(tx, known.user, uid)
        _record(tx, known.user, "session.revoke", {"reason": "a refresh token was used twice"})
        return None
    expires_at = _ends(svc, began_at=began_at, now_ms=tx.now_ms)
    store.use_session(tx, known.user, known.session, expires_at=expires_at)
    user = store.by_id(tx, accounts.default_account(tx), known.user)
    assert user is not None, "a session's user is there"
    return user, uid


def _known(tx: Tx, token: str) -> Refresh:
    """Raises Unauthorized."""
    known = store.refresh(tx, digest(token))
    if known is None:
        raise Unauthorized("the refresh token is not known, or its session is over: sign in again")
    return known


def _is_used(tx: Tx, token: str) -> bool:
    known = store.refresh(tx, digest(token))
    return known is None or known.replaced_at is not None


async def page(svc: Services, caller: Caller, *, below: int, limit: int) -> list[Session]:
    """The caller's, the newest first, with rows below `below`."""
    return await svc.db.read(store.sessions, user_of(caller), below=below, limit=limit)


async def logout(svc: Services, caller: Caller) -> None:
    """End the caller's session."""
    assert caller.session is not None
    uid, _ = svc.db.peek(store.began, user_of(caller), caller.session)
    await svc.db.write(revoke, user_of(caller), uid, "logout")
    svc.live.check_access()


async def logout_by_refresh(svc: Services, token: str) -> None:
    """End the session of a refresh token, if it is not over. One that was replaced will do: who signs out is not to
    stay signed in because another tab was faster."""
    if (known := svc.db.peek(store.refresh, digest(token))) is not None:
        uid, _ = svc.db.peek(store.began, known.user, known.session)
        await svc.db.write(revoke, known.user, uid, "logout")
        svc.live.check_access()


async def revoke_by_id(svc: Services, caller: Caller, text: str) -> None:
    """Raises NotFound for a session that is not the caller's, or over."""
    uid = ids.try_parse(text)
    if uid is None or not await svc.db.write(revoke, user_of(caller), uid, "session.revoke"):
        raise NotFound("there is no such session: GET /v1/auth/sessions lists yours")
    svc.live.check_access()


@frees_space
def revoke(tx: Tx, user: int, uid: bytes, action: Action) -> int:
    ended = store.revoke_session(tx, user, uid)
    if ended:
        _record(tx, user, action, {"session": ids.text(uid)})
    return ended


def end_session(tx: Tx, session: int, owner: str) -> int:
    """End a session if it is that of the person with the id `owner`; 0 when it is over."""
    uid = ids.try_parse(owner)
    found = None if uid is None else store.session_of(tx, session, uid)
    return 0 if found is None else revoke(tx, *found, "session.revoke")


def _record(tx: Tx, user: int, action: Action, detail: Mapping[str, Any]) -> None:
    """Who logs out may have shown no more than the refresh token."""
    if (found := store.by_id(tx, accounts.default_account(tx), user)) is not None:
        trail.record(tx, found, action, detail, by_self=action == "logout")


async def revoke_others(svc: Services, caller: Caller) -> int:
    """End all of the caller's sessions but this one; how many."""
    ended = await svc.db.write(_revoke_others, user_of(caller), caller.session)
    svc.live.check_access()
    return ended


@frees_space
def _revoke_others(tx: Tx, user: int, session: int | None) -> int:
    ended = store.revoke_sessions(tx, user, but=session)
    _record(tx, user, "session.revoke", {"sessions": ended})
    return ended


def sweep(tx: Tx, limit: int) -> int:
    """Delete up to `limit` sessions that ended a week ago."""
    return store.delete_ended(tx, tx.now_ms - 7 * DAY_MS, limit)


def user_of(caller: Caller) -> int:
    assert caller.user is not None, "the gate lets only people through to these routes"
    return caller.user
