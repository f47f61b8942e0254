"""Changes as rows: grouped by records, filtered, on lines, a window at a time."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from delta_server.core.diff import record_rows, row_places, row_table, row_windows
from delta_server.core.diff.change_list import changes
from delta_server.core.diff.compare import DEFAULT, DiffSettings, diff
from delta_server.core.diff.row_table import MOVED_RECORD, RowTable
from delta_server.core.diff.row_windows import RowFilter, Window, matched, written
from tests.core.documents import pairs
from tests.often import FUZZ

NO_FILTER = RowFilter()
IGNORING = DiffSettings(ignore=["/ignored"])
ALL = Window(start=0, count=10_000, value_limit=400, text_from=0)


def table(before: Any, after: Any, settings: DiffSettings = DEFAULT, *, unchanged: bool = False) -> RowTable:
    old, new = (side if isinstance(side, bytes) else json.dumps(side).encode() for side in (before, after))
    difference = diff(old, new, settings)
    groups = record_rows.grouped(difference, settings, unfolded=False, unchanged=unchanged)
    return row_table.build(groups, {})


def rows(made: RowTable, wanted: RowFilter = NO_FILTER, window: Window = ALL) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(written(made, matched(made, wanted), window))
    return found


def item(key: str, **more: Any) -> dict[str, Any]:
    return {"id": key, "name": f"The {key}", **more}


BEFORE = {"at": 1, "items": [item("a"), item("b", v=1), item("c", xy=[1, 2]), item("d"), item("e")]}
AFTER = {"at": 2, "items": [item("n"), item("b", v=2), item("e", w=1), item("c", xy=[1, 3]), item("d")]}


def test_groups_stand_in_the_new_order_and_what_is_gone_at_its_place() -> None:
    found = rows(table(BEFORE, AFTER))
    said = [(r["op"], r["record"], r["at"], r.get("before"), r.get("after"), r["line"]) for r in found]
    assert said == [
        ("replace", "", "at", None, None, 1),
        ("remove", "/items/[id=a]", "", 0, None, 2),
        ("add", "/items/[id=n]", "", None, 0, 3),
        ("replace", "/items/[id=b]", "v", 1, 1, 5),
        ("move", "/items/[id=e]", "", 4, 2, 6),
        ("add", "/items/[id=e]", "w", 4, 2, 7),
        ("replace", "/items/[id=c]", "xy/1", 2, 3, 9),
    ]
    assert [row["n"] for row in found] == list(range(7))
    assert [row["group"] for row in found] == [0, 1, 2, 3, 4, 4, 5]
    assert found[3] | {"line": 0} == {
        "n": 3, "line": 0, "group": 3, "op": "replace", "field": "/items/*/v", "record": "/items/[id=b]", "at": "v",
        "cut": False, "label": "The b", "key": {"id": "b"}, "before": 1, "after": 1, "old": 1, "new": 2,
    }  # fmt: skip


def test_counts_by_field_and_kind() -> None:
    counts = {one.path: (one.added, one.removed, one.replaced, one.moved) for one in table(BEFORE, AFTER).counts}
    assert counts == {
        "/at": (0, 0, 1, 0),
        "/items/*": (1, 1, 0, 1),
        "/items/*/v": (0, 0, 1, 0),
        "/items/*/w": (1, 0, 0, 0),
        "/items/*/xy/*": (0, 0, 1, 0),
    }


FILTERS: list[tuple[str, RowFilter, list[int], int, int]] = [
    # what, the filter, rows, lines, records
    ("all", RowFilter(), [0, 1, 2, 3, 4, 5, 6], 10, 5),
    ("added", RowFilter(ops=("add",)), [2, 5], 3, 2),
    ("moved", RowFilter(ops=("move",)), [4], 1, 1),
    ("added or moved", RowFilter(ops=("move", "add")), [2, 4, 5], 3, 2),
    ("a field", RowFilter(fields=("/items/*/v",)), [3], 2, 1),
    ("records as such", RowFilter(fields=("/items/*",)), [1, 2, 4], 3, 3),
    ("fields of any depth", RowFilter(fields=("/items/**",)), [1, 2, 3, 4, 5, 6], 8, 5),
    ("names at any depth", RowFilter(fields=("/**/xy/**", "/nope", "/**/w")), [5, 6], 4, 2),
    ("a field and a kind", RowFilter(ops=("replace",), fields=("/items/**", "/at")), [0, 3, 6], 6, 2),
    ("a label", RowFilter(q="THE B"), [3], 2, 1),
    ("a value", RowFilter(q="the n"), [2], 1, 1),
    ("a place", RowFilter(q="xy/"), [6], 2, 1),
    ("a key and a kind", RowFilter(q="id=e", ops=("add",)), [5], 2, 1),
    ("nothing", RowFilter(q="no such text"), [], 0, 0),
    ("a field that is none", RowFilter(fields=("/nope",)), [], 0, 0),
]


@pytest.mark.parametrize(("what", "wanted", "numbers", "lines", "records"), FILTERS, ids=[row[0] for row in FILTERS])
def test_filters(what: str, wanted: RowFilter, numbers: list[int], lines: int, records: int) -> None:
    made = table(BEFORE, AFTER)
    left = matched(made, wanted)
    assert (len(left), left.line_count, left.records) == (len(numbers), lines, records)
    every = {row["n"]: row for row in rows(made)}
    found = rows(made, wanted)
    assert [row | {"line": 0} for row in found] == [every[n] | {"line": 0} for n in numbers]
    assert all(0 <= row["line"] < lines for row in found)
    assert len(left.rail) == row_windows.RAIL
    for row in found:
        at = row["line"] * 1000 // lines
        assert set(left.rail[at : at + 700 // lines]) == {1 << row_table.OPS.index(row["op"])}
        assert left.rail[at + 850 // lines] == 0
    for start in range(len(numbers) + 1):
        assert rows(made, wanted, Window(start, 2, 400, 0)) == found[start : start + 2]


def test_what_is_the_same_stands_between_what_changed() -> None:
    before: dict[str, Any] = {
        "at": 1,
        "kind": "list",
        "items": BEFORE["items"],
        "few": [{"id": 1}, {"id": 2}],
        "ignored": 1,
    }
    items = AFTER["items"]
    assert isinstance(items, list)
    after = {**before, "at": 2, "items": [*items, item("f")], "ignored": 2}
    plain = table(before, after, IGNORING)
    made = table(before, after, IGNORING, unchanged=True)
    found = rows(made)
    assert [(r["op"], r["record"], r["at"], r.get("before"), r.get("after"), r["line"]) for r in found] == [
        ("replace", "", "at", None, None, 1),
        ("same", "", "kind", None, None, 2),
        ("same", "", "few", None, None, 3),
        ("remove", "/items/[id=a]", "", 0, None, 4),
        ("add", "/items/[id=n]", "", None, 0, 5),
        ("replace", "/items/[id=b]", "v", 1, 1, 7),
        ("move", "/items/[id=e]", "", 4, 2, 8),
        ("add", "/items/[id=e]", "w", 4, 2, 9),
        ("replace", "/items/[id=c]", "xy/1", 2, 3, 11),
        ("same", "/items/[id=d]", "", 3, 4, 12),
        ("add", "/items/[id=f]", "", None, 5, 13),
    ]
    same = [row for row in found if row["op"] == "same"]
    assert [(row.get("label"), row.get("new")) for row in same] == [
        (None, "list"), (None, [{"id": 1}, {"id": 2}]), ("The d", None),
    ]  # fmt: skip
    left = matched(made, RowFilter())
    assert (len(left), left.unchanged, left.records, left.line_count) == (11, 3, 6, 14)
    assert made.counts == plain.counts, "what is the same is no change of a field"
    at = 12 * 1000 // 14
    assert set(left.rail[at : at + 700 // 14]) == {0}
    assert [row["op"] for row in rows(made, RowFilter(ops=("add",)))] == ["add"] * 3
    assert [row["record"] for row in rows(made, RowFilter(q="the d"))] == ["/items/[id=d]"]


def test_members_of_a_map_that_are_the_same_are_records() -> None:
    old = {"m": {str(n): {"name": f"The {n}", "v": 1} for n in range(80)}}
    new = {"m": {str(n): {"name": f"The {n}", "v": 1 if n > 69 else 2} for n in range(80)}}
    same = [row for row in rows(table(old, new, unchanged=True)) if row["op"] == "same"]
    assert [(row["record"], row["label"], row["at"]) for row in same] == [
        (f"/m/{n}", f"The {n}", "") for n in range(70, 80)
    ]


def test_places_in_an_array_without_order_are_not_told_of_what_is_the_same() -> None:
    unordered = DiffSettings(order={"": "set"})
    [changed, same] = rows(table([item("a"), item("b", v=1)], [item("b", v=2), item("a")], unordered, unchanged=True))
    assert (changed["op"], same["op"], same["record"], same.get("before")) == ("replace", "same", "/[id=a]", None)


PLACES: list[tuple[str, RowFilter, str | None]] = [
    ("/at", NO_FILTER, "/at"),
    ("/items/[id=b]/v", NO_FILTER, "/items/[id=b]/v"),
    ("/items/[id=c]/xy", NO_FILTER, "/items/[id=c]/xy/1"),
    ("/items/[id=n]/name", NO_FILTER, "/items/[id=n]"),
    ("/items/[id=b]", NO_FILTER, "/items/[id=b]/v"),
    ("/items/[id=b]/name", NO_FILTER, "/items/[id=b]/v"),
    ("/items/[id=d]", NO_FILTER, None),
    ("/items/[id=b]/v", RowFilter(ops=("add",)), None),
    ("/items", NO_FILTER, "/items/[id=a]"),
    ("/nothing", NO_FILTER, None),
]


@pytest.mark.parametrize(("path", "wanted", "row"), PLACES)
def test_where_a_path_stands(path: str, wanted: RowFilter, row: str | None) -> None:
    made = table(BEFORE, AFTER)
    place = row_places.place_of(made, matched(made, wanted), path)
    found = None if place is None else rows(made, wanted, Window(place, 1, 400, 0))[0]
    assert (None if found is None else f"{found['record']}/{found['at']}".removesuffix("/")) == row


RECORDS: list[tuple[str, Any, Any, list[tuple[str, str, str]]]] = [
    ("by position without a key", [{"v": 1}, {"v": 1}], [{"v": 1}, {"v": 2}], [("replace", "/1", "v")]),
    ("numbers by position", {"a": [1, 2, 3]}, {"a": [1, 9, 3]}, [("replace", "", "a/1")]),
    ("a table of numbers", [[1, 2], [3, 4]], [[1, 2], [3, 5]], [("replace", "", "1/1")]),
    (
        "one in another, behind what is around it",
        [{"id": 1, "in": [{"id": 7, "v": 1}], "v": 1}],
        [{"id": 1, "in": [{"id": 7, "v": 2}], "v": 2}],
        [("replace", "/[id=1]", "v"), ("replace", "/[id=1]/in/[id=7]", "v")],
    ),
    ("the document itself", [1], {"a": 1}, [("replace", "", "")]),
    (
        "members of a map",
        {"m": {str(n): {"name": f"The {n}", "v": 1} for n in range(70)}},
        {"m": {str(n): {"name": f"The {n}", "v": 2} for n in range(70)}},
        [("replace", f"/m/{n}", "v") for n in range(70)],
    ),
    (
        "plain members of a map",
        {"m": {str(n): 1 for n in range(70)}},
        {"m": {str(n): 2 for n in range(70)}},
        [("replace", "", f"m/{n}") for n in range(70)],
    ),
]


@pytest.mark.parametrize(("what", "before", "after", "said"), RECORDS, ids=[row[0] for row in RECORDS])
def test_what_is_a_record(what: str, before: Any, after: Any, said: list[tuple[str, str, str]]) -> None:
    found = rows(table(before, after))
    assert sorted((row["op"], row["record"], row["at"]) for row in found) == sorted(said)
    assert [row["group"] for row in found] == sorted(row["group"] for row in found)
    if what == "members of a map":
        assert {row["label"] for row in found} == {f"The {n}" for n in range(70)}


def test_labels_of_the_settings() -> None:
    [row] = rows(table([{"id": 1, "n": "x", "v": 1}], [{"id": 1, "n": "x", "v": 2}], DiffSettings(labels={"": "n"})))
    assert row["label"] == "x"


def test_long_values_are_cut_and_words_compared() -> None:
    old = "Start. " + "same words again " * 100 + "the old end"
    new = "Start. " + "same words again " * 100 + "the new end"
    [row] = rows(table({"t": old}, {"t": new}), window=Window(0, 1, 100, 0))
    assert (row["cut"], len(row["old"]), old.startswith(row["old"])) == (True, 100, True)
    signs = [sign for sign, _ in row["text"]]
    assert signs == ["…", "=", "-", "+", "="]
    assert int(row["text"][0][1]) + sum(len(text) for sign, text in row["text"][1:] if sign != "-") == len(new)
    [short] = rows(table({"t": "a b"}, {"t": "a c"}))
    assert short["text"] == [["=", "a "], ["-", "b"], ["+", "c"]]
    [none] = rows(table({"t": "a b"}, {"t": "a c"}), window=Window(0, 1, 400, 60))
    assert "text" not in none


def test_objects_are_cut_to_what_fits_and_their_leaves_counted() -> None:
    [row] = rows(table({}, {"o": {"a": 1, "deep": {"list": list(range(1000))}}}), window=Window(0, 1, 60, 0))
    assert (row["cut"], row["leaves"], row["new"]["a"]) == (True, 1001, 1)
    assert 0 < len(row["new"]["deep"]["list"]) < 1000


NUMBERS = [("1.0", True), ("12345678901234567890", True), ("1e5", True), ("0.1", False), ("7", False), ("-0", True)]


@pytest.mark.parametrize(("text", "rounds"), NUMBERS)
def test_numbers_keep_their_text(text: str, rounds: bool) -> None:
    made = table(b'{"a":2}', b'{"a":%b}' % text.encode())
    [raw] = msgspec.json.decode(written(made, matched(made, RowFilter()), ALL), type=list[dict[str, msgspec.Raw]])
    assert bytes(raw["new"]) == text.encode()
    assert raw.get("new_text") == (msgspec.Raw(f'"{text}"'.encode()) if rounds else None)


def test_halves_of_surrogate_pairs_come_as_they_are_written() -> None:
    made = table(b'[{"id":1,"name":"cut \\ud83d","v":1}]', b'[{"id":1,"name":"cut \\ud83d","v":"x \\ud83d"}]')
    text = written(made, matched(made, RowFilter()), ALL)
    assert text.count(rb"\ud83d") == 2
    json.loads(text)


def test_escapes_are_read_when_a_text_is_sought() -> None:
    made = table(b'{"a":1,"b":1}', b'{"a":"caf\\u00e9 \\"x\\"","b":{"c":"na\\u00efve"}}')
    assert [row["at"] for row in rows(made, RowFilter(q='é "X"'.casefold()))] == ["a"]
    assert [row["at"] for row in rows(made, RowFilter(q="naïve"))] == ["b"]


def test_a_window_ends_when_it_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    made = table({}, {str(n): "x" * 300 for n in range(20)})
    monkeypatch.setattr(row_windows, "WINDOW_BYTES", 1500)
    assert 1 < len(rows(made)) < 20
    monkeypatch.setattr(row_windows, "WINDOW_BYTES", 1)
    assert len(rows(made)) == 1


def test_too_many_rows_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_table, "MOST_ROWS", 3)
    made = table([], list(range(9)))
    assert (len(made), [note.message for note in made.notes]) == (3, [row_table.TOO_MANY])


@settings(max_examples=50 * FUZZ)
@given(pairs())
def test_the_same_edits_as_the_list_of_changes(pair: tuple[bytes, bytes]) -> None:
    made = table(*pair)
    listed = changes(diff(*pair))
    found = rows(made, window=Window(0, 10_000, 10_000, 0))
    assert sorted((row["op"], f"{row['record']}/{row['at']}".rstrip("/")) for row in found) == sorted(
        (change.op, change.path.rstrip("/")) for change in listed
    )
    left = matched(made, RowFilter())
    heads = len({row["group"] for row in found}) - sum(made.lone)
    assert left.line_count == len(found) + heads - made.kinds.count(MOVED_RECORD)
    assert [row["line"] for row in found] == sorted(row["line"] for row in found)
    assert sum(one.added + one.removed + one.replaced + one.moved for one in made.counts) == len(found)
