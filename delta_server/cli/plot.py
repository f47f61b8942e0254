"""Numbers over time as a few rows of text."""

from collections.abc import Sequence

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def columns(values: Sequence[tuple[int, float]], *, width: int) -> list[float]:
    """The value in force at `width` moments spread evenly over (time, value) pairs in order of time."""
    first, last = values[0][0], values[-1][0]
    sampled, at = [], 0
    for column in range(width):
        moment = first + (last - first) * column // max(1, width - 1)
        while at + 1 < len(values) and values[at + 1][0] <= moment:
            at += 1
        sampled.append(values[at][1])
    return sampled


def plot(values: Sequence[tuple[int, float]], *, width: int = 72, height: int = 6) -> list[str]:
    """Rows of text, the highest first, with the largest and smallest value at their left."""
    sampled = columns(values, width=width)
    low, high = min(sampled), max(sampled)
    step = (high - low) / (height * 8 - 1) or 1.0
    heights = [1 + round((value - low) / step) for value in sampled]
    labels = [f"{high:g}", *[""] * (height - 2), f"{low:g}"]
    margin = max(map(len, labels))
    return [
        f"{label:>{margin}} │" + "".join(_EIGHTHS[min(8, max(0, filled - 8 * row))] for filled in heights)
        for label, row in zip(labels, range(height - 1, -1, -1), strict=True)
    ]
