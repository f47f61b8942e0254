"""Periodic: rules that judge time as it passes. Each says when it is due next; what it judges, and from where on, is
in the database, so nothing is missed while the server is down."""

from collections.abc import Sequence

import structlog

from delta_server.core import ids
from delta_server.core.alerts import rules
from delta_server.core.alerts.judging import Judge, Memory, Version, measure
from delta_server.core.alerts.rules import Rule
from delta_server.core.alerts.trial import Timed
from delta_server.core.alerts.words import usual_text
from delta_server.core.errors import DeltaError, NotFound
from delta_server.core.history.timeline_span import Position
from delta_server.features.alerts import metrics, of_anomalies, raising, schemas, store
from delta_server.features.alerts.raising import Finding, Judged
from delta_server.features.alerts.store import RuleRow
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx

AT_ONCE = 100
LOOK_AGAIN_MS = 15_000
"""What is silent is looked at so often."""
JUST_NOW_MS = 3_600_000
"""Silence that began before, while the server was down, is news all the same."""
LATER_MS = 5 * 60_000
"""A rule that could not be judged is judged again then."""

log = structlog.get_logger("delta.alerts")


async def judge_due(svc: Services) -> None:
    """Those that are due now."""
    for row in await svc.db.read(store.due_rules, svc.clock.now_ms(), AT_ONCE):
        try:
            happened = await _judge(svc, row)
        except DeltaError as error:
            log.warning("a rule cannot be judged", rule=ids.text(row.uid), reason=error.message)
            await svc.db.write(store.set_due, row.project, row.id, row.revision, svc.clock.now_ms() + LATER_MS)
            continue
        if happened:
            svc.topics.wake("happenings", row.project)


async def _judge(svc: Services, row: RuleRow) -> bool:
    rule = schemas.settings_of(row)
    if rule.kind == "anomaly":
        return await of_anomalies.judge(svc, row)
    if rule.kind in rules.OF_EVENTS:
        end_ms = metrics.last_end(rule, svc.clock.now_ms())
        found = await metrics.steps(svc, row.project, rule, row.judged_at, end_ms)
        judged_ms = max(row.judged_at, end_ms)
        judged = _judged(row, rule, found, (judged_ms, 0))
        return await svc.db.write(_write, None, judged, metrics.due_at(rule, judged_ms))
    return await svc.db.write(_write_silence, row, rule)


def _write(tx: Tx, endpoint: EndpointRef | None, judged: Judged, due_at: int) -> bool:
    happened = raising.write(tx, endpoint, [judged])
    store.set_due(tx, judged.row.project, judged.row.id, judged.row.revision, due_at)
    return happened


def _write_silence(tx: Tx, row: RuleRow, rule: Rule) -> bool:
    assert row.endpoint_uid is not None
    try:
        endpoint = endpoints.find(tx, row.project, ids.text(row.endpoint_uid))
    except NotFound:  # it lies in the bin, and may come back
        return _put_off(tx, row)
    last_ms, most_ms = _newest(tx, endpoint, rule) or row.created_at, rules.silence_ms(rule)
    silent_from_ms = last_ms + most_ms
    is_silent = tx.now_ms >= silent_from_ms
    seconds = (tx.now_ms - last_ms) // 1000 if is_silent else 0
    raised_ms = max(silent_from_ms, row.created_at, tx.now_ms - JUST_NOW_MS)
    timed = [Timed(raised_ms if is_silent else last_ms, Version({"": str(seconds).encode()}))]
    judged = _judged(row, rule, timed, row.position)
    return _write(tx, endpoint, judged, tx.now_ms + LOOK_AGAIN_MS if is_silent else silent_from_ms)


def _put_off(tx: Tx, row: RuleRow) -> bool:
    store.set_due(tx, row.project, row.id, row.revision, tx.now_ms + LATER_MS)
    return False


def _newest(tx: Tx, endpoint: EndpointRef, rule: Rule) -> int | None:
    """When what must come came last."""
    if rule.of == "versions":
        head = contents.head(tx, endpoint.id)
        return None if head is None else head.captured_at
    ends = snapshots.ends(tx, endpoint.id)
    return None if ends is None else ends[1]


def _judged(row: RuleRow, rule: Rule, timed: Sequence[Timed], position: Position) -> Judged:
    memory: Memory = schemas.memory_of(row)
    judge, findings = Judge(rule, memory), list[Finding]()
    for each in timed:
        memory.note(each.at_ms, measure(rule, each.version))
        limit = None if each.version.usual is None else usual_text(*each.version.usual)
        findings += [Finding(verdict, each.at_ms, limit=limit) for verdict in judge.step(each.version)]
    return Judged(row, memory, position, findings)
