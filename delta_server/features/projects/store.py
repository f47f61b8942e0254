"""Projects. The tenant here is the account. A deleted project is found by nobody: it lies in the bin until `purge_at`;
where it has none it is being removed, and its row goes when it is empty."""

import msgspec

from delta_server.core.binned import Binned
from delta_server.storage.database import Row, Tx


class Project(msgspec.Struct, frozen=True):
    """Times are in ms."""

    id: int
    uid: bytes
    name: str
    description: str
    created_at: int
    updated_at: int
    plan: str
    binned: Binned | None = None


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


def by_row(tx: Tx, project: int) -> Project | None:
    """For who knows only the row."""
    return _project(tx.one(f"SELECT {_COLUMNS} FROM project WHERE project.id = ? AND deleted_at IS NULL", project))


def by_uid(tx: Tx, account: int, uid: bytes) -> Project | None:
    sql = f"SELECT {_COLUMNS} FROM project WHERE account = ? AND uid = ? AND deleted_at IS NULL"
    return _project(tx.one(sql, account, uid))


def row_of(tx: Tx, account: int, uid: bytes) -> int | None:
    """Of one in the bin too."""
    row = tx.one("SELECT id FROM project WHERE account = ? AND uid = ?", account, uid)
    return row[0] if row else None


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


def set_owner(tx: Tx, account: int, project: int, user: int | None) -> None:
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


# The bin

_IN_BIN = "deleted_at IS NOT NULL AND purge_at > ?"


def bin_page(
    tx: Tx, account: int, *, user: int | None, names: tuple[str, str], before: tuple[int, int], limit: int
) -> list[Project]:
    """What was deleted last first, before (deleted_at, id); with `user` of the projects that they are a member of."""
    rows = tx.all(
        f"SELECT {_COLUMNS}, deleted_at, purge_at FROM project WHERE account = ?1 AND {_IN_BIN.replace('?', '?2')}"
        " AND (deleted_at, id) < (?3, ?4) AND name >= ?5 AND name < ?6"
        " AND (?7 IS NULL OR id IN (SELECT project FROM member WHERE user = ?7))"
        " ORDER BY deleted_at DESC, id DESC LIMIT ?8",
        account,
        tx.now_ms,
        *before,
        *names,
        user,
        limit,
    )
    return [_binned(row) for row in rows]


def binned_by_uid(tx: Tx, account: int, uid: bytes) -> Project | None:
    sql = f"SELECT {_COLUMNS}, deleted_at, purge_at FROM project WHERE account = ? AND uid = ? AND {_IN_BIN}"
    row = tx.one(sql, account, uid, tx.now_ms)
    return _binned(row) if row else None


def binned_by_name(tx: Tx, account: int, name: str) -> list[Project]:
    """Two at most: which of them is meant, a name does not say."""
    rows = tx.all(
        f"SELECT {_COLUMNS}, deleted_at, purge_at FROM project WHERE account = ? AND {_IN_BIN} AND name = ? LIMIT 2",
        account,
        tx.now_ms,
        name,
    )
    return [_binned(row) for row in rows]


def count_owned_in_bin(tx: Tx, account: int, user: int) -> int:
    row = tx.one(
        f"SELECT count(*) FROM project WHERE account = ? AND owner = ? AND {_IN_BIN}", account, user, tx.now_ms
    )
    return int(row[0]) if row else 0


def mark_deleted(tx: Tx, account: int, project: int, *, purge_at: int | None) -> None:
    """It disappears at once, with all that is in it, of which no row changes."""
    tx.run(
        "UPDATE project SET deleted_at = ?, purge_at = ? WHERE account = ? AND id = ? AND deleted_at IS NULL",
        tx.now_ms,
        purge_at,
        account,
        project,
    )


def restore(tx: Tx, account: int, project: int, *, name: str) -> None:
    tx.run(
        f"UPDATE project SET updated_at = iif(name = ?1, updated_at, ?2), name = ?1, deleted_at = NULL, purge_at = NULL"
        f" WHERE account = ?3 AND id = ?4 AND {_IN_BIN.replace('?', '?2')}",
        name,
        tx.now_ms,
        account,
        project,
    )


def purge(tx: Tx, account: int, project: int) -> None:
    """From now on what is in the bin is being removed."""
    tx.run(
        "UPDATE project SET purge_at = NULL WHERE account = ? AND id = ? AND deleted_at IS NOT NULL", account, project
    )


def due(tx: Tx, limit: int) -> list[tuple[int, Project]]:
    """The account and the project of those whose time in the bin has ended."""
    rows = tx.all(
        f"SELECT account, {_COLUMNS} FROM project WHERE deleted_at IS NOT NULL AND purge_at <= ? LIMIT ?",
        tx.now_ms,
        limit,
    )
    return [(row[0], Project(*row[1:])) for row in rows]


def _binned(row: Row) -> Project:
    return msgspec.structs.replace(Project(*row[:-2]), binned=Binned(*row[-2:]))


def stored(tx: Tx, account: int) -> list[tuple[int, str]]:
    """(id, name) of those that are there or lie in the bin."""
    is_stored = "deleted_at IS NULL OR purge_at IS NOT NULL"
    rows = tx.all(f"SELECT id, name FROM project WHERE account = ? AND ({is_stored}) ORDER BY name, id", account)
    return [(row[0], row[1]) for row in rows]


# What is being removed


def remove_endpoints(tx: Tx, project: int, limit: int) -> int:
    """Those of a project that is being removed are too: how many of them were not yet."""
    return tx.run(
        "UPDATE endpoint SET deleted_at = coalesce(deleted_at, ?), purge_at = NULL WHERE id IN (SELECT id FROM endpoint"
        " WHERE project = ? AND (deleted_at IS NULL OR purge_at IS NOT NULL) LIMIT ?)",
        tx.now_ms,
        project,
        limit,
    )


def ids(tx: Tx) -> list[int]:
    """All projects of all accounts."""
    return [row[0] for row in tx.all("SELECT id FROM project WHERE deleted_at IS NULL ORDER BY id")]


def being_removed(tx: Tx, limit: int) -> list[int]:
    """Of all accounts, those with endpoints that are not being removed yet."""
    rows = tx.all(
        "SELECT id FROM project WHERE deleted_at IS NOT NULL AND purge_at IS NULL AND EXISTS (SELECT 1 FROM endpoint"
        " WHERE endpoint.project = project.id AND (endpoint.deleted_at IS NULL OR endpoint.purge_at IS NOT NULL))"
        " LIMIT ?",
        limit,
    )
    return [row[0] for row in rows]


def removed_and_empty(tx: Tx, limit: int) -> list[int]:
    """Projects of all accounts that are being removed and whose endpoints have been swept."""
    rows = tx.all(
        "SELECT id FROM project WHERE deleted_at IS NOT NULL AND purge_at IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM endpoint WHERE endpoint.project = project.id) LIMIT ?",
        limit,
    )
    return [row[0] for row in rows]


def remove(tx: Tx, project: int) -> None:
    tx.run("DELETE FROM project WHERE project.id = ? AND deleted_at IS NOT NULL AND purge_at IS NULL", project)


def _project(row: tuple[int, bytes, str, str, int, int, str] | None) -> Project | None:
    return Project(*row) if row else None
