"""Alerts in words: `140, over 139`."""

from delta_server.core.alerts.rules import Kind

_LONGEST_VALUE = 80


def alert_text(kind: Kind, record: str, label: str | None, value: str | None, limit: str) -> str:
    """`value` is JSON, None where there is none to say; of silence, and of what appears, the limit says it all, and of
    an anomaly its label, which is a sentence."""
    if kind == "anomaly" and label:
        return label
    said = ", ".join([*_shown(kind, value), limit])
    named = label or record
    return f"{named}: {said}" if named else said


def over_text(kind: Kind, raised: str, value: str | None) -> str:
    """What raised an alert that is over, and the value now: `140, over 139; now 12`."""
    return "; now ".join([raised, *(() if kind == "anomaly" else _shown(kind, value))])


def _shown(kind: Kind, value: str | None) -> list[str]:
    if value is None or kind in ("silence", "appears"):
        return []
    return [value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}..."]


def usual_text(low: float, high: float) -> str:
    return f"usual {low:.4g} to {high:.4g}"
