"""How much one write does of a long piece of work."""

import pytest

from delta_server.storage.slices import SLICE_S, SliceSize, first_within


def test_a_size_follows_what_writes_take() -> None:
    size = SliceSize(64, most=256)
    for seconds, wanted in [
        (SLICE_S, 64),
        (SLICE_S / 4, 64),
        (SLICE_S / 5, 128),
        (0.0, 256),
        (0.0, 256),
        (2 * SLICE_S, 128),
        (60.0, 64),
    ]:
        size.took(seconds)
        assert size.now == wanted


def test_there_is_always_some_work() -> None:
    size = SliceSize(5, most=8)
    for _ in range(10):
        size.took(1.0)
    assert size.now == 1
    size.took(0.0)
    assert size.now == 2


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        ([], 0),
        ([5], 1),
        ([100], 1),
        ([100, 1], 1),
        ([10], 1),
        ([10, 1], 1),
        ([4, 6, 1], 2),
        ([4, 7], 1),
        ([0] * 50, 50),
    ],
)
def test_rows_up_to_so_many_bytes(sizes: list[int], chosen: int) -> None:
    assert first_within([(100 + n, size) for n, size in enumerate(sizes)], 10) == [100 + n for n in range(chosen)]
