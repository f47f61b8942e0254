import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.query import fields, filters
from delta_server.core.query.plan import AllOf, AnyOf, Condition, Field, FullText, Negation

NOW = times.parse("2026-05-08T12:00:00Z", field="now")
SOURCE = Field("source", "source", "text")
IS = ["is", "source", ["api"]]


def nested(depth: int) -> list[Any]:
    found: list[Any] = IS
    for _ in range(depth):
        found = ["not", found]
    return found


@pytest.mark.parametrize(
    ("given", "field", "says"),
    [
        ("source", "filters", "must be a list of filters"),
        ({"source": "api"}, "filters", "must be a list of filters"),
        (IS, "filters[0]", "must be a filter like"),
        ([[]], "filters[0]", "must be a filter like"),
        ([["=", "source", "api"]], "filters[0][0]", "is not a known operator"),
        ([["isnt", "source", "api"]], "filters[0][0]", "(is_not?)"),
        ([["start_with", "source", "api"]], "filters[0][0]", "(starts_with?)"),
        ([[["is"], "source", "api"]], "filters[0][0]", "is not a known operator"),
        ([IS, ["is", "sorce", "api"]], "filters[1][1]", "(source?)"),
        ([["is", "source"]], "filters[0]", 'write ["is", field, [values]]'),
        ([["gt", "duration", 1, 2]], "filters[0]", 'write ["gt", field, value]'),
        ([["exists", "source", 1]], "filters[0]", 'write ["exists", field]'),
        ([["is", "source", []]], "filters[0][2]", "has 0 values"),
        ([["gt", "duration", [1, 2]]], "filters[0][2]", "exactly one value"),
        ([["is", "source", ["a", None]]], "filters[0][2][1]", '["missing", "source"]'),
        ([["is", "source", [["a"]]]], "filters[0][2][0]", "not a list"),
        ([["is", "source", True]], "filters[0][2]", "must be a string"),
        ([["is", "source", 1 << 70]], "filters[0][2]", "too large"),
        ([["is", "source", "a\0"]], "filters[0][2]", "U+0000"),
        ([["is", "source", "\ud800"]], "filters[0][2]", "of Unicode"),
        ([["is", "source", "x" * 5000]], "filters[0][2]", "4096"),
        ([["gte", "duration", "100"]], "filters[0][2]", "must be a number, as"),
        ([["gte", "duration", "high"]], "filters[0][2]", "must be a number, as"),
        ([["gte", "priority", "hig"]], "filters[0][2]", "must be a number or low, normal, high, critical"),
        ([["gte", "duration", float("nan")]], "filters[0][2]", "must be a number"),
        ([["is", "data.n", 1e300]], "filters[0][2]", "must be a number"),
        ([["contains", "duration", "1"]], "filters[0][0]", "looks at texts"),
        ([["gt", "timestamp", 5]], "filters[0][2]", "must be a time"),
        ([["gt", "timestamp", "yesterday"]], "filters[0][2]", "must be a time"),
        ([["or", []]], "filters[0][1]", "is empty"),
        ([["or", IS]], "filters[0][1][0]", "must be a filter"),
        ([["or", [IS, ["is", "status", None]]]], "filters[0][1][1][2]", "missing"),
        ([["not", ["not", ["nott", 1]]]], "filters[0][1][1][0]", "(not?)"),
        ([["not", IS, IS]], "filters[0]", '["not", filter]'),
        ([["text", ["a"]]], "filters[0][1]", "must be a string"),
        ([["text", " "]], "filters[0][1]", "no words"),
        ([["text", "a\0"]], "filters[0][1]", "U+0000"),
        ([["text", "a b", "c"]], "filters[0]", '["text", words]'),
        ([nested(17)], "filters[0]" + "[1]" * 17, "too deep"),
        ([IS] * 101, "filters[100]", "at most 100"),
        ([["or", [IS] * 100]], "filters[0][1][99]", "at most 100"),
        ([["is", "source", ["a"] * 1001]], "filters[0][2]", "1001 values"),
        ([["is", "source", ["a"] * 600], ["is_not", "status", ["a"] * 600]], "filters[1][2]", "more than 1000 values"),
        ([["contains", "source", ["a"] * 101]], "filters[0][2]", "1 to 100 values"),
        ([["or", [["contains", "source", ["a"] * 60]] * 2]], "filters[0][1][1][2]", "more than 100 values"),
        ([["text", "a b c d e f g h i j"]] * 11, "filters[10][1]", "more than 100 values"),
        ([["matches", "data.text", ".{501}"]], "filters[0][2]", "too large"),
        ([["matches", "data.text", ["a.{250}"]], ["matches", "source", ".{250}"]], "filters[1][2]", "too large"),
    ],
)
def test_what_is_no_filter_is_refused_where_it_stands(given: Any, field: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        filters.parse(given, now_ms=NOW)
    assert says in caught.value.message
    assert [error.field for error in caught.value.errors] == [field]
    assert caught.value.message.startswith(field)


def test_filters() -> None:
    parsed = filters.parse(
        [
            IS,
            ["is", "userId", 42],
            ["gte", "duration", 100],
            ["or", [["contains", "tags", ["a", "b"]], ["not", ["exists", "data.plan"]]]],
            ["is", "data.paid", [True, 1, 2.5, "yes"]],
            ["lt", "receivedAt", "24h"],
        ],
        now_ms=NOW,
    )
    plan = Field("data.plan", "data", "json", ("plan",))
    assert parsed == AllOf(
        (
            Condition("is", SOURCE, ("api",)),
            Condition("is", Field("userId", "user_id", "text"), ("42",)),
            Condition("gte", Field("duration", "duration", "number"), (100,)),
            AnyOf(
                (Condition("contains", Field("tags", "tags", "list"), ("a", "b")), Negation(Condition("exists", plan)))
            ),
            Condition("is", Field("data.paid", "data", "json", ("paid",)), (True, 1, 2.5, "yes")),
            Condition("lt", Field("receivedAt", "received_at", "time"), (NOW - times.DAY_MS,)),
        )
    )


def test_none_and_one() -> None:
    assert filters.parse(None, now_ms=NOW) is None
    assert filters.parse([], now_ms=NOW) is None
    assert (
        filters.parse([IS], now_ms=NOW)
        == filters.parse_one(IS, now_ms=NOW, at="x")
        == Condition("is", SOURCE, ("api",))
    )
    assert filters.all_of([None, None]) is None
    assert filters.all_of([None, FullText(("a",))]) == FullText(("a",))


def test_full_text() -> None:
    assert filters.full_text("  ", at="q") is None
    assert filters.full_text("red  shoes red", at="q") == FullText(("red", "shoes"))
    with pytest.raises(Invalid, match="at most 16"):
        filters.full_text(" ".join(map(str, range(17))), at="q")


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from([*fields.NAMES, "data.a"])
)
OPERATIONS = st.sampled_from([*filters.OPERATIONS, "text", "and", "or", "not"])
ASKED = st.recursive(
    VALUES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(OPERATIONS, inner).map(list),
        st.tuples(OPERATIONS, st.sampled_from([*fields.NAMES, "data.a"]), inner).map(list),
        st.dictionaries(st.text(), inner, max_size=2),
    ),
)


@given(st.one_of(ASKED, st.lists(ASKED)))
def test_anything_is_a_filter_or_invalid(given: Any) -> None:
    with contextlib.suppress(Invalid):
        filters.parse(given, now_ms=NOW)


@pytest.mark.parametrize(("name", "number"), [("low", 10), ("Normal", 20), ("high", 30), ("CRITICAL", 40), (31, 31)])
def test_a_priority_by_its_name(name: str | int, number: int) -> None:
    found = filters.parse([["gte", "priority", name]], now_ms=NOW)
    assert found == Condition("gte", Field("priority", "priority", "number"), (number,))
