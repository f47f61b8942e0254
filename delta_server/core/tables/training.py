"""A training table: a row for each label event, with features of what was known when it happened.

A feature is what a document had at a path, or a metric of the events in a window that ends at the label. With
`known_by` "arrival" a snapshot or event counts from when it was both captured and received on, so that nothing that
arrives later changes a row that was there; with "time" the times that were sent alone count, as is right for what was
imported.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.json import pointer
from delta_server.core.query import fields
from delta_server.core.query.plan import Field

MOST_FEATURES = 100
MOST_LABELS = 20_000
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Text = Annotated[str, Meta(min_length=1, max_length=500)]
Metric = Literal["count", "sum", "avg", "min", "max", "distinct"]
KnownBy = Literal["arrival", "time"]

_UNQUOTABLE = frozenset('"\\')
"""What no name in a path of DuckDB's may have."""
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PLACED = re.compile(r"(?<=[=/])\{[A-Za-z_][A-Za-z0-9_]*\}(?=[\],/]|\Z)")


class Labels(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Events of a type, from a time and before another. `value` is the field that is to be predicted."""

    event_type: Text
    from_: str | None = None
    to: str | None = None
    value: Text | None = None


class FeatureSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of a document: `endpoint` and `path`, in which `{name}` is the label event's field that `where` has by that name.
    Of events: `event_type`, `window`, the `metric` `of` a field; those whose fields in `same` are the label's."""

    name: Name
    endpoint: Text | None = None
    path: str | None = None
    where: dict[str, Text] = {}
    event_type: Text | None = None
    window: Text | None = None
    metric: Metric = "count"
    of: Text | None = None
    same: Annotated[tuple[Text, ...], Meta(max_length=5)] = ("userId",)


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Labels before `at` train, the others validate; those less than `gap` before it are neither."""

    at: Text
    gap: Text | None = None


class TrainingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    labels: Labels
    features: Annotated[list[FeatureSpec], Meta(min_length=1, max_length=MOST_FEATURES)]
    known_by: KnownBy = "arrival"
    split: Split | None = None


class EventFeature(msgspec.Struct, frozen=True):
    column: int
    event_type: str
    window_ms: int
    metric: Metric
    of: Field | None
    same: tuple[Field, ...]


class DocumentFeature(msgspec.Struct, frozen=True):
    """`where` is by the name in `path`; the event's field is the query's column `w` with this number."""

    column: int
    endpoint: str
    path: str
    where: dict[str, int]


class Plan(msgspec.Struct, frozen=True):
    """`spec` has its times written out. `keys` are the label's fields that paths need."""

    spec: TrainingSpec
    from_ms: int
    to_ms: int
    value: Field | None
    events: list[EventFeature]
    documents: list[DocumentFeature]
    keys: list[Field]
    split_ms: int | None
    gap_ms: int

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.spec.features]

    def part(self, at_ms: int) -> str | None:
        """`train`, `validation` or `gap`."""
        if self.split_ms is None:
            return None
        if at_ms >= self.split_ms:
            return "validation"
        return "train" if at_ms < self.split_ms - self.gap_ms else "gap"


def plan(spec: TrainingSpec, now_ms: int) -> Plan:
    """Raises Invalid, naming the place."""
    names = [each.name for each in spec.features]
    if len(set(names)) < len(names):
        raise Invalid("two features have one name", field="features")
    from_ms = _moment(spec.labels.from_, times.EARLIEST_MS, "labels.from", now_ms)
    to_ms = min(now_ms, _moment(spec.labels.to, now_ms, "labels.to", now_ms))
    if from_ms > to_ms:
        raise Invalid("labels.from lies after labels.to", field="labels.from")
    split = spec.split
    split_ms = None if split is None else times.parse_moment(split.at, field="split.at", now_ms=now_ms)
    gap = None if split is None else split.gap
    events: list[EventFeature] = []
    documents: list[DocumentFeature] = []
    keys: list[Field] = []
    for column, each in enumerate(spec.features):
        at = f"features[{column}]"
        if (each.endpoint is None) == (each.event_type is None):
            raise Invalid(f"{at} is of a document (endpoint, path) or of events (event_type, window)", field=at)
        if each.endpoint is None:
            events.append(_event_feature(column, each, at))
        else:
            documents.append(_document_feature(column, each, keys, at))
    labels = msgspec.structs.replace(spec.labels, from_=times.format(from_ms), to=times.format(to_ms))
    if split is not None and split_ms is not None:
        split = msgspec.structs.replace(split, at=times.format(split_ms))
    return Plan(
        spec=msgspec.structs.replace(spec, labels=labels, split=split),
        from_ms=from_ms,
        to_ms=to_ms,
        value=None if spec.labels.value is None else _field(spec.labels.value, "labels.value"),
        events=events,
        documents=documents,
        keys=keys,
        split_ms=split_ms,
        gap_ms=0 if gap is None else times.parse_length(gap, field="split.gap"),
    )


