"""Accounts and API keys. A key's `project` is None when it is the account's own."""

from collections.abc import Sequence

import msgspec

from delta_server.storage.database import Tx, one_statement

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
    last_used_at: int | None
    project_deleted_at: int | None = None


class ListedKey(msgspec.Struct, frozen=True):
    """A key as people see it: nothing in it helps to use it. `project` is the project's uid. What is known of who made
    it: a user (whose uid and address are None once deleted), another key's public id, or neither."""

    id: int
    public_id: str
    project: bytes | None
    project_name: str | None
    name: str
    scopes: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    first_used_at: int | None
    last_used_at: int | None
    origins: str
    last_four: str | None
    replaced_by: str | None
    made_by_key: str | None
    made_by_user: int | None
    user_uid: bytes | None
    user_email: str | None
    user_is_disabled: bool
    user_is_member: bool
    """Whether the user may still see what the key is for."""


class Maker(msgspec.Struct, frozen=True):
    """Who makes a key: a user's row, or another key's public id; neither for a command."""

    user: int | None = None
    key: str | None = None


_LISTED = (
    "SELECT api_key.id, api_key.public_id, project.uid, project.name, api_key.name, api_key.scopes,"
    " api_key.created_at, api_key.expires_at, api_key.revoked_at, api_key.first_used_at, api_key.last_used_at,"
    " api_key.origins, api_key.last_four, api_key.replaced_by, api_key.made_by_key, api_key.made_by_user,"
    " user.uid, user.email, user.disabled_at IS NOT NULL, coalesce(user.role <> 'member', 0) OR EXISTS"
    " (SELECT 1 FROM member WHERE member.project = api_key.project AND member.user = user.id)"
    " FROM api_key LEFT JOIN project ON project.id = api_key.project LEFT JOIN user ON user.id = api_key.made_by_user"
)
_ADMIN = "revoked_at IS NULL AND instr(' ' || scopes || ' ', ' admin ') > 0"
"""As the index api_key_admin has it."""


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
    last_four: str,
    maker: Maker,
) -> int:
    return tx.insert(
        "INSERT INTO api_key (public_id, secret_hash, account, project, name, scopes, created_at, expires_at, origins,"
        " last_four, made_by_user, made_by_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        public_id,
        secret_hash,
        account,
        project,
        name,
        scopes,
        tx.now_ms,
        expires_at,
        origins,
        last_four,
        maker.user,
        maker.key,
    )


@one_statement
def key(tx: Tx, public_id: str) -> StoredKey | None:
    """The only look-up without a tenant: it is what finds the tenant."""
    row = tx.one(
        # A join would take twice as long, and this is read at every request.
        "SELECT id, account, project, secret_hash, scopes, expires_at, revoked_at, origins, last_used_at,"
        " (SELECT deleted_at FROM project WHERE project.id = api_key.project) FROM api_key WHERE public_id = ?",
        public_id,
    )
    return StoredKey(*row) if row else None


def key_ids(tx: Tx, project: int, *, most: int) -> dict[int, str]:
    """By row, the public ids of the newest keys of the project and of its account."""
    rows = tx.all(  # each along the index of projects
        "SELECT * FROM (SELECT id, public_id FROM api_key WHERE project = ?1 ORDER BY id DESC LIMIT ?2) UNION ALL"
        " SELECT * FROM (SELECT id, public_id FROM api_key WHERE project IS NULL AND"
        " +account = (SELECT account FROM project WHERE project.id = ?1) ORDER BY id DESC LIMIT ?2)",
        project,
        most,
    )
    return {row[0]: row[1] for row in rows}


def project_in_bin(tx: Tx, project: int | None) -> tuple[bytes, int] | None:
    """Its uid, and until when it lies in the bin; None where it does not."""
    row = tx.one("SELECT uid, purge_at FROM project WHERE project.id = ? AND purge_at > ?", project, tx.now_ms)
    return (row[0], row[1]) if row else None


def any_key(tx: Tx, account: int) -> bool:
    return tx.one("SELECT 1 FROM api_key WHERE account = ? LIMIT 1", account) is not None


