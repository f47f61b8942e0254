"""What a schema may be, and what records fit."""

from typing import Any

import msgspec
import pytest

from delta_server.core.errors import Invalid
from delta_server.core.sync import record_schema

DOUBLING = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i - 1}"}] * 2} for i in range(1, 19)}


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        pytest.param({"type": "text"}, "not a schema of JSON", id="no such type"),
        pytest.param({"pattern": "(?=a)"}, "not a schema of JSON", id="a pattern that may take for ever"),
        pytest.param({"pattern": "([ab]*[ab]){1,1500}c"}, "not a schema of JSON", id="a pattern that is large to run"),
        pytest.param({"$ref": "https://example.com/a"}, "in the schema itself", id="elsewhere"),
        pytest.param({"$ref": "file:///etc/passwd"}, "in the schema itself", id="a file"),
        pytest.param({"$defs": {"a": {"$ref": "https://example.com/a"}}}, "in the schema itself", id="unused"),
        pytest.param({"$ref": "#"}, "leads back", id="itself"),
        pytest.param({"properties": {"a": {"$ref": "#"}}}, "leads back", id="itself, deeper"),
        pytest.param({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "leads back", id="in turns"),
        pytest.param({"$ref": "#/$defs/a"}, "leads nowhere", id="nowhere"),
        pytest.param({"$ref": "#/$defs/a18", "$defs": {"a0": {}, **DOUBLING}}, "2000 parts", id="doubling"),
        pytest.param({"$id": "https://example.com"}, "no $id", id="a name of its own"),
        pytest.param({"unevaluatedProperties": False}, "no unevaluated", id="what takes long"),
        pytest.param({"title": "a" * 70_000}, "65536 bytes", id="large"),
    ],
)
def test_refused(schema: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says.replace("$", r"\$")):
        record_schema.check(schema)


def test_deep_schemas_are_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"not": deep}
    with pytest.raises(Invalid, match="levels deep"):
        record_schema.check(deep)
    chain = {f"a{i}": {"$ref": f"#/$defs/a{i + 1}"} for i in range(30)}
    with pytest.raises(Invalid, match="times at most"):
        record_schema.check({"$defs": {**chain, "a30": {}}})


def test_records() -> None:
    schema = record_schema.check(
        {
            "$defs": {"text": {"type": "string", "pattern": "^[a-z]+$"}},
            "properties": {"a/b": {"$ref": "#/$defs/text"}, "n": {"type": "integer", "maximum": 1e30}},
            "required": ["n"],
        }
    )
    contents = [
        b'{"n": 1, "a/b": "abc"}',
        b'{"n": 1, "a/b": 7}',
        b"{}",
        b'{"n": 100000000000000000000}',
        b'{"n": 1, "t": "\\ud83d"}',
        None,
        b'{"n": ' + b"1" * 5000 + b"}",
    ]
    first, second, third, *others, last = record_schema.refusals(schema, contents)
    assert (first, others) == (None, [None, None, None])
    assert str(second).startswith("at /a~1b: 7 is not of type")
    assert str(third).startswith("at the top:")
    assert last is not None
    assert record_schema.is_quick(schema, [300] * 1000)
    assert not record_schema.is_quick(schema, [1 << 20])


@pytest.mark.parametrize(
    ("schema", "size", "expected"),
    [
        ({"properties": {"pattern": {"type": "string"}, "enum": {"enum": ["a", "b"]}}}, 10_000, True),
        ({"items": {"required": [f"k{n}" for n in range(6_000)]}}, 450, False),
        ({"items": {"enum": [*range(11_000), 1.5, "x"]}}, 450, False),
        ({"enum": list(range(40))}, 3_000, False),
        ({"properties": {"a": {"pattern": "^a+$"}}}, 2_000, True),
        ({"properties": {"a": {"pattern": "^a+$"}}}, 3_000, False),
        ({"patternProperties": {"^a": {}}}, 3_000, False),
        ({"items": {"format": "regex"}}, 3_000, False),
        ({"$defs": {"a": {"required": ["b"] * 300}}, "allOf": [{"$ref": "#/$defs/a"}] * 2}, 10, False),
    ],
)  # fmt: skip
def test_quick(schema: dict[str, Any], size: int, expected: bool) -> None:
    assert record_schema.is_quick(msgspec.json.encode(schema).decode(), [size]) is expected


def test_stored_schemas_keep_their_larger_patterns() -> None:
    assert record_schema.refusals('{"pattern":"([ab]*[ab]){1,1500}c"}', [b'"abc"']) == [None]
