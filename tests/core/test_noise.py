import json
from typing import Any

import pytest

from delta_server.core.noise import MAX_FIELDS, fields


def _found(first: Any, second: Any) -> list[tuple[str, int, int, bool]]:
    found = fields(json.dumps(first).encode(), json.dumps(second).encode())
    return [(field.pattern, field.differs, field.of, field.noise) for field in found]


def _rows(*mags: float, at: int = 0) -> list[dict[str, Any]]:
    return [{"id": f"q{number}", "mag": mag, "seen": at} for number, mag in enumerate(mags)]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"at": 1, "a": 2}, {"at": 1, "a": 2}, [("/at", 0, 1, False), ("/a", 0, 1, False)]),
        ({"a": 2, "at": 1}, {"a": 2, "at": 9}, [("/at", 1, 1, True), ("/a", 0, 1, False)]),
        (
            {"rows": _rows(1, 2, 3), "n": {"a~/b": 1}},
            {"rows": _rows(1, 2.5, 3, at=7), "n": {"a~/b": 2}},
            [
                ("/rows/*/seen", 3, 3, True),
                ("/rows/*/mag", 1, 3, True),
                ("/n/a~0~1b", 1, 1, True),
                ("/rows/*/id", 0, 3, False),
            ],
        ),
        ({"a": [1]}, {"a": [1, 2]}, [("/a/*", 0, 2, False)]),
        ({"a": 1}, {"b": 1}, [("/b", 0, 1, False)]),
        (1, 2, [("", 1, 1, True)]),
        ({"m": {f"k{n}": 1 for n in range(70)}}, {"m": {f"k{n}": 2 for n in range(70)}}, [("/m/*", 70, 70, True)]),
        ({"e": [], "o": {}}, {"e": [], "o": {}}, [("/e", 0, 1, False), ("/o", 0, 1, False)]),
    ],
)
def test_fields_that_differ_come_first(first: Any, second: Any, expected: Any) -> None:
    assert _found(first, second) == expected


def test_what_stood_in_the_first_answer_is_known_of_the_first_that_differs() -> None:
    first = {"rows": _rows(1, 2, 3), "at/": 1, "text": "a" * 500}
    second = {"rows": [{"id": "new", "mag": 1, "seen": 0}, *_rows(1, 2.5, 3.5)], "at/": 2, "text": "b"}
    found = {field.pattern: field for field in fields(json.dumps(first).encode(), json.dumps(second).encode())}
    shown = {pattern: (field.first.path, bytes(field.first.before)) for pattern, field in found.items() if field.first}
    assert shown.pop("/text")[1].startswith(b'"aaa')
    assert shown == {"/rows/*/mag": ("/rows/2/mag", b"2"), "/at~1": ("/at~1", b"1")}
    assert [pattern for pattern, field in found.items() if field.same] == ["/rows/*/seen"]


def test_bytes_are_about_those_of_the_document() -> None:
    document = json.dumps({"rows": _rows(*range(100)), "x": "y" * 500}, separators=(",", ":")).encode()
    assert sum(field.bytes for field in fields(document, document)) == pytest.approx(len(document), rel=0.1)


def test_numbers_and_depth_are_no_matter() -> None:
    assert fields(b'{"a": 1.10}', b'{"a": 1.1}')[0].differs == 0
    assert fields(b"[" * 500 + b"]" * 500, b"[" * 500 + b"]" * 500)[0].pattern == "/*" * 499
    many = json.dumps({f"k{number}": number for number in range(6000)}).encode()
    assert len(fields(many, many)) == MAX_FIELDS
