"""What is kept, and whose goes first."""

from delta_server.storage.fair_cache import OVERHEAD_BYTES, FairCache


def filled(limit_entries: int, most: int = 100) -> FairCache[str]:
    return FairCache(limit_entries * (OVERHEAD_BYTES + 10), most=most)


def test_what_was_put_is_found_by_its_owner_only() -> None:
    cache = filled(4)
    cache.put(1, "a", "one", 10)
    assert (cache.get(1, "a"), cache.get(2, "a"), cache.get(1, "b")) == ("one", None, None)
    cache.put(1, "a", "two", 10)
    assert (cache.get(1, "a"), cache.used_bytes) == ("two", OVERHEAD_BYTES + 10)


def test_the_richest_loses_what_it_used_longest_ago() -> None:
    cache = filled(4)
    cache.put(2, "theirs", "x", 10)
    for key in "abcd":
        cache.put(1, key, key, 10)
        cache.get(1, "a")
    assert cache.get(2, "theirs") == "x"
    assert [key for key in "abcd" if cache.get(1, key)] == ["a", "c", "d"]
    assert cache.used_bytes <= cache.limit_bytes


def test_entries_are_bounded_too() -> None:
    cache = filled(100, most=3)
    for key in range(9):
        cache.put(key % 2, key, str(key), 10)
    assert sum(cache.get(key % 2, key) is not None for key in range(9)) == 3


def test_what_is_too_large_takes_nobody_s_place() -> None:
    cache = filled(4)
    cache.put(1, "a", "one", 10)
    cache.put(2, "large", "x", 3 * (OVERHEAD_BYTES + 10))
    assert (cache.get(1, "a"), cache.get(2, "large")) == ("one", None)
