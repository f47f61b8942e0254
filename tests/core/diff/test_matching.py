"""Which elements of two versions are the same: cases that readers would decide at once, and what holds for all."""

import json
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.diff.canonical_form import form
from delta_server.core.diff.change_list import changes
from delta_server.core.diff.compare import DiffSettings, DiffSummary, diff
from delta_server.core.diff.diff_settings import KnownKeys, rules
from delta_server.core.diff.json_patch import json_patch
from tests.core.documents import changed, text, value
from tests.often import FUZZ

NONE = DiffSettings()


def compared(before: Any, after: Any, chosen: DiffSettings = NONE, known: KnownKeys = ()) -> DiffSummary:
    return diff(json.dumps(before).encode(), json.dumps(after).encode(), chosen, known)


def edits(found: DiffSummary) -> list[str]:
    return [f"{change.op} {change.path}" for change in changes(found)]


def rows(**names: Sequence[Any]) -> list[dict[str, Any]]:
    """`rows(id=[1, 2], n="ab")`: one row for each place."""
    return [dict(zip(names, row, strict=True)) for row in zip(*names.values(), strict=True)]


IGNORED: list[tuple[str, list[str], Any, Any, str, list[str]]] = [
    ("new ids", ["/*/id"], rows(id=["r1", "r2"], n="ab"), rows(id=["q1", "q2"], n="ab"), "ignored", []),
    ("anywhere", ["/**/uuid"], rows(uuid=["r1", "r2"], n="ab"), rows(uuid=["q1", "q2"], n="ab"), "ignored", []),
    ("dealt out anew", ["/*/id"], rows(id=["r1", "r2"], n="ab"), rows(id=["r2", "r1"], n="ab"), "ignored", []),
    ("the same value", ["/*/id"], rows(id=[1, 2], n="aa"), rows(id=[3, 4], n="aa"), "ignored", []),
    (
        "their parent",
        ["/r/*/m"],
        {"r": [{"m": {"id": 1}, "n": 1}, {"m": {"id": 2}, "n": 2}]},
        {"r": [{"m": {"id": 3}, "n": 1}, {"m": {"id": 4}, "n": 2}]},
        "ignored",
        [],
    ),
    (
        "in elements of elements",
        ["/**/id"],
        [{"id": 1, "l": [{"id": 2, "v": 1}]}, {"id": 3, "l": []}],
        [{"id": 4, "l": [{"id": 5, "v": 2}]}, {"id": 6, "l": []}],
        "content",
        ["replace /0/l/0/v"],
    ),
    (
        "a name that only ends like one",
        ["/*/requestId"],
        rows(requestId=["a", "b"], v=[1, 2]),
        rows(requestId=["c", "d"], v=[1, 3]),
        "content",
        ["replace /1/v"],
    ),
    (
        "beside a real change",
        ["/*/id"],
        rows(id=["r1", "r2", "r3"], n="abc"),
        rows(id=["q1", "q2", "q3"], n="abC"),
        "content",
        ["replace /2/n"],
    ),
    ("in place", ["/*/id"], rows(id=[1, 2], n="ab"), rows(id=[1, 3], n="ab"), "ignored", []),
]


@pytest.mark.parametrize(("name", "ignore", "before", "after", "kind", "wanted"), IGNORED)
def test_what_is_ignored_identifies_nothing(
    name: str, ignore: list[str], before: Any, after: Any, kind: str, wanted: list[str]
) -> None:
    found = compared(before, after, DiffSettings(ignore=ignore))
    assert (found.kind, edits(found)) == (kind, wanted)


