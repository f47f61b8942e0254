from typing import Any

import msgspec
import pytest

from delta_server.core.diff.diff_settings import DiffSettings
from delta_server.core.history import path_index
from delta_server.core.json import pointer


def texts(path: str, **settings: Any) -> list[str] | None:
    """The watched places, each with what its steps may be called; `*` always may."""
    places = path_index.watched_places(pointer.parse(path), msgspec.convert(settings, DiffSettings))
    if places is None:
        return None
    assert all("*" in step for place in places for step in place)
    return ["/".join(max(step - {"*"}, default="*") for step in place) for place in places]


def test_a_path_and_the_keys_in_it_are_watched() -> None:
    assert texts("/a/b~1c") == ["a/b~1c"]
    assert texts("/items/[id=7,n=x]/price") == ["items/*/id", "items/*/n", "items/[id=7,n=x]/price"]


def test_a_step_by_key_with_a_slash_is_watched_as_an_element_and_as_two_members() -> None:
    assert texts("/a/[p/id=7]/v") == ["a/*/p/id", "a/[p/id=7]/v", "a/*/v"]
    assert texts("/l/[href=/~ann]/ok") == ["l/*/href", "l/*/ok"]


def test_too_many_ways_to_read_a_path() -> None:
    assert texts("/[a=/[b=]" * 10) is None


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        ("", {}),
        ("/a" * 65, {}),
        ("/a/b", {"ignore": ["/a/b"]}),
        ("/a/b", {"ignore": ["/a"]}),
        ("/a/b", {"ignore": ["/a/b/c/d"]}),
        ("/a/b", {"ignore": ["/*/b"]}),
        ("/a/b", {"ignore": ["/x/y", "/**/updated"]}),
        ("/a/0", {"ignore": ["/a/*"]}),
        ("/a/[k=1]/b", {"ignore": ["/a/*/k"]}),
        ("/a/b", {"tolerance": 0.1}),
        ("/a/b", {"tolerance": {"/a/b": 0.1}}),
        ("/a/b", {"order": {"/a": "set"}}),
    ],
)
def test_patterns_that_do_not_tell(path: str, settings: Any) -> None:
    assert texts(path, **settings) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"ignore": ["/b", "/a/c", "/*/c"]},
        {"tolerance": {"/a/c": 0.1}},
        {"order": {"/a": "strict", "/c": "set"}},
        {"array_keys": {"/a": ["id"]}},
    ],
)
def test_settings_elsewhere_do_no_harm(settings: Any) -> None:
    assert texts("/a/b", **settings) == ["a/b"]
