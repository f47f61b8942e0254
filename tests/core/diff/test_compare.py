"""What the diff finds: kinds, counts, patterns, settings, and what odd documents get."""

import json
from typing import Any

import jsonpatch
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.diff.change_list import changes
from delta_server.core.diff.compare import DiffSettings, SchemaChange, diff
from delta_server.core.diff.json_patch import json_patch
from delta_server.core.json import pointer
from tests.core.documents import pairs, same
from tests.often import FUZZ


def operations(before: Any, after: Any, chosen: DiffSettings | None = None) -> list[dict[str, Any]]:
    found = diff(_bytes(before), _bytes(after), chosen or DiffSettings())
    made: list[dict[str, Any]] = json.loads(json_patch(found))
    return made


def _bytes(document: Any) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


@settings(max_examples=100 * FUZZ)
@given(pairs())
def test_the_operations_make_the_new_document_of_the_old(pair: tuple[bytes, bytes]) -> None:
    before, after = pair
    found = diff(before, after)
    assert same(jsonpatch.apply_patch(json.loads(before), json.loads(json_patch(found))), json.loads(after))
    assert (found.kind in ("none", "format")) == same(json.loads(before), json.loads(after))
    assert 0 <= found.similarity <= 1
    assert found.changes_count == found.added + found.removed + found.replaced + found.moved


@settings(max_examples=50 * FUZZ)
@given(st.lists(st.integers(0, 5), max_size=14), st.lists(st.integers(0, 5), max_size=14))
def test_arrays_of_repeated_values(before: list[int], after: list[int]) -> None:
    assert jsonpatch.apply_patch(before, operations(before, after)) == after


@settings(max_examples=50 * FUZZ)
@given(st.permutations(range(12)), st.permutations(range(12)), st.integers(0, 12), st.integers(0, 12))
def test_keyed_records_in_any_order(old: list[int], new: list[int], cut_old: int, cut_new: int) -> None:
    before = [{"id": i, "at": f"t{i}"} for i in old[cut_old:]]
    after = [{"id": i, "at": f"t{i}", "n": i % 2} if i % 3 else {"id": i, "at": f"t{i}"} for i in new[cut_new:]]
    assert jsonpatch.apply_patch(before, operations(before, after)) == after


@settings(max_examples=100)
@given(pairs())
def test_ignored_places_stay_as_they_were(pair: tuple[bytes, bytes]) -> None:
    chosen = DiffSettings(ignore=["/**/a"])
    before, after = (json.loads(document) for document in pair)
    patched = jsonpatch.apply_patch(before, operations(*pair, chosen))
    assert same(_without_a(patched), _without_a(after))


def _without_a(document: Any) -> Any:
    if isinstance(document, list):
        return [_without_a(item) for item in document]
    if isinstance(document, dict):
        return {name: _without_a(item) for name, item in document.items() if name != "a"}
    return document


RECORDS = [{"id": i, "name": f"n{i}", "points": i * 7 % 5} for i in range(30)]


def test_one_record_removed_at_the_head_is_one_operation() -> None:
    assert operations(RECORDS, RECORDS[1:]) == [{"op": "remove", "path": "/0"}]


def test_a_sliding_window_is_two_operations() -> None:
    after = [*RECORDS[1:], {"id": 30, "name": "n30", "points": 1}]
    assert [(o["op"], o["path"]) for o in operations(RECORDS, after)] == [("remove", "/0"), ("add", "/29")]


def test_a_window_that_slides_while_a_counter_changes() -> None:
    after = [{"id": 99, "name": "new", "points": 0}, *RECORDS[:-1]]
    after[6] = {**after[6], "points": 1000}
    found = [(o["op"], o["path"]) for o in operations(RECORDS, after)]
    assert found == [("remove", "/29"), ("add", "/0"), ("replace", "/6/points")]


def test_removals_come_from_the_highest_index_down() -> None:
    assert [o["path"] for o in operations(RECORDS, RECORDS[3:20])][:3] == ["/29", "/28", "/27"]


def test_a_moved_record_is_one_move() -> None:
    after = [*RECORDS[1:9], RECORDS[0], *RECORDS[9:]]
    assert operations(RECORDS, after) == [{"op": "move", "from": "/0", "path": "/8"}]


def test_operations_larger_than_their_subtree_become_one_replace() -> None:
    before = {"keep": "x" * 200, "map": {f"k{i}": i for i in range(50)}}
    after = {"keep": "x" * 200, "map": {"k1": 2}}
    assert operations(before, after) == [{"op": "replace", "path": "/map", "value": {"k1": 2}}]


