"""Schemas as JSON Schema, TypeScript, Python and lists of fields; what changes of them are called."""

import sys
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.schemas import changes, fields, json_schema, python_structs, steps, typescript
from delta_server.core.schemas.fitting import misfits_of
from delta_server.core.schemas.learning import Learner
from delta_server.core.schemas.presenting import presented
from delta_server.core.schemas.shape import Shape
from delta_server.core.schemas.texts import format_name, formats_of
from delta_server.core.sync import record_schema
from tests.often import FUZZ

ORDER = {
    "id": "018f3b2e-0000-7000-8000-000000000001",
    "at": "2026-05-01T10:00:00Z",
    "day": "2026-05-01",
    "state": "open",
    "lines": [{"sku": "A-1", "price": 2.5, "class": 1}, {"sku": "A-2", "price": None}],
    "by day": {"2026-05-01": {"n": 1}},
    "site": "https://example.com/",
    "1 odd name": True,
}
MANY = {f"n{chr(97 + n // 26)}{chr(97 + n % 26)}": 1 for n in range(300)}
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=4), below, max_size=4),
    max_leaves=12,
)


def learned(*documents: Any) -> Shape:
    learner = Learner()
    for document in documents:
        learner.learn(msgspec.json.encode(document))
    return learner.shape()


def imported(text: str) -> ModuleType:
    module = ModuleType("generated_of_test")
    sys.modules[module.__name__] = module
    exec(text, module.__dict__)
    return module


def test_json_schema() -> None:
    written = json_schema.json_schema(presented(learned(ORDER, {**ORDER, "state": "done"})), 30, title="orders")
    assert written["title"] == "orders"
    assert written["properties"]["at"] == {
        "type": "string",
        "format": "date-time",
        "examples": ["2026-05-01T10:00:00Z"],
    }
    assert written["properties"]["state"] == {"type": "string", "enum": ["done", "open"]}
    line = written["properties"]["lines"]["items"]
    assert line["required"] == ["price", "sku"]
    assert line["properties"]["price"] == {"type": ["null", "number"], "minimum": 2.5, "maximum": 2.5}
    assert written["properties"]["by day"] == {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 1}},
            "required": ["n"],
        },
    }


def test_typescript() -> None:
    text = typescript.typescript(presented(learned(ORDER)), 1, name="Order")
    assert '  "1 odd name": boolean;' in text
    assert "  lines: Array<{\n    class?: number;\n    price: number | null;\n    sku: string;\n  }>;" in text
    assert '  "by day": Record<string, {\n    n: number;\n  }>;' in text
    assert "  at: string; // date-time" in text


def test_python() -> None:
    text = python_structs.python_structs(presented(learned(ORDER)), 1, name=python_structs.class_name("my orders"))
    order = msgspec.json.decode(msgspec.json.encode(ORDER), type=imported(text).MyOrders)
    assert order.lines[0].class_ == 1
    assert order.lines[1].price is None
    assert order.by_day["2026-05-01"].n == 1
    assert msgspec.json.decode(msgspec.json.encode(order)) == ORDER


@settings(max_examples=60 * FUZZ, deadline=None)
@given(st.lists(values, min_size=1, max_size=4))
def test_what_is_written_fits_the_documents(documents: list[Any]) -> None:
    from jsonschema_rs import Draft202012Validator

    shape = presented(learned(*documents))
    for written in (json_schema.json_schema(shape, 30), json_schema.frozen(shape)):
        validator = Draft202012Validator(written, validate_formats=True)
        for document in documents:
            validator.validate(document)
    of_python = imported(python_structs.python_structs(shape, 30, name="Whole"))
    if shape.types == 32:
        for document in documents:
            msgspec.json.decode(msgspec.json.encode(document), type=of_python.Whole)
    list(fields.fields(shape, 30))
    typescript.typescript(shape, 30, name="Whole")


@pytest.mark.parametrize(
    "value",
    [
        "http://ex.com/a|b", "http://ex.com/?q=[1]", "https://ex.com/a%zz", "http://ex.com/#a#b", "http://[",
        "http://a@b@c/", "2026-02-30", "2026-13-45T29:59:69Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00+99:99",
        "2026-06-30T12:59:60Z", "0000-00-00", "a..b@c.de", "a@c-.de", ".a@c.de", "a.@c.de", "a@ab--c.de",
        "a" * 65 + "@c.de", 1 << 60, 9007199254740993, -9007199254740993, (1 << 63) - 1, 1e308, msgspec.Raw(b"1e400"),
        msgspec.Raw(b"9" * 400),
    ],
)  # fmt: skip
def test_odd_values_fit_what_is_learned_of_them(value: Any) -> None:
    document = msgspec.json.encode({"x": value})
    learner = Learner()
    learner.learn(document)
    for written in (json_schema.json_schema(learner.shape(), 1), json_schema.frozen(learner.shape())):
        assert misfits_of(record_schema.check(written), [document]) == [[]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://ex-a.com:8080/a/%20b?c=d&e#f?", "uri"),
        ("http://localhost", "uri"),
        ("2024-02-29", "date"),
        ("2026-01-01t23:59:59.123-05:30", "date-time"),
        ("a.b+c@mail.c-d.de", "email"),
        ("a b@c.de", None),
        ("2026-1-1", None),
    ],
)
def test_formats(text: str, expected: str | None) -> None:
    assert format_name(formats_of(text)) == expected


