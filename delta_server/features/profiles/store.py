"""Profiles of users and groups, whose an id is, and updates that are not applied yet."""

from collections.abc import Collection
from typing import Literal, TypeAlias

import msgspec

from delta_server.core.events.persons import Link, Node
from delta_server.core.events.profile_update import Traits
from delta_server.storage.database import Tx
from delta_server.storage.row_checksums import ChecksummedTable

Kind: TypeAlias = Literal["user", "group"]


PROFILE_ROWS = ChecksummedTable(
    "profile", key=("id",), covered=("project", "kind", "name", "traits", "told_at"), has_text=True
)
WAITING_ROWS = ChecksummedTable(
    "person_change", key=("id",), covered=("project", "calls", "changes", "duplicates"), has_text=True
)


class Profile(msgspec.Struct, frozen=True):
    """Times are in ms; `traits` is a JSON object, `told_at` one of times. `anonymous`: known by an anonymous id only.
    `ids_ignored` calls would have given it too many other ids."""

    id: int
    name: str
    traits: str
    first_seen_at: int
    last_seen_at: int
    updated_at: int
    told_at: str
    anonymous: int
    ids_ignored: int
    project: int
    kind: Kind
    checksum: int | None

    @property
    def is_damaged(self) -> bool:
        """Its traits are not what was stored."""
        return PROFILE_ROWS.is_damaged(self.checksum, *self._covered())

    def require_traits(self) -> None:
        """Raises DatabaseFailed when they are not what was stored."""
        PROFILE_ROWS.require(self.id, self.checksum, *self._covered())

    def _covered(self) -> tuple[int, Kind, str, str, str]:
        return self.project, self.kind, self.name, self.traits, self.told_at


_COLUMNS = (
    "id, name, traits, first_seen_at, last_seen_at, updated_at, told_at, anonymous, ids_ignored,"
    " project, kind, checksum"
)


def find(tx: Tx, project: int, kind: Kind, name: str) -> Profile | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM profile WHERE project = ? AND kind = ? AND name = ?", project, kind, name)
    return Profile(*row) if row else None


def size(tx: Tx, project: int, kind: Kind, name: str) -> int:
    """Bytes of its traits, 0 for none."""
    sql = "SELECT length(traits) + length(told_at) FROM profile WHERE project = ? AND kind = ? AND name = ?"
    row = tx.one(sql, project, kind, name)
    return row[0] if row else 0


def put(
    tx: Tx,
    project: int,
    kind: Kind,
    name: str,
    traits: Traits,
    *,
    first_at: int,
    last_at: int,
    anonymous: bool,
    damaged: bool = False,
) -> None:
    """Set the traits, and widen when it was seen. What was made of `damaged` traits stays damaged."""
    covered = (
        project,
        kind,
        name,
        msgspec.json.encode(traits.values).decode(),
        msgspec.json.encode(traits.told_at).decode(),
    )
    tx.run(
        "INSERT INTO profile (project, kind, name, traits, told_at, first_seen_at, last_seen_at, updated_at, anonymous,"
        " checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (project, kind, name) DO UPDATE SET traits = excluded.traits, told_at = excluded.told_at,"
        " checksum = excluded.checksum,"
        " updated_at = excluded.updated_at, anonymous = min(anonymous, excluded.anonymous),"
        " first_seen_at = min(first_seen_at, excluded.first_seen_at),"
        " last_seen_at = max(last_seen_at, excluded.last_seen_at)",
        *covered,
        first_at,
        last_at,
        tx.now_ms,
        int(anonymous),
        PROFILE_ROWS.checksum(*covered) ^ damaged,
    )


