"""People, their sessions and links. The tenant is the account: e-mail addresses are unique in all of the server."""

from collections.abc import Sequence

import msgspec

from delta_server.storage.database import Row, Tx


class User(msgspec.Struct, frozen=True):
    """Times are in ms. `password` is a PHC string, None until one is set."""

    id: int
    uid: bytes
    account: int
    email: str
    name: str
    role: str
    password: str | None
    created_at: int
    disabled_at: int | None


class Session(msgspec.Struct, frozen=True):
    id: int
    uid: bytes
    created_at: int
    last_used_at: int
    expires_at: int
    revoked_at: int | None
    address: str
    client: str


class SignedIn(msgspec.Struct, frozen=True):
    """What a request's access token is checked against."""

    session: int
    user: int
    account: int
    role: str


class Refresh(msgspec.Struct, frozen=True):
    session: int
    user: int
    replaced_at: int | None


class SecondFactor(msgspec.Struct, frozen=True):
    """`secret` is sealed. It counts once it is confirmed."""

    secret: bytes
    confirmed_at: int | None
    last_step: int


_USER = "id, uid, account, email, name, role, password, created_at, disabled_at"
_SESSION = "id, uid, created_at, last_used_at, expires_at, revoked_at, address, client"


def any_user(tx: Tx) -> bool:
    return tx.one("SELECT 1 FROM user LIMIT 1") is not None


def by_email(tx: Tx, email: str) -> User | None:
    return _user(tx.one(f"SELECT {_USER} FROM user WHERE email = ?", email))


def by_id(tx: Tx, account: int, user: int) -> User | None:
    return _user(tx.one(f"SELECT {_USER} FROM user WHERE account = ? AND id = ?", account, user))


def first_owner(tx: Tx, account: int) -> User | None:
    """Of the instance: who has been one for longest."""
    sql = f"SELECT {_USER} FROM user WHERE account = ? AND role = 'owner' AND disabled_at IS NULL ORDER BY id LIMIT 1"
    return _user(tx.one(sql, account))


def by_uid(tx: Tx, account: int, uid: bytes) -> User | None:
    return _user(tx.one(f"SELECT {_USER} FROM user WHERE account = ? AND uid = ?", account, uid))


def unchanged(tx: Tx, user: User) -> User | None:
    """The user now; None who has been disabled or deleted, or has another password, since they showed it."""
    now = by_id(tx, user.account, user.id)
    return now if now is not None and now.disabled_at is None and now.password == user.password else None


def all_of(tx: Tx, account: int, *, after: str, limit: int) -> list[User]:
    """By e-mail address, those behind `after`."""
    sql = f"SELECT {_USER} FROM user WHERE account = ? AND email > ? ORDER BY email LIMIT ?"
    return [User(*row) for row in tx.all(sql, account, after, limit)]


def last_seen(tx: Tx, account: int, users: Sequence[int]) -> dict[int, int]:
    """When each of them last used a session that is kept."""
    rows = tx.all(
        "SELECT session.user, max(last_used_at) FROM session JOIN user ON user.id = session.user"
        f" WHERE account = ? AND session.user IN ({', '.join('?' * len(users))}) GROUP BY session.user",
        account,
        *users,
    )
    return {row[0]: row[1] for row in rows}


def insert(tx: Tx, account: int, *, email: str, name: str, role: str, password: str | None) -> User:
    uid = tx.new_id()
    user = tx.insert(
        "INSERT INTO user (uid, account, email, name, role, password, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        uid,
        account,
        email,
        name,
        role,
        password,
        tx.now_ms,
        tx.now_ms,
    )
    return User(user, uid, account, email, name, role, password, tx.now_ms, None)


def set_password(tx: Tx, account: int, user: int, password: str) -> None:
    tx.run(
        "UPDATE user SET password = ?, updated_at = ? WHERE account = ? AND id = ?", password, tx.now_ms, account, user
    )


def set_role(tx: Tx, account: int, user: int, role: str) -> None:
    tx.run("UPDATE user SET role = ?, updated_at = ? WHERE account = ? AND id = ?", role, tx.now_ms, account, user)


def disabled(tx: Tx, account: int, limit: int) -> list[bytes]:
    """Uids, of who was disabled last."""
    sql = "SELECT uid FROM user WHERE account = ? AND disabled_at IS NOT NULL ORDER BY disabled_at DESC LIMIT ?"
    return [row[0] for row in tx.all(sql, account, limit)]


def set_disabled(tx: Tx, account: int, user: int, *, disabled: bool) -> None:
    at = tx.now_ms if disabled else None
    tx.run("UPDATE user SET disabled_at = ?, updated_at = ? WHERE account = ? AND id = ?", at, tx.now_ms, account, user)


