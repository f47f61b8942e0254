"""The one table of `make bench`: modules beside this file register functions, `__main__` runs and prints them.

@bench("diff: consecutive versions")
def consecutive() -> Iterator[Row]:
    yield Row("diff of ca-fires", ours=1.2, unit="ms", peer=3.4, peer_name="fast-json-patch", bar=1.0)
"""

from collections.abc import Callable, Iterable
from statistics import median
from typing import Literal

import msgspec


class Row(msgspec.Struct, frozen=True):
    """One measurement and what it must reach.

    `bar` is on ours / peer when there is a peer and `bar_on` is "ratio", else on `ours`; it is an upper bound unless
    `at_least`. Without a bar the row only informs. `ratios` are those of single rounds: the row's is their median.
    """

    name: str
    ours: float
    unit: str
    peer: float | None = None
    peer_name: str = ""
    bar: float | None = None
    bar_on: Literal["ratio", "ours"] = "ratio"
    at_least: bool = False
    note: str = ""
    ratios: tuple[float, ...] = ()

    @property
    def ratio(self) -> float | None:
        if self.ratios:
            return median(self.ratios)
        return self.ours / self.peer if self.peer else None

    @property
    def reached(self) -> bool | None:
        """Whether the bar is reached; None without a bar."""
        if self.bar is None:
            return None
        measured = self.ours if self.ratio is None or self.bar_on == "ours" else self.ratio
        return measured >= self.bar if self.at_least else measured <= self.bar


class Skip(Exception):
    """Raised by a bench that cannot run here (no git, no recorded histories); the text says why."""


Bench = Callable[[], Row | Iterable[Row]]

BENCHES: dict[str, Bench] = {}


def bench(title: str) -> Callable[[Bench], Bench]:
    """Register a function run by `make bench`; ROWS=part-of-the-title picks it."""

    def register(function: Bench) -> Bench:
        if title in BENCHES:
            raise ValueError(f"two benches are called {title!r}")
        BENCHES[title] = function
        return function

    return register
