"""Rules of alerts, what they raised, and what is still to be sent."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from delta_server.storage.database import Row, Tx, frees_space

MOST_COUNTED = 1000


class RuleRow(msgspec.Struct, frozen=True):
    """Times are in ms. `settings` is a core Rule as JSON, `memory` a core Memory."""

    id: int
    uid: bytes
    project: int
    endpoint: int | None
    endpoint_uid: bytes | None
    name: str
    settings: str
    muted_until: int | None
    memory: str
    judged_at: int
    judged_content: int
    due_at: int | None
    revision: int
    created_at: int
    updated_at: int

    @property
    def position(self) -> tuple[int, int]:
        """All versions up to it are judged."""
        return self.judged_at, self.judged_content


class NewRow(msgspec.Struct, frozen=True, kw_only=True):
    """`endpoint` is its row and its uid."""

    endpoint: tuple[int, bytes] | None
    name: str
    settings: str
    muted_until: int | None
    memory: str
    judged: tuple[int, int]
    due_at: int | None


class Raised(msgspec.Struct, frozen=True):
    """How many alerts of a rule are raised, and since when the first of them."""

    count: int
    since: int | None


class NewAlert(msgspec.Struct, frozen=True, kw_only=True):
    record: str
    label: str | None
    limit: str
    value: str | None
    most: str | None
    snapshot: bytes | None
    raised_at: int
    sent: str
    sent_at: int | None


class AlertRow(msgspec.Struct, frozen=True):
    """An alert with what there is to say of its rule."""

    id: int
    uid: bytes
    rule: int
    record: str
    label: str | None
    limit: str
    value: str | None
    most: str | None
    snapshot: bytes | None
    cleared_snapshot: bytes | None
    raised_at: int
    cleared_at: int | None
    sent: str
    sent_at: int | None
    rule_uid: bytes
    rule_name: str
    settings: str
    endpoint_uid: bytes | None


class Notice(msgspec.Struct, frozen=True):
    """What is still to be sent of an alert. `in_digest`: together with others."""

    id: int
    project: int
    alert_uid: bytes
    what: Literal["raised", "cleared"]
    text: str
    body: str
    is_held: bool
    in_digest: bool
    due_at: int


class NewNotice(msgspec.Struct, frozen=True):
    what: str
    text: str
    body: str
    is_held: bool
    in_digest: bool
    due_at: int


_RULE = (
    "id, uid, project, endpoint, endpoint_uid, name, settings, muted_until, memory, judged_at, judged_content, due_at,"
    " revision, created_at, updated_at"
)
_ALERT = """
SELECT a.id, a.uid, a.rule, a.record, a.label, a.limit_text, a.value, a.most, a.snapshot, a.cleared_snapshot,
  a.raised_at, a.cleared_at, a.sent, a.sent_at, r.uid, r.name, r.settings, r.endpoint_uid
