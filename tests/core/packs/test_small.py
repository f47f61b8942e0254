"""Small values packed by what is kept."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard

from delta_server.core.packs import small

SIZES = [0, 1, 400, small.SMALL_BYTES, small.SMALL_BYTES + 1, 3 * small.SMALL_BYTES]


@pytest.mark.parametrize("data", [b"", b"no frame", zstandard.compress(b"cut off" * 99)[:-3]])
def test_what_is_damaged_is_refused_and_does_not_harm_the_next(data: bytes) -> None:
    with pytest.raises(zstandard.ZstdError):
        small.unpacked(data, most_bytes=1000)
    assert small.unpacked(small.packed(b"the next", level=3), most_bytes=1000) == b"the next"


@pytest.mark.parametrize("size", SIZES)
def test_it_is_what_another_would_make_of_it(size: int) -> None:
    raw = (b'{"sku": 1}, ' * (size // 12 + 1))[:size]
    for level in (3, 6, 3):
        assert small.packed(raw, level=level) == zstandard.ZstdCompressor(level=level).compress(raw)
    assert small.unpacked(small.packed(raw, level=6), most_bytes=size) == raw


def test_two_threads_do_not_use_one_at_once() -> None:
    values = [b"%d " % n * (n % 700) for n in range(2000)]
    with ThreadPoolExecutor(4) as threads:
        packed = list(threads.map(lambda raw: small.packed(raw, level=3), values))
        assert list(threads.map(lambda data: small.unpacked(data, most_bytes=1 << 20), packed)) == values
