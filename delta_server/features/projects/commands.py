"""`key ...` of the command line: here, because a key's project is made when it is not there."""

import os

import msgspec

from delta_server.core import secrets, times
from delta_server.core.scopes import INGEST
from delta_server.features.accounts import service as accounts
from delta_server.features.accounts.service import ApiKey
from delta_server.features.projects import service
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space
from delta_server.tasks.commands import Command, Progress

LISTED_AT_ONCE = 3000
"""Keys in one answer: a list of all would hold the server up."""


class NewKey(msgspec.Struct, frozen=True):
    """`project` is a name, None for a key of the account; `origins` are a write key's, None for other kinds. `lasts` is
    a length of time such as `90d`. Without scopes it is `write`, for the very first key `admin`."""

    project: str | None
    scopes: tuple[str, ...]
    origins: tuple[str, ...] | None
    name: str
    lasts: str | None


class MadeKey(msgspec.Struct, frozen=True):
    """`key` is its text, which is stored nowhere."""

    api_key: ApiKey
    key: str


class KeyId(msgspec.Struct, frozen=True):
    id: str


class KeyRotation(msgspec.Struct, frozen=True):
    id: str
    overlap: str
    lasts: str | None


class RotatedKey(msgspec.Struct, frozen=True):
    api_key: ApiKey
    key: str
    replaced: ApiKey


class KeysBelow(msgspec.Struct, frozen=True):
    """Where a list of keys goes on; None begins it with the newest."""

    row: int | None


class ListedKeys(msgspec.Struct, frozen=True):
    """`below` asks for those that follow, None when there are none."""

    keys: list[ApiKey]
    below: int | None


async def _create(svc: Services, new: NewKey, _: Progress) -> MadeKey:
    """Raises Invalid."""
    return await svc.db.write(_add, new, _lasts_ms(new.lasts), os.urandom(secrets.RANDOM_BYTES))


def _lasts_ms(text: str | None) -> int | None:
    return None if text is None else times.parse_length(text, field="--expires-in")


def _add(tx: Tx, new: NewKey, lasts_ms: int | None, randomness: bytes) -> MadeKey:
    account = accounts.default_account(tx)
    scopes = new.scopes or (("write",) if accounts.any_key(tx, account) else ("admin",))
    project = None if new.project is None else service.ensure(tx, account, new.project).id
    expires_at = None if lasts_ms is None else tx.now_ms + lasts_ms
    if new.origins is not None and project is not None:
        text = accounts.add_write_key(
            tx,
            account,
            project,
            randomness=randomness,
            sites=new.origins,
            scopes=new.scopes or (INGEST,),
            name=new.name,
            expires_at=expires_at,
        )
    else:
        text = accounts.add_key(
            tx, account, project, randomness=randomness, scopes=scopes, name=new.name, expires_at=expires_at
        )
    return MadeKey(_shown(tx, account, text), text)


def _shown(tx: Tx, account: int, text: str) -> ApiKey:
    return accounts.shown(tx, account, secrets.parse(text).public_id)


async def _list(svc: Services, below: KeysBelow, _: Progress) -> ListedKeys:
    return await svc.db.read(_page, below.row)


def _page(tx: Tx, below: int | None) -> ListedKeys:
    account = accounts.find_default_account(tx)
    rows = [] if account is None else accounts.list_keys(tx, account, below=below, limit=LISTED_AT_ONCE)
    return ListedKeys([key for _, key in rows], rows[-1][0] if len(rows) == LISTED_AT_ONCE else None)


async def _rotate(svc: Services, rotation: KeyRotation, _: Progress) -> RotatedKey:
    """Raises NotFound, Conflict, Invalid."""
    rotated = await svc.db.write(_rotate_key, rotation, _lasts_ms(rotation.lasts), os.urandom(secrets.RANDOM_BYTES))
    svc.live.check_access()
    return rotated


def _rotate_key(tx: Tx, rotation: KeyRotation, lasts_ms: int | None, randomness: bytes) -> RotatedKey:
    account = accounts.default_account(tx)
    text, replaced = accounts.rotate(
        tx, account, rotation.id, randomness=randomness, overlap=rotation.overlap, lasts_ms=lasts_ms
    )
    return RotatedKey(_shown(tx, account, text), text, replaced)


async def _revoke(svc: Services, key: KeyId, _: Progress) -> ApiKey:
    """Raises NotFound."""
    revoked = await svc.db.write(_revoke_key, key.id)
    svc.live.check_access()
    return revoked


@frees_space
def _revoke_key(tx: Tx, id: str) -> ApiKey:
    account = accounts.default_account(tx)
    accounts.revoke_key(tx, account, None, id)
    return accounts.shown(tx, account, id)


COMMANDS: dict[str, Command] = {
    "key create": Command(NewKey, MadeKey, _create),
    "key list": Command(KeysBelow, ListedKeys, _list),
    "key rotate": Command(KeyRotation, RotatedKey, _rotate),
    "key revoke": Command(KeyId, ApiKey, _revoke),
}