KINDS = [
    ("equal bytes", b'{"a":1}', b'{"a":1}', "none"),
    ("white space", b'{"a":1}', b' { "a" : 1 }\n', "format"),
    ("trailing line break", b"[1]", b"[1]\n", "format"),
    ("order of members", b'{"a":1,"b":2}', b'{"b":2,"a":1}', "format"),
    ("escapes", b'["\\u00e9\\/"]', '["é/"]'.encode(), "format"),
    ("number text", b"[1, 100, 0]", b"[1.0, 1e2, -0]", "format"),
    ("order of strings", b'["a","b","c"]', b'["c","a","b"]', "reorder"),
    ("order of equal strings", b'["a","a","b"]', b'["b","a","a"]', "reorder"),
    ("order of records", b'[{"v":1},{"v":2},{"v":3}]', b'[{"v":3},{"v":1},{"v":2}]', "reorder"),
    ("order of rows with names", b'[["a",1],["b",2]]', b'[["b",2],["a",1]]', "reorder"),
    ("order of strings and nulls", b'[null,"a"]', b'["a",null]', "reorder"),
    ("order of numbers", b"[1,2,3]", b"[3,1,2]", "content"),
    ("order of booleans and nulls", b"[true,null,1]", b"[null,true,1]", "content"),
    ("order of points", b"[[1,2],[3,4]]", b"[[3,4],[1,2]]", "content"),
    ("a value", b'{"a":1}', b'{"a":2}', "content"),
    ("true is not 1", b"[true]", b"[1]", "content"),
    ("a string is not its number", b'["1"]', b"[1]", "content"),
    ("null is not absent", b'{"a":null}', b"{}", "content"),
    ("an empty object is not an empty array", b"{}", b"[]", "content"),
    ("the whole document", b"1", b'"x"', "content"),
]


@pytest.mark.parametrize(("name", "before", "after", "kind"), KINDS)
def test_kinds(name: str, before: bytes, after: bytes, kind: str) -> None:
    assert diff(before, after).kind == kind, name


LONG = "7" * 5000
NUMBERS = [
    ("1e400", "10e399", True),
    ("1e400", "1e401", False),
    (LONG, LONG, True),
    (LONG, LONG[:-1] + "8", False),
    (LONG + "0", LONG + "e1", True),
    ("1e999999999", "10e999999998", True),
    ("1e999999999", "1e999999998", False),
    ("1e" + "9" * 5000, "10e" + "9" * 4999 + "8", True),
    ("1e-" + "9" * 5000, "0.1e-" + "9" * 4999 + "8", True),
    ("37.787619999999997", "37.78762", False),
    ("0.1", "0.10", True),
    ("0e999999999999", "-0.0", True),
    ("123456789012345678901234567890", "123456789012345678901234567891", False),
]


@pytest.mark.parametrize("shape", ["%s", "[%s]", '{"a":{"b":%s}}', "[[%s,1],[2]]"])
@pytest.mark.parametrize(("a", "b", "equal"), NUMBERS, ids=range(len(NUMBERS)))
def test_numbers_are_compared_exactly(shape: str, a: str, b: str, equal: bool) -> None:
    kind = diff((shape % a).encode(), (shape % b).encode()).kind
    assert kind == ("none" if a == b else "format" if equal else "content")


def test_number_text_survives_in_operations() -> None:
    pad = b"x" * 200
    patch = json_patch(
        diff(b'{"a":[1,2],"b":3,"p":"%b"}' % pad, b'{"a":[1,2,1e400],"b":37.787619999999997,"p":"%b"}' % pad)
    )
    assert b'"value":1e400' in patch
    assert b'"value":37.787619999999997' in patch


def test_repeated_members_count_by_the_last() -> None:
    assert diff(b'{"a":1,"a":2}', b'{"a":2}').kind == "format"
    assert operations(b'{"a":1,"a":2}', b'{"a":1}') == [{"op": "replace", "path": "/a", "value": 1}]


def _nested(depth: int, leaf: str, *, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + leaf + closing * depth).encode()


DEEPEST = [("[", "]", 512), ('{"a":', "}", 512), ('[{"id":1,"x":', "}]", 256)]


@pytest.mark.parametrize(("opening", "closing", "depth"), DEEPEST)
@pytest.mark.parametrize("chosen", [DiffSettings(), DiffSettings(ignore=["/**/b"], tolerance=0.5)])
def test_the_deepest_documents(opening: str, closing: str, depth: int, chosen: DiffSettings) -> None:
    before, after = (_nested(depth, leaf, opening=opening, closing=closing) for leaf in ("1", "2"))
    found = diff(before, after, chosen)
    assert (found.kind, found.changes_count) == ("content", 1)
    assert 0 <= found.similarity < 1
    [operation] = msgspec.json.decode(json_patch(found), type=list[dict[str, msgspec.Raw]])
    path = msgspec.json.decode(operation["path"], type=str)
    assert pointer.resolve(after, pointer.parse(path)) == operation["value"]
    [change] = changes(found)
    assert change.after == path
    assert diff(before, before + b"\n", chosen).kind == "format"


