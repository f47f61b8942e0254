"""Runs of deduplication keys: the SQL of key_run and key_page."""

import logging
from collections.abc import Iterator, Sequence

from delta_server.core.event_storage.key_run import KEY_BYTES, BuiltRun, KeyFilterBuilder, KeyRun, find
from delta_server.core.packs import codec
from delta_server.storage.database import Row, Tx, frees_space

log = logging.getLogger(__name__)

PAGE_KEYS = 400
"""4000 bytes: with their row's header they fill a page of 4096 bytes, or two of 2048."""
_PAGE_BYTES = PAGE_KEYS * KEY_BYTES
_NUMBER_BITS = 20
MOST_PAGES = 1 << _NUMBER_BITS
_READ_PAGES = 256
_PAGES_AT_ONCE = 64


def insert(tx: Tx, run: BuiltRun, oldest_at: int, newest_at: int) -> int:
    id = begin(tx, oldest_at, newest_at)
    put_pages(tx, id, 0, run.keys)
    tx.run(
        "UPDATE key_run SET keys_count = ?, filter = ?, hash = ? WHERE id = ?",
        run.count,
        run.filter,
        codec.digest(run.filter),
        id,
    )
    return id


def begin(tx: Tx, oldest_at: int, newest_at: int) -> int:
    """A run that is not whole yet."""
    return tx.insert(
        "INSERT INTO key_run (oldest_at, newest_at, keys_count, filter) VALUES (?, ?, 0, x'')", oldest_at, newest_at
    )


def put_pages(tx: Tx, run: int, first: int, keys: bytes) -> None:
    """From the page with the number `first` on; only a run's last page may have less than 400 keys."""
    pages = (keys[at : at + _PAGE_BYTES] for at in range(0, len(keys), _PAGE_BYTES))
    rows = ((id, page, codec.digest(page)) for id, page in enumerate(pages, _page(run, first)))
    tx.many("INSERT INTO key_page (id, keys, hash) VALUES (?, ?, ?)", rows)


def finish(tx: Tx, run: int, count: int, filter: bytes, merged: Sequence[int]) -> bool:
    """The run is whole and takes the place of those `merged` into it; False when they are not there any more."""
    if sum(remove(tx, other) for other in merged) != len(merged):
        remove(tx, run)
        return False
    statement = "UPDATE key_run SET keys_count = ?, filter = ?, hash = ? WHERE id = ?"
    return tx.run(statement, count, filter, codec.digest(filter), run) == 1


def remove(tx: Tx, run: int) -> int:
    """Its pages are left for `sweep`. How many runs that were."""
    return tx.run("DELETE FROM key_run WHERE id = ?", run)


def remove_unfinished(tx: Tx) -> int:
    return tx.run("DELETE FROM key_run WHERE filter = x''")


@frees_space
def sweep(tx: Tx, limit: int) -> bool:
    """Delete up to `limit` pages of a run that is gone; False without any."""
    page = 0
    while row := tx.one("SELECT id >> ? FROM key_page WHERE id >= ? LIMIT 1", _NUMBER_BITS, page):
        run, page = row[0], _page(row[0] + 1, 0)
        if tx.one("SELECT 1 FROM key_run WHERE id = ?", run) is None:
            rows = "SELECT id FROM key_page WHERE id >= ? AND id < ? LIMIT ?"
            return tx.run(f"DELETE FROM key_page WHERE id IN ({rows})", _page(run, 0), page, limit) > 0
    return False


def all_whole(tx: Tx) -> list[KeyRun]:
    rows = tx.all("SELECT id, keys_count, oldest_at, newest_at FROM key_run WHERE filter <> x''")
    return [KeyRun(id=id, count=count, oldest_at=oldest, newest_at=newest) for id, count, oldest, newest in rows]


def filter_of(tx: Tx, run: int) -> bytes | None:
    """As it was stored, None where it is damaged."""
    row = tx.one("SELECT filter, hash FROM key_run WHERE id = ?", run)
    if row is None:
        return b""
    if row[1] is None or codec.digest(row[0]) == row[1]:
        return bytes(row[0])
    return None


