"""Where the table is exact, and from which size on it is not."""

from random import Random

import pytest

from delta_server.core.arrays import subsequences


def longest(a: list[int], b: list[int]) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        below = row
        row = [0]
        for j, y in enumerate(b):
            row.append(below[j] + 1 if x == y else max(row[j], below[j + 1]))
    return row[-1]


@pytest.mark.parametrize("seed", range(3))
def test_a_table_of_as_many_cells_as_may_be_is_exact(seed: int) -> None:
    chance = Random(seed)
    a, b = ([chance.randrange(2) for _ in range(size)] for size in (220, 190))
    cells = len(a) * len(b)
    assert len(subsequences._common(a, b, cells, 3)) == longest(a, b)
    assert len(subsequences._common(a, b, cells - 1, 3)) < longest(a, b)


@pytest.mark.parametrize("seed", range(3))
def test_few_matches_are_exact_whatever_the_table(seed: int) -> None:
    chance = Random(seed)
    a, b = ([chance.randrange(300) for _ in range(size)] for size in (400, 390))
    assert len(subsequences._common(a, b, 0, 0)) == longest(a, b)
