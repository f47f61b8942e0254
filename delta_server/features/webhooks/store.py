"""Webhooks, what is sent to them, and how many of it arrived."""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from delta_server.storage.database import Row, Tx

HOUR_MS = 3_600_000

State: TypeAlias = Literal["waiting", "failed", "delivered", "dead", "cancelled"]


class Webhook(msgspec.Struct, frozen=True):
    """Times are in ms. `off_because` None: it is on."""

    id: int
    project: int
    uid: bytes
    account: int
    settings: str
    target: bytes
    made_by_user: int | None
    made_by_key: str | None
    off_because: str | None
    failing_since: int | None
    created_at: int
    updated_at: int


class NewDelivery(msgspec.Struct, frozen=True):
    webhook: int
    lane: int
    kind: str
    at: int
    body: str


class Delivery(msgspec.Struct, frozen=True):
    """`attempts` is JSON (attempts.py); `failures` counts those since it was last begun."""

    id: int
    webhook: int
    lane: int
    kind: str
    at: int
    body: str
    is_test: bool
    state: State
    failures: int
    due_at: int
    ended_at: int | None
    attempts: str


class Progress(msgspec.Struct, frozen=True):
    """What an attempt made of a delivery."""

    id: int
    state: State
    failures: int
    due_at: int
    attempts: str

    @property
    def has_ended(self) -> bool:
        return self.state in ("delivered", "dead")


_WEBHOOK = (
    "id, project, uid, account, settings, target, made_by_user, made_by_key, off_because, failing_since, created_at,"
    " updated_at"
)
_DELIVERY = "id, webhook, lane, kind, at, body, is_test, state, failures, due_at, ended_at, attempts"


def _delivery(row: Row) -> Delivery:
    return Delivery(*(*row[:6], bool(row[6]), *row[7:]))


def insert(
    tx: Tx,
    project: int,
    uid: bytes,
    *,
    account: int,
    settings: str,
    target: bytes,
    user: int | None,
    key: str | None,
    off_because: str | None,
) -> None:
    tx.run(
        f"INSERT INTO webhook ({_WEBHOOK.removeprefix('id, ')}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)",
        project,
        uid,
        account,
        settings,
        target,
        user,
        key,
        off_because,
        tx.now_ms,
        tx.now_ms,
    )


def find(tx: Tx, project: int, uid: bytes) -> Webhook | None:
    row = tx.one(f"SELECT {_WEBHOOK} FROM webhook WHERE project = ? AND uid = ?", project, uid)
    return Webhook(*row) if row else None


def by_row(tx: Tx, webhook: int) -> Webhook | None:
    row = tx.one(f"SELECT {_WEBHOOK} FROM webhook WHERE id = ?", webhook)
    return Webhook(*row) if row else None


def of_project(tx: Tx, project: int) -> list[Webhook]:
    """In the order in which they were made: a project has 50 at most."""
    return [Webhook(*row) for row in tx.all(f"SELECT {_WEBHOOK} FROM webhook WHERE project = ? ORDER BY id", project)]


def all_on(tx: Tx) -> list[Webhook]:
    return [Webhook(*row) for row in tx.all(f"SELECT {_WEBHOOK} FROM webhook WHERE off_because IS NULL")]


def any_webhook(tx: Tx) -> bool:
    return tx.one("SELECT 1 FROM webhook LIMIT 1") is not None


def update(
    tx: Tx,
    webhook: int,
    *,
    settings: str,
    target: bytes,
    user: int | None,
    key: str | None,
    off_because: str | None,
    failing_since: int | None,
) -> None:
    tx.run(
        "UPDATE webhook SET settings = ?, target = ?, made_by_user = ?, made_by_key = ?, off_because = ?,"
        " failing_since = ?, updated_at = ? WHERE id = ?",
        settings,
        target,
        user,
        key,
        off_because,
        failing_since,
        tx.now_ms,
        webhook,
    )


def event_seq(tx: Tx, webhook: int) -> int | None:
    """Up to which event it has been sent them; None: none yet."""
    row = tx.one("SELECT event_seq FROM webhook WHERE id = ?", webhook)
    return row[0] if row else None


def move_event_seq(tx: Tx, webhook: int, before: int | None, seq: int | None) -> bool:
    """Whether it was `before`."""
    return tx.run("UPDATE webhook SET event_seq = ? WHERE id = ? AND event_seq IS ?", seq, webhook, before) > 0


def set_target(tx: Tx, webhook: int, target: bytes) -> None:
    tx.run("UPDATE webhook SET target = ?, updated_at = ? WHERE id = ?", target, tx.now_ms, webhook)


def turn_off(tx: Tx, webhook: int, because: str) -> bool:
    """Whether it was on."""
    sql = "UPDATE webhook SET off_because = ?, updated_at = ? WHERE id = ? AND off_because IS NULL"
    return tx.run(sql, because, tx.now_ms, webhook) > 0


