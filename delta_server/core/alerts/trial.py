"""A rule tried on versions that there were: which alerts it would have raised."""

from collections import deque
from collections.abc import Sequence

import msgspec

from delta_server.core.alerts.judging import Judge, Memory, Version, measure
from delta_server.core.alerts.rules import Rule
from delta_server.core.history import series
from delta_server.core.history.series import Line


class Timed(msgspec.Struct, frozen=True):
    """A version and when it was captured."""

    at_ms: int
    version: Version


class Episode(msgspec.Struct):
    """An alert there would have been: from `from_ms` on, to `to_ms` or still."""

    record: str
    from_ms: int
    value: str | None
    most: str | None
    to_ms: int | None = None


class Trial:
    """Fed with versions in the order of time, some at once. Keeps the newest `most` episodes, and counts all."""

    def __init__(self, rule: Rule, *, most: int) -> None:
        self.rule, self._most = rule, most
        self._judge = Judge(rule, Memory())
        self._open: dict[str, Episode] = {}
        self._raised_ms = 0
        self.episodes: deque[Episode] = deque(maxlen=most)
        self.count = 0
        self.times: list[int] = []
        self.values: list[float | None] = []

    @property
    def memory(self) -> Memory:
        return self._judge.memory

    def feed(self, versions: Sequence[Timed]) -> None:
        for each in versions:
            if self._open:
                self._raised_ms += each.at_ms - self.times[-1]
            self.times.append(each.at_ms)
            if self._most:
                self.values.append(measure(self.rule, each.version))
            for verdict in self._judge.step(each.version):
                if verdict.what == "raised":
                    self.count += 1
                    episode = Episode(verdict.record, each.at_ms, verdict.value, verdict.most)
                    self._open[verdict.record] = episode
                    self.episodes.append(episode)
                elif verdict.what == "cleared":
                    self._open.pop(verdict.record).to_ms = each.at_ms
                else:
                    self._open[verdict.record].most = verdict.most

    def share(self, until_ms: int) -> float:
        """Of the time from the first version on, that in which something was raised; the last version holds until
        `until_ms`."""
        if not self.times or until_ms <= self.times[0]:
            return 0.0
        last_ms = max(0, until_ms - self.times[-1]) if self._open else 0
        return min(1.0, (self._raised_ms + last_ms) / (max(until_ms, self.times[-1]) - self.times[0]))


def thinned(times: Sequence[int], values: Sequence[float | None], most: int) -> tuple[list[int], list[float | None]]:
    """A series: where the number changes, and of very many changes the extremes."""
    kept = [n for n, value in enumerate(values) if not n or value != values[n - 1]]
    shown = [None if (value := values[n]) is None else repr(value).encode() for n in kept]
    at, [line] = series.thinned([times[n] for n in kept], [Line("", None, shown)], most)
    return at, [None if value is None else float(value) for value in line.values]
