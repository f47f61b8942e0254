"""Accounts and API keys: who calls, and what they may do.

Users, passwords and plans will live here too; until then there is one account, made when first needed.
"""

import hmac
import os
from collections.abc import Collection, Iterable

import msgspec

from delta_server.core import ids, names, origins, secrets, times
from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from delta_server.core.scopes import ALL, INGEST, in_order, opened
from delta_server.core.secrets import Kind
from delta_server.features.accounts import schemas, store
from delta_server.features.accounts.schemas import ApiKey as ApiKey
from delta_server.features.accounts.schemas import KeyAnswer, NewKey
from delta_server.features.accounts.store import ListedKey, StoredKey
from delta_server.features.accounts.store import delete_keys_of as delete_keys_of
from delta_server.features.accounts.store import revoke_keys_of as revoke_keys_of
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse

SCOPES = tuple(scope for scope in ALL if scope != INGEST)
"""What keys may have that are secrets."""
_WRITE_KEY_SCOPES = (INGEST,)

EXPIRES_SOON_MS = 3_600_000
"""A key that expires within the hour is not one to be left with."""
_NEWEST = 1 << 62


class LastUses(dict[int, int]):
    """By API key's row, when it was last used, until the next of the periodic writes."""


_NOBODY = StoredKey(0, 0, None, bytes(32), "", None, None, "[]")


def authenticate(svc: Services, key_text: str) -> Caller:
    """Who the key belongs to. Raises Unauthorized.

    The row is read at every request (a few microseconds), so a revoked key stops working at once. Only who holds the
    whole key is answered that it is revoked or expired; a wrong secret and an unknown key get the same answer.
    """
    sent = secrets.parse(key_text)
    key = svc.db.peek(store.key, sent.public_id) or _NOBODY
    if not hmac.compare_digest(key.secret_hash, sent.secret_hash):
        raise Unauthorized("the API key is not known here: check that it was made on this server and copied whole")
    if key.revoked_at is not None:
        raise Unauthorized("the API key has been revoked: use another one")
    now_ms = svc.clock.now_ms()
    if key.expires_at is not None and key.expires_at <= now_ms:
        raise Unauthorized("the API key has expired: use another one")
    svc.state(LastUses)[key.id] = now_ms
    return Caller(
        account=key.account,
        project=key.project,
        scopes=opened(key.scopes),
        key_id=sent.public_id,
        origins=tuple(msgspec.json.decode(key.origins)) if sent.kind is Kind.WRITE else None,
    )


async def create_key(svc: Services, caller: Caller, new: NewKey, idempotency_key: IdempotencyKey) -> StoredResponse:
    """Make a key in the caller's account or project. Raises Invalid, and NotFound for the project.

    The answer kept for a repeated request lacks the key itself, which is stored nowhere.
    """
    return await svc.db.write(_create_key, caller, new, os.urandom(secrets.RANDOM_BYTES), idempotency_key)


async def list_key_page(svc: Services, caller: Caller, *, below: int | None, limit: int) -> list[ListedKey]:
    """The newest first, those made before the row `below`."""
    return await svc.db.read(
        store.page, caller.account, caller.project, below=_NEWEST if below is None else below, limit=limit
    )


async def revoke_key_by_id(svc: Services, caller: Caller, public_id: str, *, even_if_last: bool) -> None:
    """The key stops working at once. Raises NotFound when there is none to revoke, Conflict as `revoke_for` does."""
    if even_if_last:
        await svc.db.write(revoke_key, caller.account, caller.project, public_id)
    else:
        await svc.db.write(revoke_for, caller, public_id)
    svc.live.check_access()


def default_account(tx: Tx) -> int:
    """The account everything belongs to until there are users."""
    found = store.account_named(tx, store.DEFAULT_ACCOUNT)
    return store.insert_account(tx, store.DEFAULT_ACCOUNT) if found is None else found


def find_default_account(tx: Tx) -> int | None:
    """None in a database without any project."""
    return store.account_named(tx, store.DEFAULT_ACCOUNT)


def add_key(
    tx: Tx,
    account: int,
    project: int | None,
    *,
    randomness: bytes,
    scopes: Collection[str],
    name: str = "",
    expires_at: int | None = None,
) -> str:
    """Make a key of the project, of the account when `project` is None; its text, which is stored nowhere.

    Takes `secrets.RANDOM_BYTES` random bytes. Raises Invalid, and NotFound for a deleted project.
    """
    wanted = in_order(scopes)
    if not wanted or not set(scopes) <= set(SCOPES):
        more = "; ingest alone is the scope of keys of kind write" if INGEST in wanted else ""
        raise Invalid(f"scopes must be one or more of {', '.join(SCOPES)}{more}", field="scopes")
    text = secrets.make(Kind.ACCOUNT if project is None else Kind.PROJECT, randomness)
    _insert(tx, account, project, text=text, scopes=wanted, name=name, expires_at=expires_at, sites=())
    return text


def add_write_key(
    tx: Tx,
    account: int,
    project: int,
    *,
    randomness: bytes,
    sites: Iterable[str] = (origins.ANY,),
    name: str = "",
    expires_at: int | None = None,
) -> str:
    """Make a key that may only send events to the project, from browsers on these sites; its text, as `add_key`."""
    text = secrets.make(Kind.WRITE, randomness)
    _insert(
        tx,
        account,
        project,
        text=text,
        scopes=_WRITE_KEY_SCOPES,
        name=name,
        expires_at=expires_at,
        sites=origins.check(sites),
    )
    return text


