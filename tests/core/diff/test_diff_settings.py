"""Diff settings: what is refused, and how patterns reach places."""

import msgspec
import pytest

from delta_server.core.diff.diff_settings import DiffSettings, Rules, rules, validate
from delta_server.core.errors import Invalid

WRONG = [
    (DiffSettings(array_keys={"items": ["id"]}), "diff.array_keys", "begin with /"),
    (DiffSettings(array_keys={"/items": []}), "diff.array_keys['/items']", "one to 3 fields"),
    (DiffSettings(array_keys={"/items": ["a", "b", "c", "d"]}), "diff.array_keys['/items']", "one to 3 fields"),
    (DiffSettings(array_keys={"/items": ["a", "a"]}), "diff.array_keys['/items']", "twice"),
    (DiffSettings(array_keys={"/items": ["a", "a/b"]}), "diff.array_keys['/items']", "one inside it"),
    (DiffSettings(array_keys={"/items": [""]}), "diff.array_keys['/items']", "a name such as id"),
    (DiffSettings(array_keys={"/items": ["a//b"]}), "diff.array_keys['/items']", "a name such as id"),
    (DiffSettings(array_keys={"/items": ["/".join("a" * 9)]}), "diff.array_keys['/items']", "a name such as id"),
    (DiffSettings(array_keys={"/items": ["a]b"]}), "diff.array_keys['/items']", "cannot contain"),
    (DiffSettings(array_keys={"/items": ["a\n"]}), "diff.array_keys['/items']", "a name such as id"),
    (DiffSettings(array_keys={"/items": ["a~2"]}), "diff.array_keys['/items']", "~"),
    (DiffSettings(ignore=["/a", ""]), "diff.ignore[1]", "whole document"),
    (DiffSettings(ignore=["/a", "b"]), "diff.ignore[1]", "begin with /"),
    (DiffSettings(ignore=["/a~2"]), "diff.ignore[0]", "~"),
    (DiffSettings(ignore=["/**/a/**/b/**/c"]), "diff.ignore[0]", "`**`"),
    (DiffSettings(ignore=["/" + "a" * 9000]), "diff.ignore[0]", "8192 characters"),
    (DiffSettings(ignore=["/a"] * 300), "diff", "at most 200"),
    (DiffSettings(tolerance=-1.0), "diff.tolerance", "0 or more"),
    (DiffSettings(tolerance={"/a": float("inf")}), "diff.tolerance", "0 or more"),
    (DiffSettings(tolerance={"a": 1.0}), "diff.tolerance", "begin with /"),
    (DiffSettings(order={"a": "set"}), "diff.order", "begin with /"),
]


@pytest.mark.parametrize(("settings", "field", "message"), WRONG, ids=range(len(WRONG)))
def test_wrong_settings_are_named(settings: DiffSettings, field: str, message: str) -> None:
    with pytest.raises(Invalid) as raised:
        validate(settings)
    assert raised.value.errors[0].field == field
    assert message in raised.value.errors[0].message


def test_every_wrong_part_is_named_at_once() -> None:
    with pytest.raises(Invalid) as raised:
        validate(DiffSettings(ignore=["a", "/b", "c"], tolerance=-1.0), field="settings")
    assert [error.field for error in raised.value.errors] == [
        "settings.ignore[0]",
        "settings.ignore[2]",
        "settings.tolerance",
    ]


@pytest.mark.parametrize(
    "body", [b'{"ignored":[]}', b'{"order":{"/a":"any"}}', b'{"tolerance":"1"}', b'{"ignore":"/a"}']
)
def test_ill_typed_settings_do_not_decode(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=DiffSettings)


def test_right_settings() -> None:
    validate(DiffSettings())
    validate(
        DiffSettings(
            array_keys={"": ["properties/code", "b"], "/a/*/b": ["id"]},
            ignore=["/a/*/b", "/**/seen", "/a/**"],
            tolerance={"": 0.5, "/a/*": 1.0},
            order={"": "set", "/tags": "strict"},
        )
    )


def _at(found: Rules | None, *steps: str | None) -> Rules | None:
    for step in steps:
        if found is None:
            return None
        found = found.element() if step is None else found.member(step)
    return found


IGNORES: list[tuple[str, tuple[str | None, ...], bool]] = [
    ("/a", ("a",), True),
    ("/a", ("b",), False),
    ("/a/*/b", ("a", None, "b"), True),
    ("/a/*/b", ("a", "x", "b"), True),
    ("/a/*/b", ("a", None, "c"), False),
    ("/a~1b/~0", ("a/b", "~"), True),
    ("/**/s", ("s",), True),
    ("/**/s", ("a", None, "b", "s"), True),
    ("/**/s", ("a",), False),
    ("/a/**", ("a",), False),
    ("/a/**", ("a", "b"), True),
    ("/a/**/b", ("a", "b"), True),
    ("/a/**/b", ("a", None, None, "b"), True),
]


@pytest.mark.parametrize(("pattern", "steps", "ignored"), IGNORES)
def test_patterns_reach_places(pattern: str, steps: tuple[str | None, ...], ignored: bool) -> None:
    place = _at(rules(DiffSettings(ignore=[pattern])), *steps)
    assert (place is not None and place.ignored) is ignored


def test_rules_of_one_place_together() -> None:
    settings = DiffSettings(array_keys={"/a": ["id"]}, tolerance=0.5, order={"/a": "set"}, ignore=["/a/*/t"])
    place = _at(rules(settings), "a")
    assert place is not None
    assert (place.keys, place.is_set, place.tolerance, place.ignored, place.ignores_below) == (
        ("id",),
        True,
        0.5,
        False,
        True,
    )
    assert rules(DiffSettings()) is None
