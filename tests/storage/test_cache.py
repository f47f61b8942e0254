import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.storage.cache import OVERHEAD_BYTES, Cache, ScratchBuffer
from tests.server_process import ROOT


def test_what_does_not_fit_is_not_kept_and_drives_nothing_out() -> None:
    cache = Cache(1000)
    cache.put("a", b"1")
    cache.put("b", bytes(1000))
    assert (cache.get("a"), cache.get("b")) == (b"1", None)


def test_the_longest_unused_goes_first() -> None:
    cache = Cache(3 * (100 + OVERHEAD_BYTES))
    for key in "abc":
        cache.put(key, key.encode() * 100)
    cache.get("a")
    cache.put("d", bytes(100))
    assert [key for key in "abcd" if cache.get(key) is not None] == ["a", "c", "d"]


def test_a_key_put_again_has_its_new_value_and_counts_once() -> None:
    cache = Cache(10_000)
    cache.put("a", bytes(500))
    cache.put("a", b"new")
    assert cache.get("a") == b"new"
    assert cache.used_bytes == 3 + OVERHEAD_BYTES
    cache.drop("a")
    cache.drop("a")
    assert (cache.get("a"), cache.used_bytes) == (None, 0)


@given(
    steps=st.lists(st.tuples(st.sampled_from("gpd"), st.integers(0, 8), st.integers(0, 900)), max_size=80),
    limit=st.integers(0, 3000),
)
def test_it_never_holds_more_than_its_limit_and_never_a_wrong_value(
    steps: list[tuple[str, int, int]], limit: int
) -> None:
    cache, model = Cache(limit), dict[int, bytes]()
    for what, key, size in steps:
        if what == "g":
            assert cache.get(key) in (None, model.get(key))
        elif what == "p":
            model[key] = bytes([key]) * size
            cache.put(key, model[key])
        else:
            cache.drop(key)
            assert cache.get(key) is None
        held = [value for key in range(9) if (value := cache.get(key)) is not None]
        assert cache.used_bytes == sum(map(len, held)) + OVERHEAD_BYTES * len(held) <= limit


def test_threads_may_share_it() -> None:
    cache = Cache(20_000)

    def work(seed: int) -> None:
        for step in range(2000):
            key = (seed * step) % 50
            value = cache.get(key)
            assert value is None or value == bytes([key]) * (key * 10)
            cache.put(key, bytes([key]) * (key * 10))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(1, 5)))
    assert cache.used_bytes <= 20_000


# The scratch buffer


def test_what_was_filled_is_there_for_the_same_key_only() -> None:
    scratch = ScratchBuffer()
    with scratch.borrow("a", 10) as lent:
        assert not lent.filled
        lent.view[:] = b"0123456789"
        lent.filled = True
    with scratch.borrow("a", 10) as lent:
        assert lent.filled
        assert bytes(lent.view) == b"0123456789"
    for key, size in (("b", 10), ("a", 10), ("a", 5)):
        with scratch.borrow(key, size) as lent:
            assert not lent.filled
            assert len(lent.view) == size


def test_what_failed_half_way_is_not_taken_for_filled() -> None:
    scratch = ScratchBuffer()

    def fail() -> None:
        with scratch.borrow("a", 10) as lent:
            assert not lent.filled
            lent.filled = True
            raise ValueError("damaged")

    for _ in range(2):
        with pytest.raises(ValueError, match="damaged"):
            fail()


def test_a_second_borrower_gets_other_memory() -> None:
    scratch, lent_out, done = ScratchBuffer(), threading.Event(), threading.Event()

    def first() -> bytes:
        with scratch.borrow("a", 4) as lent:
            lent.view[:] = b"aaaa"
            lent_out.set()
            done.wait()
            return bytes(lent.view)

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(first)
        lent_out.wait()
        with scratch.borrow("b", 4) as lent:
            assert not lent.filled
            lent.view[:] = b"bbbb"
        done.set()
        assert running.result() == b"aaaa"


def test_wherever_a_borrower_is_interrupted_the_buffer_is_there_for_the_next() -> None:
    """In a process of its own: what traces every opcode is not for one in which other tests ran."""
    run = subprocess.run([sys.executable, "-m", "tests.storage.interrupting"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