def delete_user(tx: Tx, account: int, user: int) -> None:
    """With all that belongs to them."""
    delete_second_factor(tx, user)
    tx.run("DELETE FROM identity WHERE user = ?", user)
    tx.run("DELETE FROM refresh_token WHERE session IN (SELECT id FROM session WHERE user = ?)", user)
    tx.run("DELETE FROM session WHERE user = ?", user)
    tx.run("DELETE FROM login_link WHERE user = ?", user)
    tx.run("DELETE FROM user WHERE account = ? AND id = ?", account, user)


def other_owners(tx: Tx, account: int, user: int) -> int:
    """How many owners who can sign in there are beside this one."""
    row = tx.one(
        "SELECT count(*) FROM user WHERE account = ? AND role = 'owner' AND disabled_at IS NULL AND id != ?",
        account,
        user,
    )
    assert row is not None
    return int(row[0])


# Sessions


def insert_session(tx: Tx, user: int, *, expires_at: int, address: str, client: str) -> tuple[int, bytes]:
    uid = tx.new_id()
    session = tx.insert(
        "INSERT INTO session (uid, user, created_at, last_used_at, expires_at, address, client)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        uid,
        user,
        tx.now_ms,
        tx.now_ms,
        expires_at,
        address,
        client,
    )
    return session, uid


def signed_in(tx: Tx, uid: bytes) -> SignedIn | None:
    """The session of an access token, while it is good: it is what finds the tenant."""
    row = tx.one(
        "SELECT session.id, user.id, user.account, user.role FROM session JOIN user ON user.id = session.user"
        " WHERE session.uid = ? AND revoked_at IS NULL AND expires_at > ? AND disabled_at IS NULL",
        uid,
        tx.now_ms,
    )
    return SignedIn(*row) if row else None


def sessions(tx: Tx, user: int, *, below: int, limit: int) -> list[Session]:
    """Those that are good, the newest first, with ids below `below`."""
    rows = tx.all(
        f"SELECT {_SESSION} FROM session WHERE user = ? AND revoked_at IS NULL AND expires_at > ? AND id < ?"
        " ORDER BY id DESC LIMIT ?",
        user,
        tx.now_ms,
        below,
        limit,
    )
    return [Session(*row) for row in rows]


def began(tx: Tx, user: int, session: int) -> tuple[bytes, int]:
    """The session's uid, and when it began."""
    row = tx.one("SELECT uid, created_at FROM session WHERE user = ? AND id = ?", user, session)
    assert row is not None
    return bytes(row[0]), int(row[1])


def session_of(tx: Tx, session: int, owner: bytes) -> tuple[int, bytes] | None:
    """The user and the uid of a session, if it is `owner`'s."""
    row = tx.one(
        "SELECT session.user, session.uid FROM session JOIN user ON user.id = session.user"
        " WHERE session.id = ? AND user.uid = ?",
        session,
        owner,
    )
    return None if row is None else (row[0], row[1])


def use_session(tx: Tx, user: int, session: int, *, expires_at: int) -> None:
    tx.run(
        "UPDATE session SET last_used_at = ?, expires_at = ? WHERE user = ? AND id = ?",
        tx.now_ms,
        expires_at,
        user,
        session,
    )


def revoke_session(tx: Tx, user: int, uid: bytes) -> int:
    return tx.run(
        "UPDATE session SET revoked_at = ? WHERE user = ? AND uid = ? AND revoked_at IS NULL", tx.now_ms, user, uid
    )


def revoke_sessions(tx: Tx, user: int, *, but: int | None = None) -> int:
    """All of a user's sessions, all but one."""
    return tx.run(
        "UPDATE session SET revoked_at = ? WHERE user = ? AND id IS NOT ? AND revoked_at IS NULL", tx.now_ms, user, but
    )


def revoke_all_sessions(tx: Tx, limit: int) -> int:
    """Of all users, so many of them."""
    some = "SELECT id FROM session WHERE revoked_at IS NULL LIMIT ?"
    return tx.run(f"UPDATE session SET revoked_at = ? WHERE id IN ({some})", tx.now_ms, limit)


def delete_ended(tx: Tx, before: int, limit: int) -> int:
    """Sessions of all users that ended before `before`, with their tokens."""
    ended = "SELECT id FROM session WHERE coalesce(revoked_at, expires_at) < ? LIMIT ?"
    tx.run(f"DELETE FROM refresh_token WHERE session IN ({ended})", before, limit)
    return tx.run(f"DELETE FROM session WHERE id IN ({ended})", before, limit)


# Refresh tokens