def listed(tx: Tx, account: int, public_id: str) -> ListedKey | None:
    row = tx.one(f"{_LISTED} WHERE api_key.account = ? AND api_key.public_id = ?", account, public_id)
    return ListedKey(*row) if row else None


def page(tx: Tx, account: int, project: int | None, *, below: int, limit: int) -> list[ListedKey]:
    """The newest first, rows below `below`; those of one project, or with None all of the account and its projects."""
    if project is None:
        sql = (
            f"{_LISTED} WHERE api_key.account = ? AND api_key.id < ? AND project.deleted_at IS NULL"
            " ORDER BY api_key.id DESC LIMIT ?"
        )
        return [ListedKey(*row) for row in tx.all(sql, account, below, limit)]
    # `+`: along the index of the project, in which ids are in order.
    sql = (
        f"{_LISTED} WHERE +api_key.account = ? AND api_key.project = ? AND api_key.id < ?"
        " ORDER BY api_key.id DESC LIMIT ?"
    )
    return [ListedKey(*row) for row in tx.all(sql, account, project, below, limit)]


def replace(tx: Tx, account: int, key: int, *, by: str, expires_at: int | None) -> None:
    tx.run(
        "UPDATE api_key SET replaced_by = ?, expires_at = ? WHERE account = ? AND id = ?", by, expires_at, account, key
    )


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


def revoked(tx: Tx, account: int, limit: int) -> list[str]:
    """Public ids, of those revoked last."""
    sql = "SELECT public_id FROM api_key WHERE account = ? AND revoked_at IS NOT NULL ORDER BY revoked_at DESC LIMIT ?"
    return [row[0] for row in tx.all(sql, account, limit)]


def revoke_all(tx: Tx, account: int, public_ids: Sequence[str]) -> int:
    """The number of keys revoked now."""
    sql = "UPDATE api_key SET revoked_at = ? WHERE account = ? AND public_id = ? AND revoked_at IS NULL"
    return sum(tx.run(sql, tx.now_ms, account, public_id) for public_id in public_ids)


def is_last_admin(tx: Tx, account: int, project: int | None, public_id: str, *, until_ms: int) -> bool:
    """Whether the key is an active one with the scope admin, of the project or with None of the account itself, and no
    other of the same that is valid until `until_ms` at least. Reads three rows of an index, however many there are."""
    owned = f"SELECT 1 FROM api_key WHERE account = ? AND project IS ? AND {_ADMIN}"
    own = f"SELECT 1 FROM api_key WHERE account = ? AND project IS ? AND +{_ADMIN} AND public_id = ?"
    if not tx.one(f"{own} AND (expires_at IS NULL OR expires_at > ?)", account, project, public_id, tx.now_ms):
        return False
    return not any(
        tx.one(f"{owned} AND {valid} AND public_id <> ? LIMIT 1", account, project, *until, public_id)
        for valid, until in (("expires_at IS NULL", ()), ("expires_at >= ?", (until_ms,)))
    )


def delete_keys_of(tx: Tx, project: int, limit: int) -> bool:
    """Whether there were any."""
    sql = "DELETE FROM api_key WHERE id IN (SELECT id FROM api_key WHERE project = ? LIMIT ?)"
    return tx.run(sql, project, limit) > 0


def unused(tx: Tx, key: int) -> tuple[int, int | None, str] | None:
    """Account, project and name of a key, unless it is known to have been used."""
    row = tx.one("SELECT account, project, name FROM api_key WHERE id = ? AND last_used_at IS NULL", key)
    return None if row is None else (row[0], row[1], row[2])


def has_expired(tx: Tx, since_ms: int, until_ms: int) -> bool:
    """Whether a key has, after `since_ms` and not after `until_ms`."""
    return tx.one("SELECT 1 FROM api_key WHERE expires_at > ? AND expires_at <= ?", since_ms, until_ms) is not None


def write_last_uses(tx: Tx, used_at: dict[int, int]) -> None:
    """`used_at`: by key row, when it was last used; the first that is written is its first use."""
    sql = "UPDATE api_key SET last_used_at = ?, first_used_at = coalesce(first_used_at, ?) WHERE id = ?"
    tx.many(sql, [(at, at, key) for key, at in used_at.items()])
