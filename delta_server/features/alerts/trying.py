"""Rules tried on recorded history: how often one would have raised, when, and when people would have heard of it."""

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec

from delta_server.core import ids, times
from delta_server.core.alerts import quiet_hours, rules
from delta_server.core.alerts.judging import Version
from delta_server.core.alerts.rules import Rule
from delta_server.core.alerts.trial import Episode, Timed, Trial, thinned
from delta_server.core.caller import Caller
from delta_server.core.diff.diff_settings import KnownKeys
from delta_server.core.errors import Invalid
from delta_server.core.history import series
from delta_server.core.history.series import Reader
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.alerts import checking, metrics, schemas
from delta_server.features.alerts.trial_schemas import FiredAlert, NewTrial, SweptValue, TrialAnswer, TrialSeries
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas.service import DeltaCounts
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service as history
from delta_server.features.history.service import PathVersion
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.database import Tx

TRY_S = 3.0
"""Then it ends with what was judged; what came after is left out."""
MOST_FIRED, MOST_POINTS = 500, 2_000
MOST_SNAPSHOTS = 5_000
EVENTS_MS = 28 * times.DAY_MS
MOST_DELTAS = 20_000
"""The newest are judged."""


class Tried(msgspec.Struct, frozen=True):
    """The rule's own trial, and those with other values; `until_ms` is up to when the last version holds."""

    own: Trial
    others: Sequence[Trial]
    until_ms: int
    is_complete: bool
    labels: dict[str, str | None]
    usual: list[tuple[float, float] | None] | None = None
    count: int | None = None


def check(caller: Caller, given: NewTrial, now_ms: int) -> tuple[Rule, TimelineSpan]:
    """Raises Invalid, Forbidden."""
    checking.check_reads(caller, given.rule.kind, of_events=given.rule.endpoint is None)
    rule = checking.checked(given.rule, now_ms)
    if given.sweep and rule.value is None and rule.kind not in rules.MAY_SWEEP:
        raise Invalid("sweep tries other values, and a rule of this kind has none to try", field="sweep")
    for value in given.sweep:
        rules.check(rules.with_value(rule, value))
    from_ms = times.EARLIEST_MS if given.from_ is None else times.parse_moment(given.from_, field="from", now_ms=now_ms)
    to_ms = times.LATEST_MS + 1 if given.to is None else times.parse_moment(given.to, field="to", now_ms=now_ms)
    if from_ms > to_ms:
        raise Invalid("from lies after to", field="from")
    return rule, TimelineSpan(from_ms, to_ms)


async def try_rule(
    svc: Services, of: EndpointRef | int, rule: Rule, span: TimelineSpan, sweep: Sequence[float]
) -> TrialAnswer:
    """Of an endpoint, or of a project's events. Raises Conflict when contents vanish meanwhile, TooCostly."""
    began_s = time.monotonic()
    uids: dict[int, bytes] = {}
    if isinstance(of, int):
        tried = await on_events(svc, of, rule, span, sweep)
    else:
        tried = await on_endpoint(svc, of, rule, span, sweep, ends_at=began_s + TRY_S)
        uids = await svc.db.read(snapshots_at, of.id, [episode.from_ms for episode in tried.own.episodes])
    return _answer(rule, tried, uids, sweep, began_s)


def _answer(rule: Rule, tried: Tried, uids: dict[int, bytes], sweep: Sequence[float], began_s: float) -> TrialAnswer:
    reached, values = tried.own.times, tried.own.values
    times_of, values = thinned(reached, values, MOST_POINTS) if tried.usual is None else (reached, values)
    return TrialAnswer(
        tried=len(reached) if tried.count is None else tried.count,
        from_=times.format(reached[0]) if reached else None,
        to=times.format(reached[-1]) if reached else None,
        share=round(tried.own.share(tried.until_ms), 6),
        fired_count=tried.own.count,
        fired=[fired(rule, each, uids.get(each.from_ms), tried.labels.get(each.record)) for each in tried.own.episodes],
        series=TrialSeries([times.format(at) for at in times_of], values, tried.usual),
        sweep=[SweptValue(value, trial.count) for value, trial in zip(sweep, tried.others, strict=True)],
        complete=tried.is_complete,
        took_ms=round((time.monotonic() - began_s) * 1000, 1),
    )


async def on_endpoint(
    svc: Services,
    endpoint: EndpointRef,
    rule: Rule,
    span: TimelineSpan,
    sweep: Sequence[float],
    *,
    ends_at: float,
    most: int | None = None,
) -> Tried:
    """The newest `most` versions, as many as can be judged unless that is said."""
    others = [Trial(rules.with_value(rule, value), most=0) for value in sweep]
    own = Trial(rule, most=MOST_FIRED)
    if rule.kind in rules.OF_DELTAS:
        most = most or MOST_DELTAS
        counts = await svc.db.read(deltas.counts_along, endpoint.id, span, most=most)
        await svc.spare_cpu(_feed_counts, [own, *others], counts[::-1])
        return _tried(svc, span, own, others, {}, is_complete=len(counts) < most)
    if rule.kind == "silence":
        return await _on_silence(svc, endpoint, rule, span, own)
    path, reader = series.parse(rule.path or ""), reader_of(rule, endpoint, deltas.known_keys(svc, endpoint.id))
    stretch = await svc.db.read(history.newest_versions, endpoint, path, span, most=most)
    is_complete = stretch.is_whole
    async for before, versions in history.read_versions(svc, endpoint, stretch, [reader]):
        await svc.spare_cpu(_feed, [own, *others], None if before is None else before[0], versions)
        if time.monotonic() >= ends_at and versions[-1].at != stretch.passed[-1]:
            is_complete = False
            break
    return _tried(svc, span, own, others, reader.labels, is_complete=is_complete)


