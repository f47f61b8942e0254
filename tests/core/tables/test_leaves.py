"""Values outside of arrays, against each version read alone."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import TooCostly
from delta_server.core.json import pointer
from delta_server.core.tables import leaves
from delta_server.core.tables.leaves import LeafReader
from tests.core.tables.test_intervals import MemoryRows

values = st.recursive(
    st.integers(0, 2) | st.none() | st.just([1]) | st.just("x"),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b/c", ""]), inner, max_size=3),
    max_leaves=6,
)


def flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {
            place: leaf
            for name, below in value.items()
            for place, leaf in flat(below, f"{path}/{pointer.escape(name)}").items()
        }
    return {} if isinstance(value, list) else {path: value}


def read(versions: list[bytes]) -> MemoryRows:
    rows = MemoryRows()
    reader = LeafReader(rows)
    for number, body in enumerate(versions):
        reader.read(number, number.to_bytes(16), body)
    return rows


@given(st.lists(values, min_size=1, max_size=6))
def test_rows_in_force_are_the_leaves(history: list[Any]) -> None:
    rows = read([msgspec.json.encode(value) for value in history]).rows
    for number, value in enumerate(history):
        assert {row[0]: row[1] for row in rows if row[2] <= number < row[3]} == flat(value)
    for earlier, later in pairwise(rows):
        assert earlier[2] <= later[2]
    changes = [(row[0], row[2]) for row in rows]
    assert len(changes) == len(set(changes))


def test_what_is_only_written_in_another_way_goes_on() -> None:
    assert len(read([b'{"a":1.0, "b": "x"}', b' {"b": "\\u0078","a": 1}']).rows) == 2


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = b'{"a":' * 40 + b"1" + b"}" * 40
    [row] = read([deep]).rows
    assert row[0] == "/a" * leaves.MOST_DEPTH
    monkeypatch.setattr(leaves, "MOST_LEAVES", 2)
    assert len(read([b'{"a": 1, "b": 2}', b'{"a": 1, "c": 2}']).rows) == 3
    with pytest.raises(TooCostly):
        read([b'{"a": 1, "b": 2, "c": 3}'])
