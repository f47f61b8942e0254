"""Documents with more elements, members or edits than there is room for: compared in pieces, or as one replaced value,
and the answer says so."""

import json
from random import Random
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.diff import change_list, compare, long_arrays
from delta_server.core.diff.compare import IN_PIECES, TOO_MUCH, DiffSettings
from delta_server.core.diff.json_patch import json_patch, merge_patch
from delta_server.core.json import pieces, slices
from tests.core.documents import pairs, same
from tests.often import FUZZ

ROOM = 100_000
COUNT = ROOM // compare.ELEMENT + 100


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    _make_small(monkeypatch, ROOM, 50)


def _make_small(patched: pytest.MonkeyPatch, edit_budget: int, stretch: int) -> None:
    patched.setattr(compare, "MIN_BUDGET", edit_budget)
    patched.setattr(compare, "BUDGET_FACTOR", 0)
    patched.setattr(compare, "BUDGET_DECREASE", 0)
    patched.setattr(compare, "LARGE_BYTES", 0)
    patched.setattr(pieces, "LARGE_BYTES", 0)
    patched.setattr(pieces, "CHUNK_BYTES", stretch)
    patched.setattr(slices, "_MOST_INDENTED", 20)


@pytest.fixture(params=["by value", "by checksum"])
def coding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "by checksum":
        monkeypatch.setattr(long_arrays, "MAX_VALUES", 0)


def compared(before: Any, after: Any, chosen: DiffSettings = compare.DEFAULT) -> compare.DiffSummary:
    """With the proof that the operations make the one of the other."""
    old, new = (json.dumps(document).encode() for document in (before, after))
    found = compare.diff(old, new, chosen)
    if chosen == compare.DEFAULT:
        assert same(jsonpatch.apply_patch(before, json.loads(json_patch(found))), after)
    assert json.loads(change_list.encode(found)) == json.loads(json.dumps(_plain(change_list.changes(found))))
    return found


def _plain(found: list[change_list.Change]) -> Any:
    import msgspec

    return json.loads(msgspec.json.encode(found))


def edits(found: compare.DiffSummary) -> tuple[int, int, int, int]:
    return found.added, found.removed, found.replaced, found.moved


def values(kind: str) -> list[Any]:
    chance = Random(4)
    make = {
        "digits": lambda i: chance.randrange(10),
        "floats": lambda i: chance.random(),
        "strings": lambda i: f"s,{i}]",
        "pairs": lambda i: [chance.randrange(9), i],
        "records": lambda i: {"v": i, "w": [chance.randrange(3)]},
        "mixed": lambda i: chance.choice([None, True, "a,b", i, [1, [i]], {"x": "},{"}]),
    }[kind]
    return [make(i) for i in range(COUNT)]


KINDS = ["digits", "floats", "strings", "pairs", "records", "mixed"]


@pytest.mark.usefixtures("coding")
@pytest.mark.parametrize("kind", KINDS)
class TestLongArrays:
    def test_equal_but_for_white_space(self, kind: str) -> None:
        text = json.dumps(values(kind))
        found = compare.diff(text.encode(), json.dumps(values(kind), indent=1).encode())
        assert (found.kind, json_patch(found)) == ("format", b"[]")

    def test_one_replaced(self, kind: str) -> None:
        after = values(kind)
        after[100] = "another"
        found = compared(values(kind), after)
        assert edits(found) == (0, 0, 1, 0)
        assert [(note.path, note.message) for note in found.notes] == [("", IN_PIECES)]

    def test_shifted_by_one(self, kind: str) -> None:
        found = compared(values(kind), ["new", *values(kind)[:-1]])
        assert edits(found) == (1, 1, 0, 0)

    def test_a_stretch_removed_and_another_added(self, kind: str) -> None:
        before = values(kind)
        after = [*before[:50], *before[60:150], "x", "y", "z", *before[150:]]
        assert edits(compared(before, after)) == (3, 10, 0, 0)

    def test_cut_in_half_or_to_nothing(self, kind: str) -> None:
        for length in (COUNT // 2, 1, 0):
            compared(values(kind), values(kind)[:length])
            compared(values(kind)[:length], values(kind))

    def test_inside_an_object(self, kind: str) -> None:
        found = compared({"a": values(kind), "b": 1}, {"a": values(kind)[1:], "b": 2})
        assert edits(found) == (0, 1, 1, 0)
        assert [note.path for note in found.notes] == ["/a"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "digits"])
def test_what_differs_too_much_is_one_replaced_value(kind: str) -> None:
    before, after = values(kind), values(kind)[::-1]
    found = compared({"keep": 1, "a": before}, {"keep": 1, "a": after})
    assert edits(found) == (0, 0, 1, 0)
    assert found.fields == {"/a": 1}
    assert [(note.path, note.message) for note in found.notes] == [("/a", TOO_MUCH)]
    assert json.loads(merge_patch(found)) == {"a": after}


