"""Estimates against what they estimate: percentiles within one percent, distinct counts within the method's error."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.query import sketches

DURATIONS = st.floats(0, 1e300, allow_subnormal=False)
CODES = st.integers(0, 2**64 - 1).map(sketches.code_of)


@given(st.floats(sketches.TINY, 1e300, exclude_min=True))
def test_a_buckets_value_is_within_the_relative_error(value: float) -> None:
    assert sketches.value(sketches.bucket(value)) == pytest.approx(value, rel=sketches.RELATIVE_ERROR * 1.0001)


@pytest.mark.parametrize("value", [0.0, -0.0, -5.0, 1e-9, sketches.TINY, 5e-324])
def test_nothing_and_next_to_nothing_have_a_bucket_of_their_own(value: float) -> None:
    assert sketches.bucket(value) == 0
    assert sketches.value(0) == 0


def test_buckets_fit_in_sixteen_bits() -> None:
    assert sketches.bucket(1.7976931348623157e308) == sketches.MOST_BUCKET < 1 << 16
    assert sketches.bucket(sketches.TINY * 1.0001) == 1
    assert math.isfinite(sketches.value(sketches.MOST_BUCKET))


@given(st.lists(DURATIONS, min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_is_within_one_percent_of_the_exact_one(values: list[float], share: float) -> None:
    counts: dict[int, int] = {}
    for value in values:
        counts[sketches.bucket(value)] = counts.get(sketches.bucket(value), 0) + 1
    ordered, place = sorted(values), share * (len(values) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    exact = low + (high - low) * (place - math.floor(place))
    found = sketches.quantile(counts, share)
    assert found == pytest.approx(exact, rel=sketches.RELATIVE_ERROR * 1.0001, abs=2 * sketches.TINY)


def test_a_quantile_of_nothing() -> None:
    assert sketches.quantile({}, 0.5) is None


@given(st.lists(CODES), st.lists(CODES), st.lists(CODES))
def test_sets_merge_in_any_order_and_as_often_as_one_likes(a: list[int], b: list[int], c: list[int]) -> None:
    whole = sketches.merged([*a, *b, *c])
    assert sketches.merged([*sketches.merged([*c, *a]), *b]) == whole
    assert sketches.merged([*a, *sketches.merged([*b, *c])]) == whole
    assert sketches.merged([*whole, *a, *whole]) == whole
    assert sketches.distinct([*a, *b, *c, *a]) == sketches.distinct(whole)


def test_a_code_is_its_texts() -> None:
    """The MD5 of a text is the same in every version of everything: so are stored sets."""
    assert sketches.code("ann") == sketches.code("ann") != sketches.code("bob")
    assert sketches.code("") == 14_916
    assert sketches.code_of(0) == 53
    assert sketches.code_of(2**64 - 1) == 4095 << 6 | 1


def errors(count: int, seeds: int) -> list[float]:
    """Relative ones of estimates of `count` random texts."""
    found = []
    for seed in range(seeds):
        draw = random.Random(f"{count}/{seed}")
        codes = hashed(draw, count) if count <= 100_000 else registers(draw, count)
        found.append(sketches.distinct(codes) / count - 1)
    return found


def hashed(draw: random.Random, count: int) -> set[int]:
    return {sketches.code_of(draw.getrandbits(64)) for _ in range(count)}


def registers(draw: random.Random, count: int) -> list[int]:
    """The registers of so many texts, without the texts: the largest rank of k is at most r with (1 - 2^-r)^k."""
    codes, each = [], count / sketches.REGISTERS
    for register in range(sketches.REGISTERS):
        texts = max(1, round(draw.gauss(each, math.sqrt(each))))
        rank = math.ceil(-math.log2(-math.expm1(math.log(draw.random()) / texts)))
        codes.append(register << sketches.RANK_BITS | max(1, min(53, rank)))
    return codes


@pytest.mark.parametrize(
    ("count", "seeds"),
    [
        *[(count, 40) for count in (1, 2, 3, 10, 30, 100, 300, 1000)],
        *[(count, 16) for count in (3000, 4096, 6000, 8192, 10_240, 12_000, 16_384, 20_480, 30_000)],
        *[(count, 6) for count in (50_000, 100_000)],
        *[(count, 40) for count in (300_000, 1_000_000)],
    ],
)
def test_distinct_counts_have_the_standard_error_and_no_bias(count: int, seeds: int) -> None:
    found = errors(count, seeds)
    spread = math.sqrt(sum(error**2 for error in found) / seeds)
    assert spread < 1.6 * sketches.STANDARD_ERROR
    assert abs(sum(found) / seeds) < 4 * sketches.STANDARD_ERROR / math.sqrt(seeds)


def test_nobody_is_nobody() -> None:
    assert sketches.distinct([]) == 0


@settings(max_examples=30)
@given(st.sets(st.text(max_size=8), max_size=20))
def test_a_few_are_counted_as_they_are(texts: set[str]) -> None:
    assert round(sketches.distinct(map(sketches.code, texts))) in range(len(texts) - 1, len(texts) + 1)
