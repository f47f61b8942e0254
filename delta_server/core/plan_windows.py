"""The windows of time in which plans count: hours, and months of the calendar, both UTC."""

from delta_server.core.query import months

HOUR_MS = 3_600_000


def hour(time_ms: int) -> int:
    """The first moment of its hour."""
    return time_ms - time_ms % HOUR_MS


def month(time_ms: int) -> int:
    """As 202605."""
    year, after_january = divmod(months.number(time_ms), 12)
    return year * 100 + after_january + 1


def next_month(time_ms: int) -> int:
    """The first moment of the month after."""
    return months.begin(months.number(time_ms) + 1)
