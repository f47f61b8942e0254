"""Rules of anomalies: judged by what was found, which is recorded, and tried on the same."""

import time
from collections.abc import Sequence

import msgspec

from delta_server.core import ids, times
from delta_server.core.alerts import episodes, rules
from delta_server.core.alerts.episodes import Seen
from delta_server.core.alerts.rules import Rule
from delta_server.core.alerts.trial import Episode, thinned
from delta_server.core.anomalies import reading
from delta_server.core.errors import NotFound
from delta_server.core.history import series
from delta_server.core.history.activity import HOUR_MS
from delta_server.core.history.series import Reader
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.alerts import raising, schemas, store, trying
from delta_server.features.alerts.raising import Finding, Judged
from delta_server.features.alerts.store import RuleRow
from delta_server.features.alerts.trial_schemas import SweptValue, TrialAnswer, TrialSeries
from delta_server.features.anomalies import service as anomalies
from delta_server.features.anomalies.service import AnomalyRow, Recorded
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service as history
from delta_server.services import Services
from delta_server.storage.database import Tx

AT_ONCE = 50
LOOK_AGAIN_MS = 60_000
"""So often it is looked whether the last hour has been judged."""
MOST_LABEL, MOST_VALUE = 400, 200
READ_S = 2.0
_EXACT = 1e15


class _Looked(msgspec.Struct, frozen=True):
    endpoint: EndpointRef | None
    judged: Judged
    has_more: bool


async def judge(svc: Services, row: RuleRow) -> bool:
    """Whether anything happened that others hear of now."""
    try:
        looked = await svc.db.read(_look, row, schemas.settings_of(row))
    except NotFound:  # it lies in the bin, and may come back
        await svc.db.write(store.set_due, row.project, row.id, row.revision, svc.clock.now_ms() + LOOK_AGAIN_MS)
        return False
    return await svc.db.write(_write, row, looked)


def _look(tx: Tx, row: RuleRow, rule: Rule) -> _Looked:
    uid, memory = row.endpoint_uid, schemas.memory_of(row)
    endpoint = None if uid is None else endpoints.find(tx, row.project, ids.text(uid))
    is_new = memory.seen_at is None
    news = anomalies.news(
        tx, row.project, row.endpoint, path=rule.path, after=row.judged_content, with_open=is_new, limit=AT_ONCE
    )
    findings: list[Finding] = []
    for each in news.rows:
        seen = seen_as(each)
        for moved in episodes.step(rule, memory, seen):
            known_ms = each.changed_at if moved.verdict.what == "cleared" else each.peak_at
            findings.append(Finding(moved.verdict, moved.at_ms, label_of(each), known_ms=known_ms))
            memory.last = None if seen.deviations is None else round(seen.deviations, 2)
    memory.seen_at = news.until_ms
    return _Looked(endpoint, Judged(row, memory, (news.until_ms or row.judged_at, news.place), findings), news.has_more)


def _write(tx: Tx, row: RuleRow, looked: _Looked) -> bool:
    judged, due_at = looked.judged, tx.now_ms
    is_moved = judged.position != row.position or judged.memory != schemas.memory_of(row)
    happened = is_moved and raising.write(tx, looked.endpoint, [judged])
    if not looked.has_more:
        due_at = anomalies.next_look(tx, row.project, row.endpoint) or tx.now_ms + LOOK_AGAIN_MS
    store.set_due(tx, row.project, row.id, row.revision, due_at)
    return happened


def watch(tx: Tx, project: int, endpoint: int) -> None:
    """The fields of all rules of anomalies of an endpoint, which came, changed or went."""
    found = [schemas.settings_of(row) for row in store.rules_of_endpoint(tx, endpoint)]
    anomalies.watch(tx, project, endpoint, [rule.path for rule in found if rule.kind == "anomaly" and rule.path])


