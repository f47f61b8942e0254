"""Alerts and their rules on the wire."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from delta_server.core import ids, times
from delta_server.core.alerts import rules
from delta_server.core.alerts.judging import Memory
from delta_server.core.alerts.quiet_hours import Digest, Quiet
from delta_server.core.alerts.rules import Clear, InARow, Kind, Op, Rule
from delta_server.core.alerts.words import alert_text
from delta_server.core.json_schema import documented
from delta_server.core.names import Name
from delta_server.core.query.aggregates import AggregateRequest
from delta_server.features.alerts import store

Moment = Annotated[str, documented(maxLength=40)]


class RuleOfEndpoint(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`endpoint` is an id or a name: needed but for the kinds `metric` and `usual`, which are about events, and
    `anomaly`, which is about events without it."""

    endpoint: Annotated[str, documented(maxLength=200)] | None = None


class NewRule(RuleOfEndpoint, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Judged from now on. While it is muted nobody is notified, and what is raised can be read all the same."""

    name: Name
    muted_until: Moment | None = None


class RuleChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"length": "for"}):
    """What is absent stays; null takes it away. Another condition begins anew: what the old one raised is over."""

    name: Name | UnsetType = UNSET
    muted_until: Moment | UnsetType | None = UNSET
    kind: Kind | UnsetType = UNSET
    path: str | UnsetType | None = UNSET
    op: Op | UnsetType | None = UNSET
    value: float | UnsetType | None = UNSET
    expression: str | UnsetType | None = UNSET
    length: str | UnsetType | None = UNSET
    of: Literal["snapshots", "versions"] | UnsetType | None = UNSET
    query: AggregateRequest | UnsetType | None = UNSET
    in_a_row: InARow | UnsetType = UNSET
    clear: Clear | UnsetType | None = UNSET
    quiet: Quiet | UnsetType | None = UNSET
    digest: Digest | UnsetType | None = UNSET
    tell: Annotated[tuple[str, ...], Meta(max_length=rules.MOST_TELL)] | UnsetType = UNSET


class AlertRule(msgspec.Struct, frozen=True, kw_only=True, rename={"length": "for"}):
    id: str
    name: str
    endpoint_id: str | None
    endpoint: str | None
    kind: Kind
    path: str | None
    op: Op | None
    value: float | None
    expression: str | None
    length: str | None
    of: Literal["snapshots", "versions"] | None
    query: AggregateRequest | None
    in_a_row: int
    clear: Clear | None
    quiet: Quiet | None
    digest: Digest | None
    tell: tuple[str, ...]
    limit: str
    muted_until: str | None
    state: Literal["raised", "quiet", "muted"]
    raised: int
    since: str | None
    judged_at: str | None
    last_value: float | None
    recent: list[float | None]
    created_at: str
    updated_at: str


class AlertRuleAnswer(msgspec.Struct, frozen=True):
    rule: AlertRule


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    rule_id: str
    rule: str
    kind: Kind
    endpoint_id: str | None
    endpoint: str | None
    record: str | None
    label: str | None
    state: Literal["raised", "cleared"]
    raised_at: str
    cleared_at: str | None
    value: msgspec.Raw | None
    most: msgspec.Raw | None
    limit: str
    text: str
    snapshot_id: str | None
    cleared_snapshot_id: str | None
    sent: str
    sent_at: str | None


class AlertPage(msgspec.Struct, frozen=True):
    data: list[Alert]
    has_more: bool
    next_cursor: str | None
    raised: int


class DigestLine(msgspec.Struct, frozen=True):
    alert_id: str
    what: Literal["raised", "cleared"]
    text: str
    held: bool
    at: str


class DigestAnswer(msgspec.Struct, frozen=True):
    at: str | None
    lines: list[DigestLine]


def rule(row: store.RuleRow, endpoint: str | None, raised: store.Raised, now_ms: int) -> AlertRule:
    settings = settings_of(row)
    memory = memory_of(row)
    muted = row.muted_until if row.muted_until is not None and row.muted_until > now_ms else None
    named = {name: getattr(settings, name) for name in Rule.__struct_fields__}
    return AlertRule(
        id=ids.text(row.uid),
        name=row.name,
        endpoint_id=None if row.endpoint_uid is None else ids.text(row.endpoint_uid),
        endpoint=endpoint,
        **named,
        limit=rules.limit_text(settings),
        muted_until=None if muted is None else times.format(muted),
        state="muted" if muted is not None else "raised" if raised.count else "quiet",
        raised=raised.count,
        since=None if raised.since is None else times.format(raised.since),
        judged_at=None if memory.seen_at is None else times.format(memory.seen_at),
        last_value=memory.last,
        recent=[] if settings.kind in ("silence", "anomaly") else memory.recent,
        created_at=times.format(row.created_at),
        updated_at=times.format(row.updated_at),
    )


def settings_of(row: store.RuleRow | store.AlertRow) -> Rule:
    return msgspec.json.decode(row.settings, type=Rule)


def memory_of(row: store.RuleRow) -> Memory:
    return msgspec.json.decode(row.memory, type=Memory)


def alert(row: store.AlertRow, endpoint: str | None) -> Alert:
    kind = settings_of(row).kind
    return Alert(
        id=ids.text(row.uid),
        rule_id=ids.text(row.rule_uid),
        rule=row.rule_name,
        kind=kind,
        endpoint_id=None if row.endpoint_uid is None else ids.text(row.endpoint_uid),
        endpoint=endpoint,
        record=row.record or None,
        label=row.label,
        state="raised" if row.cleared_at is None else "cleared",
        raised_at=times.format(row.raised_at),
        cleared_at=_time(row.cleared_at),
        value=raw(row.value),
        most=raw(row.most),
        limit=row.limit,
        text=alert_text(kind, row.record, row.label, row.value, row.limit),
        snapshot_id=_id(row.snapshot),
        cleared_snapshot_id=_id(row.cleared_snapshot),
        sent=row.sent,
        sent_at=_time(row.sent_at),
    )


def raw(value: str | None) -> msgspec.Raw | None:
    return None if value is None else msgspec.Raw(value.encode())


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else times.format(at_ms)


def _id(uid: bytes | None) -> str | None:
    return None if uid is None else ids.text(uid)


_RULE_ID, SNAPSHOT_ID = "01890a5d-ac96-774b-bcce-b302099a8057", "01985f0c-3f1a-7cc2-9a52-2f3b7f0c9d11"
_ENDPOINT_ID = "01890a5d-ac96-774b-bcce-b302099a8060"
CONDITION: dict[str, Any] = {
    "kind": "threshold",
    "path": "/metadata/count",
    "op": "gt",
    "value": 137,
    "in_a_row": 2,
    "clear": {"value": 136, "in_a_row": 2},
    "quiet": {"from": "22:00", "to": "07:00", "timezone": "Europe/Paris", "then": "hold"},
    "digest": {"every": "daily", "at": "08:00", "timezone": "Europe/Paris"},
    "tell": [],
}
EXAMPLE_NEW: dict[str, Any] = {"name": "Earthquakes in the week", "endpoint": "quakes", **CONDITION}
EXAMPLE: dict[str, Any] = {
    "id": _RULE_ID,
    "name": "Earthquakes in the week",
    "endpoint_id": _ENDPOINT_ID,
    "endpoint": "quakes",
    **CONDITION,
    "expression": None,
    "for": None,
    "of": None,
    "query": None,
    "limit": "over 137",
    "muted_until": None,
    "state": "raised",
    "raised": 1,
    "since": "2026-05-23T13:10:00.000Z",
    "judged_at": "2026-05-23T18:03:00.000Z",
    "last_value": 140,
    "recent": [131, 135, 138, 140],
    "created_at": "2026-05-01T12:00:00.000Z",
    "updated_at": "2026-05-01T12:00:00.000Z",
}
SENT = {"sent": "held", "sent_at": "2026-05-24T06:00:00.000Z"}
EXAMPLE_ALERT: dict[str, Any] = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8061",
    "rule_id": _RULE_ID,
    "rule": "Earthquakes in the week",
    "kind": "threshold",
    "endpoint_id": _ENDPOINT_ID,
    "endpoint": "quakes",
    "record": None,
    "label": None,
    "state": "raised",
    "raised_at": "2026-05-23T13:10:00.000Z",
    "cleared_at": None,
    "value": 140,
    "most": 141,
    "limit": "over 137",
    "text": "140, over 137",
    "snapshot_id": SNAPSHOT_ID,
    "cleared_snapshot_id": None,
    **SENT,
}
EXAMPLE_DIGEST: dict[str, Any] = {
    "at": "2026-05-24T06:00:00.000Z",
    "lines": [
        {
            "alert_id": EXAMPLE_ALERT["id"],
            "what": "raised",
            "text": "Earthquakes in the week: 140, over 137",
            "held": True,
            "at": "2026-05-24T06:00:00.000Z",
        }
    ],
}
_PARTS = {
    "kind": "What is judged: a `threshold`, a `change` by more than a share, a new `high` or `low`, `appears`, "
    "`disappears`, `matches`; a document's changed `places` or its `similarity`; `silence`; a `metric` of events, or "
    "whether it is `usual`; any `anomaly` that is found without configuration",
    "path": "The field: a pointer, with a key in place of an index, or with `*` for each record (of which `anomaly` "
    "judges the sum)",
    "op": "How a value lies to raise it: over (`gt`), at least (`gte`), under (`lt`), at most (`lte`)",
    "value": "The limit: a number; percent with `change`, places with `places`, deviations with `usual` and `anomaly`",
    "expression": "JMESPath over the value that must be true, with `matches`",
    "for": "How long nothing must come, with `silence`",
    "of": "What must come: `snapshots`, or `versions`, which are snapshots with another document",
    "query": "The question, as POST /v1/query takes it, with `metric` and `usual`: its first metric is judged",
    "in_a_row": "So many versions in a row must meet the condition",
    "clear": "What ends an alert; without it, one version that does not meet the condition",
    "quiet": "Hours in which nobody is notified",
    "digest": "Into which digest it is gathered; without `tell` nobody hears of it but there",
    "tell": "The webhooks that hear of it; without any, those that hear of alerts",
}
FIELDS = {
    **{f"AlertRule.{name}": said for name, said in _PARTS.items()},
    "AlertRule.id": "Id of the rule",
    "AlertRule.endpoint_id": "The endpoint that it is about; null for events",
    "AlertRule.endpoint": "Its name; null too while it lies in the bin",
    "AlertRule.limit": "What raises it, in words",
    "AlertRule.muted_until": "Until when nobody is notified; null where it is not muted",
    "AlertRule.state": "`raised` while any of its alerts is, `muted`, or `quiet`",
    "AlertRule.raised": "How many of its alerts are raised",
    "AlertRule.since": "Since when the first of these is",
    "AlertRule.judged_at": "When the version was captured that was judged last; null before the first; with `anomaly` "
    "the end of the last hour",
    "AlertRule.last_value": "The number judged last, of several records the one that went furthest; null where "
    "nothing was there; deviations with `anomaly`",
    "AlertRule.recent": "The numbers judged last, 40 at most, the newest last; those before the rule was made too; "
    "none with `silence` and `anomaly`",
    "AlertRuleAnswer.rule": "The rule",
    "Clear.value": "A value beyond this one, in the other direction than the rule's, clears",
    "Clear.in_a_row": "So many versions in a row must",
    "Quiet.from": "When quiet hours begin, as 22:00",
    "Quiet.to": "When they end",
    "Quiet.timezone": "In which time zone",
    "Quiet.then": "`hold`: sent when they end; `drop`: never",
    "Digest.every": "`hourly`, at each full hour, or `daily`",
    "Digest.at": "At what time of day, with `daily`",
    "Digest.timezone": "In which time zone",
    "Alert.id": "Id of the alert",
    "Alert.rule_id": "The rule that raised it",
    "Alert.rule": "The rule's name",
    "Alert.kind": "The rule's kind",
    "Alert.endpoint_id": "The endpoint that it is about; null for events",
    "Alert.endpoint": "Its name; null too while it lies in the bin",
    "Alert.record": "The record, of rules whose path has a `*`; what was unusual, with `anomaly`",
    "Alert.label": "What people call it; with `anomaly` a sentence of what was unusual",
    "Alert.state": "`raised` or `cleared`",
    "Alert.raised_at": "When the version that raised it was captured",
    "Alert.cleared_at": "When the one that cleared it was; null while it is raised",
    "Alert.value": "The value that raised it; a long one is cut",
    "Alert.most": "The value that went furthest since",
    "Alert.limit": "What raised it, in words",
    "Alert.text": "Both in one line",
    "Alert.snapshot_id": "The snapshot that raised it; null where none did",
    "Alert.cleared_snapshot_id": "The one that cleared it",
    "Alert.sent": "Whether it was sent at once (`now`), when quiet hours ended (`held`), in a `digest`, or not: "
    "`dropped` for quiet hours, `muted`, or `late`: captured more than a day before it came",
    "Alert.sent_at": "When; null for not at all",
    "AlertPage.raised": "How many alerts of the project are raised, 1,000 at most",
    "DigestAnswer.at": "When the next digest is due; null where nothing waits",
    "DigestAnswer.lines": "What waits, what is due first before the others",
    "DigestLine.alert_id": "The alert",
    "DigestLine.what": "`raised` or `cleared`",
    "DigestLine.text": "What is said",
    "DigestLine.held": "Whether it is sent later for quiet hours",
    "DigestLine.at": "When it is sent",
}
"""What the API's description says of the fields of answers."""
