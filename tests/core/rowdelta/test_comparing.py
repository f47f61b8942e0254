"""The delta of two deliveries of rows, beside a model of dictionaries, in too little memory."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delta_server import rowdelta
from delta_server.core.errors import Conflict, DeltaError, Invalid, TooLarge
from delta_server.core.rowdelta import blocks, checking, joining, operations, pairs, reading, writing
from delta_server.core.rowdelta.checking import Checker
from delta_server.core.rowdelta.comparing import Comparison
from delta_server.core.rowdelta.entries import EntryMaker
from delta_server.core.rowdelta.pairs import PairChecker
from delta_server.core.rowdelta.ports import ReadAt, Side
from delta_server.core.rowdelta.settings import Settings
from delta_server.storage.rowdelta.spill_file import SpillFile
from tests.often import FUZZ

TINY, ROOM = 4 << 10, 64 << 20


class Text:
    """Rows in memory. `passing`: they can be read from their beginning only, in pieces of an odd size."""

    def __init__(self, text: bytes, *, passing: bool = False) -> None:
        self.text, self.passing, self.opened = text, passing, 0

    def open(self) -> Iterator[bytes]:
        self.opened += 1
        return (self.text[at : at + 97] for at in range(0, len(self.text), 97))

    @property
    def read_at(self) -> ReadAt | None:
        return None if self.passing else lambda offset, size: self.text[offset : offset + size]


def ndjson(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def compared(
    before: bytes,
    after: bytes,
    directory: Path,
    *,
    passing: bool | tuple[bool, bool] = False,
    memory_bytes: int = ROOM,
    **options: Any,
) -> tuple[rowdelta.Summary, list[dict[str, Any]]]:
    """`passing`: both sides, or each."""
    chosen = rowdelta.Options(spill_directory=directory, memory_bytes=memory_bytes, **options)
    each = passing if isinstance(passing, tuple) else (passing, passing)
    sides = Text(before, passing=each[0]), Text(after, passing=each[1])
    with rowdelta.compare(*sides, chosen) as delta:
        lines = list(delta.ops())
        assert lines[:-1] == [msgspec.json.encode(operation) + b"\n" for operation in delta.operations()]
        *ops, end = map(json.loads, lines)
        assert end == {"op": "end", "summary": msgspec.to_builtins(delta.summary)}
        assert max(side.opened for side in sides) <= 3
        return delta.summary, ops


# A model


def canonical(row: Any) -> str:
    """Numbers of these tests are equal as doubles where they are equal."""
    if isinstance(row, dict):
        return "{" + ",".join(f"{name}:{canonical(row[name])}" for name in sorted(row)) + "}"
    if isinstance(row, list):
        return "[" + ",".join(map(canonical, row)) + "]"
    return repr(float(row)) if isinstance(row, int | float) and not isinstance(row, bool) else repr(row)


def model(before: list[Any], after: list[Any], key: str | None) -> dict[str, int]:
    def of(row: Any) -> str:
        return canonical(row[key] if key else row)

    counts = [Counter(map(of, side)) for side in (before, after)]
    several = {each for count in counts for each in count if count[each] > 1}
    rows = [Counter((of(row), canonical(row)) for row in side) for side in (before, after)]
    gone, come = rows[0] - rows[1], rows[1] - rows[0]
    changed = {each for each, _ in gone} & {each for each, _ in come} - several
    return {
        "rows_before": len(before),
        "rows_after": len(after),
        "added": come.total() - len(changed),
        "changed": len(changed),
        "removed": gone.total() - len(changed),
        "unchanged": (rows[0] & rows[1]).total(),
        "duplicates_before": len(before) - len(counts[0]) if key else 0,
        "duplicates_after": len(after) - len(counts[1]) if key else 0,
    }


def applied(before: list[Any], ops: list[dict[str, Any]]) -> Counter[str]:
    rows = Counter(map(canonical, before))
    for op in ops:
        if "before" in op:
            assert rows[canonical(op["before"])] > 0
            rows[canonical(op["before"])] -= 1
        if "after" in op:
            rows[canonical(op["after"])] += 1
    return +rows


numbers = st.sampled_from([0, 1, 1.0, 2, 1e2, 100, -1, 0.5])
values = st.one_of(numbers, st.sampled_from(["", "a", "é", 'x"\\', "1"]), st.none(), st.booleans())
keys = st.one_of(st.integers(0, 12), st.sampled_from([1.0, 3.0, "1", "k", "é\n"]))
rows_ = st.lists(
    st.builds(
        lambda key, value, more, last: {"v": value, **more, "id": key} if last else {"id": key, **more, "v": value},
        keys,
        values,
        st.dictionaries(st.sampled_from(["a", "b"]), st.lists(values, max_size=2), max_size=1),
        st.booleans(),
    ),
    max_size=40,
)


@settings(max_examples=40 * FUZZ, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows_, rows_, st.sampled_from(["id", None]), st.tuples(st.booleans(), st.booleans()))
def test_what_changed_is_what_a_dictionary_finds(
    tmp_path: Path, before: list[Any], after: list[Any], key: str | None, passing: tuple[bool, bool]
) -> None:
    # rows that are lists have no key; one that is a list of objects alone is taken for a mistake
    given_: dict[str, Any] = {"key_fields": (key,)} if key else {}
    old, new = (before, after) if key else ([["", row] for row in before], [["", row] for row in after])
    texts = ndjson(old), ndjson(new)
    found = compared(*texts, tmp_path, passing=passing, memory_bytes=TINY, **given_)
    summary, ops = found
    assert {name: getattr(summary, name) for name in model(old, new, key)} == model(old, new, key)
    assert applied(old, ops) == Counter(map(canonical, new))
    assert Counter(op["op"] for op in ops) == +Counter(
        {"add": summary.added, "change": summary.changed, "remove": summary.removed}
    )
    assert compared(*texts, tmp_path, **given_) == found, "what is found depends on the memory or the source"
    assert list(tmp_path.iterdir()) == []


def test_rows_in_any_order_are_parted_and_parted_again(tmp_path: Path) -> None:
    chance = Random(1)
    before: list[dict[str, Any]] = [{"id": i, "name": f"row {i}", "v": chance.random()} for i in range(3000)]
    after = [dict(row) for row in before if row["id"] % 50]
    for row in after[::20]:
        row["v"] = 7
    after += [{"id": f"n{i}", "v": 1} for i in range(30)]
    chance.shuffle(after)
    expected = model(before, after, "id")
    for passing in (False, True):
        summary, ops = compared(
            ndjson(before), ndjson(after), tmp_path, passing=passing, memory_bytes=TINY, key_fields=("id",)
        )
        assert {name: getattr(summary, name) for name in expected} == expected
        assert applied(before, ops) == Counter(map(canonical, after))
        assert [op["op"] for op in ops[: summary.removed]] == ["remove"] * summary.removed
        places = {canonical(row): place for place, row in enumerate(after)}
        order = [places[canonical(op["after"])] for op in ops[summary.removed :]]
        assert order == sorted(order)


ONE_KEY = [
    ("equal rows", [1] * 900, [1] * 600, (0, 300)),
    ("other rows", list(range(600)), list(range(200, 700)), (100, 200)),
    ("a row and many", [1], [1, 2, 3] * 200, (599, 0)),
    ("written otherwise", [1] * 500, [1.0] * 500, (0, 0)),
]


@pytest.mark.parametrize(("before", "after", "expected"), [row[1:] for row in ONE_KEY], ids=[row[0] for row in ONE_KEY])
@pytest.mark.parametrize(("key", "passing"), [("id", False), ("id", True), (None, False)])
def test_one_key_very_often(
    tmp_path: Path, before: list[Any], after: list[Any], expected: tuple[int, int], key: str | None, passing: bool
) -> None:
    """Its entries alone do not fit in the memory."""
    sides = [[{"id": "k", "v": value} if key else [value] for value in side] for side in (before, after)]
    options: dict[str, Any] = {"key_fields": (key,)} if key else {}
    texts = ndjson(sides[0]), ndjson(sides[1])
    summary, ops = compared(*texts, tmp_path, passing=passing, memory_bytes=TINY, **options)
    assert (summary.added, summary.removed, summary.changed) == (*expected, 0)
    assert summary.unchanged == len(before) - expected[1]
    if key:
        assert (summary.duplicates_before, summary.duplicates_after) == (len(before) - 1, len(after) - 1)
    assert applied(sides[0], ops) == Counter(map(canonical, sides[1]))


# Rows and settings


def test_lines_are_read_as_they_come(tmp_path: Path) -> None:
    """Blank ones, ends of Windows, blanks around, no end at the end; rows that are no objects."""
    before = b'\n{"id":1}\r\n  \n {"id": 2}\n{"id":3}'
    after = b'{"id":3}\n{"id":1}\n\n\n{ "id" :4}\n'
    summary, ops = compared(before, after, tmp_path, key_fields=("id",))
    assert (summary.rows_before, summary.rows_after, summary.unchanged) == (3, 3, 2)
    assert ops == [
        {"op": "remove", "key": {"id": 2}, "before": {"id": 2}},
        {"op": "add", "key": {"id": 4}, "after": {"id": 4}},
    ]
    summary, ops = compared(b'1\n"a"\n[2]\n1.0\nnull', b"[ 2.0 ]\n1e0", tmp_path)
    assert (summary.key_fields, summary.unchanged, summary.removed) == ([], 2, 3)
    assert [op["key"] for op in ops] == [None] * 3
    assert compared(b"", b"\n", tmp_path)[0].equal


KEYS = [
    ("one field", ("id",), b'{"id":1,"v":1}', b'{"id":1.0,"v":2}', {"id": 1.0}),
    ("nested", ("properties/code",), b'{"properties":{"code":"a","v":1}}', b'{"properties":{"code":"\\u0061"}}', None),
    ("several", ("a", "b"), b'{"a":1,"b":"x","v":1}', b'{"b":"x","a":1}', {"a": 1, "b": "x"}),
    (
        "in an array",
        ("fieldValues/0/id",),
        b'{"fieldValues":[{"id":"1","n":1}]}',
        b'{"fieldValues":[{"id":"1"}]}',
        None,
    ),
    ("in an array of several kinds", ("v/0/x",), b'{"v":[{"x":1,"n":1},2]}', b'{"v":[{"x":1},null]}', {"v/0/x": 1}),
    ("in arrays in an array", ("v/1/0/x",), b'{"v":[0,[{"x":1}],1]}', b'{"v":["",[{"x":1}],2]}', None),
    ("two in an array", ("v/0/x", "v/1"), b'{"v":[{"x":1},2],"n":1}', b'{"v":[{"x":1},2]}', None),
    ("an odd name", ("a~1b c",), b'{"a/b c":true,"v":1}', b'{"a/b c":true}', {"a~1b c": True}),
]


@pytest.mark.parametrize("row", KEYS, ids=[row[0] for row in KEYS])
def test_keys(tmp_path: Path, row: tuple[str, tuple[str, ...], bytes, bytes, dict[str, Any] | None]) -> None:
    _, fields, before, after, key = row
    summary, ops = compared(before, after, tmp_path, key_fields=fields)
    assert (summary.changed, summary.added, summary.removed) == (1, 0, 0)
    assert key is None or ops[0]["key"] == key


def test_a_hash_whose_name_a_struct_cannot_have(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 1, 'h"\\': "a", "v": 1},
        {"id": 2, 'h"\\': "b"},
        {"id": 3},
        {"id": 4, "v": [1]},
    ]
    after = [rows[0] | {"v": 2}, {"id": 2, 'h"\\': "c"}, rows[2], rows[3]]
    summary, ops = compared(ndjson(rows), ndjson(after), tmp_path, key_fields=("id",), trusted_hash='h"\\')
    assert (summary.changed, ops[0]["key"]) == (1, {"id": 2})


FOUND = [
    ("an identifier", [{"n": i, "id": i} for i in range(50)], ["id"]),
    ("one of few that come twice", [{"id": i % 48, "n": i} for i in range(50)], ["id"]),
    ("a nested one", [{"properties": {"code": f"c{i}", "n": 1}} for i in range(50)], ["properties/code"]),
    ("two fields", [{"city": i // 7, "day": f"d{i % 7}", "v": 1} for i in range(49)], ["city", "day"]),
    ("none", [{"v": i % 3} for i in range(50)], []),
    ("not of all rows", [{"id": i} for i in range(1500)] + [{"v": 1}], []),
]


@pytest.mark.parametrize(("rows", "fields"), [row[1:] for row in FOUND], ids=[row[0] for row in FOUND])
def test_keys_that_are_found(tmp_path: Path, rows: list[dict[str, Any]], fields: list[str]) -> None:
    summary, ops = compared(ndjson(rows), ndjson(rows[1:]), tmp_path)
    assert (summary.key_fields, summary.key_found) == (fields, bool(fields))
    assert [op["op"] for op in ops] == ["remove"]


SETTINGS = [
    ("ignored", {"ignore": ("/at",)}, {"id": 1, "at": 1, "v": 1}, {"id": 1, "at": 2, "v": 1}, 0),
    ("ignored, and more", {"ignore": ("/at",)}, {"id": 1, "at": 1, "v": 1}, {"id": 1, "at": 2, "v": 2}, 1),
    ("ignored, absent", {"ignore": ("/at",)}, {"id": 1}, {"id": 1, "at": [2]}, 0),
    (
        "not the inner one",
        {"ignore": ("/at",)},
        {"id": 1, "a": {"at": 1}, "at": 1},
        {"id": 1, "a": {"at": 2}, "at": 1},
        1,
    ),
    ("any depth", {"ignore": ("/**/at",)}, {"id": 1, "a": {"at": 1}}, {"id": 1, "a": {"at": 2}}, 0),
    ("close", {"tolerance": 0.1}, {"id": 1, "v": 1.0}, {"id": 1, "v": 1.1}, 0),
    ("not close", {"tolerance": 0.1}, {"id": 1, "v": 1.0}, {"id": 1, "v": 1.11}, 1),
    ("close, another value", {"tolerance": 5}, {"id": 1, "v": 1.0, "n": "a"}, {"id": 1, "v": 1.1, "n": "b"}, 1),
    ("hash the same", {"trusted_hash": "h"}, {"id": 1, "h": "x", "v": 1}, {"id": 1, "h": "x", "v": 2}, 0),
    ("hash another", {"trusted_hash": "h"}, {"id": 1, "h": "x", "v": 1}, {"id": 1, "h": "y", "v": 1}, 1),
    ("no hash", {"trusted_hash": "h"}, {"id": 1, "v": 1}, {"id": 1, "v": 2}, 1),
]


@pytest.mark.parametrize(
    ("options", "before", "after", "changed"), [r[1:] for r in SETTINGS], ids=[r[0] for r in SETTINGS]
)
@pytest.mark.parametrize("blanks", [True, False])
def test_settings(
    tmp_path: Path, options: dict[str, Any], before: dict[str, Any], after: dict[str, Any], changed: int, blanks: bool
) -> None:
    texts = ndjson([before]), ndjson([after])
    if not blanks:
        texts = texts[0].replace(b" ", b""), texts[1].replace(b" ", b"")
    for passing in (False, True):
        summary, _ = compared(*texts, tmp_path, passing=passing, key_fields=("id",), **options)
        assert (summary.changed, summary.unchanged) == (changed, 1 - changed)
        assert (summary.added, summary.removed) == (0, 0)


PAIRS = [
    ("another order", b'"a":1,"b":2', b'"b":2,"a":1', False),
    ("blanks", b'"a":[1,2]', b'"a" : [1, 2]', False),
    ("one and 1.0", b'"a":1', b'"a":1.0', False),
    ("one and true", b'"a":1', b'"a":true', True),
    ("zero and false", b'"a":[0.0]', b'"a":[false]', True),
    ("zero of both signs", b'"a":-0.0', b'"a":0', False),
    ("zeros at the end", b'"a":1.50', b'"a":1.5', False),
    ("an exponent", b'"a":1e2', b'"a":100', False),
    ("an escape", b'"a":"\\u00e9\\/"', '"a":"é/"'.encode(), False),
    ("other letters", b'"a":"e"', '"a":"é"'.encode(), True),
    ("a number and a text", b'"a":1', b'"a":"1"', True),
    ("null and nothing", b'"a":null', b'"b":1', True),
    ("a member twice", b'"a":1,"a":2', b'"a":2', False),
    ("a member twice, the first", b'"a":2,"a":1', b'"a":2', True),
    ("a long integer and its float", b'"a":12345678901234567890', b'"a":12345678901234567890.0', False),
    ("a long integer as exponent", b'"a":1234567890123456789000', b'"a":1.234567890123456789e21', False),
    ("long integers one apart", b'"a":12345678901234567890', b'"a":12345678901234567891', True),
    ("a long integer of thousands", b'"a":1' + b"0" * 5000, b'"a":1e5000', False),
    ("doubles that are one", b'"a":0.1', b'"a":0.10000000000000000001', True),
    ("no doubles", b'"a":1e999', b'"a":1e998', True),
    ("no doubles, equal", b'"a":1e999', b'"a":10e998', False),
    ("long numbers as texts", b'"a":"1234567890123456"', b'"a":"1234567890123457"', True),
    ("an order of elements", b'"a":[1,2]', b'"a":[2,1]', True),
    ("deep", b'"a":' + b"[" * 400 + b"1" + b"]" * 400, b'"a":' + b"[" * 400 + b"1.0" + b"]" * 400, False),
]


@pytest.mark.parametrize("passing", [False, True])
def test_pairs_differ_where_their_values_do(tmp_path: Path, passing: bool) -> None:
    def delivery(members: list[bytes]) -> bytes:
        return b"".join([b'{"id":%d,%b}\n' % (place, text) for place, text in enumerate(members)])

    expected = [name for name, _, _, differs in PAIRS if differs]
    for chosen in ([*PAIRS], *[[pair] for pair in PAIRS]):
        old, new = delivery([pair[1] for pair in chosen]), delivery([pair[2] for pair in chosen])
        _, ops = compared(old, new, tmp_path, passing=passing, key_fields=("id",))
        assert {op["op"] for op in ops} <= {"change"}
        found = [chosen[op["key"]["id"]][0] for op in ops]
        assert found == [pair[0] for pair in chosen if pair[0] in expected]


REFUSED = [
    ("a broken line", b'{"id":1}\n{"id":2,}\n', {}, "after, line 2: it is not valid JSON: trailing comma in object"),
    ("two rows in a line", b'{"id":1} {"id":2}\n{"id":3}\n', {}, "after, line 1: it is not valid JSON"),
    ("a row over two lines", b'{"id":\n1}\n', {}, "after, line 1: it is not valid JSON: it ends too early"),
    ("both at once", b'{"id":1} {"id":2}\n{"id":3\n}\n', {}, "after, line 1: it is not valid JSON"),
    ("no UTF-8", b'{"id":1}\n{"id":2,"n":"\xff"}\n', {}, "after, line 2: it is not valid UTF-8 (byte 13)"),
    ("too deep", b'{"id":1,"a":' + b"[" * 9000 + b"]" * 9000 + b"}", {}, "after, line 1: it is nested too deep"),
    ("a large row", b'{"id":1}\n{"id":2,"n":"' + b"x" * 99 + b'"}', {"max_row_bytes": 99}, "after, line 2: a row has"),
    (
        "no key",
        b'{"id":1}\n\n{"v":1}\n[]\n{"id":null}\n{"id":{}}\n{"id":7}',
        {},
        "4 of 6 rows lack the key field id, the",
    ),
    ("an array", b' [{"id":1}, {"id":2}]', {}, "after is one row, an array of objects: give the elements"),
    (
        "an array over lines",
        b'[\n {"id":1}\n]',
        {},
        "line 1: it is not valid JSON: it ends too early; if this is an array of",
    ),
    ("no key, where", b'{"id":1}\n\n{"v":1}\n', {}, "the first in line 3"),
    ("part of the key ignored", b"", {"ignore": ("/id",)}, "/id is part of the key, which cannot be ignored"),
    ("a wrong pattern", b"", {"ignore": ("id",)}, "'id' is not a pattern: begin with /"),
    ("a wrong tolerance", b"", {"tolerance": -1.0}, "-1.0 is not a tolerance"),
    ("too many fields", b"", {"key_fields": ("a", "b", "c", "d")}, "must name one to 3 fields"),
    ("no memory", b"", {"memory_bytes": 1}, "memory_bytes must be at least"),
    (
        "a tolerance for rows without a key",
        b"[1]",
        {"tolerance": 1.0, "key_fields": ()},
        "a tolerance needs rows with a key",
    ),
]


@pytest.mark.parametrize(("after", "options", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refusals(tmp_path: Path, after: bytes, options: dict[str, Any], message: str) -> None:
    with pytest.raises((Invalid, TooLarge)) as refused:
        compared(b'{"id":1}\n', after, tmp_path, **{"key_fields": ("id",), **options})
    assert message in refused.value.message


def test_a_source_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    rows = ndjson([{"id": i, "v": 1} for i in range(100)])
    for passing in (False, True):
        for other in (rows.replace(b'"v": 1', b'"v": 3'), b""):
            before, after = Text(rows, passing=passing), Text(rows.replace(b"1}", b"2}"), passing=passing)

            def change(_: int, __: int, phase: str, *, after: Text = after, other: bytes = other) -> None:
                if phase == "check":
                    after.text = other

            with pytest.raises(Conflict, match="changed while they were compared"):
                rowdelta.compare(before, after, rowdelta.Options(spill_directory=tmp_path), change)


class Gone(DeltaError):
    pass


@pytest.mark.parametrize("last", ["before", "after", "join", "check"])
def test_work_ends_when_its_caller_leaves(tmp_path: Path, last: str) -> None:
    def leave(_: int, __: int, phase: str) -> None:
        if phase == last:
            raise Gone("gone")

    rows = [{"id": i} for i in range(500)]
    options = rowdelta.Options(spill_directory=tmp_path, memory_bytes=TINY)
    with pytest.raises(Gone):
        rowdelta.compare(Text(ndjson(rows)), Text(ndjson(rows[3:])), options, leave)
    assert list(tmp_path.iterdir()) == []


def test_operations_are_left_early(tmp_path: Path) -> None:
    rows = ndjson([{"id": i} for i in range(500)])
    phases = []
    options = rowdelta.Options(spill_directory=tmp_path, memory_bytes=TINY)
    with rowdelta.compare(
        Text(b"", passing=True), Text(rows, passing=True), options, lambda *at: phases.append(at)
    ) as delta:
        ops = delta.ops()
        assert json.loads(next(ops)) == {"op": "add", "key": {"id": 0}, "after": {"id": 0}}
        ops.close()
        assert len(list(delta.ops())) == 501, "they can be read again"
    assert list(tmp_path.iterdir()) == []
    assert phases[-1] == (0, 500, "write")
    assert {phase for _, _, phase in phases} == {"after", "join", "check", "write"}


# An assistant


class Beside:
    """Does as another process would, but where `fails`."""

    def __init__(
        self, fields: tuple[str, ...], chosen: Settings, *, fails: bool = False, reads: Sequence[Side] = ()
    ) -> None:
        self.maker, self.checker = EntryMaker(fields, chosen), Checker(fields, chosen)
        self.pair_checker = PairChecker(fields, chosen)
        self.fails, self.made, self.read = fails, Counter[str](), reads
        self.given: list[tuple[str, Callable[[], bytes]]] = []
        self.most_given = 0
        self.read_at: dict[Side, ReadAt] = {}
        self.spill: SpillFile | None = None

    def is_ready(self) -> bool:
        return True

    def reads(self, side: Side) -> bool:
        return side in self.read

    def moved(self, side: Side) -> None:
        assert self.spill is not None
        self.read = [*self.read, side]
        self.read_at[side] = self.spill.read

    def give(self, side: Side, offset: int, blocks: list[bytes]) -> None:
        self.given.append(("batch", lambda: self.maker.parted(blocks, offset)))
        self.most_given = max(self.most_given, len(self.given))

    def give_part(self, before: bytes, after: bytes) -> None:
        self.given.append(("part", lambda: joining.packed(joining.join(before, after))))

    def give_left(self, side: Side, entries: bytes) -> None:
        read_at = self.read_at[side]
        self.given.append(("left", lambda: self.checker.beside(entries, read_at)))

    def give_pairs(self, given_pairs: bytes, *, with_lines: bool) -> None:
        before, after = self.read_at["before"], self.read_at["after"]
        make = partial(self.pair_checker.beside, given_pairs, before, after, with_lines=with_lines)
        self.given.append(("pairs", make))

    def take(self) -> bytes:
        kind, make = self.given.pop(0)
        made = b"" if self.fails else make()
        self.made[kind] += bool(made)
        return made


def assisted(before: bytes, after: bytes, directory: Path, *, passing: bool = False, **kind: Any) -> tuple[Any, Beside]:
    options = rowdelta.Options(spill_directory=directory, key_fields=("id",), memory_bytes=TINY, max_row_bytes=100)
    made: list[Beside] = []

    def begin(fields: tuple[str, ...], chosen: Settings, _: object) -> Any:
        made.append(Beside(fields, chosen, **kind))
        made[0].read_at = {side: text.read_at for side, text in named.items() if text.read_at is not None}
        made[0].spill = spill
        return nullcontext(made[0])

    with SpillFile(directory) as spill:
        named: dict[Side, Text] = {"before": Text(before, passing=passing), "after": Text(after)}
        found = Comparison(
            named["before"], named["after"], options, spill=spill, progress=lambda *_: None, assistant=begin
        )
        lines = list(writing.ndjson(found.lines(), found.summary))
        assert lines[:-1] == [msgspec.json.encode(operation) + b"\n" for operation in found.operations()]
        return (found.summary, lines), made[0]


def test_an_assistant_changes_nothing_that_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 300)
    monkeypatch.setattr(joining, "_WORTH_BYTES", 1)
    monkeypatch.setattr(checking, "_WORTH", 1)
    monkeypatch.setattr(pairs, "_WORTH", 1)
    monkeypatch.setattr(operations, "_BATCH", 9)
    chance = Random(3)
    rows = [{"id": i % 990, "v": chance.random()} for i in range(1000)]
    changed = [{"id": row["id"] + 1000 * (i % 9 == 1), "v": 1.5} if i % 9 else row for i, row in enumerate(rows)]
    before, after = ndjson(rows[::-1]), ndjson(changed)
    before = before.replace(b"\n", b"\n\n", 7)
    alone, none = assisted(before, after, tmp_path, fails=True)
    helped, some = assisted(before, after, tmp_path)
    ahead, ahead_made = assisted(before, after, tmp_path, reads=["after"])
    both, both_made = assisted(before, after, tmp_path, reads=["before", "after"])
    moved, moved_made = assisted(before, after, tmp_path, passing=True, reads=["after"])
    assert helped == alone == ahead == both == moved
    pairs_made = [made.made["pairs"] > 5 for made in (none, some, ahead_made, both_made, moved_made)]
    assert pairs_made == [False, False, False, True, True]
    assert (+none.made, some.made["batch"] > 5, ahead_made.made["batch"] > 5) == (Counter(), True, True)
    assert (some.made["part"] > 5, some.made["left"], ahead_made.made["left"] > 5) == (True, 0, True)
    assert (none.most_given, some.most_given, ahead_made.most_given) == (1, 1, reading.AHEAD + 1)
    assert assisted(before, after, tmp_path, fails=True, reads=["before", "after"])[0] == alone


LINES = [
    ("in its batch", 3, b"x", "after, line 4: it is not valid JSON"),
    ("in ours", 97, b"x", "after, line 98: it is not valid JSON"),
    ("too large", 97, b'"' + b"x" * 200 + b'"', "after, line 98: a row has more than"),
    ("without a key", 3, b"{}", "after: 1 of 100 rows lack the key field id, the first in line 4"),
]


@pytest.mark.parametrize("reads", [(), ("after",)])
@pytest.mark.parametrize(("place", "line", "message"), [row[1:] for row in LINES], ids=[row[0] for row in LINES])
def test_with_an_assistant_lines_have_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int, line: bytes, message: str, reads: Sequence[Side]
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    lines = [b'{"id":%d}' % i for i in range(100)]
    lines[place] = line
    with pytest.raises((Invalid, TooLarge)) as refused:
        assisted(b"", b"\n".join(lines), tmp_path, reads=reads)
    assert message in refused.value.message
