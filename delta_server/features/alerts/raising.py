"""What judging found, written: alerts raised and cleared, and what is said of them, now or later."""

from collections.abc import Sequence

import msgspec

from delta_server.core import ids, times
from delta_server.core.alerts import quiet_hours, rules
from delta_server.core.alerts.judging import Memory, Verdict
from delta_server.core.alerts.quiet_hours import Telling
from delta_server.core.alerts.rules import Rule
from delta_server.core.alerts.words import alert_text, over_text
from delta_server.core.history.timeline_span import Position
from delta_server.features.alerts import schemas, store
from delta_server.features.alerts.store import AlertRow, NewAlert, NewNotice, RuleRow
from delta_server.features.endpoints.service import EndpointRef, NamedEndpoint
from delta_server.features.snapshots import service as snapshots
from delta_server.storage import outbox
from delta_server.storage.database import Tx

RAISED, CLEARED, DIGEST = "alert.raised", "alert.cleared", "alert.digest"
LATE_MS = times.DAY_MS
"""Of what was captured longer ago nobody is notified: a history that is sent in later is no news."""
MOST_KEPT = 1_000
"""Alerts of a rule, the newest."""
_UNSENT = ("dropped", "muted", "late")


class Finding(msgspec.Struct, frozen=True):
    """A verdict on the version captured at `at_ms`."""

    verdict: Verdict
    at_ms: int
    label: str | None = None
    limit: str | None = None
    """What raised it, where the rule alone does not say."""
    known_ms: int | None = None
    """When it could be known, where that was later."""


class Judged(msgspec.Struct, frozen=True):
    """What a rule found up to a position."""

    row: RuleRow
    memory: Memory
    position: Position
    findings: Sequence[Finding]