def rebuilt(tx: Tx, run: int) -> bytes:
    """The filter of the run's keys."""
    row = tx.one("SELECT keys_count FROM key_run WHERE id = ?", run)
    builder = KeyFilterBuilder(row[0] if row else 0)
    for first in range(0, MOST_PAGES, _READ_PAGES):
        some = keys(tx, run, first, _READ_PAGES)
        if not some:
            break
        builder.add(some)
    return builder.blob()


def filter_is_whole(tx: Tx, run: int) -> bool:
    row = tx.one("SELECT filter, hash FROM key_run WHERE id = ?", run)
    return row is None or (codec.digest(row[0]) == row[1] if row[1] is not None else bytes(row[0]) == rebuilt(tx, run))


def damaged_pages(tx: Tx, run: int, first: int, count: int) -> list[int]:
    """The numbers of those of `count` pages from `first` on whose keys are not what was stored."""
    rows = tx.all(
        "SELECT id, keys, hash FROM key_page WHERE id >= ? AND id < ? AND hash IS NOT NULL",
        _page(run, first),
        _page(run, first + count),
    )
    return [id - _page(run, 0) for id, keys, hash in rows if codec.digest(keys) != hash]


def is_whole(tx: Tx, run: int) -> bool:
    return tx.one("SELECT 1 FROM key_run WHERE id = ? AND filter <> x''", run) is not None


def present(tx: Tx, run: int, places: Sequence[tuple[bytes, int, int]]) -> set[bytes]:
    """Which of some keys the run holds: of each the rank of the first key beside which it would stand, and that after
    the last. Of a damaged page that is not known for certain.

    Many pages a statement: each gives the interpreter's lock away, and waits for it again beside all that compute."""
    by_page: dict[int, list[tuple[bytes, int, int]]] = {}
    for place in places:
        for number in range(place[1] // PAGE_KEYS, (place[2] - 1) // PAGE_KEYS + 1):
            by_page.setdefault(number, []).append(place)
    found: set[bytes] = set()
    for id, keys, hash in _pages(tx, [_page(run, number) for number in by_page]):
        number = id & MOST_PAGES - 1
        page, before = _reported(id, keys, hash), number * PAGE_KEYS
        for key, first, end in by_page[number]:
            if find(page, key, max(0, first - before), end - before):
                found.add(key)
    return found


def _pages(tx: Tx, ids: list[int]) -> Iterator[Row]:
    """(id, keys, hash) of each; two statements are enough for all sizes."""
    if len(ids) == 1:
        yield from tx.all("SELECT id, keys, hash FROM key_page WHERE id = ?", ids[0])
        return
    marks = ", ".join(["?"] * _PAGES_AT_ONCE)
    for at in range(0, len(ids), _PAGES_AT_ONCE):
        some = ids[at : at + _PAGES_AT_ONCE]
        some += some[-1:] * (_PAGES_AT_ONCE - len(some))
        yield from tx.all(f"SELECT id, keys, hash FROM key_page WHERE id IN ({marks})", *some)


def _reported(id: int, keys: bytes, hash: bytes | None) -> bytes:
    """The keys of a page, whose damage is logged."""
    if hash is not None and codec.digest(keys) != hash:
        run, page = id >> _NUMBER_BITS, id & MOST_PAGES - 1
        log.error("page %d of deduplication run %d is damaged: events sent again may count twice", page, run)
    return keys


def keys(tx: Tx, run: int, first: int, count: int) -> bytes:
    """The keys of up to `count` pages from the page with the number `first` on."""
    rows = tx.all(
        "SELECT id, keys, hash FROM key_page WHERE id >= ? AND id < ? ORDER BY id",
        _page(run, first),
        _page(run, first + count),
    )
    return b"".join([_reported(*row) for row in rows])


def _page(run: int, number: int) -> int:
    return run << _NUMBER_BITS | number
