"""The tree that leaves leave; whole histories are in tests/features/history."""

from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from delta_server.core.diff.diff_settings import DEFAULT, DiffSettings
from delta_server.core.errors import Invalid
from delta_server.core.history import blame
from delta_server.core.history.blame import BlameSearch, leaves, same_value
from delta_server.core.json import pointer, slices
from delta_server.core.json.pointer import parse


def paths(document: str, path: str = "", settings: DiffSettings = DEFAULT) -> list[str]:
    return [leaf.path({}) for leaf in leaves(document.encode(), parse(path), settings)]


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ("7", [""]),
        ("{}", [""]),
        (' {"a": {"b": [], "c/d": {}}, "e": null} ', ["/a/b", "/a/c~1d", "/e"]),
        ('{"a":[1,2,3]}', ["/a"]),
        ('{"a":[{"id":1,"n":2},{"id":2}]}', ["/a/[id=1]/id", "/a/[id=1]/n", "/a/[id=2]/id"]),
        ('{"a":[{"id":1,"n":2},{"id":1,"n":2}]}', ["/a"]),
        ('{"a":[{"id":1},{"id":null}]}', ["/a"]),
        ('{"a":1,"a":2}', ["/a"]),
    ],
)
def test_leaves(document: str, wanted: list[str]) -> None:
    assert paths(document) == wanted


def test_leaves_under_a_path() -> None:
    document = '{"a":[{"id":1,"n":{"x":2,"y":[]}},{"id":2}]}'
    assert paths(document, "/a/[id=1]/n") == ["/x", "/y"]
    assert paths(document, "/a/0/n/x") == [""]
    assert paths(document, "/a/7") == []


def test_the_key_that_is_set_goes_before_one_found() -> None:
    document = '{"a":[{"id":1,"n":"x"},{"id":2,"n":"y"}]}'
    settings = DiffSettings(array_keys={"/a": ["n"]})
    assert paths(document, "", settings)[0] == "/a/[n=x]/id"
    assert paths(document, "/a/[id=2]", settings) == ["/id", "/n"]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("1", "1.0", True),
        ("1", "true", False),
        ('"1"', "1", False),
        ('{"a":1,"b":2}', '{"b":2e0, "a":1}', True),
        ("[1,2]", "[2,1]", False),
        ('"\\u0061"', '"a"', True),
        (None, "null", False),
        (None, None, True),
    ],
)
def test_values_are_compared_by_value(a: str | None, b: str | None, same: bool) -> None:
    first, second = (None if text is None else text.encode() for text in (a, b))
    assert same_value(first, second) is same_value(second, first) is same


def searched(document: bytes, *older: bytes | None) -> list[list[str]]:
    """The paths that leave the search with each of the older versions."""
    found = list(leaves(document, (), DEFAULT))
    search = BlameSearch(found)
    gone = [[found[n].path({}) for n in sorted(search.compare_older(raw))] for raw in older]
    left = [found[n].path({}) for n in sorted(search.leaves)]
    assert sorted(path for part in [*gone, left] for path in part) == sorted(leaf.path({}) for leaf in found)
    return [*gone, left]


def test_a_leaf_leaves_once() -> None:
    told = searched(
        b'{"a":1,"b":{"c":2,"d":3}}', b'{"a":1,"b":{"c":2,"d":4}}', b'{"a":2,"b":{"c":2,"d":3}}', b'{"b":7}'
    )
    assert told == [["/b/d"], ["/a"], ["/b/c"], []]


def test_elements_are_followed_by_key() -> None:
    head = b'[{"id":1,"n":1},{"id":2,"n":2}]'
    assert searched(head, b'[{"id":2,"n":2},{"id":1,"n":0},{"id":3,"n":3}]', b'[{"id":2.0,"n":2}]') == [
        ["/[id=1]/n"],
        ["/[id=1]/id"],
        ["/[id=2]/id", "/[id=2]/n"],
    ]


def test_nothing_before_the_first() -> None:
    assert searched(b'{"a":1}', b'{"a":1}', None, b'{"a":1}') == [[], ["/a"], [], []]


def test_a_search_for_some_of_the_leaves() -> None:
    found = list(leaves(b'{"a":1,"b":2,"c":3}', (), DEFAULT))
    search = BlameSearch(found)
    search.drop({0, 2})
    assert search.leaves == {1}
    assert search.compare_older(b'{"a":0,"b":0,"c":0}') == [1]
    assert not search.leaves


