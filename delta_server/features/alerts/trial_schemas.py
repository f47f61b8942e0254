"""Trials of rules on the wire."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from delta_server.core.alerts.quiet_hours import Sent
from delta_server.core.names import Name
from delta_server.features.alerts.schemas import CONDITION, SENT, SNAPSHOT_ID, Moment, RuleOfEndpoint

MOST_SWEPT = 20


class TriedRule(RuleOfEndpoint, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As it would be made; its name and whether it is muted make no difference."""

    name: Name | None = None
    muted_until: Moment | None = None


class NewTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """`sweep` are other values to try in place of the rule's; what clears it moves along with each."""

    rule: TriedRule
    from_: Moment | None = None
    to: Moment | None = None
    sweep: Annotated[list[float], Meta(max_length=MOST_SWEPT)] = []


class FiredAlert(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    from_: str
    to: str | None
    value: msgspec.Raw | None
    most: msgspec.Raw | None
    snapshot_id: str | None
    record: str | None
    label: str | None
    sent: Sent
    sent_at: str | None


class TrialSeries(msgspec.Struct, frozen=True):
    times: list[str]
    values: list[float | None]
    usual: list[tuple[float, float] | None] | None


class SweptValue(msgspec.Struct, frozen=True):
    value: float
    fired: int


class TrialAnswer(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """`fired` has the newest 500; `fired_count` counts all."""

    tried: int
    from_: str | None
    to: str | None
    share: float
    fired_count: int
    fired: list[FiredAlert]
    series: TrialSeries
    sweep: list[SweptValue]
    complete: bool
    took_ms: float


EXAMPLE_TRIAL: dict[str, Any] = {
    "rule": {"endpoint": "quakes", **CONDITION},
    "from": "2026-05-16T00:00:00Z",
    "sweep": [136, 138],
}
EXAMPLE_TRIED: dict[str, Any] = {
    "tried": 200,
    "from": "2026-05-16T00:10:00.000Z",
    "to": "2026-05-24T23:50:00.000Z",
    "share": 0.25,
    "fired_count": 1,
    "fired": [
        {
            "from": "2026-05-23T13:10:00.000Z",
            "to": None,
            "value": 140,
            "most": 141,
            "snapshot_id": SNAPSHOT_ID,
            "record": None,
            "label": None,
            **SENT,
        }
    ],
    "series": {"times": ["2026-05-23T13:10:00.000Z"], "values": [140], "usual": None},
    "sweep": [{"value": 136, "fired": 2}, {"value": 138, "fired": 1}],
    "complete": True,
    "took_ms": 12.1,
}

FIELDS = {
    "TrialAnswer.tried": "How many versions were judged; hours with `anomaly`",
    "TrialAnswer.from": "When the first of them was captured",
    "TrialAnswer.to": "When the last of them was",
    "TrialAnswer.share": "The share of the time in which it was raised",
    "TrialAnswer.fired_count": "How many alerts it would have raised",
    "TrialAnswer.fired": "The newest 500 of these, the newest last",
    "TrialAnswer.series": "What was judged, along time",
    "TrialAnswer.sweep": "How many it would have raised with other values",
    "TrialAnswer.complete": "False when there was no time for all versions, or not all hours were looked at for "
    "anomalies: `from` and `to` say for which there was",
    "TrialAnswer.took_ms": "How long the trial took",
    "FiredAlert.from": "When it would have been raised",
    "FiredAlert.to": "When cleared; null: it still would be",
    "FiredAlert.value": "The value that would have raised it; a long one is cut",
    "FiredAlert.most": "The value that went furthest since",
    "FiredAlert.snapshot_id": "The snapshot; null where none raises it",
    "FiredAlert.record": "As an alert has it",
    "FiredAlert.label": "As an alert has it",
    "FiredAlert.sent": "As an alert has it",
    "FiredAlert.sent_at": "When it would have been sent",
    "TrialSeries.times": "When each value holds from; of very many, the least and greatest of neighbours",
    "TrialSeries.values": "The number that is judged; of several records the one that goes furthest, or with `anomaly` "
    "their sum",
    "TrialSeries.usual": "The usual range at each time, with `usual`",
    "SweptValue.value": "The value tried",
    "SweptValue.fired": "How many alerts",
}
"""What the API's description says of the fields of answers."""