class ShownAlert(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    rule_id: str
    rule: str
    kind: str
    record: str | None
    label: str | None
    limit: str
    value: msgspec.Raw | None
    most: msgspec.Raw | None
    text: str
    raised_at: str
    cleared_at: str | None
    snapshot_id: str | None


class AlertHappened(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`tell` are the ids of the webhooks that hear of it; without any, all that hear of alerts. One of events has no
    endpoint."""

    endpoint: NamedEndpoint | None = None
    alert: ShownAlert
    tell: Sequence[str]


def write(tx: Tx, endpoint: EndpointRef | None, judged: Sequence[Judged]) -> bool:
    """Whether anything happened that others hear of now. What was judged of a rule that has been changed, or moved on,
    since is left out."""
    before = outbox.newest(tx)
    for one in judged:
        row = store.rule_by_row(tx, one.row.project, one.row.id)
        if row is None or (row.revision, row.position) != (one.row.revision, one.row.position):
            continue
        memory = msgspec.json.encode(one.memory).decode()
        store.move_rule(tx, row.project, row.id, memory=memory, judged=one.position)
        writer = _Writer(tx, row, endpoint)
        for finding in one.findings:
            writer.write(finding)
        if any(finding.verdict.what == "raised" for finding in one.findings):
            store.trim(tx, row.project, row.id, MOST_KEPT)
    return outbox.newest(tx) > before


class _Writer:
    """Of one rule, in one transaction."""

    def __init__(self, tx: Tx, row: RuleRow, endpoint: EndpointRef | None) -> None:
        self._tx, self._row, self._endpoint = tx, row, endpoint
        self._rule: Rule = schemas.settings_of(row)

    def write(self, finding: Finding) -> None:
        verdict = finding.verdict
        if verdict.what == "raised":
            self._raise(finding)
            return
        alert = store.raised_alert(self._tx, self._row.project, self._row.id, verdict.record)
        if alert is None:
            return
        if verdict.what == "grew":
            store.set_most(self._tx, self._row.project, alert.id, verdict.most)
            return
        snapshot = self._snapshot(finding.at_ms)
        store.clear_alert(
            self._tx,
            self._row.project,
            alert.id,
            at_ms=finding.at_ms,
            snapshot=snapshot,
            most=alert.most if verdict.most is None else verdict.most,
        )
        if alert.sent not in _UNSENT:
            after = msgspec.structs.replace(alert, cleared_at=finding.at_ms, most=verdict.most)
            self._say(after, self._telling(finding), verdict.value)

    def _raise(self, finding: Finding) -> None:
        verdict, telling = finding.verdict, self._telling(finding)
        new = NewAlert(
            record=verdict.record,
            label=finding.label,
            limit=finding.limit or rules.limit_text(self._rule),
            value=verdict.value,
            most=verdict.most,
            snapshot=self._snapshot(finding.at_ms),
            raised_at=finding.at_ms,
            sent=telling.sent,
            sent_at=telling.at_ms,
        )
        store.insert_alert(self._tx, self._row.project, self._row.id, new)
        alert = store.raised_alert(self._tx, self._row.project, self._row.id, verdict.record)
        assert alert is not None, "it was inserted"
        self._say(alert, telling, verdict.value)

    def _snapshot(self, at_ms: int) -> bytes | None:
        return None if self._endpoint is None else snapshots.first_at(self._tx, self._endpoint.id, at_ms)

    def _telling(self, finding: Finding) -> Telling:
        now_ms, muted_until = self._tx.now_ms, self._row.muted_until
        if muted_until is not None and muted_until > now_ms:
            return Telling("muted", None)
        if (finding.known_ms or finding.at_ms) < now_ms - LATE_MS:
            return Telling("late", None)
        return quiet_hours.telling(self._rule.quiet, self._rule.digest, now_ms, at_once=bool(self._rule.tell))

    def _say(self, alert: AlertRow, telling: Telling, value: str | None) -> None:
        """Now, or when it is time."""
        if telling.at_ms is None:
            return
        tx, rule = self._tx, self._rule
        body = msgspec.json.encode(self._happened(alert)).decode()
        kind = RAISED if alert.cleared_at is None else CLEARED
        what = kind.partition(".")[2]
        text = alert_text(rule.kind, alert.record, alert.label, alert.value, alert.limit)
        over = f"{alert.rule_name} is over: {over_text(rule.kind, text, value)}"
        text = f"{alert.rule_name}: {text}" if kind == RAISED else over
        later: list[tuple[bool, int]] = []
        if telling.sent == "now":
            for notice in store.take_notices(tx, self._row.project, alert.id):  # held: it comes before
                outbox.write(tx, self._row.project, RAISED, notice.body)
            outbox.write(tx, self._row.project, kind, body)
        else:
            later.append((rule.digest is not None and not rule.tell, telling.at_ms))
        if rule.digest is not None and rule.tell:
            later.append((True, quiet_hours.digest_at(rule.digest, telling.at_ms)))
        for in_digest, due_at in later:
            new = NewNotice(what, text, body, is_held=telling.sent == "held", in_digest=in_digest, due_at=due_at)
            store.add_notice(tx, self._row.project, alert.id, new)

    def _happened(self, alert: AlertRow) -> AlertHappened:
        of = self._endpoint
        return AlertHappened(
            endpoint=None if of is None else NamedEndpoint(ids.text(of.uid), of.name),
            alert=ShownAlert(
                id=ids.text(alert.uid),
                rule_id=ids.text(alert.rule_uid),
                rule=alert.rule_name,
                kind=self._rule.kind,
                record=alert.record or None,
                label=alert.label,
                limit=alert.limit,
                value=schemas.raw(alert.value),
                most=schemas.raw(alert.most),
                text=alert_text(self._rule.kind, alert.record, alert.label, alert.value, alert.limit),
                raised_at=times.format(alert.raised_at),
                cleared_at=None if alert.cleared_at is None else times.format(alert.cleared_at),
                snapshot_id=None if alert.snapshot is None else ids.text(alert.snapshot),
            ),
            tell=self._rule.tell,
        )