def begin_failing(tx: Tx, webhook: int) -> int | None:
    """Since when it fails; None for a deleted one."""
    sql = "UPDATE webhook SET failing_since = coalesce(failing_since, ?) WHERE id = ? RETURNING failing_since"
    row = tx.one(sql, tx.now_ms, webhook)
    return row[0] if row else None


def end_failing(tx: Tx, webhook: int) -> None:
    tx.run("UPDATE webhook SET failing_since = NULL WHERE id = ? AND failing_since IS NOT NULL", webhook)


def delete(tx: Tx, webhook: int) -> None:
    """Its deliveries go in the background."""
    tx.run("DELETE FROM webhook WHERE id = ?", webhook)


# Deliveries


def add(tx: Tx, news: Iterable[NewDelivery]) -> None:
    """In their order."""
    tx.many(
        "INSERT INTO delivery (webhook, lane, kind, at, body, is_test, state, failures, due_at, attempts)"
        " VALUES (?, ?, ?, ?, ?, 0, 'waiting', 0, ?, '[]')",
        [(new.webhook, new.lane, new.kind, new.at, new.body, tx.now_ms) for new in news],
    )


def add_test(tx: Tx, webhook: int, kind: str, body: str) -> int:
    """Its number. It has a lane of its own, and waits for no other."""
    id = tx.insert(
        "INSERT INTO delivery (webhook, lane, kind, at, body, is_test, state, failures, due_at, attempts)"
        " VALUES (?, 0, ?, ?, ?, 1, 'waiting', 0, ?, '[]')",
        webhook,
        kind,
        tx.now_ms,
        body,
        tx.now_ms,
    )
    tx.run("UPDATE delivery SET lane = -id WHERE webhook = ? AND id = ?", webhook, id)
    return id


def delivery(tx: Tx, webhook: int, id: int) -> Delivery | None:
    row = tx.one(f"SELECT {_DELIVERY} FROM delivery WHERE id = ? AND webhook = ?", id, webhook)
    return _delivery(row) if row else None


def webhook_of(tx: Tx, id: int) -> int | None:
    """Whose delivery it is; the caller asks whose webhook that is."""
    row = tx.one("SELECT webhook FROM delivery WHERE id = ?", id)
    return row[0] if row else None


def page(tx: Tx, webhook: int, *, before: int, limit: int) -> list[Delivery]:
    """Newest first, those with lower numbers than `before`."""
    sql = f"SELECT {_DELIVERY} FROM delivery WHERE webhook = ? AND id < ? ORDER BY id DESC LIMIT ?"
    return [_delivery(row) for row in tx.all(sql, webhook, before, limit)]


def numbers_after(tx: Tx, webhook: int, id: int, limit: int) -> list[int]:
    """From that number on, ascending."""
    sql = "SELECT id FROM delivery WHERE webhook = ? AND id >= ? ORDER BY id LIMIT ?"
    return [row[0] for row in tx.all(sql, webhook, id, limit)]


def not_arrived(tx: Tx, webhook: int, since_ms: int, limit: int) -> list[int]:
    """Numbers of those about happenings from that time on, the oldest first."""
    rows = tx.all(
        "SELECT id FROM delivery WHERE webhook = ? AND at >= ? AND state <> 'delivered' AND NOT is_test"
        " ORDER BY id LIMIT ?",
        webhook,
        since_ms,
        limit,
    )
    return [row[0] for row in rows]


def time_at_or_after(tx: Tx, id: int) -> tuple[int, int] | None:
    """(number, time) of the first delivery of anybody from this number on."""
    row = tx.one("SELECT id, at FROM delivery WHERE id >= ? ORDER BY id LIMIT 1", id)
    return (row[0], row[1]) if row else None


def newest(tx: Tx) -> int:
    row = tx.one("SELECT max(id) FROM delivery")
    return row[0] or 0 if row else 0


def with_open(tx: Tx) -> list[int]:
    """Webhooks with deliveries that have not ended: one look into the index each."""
    rows = tx.all(
        "WITH RECURSIVE each (webhook) AS (SELECT min(webhook) FROM delivery WHERE ended_at IS NULL"
        " UNION ALL SELECT (SELECT min(webhook) FROM delivery WHERE ended_at IS NULL AND webhook > each.webhook)"
        " FROM each WHERE webhook IS NOT NULL) SELECT webhook FROM each WHERE webhook IS NOT NULL"
    )
    return [row[0] for row in rows]


def count_open(tx: Tx) -> int:
    """How many have not ended, of webhooks that are on: up to 20,000, which takes 1 ms."""
    row = tx.one(
        "SELECT count(*) FROM (SELECT 1 FROM webhook CROSS JOIN delivery ON delivery.webhook = webhook.id"
        " AND delivery.ended_at IS NULL WHERE webhook.off_because IS NULL LIMIT 20000)"
    )
    return int(row[0]) if row else 0


