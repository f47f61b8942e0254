"""The audit log's rows and where its chains end. The tenant here is the account."""

from typing import Any

import msgspec

from delta_server.core.audit_chain import Entry, Head, Row
from delta_server.core.errors import NotFound
from delta_server.storage.database import Tx


class Filters(msgspec.Struct, frozen=True):
    """What rows are wanted; None is any. Times are in ms, `to_ms` excluded."""

    from_ms: int
    to_ms: int
    actor: str | None = None
    action: str | None = None
    target: str | None = None
    projects: tuple[str, ...] = ()
    """The ids of the projects that a row must be about: of several none is."""


_COLUMNS = ", ".join(Entry.__struct_fields__)
_NEWEST = (1 << 62, 1 << 62)


def tenant_of(tx: Tx, project: int) -> tuple[int, bytes]:
    """The account of a project, which may be a deleted one, and the project's uid. Raises NotFound."""
    row = tx.one("SELECT account, uid FROM project WHERE project.id = ?", project)
    if row is None:
        raise NotFound("the project has been deleted")
    return row[0], row[1]


def head(tx: Tx, account: int) -> Head | None:
    row = tx.one(
        "SELECT seq, hash, cut_seq, cut_hash, key_id, signature FROM audit_head WHERE account = ?",
        account,
    )
    return Head(*row) if row else None


def put_head(tx: Tx, account: int, head: Head) -> None:
    tx.run(
        "INSERT INTO audit_head (account, seq, hash, cut_seq, cut_hash, key_id, signature) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (account) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, cut_seq = excluded.cut_seq,"
        " cut_hash = excluded.cut_hash, key_id = excluded.key_id, signature = excluded.signature",
        account,
        *msgspec.structs.astuple(head),
    )


def insert(tx: Tx, account: int, entry: Entry, hash: bytes) -> None:
    tx.run(
        f"INSERT INTO audit (account, {_COLUMNS}, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        account,
        *msgspec.structs.astuple(entry),
        hash,
    )


def page(tx: Tx, account: int, filters: Filters, *, before: tuple[int, int] | None = None, limit: int) -> list[Row]:
    """The newest first, those before the time and number `before`.

    The index is that of the filter which mostly leaves fewest rows: the planner, who knows averages alone, would read
    the whole log for an actor who did little. It would also do so were there two upper bounds of the time, as soon as
    it knows that there is one account."""
    wanted = {"target": filters.target, "actor": filters.actor, "action": filters.action}
    equal = [(name, value) for name, value in wanted.items() if value is not None]
    equal += [("project", project) for project in filters.projects]
    conditions = "".join(f" AND {name} = ?" for name, _ in equal)
    index = f"audit_{equal[0][0] if equal else 'at'}"
    newest = min(before or _NEWEST, (filters.to_ms, 0))
    rows = tx.all(
        f"SELECT {_COLUMNS}, hash FROM audit INDEXED BY {index} WHERE account = ?{conditions} AND at >= ?"
        " AND (at, seq) < (?, ?) ORDER BY at DESC, seq DESC LIMIT ?",
        account,
        *(value for _, value in equal),
        filters.from_ms,
        *newest,
        limit,
    )
    return [_row(row) for row in rows]


def chain(tx: Tx, account: int, *, after: int, limit: int) -> list[Row]:
    """In the order of the chain, those behind the row number `after`."""
    sql = f"SELECT {_COLUMNS}, hash FROM audit WHERE account = ? AND seq > ? ORDER BY seq LIMIT ?"
    return [_row(row) for row in tx.all(sql, account, after, limit)]


def last(tx: Tx, account: int, limit: int) -> list[Row]:
    """The last ones of the chain, in its order."""
    sql = f"SELECT {_COLUMNS}, hash FROM audit WHERE account = ? ORDER BY seq DESC LIMIT ?"
    return [_row(row) for row in reversed(tx.all(sql, account, limit))]


def remove(tx: Tx, account: int, *, up_to: int) -> int:
    return tx.run("DELETE FROM audit WHERE account = ? AND seq <= ?", account, up_to)


def accounts(tx: Tx) -> list[int]:
    """Those that have a log."""
    return [row[0] for row in tx.all("SELECT account FROM audit_head ORDER BY account")]


def not_begun(tx: Tx) -> list[int]:
    """Accounts whose log has no row yet."""
    return [row[0] for row in tx.all("SELECT account FROM audit_head WHERE seq = 0 ORDER BY account")]


def _row(row: tuple[Any, ...]) -> Row:
    return Row(Entry(*row[:-1]), row[-1])
