"""Keys, filters, runs: whatever was put in is found, in order, and little else."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.event_storage import key_run
from delta_server.core.event_storage.key_run import (
    KEY_BYTES,
    MERGED_KEYS,
    KeyFilter,
    KeyFilterBuilder,
    KeyProbes,
    KeyRun,
    RunMerge,
)

KEYS = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
CLOSE = st.integers(0, 300).map(lambda number: b"\x00\x00\x01" + number.to_bytes(7))
"""Keys that stand in one bucket, and whose bytes look like each other's at the wrong places."""
SETS = st.sets(KEYS | CLOSE, max_size=200)

DAY = 86_400_000
KEPT = 8 * DAY


def random_keys(count: int, seed: int = 1) -> list[bytes]:
    return [Random(seed * 1_000_003 + number).randbytes(KEY_BYTES) for number in range(count)]


def places(filter: KeyFilter, keys: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
    return {key: (first, end) for key, first, end in filter.maybe(KeyProbes(keys))}


def test_a_key_is_of_its_project_and_its_id() -> None:
    keys = {key_run.key(project, id) for project in (1, 2) for id in ("a", "b", "", "é", "a" * 1000)}
    assert len(keys) == 10
    assert {len(key) for key in keys} == {KEY_BYTES}
    assert key_run.key(7, "a").hex() == "64f46e3dfd1f7474bf91", "keys are kept for days: they must not change"
    assert key_run.key(7, "a" * 17).hex() == "66aff0bdf0f2f3086983"


def test_keys_of_many_are_the_key_of_each() -> None:
    ids = ["", "a", "a" * 16, "a" * 17, "é" * 8, "é" * 9, None, "a" * 1000]
    assert key_run.keys(7, ids) == [None if id is None else key_run.key(7, id) for id in ids]


@pytest.mark.parametrize(
    "ids",
    [
        [f"{batch}-{number}" for batch in range(30) for number in range(100)],
        [f"run {number:012}" for number in range(3000)],
    ],
)
def test_ids_of_one_project_have_no_twins_in_another(ids: list[str]) -> None:
    """Events were dropped as sent before when another project had sent some of quite other ids."""
    keys = {key_run.key(project, id) for project in range(1, 30) for id in ids}
    assert len(keys) == 29 * len(ids)


@given(SETS)
def test_a_run_holds_its_keys_in_order_and_its_filter_tells_where(keys: set[bytes]) -> None:
    run = key_run.build(keys)
    ordered = sorted(keys)
    assert list(key_run.split(run.keys)) == ordered
    assert run.count == KeyFilter(run.filter).count == len(keys)
    found = places(KeyFilter(run.filter), ordered)
    assert all(first <= rank < end for rank, (first, end) in ((ordered.index(key), found[key]) for key in ordered))


def test_what_is_not_there_is_found_once_in_five_hundred_at_most() -> None:
    run = key_run.build(random_keys(20_000))
    found = places(KeyFilter(run.filter), random_keys(20_000, seed=2))
    assert len(found) < 40
    assert max(end - first for first, end in found.values()) < 100
    assert len(run.filter) < 20_000 * 2.4


@given(SETS, CLOSE)
def test_a_page_is_searched_at_the_places_of_keys(keys: set[bytes], key: bytes) -> None:
    page, ordered = key_run.build(keys).keys, sorted(keys)
    assert key_run.find(page, key, 0, len(keys)) == (key in keys)
    at = ordered.index(key) if key in keys else 0
    assert key_run.find(page, key, at, at + 1) == (key in keys)
    assert not key_run.find(page, key, at + 1, len(keys))
    assert not key_run.find(page, key, 0, at)


@given(st.lists(SETS, max_size=5), st.integers(1, 50))
def test_merging_gives_what_building_gives(sets: list[set[bytes]], at_once: int) -> None:
    runs = [list(key_run.split(key_run.build(keys).keys)) for keys in sets]
    merge, filter = RunMerge(len(runs)), KeyFilterBuilder(sum(map(len, runs)))
    merged = b""
    while True:
        for index in merge.wanted():
            merge.feed(index, b"".join(runs[index][:at_once]))
            runs[index] = runs[index][at_once:]
        if not (taken := merge.take()):
            break
        filter.add(taken)
        merged += taken
    filter.add(b"")
    built = key_run.build(key for keys in sets for key in keys)
    assert merged == built.keys
    ordered = list(key_run.split(merged))
    found = places(KeyFilter(filter.blob()), ordered)
    assert all(found[key][0] <= rank < found[key][1] for rank, key in enumerate(ordered))


@pytest.mark.parametrize("blob", [b"", b"\x00", b"\x00" * 8, b"\x00" * 10, b"\xff" * 100, b"\x19" + bytes(999)])
def test_a_filter_that_is_not_whole_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError):
        KeyFilter(blob)


def runs_of(*counts: int, at: int = 100 * DAY) -> list[KeyRun]:
    return [KeyRun(id=id, count=count, oldest_at=at, newest_at=at) for id, count in enumerate(counts)]


@pytest.mark.parametrize(
    ("counts", "merged"),
    [
        ([], 0),
        ([1000] * 7, 0),
        ([1000] * 8, 8),
        ([1000] * 7 + [100_000], 0),
        ([1000] * 100, 64),
        ([1 << 20] * 4, 0),
        ([1 << 20] * 5, 4),
        ([MERGED_KEYS] * 9, 0),
        ([MERGED_KEYS + 1] * 9, 0),
        ([1 << 20] * 4 + [MERGED_KEYS], 4),
    ],
)
def test_runs_of_now_merge_by_size(counts: list[int], merged: int) -> None:
    assert len(key_run.to_merge(runs_of(*counts), 100 * DAY, KEPT)) == merged


@pytest.mark.parametrize(
    ("counts", "merged"), [([5], 0), ([5, 100_000], 2), ([1 << 21, 1 << 21, 5], 2), ([MERGED_KEYS, 5], 0)]
)
def test_runs_of_a_past_stretch_become_one(counts: list[int], merged: int) -> None:
    assert len(key_run.to_merge(runs_of(*counts), 101 * DAY, KEPT)) == merged


def test_runs_of_two_stretches_stay_apart() -> None:
    apart = runs_of(*[1000] * 7) + runs_of(1000, at=101 * DAY)
    assert key_run.to_merge(runs_of(1000) + runs_of(1000, at=101 * DAY), 105 * DAY, KEPT) == []
    assert key_run.to_merge(apart, 100 * DAY, KEPT) == []


@given(st.lists(st.tuples(st.integers(1, MERGED_KEYS), st.integers(0, 20 * DAY)), max_size=60))
def test_merging_comes_to_an_end_with_few_runs(found: list[tuple[int, int]]) -> None:
    runs = [KeyRun(id=id, count=count, oldest_at=at, newest_at=at) for id, (count, at) in enumerate(found)]
    keys = sum(run.count for run in runs)
    while chosen := key_run.to_merge(runs, 10 * DAY, KEPT):
        assert len(chosen) >= 2
        count = sum(run.count for run in chosen)
        assert count <= MERGED_KEYS
        runs = [run for run in runs if run not in chosen]
        runs.append(KeyRun(-1 - len(runs), count, min(r.oldest_at for r in chosen), max(r.newest_at for r in chosen)))
        assert max(r.newest_at for r in chosen) - min(r.oldest_at for r in chosen) < KEPT / 8
    assert sum(run.count for run in runs) == keys