def test_leaves_from_anywhere() -> None:
    document = b'{"z":1,"a":[{"id":1,"n":{"x":2,"y":[]}},{"id":2},{"id":3,"n":[7]}],"b":{},"c":[{"id":1},{"id":1}]}'
    whole = list(leaves(document, (), DEFAULT))
    assert len(whole) == 9
    for number, leaf in enumerate(whole):
        rest = list(leaves(document, (), DEFAULT, leaf.spot()))
        assert [each.path({}) for each in rest] == [each.path({}) for each in whole[number:]]
    assert [leaf.path({}) for leaf in leaves(document, (), DEFAULT, (3, 7))] == ["/c"]
    assert list(leaves(document, (), DEFAULT, (4,))) == []


def test_a_page_costs_its_leaves_not_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is done element by element in Python is counted; of 200,000 elements that took 5 s."""
    calls: list[str] = []
    for module, name in ((slices, "members"), (pointer, "field_of"), (pointer, "key_step"), (slices, "canonical")):
        monkeypatch.setattr(module, name, counted(getattr(module, name), name, calls))
    document = b"[" + b",".join(b'{"id":%d,"n":%d}' % (n, n) for n in range(5000)) + b"]"
    page = list(islice(leaves(document, (), DEFAULT, (4000,)), 4))
    assert [leaf.path({}) for leaf in page] == [f"/[id={n}]/{name}" for n in (4000, 4001) for name in ("id", "n")]
    search = BlameSearch(page)
    assert search.compare_older(document.replace(b'"n":4000}', b'"n":0}')) == [1]
    assert len(calls) < 100, Counter(calls)


def counted(fn: Callable[..., Any], name: str, calls: list[str]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        calls.append(name)
        return fn(*args)

    return call


def test_arrays_without_objects_are_not_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MB of scalars would be 32 million slices."""
    found = list(leaves(b'{"a":[1,2],"b":[[1]]}', (), DEFAULT))
    keyed = BlameSearch(list(leaves(b'[{"id":1}]', (), DEFAULT)))
    monkeypatch.setattr(slices, "elements", None)
    assert [leaf.path({}) for leaf in leaves(b'{"a":[1,2],"b":[ [1]]}', (), DEFAULT)] == [
        leaf.path({}) for leaf in found
    ]
    assert keyed.compare_older(b"[1,2,3]") == [0]


def test_more_than_can_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blame, "MAX_READ_BYTES", 100)
    document = b'{"a":' * 20 + b"1" + b"}" * 20
    with pytest.raises(Invalid, match="deeper path"):
        list(leaves(document, (), DEFAULT))
    assert len(list(leaves(document, parse("/a" * 15), DEFAULT))) == 1


def test_elements_are_followed_where_others_have_no_key_or_another_kind_of_one() -> None:
    head = b'[{"id":1,"n":1},{"id":2,"n":2}]'
    assert searched(head, b'[7,{"n":5},{"id":null},{"id":2e0,"n":2},{"id":1.0,"n":3}]', b'[{"id":"1"},{"id":2}]') == [
        ["/[id=1]/n"],
        ["/[id=1]/id", "/[id=2]/n"],
        ["/[id=2]/id"],
    ]


@pytest.mark.parametrize(
    ("path", "followed"),
    [
        ("/a/1/n", "/a/[id=2]/n"),
        ("/a/1/l/0", "/a/[id=2]/l/0"),
        ("/a/1/r/0/v", "/a/[id=2]/r/[k=x]/v"),
        ("/a/[n=2]/id", "/a/[n=2]/id"),
        ("/b/0/v", "/b/0/v"),
        ("/a/9", "/a/9"),
        ("/m/0", "/m/0"),
        ("", ""),
    ],
)
def test_an_index_means_the_record_at_that_place(path: str, followed: str) -> None:
    record = b'{"id":2,"n":2,"l":[7,8],"r":[{"k":"x","v":1}]}'
    document = b'{"a":[{"id":1,"n":1},%b],"b":[{"v":1},{"v":1}],"m":{"0":{"id":1}}}' % record
    assert blame.with_keyed_steps(document, parse(path), DEFAULT) == parse(followed)


def test_an_index_is_followed_by_the_key_that_is_set_known_or_not_ignored() -> None:
    document = b'[{"id":1,"n":"x","u":"a"},{"id":2,"n":"y","u":"b"}]'
    ignored, configured = DiffSettings(ignore=["/*/id"]), DiffSettings(array_keys={"": ["n"]})
    assert blame.with_keyed_steps(document, parse("/1"), configured) == parse("/[n=y]")
    assert blame.with_keyed_steps(document, parse("/1"), DEFAULT, (("", ("u",)),)) == parse("/[u=b]")
    assert blame.with_keyed_steps(document, parse("/1"), configured, (("", ("u",)),)) == parse("/[n=y]")
    assert blame.with_keyed_steps(document, parse("/1"), ignored) == parse("/[n=y]")