SETTINGS: list[tuple[str, dict[str, Any], Any, Any, str, list[str]]] = [
    ("a set in a set", {"order": {"/**": "set"}}, {"x": [1, 2, [3, 4]]}, {"x": [[4, 3], 2, 1]}, "reorder", []),
    (
        "sets of single paths",
        {"order": {"/x": "set", "/x/*": "set"}},
        {"x": [1, 2, [3, 4]]},
        {"x": [[4, 3], 2, 1]},
        "reorder",
        [],
    ),
    (
        "records known by their sets",
        {"order": {"/*/t": "set"}},
        [{"t": ["a", "b"]}, {"t": ["c", "d"]}],
        [{"t": ["d", "c"]}, {"t": ["b", "a"]}, {"t": ["e"]}],
        "content",
        ["add /2", "move /1"],
    ),
    ("an order that counts around a set", {"order": {"/*": "set"}}, [[1, 2], [3]], [[3], [2, 1]], "content", []),
    ("inserted before close numbers", {"tolerance": 0.1}, [1.0, 2.0], [9.0, 1.01, 2.01], "content", ["add /0"]),
    (
        "a set of close numbers",
        {"tolerance": 0.1, "order": {"": "set"}},
        [1.0, 2.0, 3.0],
        [3.01, 1.01, 2.01],
        "reorder",
        [],
    ),
    (
        "records with close numbers",
        {"tolerance": 0.1},
        [{"s": "a", "t": 1.0}, {"s": "a", "t": 5.0}],
        [{"s": "b", "t": 1.0}, {"s": "a", "t": 1.02}, {"s": "a", "t": 5.01}],
        "content",
        ["add /0"],
    ),
    ("close numbers at their places", {"tolerance": 0.5}, [20.1, 20.2, 20.3], [20.2, 20.1, 20.4], "ignored", []),
    ("close numbers, one far", {"tolerance": 0.5}, [20.1, 20.2, 20.3], [20.2, 25.0, 20.4], "content", ["replace /1"]),
    (
        "close numbers in a set in a record",
        {"tolerance": 0.1, "order": {"/*/v": "set"}},
        [{"v": [1.0, 2.0]}, {"v": [7]}],
        [{"v": [3]}, {"v": [2.01, 1.01]}, {"v": [7]}],
        "content",
        ["add /0"],
    ),
]


@pytest.mark.parametrize(("name", "chosen", "before", "after", "kind", "wanted"), SETTINGS)
def test_sets_and_tolerances_hold_in_matching(
    name: str, chosen: dict[str, Any], before: Any, after: Any, kind: str, wanted: list[str]
) -> None:
    found = compared(before, after, DiffSettings(**chosen))
    assert found.kind == kind
    if wanted or kind != "content":
        assert edits(found) == wanted


def sensors(last: int, count: int = 2) -> dict[str, Any]:
    return {"s": [{"pos": [n, n + 1], "reading": 17 + n if n < count - 1 else last} for n in range(count)]}


def lined(name: str, count: int, *last: int) -> list[dict[str, Any]]:
    return [{"p": [n], name: n} for n in range(count)] + [{"p": [count + n], name: each} for n, each in enumerate(last)]