def insert_refresh(tx: Tx, session: int, hash: bytes) -> None:
    tx.run("INSERT INTO refresh_token (hash, session, created_at) VALUES (?, ?, ?)", hash, session, tx.now_ms)


def refresh(tx: Tx, hash: bytes) -> Refresh | None:
    """The token's session, while that is good: it is what finds the tenant."""
    row = tx.one(
        "SELECT session.id, session.user, replaced_at FROM refresh_token"
        " JOIN session ON session.id = refresh_token.session JOIN user ON user.id = session.user"
        " WHERE hash = ? AND revoked_at IS NULL AND session.expires_at > ? AND disabled_at IS NULL",
        hash,
        tx.now_ms,
    )
    return Refresh(*row) if row else None


def replace_refresh(tx: Tx, session: int, hash: bytes, *, keep: int) -> None:
    """The token was used; of those before it the newest `keep` are remembered."""
    tx.run("UPDATE refresh_token SET replaced_at = ? WHERE session = ? AND hash = ?", tx.now_ms, session, hash)
    tx.run(
        "DELETE FROM refresh_token WHERE session = ? AND replaced_at IS NOT NULL AND hash NOT IN"
        " (SELECT hash FROM refresh_token WHERE session = ? ORDER BY created_at DESC LIMIT ?)",
        session,
        session,
        keep,
    )


# Second factors


def second_factor(tx: Tx, user: int) -> SecondFactor | None:
    row = tx.one("SELECT secret, confirmed_at, last_step FROM second_factor WHERE user = ?", user)
    return SecondFactor(*row) if row else None


def set_second_factor(tx: Tx, user: int, secret: bytes) -> None:
    """One that is to be confirmed."""
    tx.run("DELETE FROM second_factor WHERE user = ?", user)
    tx.run(
        "INSERT INTO second_factor (user, secret, created_at, last_step) VALUES (?, ?, ?, -1)", user, secret, tx.now_ms
    )


def confirm_second_factor(tx: Tx, user: int, *, step: int) -> None:
    tx.run("UPDATE second_factor SET confirmed_at = ?, last_step = ? WHERE user = ?", tx.now_ms, step, user)


def use_step(tx: Tx, user: int, step: int) -> int:
    """0 when that step's code, or a later one, was used before."""
    return tx.run("UPDATE second_factor SET last_step = ? WHERE user = ? AND last_step < ?", step, user, step)


def delete_second_factor(tx: Tx, user: int) -> int:
    tx.run("DELETE FROM recovery_code WHERE user = ?", user)
    return tx.run("DELETE FROM second_factor WHERE user = ?", user)


def replace_recovery_codes(tx: Tx, user: int, hashes: Sequence[bytes]) -> None:
    tx.run("DELETE FROM recovery_code WHERE user = ?", user)
    tx.many("INSERT INTO recovery_code (user, hash) VALUES (?, ?)", [(user, hash) for hash in hashes])


def has_recovery_code(tx: Tx, user: int, hash: bytes) -> bool:
    return tx.one("SELECT 1 FROM recovery_code WHERE user = ? AND hash = ?", user, hash) is not None


def use_recovery_code(tx: Tx, user: int, hash: bytes) -> int:
    return tx.run("DELETE FROM recovery_code WHERE user = ? AND hash = ?", user, hash)


def count_recovery_codes(tx: Tx, user: int) -> int:
    row = tx.one("SELECT count(*) FROM recovery_code WHERE user = ?", user)
    assert row is not None
    return int(row[0])


# Links


def insert_link(tx: Tx, user: int | None, hash: bytes, *, expires_at: int) -> None:
    """The newest link of a user is the one that is good."""
    tx.run("DELETE FROM login_link WHERE user IS ? OR expires_at <= ?", user, tx.now_ms)
    tx.run(
        "INSERT INTO login_link (hash, user, created_at, expires_at) VALUES (?, ?, ?, ?)",
        hash,
        user,
        tx.now_ms,
        expires_at,
    )


def link(tx: Tx, hash: bytes) -> tuple[int | None] | None:
    """Whose link it is, nobody's that of the first owner; None when it is not good."""
    row = tx.one("SELECT user FROM login_link WHERE hash = ? AND expires_at > ?", hash, tx.now_ms)
    return None if row is None else (row[0],)


def delete_links(tx: Tx, user: int) -> None:
    """All of a user's."""
    tx.run("DELETE FROM login_link WHERE user = ?", user)


def delete_link(tx: Tx, user: int | None, hash: bytes) -> None:
    tx.run("DELETE FROM login_link WHERE user IS ? AND hash = ?", user, hash)


def _user(row: Row | None) -> User | None:
    return User(*row) if row else None
