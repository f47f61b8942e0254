"""Anomalies on the wire."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from delta_server.core import ids, times
from delta_server.core.anomalies.breakdown import Contribution
from delta_server.core.anomalies.detecting import AnomalyKind
from delta_server.core.anomalies.words import SeriesKind, sentence
from delta_server.features.anomalies.store import AnomalyRow
from delta_server.features.endpoints.service import NamedEndpoint


class ExpectedRange(msgspec.Struct, frozen=True):
    low: float
    high: float


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    kind: AnomalyKind
    series: SeriesKind
    name: str
    endpoint_id: str | None
    endpoint: str | None
    state: Literal["open", "ended"]
    began_at: str
    ended_at: str | None
    peak_at: str
    value: float | None
    expected: ExpectedRange | None
    deviations: float | None
    new_value: str | None
    breakdown: Sequence[Contribution]
    text: str


def text(row: AnomalyRow) -> str:
    return sentence(
        row.kind,
        row.series,
        row.name,
        value=row.value,
        expected=(row.low, row.high),
        label=row.label,
        breakdown=row.breakdown,
    )


def anomaly(row: AnomalyRow, endpoint: NamedEndpoint | None) -> Anomaly:
    is_number = row.kind != "new_value"
    return Anomaly(
        id=ids.text(row.uid),
        kind=row.kind,
        series=row.series,
        name=row.name,
        endpoint_id=None if endpoint is None else endpoint.id,
        endpoint=None if endpoint is None else endpoint.name,
        state="open" if row.ended_at is None else "ended",
        began_at=times.format(row.began_at),
        ended_at=None if row.ended_at is None else times.format(row.ended_at),
        peak_at=times.format(row.peak_at),
        value=row.value if is_number else None,
        expected=ExpectedRange(row.low, row.high) if is_number else None,
        deviations=round(row.deviations, 2) if is_number else None,
        new_value=row.label,
        breakdown=row.breakdown,
        text=text(row),
    )


EXAMPLE: dict[str, Any] = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "kind": "spike",
    "series": "events",
    "name": "page_view",
    "endpoint_id": None,
    "endpoint": None,
    "state": "ended",
    "began_at": "2026-05-02T08:00:00.000Z",
    "ended_at": "2026-05-02T10:00:00.000Z",
    "peak_at": "2026-05-02T09:00:00.000Z",
    "value": 9981,
    "expected": {"low": 2686.6, "high": 6921.7},
    "deviations": 9.3,
    "new_value": None,
    "breakdown": [{"name": "ads", "value": 6020, "usual": 310, "share": 0.92}],
    "text": "page_view: 9,981 events in an hour, where 2,687 to 6,922 are usual; most of it ads: 6,020 instead of 310",
}
FIELDS = {
    "Anomaly.id": "Id of the anomaly",
    "Anomaly.kind": "`spike`, also a fall; `level_shift`: it lasts, or stays; `silence`: nothing comes; `new_value`",
    "Anomaly.series": "What is unusual: how many `events` of a type, or of an endpoint its `changes`, the `size` of "
    "its document, the `duration` of its polls, a `field`",
    "Anomaly.name": "The type of the events, or the path of the field",
    "Anomaly.endpoint_id": "The endpoint; null for events",
    "Anomaly.endpoint": "Its name; null for events",
    "Anomaly.state": "`open` while it lasts",
    "Anomaly.began_at": "The begin of the first hour that was unusual",
    "Anomaly.ended_at": "The end of the last one; null while it lasts",
    "Anomaly.peak_at": "The begin of the most unusual one",
    "Anomaly.value": "The number in that hour: a count, a mean of sizes or durations, the field's own",
    "Anomaly.expected": "What was expected then",
    "Anomaly.deviations": "How far off it was, 4.5 being the limit; below 0 for too few",
    "Anomaly.new_value": "The value that was never there before; several with commas between",
    "Anomaly.breakdown": "What contributed most, three at most; empty where there are no parts, or none is known",
    "Anomaly.text": "All of it in a sentence",
    "ExpectedRange.low": "The least that is usual",
    "ExpectedRange.high": "The most that is usual",
    "Contribution.name": "A source of events, a member of the document, a record, a step of the poll, a field",
    "Contribution.value": "What it was then",
    "Contribution.usual": "What it is usually",
    "Contribution.share": "Its share of the whole difference",
}
