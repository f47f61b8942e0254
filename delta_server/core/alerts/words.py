"""Alerts in words: `140, over 139`."""

from delta_server.core.alerts.rules import Kind

_LONGEST_VALUE = 80


def alert_text(kind: Kind, record: str, label: str | None, value: str | None, limit: str) -> str:
    """`value` is JSON, None where there is none to say; of silence, and of what appears, the limit says it all, and of
    an anomaly its label, which is a sentence."""
    if kind == "anomaly" and label:
        return label
    if kind in ("silence", "appears"):
        value = None
    shown = [] if value is None else [value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}..."]
    said = ", ".join([*shown, limit])
    named = label or record
    return f"{named}: {said}" if named else said


def usual_text(low: float, high: float) -> str:
    return f"usual {low:.4g} to {high:.4g}"
