"""Series of hours in which it is known what is unusual: made by a seeded generator, and a public one.

water_flow.csv has the hourly flow of water through a branch of a pipeline, given by Tecnojest s.r.l. to the library
river (BSD-3-Clause), whose documentation tells of its four anomalies.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

WEEK = 168
HOURS = 9 * WEEK
_LEARNED = 4 * WEEK
"""Nothing is unusual before."""
_APART = 72


class Labelled(NamedTuple):
    """`anomalies` are (first hour, hour behind the last) from the begin of the series."""

    name: str
    is_count: bool
    numbers: Sequence[float | None]
    anomalies: Sequence[tuple[int, int]]


class Shape(NamedTuple):
    """What is expected in each hour, and how far off a number is by chance; a `unit` is how far off it may be from what
    can be known of it."""

    name: str
    is_count: bool
    levels: Sequence[float]
    noise: Sequence[float]
    unit: Sequence[float]


def made(seed: int) -> Iterator[Labelled]:
    """Two of each shape: with four anomalies, and without any."""
    for number, make in enumerate(_SHAPES):
        for is_calm in (False, True):
            chance = random.Random(seed * 1000 + number * 2 + is_calm)
            yield _series(make(chance), chance, is_calm=is_calm)


def water_flow() -> Labelled:
    numbers = [float(line) for line in (Path(__file__).parent / "water_flow.csv").read_text().split()]
    return Labelled("water flow", False, numbers, [(94, 111), (210, 224), (329, 330), (872, 888)])


def _series(shape: Shape, chance: random.Random, *, is_calm: bool) -> Labelled:
    pushed = [0.0] * HOURS
    labels: list[tuple[int, int]] = []
    begin = _LEARNED + chance.randrange(24)
    for what in [] if is_calm else chance.sample(["spike", "dip", "shift", "gone"], 4):
        while shape.is_count and shape.levels[begin] < max(shape.levels) / 3:
            begin += 1  # nobody notices that nothing comes at night
        size = chance.uniform(6, 14) * shape.unit[begin]
        hours = {"spike": chance.randint(1, 3), "dip": chance.randint(2, 5), "gone": 30, "shift": HOURS - begin}[what]
        for hour in range(begin, begin + hours):
            pushed[hour] += {"spike": size, "shift": size, "dip": -size, "gone": -1.5 * size}[what]
            if shape.is_count and what != "spike":
                pushed[hour] = size / shape.unit[begin] / 8 * shape.levels[hour] if what == "shift" else -math.inf
        labels.append((begin, begin + min(hours, 30)))
        begin += min(hours, 30) + _APART + chance.randrange(WEEK)
    numbers = [_number(shape, hour, push, chance) for hour, push in enumerate(pushed)]
    return Labelled(f"{shape.name}{', calm' if is_calm else ''}", shape.is_count, numbers, labels)


def _number(shape: Shape, hour: int, push: float, chance: random.Random) -> float:
    number = chance.gauss(shape.levels[hour] + push, shape.noise[hour])
    return float(round(max(0.0, number))) if shape.is_count else number


def _counts(name: str, mean: float, by_hour: Callable[[int], float], overdispersed: float) -> Shape:
    levels = [mean * by_hour(hour) for hour in range(HOURS)]
    noise = [math.sqrt(level + (overdispersed * level) ** 2) + 0.3 for level in levels]
    return Shape(name, True, levels, noise, noise)


def _daily(hour: int) -> float:
    weekend = 0.5 if hour % WEEK >= 120 else 1.0
    return weekend * (1 + 0.8 * _sine(hour))


def _sine(hour: int) -> float:
    return math.sin((hour % 24 - 8) / 24 * 2 * math.pi)


def _at_work(hour: int) -> float:
    return 1.0 if hour % WEEK < 120 and 8 <= hour % 24 < 18 else 0.0


def _levels(name: str, levels: Sequence[float], noise: float, *, unit: float | None = None) -> Shape:
    return Shape(name, False, levels, [noise] * HOURS, [unit or noise] * HOURS)


def _walk(chance: random.Random, step: float, *, kept: float) -> list[float]:
    """Each hour keeps so much of how far off the one before was."""
    levels = [0.0]
    for _ in range(HOURS - 1):
        levels.append(kept * levels[-1] + chance.gauss(0, step))
    return levels


_SHAPES: Sequence[Callable[[random.Random], Shape]] = (
    lambda chance: _counts("busy site", chance.uniform(300, 3000), _daily, 0.08),
    lambda chance: _counts("small site", chance.uniform(15, 60), _daily, 0.1),
    lambda chance: _counts("office", chance.uniform(40, 400), _at_work, 0.1),
    lambda chance: _counts("steady", chance.uniform(10, 30), lambda _: 1.0, 0.0),
    lambda chance: _levels("flat", [chance.uniform(10, 1e6)] * HOURS, chance.uniform(0.1, 5)),
    lambda chance: _levels("walk", _walk(chance, 1.0, kept=1.0), 0.5, unit=1.3),
    lambda chance: _levels(
        "temperature",
        [280 + 8 * _sine(hour) + off for hour, off in enumerate(_walk(chance, 1.0, kept=0.8))],
        0.5,
        unit=1.3,
    ),
    lambda chance: _levels("counter", [hour * 40.0 for hour in range(HOURS)], 4.0),
)