NO_KEY: list[tuple[str, Any, Any, list[str]]] = [
    ("a reading", sensors(18), sensors(20), ["replace /s/1/reading"]),
    ("a reading of many", sensors(116, 100), sensors(500, 100), ["replace /s/99/reading"]),
    ("a code of many", lined("code", 39, 88), lined("code", 39, 99),
     ["replace /39/code"]),
    ("a name", rows(name="ab", v=[1, 2]), rows(name="ac", v=[1, 2]), ["replace /[v=2]/name"]),
    ("two readings exchanged", lined("r", 18, 91, 92), lined("r", 18, 92, 91),
     ["replace /18/r", "replace /19/r"]),
    ("codes exchanged", rows(code=[200, 404], url=["/a", "/b"]), rows(code=[404, 200], url=["/a", "/b"]),
     ["replace /[url=/a]/code", "replace /[url=/b]/code"]),
    ("keys exchanged", rows(key=["x", "y"], p=[[1], [2]]), rows(key=["y", "x"], p=[[1], [2]]),
     ["replace /0/key", "replace /1/key"]),
    ("ids exchanged", rows(id=[1, 2], n="ab"), rows(id=[2, 1], n="ab"),
     ["move /[id=1]", "replace /[id=2]/n", "replace /[id=1]/n"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "before", "after", "wanted"), NO_KEY)
def test_a_value_that_changed_is_no_key(name: str, before: Any, after: Any, wanted: list[str]) -> None:
    assert edits(compared(before, after)) == wanted


NUMBERS: list[tuple[str, Any, Any, list[str]]] = [
    ("written 1.0", rows(id=[1.0, 2.0], v=[3, 5]), rows(id=[1.0, 2.0], v=[3, 6]), ["replace /[id=2.0]/v"]),
    ("1.0 and 1", rows(id=[1.0, 2.0], v=[3, 5]), rows(id=[1, 2], v=[3, 6]), ["replace /[id=2.0]/v"]),
    ("moved", rows(id=[1.0, 2.0, 3.0], v=[3, 5, 7]), rows(id=[3, 1, 2], v=[7, 3, 5]), ["move /[id=3.0]"]),
    ("beyond 2^53", rows(id=[2**60, 2**60 + 1], v=[3, 5]), rows(id=[2**60 + 1, 2**60], v=[5, 4]),
     [f"move /[id={2**60}]", f"replace /[id={2**60}]/v"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "before", "after", "wanted"), NUMBERS)
def test_numbers_are_keys_by_value(name: str, before: Any, after: Any, wanted: list[str]) -> None:
    assert edits(compared(before, after)) == wanted


CONFIGURED: list[tuple[str, list[str], Any, Any, list[str], str | None]] = [
    ("one element without it", ["k"], [{"k": 1, "v": 1}, {"v": 9}, {"k": 2, "v": 3}],
     [{"k": 1, "v": 1}, {"v": 9}, {"k": 2, "v": 30}], ["replace /[k=2]/v"], "2 of 6 elements"),
    ("two with the same", ["k"], rows(k=[1, 1, 2], v=[1, 2, 3]), rows(k=[1, 1, 2], v=[1, 5, 30]),
     ["replace /1/v", "replace /[k=2]/v"], "4 of 6 elements"),
    ("none has it", ["k"], rows(v=[1, 2], w=[1, 2]), rows(v=[1, 3], w=[1, 2]), ["replace /1/v"], "4 of 4 elements"),
    ("not of objects", ["k"], [1, 2], [1, 3], ["replace /1"], "4 of 4 elements"),
    ("null", ["k"], [{"k": None, "v": 1}, {"k": 2, "v": 2}], [{"k": None, "v": 3}, {"k": 2, "v": 2}],
     ["replace /0/v"], "2 of 4 elements"),
    ("removed and added with it", ["k"], [{"k": 1, "v": 1}, {"v": 9}], [{"k": 2, "v": 1}, {"v": 9}],
     ["remove /[k=1]", "add /[k=2]"], "2 of 4 elements"),
    ("gained", ["k"], [{"k": 1, "v": 1}, {"v": 9, "w": 8}], [{"k": 1, "v": 1}, {"k": 2, "v": 9, "w": 8}],
     ["add /1/k"], "1 of 4 elements"),
    ("of another type", ["k"], rows(k=[1, 2], v=[1, 2]), rows(k=["1", "2"], v=[1, 2]),
     ["replace /[k=1]/k", "replace /[k=2]/k"], None),
    ("booleans", ["k"], rows(k=[True, False], v=[1, 2]), rows(k=[False, True], v=[2, 7]),
     ["move /[k=true]", "replace /[k=true]/v"], None),
    ("true is not 1", ["k"], rows(k=[True, 1], v=[1, 2]), rows(k=[1, True], v=[5, 1]),
     ["move /[k=true]", "replace /[k=1]/v"], None),
    ("fractions", ["k"], rows(k=[1.5, 2.5], v=[1, 2]), rows(k=[2.5, 1.5], v=[2, 7]),
     ["move /[k=1.5]", "replace /[k=1.5]/v"], None),
    ("two fields", ["k", "l"], rows(k=[1, 1], l=[1, 2], v=[1, 2]), rows(k=[1, 1], l=[2, 1], v=[2, 3]),
     ["move /[k=1,l=1]", "replace /[k=1,l=1]/v"], None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fields", "before", "after", "wanted", "note"), CONFIGURED)
def test_a_configured_key_matches_what_has_it(
    name: str, fields: list[str], before: Any, after: Any, wanted: list[str], note: str | None
) -> None:
    found = compared(before, after, DiffSettings(array_keys={"": fields}))
    moves_either_way = [sorted(edit for edit in edits(found) if not edit.startswith("move")), found.moved]
    assert moves_either_way == [
        sorted(edit for edit in wanted if not edit.startswith("move")),
        sum(edit.startswith("move") for edit in wanted),
    ]
    assert [(each.path, note is not None and each.message.startswith(note)) for each in found.notes] == (
        [] if note is None else [("", True)]
    )


def test_a_configured_key_that_is_ignored_identifies_nothing_and_says_so() -> None:
    chosen = DiffSettings(array_keys={"": ["id"]}, ignore=["/*/id"])
    found = compared(rows(id=["r1", "r2"], n="ab"), rows(id=["q1", "q2"], n="ac"), chosen)
    assert (edits(found), [note.message for note in found.notes]) == (
        ["replace /1/n"],
        ["the configured key id is ignored, so it identifies nothing"],
    )


ANEW: list[tuple[str, Any, Any, list[str]]] = [
    ("of another type", rows(id=[1, 2], n="ab"), rows(id=["1", "2"], n="ab"),
     ["replace /[id=1]/id", "replace /[id=2]/id"]),
    ("of another type, some", rows(id=[1, 2, 3], n="abc"), rows(id=["1", 2, 3], n="abC"),
     ["replace /[id=1]/id", "replace /[id=3]/n"]),
    ("found by name", rows(id=["r1", "r2"], name=["Ash", "Bea"], price=[1, 2]),
     rows(id=["q1", "q2"], name=["Ash", "Bea"], price=[1, 3]),
     ["replace /[name=Ash]/id", "replace /[name=Bea]/id", "replace /[name=Bea]/price"]),
    ("found by content", [{"id": n, "t": [n]} for n in (1, 2, 3)],
     [{"id": n, "t": [t]} for n, t in ((7, 1), (8, 2), (9, 3))], ["replace /0/id", "replace /1/id", "replace /2/id"]),
    ("of records that also changed", rows(id=["r1", "r2"], n="aa", x=[1, 2]), rows(id=["q1", "q2"], n="aa", x=[1, 3]),
     ["replace /0/id", "replace /1/id", "replace /1/x"]),
    ("shuffled", rows(id=["r1", "r2", "r3"], n="abc"), rows(id=["q3", "q1", "q2"], n="cab"),
     ["move /[n=c]", "replace /[n=c]/id", "replace /[n=a]/id", "replace /[n=b]/id"]),
    ("with one more", rows(id=["r1", "r2"], name="ab"), rows(id=["q1", "q2", "q3"], name="abc"),
     ["add /[name=c]", "replace /[name=a]/id", "replace /[name=b]/id"]),
    ("in an object", [{"m": {"id": 1}, "n": "a"}, {"m": {"id": 2}, "n": "b"}],
     [{"m": {"id": 5}, "n": "a"}, {"m": {"id": 6}, "n": "b"}], ["replace /[n=a]/m/id", "replace /[n=b]/m/id"]),
    ("of other records", rows(id=[1, 2], title="xy"), rows(id=[3, 4], title="zw"),
     ["remove /[id=1]", "remove /[id=2]", "add /[id=3]", "add /[id=4]"]),
    ("and nothing else", rows(id=[1, 2]), rows(id=[3, 4]),
     ["remove /[id=1]", "remove /[id=2]", "add /[id=3]", "add /[id=4]"]),
    ("of records that are alike", rows(id=[1, 2], s=["ok", "ok"]), rows(id=[3, 4], s=["ok", "ok"]),
     ["remove /[id=1]", "remove /[id=2]", "add /[id=3]", "add /[id=4]"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "before", "after", "wanted"), ANEW)
def test_ids_made_anew(name: str, before: Any, after: Any, wanted: list[str]) -> None:
    assert edits(compared(before, after)) == wanted


def test_numbers_written_in_two_ways_are_one_value_in_sequences() -> None:
    before, after = b"[0,0.0,1.5,0,0.0]", b"[0.0,0,1.5,0.0,0,2]"
    assert edits(diff(before, after)) == ["add /5"]


def forecast(first: int, days: int) -> list[dict[str, Any]]:
    """All values differ from those of the forecast before."""
    return [{"date": f"2026-11-{day:02}", "high": 100 * first + day, "rain": 0} for day in range(first, first + days)]


@pytest.mark.parametrize("days", [5, 7, 16])
def test_a_forecast_that_slides_is_matched_by_its_dates(days: int) -> None:
    found = compared({"daily": forecast(1, days)}, {"daily": forecast(2, days)})
    assert (found.added, found.removed, found.replaced) == (1, 1, days - 1)
    assert found.array_keys == {"/daily": ["date"]}


@pytest.mark.parametrize("by", [1, 2, 7, 20])
def test_a_series_whose_few_values_come_again_is_matched_by_its_times(by: int) -> None:
    series = [{"t": f"T{at:05}", "v": at * at % 7} for at in range(1100)]
    found = compared(series[:1000], series[by : 1000 + by])
    assert (found.added, found.removed, found.replaced, found.moved) == (by, by, 0, 0)


@pytest.mark.parametrize("known", [(), (("/daily", ("t",)),)])
def test_what_left_a_series_at_one_end_is_not_what_came_at_the_other(known: KnownKeys) -> None:
    before = [{"t": f"T{at:02}", "v": at + 0.5} for at in range(24)]
    after = [{"t": f"T{at:02}", "v": at + 0.25} for at in range(1, 24)] + [{"t": "T24", "v": 0.5}]
    for old, new in ((before, after), (after, before)):
        found = compared({"daily": old}, {"daily": new}, known=known)
        assert (found.added, found.removed, found.replaced, found.moved) == (1, 1, 23, 0)
        assert found.array_keys == {"/daily": ["t"]}


def test_a_known_key_holds_where_another_field_would_join_other_records() -> None:
    before = rows(url=[f"/{n}" for n in range(9)], title=[f"M {n} Fiji" for n in range(9)], mag=[1.5] * 9)
    after = rows(url=[f"/{n}" for n in range(20, 29)], title=[f"M {n} Fiji" for n in range(9)], mag=[2.5] * 9)
    found = compared(before, after, known=(("", ("url",)),))
    assert (found.removed, found.added, found.replaced) == (9, 9, 0)
    ignored = compared(before, after, DiffSettings(ignore=["/*/url"]), known=(("", ("url",)),))
    assert (ignored.removed, ignored.added, ignored.replaced) == (0, 0, 9)


def test_a_known_key_that_few_elements_have_is_not_asked() -> None:
    before, after = rows(t="abc", v=[[1], [2], [3]]), rows(t="abc", v=[[1], [2], [4]])
    assert edits(compared(before, after, known=(("", ("url",)),))) == ["replace /[t=c]/v/0"]


def test_the_same_pair_gives_the_same_operations_whatever_was_compared_before() -> None:
    pad = "x" * 3000
    before, after = {"pad": pad, "y": [1], "x": [1]}, {"pad": pad, "y": [2], "x": [2]}
    alone = json_patch(compared(before, after))
    other = {"pad": pad, "x": [5], "y": [6]}
    for _ in range(2):
        compared(other, {**other, "x": [7]})
        assert json_patch(compared(before, after)) == alone


def test_edits_in_arrays_that_go_by_position_name_the_record_above() -> None:
    before = [{"id": 5, "tags": ["a", "b"], "m": [[1, 2], [3, 4]], "l": [{"v": 1}, {"v": 1}]}, {"id": 6, "tags": []}]
    after = [{"id": 5, "tags": ["a", "c"], "m": [[1, 2], [3, 5]], "l": [{"v": 1}, {"v": 2}]}, {"id": 6, "tags": []}]
    found = changes(compared(before, after))
    assert [(change.path, decoded(change.key)) for change in found] == [
        ("/[id=5]/tags/1", {"id": 5}),
        ("/[id=5]/m/1/1", {"id": 5}),
        ("/[id=5]/l/1/v", {"id": 5}),
    ]


def decoded(key: Any) -> dict[str, Any]:
    return {field: json.loads(bytes(raw)) for field, raw in key.items()}


HOSTILE = ["id", "a/b", "m~n", "*", "**", "[x=1]", "a=b", "", "0", "-", 'q"', "é", "name", "code"]
CHOSEN = [
    DiffSettings(),
    DiffSettings(ignore=["/**/id"]),
    DiffSettings(ignore=["/**/a", "/*/name"]),
    DiffSettings(order={"/**": "set", "": "set"}),
    DiffSettings(order={"": "set"}, ignore=["/**/id"]),
    DiffSettings(tolerance=1),
    DiffSettings(tolerance=0.5, ignore=["/**/a"]),
    DiffSettings(array_keys={"/**": ["id"], "": ["id"]}),
    DiffSettings(array_keys={"/**": ["count"], "": ["count"]}),
    DiffSettings(array_keys={"/**": ["id", "name"]}, tolerance=1),
    DiffSettings(array_keys={"/**": ["id"]}, ignore=["/**/id"]),
]
KNOWN: list[KnownKeys] = [(), (("", ("id",)),), (("", ("name",)), ("/*/inner", ("count",)))]


def _hostile(chance: random.Random) -> list[Any]:
    """Records that lack keys, share them, or have them of several types, among values of other kinds."""
    ids = [1, 1.0, "1", 2, 2.5, True, None, [1], "ü/~", "a=b,c]", 10**30, 1e30, 3, 4, 5, 6]
    names = chance.sample(HOSTILE, 3)
    records: list[Any] = []
    for _ in range(chance.randrange(9)):
        record: Any = {name: chance.choice(ids) for name in names if chance.random() < 0.9}
        if chance.random() < 0.5:
            record["t"] = [chance.randrange(3) for _ in range(chance.randrange(4))]
        records.append(record if chance.random() < 0.9 else value(chance, 3))
    return records


@settings(max_examples=100 * FUZZ)
@given(st.integers(0, 2**32), st.sampled_from(CHOSEN), st.sampled_from(KNOWN))
def test_what_is_left_after_the_operations_is_no_difference(seed: int, chosen: DiffSettings, known: KnownKeys) -> None:
    chance = random.Random(seed)
    old = _hostile(chance) if chance.random() < 0.6 else [value(chance, 1) for _ in range(chance.randrange(8))]
    before, after = text(chance, old), text(chance, changed(chance, old))
    found = diff(before, after, chosen, known)
    patched = json.dumps(jsonpatch.apply_patch(json.loads(before), json.loads(json_patch(found)))).encode()
    compiled = rules(chosen)
    assert form(patched, compiled).is_close(form(after, compiled))
    if not chosen.tolerance and not chosen.array_keys and form(before, compiled) == form(after, compiled):
        assert found.changes_count == 0
    assert changes(found) == changes(diff(before, after, chosen, known))


MANY = 20_000
SLOW: dict[str, Callable[[], tuple[Any, Any, dict[str, Any]]]] = {
    "a set of close numbers": lambda: (
        [n / 7 for n in range(MANY)], [n / 7 + 1e-4 for n in range(MANY)][::-1],
        {"tolerance": 0.001, "order": {"": "set"}}),
    "a set of far numbers": lambda: ([1.0] * MANY, [2.0] * MANY, {"tolerance": 0.001, "order": {"": "set"}}),
    "numbers with a tolerance": lambda: (
        [n % 97 / 7 for n in range(MANY)], [n % 89 / 7 for n in range(MANY)], {"tolerance": 0.001}),
    "ids made anew": lambda: (
        [{"id": n, "t": [n]} for n in range(MANY)], [{"id": f"q{n}", "t": [-n]} for n in range(MANY)], {}),
    "half without the configured key": lambda: (
        [{"k": n, "v": n} if n % 2 else {"v": n} for n in range(MANY)],
        [{"k": n, "v": -n} if n % 2 else {"v": -n} for n in range(MANY)], {"array_keys": {"": ["k"]}}),
    "elements of many members": lambda: (
        [{"id": n, **{f"f{m}": f"{m}" * 20 for m in range(MANY)}} for n in (1, 2)],
        [{"id": n, **{f"f{m}": f"{m}" * 20 for m in range(MANY)}} for n in (3, 4)], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
def test_work_is_bounded(name: str) -> None:
    before, after, chosen = SLOW[name]()
    started = time.process_time()
    compared(before, after, DiffSettings(**chosen))
    assert time.process_time() - started < 5, name
