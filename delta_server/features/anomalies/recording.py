"""Judging what came in of an endpoint, or of a project's events, and writing what was found: each episode once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast

import msgspec

from delta_server.core.anomalies import judging
from delta_server.core.anomalies.breakdown import Contribution
from delta_server.core.anomalies.detecting import Episode
from delta_server.core.anomalies.judging import CodesToJudge, HoursToJudge
from delta_server.core.anomalies.words import SeriesKind
from delta_server.core.history.activity import HOUR_MS
from delta_server.features.anomalies import happenings, store
from delta_server.features.anomalies.store import AnomalyRow, Series
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.services import Services
from delta_server.storage.database import Tx

COUNTS = frozenset({"events", "changes"})
"""Series of what is counted: an hour without any has 0."""
CODES = "codes"
"""The kind of series in which values are looked at that are codes."""
MOST_EXPLAINED = 8
"""Episodes of a part, the newest: each takes a few reads."""
MOST_DEVIATIONS = 1e6
"""Of what was always the same, any other number is infinitely far off."""
FEW_NUMBERS = 2_000
"""Judged in a thread, 50 ms at most; more in a process."""

Explain = Callable[[str, str, Episode], Awaitable[list[Contribution]]]


class Part(msgspec.Struct, frozen=True):
    """What came in between two hours, of series by kind and name; `codes` has when each reading was, and its values.
    Events have no endpoint."""

    project: int
    endpoint: EndpointRef | None
    begin: int | None
    end: int
    hours: Mapping[Series, Sequence[tuple[int, float | None]]]
    codes: Mapping[Series, Sequence[tuple[int, Sequence[str]]]]

    @property
    def of(self) -> int:
        return store.EVENTS if self.endpoint is None else self.endpoint.id


async def judge(svc: Services, part: Part, explain: Explain) -> None:
    kept = await svc.db.read(store.states, part.project, part.of)
    hours = {of: HoursToJudge(kept.get(of), of[0] in COUNTS, listed) for of, listed in part.hours.items()}
    codes = {of: CodesToJudge(kept.get(of), listed) for of, listed in part.codes.items()}
    numbers = sum(len(each.hours) for each in hours.values()) + 200 * len(hours)
    cpu = svc.processes if numbers > FEW_NUMBERS else svc.spare_cpu
    judged, read = await cpu(judging.judge, list(hours.values()), list(codes.values()))
    states = {of: each.kept for of, each in zip(hours, judged, strict=True)}
    states |= {of: each.kept for of, each in zip(codes, read, strict=True)}
    found = [(of, episode) for of, each in zip(hours, judged, strict=True) for episode in each.episodes]
    found.sort(key=lambda each: each[1].begin)
    rows = [_row(part, of, episode, []) for of, episode in found[:-MOST_EXPLAINED]]
    for of, episode in found[-MOST_EXPLAINED:]:
        rows.append(_row(part, of, episode, await explain(*of, episode)))
    for of, each in zip(codes, read, strict=True):
        rows += [_news(part, of, at_ms, values) for at_ms, values in each.news]
    if await svc.db.write(_write, part, states, rows):
        svc.topics.wake("happenings", part.project)


def _write(tx: Tx, part: Part, states: Mapping[Series, bytes], rows: Sequence[AnomalyRow]) -> bool:
    """Whether others hear of any. What was judged meanwhile by another is left out, and so is what was deleted."""
    of = part.of
    if store.hour(tx, part.project, of) != part.begin:
        return False
    if part.endpoint is not None and endpoints.by_row(tx, part.project, of) is None:
        return False
    store.put_states(tx, part.project, of, states)
    store.put_hour(tx, part.project, of, part.end)
    new = (store.put(tx, part.project, row) for row in rows)
    return happenings.found(tx, part.project, part.endpoint, [row for row in new if row is not None])


def _row(part: Part, of: Series, episode: Episode, breakdown: Sequence[Contribution]) -> AnomalyRow:
    return AnomalyRow(
        id=0,
        uid=b"",
        endpoint=part.of,
        series=cast("SeriesKind", of[0]),
        name=of[1],
        kind=episode.kind,
        began_at=episode.begin * HOUR_MS,
        ended_at=None if episode.end is None else episode.end * HOUR_MS,
        peak_at=episode.peak * HOUR_MS,
        value=episode.value,
        low=episode.low,
        high=episode.high,
        deviations=max(-MOST_DEVIATIONS, min(MOST_DEVIATIONS, episode.deviations)),
        label=None,
        breakdown=breakdown,
    )


def _news(part: Part, of: Series, at_ms: int, values: Sequence[str]) -> AnomalyRow:
    series: SeriesKind = "events" if part.endpoint is None else "field"
    label = ", ".join(values)
    return AnomalyRow(0, b"", part.of, series, of[1], "new_value", at_ms, at_ms, at_ms, 0, 0, 0, 0, label, ())
