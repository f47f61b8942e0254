"""Accounts and API keys: who calls, and what they may do. There is one account, made when it is first needed."""

import hmac
import os
from collections.abc import Sequence

import msgspec

from delta_server.core import ids, secret_addresses, secrets, times
from delta_server.core.actor import Actor
from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict, Forbidden, NotFound, Unauthorized
from delta_server.core.scopes import VISITS, opened
from delta_server.core.secrets import Kind
from delta_server.features.accounts import making, schemas, store
from delta_server.features.accounts.making import SCOPES as SCOPES
from delta_server.features.accounts.making import add_key as add_key
from delta_server.features.accounts.making import add_write_key as add_write_key
from delta_server.features.accounts.making import admit_key as admit_key
from delta_server.features.accounts.making import check_project as check_project
from delta_server.features.accounts.schemas import ApiKey as ApiKey
from delta_server.features.accounts.schemas import NewKey, Rotation
from delta_server.features.accounts.store import StoredKey
from delta_server.features.accounts.store import delete_keys_of as delete_keys_of
from delta_server.features.audit import service as audit
from delta_server.services import Services
from delta_server.storage.database import ACTING, Tx, frees_space
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse

_NEWEST = 1 << 62
_MOST_ROTATIONS = 1000


class LastUses(dict[int, int]):
    """By API key's row, when it was last used, until the next of the periodic writes."""


class FirstUses(dict[int, tuple[Actor, int]]):
    """By API key's row, who used it for the first time and when, until that is on record."""


class KeyNumbers(dict[str, int]):
    """The numbers of keys by their ids, of those that sent something lately. They never change."""


MOST_KEY_NUMBERS = 10_000
MOST_KEY_IDS = 1_000
"""So many keys of a project are looked among for the one that an event came with."""

_NOBODY = StoredKey(0, 0, None, bytes(32), "", None, None, "[]", None)


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
    if key.project_deleted_at is not None:
        raise _of_deleted_project(svc.db.peek(store.project_in_bin, key.project))
    svc.state(LastUses)[key.id] = now_ms
    if key.last_used_at is None and key.id not in svc.state(FirstUses):
        # A key of a website is first used by a visitor, whose address shall be kept nowhere.
        acting = Actor("") if VISITS in key.scopes.split() else ACTING.get()
        svc.state(FirstUses)[key.id] = acting.named(f"key {sent.public_id}"), now_ms
    return Caller(
        account=key.account,
        project=key.project,
        scopes=opened(key.scopes),
        key_id=sent.public_id,
        origins=tuple(msgspec.json.decode(key.origins)) if sent.kind is Kind.WRITE else None,
    )


def _of_deleted_project(in_bin: tuple[bytes, int] | None) -> Forbidden | Unauthorized:
    """While the project may be restored its keys are refused and stay: they are valid again with it."""
    if in_bin is None:
        return Unauthorized("the API key's project has been deleted: use another key")
    uid, purge_at = in_bin
    return Forbidden(
        f"the key's project was deleted, and lies in the bin until {times.format(purge_at)}: an account's key or an"
        f" admin restores it by POST /v1/projects/{ids.text(uid)}/restore"
    )


async def create_key(svc: Services, caller: Caller, new: NewKey, idempotency_key: IdempotencyKey) -> StoredResponse:
    """Make a key in the caller's account or project. Raises Invalid, Forbidden for more than the caller has, and
    NotFound for the project."""
    return await svc.db.write(making.create, caller, new, os.urandom(secrets.RANDOM_BYTES), idempotency_key)


async def rotate_key(
    svc: Services, caller: Caller, public_id: str, rotation: Rotation, idempotency_key: IdempotencyKey
) -> StoredResponse:
    """Make a key that takes the place of that one. Raises NotFound, Conflict, and as `create_key`."""
    randomness = os.urandom(secrets.RANDOM_BYTES)
    answer = await svc.db.write(making.rotate, caller, public_id, rotation, randomness, idempotency_key)
    svc.live.check_access()
    return answer


async def list_key_page(svc: Services, caller: Caller, *, below: int | None, limit: int) -> list[tuple[int, ApiKey]]:
    return await svc.db.read(list_keys, caller.account, caller.project, below=below, limit=limit)


async def revoke_key_by_id(svc: Services, caller: Caller, public_id: str, *, force: bool) -> None:
    """The key stops working at once. Raises NotFound when there is none to revoke, Conflict as `revoke_for` does."""
    if force:
        await svc.db.write(revoke_key, caller.account, caller.project, public_id)
    else:
        await svc.db.write(revoke_for, caller, public_id)
    svc.live.check_access()


def any_key(tx: Tx, account: int) -> bool:
    return store.any_key(tx, account)


