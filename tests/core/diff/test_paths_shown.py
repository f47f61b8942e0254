"""Every path in a comparison or a blame finds the value it was given for, whatever members and keys are called."""

import json
from random import Random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.diff.change_list import changes
from delta_server.core.diff.compare import DiffSettings, diff
from delta_server.core.history import blame, path_index
from delta_server.core.json import pointer

HOSTILE = [
    "", " ", "*", "**", "~", "~1", "~0x", "/", "a/b", "[", "]", "=", "[]", "[x]", "[id=1]", "[id=", "[id=1", "[id=1/b",
    "[id=a/[id=b]", '[id="', '[id="a]/b"]', "[id=/~a]", "id=1]", "b]", '"', "'", "\\", "\n", "\u00e9", "\U0001f40b",
    "0", "00", "-1", "1.0", "true", "null", "a,b", "x=1,y=2", " a ", "#", "?", "%2F", "/~ann", "]/", ",", "a" * 120,
]  # fmt: skip
SETTINGS = DiffSettings()


def value(chance: Random, depth: int = 0) -> Any:
    kind = chance.random()
    if depth > 3 or kind < 0.4:
        return chance.choice([0, 1, 2.5, True, None, *HOSTILE])
    if kind < 0.6:
        return records(chance, depth)
    return {chance.choice(HOSTILE): value(chance, depth + 1) for _ in range(chance.randrange(4))}


def records(chance: Random, depth: int) -> list[Any]:
    """Elements found by `id` or `href`, or by two fields together."""
    fields = chance.choice([("id",), ("href",), ("p/q",), ("x", "y")])
    names = chance.sample([*HOSTILE, 1, 2, 30], chance.randrange(1, 5))
    if fields == ("x", "y"):
        return [{"x": n % 2, "y": str(name), "v": value(chance, depth + 1)} for n, name in enumerate(names)]
    return [{**({"p": {"q": name}} if fields == ("p/q",) else {fields[0]: name}), "v": value(chance, depth + 1)}
            for name in names]  # fmt: skip


def edited(chance: Random, old: Any) -> Any:
    if isinstance(old, list):
        return [edited(chance, item) if chance.random() < 0.5 else item for item in old]
    if isinstance(old, dict):
        return {name: old[name] if name in ("id", "href", "p", "x", "y") else edited(chance, old[name]) for name in old}
    return chance.choice([old, 7, "seven"])


@given(st.randoms(use_true_random=False))
def test_paths_of_changes_find_what_changed(chance: Random) -> None:
    first = {chance.choice(HOSTILE): value(chance) for _ in range(3)}
    before, after = json.dumps(first).encode(), json.dumps(edited(chance, first)).encode()
    difference = diff(before, after, SETTINGS)
    for change in changes(difference):
        steps = pointer.parse(change.path)
        for document, wanted in ((before, change.old), (after, change.new)):
            if isinstance(wanted, msgspec.Raw):
                found = pointer.resolve(document, steps)
                assert found is not None, change.path
                assert blame.same_value(bytes(found), bytes(wanted)), change.path
        places = path_index.watched_places(steps, SETTINGS)
        assert places is None or any(_tells(difference.fields, place) for place in places), change.path


def _tells(fields: dict[str, int], place: path_index.Place) -> bool:
    """Whether one of the fields lies at, above or under the place."""
    return any(all(step in texts for step, texts in zip(field.split("/")[1:], place, strict=False)) for field in fields)


@given(st.randoms(use_true_random=False))
def test_paths_of_leaves_find_them(chance: Random) -> None:
    document = json.dumps({chance.choice(HOSTILE): value(chance) for _ in range(3)}).encode()
    for leaf in blame.leaves(document, (), SETTINGS):
        found = pointer.resolve(document, pointer.parse(leaf.path({})))
        assert found is not None, leaf.path({})
        assert blame.same_value(bytes(found), leaf.raw), leaf.path({})
        [same] = blame.leaves(document, pointer.parse(leaf.path({})), SETTINGS)
        assert same.raw == bytes(found), leaf.path({})
