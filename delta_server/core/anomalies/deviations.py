"""How far numbers usually lie from where they are expected: the median of the distances times 1.4826, which of a normal
distribution makes its standard deviation (Rousseeuw and Croux, 1993). A few odd ones move it little."""

from collections.abc import Sequence
from statistics import median

TO_SIGMA = 1.4826
LEAST_SHARE = 0.05
"""Of the expected number: where all were equal so far, the next one may differ by so much and is not odd."""


def middle_and_deviation(samples: Sequence[float]) -> tuple[float, float]:
    """The median, and a deviation from it: a twentieth of it at least. Of one sample or more."""
    middle = median(samples)
    return middle, max(TO_SIGMA * median(abs(value - middle) for value in samples), LEAST_SHARE * abs(middle))
