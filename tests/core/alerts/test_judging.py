"""Judging versions by values alone."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.alerts import rules
from delta_server.core.alerts.judging import MOST_RAISED, Judge, Memory, Verdict, Version, measure
from delta_server.core.alerts.rules import Rule
from delta_server.core.alerts.trial import Timed, Trial


def rule(**given: Any) -> Rule:
    body = {"kind": "threshold", "path": "/a", "op": "gt", "value": 10, **given}
    return rules.check(msgspec.convert({name: value for name, value in body.items() if value is not None}, Rule))


def versions(values: list[Any]) -> list[Version]:
    """Of one place, or of records where a value is a dict."""
    readings = [
        {record: msgspec.json.encode(value) for record, value in each.items()}
        if isinstance(each, dict)
        else {}
        if each is None
        else {"": msgspec.json.encode(each)}
        for each in values
    ]
    return [Version(reading, before) for reading, before in zip(readings, [None, *readings], strict=False)]


def verdicts(of: Rule, values: list[Any]) -> list[tuple[int, str]]:
    """(number of the version, what), with the record where it has a name."""
    judge = Judge(of, Memory())
    return [
        (number, f"{verdict.what} {verdict.record}".strip())
        for number, version in enumerate(versions(values))
        for verdict in judge.step(version)
        if verdict.what != "grew"
    ]


PER_KIND: list[tuple[str, dict[str, Any], list[Any], list[tuple[int, str]]]] = [
    ("over", {}, [10, 11, 12, 10, 11], [(1, "raised"), (3, "cleared"), (4, "raised")]),
    ("at least", {"op": "gte"}, [9, 10, 9], [(1, "raised"), (2, "cleared")]),
    ("under", {"op": "lt"}, [10, 9, None, 9], [(1, "raised"), (2, "cleared"), (3, "raised")]),
    ("at most", {"op": "lte"}, [11, 10, 11], [(1, "raised"), (2, "cleared")]),
    ("what is no number is not over", {}, ["99", True, [99], None], []),
    ("in a row", {"in_a_row": 3}, [11, 11, 9, 11, 11, 11], [(5, "raised")]),
    ("hysteresis", {"clear": {"value": 8}}, [11, 9, 8, 7, 9, 11], [(0, "raised"), (3, "cleared"), (5, "raised")]),
    ("hysteresis in a row", {"clear": {"value": 8, "in_a_row": 2}}, [11, 7, 9, 7, 7], [(0, "raised"), (4, "cleared")]),
    ("a change", {"kind": "change", "op": None}, [100, 110, 122, 100, 100],
        [(2, "raised"), (4, "cleared")]),
    ("a change from nothing", {"kind": "change", "op": None}, [0, 1, None, 5], [(1, "raised"), (2, "cleared")]),
    ("a new high", {"kind": "high", "op": None, "value": None}, [3, 2, 4, 4, 5, 6],
        [(2, "raised"), (3, "cleared"), (4, "raised")]),
    ("a new low", {"kind": "low", "op": None, "value": None}, [3, 2, 3], [(1, "raised"), (2, "cleared")]),
    ("appears", {"kind": "appears", "op": None, "value": None}, [1, None, 2, 3, None],
        [(2, "raised"), (4, "cleared")]),
    ("appears, not before it was seen to be gone", {"kind": "appears", "op": None, "value": None}, [1, 2], []),
    ("disappears", {"kind": "disappears", "op": None, "value": None}, [None, 1, None, None, 1],
        [(2, "raised"), (4, "cleared")]),
    ("disappears in a row", {"kind": "disappears", "op": None, "value": None, "in_a_row": 2}, [1, None, 1, None, None],
        [(4, "raised")]),
    ("matches", {"kind": "matches", "op": None, "value": None, "expression": "@ == 'b'"}, ["a", "b", "c"],
        [(1, "raised"), (2, "cleared")]),
    ("places", {"kind": "places", "op": None, "path": None}, [10, 11, 3], [(1, "raised"), (2, "cleared")]),
    ("similarity", {"kind": "similarity", "op": None, "path": None, "value": 0.5}, [0.9, 0.4, 0.5],
        [(1, "raised"), (2, "cleared")]),
    ("records", {"path": "/a/*"}, [{"x": 11}, {"x": 12, "y": 11}, {"y": 11}, {"x": 1, "y": 1}],
        [(0, "raised x"), (1, "raised y"), (2, "cleared x"), (3, "cleared y")]),
    ("records appear", {"path": "/a/*", "kind": "appears", "op": None, "value": None}, [{"x": 1}, {"x": 1, "y": 1}, {}],
        [(1, "raised y"), (2, "cleared y")]),
    ("a high of records", {"path": "/a/*", "kind": "high", "op": None, "value": None}, [{"x": 3}, {"y": 4}, {"x": 4}],
        [(1, "raised"), (2, "cleared")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "values", "wanted"), [case[1:] for case in PER_KIND], ids=[case[0] for case in PER_KIND]
)
def test_kinds(given: dict[str, Any], values: list[Any], wanted: list[tuple[int, str]]) -> None:
    assert verdicts(rule(**given), values) == wanted


def test_a_usual_range_is_left_at_both_ends() -> None:
    judge = Judge(rule(kind="usual", path=None, op=None, value=None, query={}), Memory())
    ranges = [(5, 40.0, 95.0), (96, 40.0, 95.0), (39, 40.0, 95.0), (40, 40.0, 95.0)]
    found = [judge.step(Version({"": str(n).encode()}, usual=(low, high))) for n, low, high in ranges]
    assert [[verdict.what for verdict in each] for each in found] == [["raised"], ["grew"], [], ["cleared"]]


numbers = st.lists(st.one_of(st.none(), st.integers(0, 20), st.floats(0, 20)), max_size=40)
thresholds = st.builds(
    lambda op, in_a_row, gap, clears, has_clear: rule(
        op=op,
        in_a_row=in_a_row,
        clear={"value": 10 - gap if op in ("gt", "gte") else 10 + gap, "in_a_row": clears} if has_clear else None,
    ),
    st.sampled_from(["gt", "gte", "lt", "lte"]),
    st.integers(1, 3),
    st.integers(0, 5),
    st.integers(1, 3),
    st.booleans(),
)


@given(thresholds, numbers)
def test_it_raises_and_clears_by_turns(of: Rule, values: list[Any]) -> None:
    what = [each for _, each in verdicts(of, values)]
    assert what == ["raised", "cleared"] * (len(what) // 2) + ["raised"] * (len(what) % 2)


@given(thresholds, numbers, st.integers(0, 40))
def test_it_goes_on_from_its_memory_as_it_is_stored(of: Rule, values: list[Any], cut: int) -> None:
    whole, memory, found = Judge(of, Memory()), Memory(), list[Verdict]()
    wanted = [verdict for version in versions(values) for verdict in whole.step(version)]
    for part in (versions(values)[:cut], versions(values)[cut:]):
        judge = Judge(of, msgspec.json.decode(msgspec.json.encode(memory), type=Memory))
        found += [verdict for version in part for verdict in judge.step(version)]
        memory = judge.memory
    assert found == wanted


@given(thresholds, numbers)
def test_a_trial_counts_and_measures_what_is_judged(of: Rule, values: list[Any]) -> None:
    trial = Trial(of, most=500)
    trial.feed([Timed(number * 10, version) for number, version in enumerate(versions(values))])
    found = verdicts(of, values)
    assert trial.count == sum(what == "raised" for _, what in found)
    until = len(values) * 10
    raised = sum((episode.to_ms or until) - episode.from_ms for episode in trial.episodes)
    assert trial.share(until) == pytest.approx(raised / until if values else 0)
    assert trial.values == [measure(of, version) for version in versions(values)]


def test_many_records_are_bounded_and_take_the_places_of_those_that_clear() -> None:
    everything = {f"r{n:04}": 11 for n in range(3_000)}
    judge = Judge(rule(path="/a/*"), Memory())
    first, second = versions([everything, {**everything, "r0000": 1}])
    assert len(judge.step(first)) == MOST_RAISED
    assert [(verdict.record, verdict.what) for verdict in judge.step(second)] == [
        ("r0000", "cleared"),
        (f"r{MOST_RAISED:04}", "raised"),
    ]
    assert len(judge.memory.standings) <= 1_000


def test_a_limit_moves_with_what_clears_it() -> None:
    moved = rules.with_value(rule(clear={"value": 8}), 20)
    assert (moved.value, moved.clear and moved.clear.value) == (20, 18)
