"""Large values within each other: entered as long as the copies of them fit, beyond that one replaced value."""

import pytest

from delta_server.core.diff import compare as diffs
from delta_server.core.diff.change_list import changes
from delta_server.core.diff.compare import diff
from delta_server.core.diff.json_patch import json_patch

BEFORE, AFTER = b"[1,2,3,4,5,6,7,8,9]", b"[1,2,3,4,5,6,7,8,0]"


@pytest.fixture(autouse=True)
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diffs, "LARGE_BYTES", 1)
    monkeypatch.setattr(diffs, "MIN_BUDGET", 0)


def _nested(levels: int, text: bytes) -> bytes:
    return b"[" * levels + text + b"]" * levels


@pytest.mark.parametrize(
    ("levels", "replaced"),
    [(100, "/0/0/0/0/0/0/0/0"), (20, "/0/0/0/0/0/0/0/0/0"), (5, "/0/0/0/0/0/8"), (1, "/0/8"), (0, "/8")],
)
def test_a_value_is_entered_while_its_copies_fit(monkeypatch: pytest.MonkeyPatch, levels: int, replaced: str) -> None:
    monkeypatch.setattr(diffs, "BUDGET_FACTOR", 1 << 20)
    found = diff(_nested(levels, BEFORE), _nested(levels, AFTER))
    assert b'"path":"%b"' % replaced.encode() in json_patch(found)
    assert (diffs.TOO_DEEP in str(changes(found)) + str(found.notes)) is (levels > 5)


def test_other_notations_of_a_value_too_deep_are_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diffs, "COPIES_TIMES", 0)
    assert diff(b"[[1,2]]", b"[[1, 2]]").kind != "content"
