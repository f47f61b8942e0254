"""Accounts and API keys: who calls, and what they may do.

Users, passwords and plans will live here too; until then there is one account, made when first needed.
"""

import hmac
from collections.abc import Iterable

from delta_server.core import secrets
from delta_server.core.errors import Invalid, Unauthorized
from delta_server.core.secrets import Kind
from delta_server.features.accounts import store
from delta_server.features.accounts.store import ListedKey, StoredKey
from delta_server.http.auth import Caller
from delta_server.services import Services
from delta_server.storage.database import Tx

SCOPES = ("read", "write", "admin")

_NOBODY = StoredKey(0, 0, None, bytes(32), "", None, None)


def authenticate(svc: Services, key_text: str) -> Caller:
    """Who the key belongs to. Raises Unauthorized.

    The row is read at every request (a few microseconds), so a revoked key stops working at once. Only who holds the
    whole key is told that it is revoked or expired; a wrong secret and an unknown key get the same answer.
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
    svc.keys_used[key.id] = now_ms
    return Caller(account=key.account, project=key.project, scopes=frozenset(key.scopes.split()), key_id=sent.public_id)


def default_account(tx: Tx) -> int:
    """The account everything belongs to until there are users."""
    found = store.account_named(tx, store.DEFAULT_ACCOUNT)
    return store.insert_account(tx, store.DEFAULT_ACCOUNT) if found is None else found


def add_key(
    tx: Tx,
    account: int,
    project: int | None,
    *,
    randomness: bytes,
    name: str = "",
    scopes: Iterable[str],
    expires_at: int | None = None,
) -> str:
    """Make a key of the project, of the account when `project` is None; its text, which is nowhere kept.

    Raises Invalid. Takes `secrets.RANDOM_BYTES` random bytes.
    """
    wanted = sorted(set(scopes))
    if not wanted or not set(SCOPES).issuperset(wanted):
        raise Invalid(f"scopes must be some of {', '.join(SCOPES)}", field="scopes")
    if expires_at is not None and expires_at <= tx.now_ms:
        raise Invalid("expires_at must be in the future", field="expires_at")
    text = secrets.make(Kind.ACCOUNT if project is None else Kind.PROJECT, randomness)
    key = secrets.parse(text)
    store.insert_key(
        tx,
        account,
        project,
        public_id=key.public_id,
        secret_hash=key.secret_hash,
        name=name,
        scopes=" ".join(wanted),
        expires_at=expires_at,
    )
    return text


def list_keys(tx: Tx, account: int) -> list[ListedKey]:
    return store.keys(tx, account)


def revoke_key(tx: Tx, account: int, public_id: str) -> bool:
    """Whether there was such a key to revoke."""
    return store.revoke(tx, account, public_id) == 1


def revoke_keys_of(tx: Tx, project: int) -> None:
    store.revoke_all_of(tx, project)


def delete_keys_of(tx: Tx, project: int) -> None:
    store.delete_all_of(tx, project)
