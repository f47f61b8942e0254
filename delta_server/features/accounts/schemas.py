"""API keys on the wire."""

from typing import Annotated, Literal

import msgspec

from delta_server.core import ids, times
from delta_server.core.json_schema import documented
from delta_server.core.names import MAX_CHARACTERS
from delta_server.core.origins import MAX_ORIGINS
from delta_server.core.scopes import Scope
from delta_server.features.accounts.store import ListedKey


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`project_id` is a project's id or name; without it an account's key makes an account's key, a project's one of
    its project. `expires_at` is a time; null never expires.

    A key of kind `write` may only send events and may stand in a web page: its one scope is `ingest`. `origins` are the
    sites browsers may use it on, `["*"]` when absent; none at all leaves it to programs. Other keys have `write` as
    their scope when it is absent."""

    project_id: str | None = None
    name: Annotated[str, documented(maxLength=MAX_CHARACTERS)] = ""
    scopes: tuple[Scope, ...] | None = None
    expires_at: str | None = None
    kind: Literal["project", "write"] | None = None
    origins: Annotated[tuple[str, ...], documented(maxItems=MAX_ORIGINS)] | None = None


class ApiKey(msgspec.Struct, frozen=True):
    """`project_id` is null for an account's key, as is `project`, the project's name. Write keys alone have origins."""

    id: str
    kind: Literal["project", "account", "write"]
    project_id: str | None
    project: str | None
    name: str
    scopes: list[str]
    origins: list[str]
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None
    state: Literal["active", "expired", "revoked"]


class KeyAnswer(msgspec.Struct, frozen=True):
    """`key` is the key itself. It is shown once: null when the request is repeated under its Idempotency-Key."""

    api_key: ApiKey
    key: str | None


def api_key(row: ListedKey, now_ms: int) -> ApiKey:
    return ApiKey(
        id=row.public_id,
        kind="account" if row.project is None else "write" if row.scopes == "ingest" else "project",
        project_id=None if row.project is None else ids.text(row.project),
        project=row.project_name,
        name=row.name,
        scopes=row.scopes.split(),
        origins=msgspec.json.decode(row.origins, type=list[str]),
        created_at=times.format(row.created_at),
        expires_at=_time(row.expires_at),
        revoked_at=_time(row.revoked_at),
        last_used_at=_time(row.last_used_at),
        state=_state(row, now_ms),
    )


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
    "last_used_at": "When it was last used, to the minute",
    "ApiKey.state": "Whether it can be used",
    "KeyAnswer.api_key": "The record of the key",
    "KeyAnswer.key": "The key itself, shown once; null when the request is repeated",
}