def seen(tx: Tx, project: int, kind: Kind, names: list[tuple[str, int, int]]) -> None:
    """Widen when each of (name, first, last) was seen, making the profiles that are not there."""
    tx.many(
        "INSERT INTO profile (project, kind, name, traits, told_at, checksum, first_seen_at, last_seen_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (project, kind, name) DO UPDATE SET anonymous = 0,"
        " first_seen_at = min(first_seen_at, excluded.first_seen_at),"
        " last_seen_at = max(last_seen_at, excluded.last_seen_at)"
        " WHERE excluded.first_seen_at < first_seen_at OR excluded.last_seen_at > last_seen_at OR anonymous",
        [(*_new_row(project, kind, name), first, last, tx.now_ms) for name, first, last in names],
    )


def _new_row(project: int, kind: Kind, name: str) -> tuple[object, ...]:
    """Of one without traits: what the checksum covers, and it."""
    covered = project, kind, name, "{}", "{}"
    return *covered, PROFILE_ROWS.checksum(*covered)


def count_ignored(tx: Tx, project: int, name: str, calls: int) -> None:
    sql = "UPDATE profile SET ids_ignored = ids_ignored + ? WHERE project = ? AND kind = 'user' AND name = ?"
    tx.run(sql, calls, project, name)


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


# Which ids are one person's
#
# Queries by person name their index: without statistics SQLite would walk along all links of the project.

_LINK_COLUMNS = "anonymous, name, of, at, person"
_BY_PERSON = "person_link INDEXED BY person_link_person"


def find_link(tx: Tx, project: int, node: Node) -> Link | None:
    sql = f"SELECT {_LINK_COLUMNS} FROM person_link WHERE project = ? AND anonymous = ? AND name = ?"
    row = tx.one(sql, project, int(node[0]), node[1])
    return Link(bool(row[0]), *row[1:]) if row else None


def count_ids(tx: Tx, project: int, person: str) -> int:
    """How many other ids the person has."""
    row = tx.one(f"SELECT count(*) FROM {_BY_PERSON} WHERE project = ? AND person = ?", project, person)
    return row[0] if row else 0


def is_linked_user(tx: Tx, project: int, link: Link) -> bool:
    """Whether ids were given to this user, who is another's."""
    sql = f"SELECT 1 FROM {_BY_PERSON} WHERE project = ? AND person = ? AND of = ? LIMIT 1"
    return tx.one(sql, project, link.person, link.name) is not None


def other_ids(tx: Tx, project: int, person: str) -> list[Node]:
    """All other ids of the person."""
    sql = f"SELECT anonymous, name FROM {_BY_PERSON} WHERE project = ? AND person = ?"
    return [(bool(anonymous), name) for anonymous, name in tx.all(sql, project, person)]


def put_link(tx: Tx, project: int, link: Link, rev: int) -> None:
    tx.run(
        "INSERT INTO person_link (project, anonymous, name, of, at, person, rev) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (project, anonymous, name) DO UPDATE"
        " SET of = excluded.of, at = excluded.at, person = excluded.person, rev = excluded.rev",
        project,
        int(link.anonymous),
        link.name,
        link.of,
        link.at,
        link.person,
        rev,
    )


def move_ids(tx: Tx, project: int, person: str, *, to: str, rev: int) -> int:
    """All ids of a person are another's; how many they were."""
    sql = f"UPDATE {_BY_PERSON} SET person = ?, rev = ? WHERE project = ? AND person = ?"
    return tx.run(sql, to, rev, project, person)


def delete_links(tx: Tx, project: int, person: str) -> None:
    """All links to a person."""
    if tx.run(f"DELETE FROM {_BY_PERSON} WHERE project = ? AND person = ?", project, person):
        rev = next_rev(tx, project)
        tx.run("UPDATE person_state SET forgotten = ? WHERE project = ?", rev, project)


def next_rev(tx: Tx, project: int) -> int:
    row = tx.one(
        "INSERT INTO person_state (project, rev) VALUES (?, 1) ON CONFLICT (project) DO UPDATE SET rev = rev + 1"
        " RETURNING rev",
        project,
    )
    assert row is not None
    return int(row[0])


def is_user(tx: Tx, project: int, name: str) -> bool:
    sql = "SELECT 1 FROM profile WHERE project = ? AND kind = 'user' AND name = ? AND anonymous = 0"
    return tx.one(sql, project, name) is not None


