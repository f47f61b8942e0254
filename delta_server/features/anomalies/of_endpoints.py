"""What an endpoint has in some hours: how many versions changed, how large its documents are, how long polls take, and
the numbers and codes in its documents.

Of an hour a few versions are read, and of a number that which went furthest from the hour before counts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import msgspec
import structlog

from delta_server.core.anomalies import breakdown, reading
from delta_server.core.anomalies.breakdown import Contribution
from delta_server.core.anomalies.detecting import Episode
from delta_server.core.anomalies.reading import Found, Watched
from delta_server.core.errors import DeltaError, NotFound
from delta_server.core.history.activity import HOUR_MS
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.times import DAY_MS
from delta_server.features.anomalies import recording, store
from delta_server.features.anomalies.recording import CODES, Part
from delta_server.features.anomalies.store import Series
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service as history
from delta_server.features.history.service import HourOfVersions, WalkedContent
from delta_server.features.polls import service as polls
from delta_server.features.schemas import service as schemas
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx

LOOK_BACK = 180 * 24
"""Hours of a history that are judged when it is first looked at, the newest."""
MOST_HOURS = 1_000
MOST_NUMBERS, MOST_CODES = 24, 12
"""Fields of an endpoint that are watched; those that rules of alerts are about come first, then those whose series
somebody asked for."""
READ_AN_HOUR = 4
MOST_READ, PART_BYTES = 400, 8 << 20
"""Versions of a part, and their documents together: one hour at least."""
MOST_ROWS = 20_000
SAMPLED = 20
"""Polls and deltas that are looked at to explain."""
MOST_SEEN = 50_000

log = structlog.get_logger("delta.anomalies")


class _Plan(msgspec.Struct, frozen=True):
    """Hours since 1970: judged are those from `first` up to `end`; `begin` is what is known of the progress, `left` up
    to where more is known to be there. `wanted` are the contents to be read, by hour."""

    endpoint: EndpointRef
    begin: int | None
    first: int
    end: int
    left: int
    versions: Mapping[int, HourOfVersions]
    durations: Mapping[int, float]
    watched: Watched
    wanted: Sequence[tuple[int, WalkedContent]]


class LastSeen:
    """When the newest versions of endpoints were captured, as they were first looked at up to an hour: while a history
    comes in, what is later is not missing. Used on the event loop only."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[int, int]] = {}

    def is_new(self, endpoint: int, last_ms: int, hour: int) -> bool:
        """Whether it was not seen up to an earlier hour."""
        known = self._of.pop(endpoint, None)
        seen = known if known is not None and known[0] == last_ms else (last_ms, hour)
        self._of[endpoint] = seen
        while len(self._of) > MOST_SEEN:
            del self._of[next(iter(self._of))]
        return seen[1] >= hour


