"""Pairs of JSON documents for the tests of the diff: a random document, and a version of it changed here and there."""

import json
from random import Random
from typing import Any

from hypothesis import strategies as st

SCALARS = [0, 1, 2, -1, 1.5, 100, 1e22, -0.0, True, False, None, "", "a", "b", "ü/~", "1", 'q"\\\n', "😀"]
NAMES = ["a", "b", "c", "id", "d/~", "é", "", '"', "0"]


def value(chance: Random, depth: int = 0) -> Any:
    kind = chance.random()
    if depth > 4 or kind < 0.4:
        return chance.choice(SCALARS)
    if kind < 0.55:
        return [value(chance, depth + 1) for _ in range(chance.randrange(6))]
    if kind < 0.7:
        return [record(chance, number, depth) for number in chance.sample(range(12), chance.randrange(9))]
    if kind < 0.78:
        return [chance.randrange(4) for _ in range(chance.randrange(12))]
    return {chance.choice(NAMES): value(chance, depth + 1) for _ in range(chance.randrange(6))}


def record(chance: Random, number: int, depth: int) -> dict[str, Any]:
    return {"id": number, "name": f"n{number}", "count": chance.randrange(3), "inner": value(chance, depth + 2)}


def changed(chance: Random, old: Any) -> Any:
    if chance.random() < 0.1:
        return value(chance, 2)
    if isinstance(old, list):
        return _changed_array(chance, [changed(chance, item) if chance.random() < 0.3 else item for item in old])
    if isinstance(old, dict):
        new = {k: (changed(chance, v) if chance.random() < 0.4 else v) for k, v in old.items() if chance.random() > 0.1}
        if chance.random() < 0.2:
            new[chance.choice(NAMES)] = value(chance, 3)
        return new
    return old


def _changed_array(chance: Random, items: list[Any]) -> list[Any]:
    for _ in range(chance.randrange(4)):
        what = chance.randrange(5)
        if what == 0 and items:
            items.pop(chance.randrange(len(items)))
        elif what == 1:
            items.insert(chance.randrange(len(items) + 1), value(chance, 3))
        elif what == 2 and items:
            items.insert(chance.randrange(len(items)), items.pop(chance.randrange(len(items))))
        elif what == 3:
            chance.shuffle(items)
    return items


def text(chance: Random, document: Any) -> bytes:
    """The document written in one of several styles: indented or not, escaped or not, members in any order."""
    if isinstance(document, dict) and chance.random() < 0.3:
        document = dict(sorted(document.items()))
    indent = chance.choice([None, None, 1, 4])
    return json.dumps(document, indent=indent, ensure_ascii=chance.random() < 0.5).encode()


@st.composite
def pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Two versions of a document, as bytes."""
    chance = draw(st.randoms(use_true_random=False))
    before = value(chance)
    return text(chance, before), text(chance, changed(chance, before))


def plain(document: Any) -> Any:
    """With whole floats as integers, so that Python compares numbers by value and still tells 1 from True."""
    if isinstance(document, float) and document.is_integer():
        return int(document)
    if isinstance(document, list):
        return [plain(item) for item in document]
    if isinstance(document, dict):
        return {name: plain(item) for name, item in document.items()}
    return document


def same(a: Any, b: Any) -> bool:
    """Whether two decoded documents are the same JSON value."""
    return json.dumps(plain(a), sort_keys=True) == json.dumps(plain(b), sort_keys=True)