def _moment(text: str | None, default_ms: int, field: str, now_ms: int) -> int:
    return default_ms if text is None else times.parse_moment(text, field=field, now_ms=now_ms)


def _event_feature(column: int, each: FeatureSpec, at: str) -> EventFeature:
    if each.path is not None or each.where:
        raise Invalid(f"{at} is of events: path and where are of documents", field=at)
    if each.event_type is None or each.window is None:
        raise Invalid(f"{at} needs a window, such as 7d", field=f"{at}.window")
    if (each.of is None) != (each.metric == "count"):
        raise Invalid(f"{at}: {each.metric} is {'not ' if each.of else ''}of a field", field=f"{at}.of")
    return EventFeature(
        column=column,
        event_type=each.event_type,
        window_ms=times.parse_length(each.window, field=f"{at}.window"),
        metric=each.metric,
        of=None if each.of is None else _field(each.of, f"{at}.of"),
        same=tuple(_field(name, f"{at}.same") for name in each.same),
    )


def _document_feature(column: int, each: FeatureSpec, keys: list[Field], at: str) -> DocumentFeature:
    if each.window is not None or each.of is not None or each.metric != "count":
        raise Invalid(f"{at} is of a document: window, metric and of are of events", field=at)
    if each.endpoint is None or each.path is None:
        raise Invalid(f"{at} needs a path, such as /total", field=f"{at}.path")
    named = set(_PLACEHOLDER.findall(each.path))
    if named != set(each.where) or len(_PLACED.findall(each.path)) < len(_PLACEHOLDER.findall(each.path)):
        raise Invalid(
            f"{at}.where names the fields that stand as {{name}} in the path, each a step or the value of one by key",
            field=f"{at}.where",
        )
    where: dict[str, int] = {}
    for name, text in each.where.items():
        where[name] = len(keys)
        keys.append(_field(text, f"{at}.where"))
    try:
        pointer.parse(filled(each.path, dict.fromkeys(where, b'"x"')))
    except Invalid as error:
        raise Invalid(error.message, field=f"{at}.path") from None
    return DocumentFeature(column, each.endpoint, each.path, where)


def _field(text: str, at: str) -> Field:
    field = fields.parse(text, at=at)
    if field.kind in ("list", "time") or any(_UNQUOTABLE.intersection(name) for name in field.path):
        raise Invalid(f"{at}: {text} cannot be used here", field=at)
    return field


def filled(path: str, values: Mapping[str, bytes]) -> str:
    """The path with the values, slices of scalars, in the places of their names."""

    def value(found: re.Match[str]) -> str:
        raw = values[found[1]]
        text = msgspec.json.decode(raw, type=str) if raw[:1] == b'"' else raw.decode()
        if path[found.start() - 1] == "/":
            return pointer.escape(text)
        return text if pointer.is_scalar(text) else msgspec.json.encode(text).decode()

    return _PLACEHOLDER.sub(value, path)


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A snapshot: when it was captured, when it was received, and its content."""

    captured_at: int
    received_at: int
    content: int


class KnownContents:
    """Which content was the newest one known, from when on."""

    def __init__(self, arrivals: Sequence[Arrival], known_by: KnownBy) -> None:
        self._times: list[int] = []
        self.contents: list[int] = []
        newest = times.EARLIEST_MS - 1
        for known_at, each in sorted(
            ((_known_at(each, known_by), each) for each in arrivals), key=lambda pair: (pair[0], pair[1].captured_at)
        ):
            if each.captured_at > newest:
                newest = each.captured_at
                self._times.append(known_at)
                self.contents.append(each.content)

    def at(self, time_ms: int) -> int | None:
        """None where there was none."""
        place = bisect_right(self._times, time_ms)
        return self.contents[place - 1] if place else None


def _known_at(each: Arrival, known_by: KnownBy) -> int:
    return max(each.captured_at, each.received_at) if known_by == "arrival" else each.captured_at