def test_deep_values_that_are_equal_are_no_change() -> None:
    before, after = _nested(400, '{"a":1,"b":2}'), _nested(400, '{"b":2.0, "a":1}')
    assert diff(before, after).kind == "format"
    long = _nested(400, f'[{LONG}, "{LONG}"]')
    assert diff(long, long.replace(b"[7", b"[ 7")).kind == "format"


def test_work_on_a_deep_document_is_bounded() -> None:
    """Each level would split all below it again: past the budget the rest is one value."""
    ballast = ",".join(f'"m{i}":"{"x" * 40}"' for i in range(2000))
    before, after = (_nested(190, f'{{"leaf":{leaf},{ballast}}}', opening='{"a":', closing="}") for leaf in (1, 2))
    found = diff(before, after)
    assert found.changes_count == 1
    assert len(next(iter(found.fields)).split("/")) < 190


IGNORED = [
    ("a member", ["/seen"], {"seen": 1, "a": 1}, {"seen": 2, "a": 1}),
    ("a member of elements", ["/items/*/seen"], {"items": [{"id": 1, "seen": 1}]}, {"items": [{"id": 1, "seen": 2}]}),
    ("appearing", ["/seen"], {"a": 1}, {"a": 1, "seen": 2}),
    ("vanishing", ["/seen"], {"a": 1, "seen": 2}, {"a": 1}),
    ("at any depth", ["/**/seen"], {"a": [{"b": {"seen": 1}}]}, {"a": [{"b": {"seen": 2}}]}),
    ("all below", ["/a/**"], {"a": {"b": 1}}, {"a": {"c": 2}}),
    ("elements", ["/a/*"], {"a": [1, 2]}, {"a": [3]}),
    ("elements without a key", ["/*/t"], [{"v": 1, "t": 1}, {"v": 1, "t": 2}], [{"v": 1, "t": 3}, {"v": 1, "t": 4}]),
    ("an array by name", ["/list"], {"list": [1], "pad": "x" * 3000}, {"list": [2], "pad": "x" * 3000}),
]


@pytest.mark.parametrize(("name", "ignore", "before", "after"), IGNORED)
def test_ignored(name: str, ignore: list[str], before: Any, after: Any) -> None:
    for _ in range(2):  # the second time the shape of the document is known
        found = diff(_bytes(before), _bytes(after), DiffSettings(ignore=ignore))
        assert (found.kind, found.changes_count, found.fields, found.similarity) == ("ignored", 0, {}, 1.0), name
        assert json_patch(found) == b"[]"


def test_added_values_come_without_what_is_ignored() -> None:
    chosen = DiffSettings(ignore=["/*/seen", "/*/inner/seen"])
    added = operations([{"id": 1}], [{"id": 1}, {"id": 2, "seen": 5, "inner": {"seen": 6, "v": [1]}}], chosen)
    assert added == [{"op": "add", "path": "/1", "value": {"id": 2, "inner": {"v": [1]}}}]


TOLERANCES: list[tuple[Any, str, str, str]] = [
    (0.1, "[1.0]", "[1.1]", "ignored"),
    (0.1, "[1.0]", "[1.11]", "content"),
    (0.5, "1", "1.5", "ignored"),
    ({"/*/t": 2}, '[{"id":1,"t":1,"v":1}]', '[{"id":1,"t":3,"v":1}]', "ignored"),
    ({"/*/t": 2}, '[{"id":1,"t":1,"v":1}]', '[{"id":1,"t":3,"v":2}]', "content"),
    (5, "[1e999999999]", "[1e999999998]", "content"),
    (5, "[1e99999999999999999999999]", "[2]", "content"),
    (5, '["1"]', '["2"]', "content"),
    (5, "[true]", "[1]", "content"),
]


@pytest.mark.parametrize(("tolerance", "before", "after", "kind"), TOLERANCES)
def test_tolerance(tolerance: Any, before: str, after: str, kind: str) -> None:
    assert diff(before.encode(), after.encode(), DiffSettings(tolerance=tolerance)).kind == kind


