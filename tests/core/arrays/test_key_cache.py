"""Which key of an array is remembered."""

import msgspec
import pytest

from delta_server.core.arrays import key_cache
from delta_server.core.arrays.key_cache import MAX_PATTERNS, MAX_VOTES, Vote, Votes, add_votes, known

ID, NAME = ("id",), ("name",)


def after(*found: tuple[str, ...], votes: Votes | None = None) -> Votes:
    votes = votes or {}
    for fields in found:
        votes = add_votes(votes, {"/a": fields})
    return votes


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ([ID], ID),
        ([ID, ID, NAME], ID),
        ([ID, NAME, NAME], NAME),
        ([ID, ID, ID, NAME, NAME, NAME, NAME, NAME], NAME),
        ([ID] * 100 + [NAME] * 3, ID),
        ([ID] * 100 + [NAME] * (MAX_VOTES + 1), NAME),
    ],
)
def test_what_most_comparisons_found_stays(found: list[tuple[str, ...]], wanted: tuple[str, ...]) -> None:
    assert known(after(*found)) == (("/a", wanted),)


def test_what_changes_nothing_is_the_same_object() -> None:
    sure = after(*[ID] * MAX_VOTES)
    assert after(ID, votes=sure) is sure
    assert add_votes(sure, {}) is sure


def test_patterns_are_bounded_and_those_with_most_votes_stay() -> None:
    votes = after(ID, ID, ID)
    for number in range(300):
        votes = add_votes(votes, {f"/map/{number}": NAME, "/" + "x" * key_cache.MAX_PATTERN_CHARS: NAME, "/**/y": NAME})
    assert len(votes) == MAX_PATTERNS
    assert votes["/a"] == Vote(ID, 3)
    assert not [pattern for pattern in votes if "**" in pattern or len(pattern) > 100]


def test_they_survive_as_json() -> None:
    votes = add_votes(after(ID), {"": ("FIPS", "County")})
    assert msgspec.json.decode(msgspec.json.encode(votes), type=Votes) == votes
