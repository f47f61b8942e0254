"""Projects. The tenant here is the account; a deleted project is found by nobody and its row goes when it is empty."""

import msgspec

from delta_server.storage.database import Tx


class Project(msgspec.Struct, frozen=True):
    """Times are in ms."""

    id: int
    uid: bytes
    name: str
    description: str
    created_at: int
    updated_at: int
    plan: str


class Member(msgspec.Struct, frozen=True):
    user: int
    role: str
    created_at: int


_FEW = 1000
"""Memberships of one user that are sorted in a millisecond."""
_COLUMNS = "id, uid, name, description, created_at, updated_at, plan"


_FEW_OF_MEMBER = (
    f"SELECT {_COLUMNS} FROM (SELECT project FROM member WHERE user = ?1) CROSS JOIN project ON project.id = project"
    " WHERE +account = ?2 AND deleted_at IS NULL AND +name >= ?3 AND +name < ?4 ORDER BY +name LIMIT ?5"
)
_MANY_OF_MEMBER = (
    f"SELECT {_COLUMNS} FROM project WHERE account = ?2 AND deleted_at IS NULL AND name >= ?3 AND name < ?4"
    " AND EXISTS (SELECT 1 FROM member WHERE member.project = project.id AND member.user = ?1) ORDER BY name LIMIT ?5"
)


def by_id(tx: Tx, account: int, project: int) -> Project | None:
    sql = f"SELECT {_COLUMNS} FROM project WHERE account = ? AND id = ? AND deleted_at IS NULL"
    return _project(tx.one(sql, account, project))


def by_uid(tx: Tx, account: int, uid: bytes) -> Project | None:
    sql = f"SELECT {_COLUMNS} FROM project WHERE account = ? AND uid = ? AND deleted_at IS NULL"
    return _project(tx.one(sql, account, uid))


def by_name(tx: Tx, account: int, name: str) -> Project | None:
    sql = f"SELECT {_COLUMNS} FROM project WHERE account = ? AND name = ? AND deleted_at IS NULL"
    return _project(tx.one(sql, account, name))


def page(tx: Tx, account: int, *, names: tuple[str, str], limit: int) -> list[Project]:
    """By name, those in the half-open range `names`."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM project"
        " WHERE account = ? AND deleted_at IS NULL AND name >= ? AND name < ? ORDER BY name LIMIT ?",
        account,
        *names,
        limit,
    )
    return [Project(*row) for row in rows]


def page_of_member(tx: Tx, account: int, *, user: int, names: tuple[str, str], limit: int) -> list[Project]:
    """As `page`, of the projects that the user is a member of: theirs are sorted where they are few, and else the
    account's are looked through, of which so many are theirs that the page is soon full."""
    few = len(tx.all("SELECT 1 FROM member WHERE user = ? LIMIT ?", user, _FEW + 1)) <= _FEW
    theirs = _FEW_OF_MEMBER if few else _MANY_OF_MEMBER
    return [Project(*row) for row in tx.all(theirs, user, account, *names, limit)]


def member(tx: Tx, project: int, user: int) -> Member | None:
    row = tx.one("SELECT user, role, created_at FROM member WHERE project = ? AND user = ?", project, user)
    return Member(*row) if row else None


def members(tx: Tx, project: int, *, after: tuple[int, int], limit: int) -> list[Member]:
    """In the order they came, those behind the time and user `after`."""
    sql = (
        "SELECT user, role, created_at FROM member WHERE project = ? AND (created_at, user) > (?, ?)"
        " ORDER BY created_at, user LIMIT ?"
    )
    return [Member(*row) for row in tx.all(sql, project, *after, limit)]


def set_role(tx: Tx, project: int, user: int, role: str) -> None:
    tx.run(
        "INSERT INTO member (project, user, role, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (project, user) DO UPDATE SET role = excluded.role",
        project,
        user,
        role,
        tx.now_ms,
    )


def remove_member(tx: Tx, project: int, user: int) -> int:
    return tx.run("DELETE FROM member WHERE project = ? AND user = ?", project, user)


def remove_memberships(tx: Tx, user: int) -> None:
    """In all projects."""
    tx.run("DELETE FROM member WHERE user = ?", user)


def names_owned(tx: Tx, account: int, user: int, *, limit: int) -> list[str]:
    """Of projects that the user owns."""
    rows = tx.all(
        "SELECT name FROM project WHERE account = ? AND owner = ? AND deleted_at IS NULL ORDER BY name LIMIT ?",
        account,
        user,
        limit,
    )
    return [row[0] for row in rows]


def owner(tx: Tx, account: int, project: int) -> int | None:
    """The row of the user who owns it."""
    row = tx.one("SELECT owner FROM project WHERE account = ? AND id = ? AND deleted_at IS NULL", account, project)
    return row[0] if row else None


def set_owner(tx: Tx, account: int, project: int, user: int) -> None:
    tx.run(
        "UPDATE project SET owner = ?, updated_at = ? WHERE account = ? AND id = ? AND deleted_at IS NULL",
        user,
        tx.now_ms,
        account,
        project,
    )


def remove_members(tx: Tx, project: int) -> None:
    tx.run("DELETE FROM member WHERE project = ?", project)


def insert_project(tx: Tx, account: int, *, name: str, description: str, plan: str) -> Project:
    uid = tx.new_id()
    project = tx.insert(
        "INSERT INTO project (uid, account, name, description, created_at, updated_at, plan)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        uid,
        account,
        name,
        description,
        tx.now_ms,
        tx.now_ms,
        plan,
    )
    return Project(project, uid, name, description, tx.now_ms, tx.now_ms, plan)


def update_project(tx: Tx, account: int, project: int, *, name: str, description: str) -> None:
    tx.run(
        "UPDATE project SET name = ?, description = ?, updated_at = ?"
        " WHERE account = ? AND id = ? AND deleted_at IS NULL",
        name,
        description,
        tx.now_ms,
        account,
        project,
    )


def set_plan(tx: Tx, account: int, project: int, plan: str) -> None:
    tx.run(
        "UPDATE project SET plan = ?, updated_at = ? WHERE account = ? AND id = ? AND deleted_at IS NULL",
        plan,
        tx.now_ms,
        account,
        project,
    )


def mark_deleted(tx: Tx, account: int, project: int) -> int:
    """The project and its endpoints disappear at once; their data is swept in the background."""
    tx.run("UPDATE endpoint SET deleted_at = ? WHERE project = ? AND deleted_at IS NULL", tx.now_ms, project)
    return tx.run(
        "UPDATE project SET deleted_at = ? WHERE account = ? AND id = ? AND deleted_at IS NULL",
        tx.now_ms,
        account,
        project,
    )


def ids(tx: Tx) -> list[int]:
    """All projects of all accounts."""
    return [row[0] for row in tx.all("SELECT id FROM project WHERE deleted_at IS NULL ORDER BY id")]


def deleted_and_empty(tx: Tx, limit: int) -> list[int]:
    """Deleted projects of all accounts whose endpoints have been swept."""
    rows = tx.all(
        "SELECT id FROM project WHERE deleted_at IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM endpoint WHERE endpoint.project = project.id) LIMIT ?",
        limit,
    )
    return [row[0] for row in rows]


def remove(tx: Tx, project: int) -> None:
    tx.run("DELETE FROM project WHERE project.id = ? AND deleted_at IS NOT NULL", project)


def _project(row: tuple[int, bytes, str, str, int, int, str] | None) -> Project | None:
    return Project(*row) if row else None