def test_too_much_in_one_place_costs_the_others_no_detail() -> None:
    before = {"a": values("records"), "b": {"c": 1}, "d": values("floats")}
    after = {"a": values("records")[::-1], "b": {"c": 2}, "d": [*values("floats")[:-1], 1]}
    found = compared(before, after)
    assert set(found.fields) == {"/a", "/b/c", "/d/*"}


def test_many_small_changes_become_one_where_they_would_not_fit() -> None:
    before = {"rows": [{"id": i, "v": [i]} for i in range(150)]}
    after = {"rows": [{"id": i, "v": [i + 1]} for i in range(150)]}
    found = compared(before, after)
    assert found.fields == {"/rows": 1}


def test_numbers_written_in_two_ways_are_equal() -> None:
    before = "[" + ",".join(f"{i % 7}.0" for i in range(COUNT)) + "]"
    after = "[" + ",".join(str(i % 7) for i in range(COUNT)) + "]"
    assert compare.diff(before.encode(), after.encode()).kind == "format"


def test_checksums_that_meet_hide_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_arrays, "MAX_VALUES", 0)
    monkeypatch.setattr(long_arrays, "_CHECKSUM", (0, 0x80000))
    before = values("strings")
    after = [*before[:7], "x", *before[8:]]
    assert edits(compared(before, after)) == (0, 0, 1, 0)


class TestSettings:
    def test_numbers_within_their_tolerance(self) -> None:
        before = [i / 2 for i in range(COUNT)]
        assert compared(before, [x + 0.01 for x in before], DiffSettings(tolerance=0.1)).kind == "ignored"

    def test_ignored_members(self) -> None:
        before = [{"a": i, "at": 1} for i in range(COUNT)]
        after = [{"a": i, "at": 2} for i in range(COUNT)]
        after[3] = {"a": -1, "at": 2}
        found = compared(before, after, DiffSettings(ignore=["/*/at"]))
        assert found.fields == {"/*/a": 1}

    def test_ignored_elements(self) -> None:
        assert compared(values("floats"), values("pairs"), DiffSettings(ignore=["/*"])).kind == "ignored"

    def test_sets(self) -> None:
        chosen = DiffSettings(order={"": "set"})
        assert compared(values("strings"), values("strings")[::-1], chosen).kind == "reorder"
        assert compared(values("strings"), values("pairs"), chosen).kind == "content"


def members(change: int = 0) -> dict[str, Any]:
    return {f"k{i}": [i + change] if i % 3 else f"v{i}" for i in range(COUNT)}


OBJECTS: list[tuple[str, dict[str, Any], tuple[int, int, int]]] = [
    ("in another order", dict(reversed(members().items())), (0, 0, 0)),
    ("one replaced", members() | {"k7": None}, (0, 0, 1)),
    ("one removed", {name: value for name, value in members().items() if name != "k9"}, (0, 1, 0)),
    ("one added", members() | {"new/~": 1}, (1, 0, 0)),
    ("all inside", members(1), (0, 0, 1)),
    ("all others", {f"x{name}": value for name, value in members().items()}, (0, 0, 1)),
]


@pytest.mark.parametrize(("after", "expected"), [row[1:] for row in OBJECTS], ids=[row[0] for row in OBJECTS])
def test_long_objects(after: dict[str, Any], expected: tuple[int, int, int]) -> None:
    found = compared(members(), after)
    assert edits(found)[:3] == expected
    compared({"in": members()}, {"in": after})


def test_members_of_one_name_in_a_long_object() -> None:
    rest = json.dumps(members())[1:]
    before, after = ('{"a":1,"a":2,' + rest).encode(), ('{"a":2,"a":1,' + rest).encode()
    assert json.loads(json_patch(compare.diff(before, after))) == [{"op": "replace", "path": "/a", "value": 1}]


@settings(max_examples=75 * FUZZ, deadline=None)
@given(pairs(), st.sampled_from([0, 500, 1500, 4000, 20_000]), st.integers(1, 40))
def test_any_documents_with_little_room(pair: tuple[bytes, bytes], edit_budget: int, stretch: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        _make_small(patched, edit_budget, stretch)
        before, after = pair
        found = compare.diff(before, after)
        assert same(jsonpatch.apply_patch(json.loads(before), json.loads(json_patch(found))), json.loads(after))
        assert (found.kind in ("none", "format")) <= same(json.loads(before), json.loads(after))
        change_list.encode(found)
        assert 0 <= found.similarity <= 1