def seen_as(row: AnomalyRow) -> Seen:
    if row.kind == "new_value":
        record = f"new value of {row.name}" if row.name else "new type"
        value = msgspec.json.encode((row.label or "")[:MOST_VALUE]).decode()
        return Seen(record, row.began_at, row.ended_at, None, value)
    number = int(row.value) if row.value.is_integer() and abs(row.value) < _EXACT else row.value
    record = row.name if row.series in ("events", "field") else row.series
    return Seen(record, row.began_at, row.ended_at, row.deviations, msgspec.json.encode(number).decode())


def label_of(row: AnomalyRow) -> str:
    return anomalies.text(row)[:MOST_LABEL]


# Its trial


class _Fired(msgspec.Struct, frozen=True):
    """What a rule would have raised, and how much of the time; `shown` are the newest, with their labels, and `swept`
    says how many it would have been with other values."""

    count: int
    share: float
    shown: Sequence[tuple[Seen, str]]
    swept: Sequence[int]


async def try_rule(
    svc: Services, of: EndpointRef | int, rule: Rule, span: TimelineSpan, sweep: Sequence[float]
) -> TrialAnswer:
    """On the anomalies that are recorded. Raises Conflict when contents vanish meanwhile."""
    began_s = time.monotonic()
    project, endpoint = (of, None) if isinstance(of, int) else (of.project, of)
    recorded = await anomalies.recorded(svc, project, endpoint, path=rule.path, span=span)
    found = await svc.spare_cpu(_fire, rule, recorded, sweep)
    is_some = recorded.to_ms > recorded.from_ms
    at, values, uids = list[int](), list[float | None](), dict[int, bytes]()
    if endpoint is not None:
        uids = await svc.db.read(trying.snapshots_at, endpoint.id, [seen.began_ms for seen, _ in found.shown])
        if rule.path is not None and is_some:
            at, values = await _series(svc, endpoint, rule.path, TimelineSpan(recorded.from_ms, recorded.to_ms))
    return TrialAnswer(
        tried=-((recorded.from_ms - recorded.to_ms) // HOUR_MS),
        from_=times.format(recorded.from_ms) if is_some else None,
        to=times.format(recorded.to_ms) if is_some else None,
        share=round(found.share, 6),
        fired_count=found.count,
        fired=[
            trying.fired(
                rule,
                Episode(seen.record, seen.began_ms, seen.value, seen.value, seen.ended_ms),
                uids.get(seen.began_ms),
                label,
            )
            for seen, label in found.shown
        ],
        series=TrialSeries([times.format(each) for each in at], values, None),
        sweep=[SweptValue(value, fired) for value, fired in zip(sweep, found.swept, strict=True)],
        complete=recorded.is_complete,
        took_ms=round((time.monotonic() - began_s) * 1000, 1),
    )


def _fire(rule: Rule, recorded: Recorded, sweep: Sequence[float]) -> _Fired:
    every = [(seen_as(row), row) for row in recorded.rows]
    seen = [each for each in every if episodes.holds(rule, each[0])]
    others = [rules.with_value(rule, value) for value in sweep]
    return _Fired(
        len(seen),
        episodes.share([each for each, _ in seen], recorded.from_ms, recorded.to_ms),
        [(each, label_of(row)) for each, row in seen[-trying.MOST_FIRED :]],
        [sum(episodes.holds(other, each) for each, _ in every) for other in others],
    )


async def _series(
    svc: Services, endpoint: EndpointRef, path: str, span: TimelineSpan
) -> tuple[list[int], list[float | None]]:
    """The number that is watched, of several records their sum; none of a code. The newest that there is time for."""
    parsed = series.parse(path)
    reader = Reader(parsed, endpoint.diff, deltas.known_keys(svc, endpoint.id))
    stretch = await svc.db.read(history.newest_versions, endpoint, parsed, span, most=None)
    ends_at, at, values = time.monotonic() + READ_S, list[int](), list[float | None]()
    async for _, versions in history.read_versions(svc, endpoint, stretch, [reader]):
        at += [each.at.captured_at for each in versions]
        values += [reading.total(each.readings[0]) for each in versions]
        if time.monotonic() >= ends_at:
            break
    if all(value is None for value in values):
        return [], []
    return await svc.spare_cpu(thinned, at, values, trying.MOST_POINTS)
