"""Where in time so many events lie, guessed from the catalog: to look at the nearest first, or at a few at once."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import msgspec

from delta_server.core.query.plan import Span


class EventDensity(msgspec.Struct, frozen=True):
    """So many events, taken to lie evenly from `first_at` to `last_at`."""

    first_at: int
    last_at: int
    events: int


def scan_windows(
    span: Span, densities: Sequence[EventDensity], events: int, *, ascending: bool, growth: int = 1
) -> Iterator[Span]:
    """Spans that follow each other from one end of `span` to the other, of about `events` events each; the next has
    `growth` times as many. Together they are the part of `span` in which there are events."""
    inside = [density for density in densities if density.first_at < span.end_ms and density.last_at >= span.start_ms]
    if not inside:
        return
    start = max(span.start_ms, min(density.first_at for density in inside))
    end = min(span.end_ms, max(density.last_at for density in inside) + 1)
    curve = _curve(inside)
    seen = _count_before(curve, start if ascending else end)
    while start < end:
        if ascending:
            cut = min(max(_time_of(curve, seen + events), start + 1), end)
            yield Span(start, cut)
            start = cut
        else:
            cut = max(min(_time_of(curve, seen - events), end - 1), start)
            yield Span(cut, end)
            end = cut
        seen = _count_before(curve, cut)
        events *= growth


def _curve(densities: Sequence[EventDensity]) -> list[tuple[int, float]]:
    """(time, events before it), ascending in both; between two of them it is straight."""
    changes: dict[int, float] = {}
    for density in densities:
        rate = density.events / (density.last_at + 1 - density.first_at)
        changes[density.first_at] = changes.get(density.first_at, 0.0) + rate
        changes[density.last_at + 1] = changes.get(density.last_at + 1, 0.0) - rate
    curve, total, rate, before = [], 0.0, 0.0, 0
    for at in sorted(changes):
        total += max(rate, 0.0) * (at - before)
        curve.append((at, total))
        rate, before = rate + changes[at], at
    return curve


def _count_before(curve: Sequence[tuple[int, float]], at: int) -> float:
    place = bisect_right(curve, at, key=lambda point: point[0])
    if place == 0:
        return 0.0
    if place == len(curve):
        return curve[-1][1]
    (left, low), (right, high) = curve[place - 1], curve[place]
    return low + (high - low) * (at - left) / (right - left)


def _time_of(curve: Sequence[tuple[int, float]], events: float) -> int:
    """The time before which there are so many events."""
    place = bisect_right(curve, events, key=lambda point: point[1])
    if place == 0:
        return curve[0][0]
    if place == len(curve):
        return curve[-1][0]
    (left, low), (right, high) = curve[place - 1], curve[place]
    return left + round((right - left) * (events - low) / (high - low))
