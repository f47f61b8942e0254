"""What becomes of a change, as rows: what the server has, what a device says, what comes of it."""

import pytest

from delta_server.core.sync.judging import DELETED, ENCRYPTED, JSON, Conflicts, Head, Pushed, is_mass_deletion, judge

LIVING = Head(7, JSON, b"a")
GONE = Head(7, DELETED)


@pytest.mark.parametrize(
    ("head", "change", "policy", "status", "version"),
    [
        pytest.param(None, Pushed(JSON, b"a", None), "reject", "applied", None, id="new"),
        pytest.param(None, Pushed(JSON, b"a", 0), "reject", "applied", None, id="new, said so"),
        pytest.param(None, Pushed(JSON, b"a", 3), "last_write", "conflict", None, id="a version that is not here"),
        pytest.param(None, Pushed(DELETED, None, 3), "reject", "duplicate", None, id="deleting what is not here"),
        pytest.param(LIVING, Pushed(JSON, b"a", None), "reject", "duplicate", 7, id="the same content"),
        pytest.param(LIVING, Pushed(ENCRYPTED, b"a", 6), "reject", "conflict", None, id="the same bytes, encrypted"),
        pytest.param(LIVING, Pushed(JSON, b"b", 7), "reject", "applied", None, id="on the newest version"),
        pytest.param(LIVING, Pushed(DELETED, None, 7), "reject", "applied", None, id="deleting the newest version"),
        pytest.param(LIVING, Pushed(JSON, b"b", 6), "last_write", "applied", None, id="the last write wins"),
        pytest.param(LIVING, Pushed(DELETED, None, None), "last_write", "applied", None, id="so does a deletion"),
        pytest.param(LIVING, Pushed(JSON, b"b", 6), "reject", "conflict", None, id="refused"),
        pytest.param(LIVING, Pushed(JSON, b"b", None), "manual", "conflict", None, id="kept"),
        pytest.param(GONE, Pushed(DELETED, None, 1), "reject", "duplicate", 7, id="deleted twice"),
        pytest.param(GONE, Pushed(JSON, b"b", None), "last_write", "conflict", None, id="the deleted does not rise"),
        pytest.param(GONE, Pushed(JSON, b"b", 6), "manual", "conflict", None, id="nor for who knew it living"),
        pytest.param(GONE, Pushed(JSON, b"b", 7), "reject", "applied", None, id="but for who knows of the deletion"),
    ],
)
def test_rows(head: Head | None, change: Pushed, policy: Conflicts, status: str, version: int | None) -> None:
    verdict = judge(change, head, policy)
    assert (verdict.status, verdict.version) == (status, version)
    assert verdict.is_kept is (policy == "manual" and status == "conflict" and head is LIVING)
    assert verdict.overwrites is (status == "applied" and head is not None and change.base != head.seq)


@pytest.mark.parametrize(
    ("records", "deleted", "more", "asks"),
    [
        (10, 0, 10, False),
        (51, 0, 51, True),
        (1000, 0, 500, False),
        (1000, 0, 501, True),
        (1000, 400, 101, True),
        (1000, 400, 100, False),
        (0, 900, 0, False),
        (0, 0, 50, False),
        (0, 0, 51, True),
    ],
)
def test_many_deletions_ask(records: int, deleted: int, more: int, *, asks: bool) -> None:
    assert is_mass_deletion(records, deleted, more) is asks