# Updates that are not applied yet


class WaitingUpdates(msgspec.Struct, frozen=True):
    """`changes` is as features/profiles/service.py packs it, `duplicates` JSON of the places that do not count."""

    id: int
    calls: int
    changes: bytes
    duplicates: str
    is_damaged: bool


def insert_waiting(tx: Tx, project: int, *, calls: int, changes: bytes, duplicates: str) -> None:
    covered = project, calls, changes, duplicates
    tx.run(
        "INSERT INTO person_change (project, calls, changes, duplicates, checksum) VALUES (?, ?, ?, ?, ?)",
        *covered,
        WAITING_ROWS.checksum(*covered),
    )


def is_waiting(tx: Tx, project: int, excluded: Collection[int] = ()) -> bool:
    sql = f"SELECT 1 FROM person_change WHERE project = ? {_but(excluded)} LIMIT 1"
    return tx.one(sql, project) is not None


def _but(excluded: Collection[int]) -> str:
    return f"AND id NOT IN ({', '.join(map(str, excluded))})" if excluded else ""


def waiting(tx: Tx, project: int, *, calls: int, excluded: Collection[int] = ()) -> list[WaitingUpdates]:
    """The oldest but those with the ids `excluded`, in order of arrival: the first and others of up to `calls` calls
    with it."""
    found: list[WaitingUpdates] = []
    sql = (
        "SELECT id, calls, changes, duplicates, checksum FROM person_change"
        f" WHERE project = ? AND id > ? {_but(excluded)} ORDER BY id LIMIT 1"
    )
    while row := tx.one(sql, project, found[-1].id if found else 0):
        id, of_row, changes, duplicates, checksum = row
        calls -= of_row
        if found and calls < 0:
            break
        is_damaged = WAITING_ROWS.is_damaged(checksum, project, of_row, changes, duplicates)
        found.append(WaitingUpdates(id, of_row, changes, duplicates, is_damaged))
    return found


def delete_waiting(tx: Tx, project: int, ids: list[int]) -> None:
    tx.many("DELETE FROM person_change WHERE project = ? AND id = ?", [(project, each) for each in ids])


def any_waits(tx: Tx) -> bool:
    return tx.one("SELECT 1 FROM person_change LIMIT 1") is not None


def projects_waiting(tx: Tx) -> list[int]:
    return [project for (project,) in tx.all("SELECT DISTINCT project FROM person_change ORDER BY project")]


def old_aliases(tx: Tx, limit: int) -> list[tuple[int, str, str, int]]:
    """(project, other id, user, time) as they were kept before there were links."""
    return [
        (project, name, of, at)
        for project, name, of, at in tx.all("SELECT project, name, of, created_at FROM alias LIMIT ?", limit)
    ]


def delete_old_aliases(tx: Tx, project: int, names: list[str]) -> None:
    tx.many("DELETE FROM alias WHERE project = ? AND name = ?", [(project, name) for name in names])


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted project; False when there are none."""
    return any(tx.run(statement, project, limit) for statement in _OWNED)


_OWNED = (
    "DELETE FROM profile WHERE id IN (SELECT id FROM profile WHERE project = ? LIMIT ?)",
    "DELETE FROM person_change WHERE id IN (SELECT id FROM person_change WHERE project = ? LIMIT ?)",
    "DELETE FROM profiled WHERE project IN (SELECT project FROM profiled WHERE project = ? LIMIT ?)",
    "DELETE FROM person_link WHERE (project, anonymous, name) IN"
    " (SELECT project, anonymous, name FROM person_link WHERE project = ? LIMIT ?)",
    "DELETE FROM person_state WHERE project IN (SELECT project FROM person_state WHERE project = ? LIMIT ?)",
    "DELETE FROM alias WHERE (project, name) IN (SELECT project, name FROM alias WHERE project = ? LIMIT ?)",
)
