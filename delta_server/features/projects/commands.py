"""`key ...` of the command line: here, because a key's project is made when it is not there."""

import os
from typing import Any

import msgspec

from delta_server.core import secrets, times
from delta_server.features.accounts import service as accounts
from delta_server.features.accounts.service import ApiKey
from delta_server.features.projects import service
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space
from delta_server.tasks.commands import Command, NoArguments, Progress


class NewKey(msgspec.Struct, frozen=True):
    """`project` is a name, None for a key of the account; `origins` are a write key's, None for other kinds. `lasts` is
    a length of time such as `90d`."""

    project: str | None
    scopes: tuple[str, ...]
    origins: tuple[str, ...] | None
    name: str
    lasts: str | None


class KeyId(msgspec.Struct, frozen=True):
    id: str


async def _create(svc: Services, new: NewKey, _: Progress) -> str:
    """The key's text, which is stored nowhere. Raises Invalid."""
    lasts_ms = None if new.lasts is None else times.parse_length(new.lasts, field="--expires")
    return await svc.db.write(_add, new, lasts_ms, os.urandom(secrets.RANDOM_BYTES))


def _add(tx: Tx, new: NewKey, lasts_ms: int | None, randomness: bytes) -> str:
    account = accounts.default_account(tx)
    project = None if new.project is None else service.ensure(tx, account, new.project).id
    expires_at = None if lasts_ms is None else tx.now_ms + lasts_ms
    if new.origins is not None and project is not None:
        return accounts.add_write_key(
            tx, account, project, randomness=randomness, sites=new.origins, name=new.name, expires_at=expires_at
        )
    return accounts.add_key(
        tx, account, project, randomness=randomness, scopes=new.scopes, name=new.name, expires_at=expires_at
    )


async def _list(svc: Services, __: NoArguments, _: Progress) -> list[ApiKey]:
    return await svc.db.read(_all)


def _all(tx: Tx) -> list[ApiKey]:
    account = accounts.find_default_account(tx)
    return [] if account is None else accounts.list_keys(tx, account)


async def _revoke(svc: Services, key: KeyId, _: Progress) -> None:
    """Raises NotFound."""
    await svc.db.write(_revoke_key, key.id)
    svc.live.check_access()


@frees_space
def _revoke_key(tx: Tx, id: str) -> None:
    accounts.revoke_key(tx, accounts.default_account(tx), None, id)


COMMANDS: dict[str, Command] = {
    "key create": Command(NewKey, str, _create),
    "key list": Command(NoArguments, list[ApiKey], _list),
    "key revoke": Command(KeyId, Any, _revoke),
}
