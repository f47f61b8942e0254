"""What people do, on record."""

from collections.abc import Mapping
from typing import Any

from delta_server.core import emails, ids
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.audit.service import Action
from delta_server.features.users.store import User
from delta_server.services import Services
from delta_server.storage.database import Tx


def record(
    tx: Tx, user: User, action: Action, detail: Mapping[str, Any] | None = None, *, by_self: bool = False
) -> None:
    """Of what is done to `user`; `by_self` by whoever has only now shown to be the user."""
    target = _target(user)
    actor = tx.actor.named(target) if by_self else None
    audit.record(tx, user.account, action, target=target, name=user.email, detail=detail, actor=actor)


async def note_failure(svc: Services, action: Action, user: User | None, email: str) -> None:
    """An address that is nobody's may be a password typed into the wrong field: the log does not have it. It is written
    as often, so that nobody learns by the time it takes whether there is a user."""
    account = svc.db.peek(accounts.find_default_account) if user is None else user.account
    if account is not None:
        target = "unknown user" if user is None else _target(user)
        await audit.note(svc, account, action, target=target, outcome="failed", alike=email[: emails.MAX_CHARACTERS])


def _target(user: User) -> str:
    return f"user {ids.text(user.uid)}"
