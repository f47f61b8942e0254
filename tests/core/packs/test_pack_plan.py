from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.packs import pack_plan
from delta_server.core.packs.pack_plan import STORED, PackBounds, Predecessor

PACK = PackBounds(100, 8, large_bytes=100)
DEEP = PackBounds(200, 20, large_bytes=100)
sizes_lists = st.lists(st.integers(1, 130), max_size=60)
FRESH = Predecessor(None, 0, None)


def spans(runs: list[range]) -> list[int]:
    return [index for run in runs for index in run]


# Groups


@given(sizes=sizes_lists, bounds=st.sampled_from([PACK, DEEP]))
def test_groups_keep_the_order_and_the_bounds(sizes: list[int], bounds: PackBounds) -> None:
    runs = pack_plan.groups(sizes, bounds)
    assert spans(runs) == list(range(len(sizes)))
    for run in runs:
        assert len(run) == 1 or sum(sizes[index] for index in run) <= bounds.size_bytes
        assert len(run) <= bounds.contents
        assert len(run) == 1 or not any(pack_plan.is_large(sizes[index], bounds) for index in run)


@given(sizes=sizes_lists)
def test_a_group_ends_only_where_the_next_does_not_fit(sizes: list[int]) -> None:
    for run, following in pairwise(pack_plan.groups(sizes, PACK)):
        together = [sizes[index] for index in (*run, following.start)]
        large = any(pack_plan.is_large(size, PACK) for size in together)
        assert large or sum(together) > PACK.size_bytes or len(together) > PACK.contents


@given(sizes=sizes_lists)
def test_the_last_group_stays_open_until_it_is_full(sizes: list[int]) -> None:
    runs, full = pack_plan.groups(sizes, PACK), pack_plan.full_groups(sizes, PACK)
    assert full == runs[: len(full)]
    assert len(runs) - len(full) in (0, 1)
    if len(full) < len(runs):
        assert not pack_plan.is_full(sum(sizes[index] for index in runs[-1]), len(runs[-1]), PACK)


def test_a_bound_reached_by_all_together_closes_a_group() -> None:
    """What starts the background's packing always leads to a pack: it would start again for ever otherwise."""
    assert pack_plan.full_groups([10] * 8, PACK) == [range(8)]
    assert pack_plan.full_groups([50, 50], PACK) == [range(2)]
    assert pack_plan.full_groups([50, 40, 20], PACK) == [range(2)]


@pytest.mark.parametrize(
    ("sizes", "worth"), [([24], False), ([25], True), ([1], False), ([1, 1], True), ([101], False), ([30, 101], False)]
)
def test_a_quarter_of_a_pack_is_worth_one(sizes: list[int], worth: bool) -> None:
    assert pack_plan.fills_enough(sizes, PACK) is worth


# Merging


@given(packs=st.lists(st.tuples(st.integers(1, 250), st.integers(1, 25)), max_size=30))
def test_merges_fit_and_leave_no_two_neighbours_that_would(packs: list[tuple[int, int]]) -> None:
    runs = pack_plan.merges(packs, DEEP)
    assert all(len(run) > 1 for run in runs)
    assert all(first.stop <= second.start for first, second in pairwise(runs))
    merged = [(sum(packs[i][0] for i in run), sum(packs[i][1] for i in run)) for run in runs]
    assert all(size <= DEEP.size_bytes and contents <= DEEP.contents for size, contents in merged)
    inside = {index: run.start for run in runs for index in run}
    after = [packs[i] if i not in inside else merged[runs.index(run)]
             for i in range(len(packs)) for run in [next((r for r in runs if i in r), range(i, i + 1))]
             if i == run.start]  # fmt: skip
    assert pack_plan.merges(after, DEEP) == []


# Chains


@given(base_size=st.integers(1, 300), count=st.integers(1, 200))
def test_a_chain_ends_before_reading_it_gets_long(base_size: int, count: int) -> None:
    pack_chain: int | None = None
    for _ in range(count):
        pack_chain = pack_plan.next_chain(pack_chain, base_size, PACK)
        assert pack_chain < pack_plan.MAX_CHAIN
        assert pack_chain <= 1 or pack_chain * base_size <= PACK.size_bytes


def test_every_thirty_second_small_pack_stands_alone() -> None:
    chains = [0]
    for _ in range(64):
        chains.append(pack_plan.next_chain(chains[-1], 1, PACK))
    assert chains[:33] == [*range(32), 0]
    assert chains[64] == 0


def test_every_eighth_large_frame_stands_alone() -> None:
    parts = pack_plan.plan_batch([101] * 20, DEEP, least=PACK, above=FRESH)
    assert [part.start for part in parts if part.base is None] == [0, 8, 16]


@given(size=st.integers(1, 130), depth=st.integers(0, 300))
def test_a_frame_is_read_through_few_others_and_few_bytes(size: int, depth: int) -> None:
    """At most 256, and no more than four packs' worth of bytes, but always eight."""
    due = pack_plan.is_keyframe(size, depth, PACK)
    assert due is (depth >= 256 or (depth >= 8 and (depth + 1) * size > 4 * PACK.size_bytes))


@given(
    sizes=sizes_lists,
    above=st.builds(Predecessor, st.none() | st.integers(0, 31), st.integers(1, 130), st.none() | st.integers(0, 40)),
)
def test_a_run_is_stored_whole_and_each_part_on_an_earlier_one(sizes: list[int], above: Predecessor) -> None:
    parts = pack_plan.plan_batch(sizes, DEEP, least=PACK, above=above)
    assert [index for part in parts for index in range(part.start, part.stop)] == list(range(len(sizes)))
    anchors = {STORED: above.pack_chain}
    for part in parts:
        inside = sizes[part.start : part.stop]
        if part.chain is None:
            assert len(inside) == 1
            assert part.base in (None, part.start - 1)
            assert part.base != STORED or above.frame_depth is not None
            continue
        assert pack_plan.fills_enough(inside, PACK)
        assert not any(pack_plan.is_large(size, DEEP) for size in inside)
        if part.base is None:
            assert part.chain == 0
        else:
            assert part.base < part.start
            assert (below := anchors[part.base]) is not None
            assert part.chain == below + 1
        anchors[part.stop - 1] = part.chain


# Members


@given(ids=st.lists(st.integers(1, 40), unique=True) | st.integers(1, 60).map(lambda n: list(range(5, 5 + n))))
def test_members_come_back_from_their_runs(ids: list[int]) -> None:
    assert pack_plan.from_runs(pack_plan.to_runs(ids)) == ids


def test_contents_added_one_after_another_are_one_run() -> None:
    assert pack_plan.to_runs(list(range(100, 612))) == [100, 512]