def _insert(
    tx: Tx,
    account: int,
    project: int | None,
    *,
    text: str,
    scopes: Iterable[str],
    name: str,
    expires_at: int | None,
    sites: Iterable[str],
) -> None:
    if expires_at is not None and not tx.now_ms < expires_at <= times.LATEST_MS:
        raise Invalid("expires_at must be in the future, before the year 10000", field="expires_at")
    if project is not None:
        check_project(tx, project)
    key = secrets.parse(text)
    store.insert_key(
        tx,
        account,
        project,
        public_id=key.public_id,
        secret_hash=key.secret_hash,
        name=names.check(name) if name else "",
        scopes=" ".join(scopes),
        expires_at=expires_at,
        origins=msgspec.json.encode(tuple(sites)).decode(),
    )


def list_keys(tx: Tx, account: int) -> list[ApiKey]:
    """All of them, the newest first."""
    return [schemas.api_key(row, tx.now_ms) for row in store.page(tx, account, None, below=_NEWEST, limit=10_000)]


@frees_space
def revoke_key(tx: Tx, account: int, project: int | None, public_id: str) -> None:
    """A project's caller reaches that project's keys only. Raises NotFound."""
    if not store.revoke(tx, account, project, public_id):
        raise NotFound("there is no such key to revoke: it may have been revoked before")


@frees_space
def revoke_for(tx: Tx, caller: Caller, public_id: str) -> None:
    """As `revoke_key`. Raises Conflict for the last key that could make others where the caller's belongs: without it
    the way back is a command on the machine of the server. An account's key may take a project's last one, for which
    it can make another."""
    own = None if caller.chosen else caller.project
    last = store.is_last_admin(tx, caller.account, own, public_id, until_ms=tx.now_ms + EXPIRES_SOON_MS)
    revoke_key(tx, caller.account, caller.project, public_id)
    if last:
        owner = "account" if own is None else "project"
        raise Conflict(
            f"this is the last key of the {owner} with the scope admin: make another one first, or say"
            " ?even_if_last=true to be left without any"
        )


def check_project(tx: Tx, project: int) -> None:
    """For writes in a project: the key was good when the request came, but the project may have been deleted while the
    write waited its turn. Raises NotFound."""
    if not store.project_is_there(tx, project):
        raise NotFound("the project has been deleted")


def _create_key(
    tx: Tx, caller: Caller, new: NewKey, randomness: bytes, idempotency_key: IdempotencyKey
) -> StoredResponse:
    if answer := idempotency_key.replay(tx):
        return answer
    project = _project_for(tx, caller, new.project_id)
    _refuse_more_than_its_own(caller, new)
    text = _add_key_of_kind(tx, caller.account, project, new, randomness)
    made = store.listed(tx, caller.account, secrets.parse(text).public_id)
    assert made is not None
    kept = KeyAnswer(schemas.api_key(made, tx.now_ms), key=None)
    answer = idempotency_key.record(tx, 201, msgspec.json.encode(kept))
    return msgspec.structs.replace(answer, body=msgspec.json.encode(msgspec.structs.replace(kept, key=text)))


def _scopes_of(new: NewKey) -> tuple[str, ...]:
    if new.scopes is not None:
        return new.scopes
    return _WRITE_KEY_SCOPES if new.kind == "write" else ("write",)


def _refuse_more_than_its_own(caller: Caller, new: NewKey) -> None:
    """Raises Forbidden."""
    if missing := opened(" ".join(_scopes_of(new))) - caller.scopes:
        raise Forbidden(
            f"a key makes none that may do more than itself, and this one lacks {', '.join(in_order(missing))}:"
            " leave those out of scopes, or use a key that has them"
        )


def _add_key_of_kind(tx: Tx, account: int, project: int | None, new: NewKey, randomness: bytes) -> str:
    """The text of a key of the wanted kind. Raises Invalid for what does not go with the kind."""
    expires_at = None if new.expires_at is None else times.parse(new.expires_at, field="expires_at")
    if new.kind is not None and project is None:
        raise Invalid(f"a {new.kind} key belongs to a project: name it", field="project_id")
    if new.kind != "write" or project is None:
        if new.origins is not None:
            raise Invalid(
                "origins are for keys of kind write; other keys must not be used in web pages", field="origins"
            )
        scopes = _scopes_of(new)
        return add_key(tx, account, project, randomness=randomness, scopes=scopes, name=new.name, expires_at=expires_at)
    if new.scopes not in (None, _WRITE_KEY_SCOPES):
        raise Invalid("a write key has one scope, ingest: leave scopes out", field="scopes")
    sites = (origins.ANY,) if new.origins is None else new.origins
    return add_write_key(tx, account, project, randomness=randomness, sites=sites, name=new.name, expires_at=expires_at)


def _project_for(tx: Tx, caller: Caller, wanted: str | None) -> int | None:
    """The project a new key is for; None for an account's key. Raises NotFound."""
    if wanted is None:
        return caller.project
    uid = ids.try_parse(wanted)
    project = store.project_with(tx, caller.account, uid=uid, name=names.normal(wanted) if uid is None else None)
    if project is None or caller.project not in (None, project):
        raise NotFound("there is no such project: GET /v1/projects lists those this key sees")
    return project
