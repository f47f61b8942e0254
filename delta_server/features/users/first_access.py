"""Who may do everything at first, by the configuration's section `admin`: for containers, where nobody reads what the
server prints. It counts while there is no user, and gives nobody more than they had."""

import asyncio
import os
from pathlib import Path

import structlog

from delta_server.core import emails, passwords, secrets
from delta_server.core.errors import DeltaError, Invalid
from delta_server.features.accounts import service as accounts
from delta_server.features.users import joining, store
from delta_server.features.users.hashing import Hashing
from delta_server.services import Services

KEY_NAME = "admin.key_file"

log = structlog.get_logger("delta.users")


class BadAdmin(DeltaError):
    """The section `admin` cannot be used: the server does not start."""


async def make(svc: Services) -> None:
    """The first key and the first owner, as far as they are configured and not there. Raises BadAdmin."""
    admin = svc.config.admin
    if svc.db.peek(store.any_user):
        return
    if admin.key_file:
        await _first_key(svc, Path(admin.key_file))
    if admin.email or admin.password:
        await _first_owner(svc, admin.email, admin.password)


async def _first_owner(svc: Services, email: str, password: str) -> None:
    try:
        email = emails.check(email, field="admin.email")
        passwords.check(password, email, field="admin.password")
    except Invalid as error:
        raise BadAdmin(f"{error.message} (DELTA_ADMIN_EMAIL, and DELTA_ADMIN_PASSWORD or its _FILE)") from None
    hash = await svc.state(Hashing).hashed(svc, password)
    await svc.db.write(lambda tx: joining.make(tx, email=email, name="", role="owner", password=hash, by_self=False))
    log.info("made the first owner", email=email)


async def _first_key(svc: Services, path: Path) -> None:
    """The key in the file becomes valid; where there is none, and no key at all yet, one is made and written there."""
    try:
        text = await asyncio.to_thread(_read, path)
    except (OSError, UnicodeDecodeError) as error:
        raise BadAdmin(f"{KEY_NAME}: cannot read {path}: {_reason(error)}") from None
    account = await svc.db.write(accounts.default_account)
    if not text:
        if svc.db.peek(accounts.any_key, account):
            return  # it was kept elsewhere
        text = secrets.make(secrets.Kind.ACCOUNT, os.urandom(secrets.RANDOM_BYTES))
        try:
            await asyncio.to_thread(_write, path, text)  # first: after a crash in between the file's key is made valid
        except OSError as error:
            raise BadAdmin(f"{KEY_NAME}: cannot write {path}: {_reason(error)}") from None
    try:
        made = await svc.db.write(accounts.admit_key, account, text, name="admin.key_file")
    except DeltaError as error:
        raise BadAdmin(f"{KEY_NAME}: {path}: {error.message}") from None
    if made:
        log.info("the key of the file is valid", path=str(path))


def _read(path: Path) -> str:
    """Empty for a file that is not there."""
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not a text of one key"
