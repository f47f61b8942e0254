"""Accounts and API keys. A key's `project` is None when it is the account's own."""

import msgspec

from delta_server.storage.database import Tx

DEFAULT_ACCOUNT = "default"


class StoredKey(msgspec.Struct, frozen=True):
    """A key as `authenticate` needs it. `scopes` are separated by spaces; times are in ms."""

    id: int
    account: int
    project: int | None
    secret_hash: bytes
    scopes: str
    expires_at: int | None
    revoked_at: int | None
    origins: str
    """JSON: a write key's; empty for all others."""


class ListedKey(msgspec.Struct, frozen=True):
    """A key as people see it: nothing in it helps to use it. `project` is the project's uid."""

    id: int
    public_id: str
    project: bytes | None
    project_name: str | None
    name: str
    scopes: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None
    origins: str


_LISTED = (
    "SELECT api_key.id, api_key.public_id, project.uid, project.name, api_key.name, api_key.scopes,"
    " api_key.created_at, api_key.expires_at, api_key.revoked_at, api_key.last_used_at, api_key.origins"
    " FROM api_key LEFT JOIN project ON project.id = api_key.project"
)


def account_named(tx: Tx, name: str) -> int | None:
    row = tx.one("SELECT id FROM account WHERE name = ?", name)
    return row[0] if row else None


def insert_account(tx: Tx, name: str) -> int:
    return tx.insert("INSERT INTO account (uid, name, created_at) VALUES (?, ?, ?)", tx.new_id(), name, tx.now_ms)


def insert_key(
    tx: Tx,
    account: int,
    project: int | None,
    *,
    public_id: str,
    secret_hash: bytes,
    name: str,
    scopes: str,
    expires_at: int | None,
    origins: str,
) -> int:
    return tx.insert(
        "INSERT INTO api_key (public_id, secret_hash, account, project, name, scopes, created_at, expires_at, origins)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        public_id,
        secret_hash,
        account,
        project,
        name,
        scopes,
        tx.now_ms,
        expires_at,
        origins,
    )


def key(tx: Tx, public_id: str) -> StoredKey | None:
    """The only look-up without a tenant: it is what finds the tenant."""
    row = tx.one(
        "SELECT id, account, project, secret_hash, scopes, expires_at, revoked_at, origins"
        " FROM api_key WHERE public_id = ?",
        public_id,
    )
    return StoredKey(*row) if row else None


def listed(tx: Tx, account: int, public_id: str) -> ListedKey | None:
    row = tx.one(f"{_LISTED} WHERE api_key.account = ? AND api_key.public_id = ?", account, public_id)
    return ListedKey(*row) if row else None


def page(tx: Tx, account: int, project: int | None, *, below: int, limit: int) -> list[ListedKey]:
    """The newest first, rows below `below`; those of one project, or with None all of the account and its projects."""
    rows = tx.all(
        f"{_LISTED} WHERE api_key.account = ? AND (? IS NULL OR api_key.project = ?) AND api_key.id < ?"
        " ORDER BY api_key.id DESC LIMIT ?",
        account,
        project,
        project,
        below,
        limit,
    )
    return [ListedKey(*row) for row in rows]


def project_is_there(tx: Tx, project: int) -> bool:
    return tx.one("SELECT 1 FROM project WHERE project.id = ? AND deleted_at IS NULL", project) is not None


def project_with(tx: Tx, account: int, *, uid: bytes | None = None, name: str | None = None) -> int | None:
    """The project a key is to be made for, by id or by name."""
    sql = "SELECT id FROM project WHERE account = ? AND (uid = ? OR name = ?) AND deleted_at IS NULL"
    row = tx.one(sql, account, uid, name)
    return row[0] if row else None


def revoke(tx: Tx, account: int, project: int | None, public_id: str) -> int:
    """The number of keys revoked now: none when there is no such key or it was revoked before."""
    return tx.run(
        "UPDATE api_key SET revoked_at = ?"
        " WHERE account = ? AND (? IS NULL OR project = ?) AND public_id = ? AND revoked_at IS NULL",
        tx.now_ms,
        account,
        project,
        project,
        public_id,
    )


def is_last_admin(tx: Tx, account: int, project: int | None, public_id: str, *, until_ms: int) -> bool:
    """Whether the key is an active one with the scope admin, of the project or with None of the account itself, and no
    other of the same that is good until `until_ms` at least."""
    found = tx.all(
        "SELECT public_id, expires_at FROM api_key WHERE account = ? AND project IS ? AND revoked_at IS NULL"
        " AND ' ' || scopes || ' ' LIKE '% admin %' AND (expires_at IS NULL OR expires_at > ?)",
        account,
        project,
        tx.now_ms,
    )
    return any(id == public_id for id, _ in found) and not any(
        id != public_id and (ends is None or ends >= until_ms) for id, ends in found
    )


def revoke_keys_of(tx: Tx, project: int) -> int:
    return tx.run("UPDATE api_key SET revoked_at = ? WHERE project = ? AND revoked_at IS NULL", tx.now_ms, project)


def delete_keys_of(tx: Tx, project: int) -> int:
    return tx.run("DELETE FROM api_key WHERE project = ?", project)


def write_last_uses(tx: Tx, used_at: dict[int, int]) -> None:
    """`used_at`: by key row, when it was last used."""
    tx.many("UPDATE api_key SET last_used_at = ? WHERE id = ?", [(at, key) for key, at in used_at.items()])