async def judge(svc: Services, project: int, endpoint: int, hour: int) -> bool:
    """A part of what came up to an hour. Whether there is more."""
    first_ms, last_ms, pending_ms = await svc.db.read(history.extent, endpoint)
    if first_ms is None or last_ms is None:
        return False
    until = hour if pending_ms is None else min(hour, pending_ms // HOUR_MS)
    if svc.state(LastSeen).is_new(endpoint, last_ms, hour):
        until = min(until, last_ms // HOUR_MS + 1)
    oldest = max(first_ms // HOUR_MS, last_ms // HOUR_MS - LOOK_BACK)
    plan = await svc.db.read(_plan, project, endpoint, oldest, until)
    if plan is None:
        return False
    try:
        found = await _read(svc, plan)
    except NotFound:  # rewritten meanwhile: what is there now is read the next time
        return False
    part = Part(project, plan.endpoint, plan.begin, plan.end, _hours(plan, found), _codes(plan, found))

    async def explain(kind: str, name: str, episode: Episode) -> list[Contribution]:
        try:
            return await _explain(svc, plan.endpoint, (kind, name), episode)
        except DeltaError as error:
            log.info("an anomaly is not explained", endpoint=endpoint, series=kind, reason=error.message)
            return []

    await recording.judge(svc, part, explain)
    return plan.end < plan.left


def _plan(tx: Tx, project: int, endpoint: int, oldest: int, until: int) -> _Plan | None:
    of = endpoints.by_row(tx, project, endpoint)
    begin = store.hour(tx, project, endpoint)
    first = oldest if begin is None else begin
    end = min(until, first + MOST_HOURS)
    if of is None or first >= end:
        return None
    watched, wanted = _watched(tx, project, endpoint), list[tuple[int, WalkedContent]]()
    if watched.numbers or watched.codes:
        wanted, end = _chosen(tx, endpoint, first, end)
    span = first * HOUR_MS, end * HOUR_MS
    versions, durations = history.versions_by_hour(tx, endpoint, *span), polls.durations(tx, endpoint, span)
    return _Plan(of, begin, first, end, until, versions, durations, watched, wanted)


def _watched(tx: Tx, project: int, endpoint: int) -> Watched:
    numbers, codes = schemas.watchable(tx, endpoint)
    wanted, asked = store.watched(tx, project, endpoint), history.kept_of(tx, endpoint)
    first = [path for path in wanted if path not in codes]
    codes.sort(key=lambda path: path not in wanted)
    return Watched(list(dict.fromkeys([*first, *asked, *numbers]))[:MOST_NUMBERS], codes[:MOST_CODES])


def _chosen(tx: Tx, endpoint: int, first: int, end: int) -> tuple[list[tuple[int, WalkedContent]], int]:
    """A few contents of each hour, evenly, the last among them; and the hour up to which they are read."""
    span = TimelineSpan(first * HOUR_MS, end * HOUR_MS, descending=False)
    passed = history.contents_along(tx, endpoint, span, MOST_ROWS)
    if len(passed) == MOST_ROWS:
        end = max(first + 1, passed[-1].captured_at // HOUR_MS)
    wanted: list[tuple[int, WalkedContent]] = []
    size = 0
    for hour, of_hour in groupby(passed, key=lambda each: each.captured_at // HOUR_MS):
        there = list(of_hour)
        some = [there[(number + 1) * len(there) // READ_AN_HOUR - 1] for number in range(READ_AN_HOUR)]
        read = list({each.content: each for each in (some if len(there) > READ_AN_HOUR else there)}.values())
        size += sum(each.size for each in read)
        if hour >= end or (wanted and (len(wanted) + len(read) > MOST_READ or size > PART_BYTES)):
            return wanted, min(hour, end)
        wanted += [(hour, each) for each in read]
    return wanted, end


async def _read(svc: Services, plan: _Plan) -> list[Found]:
    if not plan.wanted:
        return []
    wanted = [each.content for _, each in plan.wanted]
    bodies = [body async for _, body in contents.read_run(svc.contents, plan.endpoint.id, wanted)]
    known = deltas.known_keys(svc, plan.endpoint.id)
    cpu = svc.cpu_for(sum(map(len, bodies)))
    return await cpu(reading.read, plan.watched, plan.endpoint.diff, known, bodies)


def _hours(plan: _Plan, found: Sequence[Found]) -> dict[Series, list[tuple[int, float | None]]]:
    versions = plan.versions
    changed = (
        (hour, float(versions[hour].changed) if hour in versions else 0.0) for hour in range(plan.first, plan.end)
    )
    hours: dict[Series, list[tuple[int, float | None]]] = {
        ("changes", ""): list(changed),
        ("size", ""): [(hour, versions[hour].size) for hour in sorted(versions)],
        ("duration", ""): [(hour, plan.durations[hour]) for hour in sorted(plan.durations)],
    }
    for at, path in enumerate(plan.watched.numbers):
        read = ((hour, each.numbers[at]) for (hour, _), each in zip(plan.wanted, found, strict=True))
        hours["field", path] = list(_furthest((hour, number) for hour, number in read if number is not None))
    return {of: listed for of, listed in hours.items() if listed}


def _furthest(numbers: Iterable[tuple[int, float]]) -> Iterator[tuple[int, float | None]]:
    """Of each hour the number that lies furthest from the last one of the hour before."""
    last: float | None = None
    for hour, of_hour in groupby(numbers, key=lambda each: each[0]):
        there = [number for _, number in of_hour]
        before = there[-1] if last is None else last
        yield hour, max(there, key=lambda number: abs(number - before))
        last = there[-1]


def _codes(plan: _Plan, found: Sequence[Found]) -> dict[Series, list[tuple[int, Sequence[str]]]]:
    return {
        (CODES, path): [
            (content.captured_at, each.codes[at]) for (_, content), each in zip(plan.wanted, found, strict=True)
        ]
        for at, path in enumerate(plan.watched.codes)
        if plan.wanted
    }


# What contributed most


async def _explain(svc: Services, of: EndpointRef, series: Series, episode: Episode) -> list[Contribution]:
    kind, path = series
    peak, before = episode.peak * HOUR_MS, episode.begin * HOUR_MS
    if kind == "duration":
        return await svc.db.read(_slower_steps, of.id, peak, before)
    if kind == "changes":
        return await svc.db.read(_changed_fields, of, peak)
    if kind == "field" and "*" not in path.split("/"):
        return []
    pair = await svc.db.read(_pair, of.id, peak + HOUR_MS - 1, before - 1)
    if pair is None:
        return []
    now, usual = [await contents.read(svc.contents, of.id, content) for content in pair]
    cpu = svc.cpu_for(len(now) + len(usual))
    if kind == "size":
        return breakdown.contributions(await cpu(reading.sizes, now), await cpu(reading.sizes, usual))
    known = deltas.known_keys(svc, of.id)
    parts = [await cpu(reading.records, path, of.diff, known, body) for body in (now, usual)]
    return breakdown.contributions(*parts)


def _pair(tx: Tx, endpoint: int, peak_ms: int, before_ms: int) -> tuple[int, int] | None:
    """The contents in force at the peak and before the episode."""
    now, before = contents.content_at(tx, endpoint, peak_ms), contents.content_at(tx, endpoint, before_ms)
    return None if now is None or before is None else (now.id, before.id)


def _slower_steps(tx: Tx, endpoint: int, peak_ms: int, before_ms: int) -> list[Contribution]:
    now = polls.step_times(tx, endpoint, (peak_ms, peak_ms + HOUR_MS), SAMPLED)
    return breakdown.contributions(now, polls.step_times(tx, endpoint, (before_ms - DAY_MS, before_ms), SAMPLED))


def _changed_fields(tx: Tx, of: EndpointRef, peak_ms: int) -> list[Contribution]:
    """How often fields changed in the hour, and a day before."""
    hours = (_field_counts(tx, of, at) for at in (peak_ms, peak_ms - DAY_MS))
    return breakdown.contributions(*hours)


def _field_counts(tx: Tx, of: EndpointRef, hour_ms: int) -> dict[str, float]:
    span = TimelineSpan(hour_ms, hour_ms + HOUR_MS, descending=False)
    there = [each.content for each in history.contents_along(tx, of.id, span, SAMPLED)]
    counted: dict[str, float] = {}
    for _, fields in deltas.describe_with_fields(tx, of.project, there):
        for field in fields:
            counted[field.pattern] = counted.get(field.pattern, 0.0) + field.changes
    return counted