async def _on_silence(svc: Services, endpoint: EndpointRef, rule: Rule, span: TimelineSpan, own: Trial) -> Tried:
    """At each snapshot it is not silent; a while after each, where no other comes before, it is."""
    found = await snapshots.list_snapshots(
        svc, endpoint.project, endpoint, span, limit=MOST_SNAPSHOTS, changed_only=rule.of == "versions"
    )
    came, until_ms = [each.captured_at for each in found][::-1], min(span.to_ms, svc.clock.now_ms())
    silence_ms, timed = rules.silence_ms(rule), list[Timed]()
    for at_ms, next_ms in pairwise([*came, until_ms] if came else []):
        timed.append(Timed(at_ms, Version({"": b"0"})))
        if next_ms - at_ms >= silence_ms:
            timed.append(Timed(at_ms + silence_ms, Version({"": str(silence_ms // 1000).encode()})))
    own.feed(timed)
    tried = _tried(svc, span, own, (), {}, is_complete=len(found) < MOST_SNAPSHOTS)
    return msgspec.structs.replace(tried, count=len(came))


async def on_events(svc: Services, project: int, rule: Rule, span: TimelineSpan, sweep: Sequence[float]) -> Tried:
    """Step by step, of four weeks unless the span says otherwise."""
    end_ms = min(span.to_ms, metrics.last_end(rule, svc.clock.now_ms()))
    from_ms = max(span.from_ms, end_ms - EVENTS_MS) if span.from_ms == times.EARLIEST_MS else span.from_ms
    found = await metrics.steps(svc, project, rule, from_ms, end_ms)
    own, others = Trial(rule, most=MOST_FIRED), list[Trial]()
    own.feed(found)
    for value in sweep:
        others.append(Trial(rules.with_value(rule, value), most=0))
        others[-1].feed(metrics.with_deviations(found, rule, value) if rule.kind == "usual" else found)
    step_ms = metrics.length_ms(rule)
    is_complete = len(found) >= (end_ms - from_ms) // step_ms
    tried = _tried(svc, span, own, others, {}, is_complete=is_complete)
    usual = [each.version.usual for each in found] if rule.kind == "usual" else None
    return msgspec.structs.replace(tried, usual=usual, until_ms=own.times[-1] if own.times else end_ms)


def _tried(
    svc: Services,
    span: TimelineSpan,
    own: Trial,
    others: Sequence[Trial],
    labels: dict[str, str | None],
    *,
    is_complete: bool,
) -> Tried:
    until_ms = own.times[-1] if own.times else 0
    if is_complete and span.to_ms <= times.LATEST_MS:  # it was said up to when, and the last version holds until then
        until_ms = max(until_ms, min(span.to_ms, svc.clock.now_ms()))
    return Tried(own, others, until_ms, is_complete, labels)


def _feed_counts(trials: Sequence[Trial], counts: Sequence[DeltaCounts]) -> None:
    for trial in trials:
        trial.feed([Timed(each.captured_at, counted(trial.rule, each)) for each in counts])


def reader_of(rule: Rule, endpoint: EndpointRef, known: KnownKeys) -> Reader:
    """Reads what a rule with a path judges."""
    path = series.parse(rule.path or "")
    return Reader(path, endpoint.diff, known, of_any_kind=rule.kind in ("appears", "disappears", "matches"))


def counted(rule: Rule, counts: DeltaCounts) -> Version:
    """What a rule of deltas judges."""
    return Version({"": repr(counts.places if rule.kind == "places" else counts.similarity).encode()})


def _feed(trials: Sequence[Trial], before: Mapping[str, bytes] | None, versions: Sequence[PathVersion]) -> None:
    timed: list[Timed] = []
    for each in versions:
        [reading] = each.readings
        timed.append(Timed(each.at.captured_at, Version(reading, before)))
        before = reading
    for trial in trials:
        trial.feed(timed)


def fired(rule: Rule, episode: Episode, uid: bytes | None, label: str | None) -> FiredAlert:
    sent = quiet_hours.telling(rule.quiet, rule.digest, episode.from_ms, at_once=bool(rule.tell))
    return FiredAlert(
        from_=times.format(episode.from_ms),
        to=None if episode.to_ms is None else times.format(episode.to_ms),
        value=schemas.raw(episode.value),
        most=schemas.raw(episode.most),
        snapshot_id=None if uid is None else ids.text(uid),
        record=episode.record or None,
        label=label,
        sent=sent.sent,
        sent_at=None if sent.at_ms is None else times.format(sent.at_ms),
    )


def snapshots_at(tx: Tx, endpoint: int, at: Sequence[int]) -> dict[int, bytes]:
    """By time, the snapshot that was captured then."""
    return {time_ms: uid for time_ms in set(at) if (uid := snapshots.first_at(tx, endpoint, time_ms)) is not None}