def lanes(tx: Tx, webhook: int, *, after: int, limit: int) -> list[int]:
    """Lanes behind `after` in which something waits, one look into the index each."""
    rows = tx.all(
        "WITH RECURSIVE each (lane) AS (SELECT min(lane) FROM delivery WHERE webhook = ?1 AND ended_at IS NULL"
        " AND lane > ?2 UNION ALL SELECT (SELECT min(lane) FROM delivery WHERE webhook = ?1 AND ended_at IS NULL"
        " AND lane > each.lane) FROM each WHERE lane IS NOT NULL)"
        " SELECT lane FROM each WHERE lane IS NOT NULL LIMIT ?3",
        webhook,
        after,
        limit,
    )
    return [row[0] for row in rows]


def waiting_in(tx: Tx, webhook: int, lane: int, limit: int) -> list[Delivery]:
    sql = f"SELECT {_DELIVERY} FROM delivery WHERE webhook = ? AND lane = ? AND ended_at IS NULL ORDER BY id LIMIT ?"
    return [_delivery(row) for row in tx.all(sql, webhook, lane, limit)]


def open_first(tx: Tx, webhook: int, limit: int) -> list[tuple[int, int]]:
    """(due_at, number) of some that have not ended."""
    sql = "SELECT due_at, id FROM delivery WHERE webhook = ? AND ended_at IS NULL LIMIT ?"
    return [(row[0], row[1]) for row in tx.all(sql, webhook, limit)]


def progress(tx: Tx, webhook: int, done: Sequence[Progress]) -> None:
    """One that was cancelled or deleted meanwhile stays so."""
    tx.many(
        "UPDATE delivery SET state = ?, failures = ?, due_at = ?, ended_at = ?, attempts = ?"
        " WHERE id = ? AND webhook = ? AND ended_at IS NULL",
        [
            (one.state, one.failures, one.due_at, tx.now_ms if one.has_ended else None, one.attempts, one.id, webhook)
            for one in done
        ],
    )


def begin_again(tx: Tx, webhook: int, id: int) -> None:
    tx.run(
        "UPDATE delivery SET state = 'waiting', failures = 0, due_at = ?, ended_at = NULL WHERE id = ? AND webhook = ?",
        tx.now_ms,
        id,
        webhook,
    )


def cancel(tx: Tx, webhook: int, id: int) -> None:
    sql = "UPDATE delivery SET state = 'cancelled', ended_at = ? WHERE id = ? AND webhook = ? AND ended_at IS NULL"
    tx.run(sql, tx.now_ms, id, webhook)


def oldest(tx: Tx, webhook: int, limit: int) -> list[tuple[int, int, bool]]:
    """(number, time, whether it has ended)."""
    sql = "SELECT id, at, ended_at IS NOT NULL FROM delivery WHERE webhook = ? ORDER BY id LIMIT ?"
    return [(row[0], row[1], bool(row[2])) for row in tx.all(sql, webhook, limit)]


def number_from_newest(tx: Tx, webhook: int, count: int) -> int | None:
    """The number of the delivery before the `count` newest."""
    sql = "SELECT id FROM delivery WHERE webhook = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
    row = tx.one(sql, webhook, count)
    return row[0] if row else None


def delete_up_to(tx: Tx, webhook: int, id: int, limit: int) -> int:
    """How many of the oldest up to that number were deleted."""
    sql = "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE webhook = ? AND id <= ? ORDER BY id LIMIT ?)"
    return tx.run(sql, webhook, id, limit)


def with_deliveries(tx: Tx) -> list[int]:
    """Webhooks, there or deleted, with any deliveries."""
    rows = tx.all(
        "WITH RECURSIVE each (webhook) AS (SELECT min(webhook) FROM delivery UNION ALL"
        " SELECT (SELECT min(webhook) FROM delivery WHERE webhook > each.webhook) FROM each WHERE webhook IS NOT NULL)"
        " SELECT webhook FROM each WHERE webhook IS NOT NULL"
    )
    return [row[0] for row in rows]


# Counts


def count(tx: Tx, webhook: int, hour: int, *, arrived: int, failed: int) -> None:
    tx.run(
        "INSERT INTO webhook_hour (webhook, hour, arrived, failed) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET arrived = arrived + excluded.arrived, failed = failed + excluded.failed",
        webhook,
        hour,
        arrived,
        failed,
    )


def counts(tx: Tx, webhook: int, since: int) -> list[tuple[int, int, int]]:
    """(hour, arrived, failed) from that hour on."""
    rows = tx.all("SELECT hour, arrived, failed FROM webhook_hour WHERE webhook = ? AND hour >= ?", webhook, since)
    return [(row[0], row[1], row[2]) for row in rows]


def delete_counts(tx: Tx, webhook: int, before: int) -> None:
    tx.run("DELETE FROM webhook_hour WHERE webhook = ? AND hour < ?", webhook, before)


def with_counts(tx: Tx) -> list[int]:
    """Webhooks, there or deleted, with any counts."""
    rows = tx.all(
        "WITH RECURSIVE each (webhook) AS (SELECT min(webhook) FROM webhook_hour UNION ALL"
        " SELECT (SELECT min(webhook) FROM webhook_hour WHERE webhook > each.webhook) FROM each"
        " WHERE webhook IS NOT NULL) SELECT webhook FROM each WHERE webhook IS NOT NULL"
    )
    return [row[0] for row in rows]