def test_order_that_means_nothing() -> None:
    chosen = DiffSettings(order={"/tags": "set"})
    found = diff(b'{"tags":[1,2,3]}', b'{"tags":[3,1,2]}', chosen)
    assert (found.kind, found.moved, json_patch(found)) == ("reorder", 0, b"[]")
    before, after = (
        {"tags": [{"id": i, "v": 0} for i in range(6)]},
        {"tags": [{"id": i, "v": i == 4} for i in (9, 5, 4, 1, 0)]},
    )
    patched = jsonpatch.apply_patch(before, operations(before, after, chosen))
    assert sorted(patched["tags"], key=lambda t: t["id"]) == sorted(after["tags"], key=lambda t: t["id"])


def test_a_configured_key_decides_and_falls_back_where_it_cannot() -> None:
    chosen = DiffSettings(array_keys={"": ["code"]})
    before, after = [{"id": 1, "code": "x"}, {"id": 2, "code": "y"}], [{"id": 2, "code": "x"}, {"id": 1, "code": "y"}]
    assert diff(_bytes(before), _bytes(after), chosen).fields == {"/*/id": 2}
    repeated = [{"id": 1, "code": "x", "v": 0}, {"id": 2, "code": "x", "v": 0}]
    changed = [{"id": 2, "code": "x", "v": 0}, {"id": 1, "code": "x", "v": 1}]
    found = diff(_bytes(repeated), _bytes(changed), chosen)
    assert (found.moved, found.fields, found.array_keys) == (1, {"/*/v": 1}, {"": ["id"]})


def test_field_patterns_counts_and_types() -> None:
    before = {"n": 1, "items": [{"id": i, "v": i, "w": "x" * 90} for i in range(9)]}
    after = {"n": 2, "items": [{"id": i, "v": -i if i else "none", "w": "x" * 90} for i in range(8)]}
    found = diff(_bytes(before), _bytes(after))
    assert found.fields == {"/n": 1, "/items/*": 1, "/items/*/v": 8}
    assert found.types["/items/*/v"] == ("number", "string")
    assert found.array_keys == {"/items": ["id"]}
    assert (found.added, found.removed, found.replaced, found.moved) == (0, 1, 9, 0)


def test_a_new_field_in_most_elements_is_one_schema_change() -> None:
    before = {"rows": [{"id": i, "p": {"a": i}} for i in range(50)]}
    after = {"rows": [{"id": i, "p": {"a": i, "b": 0}} for i in range(50)]}
    found = diff(_bytes(before), _bytes(after))
    assert found.schema_changes == [SchemaChange("/rows/*/p/b", "add", 50)]
    assert (found.changes_count, found.added, found.fields) == (1, 1, {"/rows/*/p/b": 1})
    assert diff(_bytes(after), _bytes(before)).schema_changes == [SchemaChange("/rows/*/p/b", "remove", 50)]


def test_many_removed_elements_are_no_schema_change() -> None:
    found = diff(_bytes({"rows": [{"id": i} for i in range(50)]}), _bytes({"rows": [{"id": 1}]}))
    assert (found.schema_changes, found.removed) == ([], 49)


def test_an_object_with_very_many_changed_members_is_a_map() -> None:
    before, after = ({"users": {f"u{i}": {"n": n} for i in range(100)}} for n in (1, 2))
    assert diff(_bytes(before), _bytes(after)).fields == {"/users/*/n": 100}


SIMILARITIES = [
    (b"[1,2,3,4]", b"[1,2,3,4]", 1.0),
    (b"[1,2,3,4]", b"[1,2,3,5]", 3 / 4),
    (b"[1,2,3,4]", b"[1,2,3]", 3 / 4),
    (b"[1,2,3]", b"[1,2,3,4]", 3 / 4),
    (b'["a","b","c","d"]', b'["d","a","b","c"]', 1.0),
    (b'{"a,b":"c,d","e":[{},[],1]}', b'{"a,b":"c,d","e":[{},[],2]}', 3 / 4),
    (b"1", b"2", 0.0),
]


@pytest.mark.parametrize(("before", "after", "share"), SIMILARITIES)
def test_similarity(before: bytes, after: bytes, share: float) -> None:
    assert diff(before, after).similarity == pytest.approx(share)


def test_the_same_document_in_another_shape_than_guessed() -> None:
    """The split of two levels at once guesses by how a document begins; wrong guesses must not show."""
    pad = "x" * 3000
    shapes = [
        {"pad": pad, "a": [1], "b": 2},
        {"pad": pad, "a": [1, 2], "b": 2},
        {"pad": pad, "a": {"c": 1}, "b": [2]},
        {"pad": pad, "a": 5},
        {"pad": pad, "b": [2], "a": [1]},
        {"pad": pad, "a": [1], "b": 2, 'q"\\': [3]},
        {"pad": pad, "": [1]},
    ]
    for before in shapes:
        for after in shapes:
            assert jsonpatch.apply_patch(before, operations(before, after)) == after
