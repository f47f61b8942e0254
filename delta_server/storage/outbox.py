"""The outbox: what happened, written in the transaction of its cause and read in the order of the commits.

A consumer has a name and a durable cursor: it reads on behind it, does its part, and moves it, so it hears of each
happening at least once, in order, whatever crashes. Who follows for as long as a connection lasts keeps the `seq` of
the last one itself. Rows are kept for KEPT_MS, the newest MOST_KEPT of them, and until the slowest consumer has
read them, but never for longer than LONGEST_MS: `trimmed` tells up to where they may be gone. After a restore numbers
go on from `begin_again`: those that the database before gave since its backup stand for something else by then.

What is such a log already needs no row here: events are read by their own seq (storage/eventlog.py), which a row for
each of their commits would make slower for everybody who sends some. Of what has rows of its own that stay, the
numbers are written, those of one commit together: 20 times smaller than what there is to say of it.
"""

from collections.abc import Sequence

import msgspec

from delta_server.storage.database import Tx, frees_space
from delta_server.storage.row_checksums import ChecksummedTable

KEPT_MS = 86_400_000
LONGEST_MS = 7 * 86_400_000
MOST_KEPT = 200_000
"""Of all projects, however young: some 15 MB."""
ROWS_AT_ONCE = 32
"""Numbers in one happening: who reads it looks up each."""
_TRIMMED = ""
"""The cursor of no consumer: up to where rows were deleted."""


class Happening(msgspec.Struct, frozen=True):
    """`at` is in ms, `body` JSON."""

    seq: int
    project: int
    kind: str
    at: int
    body: str


_COLUMNS = "seq, project, kind, at, body"
ROWS = ChecksummedTable("outbox", key=("seq",), covered=("body",), check=msgspec.json.decode, has_checksum=False)


def write(tx: Tx, project: int, kind: str, body: str) -> int:
    """Its seq. Whoever follows the project is woken after the commit: `svc.topics.wake("happenings", project)`."""
    sql = "INSERT INTO outbox (project, kind, at, body) VALUES (?, ?, ?, ?)"
    return tx.insert(sql, project, kind, tx.now_ms, body)


def write_rows(tx: Tx, project: int, kind: str, rows: Sequence[int]) -> None:
    """As `write`, that something happened to rows of the kind's own table; `rows_of` reads them."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        write(tx, project, kind, msgspec.json.encode(rows[start : start + ROWS_AT_ONCE]).decode())


def rows_of(happening: Happening) -> list[int]:
    return msgspec.json.decode(happening.body, type=list[int])


def newest(tx: Tx) -> int:
    """The seq of the last one there is, or was."""
    row = tx.one("SELECT max(seq) FROM outbox")
    return max(row[0] if row and row[0] else 0, trimmed(tx))


def trimmed(tx: Tx) -> int:
    """Up to this seq rows may be gone."""
    return position(tx, _TRIMMED) or 0


@frees_space
def begin_again(tx: Tx) -> None:
    """Of a restored database: numbers go on from so far ahead that none is given twice, and whoever followed it before
    has missed something. Consumers read on, for their cursors are of the backup, too."""
    ahead = max(newest(tx), tx.now_ms)
    if not tx.run("UPDATE sqlite_sequence SET seq = ? WHERE name = 'outbox'", ahead):
        tx.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?)", ahead)
    _set_trimmed(tx, ahead)


def read(tx: Tx, after: int, limit: int) -> list[Happening]:
    """Of all projects, in order: for consumers."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", after, limit)
    return [Happening(*row) for row in rows]


def read_of(tx: Tx, project: int, after: int, limit: int) -> list[Happening]:
    """Of one project, in order."""
    sql = f"SELECT {_COLUMNS} FROM outbox INDEXED BY outbox_project WHERE project = ? AND seq > ? ORDER BY seq LIMIT ?"
    return [Happening(*row) for row in tx.all(sql, project, after, limit)]


def subscribe(tx: Tx, consumer: str) -> None:
    """From now on; one that is there keeps its cursor."""
    _check(consumer)
    tx.run("INSERT INTO outbox_cursor (name, seq) VALUES (?, ?) ON CONFLICT DO NOTHING", consumer, newest(tx))


def position(tx: Tx, consumer: str) -> int | None:
    """The seq of the last happening it is done with; None without such a consumer."""
    row = tx.one("SELECT seq FROM outbox_cursor WHERE name = ?", consumer)
    return row[0] if row else None


def advance(tx: Tx, consumer: str, seq: int) -> None:
    """It is done with all up to `seq`. A cursor never goes back."""
    _check(consumer)
    tx.run("UPDATE outbox_cursor SET seq = max(seq, ?) WHERE name = ?", seq, consumer)


def unsubscribe(tx: Tx, consumer: str) -> None:
    """Nothing is kept for it any more."""
    _check(consumer)
    tx.run("DELETE FROM outbox_cursor WHERE name = ?", consumer)


@frees_space
def trim(tx: Tx, limit: int) -> bool:
    """Delete up to `limit` of the oldest that nobody needs; False when there are none."""
    row = tx.one("SELECT min(seq) FROM outbox_cursor WHERE name <> ?", _TRIMMED)
    slowest = row[0] if row and row[0] is not None else newest(tx)
    last, surplus = None, newest(tx) - MOST_KEPT
    for happening in read(tx, 0, limit):
        age_ms, unread = tx.now_ms - happening.at, happening.seq > slowest
        if age_ms < (LONGEST_MS if unread else KEPT_MS) and (unread or happening.seq > surplus):
            break
        last = happening.seq
    if last is None:
        return False
    tx.run("DELETE FROM outbox WHERE seq <= ?", last)
    _set_trimmed(tx, last)
    return True


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    """Delete up to `limit` happenings of a deleted project; False when there are none."""
    sql = "DELETE FROM outbox WHERE project = ? AND seq IN (SELECT seq FROM outbox WHERE project = ? LIMIT ?)"
    return tx.run(sql, project, project, limit) > 0


def _set_trimmed(tx: Tx, seq: int) -> None:
    sql = "INSERT INTO outbox_cursor (name, seq) VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, ?2)"
    tx.run(sql, _TRIMMED, seq)


def _check(consumer: str) -> None:
    if consumer == _TRIMMED:
        raise ValueError("a consumer has a name")