FROM alert a JOIN alert_rule r ON r.id = a.rule"""

_NOTICE = """
SELECT n.id, n.project, a.uid, n.what, n.text, n.body, n.held, n.digest, n.due_at
FROM alert_notice n JOIN alert a ON a.id = n.alert"""


# Rules


def insert_rule(tx: Tx, project: int, new: NewRow) -> RuleRow:
    uid, (endpoint, endpoint_uid) = tx.new_id(), new.endpoint or (None, None)
    values: tuple[Any, ...] = (
        uid, project, endpoint, endpoint_uid, new.name, new.settings, new.muted_until, new.memory, *new.judged,
        new.due_at, 0, tx.now_ms, tx.now_ms,
    )  # fmt: skip
    sql = f"INSERT INTO alert_rule ({_RULE.removeprefix('id, ')}) VALUES ({', '.join('?' * len(values))})"
    return RuleRow(tx.insert(sql, *values), *values)


def rule_by_uid(tx: Tx, project: int, uid: bytes) -> RuleRow | None:
    return _rule(tx.one(f"SELECT {_RULE} FROM alert_rule WHERE project = ? AND uid = ?", project, uid))


def rules_of_project(tx: Tx, project: int) -> list[RuleRow]:
    """In the order in which they were made."""
    rows = tx.all(f"SELECT {_RULE} FROM alert_rule WHERE project = ? ORDER BY id", project)
    return [RuleRow(*row) for row in rows]


def rules_of_endpoint(tx: Tx, endpoint: int) -> list[RuleRow]:
    rows = tx.all(f"SELECT {_RULE} FROM alert_rule WHERE endpoint = ? ORDER BY id", endpoint)
    return [RuleRow(*row) for row in rows]


def rule_by_row(tx: Tx, project: int, rule: int) -> RuleRow | None:
    return _rule(tx.one(f"SELECT {_RULE} FROM alert_rule WHERE project = ? AND id = ?", project, rule))


def any_rule(tx: Tx) -> bool:
    return tx.one("SELECT 1 FROM alert_rule LIMIT 1") is not None


def projects_with_rules(tx: Tx) -> frozenset[int]:
    """Those that have rules of endpoints."""
    return frozenset(row[0] for row in tx.all("SELECT DISTINCT project FROM alert_rule WHERE endpoint IS NOT NULL"))


def endpoints_with_rules(tx: Tx) -> list[tuple[int, bytes]]:
    """Projects and uids of those that are there."""
    sql = "SELECT DISTINCT project, endpoint_uid FROM alert_rule WHERE endpoint IS NOT NULL"
    return [(project, uid) for project, uid in tx.all(sql)]


def move_rule(tx: Tx, project: int, rule: int, *, memory: str, judged: tuple[int, int]) -> None:
    sql = "UPDATE alert_rule SET memory = ?, judged_at = ?, judged_content = ? WHERE project = ? AND id = ?"
    tx.run(sql, memory, *judged, project, rule)


def due_rules(tx: Tx, now_ms: int, limit: int) -> list[RuleRow]:
    """Of all projects, what has been due for longest first."""
    rows = tx.all(f"SELECT {_RULE} FROM alert_rule WHERE due_at <= ? ORDER BY due_at LIMIT ?", now_ms, limit)
    return [RuleRow(*row) for row in rows]


def set_due(tx: Tx, project: int, rule: int, revision: int, due_at: int) -> None:
    sql = "UPDATE alert_rule SET due_at = ? WHERE project = ? AND id = ? AND revision = ?"
    tx.run(sql, due_at, project, rule, revision)


def update_rule(tx: Tx, project: int, rule: int, *, name: str, settings: str, muted_until: int | None) -> None:
    tx.run(
        "UPDATE alert_rule SET name = ?, settings = ?, muted_until = ?, updated_at = ? WHERE project = ? AND id = ?",
        name,
        settings,
        muted_until,
        tx.now_ms,
        project,
        rule,
    )


def restart_rule(
    tx: Tx, project: int, rule: int, *, memory: str, judged: tuple[int, int], due_at: int | None
) -> None:  # fmt: skip
    """Judged anew from a position on: what judges it now for its old condition comes too late."""
    tx.run(
        "UPDATE alert_rule SET memory = ?, judged_at = ?, judged_content = ?, due_at = ?, revision = revision + 1"
        " WHERE project = ? AND id = ?",
        memory,
        *judged,
        due_at,
        project,
        rule,
    )


def delete_rule(tx: Tx, project: int, rule: int) -> None:
    """With its alerts, of which the newest are kept (`trim_alerts`)."""
    sql = "DELETE FROM alert_notice WHERE alert IN (SELECT id FROM alert WHERE project = ? AND rule = ?)"
    tx.run(sql, project, rule)
    tx.run("DELETE FROM alert WHERE project = ? AND rule = ?", project, rule)
    tx.run("DELETE FROM alert_rule WHERE project = ? AND id = ?", project, rule)


# Alerts


def raised_by_rule(tx: Tx, project: int, rule: int) -> Raised:
    sql = "SELECT count(*), min(raised_at) FROM alert WHERE project = ? AND rule = ? AND cleared_at IS NULL"
    row = tx.one(sql, project, rule)
    assert row is not None
    return Raised(*row)


def count_raised(tx: Tx, project: int) -> int:
    """Of the project, up to MOST_COUNTED."""
    sql = "SELECT count(*) FROM (SELECT 1 FROM alert WHERE project = ? AND cleared_at IS NULL LIMIT ?)"
    row = tx.one(sql, project, MOST_COUNTED)
    assert row is not None
    return int(row[0])


def page(
    tx: Tx, project: int, *, rule: int | None, is_raised: bool | None, below: int, limit: int
) -> list[AlertRow]:  # fmt: skip
    """What was raised last comes first."""
    where, params = ["a.project = ?", "a.id < ?"], [project, below]
    if rule is not None:
        where, params = [*where, "a.rule = ?"], [*params, rule]
    if is_raised is not None:
        where.append("a.cleared_at IS NULL" if is_raised else "a.cleared_at IS NOT NULL")
    rows = tx.all(f"{_ALERT} WHERE {' AND '.join(where)} ORDER BY a.id DESC LIMIT ?", *params, limit)
    return [AlertRow(*row) for row in rows]


def insert_alert(tx: Tx, project: int, rule: int, new: NewAlert) -> tuple[int, bytes]:
    """Its row and its id."""
    uid = tx.new_id()
    row = tx.insert(
        "INSERT INTO alert (uid, project, rule, record, label, limit_text, value, most, snapshot, raised_at, sent,"
        " sent_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        uid,
        project,
        rule,
        new.record,
        new.label,
        new.limit,
        new.value,
        new.most,
        new.snapshot,
        new.raised_at,
        new.sent,
        new.sent_at,
    )
    return row, uid


def raised_alert(tx: Tx, project: int, rule: int, record: str) -> AlertRow | None:
    sql = f"{_ALERT} WHERE a.project = ? AND a.rule = ? AND a.record = ? AND a.cleared_at IS NULL"
    row = tx.one(sql, project, rule, record)
    return AlertRow(*row) if row else None


def clear_alert(tx: Tx, project: int, alert: int, *, at_ms: int, snapshot: bytes | None, most: str | None) -> None:
    sql = "UPDATE alert SET cleared_at = ?, cleared_snapshot = ?, most = ? WHERE project = ? AND id = ?"
    tx.run(sql, at_ms, snapshot, most, project, alert)


def set_most(tx: Tx, project: int, alert: int, most: str | None) -> None:
    tx.run("UPDATE alert SET most = ? WHERE project = ? AND id = ?", most, project, alert)


def trim(tx: Tx, project: int, rule: int, most: int) -> None:
    """Leaves the newest alerts of a rule, and those that are raised."""
    sql = "SELECT id FROM alert WHERE project = ? AND rule = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
    if (last := tx.one(sql, project, rule, most)) is None:
        return
    old = "SELECT id FROM alert WHERE project = ? AND rule = ? AND id <= ? AND cleared_at IS NOT NULL"
    tx.run(f"DELETE FROM alert_notice WHERE alert IN ({old})", project, rule, last[0])
    tx.run(f"DELETE FROM alert WHERE id IN ({old})", project, rule, last[0])


def clear_all(tx: Tx, project: int, rule: int) -> int:
    """What a rule raised is over; how many that was."""
    sql = "UPDATE alert SET cleared_at = ? WHERE project = ? AND rule = ? AND cleared_at IS NULL"
    return tx.run(sql, tx.now_ms, project, rule)


@frees_space
def delete_cleared_before(tx: Tx, before_ms: int, limit: int) -> bool:
    """Of all projects; False when there are none."""
    rows = tx.all("SELECT id FROM alert WHERE cleared_at < ? ORDER BY cleared_at LIMIT ?", before_ms, limit)
    for (alert,) in rows:
        tx.run("DELETE FROM alert_notice WHERE alert = ?", alert)
        tx.run("DELETE FROM alert WHERE id = ?", alert)
    return bool(rows)


# What is sent later


def add_notice(tx: Tx, project: int, alert: int, new: NewNotice) -> None:
    tx.run(
        "INSERT INTO alert_notice (project, alert, what, text, body, held, digest, due_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        project,
        alert,
        new.what,
        new.text,
        new.body,
        int(new.is_held),
        int(new.in_digest),
        new.due_at,
    )


def due_notices(tx: Tx, limit: int) -> list[Notice]:
    """Of all projects, what has come due."""
    rows = tx.all(f"{_NOTICE} WHERE n.due_at <= ? ORDER BY n.due_at, n.id LIMIT ?", tx.now_ms, limit)
    return [_notice(row) for row in rows]


def take_notices(tx: Tx, project: int, alert: int) -> list[Notice]:
    """What waits to be said of an alert outside of digests; it waits no longer."""
    rows = tx.all(f"{_NOTICE} WHERE n.project = ? AND n.alert = ? AND n.digest = 0 ORDER BY n.id", project, alert)
    notices = [_notice(row) for row in rows]
    for notice in notices:
        delete_notice(tx, project, notice.id)
    return notices


def delete_notice(tx: Tx, project: int, notice: int) -> None:
    tx.run("DELETE FROM alert_notice WHERE project = ? AND id = ?", project, notice)


def notices(tx: Tx, project: int, limit: int) -> list[Notice]:
    """What is due first comes first."""
    rows = tx.all(f"{_NOTICE} WHERE n.project = ? ORDER BY n.due_at, n.id LIMIT ?", project, limit)
    return [_notice(row) for row in rows]


# What goes with an endpoint or a project


def delete_of_endpoint(tx: Tx, endpoint: int) -> bool:
    """A rule of it; False when there are none."""
    return _delete_first(tx, rules_of_endpoint(tx, endpoint))


def delete_of_project(tx: Tx, project: int) -> bool:
    """A rule of it; False when there are none."""
    return _delete_first(tx, rules_of_project(tx, project))


def _delete_first(tx: Tx, rules: Sequence[RuleRow]) -> bool:
    if rules:
        delete_rule(tx, rules[0].project, rules[0].id)
    return bool(rules)


def _notice(row: Row) -> Notice:
    return Notice(*(*row[:6], bool(row[6]), bool(row[7]), row[8]))


def _rule(row: Row | None) -> RuleRow | None:
    return RuleRow(*row) if row else None
