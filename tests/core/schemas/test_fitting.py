"""What does not fit a schema: every place, unless there may be so many that holding them takes much memory."""

from typing import Any

import msgspec
import pytest

from delta_server.core.schemas.fitting import Misfit, misfits_of
from delta_server.core.sync import record_schema

NAMES = [f"k{n}" for n in range(6_000)]
ROWS = {"items": {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]}}


@pytest.mark.parametrize(
    ("schema", "document", "expected"),
    [
        pytest.param({"items": {"required": NAMES}}, [{}] * 3_000, 1, id="many required members"),
        pytest.param({"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"required": NAMES}}}, [{}] * 99, 1, id="a $ref"),
        pytest.param({"allOf": [{"items": {"allOf": [{"not": {}}] * 900}}]}, [1] * 900, 1, id="nested"),
        pytest.param({"allOf": [{"type": "integer"}] * 200}, "x" * 1_000_000, 1, id="copies of a long text"),
        pytest.param({"required": NAMES[:30]}, {}, 30, id="few"),
        pytest.param(ROWS, [{"a": 1, "b": "x"}] * 2_000 + [{"a": "1"}, {"b": 1}], 3, id="many rows, few misfits"),
        pytest.param(ROWS, [{"a": "1"}] * 80, 50, id="the first 50"),
        pytest.param({"items": False}, [1, 2], 2, id="nothing fits"),
        pytest.param({"items": {"enum": NAMES}}, ["k5999"] * 6_000, 0, id="fits"),
    ],
)
def test_how_many(schema: dict[str, Any], document: Any, expected: int) -> None:
    [found] = misfits_of(record_schema.check(schema), [msgspec.json.encode(document)])
    assert len(found) == expected
    assert all(len(each.reason) <= 300 for each in found)


def test_numbers_beyond_floats_are_numbers() -> None:
    text = record_schema.check({"items": {"type": "number"}})
    assert misfits_of(text, [b"[1e400,-1e400," + b"9" * 6_000 + b"]"]) == [[]]
    assert misfits_of(text, [b'[1e400,"a"]']) == [[Misfit("/1", '"a" is not of type "number"')]]
