"""Which field patterns tell of a path, and whether documents differ there."""

import json

import pytest

from delta_server.core.diff.diff_settings import DiffSettings
from delta_server.core.errors import Invalid
from delta_server.core.history import path_filter


@pytest.mark.parametrize("path", ["a", "/a~", "/a/*/~2", "/**/a/**/b/**", "/l/[id=1]/*", "/*/[a/b=1]"])
def test_refused(path: str) -> None:
    with pytest.raises(Invalid) as raised:
        path_filter.parse(path)
    assert raised.value.errors[0].field == "path"


# path, field pattern: does it cover it for sure, perhaps, is the pattern above
COVERED = [
    ("/r/*", "/r/k", True, True, False),
    ("/r/*", "/r/*", True, True, False),
    ("/r/*", "/r/k/x", True, True, False),
    ("/r/*", "/r", False, False, True),
    ("/r/*", "", False, False, True),
    ("/r/*", "/s/k", False, False, False),
    ("/r/*/x", "/r/k/x", True, True, False),
    ("/r/*/x", "/r/k/y", False, False, False),
    ("/r/*/x", "/r/k", False, False, True),
    ("/*/k/*", "/r/*/x", False, True, False),
    ("/*/k/*", "/r/k/x", True, True, False),
    ("/*/*", "/r", False, False, True),
    ("/**/x", "/x", True, True, False),
    ("/**/x", "/a/b/x/c", True, True, False),
    ("/**/x", "/a/*", False, True, True),
    ("/**/x", "/a/xx", False, False, True),
    ("/r/**", "/r", False, False, True),
    ("/r/**", "/r/a/b", True, True, False),
    ("/a/**/b/**/c", "/a/b/c", True, True, False),
    ("/a/**/b/**/c", "/a/c/b", False, False, True),
    ("/r~1s/*", "/r~1s/a~0b", True, True, False),
    ("/r/*", "/r/", True, True, False),
]


@pytest.mark.parametrize(("path", "pattern", "sure", "perhaps", "above"), COVERED)
def test_patterns(path: str, pattern: str, sure: bool, perhaps: bool, above: bool) -> None:
    filter = path_filter.parse(path)
    assert path_filter.covers(filter, pattern, folded=False) is sure
    assert path_filter.covers(filter, pattern, folded=True) is perhaps
    assert sure or path_filter.is_above(filter, pattern) is above


def test_many_steps_of_any_number_end_soon() -> None:
    filter = path_filter.parse("/**/a/**/b")
    assert not path_filter.covers(filter, "/a" * 300, folded=True)


BEFORE = {"m": {f"k{n}": n for n in range(100)}, "l": [{"id": "/~a", "v": 1}, {"id": "b", "v": 1}], "o": {"p": 1}}
AFTER = {"m": {f"k{n}": n + (n != 5) for n in range(100)}, "l": [{"id": "/~a", "v": 1}, {"id": "b", "v": 2}], "o": 3}
CHANGED = [
    ("/m/k5", False),
    ("/m/k6", True),
    ("/m", True),
    ("/m/*", True),
    ("/m/k5/*", False),
    ("/*/k5", False),
    ("/*/k6", True),
    ("/**/k6", True),
    ("/l/[id=/~a]/v", False),
    ("/l/[id=b]/v", True),
    ("/l/[id=z]/v", False),
    ("/l/0/v", False),
    ("/l/1/v", True),
    ("/l/*/v", True),
    ("/l/*/id", False),
    ("/o/p", True),
    ("/o/q", False),
    ("/o/*", False),
    ("", True),
]


@pytest.mark.parametrize(("path", "changed"), CHANGED)
def test_documents_tell(path: str, changed: bool) -> None:
    before, after = (json.dumps(document).encode() for document in (BEFORE, AFTER))
    assert path_filter.changed(path_filter.parse(path), before, after, DiffSettings()) is changed
