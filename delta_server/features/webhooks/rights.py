"""Who answers for a webhook, and whether they still may: stored addresses outlive permissions, so it is asked again
whenever something is sent."""

from typing import Literal

from delta_server.core.caller import Caller
from delta_server.core.errors import Invalid
from delta_server.features.accounts import service as accounts
from delta_server.features.projects import service as projects
from delta_server.features.projects.service import SCOPES_OF
from delta_server.features.users import service as users
from delta_server.features.webhooks.schemas import Settings, settings_of
from delta_server.features.webhooks.store import Webhook
from delta_server.storage.database import Tx

_SCOPE = "webhooks:admin"
"""What it takes to make one."""


def check_recipient(tx: Tx, settings: Settings) -> None:
    """Mail goes to people with an account here, so that nobody has others mailed. Raises Invalid."""
    if settings.format == "email" and not _may_be_mailed(tx, settings):
        raise Invalid("to must be the e-mail address of somebody with an account on this server", field="to")


def _may_be_mailed(tx: Tx, settings: Settings) -> bool:
    user = users.by_email(tx, (settings.to or "").lower())
    return user is not None and user.disabled_at is None


def owner_of(caller: Caller) -> tuple[int | None, str | None]:
    """(user, key): as the columns have them."""
    return (caller.user, None) if caller.user is not None else (None, caller.key_id)


def verdict(tx: Tx, webhook: Webhook) -> Literal["ok", "rights", "no project"]:
    """Whether it may be sent something now. A project in the bin may come back, and its webhooks with it."""
    if projects.by_id(tx, webhook.account, webhook.project) is None:
        return "no project"
    settings = settings_of(webhook)
    if settings.format == "email" and not _may_be_mailed(tx, settings):
        return "rights"
    return "ok" if _SCOPE in _scopes(tx, webhook) else "rights"


def project_name(tx: Tx, webhook: Webhook) -> str:
    found = projects.by_id(tx, webhook.account, webhook.project)
    return "" if found is None else found.name


def _scopes(tx: Tx, webhook: Webhook) -> frozenset[str]:
    if webhook.made_by_key is not None:
        return accounts.scopes_now(tx, webhook.account, webhook.project, webhook.made_by_key)
    if webhook.made_by_user is None:
        return frozenset({_SCOPE})
    user = users.by_id(tx, webhook.account, webhook.made_by_user)
    if user is None or user.disabled_at is not None:
        return frozenset()
    if user.role != "member":
        return SCOPES_OF["admin"]
    role = projects.role_of(tx, webhook.project, user.id)
    return frozenset() if role is None else SCOPES_OF[role]
