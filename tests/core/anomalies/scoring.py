"""How well anomalies are found in series of which they are known."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from delta_server.core.anomalies.detecting import Detector, Episode, Series
from tests.core.anomalies.labelled import Labelled

EARLY, AFTER = 2, 30
"""Hours: one that begins so much before it is found, and one that goes on: the way back is the same anomaly."""

Spans = Sequence[tuple[int, int]]


class Score(NamedTuple):
    labels: int = 0
    found: int = 0
    reported: int = 0
    wrong: int = 0

    def __add__(self, other: object) -> "Score":
        assert isinstance(other, Score)
        return Score(*(mine + others for mine, others in zip(self, other, strict=True)))

    @property
    def recall(self) -> float:
        return self.found / self.labels

    @property
    def precision(self) -> float:
        return 1 - self.wrong / self.reported if self.reported else 1.0


def episodes(series: Labelled) -> list[Episode]:
    detector = Detector(Series(series.is_count))
    found = {each.begin: each for hour, number in enumerate(series.numbers) for each in detector.step(hour, number)}
    return [found[begin] for begin in sorted(found)]


def spans(found: Iterable[Episode]) -> Spans:
    return [(each.begin, each.last + 1 if each.end is None else each.end) for each in found]


def score(series: Labelled, reported: Spans) -> Score:
    def overlap(one: tuple[int, int], label: tuple[int, int], after: int) -> bool:
        return one[0] < label[1] + after and one[1] > label[0] - EARLY

    found = sum(any(overlap(one, label, EARLY) for one in reported) for label in series.anomalies)
    wrong = sum(not any(overlap(one, label, AFTER) for label in series.anomalies) for one in reported)
    return Score(len(series.anomalies), found, len(reported), wrong)