def test_frozen_takes_new_members_but_in_maps() -> None:
    shape = presented(learned({"a": "x", "12345": 1, "by": {"12345": 1}}, {"a": "y", "12346": 2, "by": {"12347": 2}}))
    text = record_schema.check(json_schema.frozen(shape))
    [first, second] = misfits_of(text, [b'{"a":"y","12346":2,"note":"x","by":{}}', b'{"a":"y","by":{"1":"x"}}'])
    assert (first, [each.path for each in second]) == ([], ["/by/1"])


@pytest.mark.parametrize("name", ["none", "true", "False", "any", "literal", "array", "record", "7"])
@pytest.mark.parametrize("document", [{"a": ["x"]}, ["x", {"1": 2}]])
def test_names_that_mean_something_in_the_language(name: str, document: Any) -> None:
    chosen, shape = python_structs.class_name(name), presented(learned(document))
    assert chosen.startswith("Schema")
    whole = getattr(imported(python_structs.python_structs(shape, 1, name=chosen)), chosen)
    assert msgspec.json.encode(msgspec.json.decode(msgspec.json.encode(document), type=whole)) == msgspec.json.encode(
        document
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 2}, []),
        ({"a": 1}, {"a": 1, "b": "x"}, [("/b", "added", "compatible", "string")]),
        ({"a": 1, "b": 1}, {"a": 1}, [("/b", "optional", "breaking", None)]),
        ({"a": 1}, {"a": None}, [("/a", "nullable", "breaking", None)]),
        ({"a": 1}, {"a": "x"}, [("/a", "types", "breaking", "integer, string")]),
        ({"a": 1}, {"a": 1.5}, [("/a", "types", "breaking", "number")]),
        ({"a": []}, {"a": [1]}, [("/a/*", "added", "compatible", "integer")]),
        ({"a": "2026-05-01"}, {"a": "soon"}, [("/a", "format", "breaking", None)]),
        ({"a": {}}, {"a": {"1": 2}}, [("/a/*", "added", "compatible", "integer")]),
        ({"a/b": 1}, {"a/b": 1, "c~": {"d": 1}}, [("/c~0", "added", "compatible", "object")]),
        ({}, MANY, [("", "map", "breaking", None), ("/*", "added", "compatible", "integer")]),
    ],
)  # fmt: skip
def test_changes(before: Any, after: Any, expected: list[Any]) -> None:
    first = learned(before)
    found = changes.between(first, learned(before, after))
    assert [(each.path, each.what, each.level, each.now) for each in found] == expected


def test_steps_do_not_depend_on_where_parts_end() -> None:
    documents = [msgspec.json.encode({"a": n, **({"b": n} if n % 3 else {}), f"c{n // 4}": None}) for n in range(12)]
    whole = steps.learn_all(steps.Lesson(documents))
    assert whole.count == 12
    assert [step.number for step in whole.steps][:3] == [0, 1, 4]
    known, found = None, []
    for begin in range(0, 12, 5):
        part = steps.learn_all(steps.Lesson(documents[begin : begin + 5], known))
        known = part.shape
        found += [(begin + step.number, step.changes) for step in part.steps]
    assert known == whole.shape
    assert found == [(step.number, step.changes) for step in whole.steps]


@settings(max_examples=40 * FUZZ, deadline=None)
@given(st.lists(values, min_size=1, max_size=9), st.lists(st.integers(1, 4), min_size=9, max_size=9), st.booleans())
def test_steps_are_the_same_whole_and_in_parts(documents: list[Any], sizes: list[int], is_at_hand: bool) -> None:
    texts = [msgspec.json.encode({"rows": [each, documents[0]], "last": each}) for each in documents]
    whole = steps.learn_all(steps.Lesson(texts))
    known, found, done = None, [], 0
    while done < len(texts):
        before = texts[done - 1] if done and is_at_hand else None
        part = steps.learn_all(steps.Lesson(texts[done : done + sizes.pop()], known, before))
        found += [(done + step.number, step.changes, step.shape) for step in part.steps]
        known, done = part.shape, done + part.count
    assert known == whole.shape
    assert found == [(step.number, step.changes, step.shape) for step in whole.steps]


def test_few_alike_members_that_are_never_always_there_are_a_map() -> None:
    shape = presented(learned(*({f"shop{chr(97 + n)}": {"price": n}} for n in range(9))))
    assert (shape.is_map, list(shape.properties)) == (True, [])
    assert shape.rest is not None
    assert shape.rest.properties["price"].high == 8


def test_dangerous_names_stay_text() -> None:
    odd = '"; import os #\n\u2028'
    shape = presented(learned({odd: odd, "None": 1, "__class__": 2, "": 3, "self": 4, "ünï": 5}))
    module = imported(python_structs.python_structs(shape, 30, name="Odd"))
    found = msgspec.json.decode(
        msgspec.json.encode({odd: odd, "None": 1, "__class__": 2, "": 3, "self": 4, "ünï": 5}), type=module.Odd
    )
    assert msgspec.json.decode(msgspec.json.encode(found))[""] == 3
    assert "\n\u2028" not in typescript.typescript(shape, 1, name="Odd")
