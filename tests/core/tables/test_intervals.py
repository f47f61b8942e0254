"""Intervals against each version read alone: at any time the rows in force are the records of the version in force."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.diff.diff_settings import DiffSettings, Rules, rules
from delta_server.core.errors import Invalid, TooCostly
from delta_server.core.tables import intervals, request
from delta_server.core.tables.intervals import IntervalReader
from delta_server.core.tables.request import FOREVER_MS, TableRequest, rules_at

DAY = 86_400_000
START = 20_000 * DAY
KEYED = rules_at("/a", rules(DiffSettings(array_keys={"/a": ["id"]}), ()))


class MemoryRows:
    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.samples: list[tuple[int, int]] = []

    def begin(self, key: str | None, record: bytes, at_ms: int, snapshot: bytes) -> int:
        self.rows.append([key, msgspec.json.decode(record), at_ms, FOREVER_MS, snapshot])
        return len(self.rows) - 1

    def end(self, row: int, at_ms: int) -> None:
        self.rows[row][3] = at_ms

    def sample(self, at_ms: int, rows: Sequence[int]) -> None:
        self.samples += [(at_ms, row) for row in rows]

    def at(self, time_ms: int) -> list[Any]:
        return [row[1] for row in self.rows if row[2] <= time_ms < row[3]]


def read(versions: Sequence[tuple[int, Any]], wanted: TableRequest, known: Rules | None = KEYED) -> MemoryRows:
    rows = MemoryRows()
    reader = IntervalReader(wanted, known, rows)
    for at_ms, document in versions:
        body = document if isinstance(document, bytes) else msgspec.json.encode(document)
        reader.read(at_ms, at_ms.to_bytes(16), body)
    reader.finish(versions[-1][0] + 10 * DAY)
    return rows


def same(found: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """In whatever order, and so their members."""
    return sorted([msgspec.json.encode(row, order="sorted") for row in found]) == sorted(
        [msgspec.json.encode(row, order="sorted") for row in wanted]
    )


values = st.integers(0, 2) | st.none() | st.just("x")
elements = st.fixed_dictionaries({"id": st.integers(0, 4)}, optional={"v": values, "w": values}) | st.integers(0, 1)
arrays = st.lists(elements, max_size=6)
maps = st.dictionaries(st.sampled_from(["p", "q", "r/s"]), values, max_size=3)
histories = st.lists(arrays | maps | st.just(None), min_size=1, max_size=8)


@given(histories, st.integers(-1, 20), st.integers(0, 20))
def test_rows_in_force_are_the_records(history: list[Any], first: int, length: int) -> None:
    versions = [(START + 2 * number, {"a": value}) for number, value in enumerate(history)]
    rows = read(versions, TableRequest(array="/a"))
    for number, (at_ms, document) in enumerate(versions):
        wanted = document["a"]
        wanted = list(wanted.values()) if isinstance(wanted, dict) else wanted or []
        assert same(rows.at(at_ms), wanted)
        assert same(rows.at(at_ms + 1), wanted), number
    for row in rows.rows:
        assert row[2] < row[3]
        assert row[2].to_bytes(16) == row[4]
    within = START + first, START + first + length
    some = read(versions, TableRequest(array="/a", from_ms=within[0], to_ms=within[1]))
    overlapping = [row for row in rows.rows if row[2] < within[1] and row[3] > within[0] and length]
    assert same(some.rows, overlapping)


@given(histories, st.integers(0, 2))
def test_samples_are_what_was_in_force(history: list[Any], shift: int) -> None:
    versions = [(START + number * DAY - shift, {"a": value}) for number, value in enumerate(history)]
    rows = read(versions, TableRequest(array="/a", every_ms=DAY, from_ms=START, to_ms=START + 12 * DAY))
    whole = read(versions, TableRequest(array="/a"))
    end = min(START + 12 * DAY, versions[-1][0] + 10 * DAY + 1)
    for moment in range(START, end, DAY):
        found = [rows.rows[row][1] for at_ms, row in rows.samples if at_ms == moment]
        assert same(found, whole.at(moment))
    assert all(START <= at_ms < end and at_ms % DAY == 0 for at_ms, _ in rows.samples)


def test_what_is_only_written_in_another_way_goes_on() -> None:
    versions = [
        (START, b'{"a": [{"id": 1, "v": 1.0}, {"id": 2}]}'),
        (START + 1, b'{"a": [{"id": 2}, {"v": 10e-1, "id": 1.0}]}'),
        (START + 2, b'{"a": [ {"id":"1","v":2},{"id":2} ]}'),
    ]
    rows = read(versions, TableRequest(array="/a"))
    assert [(row[0], row[2] - START) for row in rows.rows] == [("1", 0), ("2", 0), ("1", 2)]
    assert rows.rows[0][3] == START + 2


def test_only_the_fields_named_count() -> None:
    versions = [(START + n, {"a": [{"id": 1, "v": n, "w": {"x": n // 2}}]}) for n in range(4)]
    rows = read(versions, TableRequest(array="/a", fields=("/w/x", "/missing")))
    assert [row[1:4] for row in rows.rows] == [[{"0": 0}, START, START + 2], [{"0": 1}, START + 2, FOREVER_MS]]
    rows = read(versions, TableRequest(array=None, fields=("/a/[id=1]/w/x",)))
    assert [row[:3] for row in rows.rows] == [[None, {"0": 0}, START], [None, {"0": 1}, START + 2]]


def test_the_document_is_the_array() -> None:
    versions = [(START + n, [{"id": 1, "v": n // 2}, {"id": 2}]) for n in range(4)]
    rows = read(versions, TableRequest(array=""))
    assert [(row[0], row[2] - START) for row in rows.rows] == [("1", 0), ("2", 0), ("1", 2)]
    rows = read([(START, b' {"x": {"v": 1}, "y": {"v": 2}} \n')], TableRequest(array=""))
    assert [row[:2] for row in rows.rows] == [["x", {"v": 1}], ["y", {"v": 2}]]


@given(st.lists(st.lists(st.integers(0, 5) | st.fixed_dictionaries({"id": st.integers(0, 9)}), max_size=9), max_size=6))
def test_what_is_read_of_an_array_alone_is_what_all_of_it_says(history: list[list[Any]]) -> None:
    versions = [(START + n, {"a": value, "n": 1}) for n, value in enumerate(history)] or [(START, {})]
    rows = read(versions, TableRequest(array="/a"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IntervalReader, "_of_middle", lambda reader, middle: None)
        whole = read(versions, TableRequest(array="/a"))
    assert same(rows.rows, whole.rows)


def test_a_key_that_nobody_named_is_found() -> None:
    versions = [(START + n, {"a": [{"code": f"c{i}", "v": n * i} for i in range(3)]}) for n in range(2)]
    rows = read(versions, TableRequest(array="/a"), None)
    assert [row[0] for row in rows.rows] == ["c0", "c1", "c2", "c1", "c2"]
    rows = read(versions, TableRequest(array="/a", key=("v", "code")), None)
    assert rows.rows[1][0] == "v=0,code=c1"


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "MOST_RECORDS", 3)
    with pytest.raises(TooCostly):
        read([(START, {"a": list(range(4))})], TableRequest(array="/a"))
    monkeypatch.setattr(intervals, "MOST_MOMENTS", 3)
    with pytest.raises(TooCostly):
        read([(START, {"a": [1]})], TableRequest(array="/a", every_ms=1))


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: request.fields_of(["a"]), "fields"),
        (lambda: request.fields_of(["/a,/b,/a"]), "fields"),
        (lambda: request.fields_of(["/a/*"]), "fields"),
        (lambda: request.fields_of(["/a~2"]), "fields"),
        (lambda: request.fields_of([f"/{n}" for n in range(201)]), "fields"),
        (lambda: request.key_of("a,b,c,d"), "key"),
        (lambda: request.key_of("a,"), "key"),
        (lambda: request.key_of("a,a"), "key"),
        (lambda: request.key_of("a~"), "key"),
        (lambda: request.check_array("a"), "array"),
        (lambda: request.check_array("/**"), "array"),
    ],
)
def test_refused(make: Any, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        make()
    assert [error.field for error in refusal.value.errors] == [field]


def test_fields_with_commas() -> None:
    path = '/a/[state=6,county="Alpine, CA"]/v'
    assert request.fields_of([f"/x,{path}", "/y"]) == ("/x", path, "/y")
    assert request.column_names(("/x/y", path, "")) == ["x.y", 'a.[state=6,county="Alpine, CA"].v', "value"]


def test_many_equal_elements_take_little() -> None:
    body = b'{"a": [' + b",".join([b"1"] * 20_000) + b"]}"
    rows = read([(START, body), (START + 1, b'{"a": [1]}')], TableRequest(array="/a"))
    assert len(rows.at(START)) == 20_000
    assert len(rows.at(START + 1)) == 1
