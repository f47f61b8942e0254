"""What was unusual, in a sentence: `page_view: 9,981 events in an hour, where 2,687 to 6,922 are usual`."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from delta_server.core.anomalies.breakdown import Contribution
from delta_server.core.anomalies.detecting import AnomalyKind

SeriesKind: TypeAlias = Literal["events", "changes", "size", "duration", "field"]
_MOSTLY = 0.5
_LONGEST = 200
_SAID: dict[SeriesKind, tuple[str, str]] = {
    "events": ("events", " in an hour"),
    "changes": ("changed versions", " in an hour"),
    "size": ("bytes", ""),
    "duration": ("ms for a poll", ""),
    "field": ("", ""),
}


def subject(series: SeriesKind, name: str) -> str:
    """What a series is of, for people."""
    if series == "events":
        return name or "Types of events"
    return {"changes": "Changes", "size": "Size of the document", "duration": "Duration of polls"}.get(series, name)


def sentence(
    kind: AnomalyKind,
    series: SeriesKind,
    name: str,
    *,
    value: float,
    expected: tuple[float, float],
    label: str | None = None,
    breakdown: Sequence[Contribution] = (),
) -> str:
    """`label` is the new value, of those that are new."""
    of = subject(series, name)
    unit, per = _SAID[series]
    if kind == "new_value":
        return f"{of}: {(label or '')[:_LONGEST]}, which was never there before"
    usual = f"{_number(expected[0])} to {_number(expected[1])}"
    if kind == "silence":
        if expected[0] <= 0:
            return f"{of}: no {unit} for longer than ever"
        return f"{of}: no {unit}{per}, where {usual} are usual"
    said = f"{of}: {_number(value)}{f' {unit}' if unit else ''}{per}"
    now = ", and stays there" if kind == "level_shift" else ""
    return f"{said}, where {usual} are usual{now}{_because(breakdown)}"


def _because(breakdown: Sequence[Contribution]) -> str:
    if not breakdown:
        return ""
    first = breakdown[0]
    much = "most" if first.share >= _MOSTLY else "some"
    return f"; {much} of it {first.name}: {_number(first.value)} instead of {_number(first.usual)}"


def _number(value: float) -> str:
    if abs(value) >= 1e15:
        return f"{value:.4g}"
    whole = round(value)
    if abs(value) >= 100 or value == whole:
        return f"{whole:,}"
    return f"{value:.3g}"