def rotate(
    tx: Tx, account: int, public_id: str, *, randomness: bytes, overlap: str, lasts_ms: int | None
) -> tuple[str, ApiKey]:
    """By a command: as `making.replace`; the new key's text, and the old key. Raises NotFound, Conflict, Invalid."""
    old, project = making.find(tx, account, public_id)
    if lasts_ms is None and old.expires_at is not None:
        lasts_ms = old.expires_at - old.created_at
    text, _ = making.replace(
        tx,
        account,
        project,
        old,
        randomness=randomness,
        overlap_ms=secret_addresses.overlap_ms(overlap, field="--overlap"),
        expires_at=None if lasts_ms is None else tx.now_ms + lasts_ms,
    )
    return text, shown(tx, account, public_id)


def scopes_now(tx: Tx, account: int, project: int | None, public_id: str) -> frozenset[str]:
    """What a key may do in the project, with None in the account, or the one that took its place; nothing for a key
    that is revoked or has expired."""
    for _ in range(_MOST_ROTATIONS):
        key, listed = store.key(tx, public_id), store.listed(tx, account, public_id)
        if key is None or listed is None or key.revoked_at is not None or key.project not in (None, project):
            return frozenset()
        if listed.replaced_by is None:
            return frozenset() if key.expires_at is not None and key.expires_at <= tx.now_ms else opened(key.scopes)
        public_id = listed.replaced_by
    return frozenset()


def shown(tx: Tx, account: int, public_id: str) -> ApiKey:
    """Raises NotFound."""
    return schemas.api_key(making.find(tx, account, public_id)[0], tx.now_ms)


def default_account(tx: Tx) -> int:
    """The account everything belongs to until there are users."""
    found = store.account_named(tx, store.DEFAULT_ACCOUNT)
    if found is not None:
        return found
    made = store.insert_account(tx, store.DEFAULT_ACCOUNT)
    audit.record(tx, made, "account.create", name=store.DEFAULT_ACCOUNT)
    return made


async def note_command(svc: Services, name: str) -> None:
    """Put a command of the command line on record that changes nothing a caller sees."""
    if (account := svc.db.peek(find_default_account)) is not None:
        await audit.note(svc, account, "command.run", target=name)


def find_default_account(tx: Tx) -> int | None:
    """None in a database without any project."""
    return store.account_named(tx, store.DEFAULT_ACCOUNT)


def list_keys(
    tx: Tx, account: int, project: int | None = None, *, below: int | None = None, limit: int = -1
) -> list[tuple[int, ApiKey]]:
    """The newest first, those made before the row `below`, with the row of each."""
    rows = store.page(tx, account, project, below=_NEWEST if below is None else below, limit=limit)
    return [(row.id, schemas.api_key(row, tx.now_ms)) for row in rows]


def record_first_uses(tx: Tx, uses: dict[int, tuple[Actor, int]]) -> None:
    """Each once: with it the key is known to have been used."""
    for key, (actor, at) in uses.items():
        if found := store.unused(tx, key):
            account, project, name = found
            detail = {"used_at": times.format(at)}
            audit.record(
                tx, account, "key.first_use", project=project, target=actor.name, name=name, detail=detail, actor=actor
            )
    store.write_last_uses(tx, {key: at for key, (_, at) in uses.items()})


@frees_space
def revoke_key(tx: Tx, account: int, project: int | None, public_id: str) -> None:
    """A project's caller reaches that project's keys only. Raises NotFound."""
    key = store.key(tx, public_id)
    if key is None or not store.revoke(tx, account, project, public_id):
        raise NotFound("there is no such key to revoke: it may have been revoked before")
    audit.record(tx, account, "key.revoke", project=key.project, target=f"key {public_id}")


def revoked_keys(tx: Tx, account: int, limit: int) -> list[str]:
    """Public ids, the last ones where they are very many."""
    return store.revoked(tx, account, limit)


@frees_space
def revoke_again(tx: Tx, account: int, public_ids: Sequence[str]) -> int:
    """How many of these keys were valid: in a restored database, of which the one before knew more."""
    return store.revoke_all(tx, account, public_ids)


@frees_space
def revoke_for(tx: Tx, caller: Caller, public_id: str) -> None:
    """As `revoke_key`. Raises Conflict for the last key that could make others where the caller's belongs: without it
    the way back is a command on the machine of the server."""
    last = making.is_last_admin(tx, caller, public_id)
    revoke_key(tx, caller.account, caller.project, public_id)
    if last:
        owner = "account" if caller.chosen or caller.project is None else "project"
        raise Conflict(
            f"this is the last key of the {owner} with the scope admin: make another one first, or say"
            " ?force=true to be left without any"
        )


def key_number(svc: Services, key_id: str) -> int:
    """The number that events are marked with which come with the key; 0 for what is no key."""
    numbers = svc.state(KeyNumbers)
    if (known := numbers.get(key_id)) is not None:
        return known
    key = svc.db.peek(store.key, key_id)
    if len(numbers) >= MOST_KEY_NUMBERS:
        numbers.clear()
    numbers[key_id] = found = key.id if key else 0
    return found


def key_ids(tx: Tx, project: int) -> dict[int, str]:
    """By their numbers, the ids of the newest keys that may have sent events to the project."""
    return store.key_ids(tx, project, most=MOST_KEY_IDS)
