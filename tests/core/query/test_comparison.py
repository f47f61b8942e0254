from typing import Any

import pytest

from delta_server.core.errors import Invalid
from delta_server.core.query import comparison


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("count>10", ["gt", "count", 10]),
        ("count >= 10", ["gte", "count", 10]),
        (" count<=-1.5 ", ["lte", "count", -1.5]),
        ("count<+3", ["lt", "count", 3]),
        ("max_data.id>1147483648123456788", ["gt", "max_data.id", 1147483648123456788]),
        ("count=0", ["is", "count", 0]),
        ("count==0", ["is", "count", 0]),
        ("count!=0", ["is_not", "count", 0]),
        ("count<>0", ["is_not", "count", 0]),
        ("count:gte:10", ["gte", "count", 10]),
        ("count lt 10", ["lt", "count", 10]),
        ("count eq 10", ["is", "count", 10]),
        ("count:ne:10", ["is_not", "count", 10]),
        ("avg_data.a b>1", ["gt", "avg_data.a b", 1]),
        ("avg_data.gt 1>2", ["gt", "avg_data.gt 1", 2]),
    ],
)
def test_forms(text: str, bound: list[Any]) -> None:
    assert comparison.parse(text, at="having[0]") == bound


@pytest.mark.parametrize(
    "text",
    ["", "count", "count>", ">10", "count>x", "count=>1", "count~1", "count>1e9", "count:up:1", "count>1>2", "1"],
)
def test_what_is_no_bound(text: str) -> None:
    with pytest.raises(Invalid, match=r"having\[0\] must be a bound like count>10"):
        comparison.parse(text, at="having[0]")
