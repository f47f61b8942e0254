"""API keys on the wire."""

from typing import Annotated, Literal

import msgspec

from delta_server.core import ids, times
from delta_server.core.json_schema import documented
from delta_server.core.names import MAX_CHARACTERS
from delta_server.core.origins import MAX_ORIGINS
from delta_server.core.scopes import INGEST, VISITS, Scope
from delta_server.features.accounts.store import ListedKey


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`project_id`, or `project`, is a project's id or name; without it an account's key makes an account's key, a
    project's one of its project. `expires_at` is a time, `expires_in` a length of time such as `30d`; without either
    the key expires when the one that makes it does.

    A key of kind `write` may only send events and may stand in a web page: its one scope is `ingest`, or `visits:write`
    for what the script of a website sends. `origins` are the
    sites browsers may use it on, `["*"]` when absent; none at all leaves it to programs. Other keys have `write` as
    their scope when it is absent."""

    project_id: str | None = None
    project: str | None = None
    name: Annotated[str, documented(maxLength=MAX_CHARACTERS)] = ""
    scopes: tuple[Scope, ...] | None = None
    expires_at: str | None = None
    expires_in: str | None = None
    kind: Literal["project", "write"] | None = None
    origins: Annotated[tuple[str, ...], documented(maxItems=MAX_ORIGINS)] | None = None


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`overlap` is how long the old key is still valid, `0s` not at all. `expires_at` or `expires_in` are the new
    key's; without either it lives as long as the old one was to."""

    overlap: str = "24h"
    expires_at: str | None = None
    expires_in: str | None = None


class KeyMaker(msgspec.Struct, frozen=True):
    """A user's `state` says whether they may still see what the key is for; the key itself stays valid. The address is
    null once the user is deleted."""

    kind: Literal["user", "key"]
    id: str | None
    email: str | None
    state: Literal["active", "disabled", "removed"] | None


class ApiKey(msgspec.Struct, frozen=True):
    """`project_id` is null for an account's key, as is `project`, the project's name. Write keys alone have origins.
    `created_by` is null for keys made by a command."""

    id: str
    last_four: str | None
    kind: Literal["project", "account", "write"]
    project_id: str | None
    project: str | None
    name: str
    scopes: list[str]
    origins: list[str]
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    first_used_at: str | None
    last_used_at: str | None
    created_by: KeyMaker | None
    replaced_by: str | None
    state: Literal["active", "expired", "revoked"]


class KeyAnswer(msgspec.Struct, frozen=True):
    """`key` is the key itself. It is shown once: null when the request is repeated under its Idempotency-Key."""

    api_key: ApiKey
    key: str | None


class RotationAnswer(msgspec.Struct, frozen=True):
    """As KeyAnswer; `replaced_id` is the old key's, which is valid until `replaced_expires_at`."""

    api_key: ApiKey
    key: str | None
    replaced_id: str
    replaced_expires_at: str


def api_key(row: ListedKey, now_ms: int) -> ApiKey:
    return ApiKey(
        id=row.public_id,
        last_four=row.last_four,
        kind="account" if row.project is None else "write" if row.scopes in (INGEST, VISITS) else "project",
        project_id=None if row.project is None else ids.text(row.project),
        project=row.project_name,
        name=row.name,
        scopes=row.scopes.split(),
        origins=msgspec.json.decode(row.origins, type=list[str]),
        created_at=times.format(row.created_at),
        expires_at=_time(row.expires_at),
        revoked_at=_time(row.revoked_at),
        first_used_at=_time(row.first_used_at),
        last_used_at=_time(row.last_used_at),
        created_by=_maker(row),
        replaced_by=row.replaced_by,
        state=_state(row, now_ms),
    )


def _maker(row: ListedKey) -> KeyMaker | None:
    if row.made_by_user is not None:
        uid = None if row.user_uid is None else ids.text(row.user_uid)
        state = "disabled" if row.user_is_disabled else "active" if row.user_is_member else "removed"
        return KeyMaker("user", uid, row.user_email, msgspec.convert(state, Literal["active", "disabled", "removed"]))
    return None if row.made_by_key is None else KeyMaker("key", row.made_by_key, None, None)


def _state(row: ListedKey, now_ms: int) -> Literal["active", "expired", "revoked"]:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now_ms else "active"


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else times.format(time_ms)


FIELDS = {
    "ApiKey.id": "Id of the key, a part of its text",
    "ApiKey.kind": "A project's key, an account's, or a write key that may only send events",
    "ApiKey.project_id": "Id of its project; null for an account's key",
    "ApiKey.project": "Name of its project; null for an account's key",
    "ApiKey.name": "A note to tell it from others",
    "scopes": "What the key may do",
    "origins": "Sites that a write key may be used on",
    "expires_at": "When it expires; null for never",
    "revoked_at": "When it was revoked",
    "first_used_at": "When it was first used, to the minute",
    "last_used_at": "When it was last used, to the minute",
    "ApiKey.last_four": "The end of its text; null for old keys",
    "ApiKey.created_by": "Who made it; null for a command",
    "ApiKey.replaced_by": "Id of the key that took its place",
    "KeyMaker.kind": "A user or another key",
    "KeyMaker.id": "Id of the user or the key",
    "KeyMaker.email": "Address of the user",
    "KeyMaker.state": "Whether the user may still sign in and see what the key is for; null for a key",
    "RotationAnswer.api_key": "The record of the new key",
    "RotationAnswer.key": "The new key itself, shown once; null when the request is repeated",
    "RotationAnswer.replaced_id": "Id of the old key",
    "RotationAnswer.replaced_expires_at": "Until when the old key is valid",
    "ApiKey.state": "Whether it can be used",
    "KeyAnswer.api_key": "The record of the key",
    "KeyAnswer.key": "The key itself, shown once; null when the request is repeated",
}
