import pytest

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.history import timeline_buckets


def at(text: str) -> int:
    return times.parse(text, field="at")


@pytest.mark.parametrize(
    ("interval", "begins"),
    [
        ("1m", "2026-05-07T13:45:00Z"),
        ("1h", "2026-05-07T13:00:00Z"),
        ("6h", "2026-05-07T12:00:00Z"),
        ("1d", "2026-05-07"),
        ("7d", "2026-05-04"),  # a Monday
        ("1w", "2026-05-04"),
    ],
)
def test_buckets_are_aligned(interval: str, begins: str) -> None:
    length = times.parse_length(interval, field="interval")
    assert timeline_buckets.aligned(at("2026-05-07T13:45:59.999Z"), length) == at(begins)
    assert timeline_buckets.aligned(at(begins), length) == at(begins)
    assert timeline_buckets.aligned(at(begins) - 1, length) == at(begins) - length


def test_every_moment_lies_in_one_bucket() -> None:
    found = timeline_buckets.buckets_between(at("2026-05-07T13:45:00Z"), at("2026-05-09T00:00:00Z"), "1d")
    assert found.count == 2
    assert [found.begins(n) for n in range(3)] == [at("2026-05-07"), at("2026-05-08"), at("2026-05-09")]
    assert timeline_buckets.buckets_between(5, 5, "1d").count == 0
    assert timeline_buckets.buckets_between(5, 6, "1d").count == 1


@pytest.mark.parametrize(
    ("first", "end", "says"),
    [
        ("2026-05-01", "2026-05-02", "take 5m"),
        ("2026-01-01", "2026-05-01", "take 6h"),
        ("0001-01-01", "9999-12-31", "take 3656d"),
    ],
)
def test_too_many_buckets_say_what_to_take(first: str, end: str, says: str) -> None:
    with pytest.raises(Invalid, match=says) as caught:
        timeline_buckets.buckets_between(at(first), at(end), "1s")
    taken = str(caught.value).split("take ")[1].split(" or")[0]
    assert timeline_buckets.buckets_between(at(first), at(end), taken).count <= timeline_buckets.MOST


def test_no_time_before_the_first_is_told() -> None:
    found = timeline_buckets.buckets_between(times.EARLIEST_MS, times.EARLIEST_MS + 1, "9999w")
    assert times.format(found.begins(0)) == "0001-01-01T00:00:00.000Z"
