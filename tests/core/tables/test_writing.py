"""Lines for Parquet say of each row what the other forms say."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.tables import writing
from delta_server.core.tables.shape import Shape
from delta_server.storage.tables.interval_file import Interval

NAMES = writing.fixed(is_sampled=False, has_key=True)
texts = st.sampled_from(["", "x", 'a"\\', "\0é", "null"])
scalars = (
    st.none() | st.booleans() | st.integers(-3, 1 << 70) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
below = st.recursive(
    scalars, lambda each: st.lists(each, max_size=2) | st.dictionaries(st.sampled_from("abc"), each, max_size=3)
)
objects = st.dictionaries(st.sampled_from(["a", "b", "a.b", 'q"']), below, max_size=4)


@given(st.lists(objects, max_size=6) | st.lists(below, max_size=4))
def test_lines_for_parquet(records: list[Any]) -> None:
    shape = Shape()
    rows = []
    for number, record in enumerate(records):
        raw = msgspec.json.format(msgspec.json.encode(record), indent=2 * (number % 2) - 1)
        shape.learn(raw)
        rows.append(Interval(f"k{number}", raw, 10 * number, None if number % 3 else 5, bytes(16)))
    columns = shape.columns(NAMES)
    lines = list(writing.parquet_lines(NAMES, columns, rows))
    shown = b"".join(writing.pieces("ndjson", NAMES, columns, rows)).splitlines()
    for row, line, other in zip(rows, lines, shown, strict=True):
        found = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        assert (bytes(found["f0"]), bytes(found["f1"])) == (msgspec.json.encode(row.key), b"%d" % row.begin_ms)
        assert bytes(found["f2"]) == (b"null" if row.end_ms is None else b"%d" % row.end_ms)
        wanted = msgspec.json.decode(other, type=dict[str, msgspec.Raw])
        cells = {name: value for name, value in found.items() if name[0] == "c"}
        assert b"null" not in map(bytes, cells.values())
        expected = {}
        for number, column in enumerate(columns):
            raw = bytes(wanted[column.name])
            if raw != b"null":
                is_text = column.type in ("text", "json") and raw[:1] != b'"'
                expected[f"c{number}"] = msgspec.json.encode(raw.decode()) if is_text else raw
        assert {name: bytes(value) for name, value in cells.items()} == expected
