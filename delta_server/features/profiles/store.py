"""Profiles of users and groups, and the other ids their users have."""

from typing import Literal, TypeAlias

import msgspec

from delta_server.storage.database import Tx

Kind: TypeAlias = Literal["user", "group"]


class Profile(msgspec.Struct, frozen=True):
    """Times are in ms; `traits` is a JSON object."""

    id: int
    name: str
    traits: str
    first_seen_at: int
    last_seen_at: int
    updated_at: int


_COLUMNS = "id, name, traits, first_seen_at, last_seen_at, updated_at"


def find(tx: Tx, project: int, kind: Kind, name: str) -> Profile | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM profile WHERE project = ? AND kind = ? AND name = ?", project, kind, name)
    return Profile(*row) if row else None


def tell(tx: Tx, project: int, kind: Kind, name: str, *, traits: str, at: int) -> None:
    """Set the traits, and widen when it was seen by `at`."""
    tx.run(
        "INSERT INTO profile (project, kind, name, traits, first_seen_at, last_seen_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (project, kind, name) DO UPDATE SET traits = excluded.traits, updated_at = excluded.updated_at,"
        " first_seen_at = min(first_seen_at, excluded.first_seen_at),"
        " last_seen_at = max(last_seen_at, excluded.last_seen_at)",
        project,
        kind,
        name,
        traits,
        at,
        at,
        tx.now_ms,
    )


def seen(tx: Tx, project: int, kind: Kind, names: list[tuple[str, int, int]]) -> None:
    """Widen when each of (name, first, last) was seen, making the profiles that are not there."""
    tx.many(
        "INSERT INTO profile (project, kind, name, traits, first_seen_at, last_seen_at, updated_at)"
        " VALUES (?, ?, ?, '{}', ?, ?, ?)"
        " ON CONFLICT (project, kind, name) DO UPDATE SET"
        " first_seen_at = min(first_seen_at, excluded.first_seen_at),"
        " last_seen_at = max(last_seen_at, excluded.last_seen_at)"
        " WHERE excluded.first_seen_at < first_seen_at OR excluded.last_seen_at > last_seen_at",
        [(project, kind, name, first, last, tx.now_ms) for name, first, last in names],
    )


def page(
    tx: Tx, project: int, kind: Kind, *, words: list[str], before: tuple[int, int] | None, limit: int
) -> list[Profile]:
    """Those last seen before `before` (time, id), newest first, whose name or traits hold every word (lower case)."""
    holds = "".join(" AND (instr(lower(name), ?) OR instr(lower(traits), ?))" for _ in words)
    at, row = before or (1 << 62, 1 << 62)
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM profile WHERE project = ? AND kind = ? AND (last_seen_at, id) < (?, ?)"
        f"{holds} ORDER BY last_seen_at DESC, id DESC LIMIT ?",
        project,
        kind,
        at,
        row,
        *(word for word in words for _ in range(2)),
        limit,
    )
    return [Profile(*row) for row in rows]


def delete(tx: Tx, project: int, kind: Kind, names: list[str]) -> None:
    tx.many(
        "DELETE FROM profile WHERE project = ? AND kind = ? AND name = ?", [(project, kind, name) for name in names]
    )


def of(tx: Tx, project: int, name: str) -> str | None:
    """The user that `name` is another id of."""
    row = tx.one("SELECT of FROM alias WHERE project = ? AND name = ?", project, name)
    return row[0] if row else None


def aliases(tx: Tx, project: int, of: str) -> list[str]:
    return [
        name for (name,) in tx.all("SELECT name FROM alias WHERE project = ? AND of = ? ORDER BY name", project, of)
    ]


def set_alias(tx: Tx, project: int, name: str, *, of: str) -> None:
    """`name`, and all that are other ids of it, are from now on other ids of `of`."""
    tx.run("UPDATE alias SET of = ? WHERE project = ? AND of = ?", of, project, name)
    tx.run(
        "INSERT INTO alias (project, name, of, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (project, name) DO UPDATE SET of = excluded.of",
        project,
        name,
        of,
        tx.now_ms,
    )


def delete_aliases(tx: Tx, project: int, of: str) -> None:
    tx.run("DELETE FROM alias WHERE project = ? AND (of = ? OR name = ?)", project, of, of)


def read_until(tx: Tx, project: int) -> int:
    """Up to which time of arrival the project's events are known to its profiles."""
    row = tx.one("SELECT until FROM profiled WHERE project = ?", project)
    return row[0] if row else 0


def set_read_until(tx: Tx, project: int, until: int) -> None:
    tx.run(
        "INSERT INTO profiled (project, until) VALUES (?, ?)"
        " ON CONFLICT (project) DO UPDATE SET until = max(until, excluded.until)",
        project,
        until,
    )


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted project; False when there are none."""
    ids = tx.all("SELECT id FROM profile WHERE project = ? LIMIT ?", project, limit)
    tx.many("DELETE FROM profile WHERE project = ? AND id = ?", [(project, row) for (row,) in ids])
    if ids:
        return True
    tx.run("DELETE FROM profiled WHERE project = ?", project)
    return (
        tx.run(
            "DELETE FROM alias WHERE project = ? AND name IN (SELECT name FROM alias WHERE project = ? LIMIT ?)",
            project,
            project,
            limit,
        )
        > 0
    )
